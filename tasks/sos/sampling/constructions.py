"""Families of sums of squares that come from identities and systems; see `families` for the rest.

    multiplied  (1 + sum of some x_i^2) q for a planted q, or sums of c^2 (u^2 + v^2 + w^2) M and
                c^2 (u^2 + v^2)^2 M with M = u^4 v^2 + u^2 v^4 - 3 u^2 v^2 w^2 + w^6 (Motzkin, no
                sum of squares) for random monomials u, v, w
    lyapunov    -dV/dt = sum d_i^2 (dV/dx_i)^2 along dx/dt = (S - D) grad V with S skew, D diagonal
                with entries d_i^2
    banded      sums of squares of one polynomial shifted along the variables, as the systems of
                Broyden and Rosenbrock

The identities, with s = u^2 + v^2:

    (s + w^2) M = (u^2 v w - v w^3)^2 + (u v^2 w - u w^3)^2 + (u^2 v^2 - w^4)^2
                  + (u v^3 - u^3 v)^2 / 4 + 3 ((u v^3 + u^3 v) / 2 - u v w^2)^2
    s^2 M = (u^2 + v^2 + w^2) u^2 v^2 (s - 2 w^2)^2 + w^6 (u^2 - v^2)^2

References
----------
B. Reznick, Some concrete aspects of Hilbert's 17th problem, 2000.
C. G. Broyden, A class of methods for solving nonlinear simultaneous equations, 1965.
"""

from __future__ import annotations

import numpy as np

from tasks.sos.sampling.cells import NUM_STRUCTURES
from tasks.sos.sampling.compiled import copy, inner, zero
from tasks.sos.sampling.drafts import add_columns, add_monomial, columns_left, room
from tasks.sos.sampling.families import random_sign
from tasks.sos.sampling.philox import below
from tasks.sos.sampling.structures import (
    FINE,
    UNIT,
    draw_monomial,
    draw_size,
    fill_factor,
)

_TRIALS = 128

# Columns of the identities: powers of u, v, w and twice the coefficient, column by column.
_FIRST = np.array(
    [
        [0, 2, 1, 1, 2], [0, 0, 1, 3, -2], [1, 1, 2, 1, 2], [1, 1, 0, 3, -2],
        [2, 2, 2, 0, 2], [2, 0, 0, 4, -2], [3, 1, 3, 0, 1], [3, 3, 1, 0, -1],
        [4, 1, 3, 0, 1], [4, 3, 1, 0, 1], [4, 1, 1, 2, -2],
        [5, 1, 3, 0, 1], [5, 3, 1, 0, 1], [5, 1, 1, 2, -2],
        [6, 1, 3, 0, 1], [6, 3, 1, 0, 1], [6, 1, 1, 2, -2],
    ]
)  # fmt: skip
_SECOND = np.array(
    [
        [0, 4, 1, 0, 2], [0, 2, 3, 0, 2], [0, 2, 1, 2, -4],
        [1, 3, 2, 0, 2], [1, 1, 4, 0, 2], [1, 1, 2, 2, -4],
        [2, 3, 1, 1, 2], [2, 1, 3, 1, 2], [2, 1, 1, 3, -4],
        [3, 2, 0, 3, 2], [3, 0, 2, 3, -2],
    ]
)  # fmt: skip
_FIRST_COLUMNS, _SECOND_COLUMNS = 7, 4
_FIRST_DEGREE, _SECOND_DEGREE = 4, 5


@inner
def draw_multiplied(stream, shape, draft):
    """One of the two kinds; the second where the degree allows it."""
    if shape.half_degree >= _FIRST_DEGREE and shape.num_variables >= 2 and below(stream, 2):
        _draw_motzkin_multiples(stream, shape, draft)
        return -1
    return _draw_product(stream, shape, draft)


@inner
def _draw_motzkin_multiples(stream, shape, draft):
    size = draw_size(stream, shape)
    for _ in range(_TRIALS):
        if draft.counts[0] >= size or room(draft) < len(_SECOND):
            break
        if columns_left(draft) < _FIRST_COLUMNS:
            break
        is_second = shape.half_degree >= _SECOND_DEGREE and below(stream, 2) == 1
        most = shape.half_degree // (_SECOND_DEGREE if is_second else _FIRST_DEGREE)
        u, v, w = draft.monomial[0], draft.monomial[1], draft.monomial[2]
        draw_monomial(stream, shape, u, most)
        draw_monomial(stream, shape, v, most)
        if below(stream, 2):
            draw_monomial(stream, shape, w, most)
        else:
            zero(w)
        if is_second:
            _add_identity(stream, draft, _SECOND, _SECOND_COLUMNS)
        else:
            _add_identity(stream, draft, _FIRST, _FIRST_COLUMNS)


@inner
def _add_identity(stream, draft, entries, columns):
    """Add the squares of one identity, times c^2 with c in (1/4, 5/4)."""
    scale = (UNIT >> 3) + below(stream, UNIT >> 1)
    first = add_columns(draft, columns)
    row = draft.monomial[3]
    for e in range(len(entries)):
        a, b, c = entries[e, 1], entries[e, 2], entries[e, 3]
        for i in range(row.size):
            row[i] = a * draft.monomial[0, i] + b * draft.monomial[1, i] + c * draft.monomial[2, i]
        draft.factor[add_monomial(draft, row), first + entries[e, 0]] += entries[e, 4] * scale


@inner
def _draw_product(stream, shape, draft):
    """q planted of degree d - 1, times 1 and the squares of one to three variables.

    F of q fills a corner of the work space; it is copied once per factor.
    """
    size = draw_size(stream, shape)
    factors = 1 + below(stream, min(3, shape.num_variables))
    wanted = max(1, size // (factors + 1))
    for _ in range(_TRIALS + 4 * wanted):
        if draft.counts[0] == wanted:
            break
        if shape.half_degree == 1:
            zero(draft.monomial[0])
        else:
            draw_monomial(stream, shape, draft.monomial[0], shape.half_degree - 1)
        add_monomial(draft, draft.monomial[0])
    given = draft.counts[0]
    structure = below(stream, NUM_STRUCTURES)
    fill_factor(stream, draft, given, structure, FINE)
    rank = draft.counts[1]
    place = below(stream, shape.num_variables)
    for _ in range(factors):
        if room(draft) < given or columns_left(draft) < rank:
            break
        first = add_columns(draft, rank)
        for i in range(given):
            copy(draft.basis[i], draft.monomial[0])
            draft.monomial[0, place] += 1
            j = add_monomial(draft, draft.monomial[0])
            for k in range(rank):
                draft.factor[j, first + k] = draft.factor[i, k]
        place = (place + 1) % shape.num_variables
    return structure


@inner
def draw_lyapunov(stream, shape, draft):
    """Terms of V are added until the basis has its size; column i is d_i dV/dx_i."""
    size, n = draw_size(stream, shape), shape.num_variables
    add_columns(draft, n)
    weights = np.empty(n, dtype=np.int64)
    for i in range(n):
        weights[i] = 1 + below(stream, 2)
    power, row = draft.monomial[0], draft.monomial[1]
    for _ in range(_TRIALS):
        if draft.counts[0] >= size or room(draft) < min(n, shape.half_degree + 1):
            break
        draw_monomial(stream, shape, power, shape.half_degree)
        power[below(stream, n)] += 1
        value = random_sign(stream) * ((UNIT >> 4) + below(stream, UNIT >> 1))
        for i in range(n):
            if power[i]:
                copy(power, row)
                row[i] -= 1
                j = add_monomial(draft, row)
                draft.factor[j, i] += value * power[i] * weights[i]


@inner
def draw_banded(stream, shape, draft):
    """2..5 terms c x_k^a x_{k + h}^b, h <= 2, and a constant in half of the cases; k = 1..n."""
    size, n = draw_size(stream, shape), shape.num_variables
    terms = 2 + below(stream, 4)
    pattern = np.empty((terms, 4), dtype=np.int64)
    for t in range(terms):
        degree = 1 + below(stream, min(3, shape.half_degree))
        second = below(stream, degree + 1)
        pattern[t, 0], pattern[t, 2] = degree - second, second
        pattern[t, 1] = 1 + below(stream, 2)
        pattern[t, 3] = random_sign(stream) * (1 + below(stream, 5))
    constant = below(stream, 2)
    first, row = below(stream, n), draft.monomial[0]
    for step in range(n):
        if draft.counts[0] >= size or room(draft) <= terms or columns_left(draft) < 1:
            break
        k, column = (first + step) % n, add_columns(draft, 1)
        for t in range(terms):
            a, shift, b = pattern[t, 0], pattern[t, 1], pattern[t, 2]
            if b > 0 and k + shift >= n:
                continue
            zero(row)
            row[k] += a
            if b > 0:
                row[k + shift] += b
            draft.factor[add_monomial(draft, row), column] += pattern[t, 3] * UNIT
        if constant:
            zero(row)
            draft.factor[add_monomial(draft, row), column] += UNIT
