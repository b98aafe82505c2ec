"""Assignments of least cost, by shortest augmenting paths.

Rows are assigned one after the other; each search keeps reduced costs nonnegative, and takes
O(n^2) for one row, O(n^3) for all.

References
----------
Jonker, Volgenant, A shortest augmenting path algorithm for dense and sparse linear assignment
problems, Computing 38 (1987).
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["cheapest_assignment"]


@njit(cache=True, nogil=True)
def cheapest_assignment(costs):
    """Column of every row (n,) in an assignment of least cost of (n, n) float64."""
    n = costs.shape[0]
    # Row and column n are where searches begin.
    by_row, by_column = np.zeros(n + 1), np.zeros(n + 1)
    row_of = np.full(n + 1, -1)
    before = np.empty(n + 1, np.int64)
    least = np.empty(n + 1)
    is_done = np.empty(n + 1, np.bool_)
    for i in range(n):
        row_of[n] = i
        column = n
        least[:] = np.inf
        is_done[:] = False
        while row_of[column] >= 0:
            is_done[column] = True
            row, step, nearest = row_of[column], np.inf, -1
            for j in range(n):
                if is_done[j]:
                    continue
                reduced = costs[row, j] - by_row[row] - by_column[j]
                if reduced < least[j]:
                    least[j], before[j] = reduced, column
                if least[j] < step or nearest < 0:
                    step, nearest = least[j], j
            for j in range(n + 1):
                if is_done[j]:
                    by_row[row_of[j]] += step
                    by_column[j] -= step
                else:
                    least[j] -= step
            column = nearest
        while column != n:
            row_of[column] = row_of[before[column]]
            column = before[column]
    found = np.empty(n, np.int64)
    for j in range(n):
        found[row_of[j]] = j
    return found
