"""Pairs of polygons of one color modulo a lattice, and the distances between their points."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isqrt

from tasks.coloring.checker.bodies import is_above, is_below
from tasks.coloring.checker.limits import Budget
from tasks.coloring.checker.norms import Norm
from tasks.coloring.checker.numbers import Number, floor_scaled
from tasks.coloring.checker.partition import sides
from tasks.coloring.checker.spans import Ruler, span_text
from tasks.coloring.checker.statements import Interval
from tasks.coloring.checker.torus import short_basis
from tasks.coloring.checker.vectors import Vector, combination, dot, minus, plus
from tasks.coloring.checker.walks import Offset, Walk, shift_for

MAX_MEASURED = 10_000
"""Pairs of vertices and edges of two tiles up to which their distances are told."""


@dataclass(frozen=True)
class Disc:
    """A disc around a polygon, in units of a walk, rounding included."""

    center: tuple[int, ...]
    radius: int

    @classmethod
    def of(cls, vertices: Sequence[Vector], bits: int) -> Disc:
        """A disc around these vertices, each rounded down to a unit."""
        rounded = [tuple(floor_scaled(x, bits) for x in v) for v in vertices]
        center = tuple((min(column) + max(column)) // 2 for column in zip(*rounded, strict=True))
        square = max(dot(d, d) for d in (minus(v, center) for v in rounded))
        return cls(center, isqrt(square) + 3)


@dataclass(frozen=True)
class Pair:
    """Tile `one` and tile `other`, moved by a vector of the lattice.

    Attributes
    ----------
    one, other
        Their numbers.
    periods
        Coefficients of the period vectors.
    move
        The vector.
    """

    one: int
    other: int
    periods: Offset
    move: Vector


@dataclass(frozen=True)
class Tiling:
    """Polygons of the torus, times a scale in integer coefficients.

    Attributes
    ----------
    tiles
        The vertices of every tile, counterclockwise.
    lattice
        The period vectors.
    norm
        In which distances are measured.
    is_closed
        Whether the tiles are closed.
    scale
        The factor.
    """

    tiles: Sequence[Sequence[Vector]]
    lattice: tuple[Vector, Vector]
    norm: Norm
    is_closed: bool
    scale: int

    def near_pairs(self, chosen: Sequence[int], high: Number, budget: Budget) -> Iterator[Pair]:
        """All pairs of these tiles, up to symmetry, whose discs come as near as a distance.

        Raises
        ------
        RefusedError
            If there are too many.
        """
        bits = shift_for(self._radius(high, 0))
        reach = int(self._radius(high, bits) * self.norm.outer) + 1
        rows = short_basis(*self.lattice)
        walk = Walk.of([combination(row, self.lattice) for row in rows], bits)
        discs = {tile: Disc.of(self.tiles[tile], bits) for tile in chosen}
        for place, one in enumerate(chosen):
            for other in chosen[place:]:
                base = minus(discs[other].center, discs[one].center)
                radius = discs[one].radius + discs[other].radius + reach
                slack = walk.slack(radius + isqrt(dot(base, base)) + 1)
                for prefix, (first, last), _ in walk.rows(base, radius + slack, -1, budget):
                    for x in range(first, last + 1):
                        if one != other or (*prefix, x) >= (0, 0):
                            periods = combination((*prefix, x), rows)
                            yield Pair(one, other, periods, combination(periods, self.lattice))

    def _radius(self, distance: Number, bits: int) -> int:
        """The distance in units of 2^-bits, rounded up."""
        if self.norm.takes_squares:
            return isqrt(floor_scaled(distance, 2 * bits)) + 1
        return floor_scaled(distance, bits) + 1

    def holds(self, pair: Pair, low: Number, high: Number, budget: Budget) -> bool:
        """Whether the tiles of a pair can hold a distance of [low, high].

        The largest distance is one of vertices.  Tiles of a partition do not overlap, so that the
        least distance of two of them is that of a vertex and an edge; for a tile with itself it
        is 0.
        """
        budget.spend(2 * len(self.tiles[pair.one]) * len(self.tiles[pair.other]))
        if not any(
            is_above(self.norm.side(x, low), self.is_closed) for x in self.differences(pair)
        ):
            return False
        if pair.one == pair.other and not any(pair.periods):
            return True
        return any(
            is_below(self.norm.segment_side(a, b, high), self.is_closed)
            for a, b in self.segments(pair)
        )

    def differences(self, pair: Pair) -> Iterator[Vector]:
        """All vectors from a vertex of the one to a vertex of the other."""
        for u in self.tiles[pair.one]:
            start = minus(pair.move, u)
            for v in self.tiles[pair.other]:
                yield plus(start, v)

    def segments(self, pair: Pair) -> Iterator[tuple[Vector, Vector]]:
        """All segments of vectors between a vertex of either one and an edge of the other."""
        for u in self.tiles[pair.one]:
            start = minus(pair.move, u)
            for v, w in sides(self.tiles[pair.other]):
                yield plus(start, v), plus(start, w)
        for v in self.tiles[pair.other]:
            end = plus(pair.move, v)
            for t, u in sides(self.tiles[pair.one]):
                yield minus(end, t), minus(end, u)

    def span_text(self, pair: Pair, interval: Interval) -> str:
        """The distances of a pair and what was forbidden, for people."""
        if len(self.tiles[pair.one]) * len(self.tiles[pair.other]) > MAX_MEASURED:
            return f"a distance of the forbidden {interval}"
        ruler = Ruler.of(interval, self.norm, self.scale)
        # In random order few of them are larger, or smaller, than all before.
        points, segments = list(self.differences(pair)), list(self.segments(pair))
        for items in (points, segments):
            random.Random(0).shuffle(items)
        largest = ruler.largest(points, lambda x, t: is_above(self.norm.side(x, t), False))
        if pair.one == pair.other and not any(pair.periods):
            return span_text(0 * largest, largest, interval)
        least = ruler.least(segments, lambda ab, t: is_below(self.norm.segment_side(*ab, t), False))
        return span_text(least, largest, interval)


def first_conflict(
    tiling: Tiling,
    colors: Sequence[Sequence[int]],
    forbidden: Sequence[Sequence[Interval]],
    thresholds: dict[Interval, tuple[Number, Number]],
    budget: Budget,
) -> tuple[int, Pair, Interval] | int:
    """The first color and pair that can hold a forbidden distance; else how many pairs were near.

    Parameters
    ----------
    tiling
        The tiles.
    colors
        For every color the numbers of its tiles.
    forbidden
        For every color its intervals.
    thresholds
        The ends of intervals as the norm takes them, times the scale.
    budget
        For pairs of tiles, and of their vertices and edges.

    Raises
    ------
    RefusedError
        If that takes too much work.
    """
    count = 0
    for color, (chosen, intervals) in enumerate(zip(colors, forbidden, strict=True)):
        high = max(chain([thresholds[each][1] for each in intervals]))
        for pair in tiling.near_pairs(chosen, high, budget):
            count += 1
            for interval in intervals:
                if tiling.holds(pair, *thresholds[interval], budget):
                    return color, pair, interval
    return count
