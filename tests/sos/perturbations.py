"""Planted polynomials that are no sums of squares any more, each with its exact proof.

*Negative at a point.*  With x0 in {-1, 1}^n and T terms, p - s sum_{a in supp p} x0^a x^a has the
value p(x0) - s T at x0; s is chosen a little above p(x0) / T.  No other change of the coefficients
on supp p that gives this value is smaller in the Euclidean norm.

*Outside the cone, yet nonnegative.*  Let M = u^4 v^2 + u^2 v^4 - 3 u^2 v^2 + 1 (Motzkin) and
p' = M(x_i, x_j) + e p with e > 0: a sum of nonnegative polynomials.  A functional l on polynomials
in u, v with l(f^2) >= 0 for all f of degree <= d and l(M) < 0 gives the functional

    L(q) = l(q(0, ..., u, ..., v, ..., 0)),  u and v at places i and j,

with L(f^2) >= 0 for all f of degree <= d in all variables; L(p') < 0 for small e.  So L proves that
p' is no sum of squares.

l is written down up to degree 6 and extended degree by degree: moments of odd degree are 0, those
of degree 2k are those of two independent normal variables times 2^s.  They form a positive definite
matrix on forms of degree k, hence for large s the whole moment matrix stays positive definite.

References
----------
Motzkin, The arithmetic-geometric inequality, 1967.
Reznick, Some concrete aspects of Hilbert's 17th problem, 2000.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np
from flint import fmpq
from planted import Planted

from tasks.records import InputError
from tasks.sos.polynomials.polynomial import Polynomial

_MOTZKIN = {(4, 2): 1, (2, 4): 1, (2, 2): -3, (0, 0): 1}
_MOTZKIN_VALUE = fmpq(-1, 4)
_MOMENTS = {
    (0, 0): fmpq(1),
    (2, 0): fmpq(2),
    (4, 0): fmpq(16),
    (2, 2): fmpq(1),
    (6, 0): fmpq(1024),
    (4, 2): fmpq(7, 8),
}
"""l up to degree 6, symmetric; the moment matrix is positive definite and l(M) = -1/4."""
_MARGIN_BITS = 16


@dataclass(frozen=True, eq=False)
class NegativeSomewhere:
    """A polynomial, a rational point, and its value there, which is negative."""

    polynomial: Polynomial
    point: tuple[fmpq, ...]
    value: fmpq


@dataclass(frozen=True, eq=False)
class OutsideCone:
    """A nonnegative polynomial that a functional separates from the sums of squares.

    Attributes
    ----------
    polynomial : Polynomial
        p'.
    places : tuple of int
        i and j.
    moments : mapping
        l(u^a v^b) of the even a, b with a + b <= 2d, 2d the degree of p' or more; others are 0.
    value : fmpq
        L(p') < 0.
    """

    polynomial: Polynomial
    places: tuple[int, int]
    moments: Mapping[tuple[int, int], fmpq]
    value: fmpq

    def functional(self, exponent: tuple[int, ...]) -> fmpq:
        """L(x^a), for |a| <= 2d."""
        return _moment(self.moments, self.places, exponent)


def negative_somewhere(planted: Planted, rng: np.random.Generator) -> NegativeSomewhere:
    """Change all coefficients alike until the polynomial is negative at a point of {-1, 1}^n."""
    p = planted.polynomial
    point = 1 - 2 * rng.integers(0, 2, p.num_variables)
    signs = np.where((p.exponents[:, point < 0].sum(axis=1) % 2) == 1, -1, 1).tolist()
    before = sum((c * s for c, s in zip(p.coefficients, signs, strict=True)), fmpq(0))
    unit = fmpq(1, 1 << 2 * _MARGIN_BITS)
    margin = fmpq(int(rng.integers(1 << 9, 1 << 15)), 1 << _MARGIN_BITS)
    shift = unit * ((before * (1 + margin) / p.num_terms / unit).floor() + 1)
    changed = [c - shift * s for c, s in zip(p.coefficients, signs, strict=True)]
    return NegativeSomewhere(
        Polynomial.from_arrays(p.variables, p.exponents, changed),
        tuple(fmpq(x) for x in point.tolist()),
        before - shift * p.num_terms,
    )


def outside_cone(planted: Planted, rng: np.random.Generator) -> OutsideCone:
    """Add a Motzkin polynomial in two of the variables to a small multiple of a planted one.

    Raises
    ------
    InputError
        For fewer than two variables: there nonnegative polynomials are sums of squares.
    """
    p = planted.polynomial
    if p.num_variables < 2:
        raise InputError(
            "in one variable every nonnegative polynomial is a sum of squares; "
            "take a planted polynomial in two variables or more"
        )
    first, second = rng.choice(p.num_variables, size=2, replace=False).tolist()
    places, moments = (first, second), _moments(max(6, p.degree))
    inner = sum((c * _moment(moments, places, a) for a, c in p.terms().items()), fmpq(0))
    # e L(p) <= 1/8 leaves L(p') <= -1/8.
    weight = fmpq(1, 1 << int((8 * inner).ceil()).bit_length())
    motzkin = {_embedded(powers, places, p.num_variables): c for powers, c in _MOTZKIN.items()}
    polynomial = p * weight + Polynomial.of(p.variables, motzkin)
    return OutsideCone(polynomial, places, dict(moments), _MOTZKIN_VALUE + weight * inner)


def _embedded(
    powers: tuple[int, int], places: tuple[int, int], num_variables: int
) -> tuple[int, ...]:
    row = [0] * num_variables
    for place, power in zip(places, powers, strict=True):
        row[place] = power
    return tuple(row)


def _moment(
    moments: Mapping[tuple[int, int], fmpq],
    places: tuple[int, int],
    exponent: tuple[int, ...],
) -> fmpq:
    powers = (exponent[places[0]], exponent[places[1]])
    return moments.get(powers, fmpq(0)) if sum(powers) == sum(exponent) else fmpq(0)


@lru_cache(maxsize=16)
def _moments(degree: int) -> Mapping[tuple[int, int], fmpq]:
    """l up to an even degree >= 6."""
    moments = _MOMENTS | {(b, a): value for (a, b), value in _MOMENTS.items()}
    for total in range(8, degree + 1, 2):
        shift = 0
        while True:
            for a in range(0, total + 1, 2):
                normal = prod(range(1, a, 2)) * prod(range(1, total - a, 2))
                moments[a, total - a] = fmpq(normal << shift)
            if _is_moment_matrix_definite(moments, total // 2):
                break
            shift += 4
    return moments


def _is_moment_matrix_definite(moments: Mapping[tuple[int, int], fmpq], half_degree: int) -> bool:
    """Decide exactly, one block per parity of the exponents: between parities l is 0."""
    rows = [(a, b) for a in range(half_degree + 1) for b in range(half_degree + 1 - a)]
    for parity in ((0, 0), (0, 1), (1, 0), (1, 1)):
        block = [row for row in rows if (row[0] % 2, row[1] % 2) == parity]
        entries = [[moments[a + c, b + d] for c, d in block] for a, b in block]
        if not _is_definite(entries):
            return False
    return True


def _is_definite(entries: list[list[fmpq]]) -> bool:
    """Eliminate; a symmetric matrix is positive definite iff all pivots are positive."""
    rest = entries
    while rest:
        pivot, *row = rest[0]
        if pivot <= 0:
            return False
        rest = [
            [entry - line[0] * other / pivot for entry, other in zip(line[1:], row, strict=True)]
            for line in rest[1:]
        ]
    return True
