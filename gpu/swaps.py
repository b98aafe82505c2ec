"""Swaps of a kept weight with a pruned one, as long as one lowers the error of a row.

With e = w (1 - m) what is pruned of a row, E = e G e' and g = e G, pruning i and keeping j changes
E by

    2 (w_i g_i - w_j g_j) + w_i^2 G_ii + w_j^2 G_jj - 2 w_i w_j G_ij = a_i + b_j - 2 w_i w_j G_ij.

Since |w_i w_j G_ij| <= s_i s_j with s_i = |w_i| sqrt G_ii, candidates are tried by rising a_i and
b_j, and left out where a_i + b_j - 2 s_i s_j cannot win.  After a swap g changes in O(d).

References
----------
Zimmer et al., SparseSwaps, arXiv:2512.10922 (1-swaps from the Gram matrix).
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["swap_rows"]

RELATIVE = 1e-12
"""A swap has to lower the error by so much of it."""


@njit(cache=True, nogil=True)
def swap_rows(weights, kept, gram, group, max_swaps):
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
    rows, width = weights.shape
    counts = np.zeros(rows, np.int64)
    size = group if group > 0 else width
    for row in range(rows):
        w, mask = weights[row], kept[row]
        product = np.zeros(width)
        for j in range(width):
            if not mask[j] and w[j] != 0.0:
                for k in range(width):
                    product[k] += w[j] * gram[j, k]
        error = 0.0
        for j in range(width):
            if not mask[j]:
                error += w[j] * product[j]
        while counts[row] < max_swaps:
            change, out, into = 0.0, -1, -1
            for first in range(0, width, size):
                found = best_swap(w, mask, gram, product, first, min(first + size, width), change)
                if found[1] >= 0:
                    change, out, into = found
            if out < 0 or change >= -RELATIVE * error:
                break
            mask[out], mask[into] = False, True
            for k in range(width):
                product[k] += w[out] * gram[out, k] - w[into] * gram[into, k]
            error += change
            counts[row] += 1
    return counts


@njit(cache=True, nogil=True)
def best_swap(w, mask, gram, product, first, end, least):
    """Change, and who goes and who comes, of the best swap below `least` of a range of inputs."""
    going = np.empty(end - first, np.int64)
    coming = np.empty(end - first, np.int64)
    a = np.empty(end - first)
    b = np.empty(end - first)
    num_going = num_coming = 0
    widest = 0.0
    for j in range(first, end):
        square = w[j] * w[j] * gram[j, j]
        if mask[j]:
            going[num_going] = j
            a[num_going] = 2 * w[j] * product[j] + square
            num_going += 1
        else:
            coming[num_coming] = j
            b[num_coming] = square - 2 * w[j] * product[j]
            widest = max(widest, square)
            num_coming += 1
    if num_going == 0 or num_coming == 0:
        return 0.0, -1, -1
    by_a, by_b = np.argsort(a[:num_going]), np.argsort(b[:num_coming])
    widest = np.sqrt(widest)
    smallest = b[by_b[0]]
    out = into = -1
    for p in by_a:
        i = going[p]
        reach = np.abs(w[i]) * np.sqrt(gram[i, i])
        if a[p] + smallest - 2 * reach * widest >= least:
            continue
        for q in by_b:
            if a[p] + b[q] - 2 * reach * widest >= least:
                break
            j = coming[q]
            change = a[p] + b[q] - 2 * w[i] * w[j] * gram[i, j]
            if change < least:
                least, out, into = change, i, j
    return least, out, into
