"""One scaling of the variables for several polynomials.

With integers s and e_k, polynomial k becomes ``2^e_k p_k(2^s_1 x_1, ..., 2^s_n x_n)``; see
`tasks.sos.bases.scaling` for a single one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2

import numpy as np
from flint import fmpq

from tasks.sos.polynomials.polynomial import Polynomial, power_of_two


@dataclass(frozen=True)
class ProblemScaling:
    """The scaling of a polynomial and its constraints.

    Attributes
    ----------
    shifts
        s, one integer per variable.
    exponents
        e_k, of the polynomial first, then of the constraints.
    """

    shifts: tuple[int, ...]
    exponents: tuple[int, ...]

    @classmethod
    def balancing(cls, polynomial: Polynomial, constraints: Sequence[Polynomial]) -> ProblemScaling:
        """The scaling that brings all coefficients closest to 1.

        Minimizes the sum over k of the mean over the terms of ``(log2 |c_a| + s·a + e_k)^2`` over
        real s and e (of all minima the shortest), and rounds s, then e.

        >>> from tasks.sos.polynomials.parsing import parse_polynomial
        >>> p, g = (parse_polynomial(text, ("x",)) for text in ("x^2 - 64*x", "1024 - x^2"))
        >>> ProblemScaling.balancing(p, [g])
        ProblemScaling(shifts=(5,), exponents=(-11, -10))
        """
        given = [polynomial, *constraints]
        rows, sides = [], []
        for k, p in enumerate(given):
            weight = max(1, p.num_terms) ** -0.5
            for a, c in zip(p.exponents.tolist(), p.coefficients, strict=True):
                unit = [float(k == other) for other in range(len(given))]
                rows.append([weight * value for value in [*a, *unit]])
                sides.append(-weight * _logarithm(c))
        n = polynomial.num_variables
        table = np.array(rows).reshape(len(sides), n + len(given))
        solution = np.linalg.lstsq(table, np.array(sides), rcond=None)[0]
        shifts = tuple(int(s) for s in np.rint(solution[:n]))
        return cls(shifts, tuple(_balance(p, shifts) for p in given))

    def apply(self, *groups: Polynomial | Sequence[Polynomial]) -> list[Polynomial]:
        """The scaled polynomial and constraints."""
        given = [
            p for group in groups for p in ([group] if isinstance(group, Polynomial) else group)
        ]
        pairs = zip(given, self.exponents, strict=True)
        return [p.scaled(self.shifts) * power_of_two(e) for p, e in pairs]


def _balance(p: Polynomial, shifts: tuple[int, ...]) -> int:
    """The exponent that brings the largest coefficient into [1, 2); 0 for p = 0."""
    if p.is_zero:
        return 0
    return -int(np.floor(max(_logarithm(c) for c in p.scaled(shifts).coefficients)))


def _logarithm(value: fmpq) -> float:
    return log2(abs(int(value.p))) - log2(int(value.q))
