"""Negative values far out, along monomial curves.

Let F be the terms of p on which an integer vector w is largest, w·a = h, and p_F their sum. Then

    p(t^w_1 x_1, ..., t^w_n x_n) = t^h (p_F(x) + O(1/t)),

so that p takes negative values where p_F does. If F is a single term c x^a, then p_F is negative at
a point of {-1, 1}^n exactly if c < 0 or an exponent is odd: vertices of the Newton polytope of a
nonnegative polynomial are even and have positive coefficients (Reznick 1978).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
from flint import fmpq
from numpy.typing import NDArray

from tasks.records import stream
from tasks.sos.polynomials.polynomial import Polynomial

NUM_DIRECTIONS = 64
"""Random ones behind those with a meaning: one product of matrices, next to no time."""
MAX_DOUBLINGS = 24
"""t = 2, 4, 16, ..., 2^(2^24) would be too long to write down long before."""
CHUNK_ENTRIES = 1 << 21
"""Heights that are held at a time."""
MAX_BITS = 1_000_000
"""Longest value of t^w."""

Point = tuple[fmpq, ...]


def negative_vertex_point(p: Polynomial, *, seed: int = 0) -> Point | None:
    """A rational point with p < 0, found at a vertex that is odd or has a negative coefficient.

    Looks at the vertices in the directions of the axes, of the total degree, and in some random
    ones; None if none of them helps.

    Parameters
    ----------
    p : Polynomial
        Not constant.
    seed : int
        Root of the random directions.
    """
    is_bad = (p.exponents & 1).any(axis=1) | np.array([c < 0 for c in p.coefficients])
    if not is_bad.any():
        return None
    for w, top in _single_tops(p.exponents, _directions(p.num_variables, seed)):
        if is_bad[top]:
            signs = _signs(p.exponents[top], p.coefficients[top])
            point = _far_out(p, w, signs)
            if point is not None:
                return point
    return None


def _directions(n: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Total degree, both ways; the axes, both ways, and next to the total degree; random ones."""
    ones = np.ones(n, dtype=np.int64)
    yield from (ones, -ones)
    for i in range(n):
        unit = np.zeros(n, dtype=np.int64)
        unit[i] = 1
        yield from (unit, -unit, ones + unit, unit - (n + 1) * ones)
    yield from stream(seed, "vertices").integers(-9, 10, size=(NUM_DIRECTIONS, n))


def _single_tops(
    exponents: NDArray[np.int32], directions: Iterator[NDArray[np.int64]]
) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Directions with a single highest exponent, and which it is."""
    # Heights are whole numbers far below 2**53, which floats hold exactly.
    rows = exponents.astype(np.float64)
    chunk = max(1, CHUNK_ENTRIES // max(rows.shape))
    while some := list(islice(directions, chunk)):
        heights = rows @ np.array(some, dtype=np.float64).T
        tops = heights.argmax(axis=0)
        counts = (heights == heights[tops, np.arange(len(tops))]).sum(axis=0)
        for k in np.flatnonzero(counts == 1).tolist():
            yield some[k], int(tops[k])


def _signs(exponent: NDArray[np.int32], coefficient: fmpq) -> list[int]:
    """Signs of the variables that make the term negative."""
    signs = [1] * len(exponent)
    if coefficient > 0:
        signs[int(np.flatnonzero(exponent & 1)[0])] = -1
    return signs


def _far_out(p: Polynomial, w: NDArray[np.int64], signs: list[int]) -> Point | None:
    """The point with the least t = 2^(2^k), k = 0, 1, ... at which p is negative."""
    largest = max(1, int(np.abs(w).max())) * max(1, p.degree)
    for k in range(MAX_DOUBLINGS):
        shift = 0 if k == 0 else 1 << (k - 1)
        if shift * largest > MAX_BITS:
            return None
        point = tuple(
            fmpq(sign << shift * int(e)) if e >= 0 else fmpq(sign, 1 << -shift * int(e))
            for sign, e in zip(signs, w, strict=True)
        )
        if p.evaluate(point) < 0:
            return point
    return None
