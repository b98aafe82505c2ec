"""Which distances the tiles of a color leave out: the open gap around a given one.

No two points of a color of half-open tiles are at a distance d iff every pair of tiles has all its
distances below d or above d. With the largest distance `low` of the pairs below and the smallest
one `high` of those above, the color may forbid all of [low, high] and no larger interval; closed
tiles hold both ends themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from tasks.coloring.certificates.distances import Distance, Interval
from tasks.coloring.certificates.lattices import Vector, dot
from tasks.coloring.certificates.norms import Norm, PNorm, PolygonalNorm
from tasks.coloring.certificates.numbers import Surd
from tasks.coloring.certificates.polygons.coloring import PolygonColoring
from tasks.coloring.certificates.polygons.pairs import TilePair, TilePairs
from tasks.coloring.certificates.polygons.torus_points import cross, minus
from tasks.records import InputError

__all__ = ["Slack", "allowed_interval", "slacks"]

_GRID = 2**60
"""Where a length is only enclosed, it is rounded to multiples of 1/2^60."""


@dataclass(frozen=True)
class Slack:
    """How far a forbidden interval of a color could grow.

    Attributes
    ----------
    color
        From 0.
    forbidden
        The interval in the certificate.
    allowed
        The largest one that contains it.
    """

    color: int
    forbidden: Interval
    allowed: Interval

    @property
    def below(self) -> float:
        """From the allowed to the forbidden interval, at its lower end."""
        return _gap(self.forbidden.low, self.allowed.low)

    @property
    def above(self) -> float:
        """From the forbidden to the allowed interval, at its upper end."""
        return _gap(self.allowed.high, self.forbidden.high)


def _gap(large: Distance, small: Distance) -> float:
    """The difference of two distances, as (a^2 - b^2) / (a + b)."""
    return float(large.square - small.square) / (float(large) + float(small))


def slacks(coloring: PolygonColoring) -> list[Slack]:
    """The slack of every forbidden interval of every color that has tiles.

    Raises
    ------
    InputError
        If a color holds a distance that it forbids.
    """
    colors = sorted({tile.color for tile in coloring.tiles if tile.color is not None})
    return [
        Slack(color, interval, allowed_interval(coloring, color, interval.low))
        for color in colors
        for interval in coloring.forbidden[color]
    ]


def allowed_interval(
    coloring: PolygonColoring, color: int, distance: Distance | None = None
) -> Interval:
    """The largest interval of distances around a given one that a color may forbid.

    Both ends are exact in the Euclidean and in polygonal norms. In p-norms the interval is
    smaller than the largest one by a relative 1e-11 at most. A color of closed tiles may forbid all
    but the ends.

    Parameters
    ----------
    coloring
        A partition; that is not checked.
    color
        From 0; with at least one tile.
    distance
        That the color leaves out; by default the lower end of the first interval that it forbids.

    Raises
    ------
    InputError
        If the color has no tiles, or two of its points are at the distance.
    """
    around = coloring.forbidden[color][0].low if distance is None else distance
    pairs = coloring.pairs
    below, _ = pairs.find(color, 0.0, float(around), is_complete=True)
    if not below:
        raise InputError(f"color {color} has no tiles: choose one that has")
    low = _top(pairs, [pair for pair in below if not pairs.exceeds(pair, around, False)])
    high = _bottom(pairs, color, around)
    if low is None or low > around or high < around:
        raise InputError(
            f"color {color} holds the distance {around}: choose one that it leaves out"
        )
    return Interval(low, high)


def _top(pairs: TilePairs, found: list[TilePair]) -> Distance | None:
    """The largest distance in any of these pairs."""
    if not found:
        return None
    longest = max(pair.largest for pair in found)
    margin = pairs.margin(longest)
    if _is_enclosed(pairs.norm):
        return Distance.of(Fraction(ceil((longest + margin) * _GRID), _GRID))
    return max(
        _length(pairs.norm, vector)
        for pair in found
        if pair.largest >= longest - 2 * margin
        for vector in pairs.vertex_differences(pair, longest)
    )


def _bottom(pairs: TilePairs, color: int, around: Distance) -> Distance:
    """The smallest distance in pairs that hold distances above the given one."""
    reach = 2 * float(around)
    while True:
        found, _ = pairs.find(color, float(around), reach, is_complete=True)
        above = [pair for pair in found if pairs.exceeds(pair, around, False)]
        if any(pair.is_same for pair in above):
            raise InputError(f"a tile of color {color} holds the distance {around}")
        least = min((pair.least for pair in above), default=reach)
        if least < reach:
            return _shortest(pairs, above, least)
        reach *= 2


def _shortest(pairs: TilePairs, found: list[TilePair], least: float) -> Distance:
    margin = pairs.margin(least)
    if least <= margin:
        raise InputError("tiles of one color touch each other: they hold all small distances")
    if _is_enclosed(pairs.norm):
        return Distance.of(Fraction(floor((least - margin) * _GRID), _GRID))
    return min(
        _least_length(pairs.norm, start, end)
        for pair in found
        if pair.least <= least + 2 * margin
        for start, end in pairs.segments(pair, least)
    )


def _is_enclosed(norm: Norm) -> bool:
    return isinstance(norm, PNorm) and norm.exact is None


def _length(norm: Norm, vector: Vector) -> Distance:
    exact = norm.exact if isinstance(norm, PNorm) else norm
    if isinstance(exact, PolygonalNorm):
        return Distance.of(max(abs(dot(y, vector)) / top for y, top in exact.normals))
    return Distance.root(dot(vector, vector))


def _least_length(norm: Norm, start: Vector, end: Vector) -> Distance:
    """The least norm on a segment that does not hold 0."""
    exact = norm.exact if isinstance(norm, PNorm) else norm
    if isinstance(exact, PolygonalNorm):
        return Distance.of(_least_polygonal(exact, start, end))
    step = minus(end, start)
    along, square = dot(start, step), dot(step, step)
    if along < 0 and -along < square:
        area = cross(start, step)
        return Distance.root(area * area / square)
    return Distance.root(dot(start, start) if along >= 0 else dot(end, end))


def _least_polygonal(norm: PolygonalNorm, start: Vector, end: Vector) -> Surd:
    """The largest lower bound by a normal of the ball or of the segment (see `norms`)."""
    (a, b), (c, d) = start, end
    normal = (b - d, c - a)
    facets = (min(dot(y, start), dot(y, end)) / top for y, top in _all_normals(norm))
    return max(*facets, abs(dot(normal, start)) / norm.support(normal))


def _all_normals(norm: PolygonalNorm) -> Iterable[tuple[Vector, Surd]]:
    for y, top in norm.normals:
        yield y, top
        yield (-y[0], -y[1]), top
