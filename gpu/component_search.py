"""Sign vectors that give many components, by bounded rank over F2 (see `gpu.component_matrix`).

At least m components are g + 1 - rank A(s) >= m, a bound r on the rank.  Two things save work:

* A rank above r is known after r + 1 independent rows; for small r few rows are looked at.
* In a range, the rows whose points all have fixed signs are reduced once for all sign vectors with
  these signs; if they exceed r, all of these are skipped.

Measured on one core, nanoseconds per sign vector of a range on 7_honeycomb, 7_cen and 8_honeycomb:

    bound on the rank                                   none      10        6
    every row from the tables                           122-384   124-206   81-114
    Gray-code order, only the rows that change updated  41-129    49-86     27-34
    shared elimination                                  38-70     0.14-47   0.1-34
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gpu.component_matrix import MAX_ROWS, check, extend, rank_within, row_of, tables_of
from gpu.octants import Grid


@njit(cache=True, nogil=True)
def _mark(tables, signs, bound, marked):
    """Mark the sign vectors whose rank is within the bound."""
    basis = np.zeros(MAX_ROWS, np.uint32)
    for k in range(signs.size):
        marked[k] = rank_within(tables, signs[k], bound, basis) <= bound


def has_components(
    triangles: NDArray[np.uint8], grid: Grid, signs: NDArray[np.int64], least: int
) -> NDArray[np.bool_]:
    """Mark the sign vectors (B,) that give at least so many components; on the CPU.

    Parameters
    ----------
    triangles : uint8 (d^2, 3)
        One triangulation.
    grid : Grid
    signs : int64 (B,)
    least : int
        The larger, the faster: rows beyond the rank that is left are not looked at.

    Returns
    -------
    bool (B,)
        ``num_components_by_rank(...) >= least`` for each, see `tasks.tcurves.twists`.
    """
    check(triangles[None], grid, signs)
    tables = tables_of(triangles, grid)
    marked = np.empty(signs.size, dtype=np.bool_)
    _mark(tables, signs, len(tables) + 1 - least, marked)
    return marked


@njit(cache=True)
def _levels(tables, free_points):
    """Sort the rows by level: the number of the first free point that changes them.

    Returns (first of each level and their number (f + 2,), rows (g,)); level f: no free point.
    """
    num_rows, num_free = tables.shape[0], free_points.size
    level = np.full(num_rows, num_free, np.int64)
    for i in range(num_rows):
        zero = row_of(tables, i, 0)
        for j in range(num_free - 1, -1, -1):
            if row_of(tables, i, 1 << free_points[j]) != zero:
                level[i] = j
    first = np.zeros(num_free + 2, np.int64)
    for i in range(num_rows):
        first[level[i] + 1] += 1
    return np.cumsum(first), np.argsort(level)


@njit(cache=True, nogil=True)
def _search(tables, free_points, begin, end, bound, found):
    """Write the words with rank within the bound to `found`; return (their number, where it ended).

    Rows are added from the last level to the first, as the bits of k that they depend on; a prefix
    of k whose rows exceed the bound is skipped with all that begins with it.
    """
    num_free, count = free_points.size, 0
    first, rows = _levels(tables, free_points)
    basis = np.zeros(MAX_ROWS, np.uint32)
    rank_above = np.zeros(num_free + 1, np.int64)
    k, signs, level = begin, 0, num_free
    for i in range(num_free):
        signs |= (k >> i & 1) << free_points[i]
    while k < end and count < found.size:
        rank = rank_above[level]
        while True:
            for i in range(first[level], first[level + 1]):
                rank = extend(basis, rank, row_of(tables, rows[i], signs))
                if rank > bound:
                    break
            if rank > bound or level == 0:
                break
            level -= 1
            rank_above[level] = rank
        if rank <= bound:
            found[count] = signs
            count += 1
        following = ((k >> level) + 1) << level
        if level == num_free:
            return count, end
        # The rows above the highest bit that changes stay.
        changed = k ^ following
        k = following
        level = 0
        while level < num_free - 1 and changed >> (level + 1):
            level += 1
        for i in range(level + 1):
            point = free_points[i]
            signs = (signs & ~(1 << point)) | (k >> i & 1) << point
    return count, min(k, end)


class Search(NamedTuple):
    """A part of a range and the sign vectors in it that were looked for."""

    words: NDArray[np.int64]
    """(B,), ascending in their numbers."""
    end: int
    """Where the part ended; the search goes on from there."""


def search(
    triangles: NDArray[np.uint8],
    grid: Grid,
    free_points: NDArray[np.int64],
    begin: int,
    end: int,
    *,
    least: int,
    capacity: int = 1 << 20,
) -> Search:
    """Find the sign vectors of a range that give at least so many components; on the CPU.

    Parameters
    ----------
    triangles : uint8 (d^2, 3)
        One triangulation.
    grid : Grid
    free_points : int64 (f,), ascending
        Bit i of begin <= k < end is the sign of point free_points[i]; all other signs are 0.
    begin, end : int
    least : int
    capacity : int
        The search ends before `end` when it has found so many.
    """
    check(triangles[None], grid, np.zeros(0, np.int64))
    tables = tables_of(triangles, grid)
    found = np.empty(min(capacity, end - begin), dtype=np.int64)
    bound = len(tables) + 1 - least
    count, stopped = _search(tables, free_points, begin, end, bound, found)
    return Search(found[:count].copy(), int(stopped))
