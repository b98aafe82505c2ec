"""Counting and listing the triangulations below monotone paths, compiled.

Paths, ranks, ears and shifts are those of `tasks.lattice._paths`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

# Each of the at most seven segments of a path has no ear, the first or the second in a set.
_MAX_SETS = 3**7
_INVALID = 255


class Path(NamedTuple):
    """A decoded path, overwritten by every `_decode`.

    Attributes
    ----------
    column, low, high, code
        Of the k-th visited column.
    shift
        (columns, 2): of the ears at the segment after the k-th visited column, 0 if none.
    is_alone
        Whether the second ear uses the segment before as well.
    """

    column: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    code: NDArray[np.int64]
    shift: NDArray[np.int64]
    is_alone: NDArray[np.bool_]


class Sets(NamedTuple):
    """Scratch for sets of ears: total shift, sign, and whether the last segment has one."""

    shift: NDArray[np.int64]
    sign: NDArray[np.int64]
    is_last: NDArray[np.bool_]


@njit(cache=True)
def _new_path(columns):
    row = np.zeros(columns, np.int64)
    shift, is_alone = np.zeros((columns, 2), np.int64), np.zeros(columns, np.bool_)
    return Path(row, row.copy(), row.copy(), row.copy(), shift, is_alone)


@njit(cache=True)
def _new_sets():
    shift = np.zeros(_MAX_SETS, np.int64)
    return Sets(shift, shift.copy(), np.zeros(_MAX_SETS, np.bool_))


@njit(cache=True)
def _decode(digits, rank, path):
    """Fill in the visited columns; return the number of segments between columns."""
    count = 0
    for x in range(digits.radix.size):
        code = rank % digits.radix[x]
        rank //= digits.radix[x]
        if digits.low[x, code] >= 0:
            path.column[count] = x
            path.code[count] = code
            path.low[count] = digits.low[x, code]
            path.high[count] = digits.high[x, code]
            count += 1
    return count - 1


@njit(cache=True)
def _area(digits, path, segments):
    """Number of unimodular triangles below the path, or _INVALID if a segment is not primitive."""
    total = 0
    for k in range(segments):
        i, j = path.column[k], path.column[k + 1]
        area = digits.area[i, path.high[k], j, path.low[k + 1]]
        if area < 0:
            return _INVALID
        total += area
    return total


@njit(cache=True)
def _find_ears(digits, path, segments):
    """Fill in the shifts of the ears."""
    width_before, rise_before = 0, 0
    for k in range(segments):
        x, y = path.column[k], path.high[k]
        end, top = path.column[k + 1], path.low[k + 1]
        width, rise = end - x, top - y
        path.shift[k, 0] = digits.shift[x, y, end, top]
        path.is_alone[k] = path.low[k] == y
        path.shift[k, 1] = 0
        if path.is_alone[k]:
            if width_before * rise - rise_before * width == -1:
                path.shift[k, 1] = -path.code[k] * digits.weight[x]
        elif width == 1:
            path.shift[k, 1] = -digits.weight[x]
        width_before, rise_before = width, rise


@njit(cache=True)
def _num_without(counts, rank, path, segments, sets):
    """Σ (-1)^|S| counts[path - S] over the sets S of ears at the first segments.

    By inclusion and exclusion: the number of triangulations below the path `rank` that have no
    ear there.
    """
    sets.shift[0], sets.sign[0], sets.is_last[0] = rank, 1, False
    size = 1
    total = counts[rank]
    for k in range(segments):
        old = size
        for kind in range(2):
            shift = path.shift[k, kind]
            if shift == 0:
                continue
            for i in range(old):
                if kind == 1 and path.is_alone[k] and sets.is_last[i]:
                    continue
                sets.shift[size] = sets.shift[i] + shift
                sets.sign[size] = -sets.sign[i]
                sets.is_last[size] = True
                total -= sets.sign[i] * counts[sets.shift[size]]
                size += 1
        sets.is_last[:old] = False
    return total


@njit(cache=True)
def _by_area(digits):
    """Ranks of all paths, those with less area below them first."""
    size = 1
    for radix in digits.radix:
        size *= radix
    path = _new_path(digits.radix.size)
    areas = np.empty(size, np.uint8)
    starts = np.zeros(_INVALID + 2, np.int64)
    for rank in range(size):
        areas[rank] = _area(digits, path, _decode(digits, rank, path))
        starts[areas[rank] + 1] += 1
    starts = np.cumsum(starts)
    ranks = np.empty(starts[_INVALID], np.int32)
    for rank in range(size):
        if areas[rank] != _INVALID:
            ranks[starts[areas[rank]]] = rank
            starts[areas[rank]] += 1
    return ranks, size


@njit(cache=True)
def count_below(digits):
    """(ranks,) int64: the number of unimodular triangulations below each path.

    counts[P, m] is the number of those without ears at the first m segments. Such a triangulation
    has its first ear at some segment k >= m; without this ear it has none at the segments before
    those that the ear used. All m are kept for all paths: 8 d bytes for each rank.
    """
    ranks, size = _by_area(digits)
    path = _new_path(digits.radix.size)
    counts = np.zeros((size, digits.radix.size - 1), np.int64)
    counts[ranks[0]] = 1
    for rank in ranks[1:]:
        segments = _decode(digits, rank, path)
        _find_ears(digits, path, segments)
        total = 0
        for k in range(segments - 1, -1, -1):
            if path.shift[k, 0]:
                total += counts[rank + path.shift[k, 0], k]
            if path.shift[k, 1]:
                total += counts[rank + path.shift[k, 1], k - path.is_alone[k]]
            counts[rank, k] = total
    return counts[:, 0].copy()


@njit(cache=True)
def triangles_of(digits, counts, rank, index):
    """(d², 3, 2) points of triangulation number `index` below a path, leftmost ears first."""
    path, sets = _new_path(digits.radix.size), _new_sets()
    triangles = np.empty(((digits.radix.size - 1) ** 2, 3, 2), np.int64)
    marked = 0
    for row in range(len(triangles)):
        segments = _decode(digits, rank, path)
        _find_ears(digits, path, segments)
        k, kind, index = _leftmost_ear(counts, rank, path, (marked, segments), index, sets)
        _write_ear(digits, path, k, kind, triangles[row])
        marked = k - (kind & path.is_alone[k])
        rank += path.shift[k, kind]
    return triangles


@njit(cache=True)
def _leftmost_ear(counts, rank, path, free, index, sets):
    """Segment and kind of the first ear, and the number of what remains without it.

    Triangulations are those with ears at the segments range(*free) only, in the order of their
    first ear; see `count_below`.
    """
    for k in range(free[0], free[1]):
        for kind in range(2):
            if path.shift[k, kind] == 0:
                continue
            marked = k - (kind & path.is_alone[k])
            size = _num_without(counts, rank + path.shift[k, kind], path, marked, sets)
            if index < size:
                return k, kind, index
            index -= size
    return 0, 0, -1


@njit(cache=True)
def _write_ear(digits, path, k, kind, triangle):
    x, y = path.column[k], path.high[k]
    end, top = path.column[k + 1], path.low[k + 1]
    triangle[0] = x, y
    triangle[1] = end, top
    if kind == 0:
        triangle[2] = digits.apex[x, y, end, top]
    elif path.is_alone[k]:
        triangle[2] = path.column[k - 1], path.high[k - 1]
    else:
        triangle[2] = x, y - 1
