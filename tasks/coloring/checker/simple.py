"""Whether polygons are simple, and turn counterclockwise."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.coloring.checker.limits import Budget
from tasks.coloring.checker.numbers import Number, sign
from tasks.coloring.checker.partition import doubled_area, sides
from tasks.coloring.checker.vectors import Vector, cross, dot, minus

Segment = tuple[Vector, Vector]
"""Its two ends."""


def polygon_fault(vertices: Sequence[Vector], budget: Budget) -> str | None:
    """Why a polygon of at least three vertices is not simple and counterclockwise.

    Edges are swept from left to right; a pair is looked at if their ranges of both coordinates
    meet.

    Raises
    ------
    RefusedError
        If that takes too much work.
    """
    edges = list(sides(vertices))
    for index, (u, v) in enumerate(edges):
        if u == v:
            return f"its edge {index} has length 0"
    boxes = [_box(edge) for edge in edges]
    swept: list[int] = []
    for index in sorted(range(len(edges)), key=lambda k: boxes[k][0]):
        left, _, low, high = boxes[index]
        swept = [k for k in swept if boxes[k][1] >= left]
        budget.spend(len(swept) + 1)
        for other in swept:
            is_apart = boxes[other][2] > high or boxes[other][3] < low
            if not is_apart and _collide(edges, index, other):
                return f"its edges {min(index, other)} and {max(index, other)} meet"
        swept.append(index)
    if doubled_area(vertices) <= 0:
        return "its vertices are not counterclockwise"
    return None


def _box(edge: Segment) -> tuple[Number, Number, Number, Number]:
    (a, b), (c, d) = edge
    return (*((a, c) if a <= c else (c, a)), *((b, d) if b <= d else (d, b)))


def _collide(edges: Sequence[Segment], i: int, j: int) -> bool:
    """Whether two edges meet elsewhere than one ends and the next begins."""
    if (i + 1) % len(edges) == j:
        return _folds_back(edges[i], edges[j])
    if (j + 1) % len(edges) == i:
        return _folds_back(edges[j], edges[i])
    return meet(edges[i], edges[j])


def _folds_back(first: Segment, second: Segment) -> bool:
    """Whether an edge runs back along the one before."""
    u, v = (minus(end, start) for start, end in (first, second))
    return not cross(u, v) and dot(u, v) < 0


def meet(first: Segment, second: Segment) -> bool:
    """Whether two closed segments have a point in common."""
    (a, b), (c, d) = first, second
    sides_of_first = [sign(cross(minus(b, a), minus(p, a))) for p in (c, d)]
    sides_of_second = [sign(cross(minus(d, c), minus(p, c))) for p in (a, b)]
    if sides_of_first == [0, 0]:
        # On one line: the boxes of the two have to meet.
        one, other = _box(first), _box(second)
        return all(one[k] <= other[k + 1] and other[k] <= one[k + 1] for k in (0, 2))
    return all(x * y <= 0 for x, y in (sides_of_first, sides_of_second))
