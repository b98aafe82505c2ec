"""Gradient and Hessian of -log det F(y) for linear matrix inequalities with few entries.

An entry (i, j) with the weight v, halved on the diagonal, stands for v (e_i e_j' + e_j e_i').  So

    <P, F_k>       = 2 sum_e v_e P_ij
    <P F_k P, F_l> = 2 sum_e sum_f v_e v_f (P_ia P_jb + P_ib P_ja)

over the entries e = (i, j) of F_k and f = (a, b) of F_l, in the same block.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, error_model="numpy")
def fill_barrier(inverse, widths, offsets, start, block, row, column, weight, gradient, hessian):
    """Fill the gradient and the upper triangle of the Hessian.

    Parameters
    ----------
    inverse : float64 (sum m_b**2,)
        Blocks of P, flat.
    widths, offsets : int64 (B,)
        Sizes m_b, and where the blocks begin.
    start, block, row, column : int64
        Entries, as in `gpu.lmi.Lmi`.
    weight : float64 (N,)
        Values, halved on the diagonal.
    gradient : float64 (K,)
        Output.
    hessian : float64 (K, K)
        Output; the part below the diagonal is left as it is.
    """
    num_variables, num_entries = start.size - 1, block.size
    work, terms = np.zeros(inverse.size), np.empty(num_entries)
    place = (offsets[block] + row * widths[block] + column).astype(np.uint64)
    # Unsigned indices spare the test for negative ones.
    rows, columns = row.astype(np.uint32), column.astype(np.uint32)
    for k in range(num_variables):
        begin, end = start[k], start[k + 1]
        own, area = 0.0, 0
        for e in range(begin, end):
            own += weight[e] * inverse[place[e]]
            area += widths[block[e]] ** 2
        gradient[k] = -2.0 * own
        if (end - begin) * (num_entries - begin) < area:
            terms[begin:] = 0.0
            for e in range(begin, end):
                p_i, p_j = _lines(inverse, widths, offsets, block[e], row[e], column[e])
                scale = 2.0 * weight[e]
                if widths.size == 1:
                    _add_pairs(p_i, p_j, rows, columns, weight, scale, begin, terms)
                else:
                    _add_pairs_of_block(
                        p_i, p_j, rows, columns, weight, scale, begin, terms, block, block[e]
                    )
        else:
            for e in range(begin, end):
                p_i, p_j = _lines(inverse, widths, offsets, block[e], row[e], column[e])
                _add_product(p_i, p_j, weight[e], work[offsets[block[e]] :])
            for f in range(begin, num_entries):
                terms[f] = 2.0 * weight[f] * work[place[f]]
            for e in range(begin, end):
                first = offsets[block[e]]
                work[first : first + widths[block[e]] ** 2] = 0.0
        for other in range(k, num_variables):
            total = 0.0
            for f in range(start[other], start[other + 1]):
                total += terms[f]
            hessian[k, other] = total


@njit(cache=True, error_model="numpy")
def _lines(inverse, widths, offsets, block, row, column):
    """Rows i and j of a block of P."""
    width, first = widths[block], offsets[block]
    return (
        inverse[first + row * width : first + (row + 1) * width],
        inverse[first + column * width : first + (column + 1) * width],
    )


@njit(cache=True, error_model="numpy")
def _add_pairs(p_i, p_j, rows, columns, weight, scale, begin, terms):
    """What one entry of F_k contributes at every later entry."""
    for f in range(begin, terms.size):
        a, b = rows[f], columns[f]
        terms[f] += scale * weight[f] * (p_i[a] * p_j[b] + p_i[b] * p_j[a])


@njit(cache=True, error_model="numpy")
def _add_pairs_of_block(p_i, p_j, rows, columns, weight, scale, begin, terms, block, own):
    """As `_add_pairs`, at the entries of one block."""
    for f in range(begin, terms.size):
        if block[f] == own:
            a, b = rows[f], columns[f]
            terms[f] += scale * weight[f] * (p_i[a] * p_j[b] + p_i[b] * p_j[a])


@njit(cache=True, error_model="numpy")
def _add_product(p_i, p_j, weight, block):
    """Add v (p_i p_j' + p_j p_i') to the upper triangle of a block."""
    width = p_i.size
    for a in range(width):
        left, right = weight * p_i[a], weight * p_j[a]
        line = block[a * width : (a + 1) * width]
        for b in range(a, width):
            line[b] += left * p_j[b] + right * p_i[b]
