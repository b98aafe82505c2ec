"""Values and gradients of sparse polynomials in floats, one point at a time.

Term t is ``coefficients[t] * product over e in start[t]:start[t + 1] of x[variable[e]]**power[e]``.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def sparse_terms(exponents: NDArray[np.int32]) -> tuple[Indices, Indices, Indices]:
    """Lay out exponent rows (T, n) as (start, variable, power) without the zeros."""
    row, variable = np.nonzero(exponents)
    start = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(exponents)))])
    power = exponents[row, variable]
    return start.astype(np.int64), variable.astype(np.int64), power.astype(np.int64)


@njit(cache=True)
def value_and_gradient(start, variable, power, coefficients, x, gradient):
    """Return p(x) and fill its gradient, float64 (n,); O(entries)."""
    gradient[:] = 0.0
    value = 0.0
    for t in range(start.size - 1):
        first, last = start[t], start[t + 1]
        product = coefficients[t]
        for e in range(first, last):
            product *= x[variable[e]] ** power[e]
        value += product
        for e in range(first, last):
            # Not product / x: that fails at 0.
            partial = coefficients[t] * power[e] * x[variable[e]] ** (power[e] - 1)
            for other in range(first, last):
                if other != e:
                    partial *= x[variable[other]] ** power[other]
            gradient[variable[e]] += partial
    return value
