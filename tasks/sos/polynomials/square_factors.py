"""Square factors: p = g^2 q with q free of squares.

If q is a sum of squares, so is p, and over g times the monomials of q; the zeros of g, which make
the Gram matrices of p singular, are gone. (That q is not one proves nothing about p.)

Most polynomials have no square factor, and a line shows it: if p(a + t b) mod a prime has the full
degree and no common factor with its derivative, then p has no square factor.
"""

from __future__ import annotations

import numpy as np
from flint import nmod_mat, nmod_poly
from numpy.typing import NDArray

from tasks.records import stream
from tasks.sos.polynomials.polynomial import Polynomial

PRIME = 2**31 - 1
NUM_LINES = 3
MAX_LINE_DEGREE = 300
"""Above it the equations for a polynomial from its values take longer than a factorization."""


def square_factor(p: Polynomial, *, seed: int = 0) -> tuple[Polynomial, Polynomial]:
    """g and q with p = g^2 q, q without square factors; g = 1 if p has none.

    Parameters
    ----------
    p : Polynomial
        Not zero.
    seed : int
        Root of the random lines.

    Examples
    --------
    >>> from tasks.sos.polynomials.parsing import parse_polynomial
    >>> [str(f) for f in square_factor(parse_polynomial("(x + 2*y)^5*x^2*y*3"))]
    ['x^3 + 4*x^2*y + 4*x*y^2', '3*x*y + 6*y^2']
    """
    if p.degree < 2 or is_surely_squarefree(p, seed=seed):
        return Polynomial.constant(p.variables, 1), p
    constant, factors = p.flint.factor_squarefree()
    outer = p.flint.context().constant(1)
    inner = outer * constant
    for factor, multiplicity in factors:
        outer *= factor ** (multiplicity // 2)
        inner *= factor ** (multiplicity % 2)
    return Polynomial(p.variables, outer), Polynomial(p.variables, inner)


def is_surely_squarefree(p: Polynomial, *, seed: int = 0) -> bool:
    """Whether a line proves that p has no square factor; False says nothing.

    O(d T n + d^3) operations modulo a prime.
    """
    if p.degree > MAX_LINE_DEGREE or any(c.q % PRIME == 0 for c in p.coefficients):
        return False
    coefficients = np.array(
        [int(c.p) % PRIME * pow(int(c.q), -1, PRIME) % PRIME for c in p.coefficients],
        dtype=np.uint64,
    )
    rng = stream(seed, "square-factor")
    return any(_is_squarefree_on_a_line(p, coefficients, rng) for _ in range(NUM_LINES))


def _is_squarefree_on_a_line(
    p: Polynomial, coefficients: NDArray[np.uint64], rng: np.random.Generator
) -> bool:
    base, slope = rng.integers(1, PRIME, size=(2, p.num_variables)).astype(np.uint64)
    values = []
    for t in range(p.degree + 1):
        point = (base + np.uint64(t) * slope) % np.uint64(PRIME)
        values.append(_value(p.exponents, coefficients, point))
    size = p.degree + 1
    powers = [pow(t, k, PRIME) for t in range(size) for k in range(size)]
    solved = nmod_mat(size, size, powers, PRIME).solve(nmod_mat(size, 1, values, PRIME))
    u = nmod_poly([int(solved[k, 0]) for k in range(size)], PRIME)
    return u.degree() == p.degree and u.gcd(u.derivative()).degree() == 0


def _value(
    exponents: NDArray[np.int32], coefficients: NDArray[np.uint64], point: NDArray[np.uint64]
) -> int:
    """p(point) mod the prime: numbers below 2^31, so that products fit 64 bits."""
    prime, terms = np.uint64(PRIME), coefficients.copy()
    for i, coordinate in enumerate(point):
        powers = np.ones(int(exponents[:, i].max()) + 1, dtype=np.uint64)
        for k in range(1, len(powers)):
            powers[k] = powers[k - 1] * coordinate % prime
        terms = terms * powers[exponents[:, i]] % prime
    return int(terms.sum() % prime)
