"""Polynomials that are not sums of squares, by construction.

    negative      a planted one minus s times sum of x0^a x^a over its terms, s just so large that
                  the value at the point x0 in {-1, 1}^n becomes negative
    outside_cone  q + c M(x_i, x_j), M = x^4 y^2 + x^2 y^4 - 3 x^2 y^2 + 1 (Motzkin), a planted q
                  all of whose monomials contain further variables: nonnegative as a sum of two
                  such, and no sum of squares, as its restriction to these two variables is c M

The Gram matrix of the second is F F' plus a diagonal matrix on x^2 y, x y^2, x y, 1.
"""

from __future__ import annotations

from tasks.sos.sampling.compiled import inner, zero
from tasks.sos.sampling.drafts import add_monomial
from tasks.sos.sampling.families import draw_structure
from tasks.sos.sampling.philox import below
from tasks.sos.sampling.structures import UNIT, draw_basis, draw_size

_MARGIN_BITS = 16


@inner
def draw_outside_cone(stream, shape, draft):
    """A planted one, without the monomials in two variables alone, plus Motzkin in these."""
    draw_basis(stream, shape, draft, draw_size(stream, shape))
    structure = draw_structure(stream, draft)
    n = shape.num_variables
    first = below(stream, n)
    second = (first + 1 + below(stream, n - 1)) % n
    for i in range(draft.counts[0]):
        further = 0
        for j in range(n):
            if j != first and j != second:
                further += draft.basis[i, j]
        if further == 0:
            for k in range(draft.counts[1]):
                draft.factor[i, k] = 0
    weight = UNIT * ((UNIT >> 3) + below(stream, UNIT))
    row = draft.monomial[0]
    for a, b, value in ((2, 1, 1), (1, 2, 1), (1, 1, -3), (0, 0, 1)):
        zero(row)
        row[first], row[second] = a, b
        draft.diagonal[add_monomial(draft, row)] += value * weight
    return structure


@inner
def make_negative(stream, space, basis, num_terms):
    """Change the coefficients of an expansion until it is negative at a random point.

    Returns
    -------
    point : int64
        Bit i is set where x0_i = -1.
    """
    n, point = basis.shape[1], below(stream, 1 << 16) | (below(stream, 1 << 16) << 16)
    before = 0
    for t in range(num_terms):
        before += _sign(space, basis, t, n, point) * space.coefficients[t]
    margin = (1 << 9) + below(stream, (1 << 15) - (1 << 9))
    step = before // num_terms
    shift = step + ((step * margin) >> _MARGIN_BITS) + 1
    for t in range(num_terms):
        space.coefficients[t] -= _sign(space, basis, t, n, point) * shift
    return point


@inner
def _sign(space, basis, t, n, point):
    """x0^a of the exponents a of a term; variables beyond the 32nd repeat the first ones."""
    i, j, odd = space.pairs[t, 0], space.pairs[t, 1], 0
    for v in range(n):
        odd ^= (basis[i, v] + basis[j, v]) & (point >> (v & 31))
    return 1 - 2 * (odd & 1)
