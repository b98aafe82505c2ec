"""The largest intervals of distances that colors of a valid coloring may forbid."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import ceil, floor

import numpy as np

from tasks.coloring.certificates.cells import CellColoring
from tasks.coloring.certificates.counts import pair_counts
from tasks.coloring.certificates.distances import Distance, Forbidden, Interval
from tasks.coloring.certificates.extents import extents_of
from tasks.coloring.certificates.offsets import conflict_offsets
from tasks.coloring.certificates.polygons import PolygonColoring
from tasks.coloring.certificates.polygons.allowed import allowed_interval

__all__ = ["widened", "widened_tiles"]

_DIGITS = 10**9
"""Bounds are rounded inwards to so many parts of the unit."""


def widened(coloring: CellColoring, color: int, *, reach: float = 0.5) -> CellColoring:
    """The same cells, with one color forbidding all distances around its own that none of it holds.

    The bounds are those of the differences of cells of this color, rounded inwards to nine
    decimals, so that the result is valid if the given coloring is; `verify_cells` decides.

    Parameters
    ----------
    coloring
        Valid; the color forbids one interval.
    color
    reach
        How far the interval may grow on either side.
    """
    [interval] = coloring.forbidden[color]
    low, high = interval.floats
    floor_low = max(low - reach, low / _DIGITS, 1 / _DIGITS)
    wide = Interval.of(_up(floor_low), _down(high + reach))
    offsets = conflict_offsets(coloring.lattice, coloring.shape, wide, coloring.norm)
    used = offsets[pair_counts(coloring.grid, [color], offsets) > 0]
    cells = coloring.lattice.divided(coloring.shape)
    found = extents_of(cells, coloring.norm, interval).enclosure(used, used @ cells.floats)
    is_below = found.greatest + found.least_low < low + high
    lowest = _up(float(np.max(found.greatest[is_below], initial=floor_low)))
    highest = _down(float(np.min(found.least_low[~is_below], initial=high + reach)))
    wider = Interval(
        min(interval.low, Distance.of(lowest)), max(interval.high, Distance.of(highest))
    )
    intervals = list(coloring.forbidden.intervals)
    intervals[color] = (wider,)
    grid, forbidden = coloring.grid, Forbidden(tuple(intervals))
    return CellColoring(grid, coloring.lattice, coloring.num_colors, forbidden, coloring.norm)


def _up(value: float) -> Fraction:
    """The next number of nine decimals above, away from rounding errors of floats."""
    return Fraction(ceil(value * _DIGITS) + 1, _DIGITS)


def _down(value: float) -> Fraction:
    return Fraction(floor(value * _DIGITS) - 1, _DIGITS)


def widened_tiles(coloring: PolygonColoring, color: int, *, reach: float = 0.5) -> PolygonColoring:
    """As `widened`, for tiles."""
    [interval] = coloring.forbidden[color]
    allowed = allowed_interval(coloring, color, interval.low)
    low, high = interval.floats
    lowest = _up(max(float(allowed.low), low - reach, 1 / _DIGITS))
    highest = _down(min(float(allowed.high), high + reach))
    wider = Interval(
        min(interval.low, Distance.of(lowest)), max(interval.high, Distance.of(highest))
    )
    intervals = list(coloring.forbidden.intervals)
    intervals[color] = (wider,)
    return replace(coloring, forbidden=Forbidden(tuple(intervals)))
