"""Pairs of tiles of one color, and the exact distances between them.

The distances between two open tiles form an open interval, between closed ones a closed one; its
ends are the least and the largest distance of the closed tiles, the least being 0 for a tile and
itself. Floats with a margin above their errors find the pairs that may hold a forbidden distance,
and in these the vertices and edges that exact numbers must look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import hypot
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.distances import Distance, Interval
from tasks.coloring.certificates.lattices import Lattice, Vector
from tasks.coloring.certificates.norms import BAND, Norm
from tasks.coloring.certificates.polygons.compiled_norms import CompiledNorm, compiled_norm
from tasks.coloring.certificates.polygons.kernels import (
    close_pairs,
    far_vertices,
    near_edges,
    tile_arrays,
)
from tasks.coloring.certificates.polygons.tiles import Tile
from tasks.coloring.certificates.polygons.torus_points import Shift, TorusFrame, minus
from tasks.records import InputError

__all__ = ["TilePair", "TilePairs"]

_MAX_MOVES = 100_000
"""Translations of the lattice that a search may go through."""
_MAX_PERIODS = 1e6
"""Tiles farther away from the origin are refused: floats of them are not precise enough."""


@dataclass(frozen=True)
class TilePair:
    """Two tiles, the second one translated by a vector of the lattice.

    Attributes
    ----------
    first, second
        Numbers of the tiles.
    shift
        Coordinates of the translation in the reduced basis.
    least, largest
        Their distances, rounded; the least one perhaps only an upper bound.
    """

    first: int
    second: int
    shift: Shift
    least: float
    largest: float

    @property
    def is_same(self) -> bool:
        """Whether it is a tile and itself."""
        return self.first == self.second and self.shift == (0, 0)


class TilePairs:
    """What finds pairs of tiles of a tiling by their distances.

    Parameters
    ----------
    tiles
        With finite coordinates.
    lattice
        Of the plane.
    norm
        That measures distances.

    Raises
    ------
    InputError
        If a tile is more than a million periods away from the origin.
    """

    def __init__(self, tiles: Sequence[Tile], lattice: Lattice, norm: Norm) -> None:
        self.tiles, self.norm, self.frame = tiles, norm, TorusFrame(lattice)
        self._compiled: CompiledNorm = compiled_norm(norm)
        places = [np.array([[float(x), float(y)] for x, y in tile.vertices]) for tile in tiles]
        inverse = np.linalg.inv(self.frame.floats)
        centers = np.array([(p.min(axis=0) + p.max(axis=0)) / 2 for p in places])
        if not np.abs(centers @ inverse).max() <= _MAX_PERIODS:
            raise InputError("a tile is more than 10^6 periods away from the origin: move it there")
        self._homes = np.floor(centers @ inverse).astype(np.int64)
        moved = [p - home @ self.frame.floats for p, home in zip(places, self._homes, strict=True)]
        self._arrays = tile_arrays(moved)
        self._size = max(float(np.abs(place).max()) for place in places)
        widths = self._arrays.boxes[:, 2:] - self._arrays.boxes[:, :2]
        self._width = float(np.hypot(*widths.T).max())

    def translation(self, shift: Shift) -> Vector:
        """The vector of the lattice, exactly."""
        return self.frame.translation(shift)

    def find(
        self, color: int, low: float, high: float, is_complete: bool = False
    ) -> tuple[list[TilePair], bool]:
        """Pairs of tiles of a color that may, by floats, hold distances of (low, high).

        Returns
        -------
        pairs
            All of them; but unless they are to be complete, the first one that holds such
            distances by more than the margin ends the list.
        is_cut
            Whether that has happened.
        """
        members = np.array([i for i, tile in enumerate(self.tiles) if tile.color == color], int)
        if not len(members):
            return [], False
        members = members[np.argsort(self._arrays.boxes[members, 0], kind="stable")]
        limits = low, high, self.margin(high)
        found: list[TilePair] = []
        for move in self._moves(high).tolist():
            place = np.array(move) @ self.frame.floats
            ranges = self._ranges(members, move, float(place[0]), high + limits[2])
            search = partial(close_pairs, self._arrays, members, ranges, place, limits)
            rows, bounds, is_cut = _filled(partial(search, self._compiled, is_complete), 2)
            found += self._named(rows, bounds, move)
            if is_cut:
                return found, True
        return found, False

    def _ranges(
        self, members: NDArray[np.int64], move: list[int], dx: float, distance: float
    ) -> NDArray[np.int64]:
        """For each tile, first and last of those to compare with it: the boxes are close in x.

        Of the pairs of s and t + move and of t and s - move one is enough.
        """
        boxes = self._arrays.boxes[members]
        left, width = boxes[:, 0] + dx, float((boxes[:, 2] - boxes[:, 0]).max())
        reach = distance * self._compiled.outer_radius
        first = np.searchsorted(left, boxes[:, 0] - width - reach)
        stop = np.searchsorted(left, boxes[:, 2] + reach, side="right")
        ordered = np.arange(len(members)) + (move < [0, 0])
        return np.column_stack([np.maximum(first, ordered), stop])

    def _named(
        self, rows: NDArray[np.int64], bounds: NDArray[np.float64], move: list[int]
    ) -> Iterator[TilePair]:
        for (s, t), (least, largest) in zip(rows.tolist(), bounds.tolist(), strict=True):
            k, l = (self._homes[s] - self._homes[t] + move).tolist()
            yield TilePair(s, t, (k, l), least, largest)

    def _moves(self, distance: float) -> NDArray[np.int64]:
        """Coordinates of the translations within reach, the shortest first."""
        (a, b), (c, d) = self.frame.floats.tolist()
        reach, area = self._reach(distance + self.margin(distance)), abs(a * d - b * c)
        most = [reach * hypot(c, d) / area, reach * hypot(a, b) / area]
        if not 4 * most[0] * most[1] < _MAX_MOVES:
            raise InputError(
                f"a distance of {distance:.6g} is too many periods of the lattice long: "
                "choose a lattice whose vectors are closer to it in length"
            )
        box = np.indices([2 * int(m) + 3 for m in most]).reshape(2, -1).T
        shifts = box - [int(m) + 1 for m in most]
        lengths = np.hypot(*(shifts @ self.frame.floats).T)
        order = np.argsort(lengths, kind="stable")
        return shifts[order[lengths[order] <= reach]]

    def _reach(self, distance: float) -> float:
        """Translations of tiles at this distance from tiles at home are shorter than this."""
        sides = float(np.hypot(*self.frame.floats.T).sum())
        return distance * self._compiled.outer_radius + self._width + sides

    def margin(self, distance: float) -> float:
        """More than the error in floats of distances between points up to this far apart."""
        return BAND * (2 * self._size + self._reach(distance)) / self._compiled.inner_radius

    def _margin_of(self, pair: TilePair, bound: float) -> float:
        return self.margin(max(bound, pair.largest))

    def _place(self, pair: TilePair) -> tuple[int, int, float, float]:
        """Arguments of kernels: both tiles, and the translation between their homes."""
        move = np.array(pair.shift) + self._homes[pair.second] - self._homes[pair.first]
        dx, dy = (move @ self.frame.floats).tolist()
        return pair.first, pair.second, dx, dy

    def vertex_differences(self, pair: TilePair, bound: float) -> Iterator[Vector]:
        """The differences of vertices that may be at least `bound` long, exactly."""
        step = self.translation(pair.shift)
        least = bound - self._margin_of(pair, bound)
        rows, _, _ = _filled(
            partial(far_vertices, self._arrays, *self._place(pair), self._compiled, least)
        )
        first, second = self.tiles[pair.first].vertices, self.tiles[pair.second].vertices
        for i, j in rows.tolist():
            (x, y), (a, b) = first[i], second[j]
            yield (a + step[0] - x, b + step[1] - y)

    def segments(self, pair: TilePair, bound: float) -> list[tuple[Vector, Vector]]:
        """The segments edge - vertex that may be at most `bound` away from 0, nearest first."""
        s, t, dx, dy = self._place(pair)
        step = self.translation(pair.shift)
        back = (-step[0], -step[1])
        found: list[tuple[float, Vector, Vector]] = []
        for one, other, shift, place in ((s, t, step, (dx, dy)), (t, s, back, (-dx, -dy))):
            rows, values = self._near(pair, one, other, place, bound)
            corners, ends = self.tiles[one].vertices, self.tiles[other].vertices
            for (i, j), value in zip(rows.tolist(), values.tolist(), strict=True):
                corner = minus(corners[i], shift)
                tail, head = ends[j], ends[(j + 1) % len(ends)]
                found.append((value, minus(tail, corner), minus(head, corner)))
        found.sort(key=lambda entry: entry[0])
        return [(tail, head) for _, tail, head in found]

    def least(self, pair: TilePair) -> float:
        """The least distance of a pair, rounded."""
        if pair.is_same:
            return 0.0
        s, t, dx, dy = self._place(pair)
        places = ((s, t, (dx, dy)), (t, s, (-dx, -dy)))
        found = [self._near(pair, *place, pair.least)[1] for place in places]
        return float(np.concatenate(found).min())

    def _near(
        self, pair: TilePair, one: int, other: int, place: tuple[float, float], bound: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        most = bound + self._margin_of(pair, bound)
        arguments = self._arrays, one, other, *place, self._compiled, most
        rows, values, _ = _filled(partial(near_edges, *arguments), 1)
        return rows, values[:, 0]

    def exceeds(self, pair: TilePair, distance: Distance, is_closed: bool) -> bool:
        """Whether the largest distance of a pair may exceed a distance, or equal it if closed."""
        bound = float(distance)
        if pair.largest > bound + self._margin_of(pair, bound):
            return True
        signs = (self.norm.sign(v, distance) for v in self.vertex_differences(pair, bound))
        return any(sign is None or sign > 0 or (is_closed and sign == 0) for sign in signs)

    def undercuts(self, pair: TilePair, distance: Distance, is_closed: bool) -> bool:
        """Whether the least distance of a pair may be below a distance, or equal it if closed."""
        if pair.is_same:
            return True
        bound = float(distance)
        return any(
            sign is None or sign < 0 or (is_closed and sign == 0)
            for most in sorted({min(pair.least, bound), bound})
            for start, stop in self.segments(pair, most)
            for sign in [self.norm.segment_sign(start, stop, distance)]
        )

    def conflict(
        self, color: int, interval: Interval, is_closed: bool
    ) -> tuple[TilePair | None, int]:
        """A pair of tiles of a color that may hold a distance of an interval; None if none can.

        Also how many pairs floats left to exact numbers.
        """
        pairs, is_cut = self.find(color, *interval.floats)
        while True:
            for pair in reversed(pairs):
                if self.exceeds(pair, interval.low, is_closed) and self.undercuts(
                    pair, interval.high, is_closed
                ):
                    return pair, len(pairs)
            if not is_cut:
                return None, len(pairs)
            pairs, is_cut = self.find(color, *interval.floats, is_complete=True)


def _filled(
    kernel: Callable[..., Any], num_values: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.float64], bool]:
    """What a kernel writes to rows of two integers and as many rows of values."""
    room = 256
    while True:
        rows, values = np.empty((room, 2), np.int64), np.empty((room, num_values))
        count, is_cut = kernel(rows, values)
        if count <= room:
            return rows[:count], values[:count], is_cut
        room = count
