"""Rational points at which a polynomial is negative.

The search minimizes ``p(x) / (1 + |x|^2)^d`` in floats, which is bounded, has the sign of p, and
has the leading form of p at infinity.  What it finds is rounded to few bits and evaluated exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

import numpy as np
from flint import fmpq, fmpz
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize

from gpu.terms import sparse_terms, value_and_gradient
from tasks.records import stream
from tasks.sos.polynomials.polynomial import Polynomial

NUM_STARTS = 24
"""Descents from random points; they bound the time of a search that may find nothing."""
ROUNDING_ERROR = 1e-9
"""Bound on relative rounding errors of values: 2**-53 times ten million operations."""
MAX_CORNER_VALUES = 1 << 21
"""Signs held at a time, 8 bytes each: 16 MiB."""
ROUNDINGS = (0, 1, 2, 4, 8, 16, 32, 48)
"""Bits after the point, fewest first."""

COARSE: Mapping[str, float] = {"maxiter": 200}
FINE: Mapping[str, float] = {"maxiter": 200, "gtol": 1e-12, "ftol": 1e-14}
"""Far from the origin values and gradients are small."""
NUM_FINE = 4
"""Lowest ends of descents that are continued to more precision: several may be one minimum."""

NEARLY_ZERO = 1e-9
"""Relative to the largest coefficient: values in floats that are not surely positive."""

Point = tuple[fmpq, ...]


def find_negative_point(
    polynomial: Polynomial, hints: Iterable[NDArray[np.float64]] = (), *, seed: int = 0
) -> Point | None:
    """Search for a rational point with p(point) < 0; None if none was found.

    Parameters
    ----------
    polynomial : Polynomial
    hints : iterable of float64 (n,)
        Points to start from, tried before the random ones.
    seed : int
        Root of the random starts.
    """
    if polynomial.degree <= 0:
        origin = (fmpq(0),) * polynomial.num_variables
        return origin if polynomial.evaluate(origin) < 0 else None
    layout = sparse_terms(polynomial.exponents)
    coefficients = polynomial.float_coefficients()
    largest = float(np.abs(coefficients).max())
    if not np.isfinite(largest):
        return None
    coefficients = coefficients / largest
    half = max(1.0, polynomial.degree / 2)
    gradient = np.empty(polynomial.num_variables)

    @np.errstate(all="ignore")  # far out values leave the range of floats
    def normalized(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value = value_and_gradient(*layout, coefficients, x, gradient)
        size = 1.0 + float(x @ x)
        weight = size**-half
        return value * weight, gradient * weight - 2.0 * half * value * weight / size * x

    def descent(start: NDArray[np.float64], precision: Mapping[str, float]) -> OptimizeResult:
        # Line searches may leave the range of floats; what they find is evaluated exactly.
        with np.errstate(over="ignore", invalid="ignore"):
            return minimize(normalized, start, jac=True, method="L-BFGS-B", options=dict(precision))

    ends: list[tuple[float, NDArray[np.float64]]] = []
    rng, n = stream(seed, "negative-point"), polynomial.num_variables
    drawn = random_points(rng, n, NUM_STARTS, scales=range(-2, 4))
    plain = ((start, COARSE) for start in chain([np.zeros(n)], drawn))
    for start, precision in chain(((hint, FINE) for hint in hints), plain):
        if np.isfinite(start).all():
            found = descent(start, precision)
            point = _rounded(polynomial, found.x) if found.fun < NEARLY_ZERO else None
            if point is not None:
                return point
            ends.append((float(found.fun), found.x))
    for _, end in sorted(ends, key=lambda pair: pair[0])[:NUM_FINE]:
        point = _rounded(polynomial, descent(end, FINE).x)
        if point is not None:
            return point
    return None


def negative_corner(polynomial: Polynomial) -> Point | None:
    """The point of {-1, 1}^n with the lowest value, if that is negative; O(2**n T).

    None too if there are more than `MAX_CORNER_VALUES` values of terms.
    """
    n = polynomial.num_variables
    if polynomial.is_zero or polynomial.num_terms << min(n, 64) > MAX_CORNER_VALUES:
        return None
    corners = (np.arange(1 << n)[:, None] >> np.arange(n)) & 1
    signs = 1 - 2 * ((corners @ (polynomial.exponents.T & 1)) & 1)
    with np.errstate(invalid="ignore"):  # coefficients beyond the range of floats
        values = signs @ polynomial.float_coefficients()
    point = tuple(fmpq(1 - 2 * bit) for bit in corners[int(values.argmin())].tolist())
    return point if polynomial.evaluate(point) < 0 else None


def random_points(
    rng: np.random.Generator, num_variables: int, count: int, *, scales: range = range(-1, 3)
) -> Iterator[NDArray[np.float64]]:
    """Normal points; their sizes take turns among powers of two."""
    for index in range(count):
        yield rng.standard_normal(num_variables) * 2.0 ** scales[index % len(scales)]


def is_near(x: NDArray[np.float64], y: NDArray[np.float64], tolerance: float) -> bool:
    """Whether two points are one, up to a relative tolerance."""
    return bool((np.abs(x - y) < tolerance * (1.0 + np.abs(x))).all())


def _rounded(polynomial: Polynomial, x: NDArray[np.float64]) -> Point | None:
    """The point with the fewest bits at which the polynomial is still negative."""
    for bits in ROUNDINGS:
        scaled = np.rint(np.ldexp(x, bits))
        if not np.isfinite(scaled).all():
            return None
        if _is_clearly_positive(polynomial, np.ldexp(scaled, -bits)):
            continue
        point = tuple(fmpq(int(value), 1 << bits) for value in scaled.tolist())
        if polynomial.evaluate(point) < 0:
            return point
    return None


def _is_clearly_positive(polynomial: Polynomial, x: NDArray[np.float64]) -> bool:
    """Whether p(x) is positive beyond all rounding errors."""
    layout = sparse_terms(polynomial.exponents)
    coefficients, gradient = polynomial.float_coefficients(), np.empty(len(x))
    value = value_and_gradient(*layout, coefficients, x, gradient)
    size = value_and_gradient(*layout, np.abs(coefficients), np.abs(x), gradient)
    return bool(value > ROUNDING_ERROR * size) and bool(np.isfinite(size))


def negative_at_infinity(polynomial: Polynomial, *, seed: int = 0) -> Point:
    """Find a rational point at which a polynomial of odd degree is negative; one always exists.

    Along a line on which the leading form does not vanish, p changes its sign at infinity.

    Raises
    ------
    ValueError
        If the degree is even.
    """
    if polynomial.degree % 2 == 0:
        raise ValueError(f"the degree must be odd, it is {polynomial.degree}")
    rng = stream(seed, "line")
    leading = leading_form(polynomial)
    # A form vanishes on at most the share d / (2d + 1) of a grid of 2d + 1 values per coordinate.
    reach = max(9, polynomial.degree)
    line, slope = [fmpq(0)], fmpq(0)
    while slope == 0:
        line = [fmpq(int(v)) for v in rng.integers(-reach, reach + 1, polynomial.num_variables)]
        slope = leading.evaluate(line)

    def point(bits: int) -> Point:
        length = fmpq(fmpz(-1 if slope > 0 else 1) << bits)
        return tuple(length * v for v in line)

    high = 0
    while polynomial.evaluate(point(high)) >= 0:
        high = 2 * high or 1
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if polynomial.evaluate(point(middle)) < 0 else (middle, high)
    return point(high)


def leading_form(polynomial: Polynomial) -> Polynomial:
    """Terms of the highest degree."""
    is_leading = polynomial.exponents.sum(axis=1) == polynomial.degree
    chosen = [c for c, leads in zip(polynomial.coefficients, is_leading, strict=True) if leads]
    return Polynomial.from_arrays(polynomial.variables, polynomial.exponents[is_leading], chosen)
