"""Whether simple polygons, with their translates by a lattice, cover the plane just once.

The sum f of the indicator functions of all translates is constant off the edges.  If every edge,
split at vertices, cancels against a reversed one modulo the lattice, f does not change across any
edge, so that it is constant; its mean is the sum of the areas by that of the period.  Splitting at
a point is always allowed, so that it does not matter for the proof where it is done.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from tasks.coloring.checker.limits import MAX_PERIODS, Budget
from tasks.coloring.checker.numbers import Number, approximate, floor_quotient
from tasks.coloring.checker.torus import Torus, key
from tasks.coloring.checker.vectors import Vector, cross, dot, minus, plus
from tasks.coloring.checker.verdicts import RefusedError


@dataclass(frozen=True)
class Edge:
    """An edge, or a part of one.

    Attributes
    ----------
    tile, index
        Edge `index` of this tile, from vertex `index` to the next.
    start
        Its first point modulo the lattice.
    along
        From its first point to its last.
    """

    tile: int
    index: int
    start: Vector
    along: Vector


def partition_fault(
    tiles: Sequence[Sequence[Vector]], torus: Torus, scale: int, budget: Budget
) -> str | None:
    """Why simple, counterclockwise polygons do not partition the plane; None if they do.

    Raises
    ------
    RefusedError
        If that takes too much work.
    """
    left = _uncancelled(_edges(tiles, torus), torus)
    left = _uncancelled(_split(left, torus, budget), torus)
    excess = sum(map(doubled_area, tiles)) - 2 * torus.det
    if left:
        edge = left[0]
        start = tiles[edge.tile][edge.index]
        end = tiles[edge.tile][(edge.index + 1) % len(tiles[edge.tile])]
        return (
            f"not a partition: tile {edge.tile}, its edge from {_point(start, scale)} to "
            f"{_point(end, scale)} does not cancel against the others modulo the lattice "
            f"(the areas add up to {_area(excess, scale)})"
        )
    if excess:
        return f"not a partition: the areas of the tiles add up to {_area(excess, scale)}"
    return None


def doubled_area(vertices: Sequence[Vector]) -> Number:
    """Twice the signed area of a polygon."""
    return sum(cross(u, v) for u, v in sides(vertices))


def sides(vertices: Sequence[Vector]) -> Iterator[tuple[Vector, Vector]]:
    """The edges of a polygon."""
    return zip(vertices, [*vertices[1:], vertices[0]], strict=True)


def _point(x: Vector, scale: int) -> str:
    return "(" + ", ".join(f"{approximate(c, scale):.12g}" for c in x) + ")"


def _area(excess: Number, scale: int) -> str:
    if not excess:
        return "that of the period"
    word = "more" if excess > 0 else "less"
    return f"{abs(approximate(excess, 2 * scale * scale)):.6g} {word} than that of the period"


def _edges(tiles: Sequence[Sequence[Vector]], torus: Torus) -> Iterator[Edge]:
    for tile, vertices in enumerate(tiles):
        for index, (u, v) in enumerate(sides(vertices)):
            yield Edge(tile, index, torus.reduced(u), minus(v, u))


def _uncancelled(edges: Iterable[Edge], torus: Torus) -> list[Edge]:
    """What is left once edges and reversed ones have cancelled in pairs."""
    waiting: dict[object, list[Edge]] = {}
    for edge in edges:
        end = torus.reduced(plus(edge.start, edge.along))
        opposite = (key(end), key(tuple(-x for x in edge.along)))
        if partners := waiting.get(opposite):
            partners.pop()
        else:
            waiting.setdefault((key(edge.start), key(edge.along)), []).append(edge)
    left = [edge for partners in waiting.values() for edge in partners]
    return sorted(left, key=lambda edge: (edge.tile, edge.index))


# --- edges that meet others in a part -----------------------------------------------------------


def _split(edges: Sequence[Edge], torus: Torus, budget: Budget) -> Iterator[Edge]:
    """The edges, split at all ends of parallel ones that lie on them modulo the lattice.

    An edge whose partners are parts of it ends where one of those does.
    """
    groups: dict[object, list[Edge]] = {}
    for edge in edges:
        groups.setdefault(_direction(edge.along), []).append(edge)
    for group in groups.values():
        ends = {key(p): p for edge in group for p in _ends(edge, torus)}
        points = _Points.of(list(ends.values()), torus)
        for edge in group:
            cuts = [(dot(p, edge.along), p) for p in points.within(edge, budget)]
            cuts.sort(key=lambda cut: cut[0])
            here: Vector = (0, 0)
            for p in [*(p for _, p in cuts), edge.along]:
                yield Edge(
                    edge.tile, edge.index, torus.reduced(plus(edge.start, here)), minus(p, here)
                )
                here = p


def _ends(edge: Edge, torus: Torus) -> tuple[Vector, Vector]:
    return edge.start, torus.reduced(plus(edge.start, edge.along))


def _direction(along: Vector) -> object:
    """Equal for parallel vectors."""
    x, y = along
    return Fraction(1) * x / y if y else None


@dataclass(frozen=True)
class _Points:
    """Points of the torus, sorted by each of their two lattice coordinates (times det)."""

    torus: Torus
    by_coordinate: tuple[list[tuple[Number, Number, Vector]], ...]

    @classmethod
    def of(cls, points: Sequence[Vector], torus: Torus) -> _Points:
        placed = [(*torus.coordinates(p), p) for p in points]
        return cls(torus, tuple(sorted(placed, key=_coordinate(axis)) for axis in (0, 1)))

    def within(self, edge: Edge, budget: Budget) -> Iterator[Vector]:
        """What leads from the start of an edge to the points of the torus inside the edge.

        The axis is taken along which the edge is shorter; a point and its number of periods along
        that axis leave few choices along the other.
        """
        det, length = self.torus.det, dot(edge.along, edge.along)
        start, extent = (self.torus.coordinates(x) for x in (edge.start, edge.along))
        if max(map(abs, extent)) > MAX_PERIODS * det:
            raise RefusedError(
                f"too much work: an edge of tile {edge.tile} crosses more than {MAX_PERIODS} "
                "periods"
            )
        axis = 0 if abs(extent[0]) <= abs(extent[1]) else 1
        for i, point in self._between(axis, start[axis], extent[axis], budget):
            budget.spend(1)
            base = start[1 - axis] - point[1 - axis]
            for j in _periods(base, extent[1 - axis], det):
                budget.spend(1)
                periods = (i, j) if axis == 0 else (j, i)
                lead = minus(plus(point[2], self.torus.vector(*periods)), edge.start)
                if not cross(lead, edge.along) and 0 < dot(lead, edge.along) < length:
                    yield lead

    def _between(
        self, axis: int, start: Number, extent: Number, budget: Budget
    ) -> Iterator[tuple[int, tuple[Number, Number, Vector]]]:
        """Points whose coordinate, moved by i periods, lies between start and start + extent."""
        det, points = self.torus.det, self.by_coordinate[axis]
        low, high = (start, start + extent) if extent > 0 else (start + extent, start)
        for i in range(floor_quotient(low, det), floor_quotient(high, det) + 1):
            budget.spend(1)
            first = bisect_left(points, low - i * det, key=_coordinate(axis))
            last = bisect_right(points, high - i * det, key=_coordinate(axis))
            yield from ((i, points[k]) for k in range(first, last))


def _coordinate(axis: int) -> Callable[[tuple[Number, Number, Vector]], Number]:
    return lambda placed: placed[axis]


def _periods(base: Number, extent: Number, det: Number) -> range:
    """The integers j with base + min(0, extent) <= j det <= base + max(0, extent)."""
    low, high = (base, base + extent) if extent > 0 else (base + extent, base)
    return range(-floor_quotient(-low, det), floor_quotient(high, det) + 1)
