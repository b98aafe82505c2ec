"""p-norms of vectors of the plane in floats, and their minima on segments and parallelograms.

The norm is computed from coordinates divided by the larger one, so that nothing overflows and its
relative error stays below 1e-14. Minima are enclosed: any point gives an upper bound, and any
vector y the lower one

    min over {x + sum_a s_a w_a, |s_a| <= 1} of |z|_p >= (y.x - sum_a |y.w_a|) / |y|_q,

which is sharp for the gradient y at the nearest point.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["least_on_segments", "lower_bounds", "p_lengths"]

_STEPS = 60
"""Halvings of [-1, 1]; beyond 54 nothing changes in floats."""

Floats = NDArray[np.float64]


def p_lengths(x: Floats, p: float) -> Floats:
    """|x|_p of vectors (..., 2)."""
    largest = np.max(np.abs(x), axis=-1)
    scale = np.where(largest > 0, largest, 1.0)
    return largest * np.sum((np.abs(x) / scale[..., None]) ** p, axis=-1) ** (1 / p)


def gradients(x: Floats, p: float) -> Floats:
    """A positive multiple of the gradient of |x|_p at vectors (..., 2)."""
    largest = np.max(np.abs(x), axis=-1, keepdims=True)
    scaled = np.abs(x) / np.where(largest > 0, largest, 1.0)
    return np.sign(x) * scaled ** (p - 1)


def lower_bounds(y: Floats, x: Floats, w: Floats, q: float) -> Floats:
    """The lower bounds (N,) by vectors y (N, 2) for centers x (N, 2) and steps w (..., a, 2)."""
    inner = np.sum(y * x, axis=-1) - np.abs(np.sum(y[..., None, :] * w, axis=-1)).sum(axis=-1)
    size = p_lengths(y, q)
    return np.where(size > 0, inner / np.where(size > 0, size, 1.0), 0.0)


def least_on_segments(
    x: Floats, w: Floats, exponents: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Bound the least |x + t w|_p over t in [-1, 1], by bisection with the derivative.

    Parameters
    ----------
    x, w
        (N, 2), or w (2,).
    exponents
        p > 1 and its dual q.

    Returns
    -------
    Upper bounds (N,), and vectors (N, 2) for sharp `lower_bounds`: the gradient at the nearest
    point; where that jumps within rounding, for p near 1, what is orthogonal to w on the jump.
    """
    p, q = exponents
    low, high = np.full(len(x), -1.0), np.full(len(x), 1.0)
    for _ in range(_STEPS):
        t = (low + high) / 2
        rises = np.sum(gradients(x + t[:, None] * w, p) * w, axis=-1) > 0
        low, high = np.where(rises, low, t), np.where(rises, t, high)
    ends = [x + t[:, None] * w for t in (low, high)]
    left, right = (_unit(gradients(z, p), q) for z in ends)
    falling, rising = np.sum(left * w, axis=-1), np.sum(right * w, axis=-1)
    crosses = (falling < 0) & (rising > 0)
    share = np.where(crosses, rising / np.where(crosses, rising - falling, 1.0), falling >= 0)
    y = share[:, None] * left + (1 - share)[:, None] * right
    return np.minimum(*(p_lengths(z, p) for z in ends)), y


def _unit(y: Floats, q: float) -> Floats:
    size = p_lengths(y, q)
    return y / np.where(size > 0, size, 1.0)[..., None]
