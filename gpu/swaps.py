"""Swaps of a kept weight with a pruned one, as long as one lowers the error of a row.

With e = w (1 - m) what is pruned of a row, E = e G e' and g = e G, pruning i and keeping j changes
E by

    2 (w_i g_i - w_j g_j) + w_i^2 G_ii + w_j^2 G_jj - 2 w_i w_j G_ij = a_i + b_j - c_ij.

The best swap of all is taken.  The table of c changes in one row and one column then; its columns
lie in blocks of B, by rising b at the beginning.  Where a_i + min_B b - max_B c_i cannot win, a
block is left out; in others it is counted which entries win, before one looks for them.  After a
swap g changes in O(d).

References
----------
Zimmer et al., SparseSwaps, arXiv:2512.10922 (1-swaps from the Gram matrix).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["swap_rows"]

RELATIVE = 1e-12
"""A swap has to lower the error by so much of it."""
BLOCK = 64


def swap_rows(
    weights: NDArray[np.float64],
    kept: NDArray[np.bool_],
    gram: NDArray[np.float64],
    group: int,
    max_swaps: int,
) -> NDArray[np.int64]:
    """Swap in place until no swap of a row helps; number of swaps of each row.

    Parameters
    ----------
    weights : (rows, d) float64
    kept : (rows, d) bool
        Changed in place; the number of kept weights of a row (of a group) stays.
    gram : (d, d) float64
    group : int
        Swaps stay within groups of so many inputs; 0 for none.
    max_swaps : int
        Per row.
    """
    counts = np.zeros(len(weights), np.int64)
    squares = weights**2 * gram.diagonal()
    pruned = np.where(kept, 0.0, weights)
    products = pruned @ gram
    errors = (pruned * products).sum(axis=1)
    for row, mask in enumerate(kept):
        given = weights[row], mask, gram, products[row], squares[row], errors[row]
        if group > 0:
            counts[row] = swap_in_groups(*given, group, max_swaps)
        elif 0 < mask.sum() < len(mask):
            counts[row] = swap_anywhere(*given, max_swaps)
    return counts


@njit(cache=True, nogil=True)
def swap_anywhere(w, mask, gram, product, squares, error, max_swaps):
    """Best swaps of a row, whose mask and product g change in place; their number."""
    going, coming = np.flatnonzero(mask), np.flatnonzero(~mask)
    coming = coming[np.argsort(squares[coming] - 2 * w[coming] * product[coming])]
    table, highest = table_of_pairs(w, gram, going, coming)
    favorite = np.zeros(len(going), np.int64)
    a, b = np.empty(len(going)), np.empty(len(coming))
    for count in range(max_swaps):
        for k, i in enumerate(going):
            a[k] = squares[i] + 2 * w[i] * product[i]
        for k, j in enumerate(coming):
            b[k] = squares[j] - 2 * w[j] * product[j]
        change, r, c = best_pair(a, b, table, highest, favorite, -RELATIVE * error)
        if r < 0:
            return count
        out, into = going[r], coming[c]
        mask[out], mask[into] = False, True
        move(product, gram[out], gram[into], w[out], w[into])
        error += change
        going[r], coming[c] = into, out
        renew(table, highest, w, gram, going, coming, r, c)
    return max_swaps


@njit(cache=True, nogil=True)
def table_of_pairs(w, gram, going, coming):
    """c = 2 w_i w_j G_ij, and its maxima over blocks of columns and, last, over all columns."""
    table = np.empty((len(going), len(coming)))
    highest = np.empty((len(going), (len(coming) + BLOCK - 1) // BLOCK + 1))
    for r in range(len(going)):
        fill_row(table[r], highest[r], w, gram[going[r]], 2 * w[going[r]], coming)
    return table, highest


@njit(cache=True, nogil=True)
def fill_row(row, highest, w, correlations, factor, coming):
    """One row of the table and of its maxima."""
    highest[:] = -np.inf
    for c in range(len(coming)):
        j = coming[c]
        row[c] = factor * w[j] * correlations[j]
        highest[c // BLOCK] = max(highest[c // BLOCK], row[c])
    highest[-1] = highest[:-1].max()


@njit(cache=True, nogil=True)
def renew(table, highest, w, gram, going, coming, r, c):
    """The table after the exchange of going[r] and coming[c]; maxima may be too high."""
    fill_row(table[r], highest[r], w, gram[going[r]], 2 * w[going[r]], coming)
    j = coming[c]
    factor, correlations, block = 2 * w[j], gram[j], c // BLOCK
    for k in range(len(going)):
        value = factor * w[going[k]] * correlations[going[k]]
        table[k, c] = value
        highest[k, block] = max(highest[k, block], value)
        highest[k, -1] = max(highest[k, -1], value)


@njit(cache=True, nogil=True)
def best_pair(a, b, table, highest, favorite, least):
    """Change, row and column of the least a_i + b_j - c_ij below `least`; -1 without one.

    Columns that were once the best of a row are tried first, so that the others have to beat them.
    """
    blocks = highest.shape[1] - 1
    lowest = np.empty(blocks)
    for k in range(blocks):
        lowest[k] = b[k * BLOCK : (k + 1) * BLOCK].min()
    bound = lowest.min()
    out = into = -1
    for r in range(len(a)):
        value = a[r] + b[favorite[r]] - table[r, favorite[r]]
        if value < least:
            least, out, into = value, r, favorite[r]
    for r in range(len(a)):
        if a[r] + bound - highest[r, -1] >= least:
            continue
        for k in range(blocks):
            if a[r] + lowest[k] - highest[r, k] >= least:
                continue
            first, end = k * BLOCK, min((k + 1) * BLOCK, len(b))
            if num_below(b, table[r], first, end, least - a[r]) == 0:
                continue
            for c in range(first, end):
                value = a[r] + b[c] - table[r, c]
                if value < least:
                    least, out, into = value, r, c
                    favorite[r] = c
    return least, out, into


@njit(cache=True, nogil=True, fastmath=True)
def num_below(b, row, first, end, bound):
    """How many of b_j - c_j are below a bound; compilers make vectors of it, not of a minimum."""
    count = 0
    for c in range(first, end):
        count += b[c] - row[c] < bound
    return count


@njit(cache=True, nogil=True, fastmath=True)
def move(product, up, down, more, less):
    """g after a swap."""
    for k in range(len(product)):
        product[k] += more * up[k] - less * down[k]


@njit(cache=True, nogil=True)
def swap_in_groups(w, mask, gram, product, squares, error, group, max_swaps):
    """Best swaps of a row within groups; mask and product g change in place; their number."""
    for count in range(max_swaps):
        change, out, into = -RELATIVE * error, -1, -1
        for first in range(0, len(w), group):
            end = min(first + group, len(w))
            for i in range(first, end):
                if not mask[i]:
                    continue
                a = squares[i] + 2 * w[i] * product[i]
                for j in range(first, end):
                    if mask[j]:
                        continue
                    value = a + squares[j] - 2 * w[j] * (product[j] + w[i] * gram[i, j])
                    if value < change:
                        change, out, into = value, i, j
        if out < 0:
            return count
        mask[out], mask[into] = False, True
        move(product, gram[out], gram[into], w[out], w[into])
        error += change
    return max_swaps
