"""Exact proof that polygons are simple.

A polygon is simple if edges that are not neighbors are disjoint, and neighbors share their common
vertex alone. Floats decide orientations outside a band around 0, exact numbers inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.lattices import Vector, dot
from tasks.coloring.certificates.polygons.ranges import expanded
from tasks.coloring.certificates.polygons.torus_points import cross, minus, point_text

__all__ = ["polygon_fault", "segments_meet"]

_BAND = 1e-11
"""Relative error of an orientation in floats; it is less than 20 eps."""

Polygon = tuple[Vector, ...]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def polygon_fault(polygons: Sequence[Polygon]) -> str | None:
    """Why one of the polygons is not simple; None if all are."""
    for number, first, second in _close_edges(polygons):
        if _is_bad(polygons[number], first, second):
            places = (f"{k} from {point_text(polygons[number][k])}" for k in (first, second))
            return f"tile {number} is not simple: its edges {' and '.join(places)} meet"
    return None


def _is_bad(polygon: Polygon, first: int, second: int) -> bool:
    """Whether two edges, the first one with the smaller number, have too much in common."""
    a, b = polygon[first], polygon[(first + 1) % len(polygon)]
    c, d = polygon[second], polygon[(second + 1) % len(polygon)]
    if second == first + 1:
        return _fold_back(a, b, d)
    if first == 0 and second == len(polygon) - 1:
        return _fold_back(c, a, b)
    return segments_meet(a, b, c, d)


def _fold_back(before: Vector, corner: Vector, after: Vector) -> bool:
    """Whether two edges at a corner share more than it, or one of them is a point."""
    arm, other = minus(before, corner), minus(after, corner)
    return not cross(arm, other) and dot(arm, other) >= 0


def segments_meet(a: Vector, b: Vector, c: Vector, d: Vector) -> bool:
    """Whether the closed segments ab and cd have a common point."""
    ab, cd = minus(b, a), minus(d, c)
    sides = cross(ab, minus(c, a)).sign, cross(ab, minus(d, a)).sign
    others = cross(cd, minus(a, c)).sign, cross(cd, minus(b, c)).sign
    if sides[0] * sides[1] < 0 and others[0] * others[1] < 0:
        return True
    candidates = zip((*sides, *others), (c, d, a, b), ((a, b), (a, b), (c, d), (c, d)), strict=True)
    return any(not side and _is_between(point, *ends) for side, point, ends in candidates)


def _is_between(point: Vector, start: Vector, end: Vector) -> bool:
    """Whether a point of the line through two points lies between them."""
    return dot(minus(start, point), minus(end, point)) <= 0


def _close_edges(polygons: Sequence[Polygon]) -> Iterator[tuple[int, int, int]]:
    """Polygon and two of its edges, the smaller number first, that floats cannot tell apart."""
    tails = np.array([[float(x), float(y)] for polygon in polygons for x, y in polygon])
    sizes = np.array([len(polygon) for polygon in polygons])
    starts = np.cumsum(sizes) - sizes
    owners = np.repeat(np.arange(len(polygons)), sizes)
    heads = tails[_following(starts, sizes, owners)]
    band = _BAND * float(np.abs(tails).max())
    for first, second in _close_in_x(
        np.minimum(tails, heads), np.maximum(tails, heads), owners, band
    ):
        i, j = np.minimum(first, second), np.maximum(first, second)
        is_next = j == i + 1
        is_around = ~is_next & (i == starts[owners[i]]) & (j == (starts + sizes - 1)[owners[i]])
        a, b, c, d = tails[i], heads[i], tails[j], heads[j]
        is_fine = _are_apart(a, b, c, d, band)
        is_fine[is_next] = _is_open(a[is_next], b[is_next], d[is_next], band)
        is_fine[is_around] = _is_open(c[is_around], a[is_around], b[is_around], band)
        for row in np.flatnonzero(~is_fine).tolist():
            owner = int(owners[i[row]])
            yield owner, int(i[row] - starts[owner]), int(j[row] - starts[owner])


def _following(starts: Ints, sizes: Ints, owners: Ints) -> Ints:
    """Numbers of the vertices behind each one around its polygon."""
    numbers = np.arange(len(owners)) + 1
    ends = (starts + sizes)[owners]
    return np.where(numbers == ends, starts[owners], numbers)


def _close_in_x(
    low: Floats, high: Floats, owners: Ints, band: float
) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of boxes of one polygon that meet, in blocks."""
    order = np.lexsort((low[:, 0], owners))
    firsts = np.searchsorted(owners[order], np.arange(owners.max() + 2))
    stops = np.concatenate(
        [
            first
            + np.searchsorted(
                low[order[first:last], 0], high[order[first:last], 0] + band, side="right"
            )
            for first, last in pairwise(firsts)
        ]
    )
    for k, m in expanded(np.arange(len(order)) + 1, stops):
        i, j = order[k], order[m]
        meet = (low[j, 1] <= high[i, 1] + band) & (low[i, 1] <= high[j, 1] + band)
        yield i[meet], j[meet]


def _sides(a: Floats, b: Floats, p: Floats, band: float) -> Ints:
    """Sides of the lines ab on which points lie, 0 where floats cannot tell."""
    d, e = b - a, p - a
    value = d[:, 0] * e[:, 1] - d[:, 1] * e[:, 0]
    error = band * (np.abs(d).sum(axis=1) + np.abs(e).sum(axis=1))
    return np.where(value > error, 1, np.where(value < -error, -1, 0))


def _are_apart(a: Floats, b: Floats, c: Floats, d: Floats, band: float) -> Bools:
    """Whether one of the edges ab, cd lies on one side of the line of the other."""
    first, other = _sides(a, b, c, band), _sides(c, d, a, band)
    is_first = (first != 0) & (first == _sides(a, b, d, band))
    return is_first | ((other != 0) & (other == _sides(c, d, b, band)))


def _is_open(before: Floats, corner: Floats, after: Floats, band: float) -> Bools:
    """Whether the edges at a corner do not fold back."""
    arm, other = before - corner, after - corner
    error = band * (np.abs(arm).sum(axis=1) + np.abs(other).sum(axis=1))
    return (_sides(before, corner, after, band) != 0) | ((arm * other).sum(axis=1) < -error)
