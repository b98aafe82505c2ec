"""Small integer weights that induce the same triangulation.

Weights w induce a regular triangulation T if every fold w_c + w_f - lambda w_a - mu w_b over its
interior edges is at least 1 (`tasks.lattice.regularity`).  Adding an integer affine function or
dividing by a common factor keeps T.  With the affine function of w on a triangle D subtracted, w is
0 on D and at least 1 elsewhere.  The size of weights is the sum of their bit lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

import numpy as np

from tasks.lattice import Triangulation, certify_regularity, folding_forms, is_regular_with
from tasks.records import InputError

_MAX_SWEEPS = 64


def weight_bits(weights: Sequence[int]) -> int:
    """Return the sum of the bit lengths of the absolute values."""
    return sum(int(w).bit_length() for w in weights)


def shrink_weights(
    triangulation: Triangulation, weights: Sequence[int], *, optimize: bool = True
) -> tuple[int, ...]:
    """Find small nonnegative integer weights that induce the same triangulation.

    Affine functions and common factors are removed and single weights lowered as long as every fold
    stays positive, all in integers.  With `optimize`, the same is done to weights from a linear
    program, and the smaller result is returned.  Deterministic; the least size is not guaranteed.
    `tasks.lattice.reduced_weights` only removes affine functions and factors, and takes the
    smallest maximum.

    Raises
    ------
    InputError
        If the weights do not induce the triangulation.

    >>> from tasks.lattice import honeycomb
    >>> shrink_weights(honeycomb(2), [7, 8, 11, 10, 12, 15])
    (1, 0, 1, 0, 0, 1)
    """
    if not is_regular_with(triangulation, weights):
        raise InputError(f"the weights do not induce triangulation {triangulation.name}")
    candidates = [_shrunk(triangulation, [int(w) for w in weights])]
    if optimize:
        found = certify_regularity(triangulation.with_weights(None)).weights
        candidates += [] if found is None else [_shrunk(triangulation, list(found))]
    best = min(candidates, key=lambda w: (weight_bits(w), w))
    if not is_regular_with(triangulation, best):
        raise ArithmeticError(f"shrinking the weights of {triangulation.name} broke a fold")
    return best


def _shrunk(triangulation: Triangulation, weights: list[int]) -> tuple[int, ...]:
    """Flatten and lower in turns as long as it helps."""
    best = _flattened(triangulation, weights)
    while True:
        other = _flattened(triangulation, _lowered(triangulation, best))
        if weight_bits(other) >= weight_bits(best):
            return best
        best = other


def _flattened(triangulation: Triangulation, weights: Sequence[int]) -> tuple[int, ...]:
    """Subtract the affine function on the best triangle and divide by the common factor."""
    flat = np.array(weights, dtype=object)
    x, y = triangulation.points.astype(object).T
    choices = []
    for a, b, c in triangulation.triangles.tolist():
        ux, uy, vx, vy = x[b] - x[a], y[b] - y[a], x[c] - x[a], y[c] - y[a]
        area = ux * vy - uy * vx
        rise, slope = flat[b] - flat[a], flat[c] - flat[a]
        p, q = area * (rise * vy - slope * uy), area * (slope * ux - rise * vx)
        choices.append(flat - flat[a] - p * (x - x[a]) - q * (y - y[a]))
    # All choices differ by integer affine functions, hence have the same common factor.
    divisor = gcd(*choices[0]) or 1
    flattened = (tuple((choice // divisor).tolist()) for choice in choices)
    return min(flattened, key=lambda w: (weight_bits(w), w))


def _lowered(triangulation: Triangulation, weights: Sequence[int]) -> list[int]:
    """Lower one weight at a time, never below 0, until no fold allows more."""
    indices, coefficients = (array.tolist() for array in folding_forms(triangulation))
    forms = [
        list(zip(edge, factors, strict=True))
        for edge, factors in zip(indices, coefficients, strict=True)
    ]
    low = list(weights)
    at: list[list[tuple[int, int]]] = [[] for _ in low]
    for k, form in enumerate(forms):
        for point, factor in form:
            at[point].append((k, factor))
    folds = [sum(factor * low[point] for point, factor in form) for form in forms]
    for _ in range(_MAX_SWEEPS):
        before = sum(low)
        for point in sorted(range(len(low)), key=lambda p: -low[p]):
            slack = [(folds[k] - 1) // factor for k, factor in at[point] if factor > 0]
            step = min([*slack, low[point]])
            low[point] -= step
            for k, factor in at[point]:
                folds[k] -= step * factor
        if sum(low) == before:
            break
    return low
