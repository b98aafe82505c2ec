"""Scaling of variables by powers of two.

With integers s and e let p'(x) = 2^e p(2^s_1 x_1, .., 2^s_n x_n). A coefficient c_a of p becomes
``2^(e + s·a) c_a``, and p = z'Qz turns into p' = z'(2^e D Q D)z with D = diag(2^(s·b)): all exact.
The *spread* of p is the range of log2 |c_a|.

No scaling changes Σ μ_a log2 |c_a| for affine dependencies Σ μ_a a = 0, Σ μ_a = 0, so the spread
has a positive lower bound. Brown's badly scaled function (x - 10⁶)² + (y - 2·10⁻⁶)² + (xy - 2)² has
spread 58 (10^17.4) and cannot get below 38.5 (10^11.6), mainly as c_y² / (c_yy c_1), about
1.6·10⁻²³, is invariant. A small coefficient as c_y does no harm; what disturbs solvers is different
magnitudes on the diagonal of Q, hence the weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2
from operator import mul
from typing import Any, TypeVar

import numpy as np
from flint import fmpq, fmpq_mat, fmpz_mat
from numpy.typing import NDArray

from tasks.lattice.monomials import Rows
from tasks.sos.polynomials.polynomial import Polynomial, power_of_two

Matrix = TypeVar("Matrix", NDArray[np.float64], fmpq_mat)

_SMALL_EXPONENT = 8
"""A factor up to 2^8 alone helps no method: all of them work at the scale of the weights."""

# Coefficients of even terms 2b are diagonal entries of Q, others at most products of their roots.
_EVEN_WEIGHT = 4.0


@dataclass(frozen=True)
class VariableScaling:
    """The scaling p'(x) = 2^exponent p(2^shifts x).

    Attributes
    ----------
    shifts
        s, one integer per variable.
    exponent
        e.
    """

    shifts: tuple[int, ...]
    exponent: int = 0

    @classmethod
    def balancing(cls, polynomial: Polynomial) -> VariableScaling:
        """The scaling that brings the coefficients closest to 1.

        Minimizes Σ w_a (log2 |c_a| + s·a + e)², w_a = 4 for even terms and 1 for others, over
        real s and e (of all minima the shortest), and rounds. The identity if that gains nothing,
        or is a factor up to 2^8 and nothing else.

        >>> p = Polynomial.of(("x",), {(2,): 1, (1,): 2**11, (0,): 2**20})
        >>> VariableScaling.balancing(p)
        VariableScaling(shifts=(10,), exponent=-20)
        """
        identity = cls((0,) * polynomial.num_variables)
        if polynomial.is_zero:
            return identity
        weights = np.where((polynomial.exponents & 1).any(axis=1), 1.0, _EVEN_WEIGHT) ** 0.5
        table = _with_ones(polynomial.exponents) * weights[:, None]
        target = -_logarithms(polynomial) * weights
        solution = np.rint(np.linalg.lstsq(table, target, rcond=None)[0])
        if np.linalg.norm(table @ solution - target) >= np.linalg.norm(target):
            return identity
        *shifts, exponent = (int(value) for value in solution)
        if not any(shifts) and abs(exponent) <= _SMALL_EXPONENT:
            return identity
        return cls(tuple(shifts), exponent)

    def apply(self, polynomial: Polynomial) -> Polynomial:
        """p'."""
        scaled = polynomial.scaled(self.shifts) if any(self.shifts) else polynomial
        return scaled * power_of_two(self.exponent) if self.exponent else scaled

    def undo(self, polynomial: Polynomial) -> Polynomial:
        """p, given p'."""
        return polynomial.scaled([-shift for shift in self.shifts]) * power_of_two(-self.exponent)

    def apply_to_gram(self, gram: Matrix, basis: Rows) -> Matrix:
        """The Gram matrix of p', given one of p in this basis."""
        return _rescaled(gram, basis.astype(np.int64) @ self._columns(), self.exponent)

    def invert(self, gram: Matrix, basis: Rows) -> Matrix:
        """The Gram matrix of p, given one of p' in this basis."""
        return _rescaled(gram, -(basis.astype(np.int64) @ self._columns()), -self.exponent)

    def point(self, scaled_point: Sequence[fmpq]) -> tuple[fmpq, ...]:
        """The x with ``2^exponent p(x) = p'(y)``, given y."""
        return tuple(
            y * power_of_two(shift) for y, shift in zip(scaled_point, self.shifts, strict=True)
        )

    def functional(self, values: Mapping[tuple[int, ...], fmpq]) -> dict[tuple[int, ...], fmpq]:
        """L with ``L(p) = 2**-e L'(p')``, given L' by exponent: at x^a times ``2**(s a)``."""
        return {a: v * power_of_two(sum(map(mul, self.shifts, a))) for a, v in values.items()}

    def _columns(self) -> NDArray[np.int64]:
        return np.array(self.shifts, dtype=np.int64)


def _with_ones(exponents: NDArray[np.int32]) -> NDArray[np.float64]:
    return np.column_stack([exponents, np.ones(len(exponents))]).astype(np.float64)


def _logarithms(polynomial: Polynomial) -> NDArray[np.float64]:
    """log2 |c|, of any magnitude."""
    return np.array(
        [log2(abs(int(c.p))) - log2(int(c.q)) for c in polynomial.coefficients], dtype=np.float64
    )


def _rescaled(gram: Any, shifts: NDArray[np.int64], exponent: int) -> Any:
    """Entries times 2^(shift_i + shift_j + exponent)."""
    exponents = shifts[:, None] + shifts[None, :] + exponent
    if isinstance(gram, np.ndarray):
        return np.ldexp(gram, exponents)
    if not exponents.any():
        return gram
    # Whole numbers over a common denominator: their products with powers of two are shifts.
    numerators, denominator = gram.numer_denom()
    lowest = int(exponents.min())
    lifts = (exponents - lowest).ravel().tolist()
    lifted = [value << lift for value, lift in zip(numerators.entries(), lifts, strict=True)]
    size = len(shifts)
    return fmpq_mat(fmpz_mat(size, size, lifted)) * (power_of_two(lowest) / denominator)
