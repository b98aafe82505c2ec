"""Exact proof that polygons and their translates tile the plane.

Every edge is cut at all vertices that lie on it modulo the lattice L (T-junctions). If each piece
occurs once and its reverse once modulo L, then the boundaries of all tiles cancel in the torus
R^2/L, so the number of tiles over a point is the same almost everywhere; if the areas of simple
counterclockwise tiles add up to |det L|, then it is 1.

Floats only propose which vertices might lie on which edge. A piece is written as two classes of
vertices modulo L and the translation between them, all found exactly, so that pieces are compared
as integers: what floats overlook can only leave an edge without its reverse.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.lattices import Lattice, Vector, dot
from tasks.coloring.certificates.numbers import Surd
from tasks.coloring.certificates.polygons.ranges import expanded
from tasks.coloring.certificates.polygons.simple import polygon_fault
from tasks.coloring.certificates.polygons.torus_points import (
    Shift,
    TorusPoints,
    area_twice,
    cross,
    minus,
    point_text,
)
from tasks.records import InputError

__all__ = ["Piece", "TorusEdges", "partition_fault"]

_MAX_PERIODS = 1000
"""Edges that span more periods are refused: they take too long."""
_NEAR = 1e-9
"""Distance in periods within which a vertex is checked exactly; errors of floats are smaller."""

Polygon = tuple[Vector, ...]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Piece:
    """A directed piece of an edge, modulo the lattice.

    Attributes
    ----------
    start, end
        Classes of points.
    step
        The translation of the end, where the start has none.
    """

    start: int
    end: int
    step: Shift

    @property
    def reverse(self) -> Piece:
        """The piece from its end to its start."""
        return Piece(self.end, self.start, (-self.step[0], -self.step[1]))


class TorusEdges:
    """The edges of polygons modulo a lattice, cut at all vertices on them.

    Attributes
    ----------
    points
        The vertices, in the order of the polygons.
    pieces
        Of all edges, in order.
    owners
        The polygon of each piece.
    """

    def __init__(self, polygons: Sequence[Polygon], lattice: Lattice) -> None:
        self.points = TorusPoints.of((v for polygon in polygons for v in polygon), lattice)
        whole = list(self._whole_edges([len(polygon) for polygon in polygons]))
        owners = [owner for owner, polygon in enumerate(polygons) for _ in polygon]
        cuts = self._cuts(whole)
        self.pieces: list[Piece] = []
        self.owners: list[int] = []
        for edge, (owner, piece) in enumerate(zip(owners, whole, strict=True)):
            self.pieces += _cut(piece, cuts[edge]) if edge in cuts else [piece]
            self.owners += [owner] * (len(self.pieces) - len(self.owners))

    def _whole_edges(self, sizes: list[int]) -> Iterator[Piece]:
        classes, shifts, start = self.points.classes.tolist(), self.points.shifts, 0
        for size in sizes:
            for i in range(size):
                tail, head = start + i, start + (i + 1) % size
                (k, l), (m, n) = shifts[tail], shifts[head]
                yield Piece(classes[tail], classes[head], (m - k, n - l))
            start += size

    def _cuts(self, whole: list[Piece]) -> dict[int, list[tuple[int, Shift]]]:
        """The points strictly inside each edge, in order, where its start has no translation."""
        found: dict[int, list[tuple[Surd, int, Shift]]] = defaultdict(list)
        for edge, point, shift in _near_edges(self.points, whole):
            piece = whole[edge]
            if (point, shift) not in ((piece.start, (0, 0)), (piece.end, piece.step)):
                along = self._place_on(piece, point, shift)
                if along is not None:
                    found[edge].append((along, point, shift))
        return {
            edge: [(point, shift) for _, point, shift in sorted(cuts, key=lambda cut: cut[0])]
            for edge, cuts in found.items()
        }

    def _place_on(self, piece: Piece, point: int, shift: Shift) -> Surd | None:
        """How far along an edge a point lies; None if it is not strictly inside the edge."""
        start, end = self.ends(piece)
        edge, place = minus(end, start), minus(self.points.position(point, shift), start)
        if cross(edge, place):
            return None
        along = dot(edge, place)
        return along if 0 < along < dot(edge, edge) else None

    def ends(self, piece: Piece) -> tuple[Vector, Vector]:
        """Both ends of a piece that starts in the parallelogram of the reduced basis."""
        position = self.points.position
        return position(piece.start, (0, 0)), position(piece.end, piece.step)

    def unmatched(self) -> list[int]:
        """Numbers of the pieces that do not occur once with one reverse."""
        counts = Counter(self.pieces)
        return [
            i
            for i, piece in enumerate(self.pieces)
            if counts[piece] != 1 or counts[piece.reverse] != 1
        ]


def _cut(piece: Piece, cuts: list[tuple[int, Shift]]) -> list[Piece]:
    stops = [(piece.start, (0, 0)), *cuts, (piece.end, piece.step)]
    return [Piece(tail, head, (m - k, n - l)) for (tail, (k, l)), (head, (m, n)) in pairwise(stops)]


def partition_fault(polygons: Sequence[Polygon], lattice: Lattice) -> str | None:
    """Why polygons with their translates by a lattice are not a partition; None if they are one.

    Parameters
    ----------
    polygons
        Each at least three vertices of the plane, exact.
    lattice
        Of the plane.

    Raises
    ------
    InputError
        If an edge spans more than 1000 periods.
    """
    fault = polygon_fault(polygons)
    if fault is not None:
        return fault
    areas = [area_twice(polygon) for polygon in polygons]
    if any(area <= 0 for area in areas):
        number = next(i for i, area in enumerate(areas) if area <= 0)
        return f"tile {number} is not counterclockwise: its area is not positive"
    edges = TorusEdges(polygons, lattice)
    unmatched = edges.unmatched()
    if unmatched:
        first = unmatched[0]
        start, end = map(point_text, edges.ends(edges.pieces[first]))
        return (
            f"no partition: the edge from {start} to {end} of tile {edges.owners[first]} does not "
            "meet exactly one reversed edge of another tile, so there is a gap or an overlap"
        )
    total = sum(areas, Surd.of(0))
    if total != 2 * abs(lattice.determinant):
        area = abs(lattice.determinant)
        return (
            f"no partition: the tiles have area {float(total) / 2!r}, the lattice {float(area)!r}"
        )
    return None


def _near_edges(points: TorusPoints, edges: list[Piece]) -> Iterator[tuple[int, int, Shift]]:
    """Edge, class and translation of the points near edges, the ends among them."""
    places = points.coordinates()
    tails = places[[edge.start for edge in edges]]
    heads = places[[edge.end for edge in edges]] + np.array([edge.step for edge in edges], float)
    if not np.abs(heads - tails).max(initial=0.0) <= _MAX_PERIODS:
        raise InputError(f"an edge of a tile spans more than {_MAX_PERIODS} periods: cut it")
    lengths = np.hypot(*points.frame.floats.T)
    near = _NEAR * max(1.0, 1e-3 * float(lengths.max() / lengths.min()))
    order = np.argsort(places[:, 0], kind="stable")
    for edge, k, point in _beside(tails, heads, places[order, 0], near):
        y = places[order[point], 1]
        y_low = np.minimum(tails[edge, 1], heads[edge, 1]) - near - y
        y_high = np.maximum(tails[edge, 1], heads[edge, 1]) + near - y
        for row, l in expanded(
            np.ceil(y_low).astype(np.int64), np.floor(y_high).astype(np.int64) + 1
        ):
            e, where = edge[row], order[point[row]]
            (dx, dy), (px, py) = (heads[e] - tails[e]).T, (places[where] - tails[e]).T
            gap = np.abs(dx * (py + l) - dy * (px + k[row]))
            is_near = gap <= near * (np.abs(dx) + np.abs(dy))
            table = np.column_stack([e, where, k[row], l])[is_near]
            yield from ((e, point_class, (k, l)) for e, point_class, k, l in table.tolist())


def _beside(
    tails: Floats, heads: Floats, sorted_places: Floats, near: float
) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Edges, whole periods and numbers of sorted points, where these are between the ends in x."""
    low = np.minimum(tails[:, 0], heads[:, 0]) - near
    high = np.maximum(tails[:, 0], heads[:, 0]) + near
    first, stop = np.floor(low - 1).astype(np.int64), np.floor(high).astype(np.int64) + 2
    for edge, k in expanded(first, stop):
        begin = np.searchsorted(sorted_places, low[edge] - k)
        end = np.searchsorted(sorted_places, high[edge] - k, side="right")
        for row, point in expanded(begin, end):
            yield edge[row], k[row], point
