"""The published distributions of bases and factors, compiled.

Basis.  The size is uniform among the integers of [m - 2 sqrt m, m + 2 sqrt m]; a monomial has
degree k in 1..d with probability proportional to C(n + k - 1, k) and exponents
multinomial(k; 1/n, ..., 1/n); monomials are drawn until enough distinct ones are found.

Structures of p = z_B' F F' z_B, with g = N(0, 1) / 2, all entries independent:

    dense           F is m x m with entries g
    sparse          as dense, an entry kept with probability q, q uniform in [0.05, 0.1]
    low_rank        F = U sqrt(D), U is m x r with entries g, r uniform in 1..5, D uniform in [0, 1]
    block_diagonal  dense blocks of sizes uniform in 1..10 on a random partition of B

Monomials whose row of F is zero leave the basis.

Entries of F are rounded to multiples of 2**-16, or of 2**-8 (`COARSE`), whose products are
multiples of 2**-16.  Where a basis takes a quarter of all monomials or more, those with the
smallest E_b / p_b are taken, E_b independent exponential variables: draws without replacement.

References
----------
N. Pelleriti et al., Neural sum-of-squares, arXiv:2510.13444, section on data sets.
P. S. Efraimidis, P. G. Spirakis, Weighted random sampling with a reservoir, 2006.
"""

from __future__ import annotations

from math import floor, sqrt

import numpy as np

from tasks.sos.sampling.compiled import inner, zero
from tasks.sos.sampling.drafts import add_columns, add_monomial, sort_rows
from tasks.sos.sampling.philox import WORD, below, disk_point, log, next_block, normal, uniform

FINE, COARSE = 0, 8
"""How many of the 16 bits after the point are zero."""
UNIT = 1 << 16
"""1 in F."""

_DENSE, _SPARSE, _LOW_RANK, _BLOCKS = 0, 1, 2, 3
_MAX_RANK, _MAX_BLOCK = 5, 10
_LEAST_SHARE, _SHARES = 0.05, 0.05
_HALF = UNIT >> 1


@inner
def draw_monomial(stream, shape, monomial, most):
    """Fill `monomial` with a random one; degrees above `most` count as `most`."""
    words, n = stream.words, np.uint64(shape.num_variables)
    w0, w1, w2, w3 = next_block(words)
    degree = 1
    while degree < most and w0 >= shape.thresholds[degree - 1]:
        degree += 1
    zero(monomial)
    used = 1
    for _ in range(degree):
        if used == 4:
            w0, w1, w2, w3 = next_block(words)
            used = 0
        word = (w0 if used == 0 else w1) if used < 2 else (w2 if used == 2 else w3)
        monomial[np.int64((word * n) >> WORD)] += 1
        used += 1


@inner
def draw_size(stream, shape):
    """The number of monomials that is asked for, or all there are."""
    return min(shape.lowest + below(stream, shape.highest - shape.lowest + 1), shape.available)


@inner
def draw_basis(stream, shape, draft, size):
    """Add `size` monomials, or as many as fit the degree, to an empty draft, in order."""
    if shape.chances.size:
        _draw_without_replacement(stream, shape, draft, size)
    else:
        while draft.counts[0] < size:
            draw_monomial(stream, shape, draft.monomial[0], shape.half_degree)
            add_monomial(draft, draft.monomial[0])
    sort_rows(draft)


@inner
def _draw_without_replacement(stream, shape, draft, size):
    chances = shape.chances
    times = np.empty(chances.size)
    for i in range(chances.size):
        times[i] = -log(uniform(stream) + 2.0**-33) / chances[i]
    for i in np.argsort(times)[:size]:
        add_monomial(draft, shape.monomials[i])


@inner
def entry(stream, scale, zeros):
    """A normal variable of this deviation in units of 2**-16, its last `zeros` bits 0."""
    return np.int64(floor(normal(stream) * scale * (UNIT >> zeros) + 0.5)) << zeros


@inner
def fill_entries(stream, row, begin, end, scales, zeros):
    """Entries k = begin..end - 1 of an integer row from normal variables times scales[k - begin].

    A block of the stream makes two of them; all state is in local variables, which is fast.
    """
    words, units, half = stream.words, UNIT >> zeros, np.float64(0.5)
    k = begin
    while k < end:
        w0, w1, w2, w3 = next_block(words)
        u, v, s = disk_point(w0, w1)
        if s >= 1.0:
            u, v, s = disk_point(w2, w3)
        if s < 1.0:
            factor = sqrt(-2.0 * log(s) / s) * units
            row[k] = np.int64(floor(u * factor * scales[k - begin] + half)) << zeros
            if k + 1 < end:
                row[k + 1] = np.int64(floor(v * factor * scales[k + 1 - begin] + half)) << zeros
            k += 2


@inner
def fill_factor(stream, draft, size, structure, zeros):
    """New columns with entries in the first `size` rows, by one of the four structures."""
    scales = np.full(max(size, _MAX_RANK), 0.5)
    if structure == _DENSE:
        column = add_columns(draft, size)
        for i in range(size):
            fill_entries(stream, draft.factor[i], column, column + size, scales, zeros)
    elif structure == _SPARSE:
        _fill_sparse(stream, draft, size, zeros)
    elif structure == _LOW_RANK:
        rank = 1 + below(stream, _MAX_RANK)
        column = add_columns(draft, rank)
        for k in range(rank):
            scales[k] = 0.5 * sqrt(uniform(stream))
        for i in range(size):
            fill_entries(stream, draft.factor[i], column, column + rank, scales, zeros)
    else:
        _fill_blocks(stream, draft, size, scales, zeros)


@inner
def _fill_sparse(stream, draft, size, zeros):
    """Every entry is kept with the same probability; a factor without entries gets one."""
    column, words = add_columns(draft, size), stream.words
    share = np.uint64((_LEAST_SHARE + _SHARES * uniform(stream)) * 2.0**32)
    is_empty = True
    for i in range(size):
        for k in range(0, size, 4):
            w0, w1, w2, w3 = next_block(words)
            for j in range(k, min(k + 4, size)):
                word = (w0 if j == k else w1) if j < k + 2 else (w2 if j == k + 2 else w3)
                if word < share:
                    value = entry(stream, 0.5, zeros)
                    draft.factor[i, column + j] = value
                    is_empty = is_empty and value == 0
    if is_empty:
        draft.factor[below(stream, size), column] = _HALF


@inner
def _fill_blocks(stream, draft, size, scales, zeros):
    """Blocks of a random partition of the rows."""
    order = np.arange(size)
    for i in range(size - 1, 0, -1):
        j = below(stream, i + 1)
        order[i], order[j] = order[j], order[i]
    column, begin = add_columns(draft, size), 0
    while begin < size:
        end = min(size, begin + 1 + below(stream, _MAX_BLOCK))
        for i in range(begin, end):
            row = draft.factor[order[i]]
            fill_entries(stream, row, column + begin, column + end, scales, zeros)
        begin = end
