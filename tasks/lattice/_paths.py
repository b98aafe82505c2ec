"""Monotone paths in d·Δ₂, their ranks and their ears.

A monotone path runs from (0, 0) to (d, 0) along primitive segments, with its points in ascending
order (by x, then y). Segments in a column x have length 1, so in each column the path skips all
points or visits an interval lo..hi: a path is one code per column, and its *rank* is the number
with these codes as digits. A code is 0 for skipping, else 1 + lo·m - lo(lo+1)/2 + hi in a column
of m points; so each end of an interval moves the rank by an amount of its own.

A segment uv between two columns has up to two *ears*, unimodular triangles that lie below the
path and whose removal leaves a monotone path:

* the triangle uvw with u < w < v below uv, which exists for exactly one w;
* the triangle of u, v and the point before u on the path, if the path turns right at u.

Removing an ear adds a fixed amount, its *shift*, to the rank. The two ears at uv exclude each
other. If u is the only point in its column, the second one also uses the segment before uv and
excludes its ears. All other ears can be removed together.
"""

from __future__ import annotations

from itertools import product
from math import gcd
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.lattice.points import lattice_points


class Layout(NamedTuple):
    """What every path of one degree needs.

    Attributes
    ----------
    radix, weight
        Per column the number of codes and the rank of code 1.
    low, high
        Per column and code the interval; -1 for a skipped column.
    area
        Of a segment from (x, y) to (s, t), at [x, y, s, t]: twice the area below, -1 if the
        segment is not primitive.
    shift, apex
        Of its first ear: the shift, 0 if there is none, and the point w.
    """

    radix: NDArray[np.int64]
    weight: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    area: NDArray[np.int64]
    shift: NDArray[np.int64]
    apex: NDArray[np.int64]


def layout(degree: int) -> Layout:
    """Codes of all columns and the ears of all segments.

    The first column always has lo = 0 and the last one is a single point.
    """
    codes = [[(0, hi) for hi in range(degree + 1)]]
    for x in range(1, degree):
        m = degree - x + 1
        codes.append([(-1, -1)] + [(lo, hi) for lo in range(m) for hi in range(lo, m)])
    codes.append([(0, 0)])
    radix = np.array([len(column) for column in codes])
    weight = np.cumprod(np.r_[1, radix[:-1]])
    table = np.full((2, degree + 1, radix.max()), -1)
    for x, column in enumerate(codes):
        table[:, x, : len(column)] = np.array(column).T
    return Layout(radix, weight, table[0], table[1], *_segments(degree, weight))


def _segments(degree: int, weight: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
    """The tables `area`, `shift` and `apex`."""
    sides = (degree + 1,) * 4
    area, shift, apex = np.full(sides, -1), np.zeros(sides, np.int64), np.zeros((*sides, 2), int)
    points = lattice_points(degree).tolist()
    for (x, y), (s, t) in product(points, points):
        width, rise = s - x, t - y
        if width <= 0 or gcd(width, rise) != 1:
            continue
        area[x, y, s, t] = width * (y + t)
        a = next(a for a in range(1, width + 1) if (rise * a - 1) % width == 0)
        w, h = x + a, y + (rise * a - 1) // width
        if h >= 0:
            m = degree - w + 1
            # Either the interval of column s gets the lower end t - 1, or column w is new.
            change = h + 1 - m if width == 1 else 1 + h * m - h * (h + 1) // 2 + h
            shift[x, y, s, t], apex[x, y, s, t] = change * weight[w], (w, h)
    return area, shift, apex


def top_rank(digits: Layout) -> int:
    """The rank of the path along the sides x = 0 and x + y = d."""
    d = len(digits.radix) - 1
    codes = [d] + [
        next(c for c in range(digits.radix[x]) if digits.low[x, c] == digits.high[x, c] == d - x)
        for x in range(1, d + 1)
    ]
    return int(np.dot(codes, digits.weight))
