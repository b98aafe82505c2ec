"""All points of a lattice between two spheres, by descent along a reduced basis.

With B = L Q, L lower triangular and Q orthogonal, |e B| = |e L|, and the coordinates of e L are
e_n L_nn, then e_(n-1) L_(n-1,n-1) + e_n L_(n,n-1), and so on (Fincke and Pohst 1985). Each level is
one step on arrays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.records import InputError

__all__ = ["MAX_POINTS", "points_between"]

MAX_POINTS = 4_000_000
"""More offsets than these are refused."""
_SLACK = 1e-9
"""Relative widening of both spheres. The basis is reduced, so rounding errors are below 1e-13."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def points_between(basis: Floats, inner: float, outer: float) -> Ints:
    """All e in Z^n with inner <= |e B| <= outer, and perhaps some within 1e-9 of that.

    Parameters
    ----------
    basis
        (n, n), the rows of a reduced basis B.

    Raises
    ------
    InputError
        If there are more than `MAX_POINTS`, or the rows are dependent in floats.
    """
    triangle = _triangle(basis)
    n = len(basis)
    tail = np.zeros((1, 0), dtype=np.int64)
    outside, inside = outer * (1 + _SLACK), inner * (1 - _SLACK) if inner > 0 else -1.0
    for k in reversed(range(n)):
        fixed = tail @ triangle[k + 1 :, k:]  # coordinates k, ..., n - 1 of what is chosen
        rest = np.sum(fixed[:, 1:] ** 2, axis=1)
        ranges = _ranges(fixed[:, 0], rest, triangle[k, k], outside, inside if k == 0 else -1.0)
        tail = np.concatenate([_extended(tail, *pair) for pair in ranges])
    return tail


def _triangle(basis: Floats) -> Floats:
    """A lower triangular L with a positive diagonal and L L' = B B'."""
    _, upper = np.linalg.qr(basis.T)
    lower = upper.T * np.sign(np.diag(upper))
    if not (np.diag(lower) > 0).all():
        raise InputError("the cells are too small for a decision in floats: choose fewer cells")
    return lower


def _ranges(
    shift: Floats, rest: Floats, step: float, outside: float, inside: float
) -> list[tuple[Ints, Ints]]:
    """First and last integers e with inside^2 <= (shift + e step)^2 + rest <= outside^2."""
    far = np.sqrt(np.maximum(outside**2 - rest, 0.0)) / step
    slack = _SLACK * (1 + outside / step)
    center = -shift / step
    first, last = np.ceil(center - far - slack), np.floor(center + far + slack)
    if not np.max(np.abs([first, last]), initial=0.0) < 2**52:
        raise _too_many()
    if inside <= 0:
        return [(first.astype(np.int64), last.astype(np.int64))]
    near = np.sqrt(np.maximum(inside**2 - rest, 0.0)) / step - slack
    # What lies strictly between is within the inner sphere; without such a part, cut in two.
    left, right = np.floor(center - near), np.ceil(center + near)
    right = np.where(near > 0, np.maximum(right, left + 1), left + 1)
    pieces = [(first, np.minimum(left, last)), (np.maximum(right, first), last)]
    return [(a.astype(np.int64), b.astype(np.int64)) for a, b in pieces]


def _extended(tail: Ints, first: Ints, last: Ints) -> Ints:
    """Every row of the tail behind each integer of its range."""
    counts = np.maximum(last - first + 1, 0)
    total = int(counts.sum())
    if total > MAX_POINTS:
        raise _too_many()
    starts = np.cumsum(counts) - counts
    values = np.arange(total) - np.repeat(starts, counts) + np.repeat(first, counts)
    return np.column_stack([values, np.repeat(tail, counts, axis=0)])


def _too_many() -> InputError:
    return InputError(
        f"more than {MAX_POINTS} offsets of cells can hold the forbidden distance: "
        "choose fewer or rounder cells"
    )
