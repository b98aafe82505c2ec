"""Families of sums of squares whose terms cancel, each as a basis B and a factor F.

Every polynomial is p = z_B' F F' z_B with integers F in units of 2**-16, so B is valid by
construction.  What cancels, cancels exactly.

    homogeneous       forms: bases of one degree, any of the four structures
    integer           F with entries in -3..3, a few in every column
    minimum           q - min q: squares of polynomials that vanish at a common point of {-1, 1}^n
    vanishing         terms x^2c with c in B whose coefficient is 0, cancelled by a square
                      (x^a / 2 - t x^b)^2 with a + b = 2c
    binomial_squares  (2 s^2 x^a - t^2 x^b)^2 + (2 s t x^c +- g x^e)^2 with a + b = 2c, where x^2c
                      cancels, and single squares (g x^c +- h x^e)^2

Further ones are in `tasks.sos.sampling.constructions`.

References
----------
B. Reznick, Forms derived from the arithmetic-geometric inequality, 1989 (binomial squares).
"""

from __future__ import annotations

import numpy as np

from tasks.sos.sampling.cells import NUM_STRUCTURES
from tasks.sos.sampling.compiled import copy, inner, zero
from tasks.sos.sampling.drafts import add_columns, add_monomial, columns_left, room
from tasks.sos.sampling.philox import below, uniform
from tasks.sos.sampling.structures import (
    COARSE,
    FINE,
    UNIT,
    draw_basis,
    draw_monomial,
    draw_size,
    entry,
    fill_factor,
)

_A, _B, _MIDDLE, _OTHER = 0, 1, 2, 3
_TRIALS = 256
_MOST_INTEGER = 3


@inner
def draw_structure(stream, draft):
    """Fill F by a random structure, which is returned."""
    structure = below(stream, NUM_STRUCTURES)
    fill_factor(stream, draft, draft.counts[0], structure, FINE)
    return structure


@inner
def random_sign(stream):
    """1 or -1."""
    return 1 - 2 * below(stream, 2)


@inner
def draw_integer(stream, shape, draft):
    """Small integers: m columns with 1..4 entries."""
    draw_basis(stream, shape, draft, draw_size(stream, shape))
    size = draft.counts[0]
    first = add_columns(draft, size)
    for k in range(first, first + size):
        for _ in range(1 + below(stream, 4)):
            value = random_sign(stream) * (1 + below(stream, _MOST_INTEGER))
            draft.factor[below(stream, size), k] = value * UNIT


@inner
def draw_minimum(stream, shape, draft):
    """Squares that vanish together: the entries of the constant are fixed by the others."""
    draw_basis(stream, shape, draft, max(1, draw_size(stream, shape) - 1))
    size = draft.counts[0]
    structure = draw_structure(stream, draft)
    point = draft.monomial[1]
    for i in range(point.size):
        point[i] = below(stream, 2)
    zero(draft.monomial[0])
    constant = add_monomial(draft, draft.monomial[0])
    for i in range(size):
        odd = 0
        for j in range(point.size):
            odd ^= point[j] & draft.basis[i, j]
        sign = 1 - 2 * (odd & 1)
        for k in range(draft.counts[1]):
            draft.factor[constant, k] -= sign * draft.factor[i, k]
    return structure


@inner
def _draw_triple(stream, shape, draft):
    """Fill the first rows of `monomial` with a, b, c, a + b = 2c, of degree at most d >= 2."""
    ends = draft.monomial
    if shape.half_degree > 2 and below(stream, 4):
        draw_monomial(stream, shape, ends[_A], shape.half_degree - 2)
    else:
        zero(ends[_A])
    copy(ends[_A], ends[_B])
    copy(ends[_A], ends[_MIDDLE])
    i, j = below(stream, shape.num_variables), below(stream, shape.num_variables + 1)
    ends[_A, i] += 2
    ends[_MIDDLE, i] += 1
    if j < shape.num_variables and j != i:
        ends[_B, j] += 2
        ends[_MIDDLE, j] += 1


@inner
def draw_binomial_squares(stream, shape, draft):
    """Squares of binomials until the basis has its size."""
    size = draw_size(stream, shape)
    for _ in range(_TRIALS):
        if draft.counts[0] >= size or room(draft) < 4 or columns_left(draft) < 2:
            break
        draw_monomial(stream, shape, draft.monomial[_OTHER], shape.half_degree)
        if below(stream, 3):
            s, t = 96 + below(stream, 160), 128 + below(stream, 234)
            _draw_triple(stream, shape, draft)
            a = add_monomial(draft, draft.monomial[_A])
            b = add_monomial(draft, draft.monomial[_B])
            _add_binomial(draft, a, 2 * s * s, b, -t * t)
            scale = 2 * s * t
        else:
            draw_monomial(stream, shape, draft.monomial[_MIDDLE], shape.half_degree)
            scale = (UNIT >> 2) + below(stream, UNIT)
        middle = add_monomial(draft, draft.monomial[_MIDDLE])
        other = add_monomial(draft, draft.monomial[_OTHER])
        value = random_sign(stream) * ((UNIT >> 2) + below(stream, UNIT))
        _add_binomial(draft, middle, scale, other, value)


@inner
def _add_binomial(draft, i, first, j, second):
    """A new square; of twice the same monomial a monomial square."""
    column = add_columns(draft, 1)
    draft.factor[i, column] = first
    if i != j:
        draft.factor[j, column] = second


@inner
def draw_vanishing(stream, shape, draft):
    """A structure with coarse entries, then one square for every coefficient that is to vanish."""
    size = draw_size(stream, shape)
    wanted = 1 + below(stream, max(1, size // 8))
    draw_basis(stream, shape, draft, max(1, size - 3 * wanted))
    structure = below(stream, NUM_STRUCTURES)
    fill_factor(stream, draft, draft.counts[0], structure, COARSE)
    columns = draft.counts[1]
    triples = np.empty((wanted, 3), dtype=np.int64)
    is_taken = np.zeros(draft.keys.size, dtype=np.bool_)
    count = 0
    for _ in range(4 * wanted):
        if count == wanted or room(draft) < 3:
            break
        _draw_triple(stream, shape, draft)
        for k in range(3):
            before = draft.counts[0]
            triples[count, k] = add_monomial(draft, draft.monomial[k])
            if draft.counts[0] > before:
                _fill_row(stream, draft, before, columns)
        if not _is_any_taken(is_taken, triples[count]):
            for k in range(3):
                is_taken[triples[count, k]] = True
            count += 1
    for k in range(count):
        _cancel(draft, triples[k])
    return structure


@inner
def _is_any_taken(is_taken, triple):
    return is_taken[triple[0]] or is_taken[triple[1]] or is_taken[triple[2]]


@inner
def _fill_row(stream, draft, i, columns):
    """Up to three coarse entries, at least one of them not 0."""
    for _ in range(3):
        draft.factor[i, below(stream, columns)] = entry(stream, 0.5, COARSE)
    draft.factor[i, below(stream, columns)] = UNIT >> 1 if uniform(stream) < 0.5 else UNIT


@inner
def _cancel(draft, triple):
    """Add (x^a / 2 - t x^b)^2 with t the coefficient N of x^2c.

    No monomial is in two triples.  So N, in units of 2**-32, is a sum of products of coarse
    entries, a multiple of 2**16, and no later square changes the coefficient of x^2c.
    """
    total = square_coefficient(draft, triple[2])
    column = add_columns(draft, 1)
    draft.factor[triple[0], column] = UNIT >> 1
    draft.factor[triple[1], column] = -(total >> 16)


@inner
def square_coefficient(draft, middle):
    """The coefficient of the square of a monomial of the basis; O(m^2 + m r)."""
    size, total = draft.counts[0], 0
    target = draft.keys[middle] + draft.keys[middle]
    for i in range(size):
        for j in range(size):
            if draft.keys[i] + draft.keys[j] == target and _is_midpoint(draft.basis, i, j, middle):
                for k in range(draft.counts[1]):
                    total += draft.factor[i, k] * draft.factor[j, k]
    return total


@inner
def _is_midpoint(basis, i, j, middle):
    differences = 0
    for v in range(basis.shape[1]):
        differences += basis[i, v] + basis[j, v] != 2 * basis[middle, v]
    return differences == 0
