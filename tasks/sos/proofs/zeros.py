"""Real zeros of a nonnegative polynomial, to many digits, and the integer relations of monomials.

If p = sum q_i^2 and p(x) = 0, then q_i(x) = 0 for all i: the Gram matrix has z(x) in its kernel.  A
rational Gram matrix has the whole rational closure of that kernel: its image is spanned by integer
vectors v with v'z(x) = 0.  They are found by lattice reduction from sufficiently many digits of x,
whether x is rational or not.

References
----------
Lenstra, Lenstra and Lovasz, Factoring polynomials with rational coefficients, Math. Ann. 1982.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import numpy as np
from flint import arb, arb_mat, ctx, fmpz, fmpz_mat
from numpy.typing import NDArray
from scipy.optimize import minimize

from gpu.terms import sparse_terms, value_and_gradient
from tasks.records import stream
from tasks.sos.polynomials.polynomial import Polynomial
from tasks.sos.proofs.negativity import is_near, random_points

NUM_STARTS = 32
"""Descents from random points at four scales, eight each."""
MAX_ZEROS = 24
"""Each adds columns to a lattice reduction; a face of too few zeros fails the exact check."""
SAME = 1e-6
"""Relative distance at which two zeros are one: a flat minimum is found to about 1e-8 in floats."""
DIGITS_PER_ENTRY = 12
"""Decimal digits for every entry of z(x): relations with smaller coefficients are found."""

Zero = tuple[arb, ...]


def real_zeros(
    polynomial: Polynomial,
    hints: Iterable[NDArray[np.float64]] = (),
    *,
    bits: int,
    seed: int = 0,
) -> list[Zero]:
    """Find isolated real zeros of a polynomial that is thought to be nonnegative.

    Minima are searched in floats and refined by Newton's method for the gradient; those at which
    the Hessian matrix is singular, or p does not vanish to the given precision, are left out.

    Parameters
    ----------
    polynomial : Polynomial
    hints : iterable of float64 (n,)
        Points to start from, tried before the random ones.
    bits : int
        Precision of the zeros.
    seed : int
        Root of the random starts.
    """
    layout = sparse_terms(polynomial.exponents)
    coefficients = polynomial.float_coefficients()
    coefficients = coefficients / np.abs(coefficients).max()
    gradient = np.empty(polynomial.num_variables)

    def objective(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value = value_and_gradient(*layout, coefficients, x, gradient)
        return value, gradient.copy()

    places: list[NDArray[np.float64]] = []
    zeros: list[Zero] = []
    rng = stream(seed, "zeros")
    for start in chain(hints, random_points(rng, polynomial.num_variables, NUM_STARTS)):
        if not np.isfinite(start).all():
            continue
        found = minimize(objective, start, jac=True, method="BFGS", options={"gtol": 1e-12})
        if not abs(found.fun) < 1e-7 or any(is_near(found.x, x, SAME) for x in places):
            continue
        places.append(found.x)
        zero = refined_zero(polynomial, found.x, bits)
        if zero is not None:
            zeros.append(zero)
        if len(zeros) == MAX_ZEROS:
            break
    return zeros


def refined_zero(polynomial: Polynomial, x: NDArray[np.float64], bits: int) -> Zero | None:
    """Critical point close to x, by Newton's method in balls without radius.

    None if the method does not converge or the polynomial does not vanish there.
    """
    precision = 53
    with ctx.workprec(bits + 64):
        jet = _Jet(polynomial)
        point = [arb(float(value)) for value in x.tolist()]
        while precision < 2 * bits:
            gradient, hessian = jet.derivatives(point)
            try:
                step = hessian.solve(gradient)
            except ZeroDivisionError:
                return None
            point = [(value - step[i, 0]).mid() for i, value in enumerate(point)]
            size = max(float(abs(step[i, 0]).mid()) for i in range(len(point)))
            if not size < 1e-3 or not all(value.is_finite() for value in point):
                return None
            precision = int(precision * 1.8)
        return tuple(point) if jet.vanishes(point, bits) else None


class _Jet:
    """Value, gradient and Hessian matrix of a polynomial in the precision of the context."""

    def __init__(self, polynomial: Polynomial) -> None:
        self.size = polynomial.num_variables
        self.terms = [
            (arb(value), [(i, e) for i, e in enumerate(row) if e])
            for value, row in zip(
                polynomial.coefficients, polynomial.exponents.tolist(), strict=True
            )
        ]

    def vanishes(self, point: list[arb], bits: int) -> bool:
        """Whether p is 0 up to the square of the precision of the point, roughly."""
        value, size = arb(0), arb(0)
        for coefficient, factors in self.terms:
            product = coefficient
            for i, e in factors:
                product *= point[i] ** e
            value += product
            size += abs(product)
        return bool(abs(value.mid()) <= size.mid() * arb(2) ** (-bits // 2))

    def derivatives(self, point: list[arb]) -> tuple[arb_mat, arb_mat]:
        """Gradient (n, 1) and Hessian matrix (n, n)."""
        gradient = [arb(0)] * self.size
        hessian = [[arb(0)] * self.size for _ in range(self.size)]
        for coefficient, factors in self.terms:
            powers = [point[i] ** e for i, e in factors]
            first = [e * point[i] ** (e - 1) for i, e in factors]
            for a, (i, e) in enumerate(factors):
                partial = coefficient * first[a] * _product(powers, {a})
                gradient[i] += partial
                if e > 1:
                    second = e * (e - 1) * point[i] ** (e - 2)
                    hessian[i][i] += coefficient * second * _product(powers, {a})
                for b in range(a):
                    j = factors[b][0]
                    mixed = coefficient * first[a] * first[b] * _product(powers, {a, b})
                    hessian[i][j] += mixed
                    hessian[j][i] += mixed
        flat = [value.mid() for row in hessian for value in row]
        return (
            arb_mat(self.size, 1, [value.mid() for value in gradient]),
            arb_mat(self.size, self.size, flat),
        )


def _product(values: list[arb], without: set[int]) -> arb:
    result = arb(1)
    for index, value in enumerate(values):
        if index not in without:
            result *= value
    return result


def relations(basis: NDArray[np.int32], zeros: list[Zero], *, digits: int) -> fmpz_mat:
    """Integer vectors v with v'z(x) = 0 at all zeros x, as the columns of a matrix (m, r).

    Vectors whose entries are small against ``10**(digits * k / m)``, the size of accidental
    relations among m numbers with that many digits and k zeros.
    """
    size = len(basis)
    with ctx.workdps(digits + 20):
        unit = arb(10) ** digits
        scaled = [_scaled_monomials(basis, zero, unit) for zero in zeros]
    columns = [column for column in scaled if column]
    lattice = fmpz_mat(size, size + len(columns))
    for i in range(size):
        lattice[i, i] = 1
        for k, column in enumerate(columns):
            lattice[i, size + k] = column[i]
    limit = 10 ** (digits * len(columns) // (2 * size))
    found = []
    for row in lattice.lll().tolist():
        if max(abs(int(value)) for value in row) < limit:
            found.append(row[:size])
    result = fmpz_mat(size, len(found))
    for column, row in enumerate(found):
        for i, value in enumerate(row):
            result[i, column] = value
    return result


def _scaled_monomials(basis: NDArray[np.int32], zero: Zero, unit: arb) -> list[fmpz]:
    """Rounded values of the monomials, the largest scaled to the unit; empty if that fails."""
    values = []
    for row in basis.tolist():
        value = arb(1)
        for x, e in zip(zero, row, strict=True):
            value *= x**e
        values.append(value)
    largest = max(float(abs(value).mid()) for value in values)
    if not 0.0 < largest < float("inf"):
        return []
    return [_floor(value / largest * unit) for value in values]


def _floor(value: arb) -> fmpz:
    """Integer part of a midpoint."""
    mantissa, exponent = (int(part) for part in value.mid().man_exp())
    return fmpz(mantissa << exponent if exponent >= 0 else mantissa >> -exponent)
