"""Compiled work on symmetric tridiagonal matrices: low eigenpairs, and systems with shifts.

T has the diagonal `d` (n,) and beside it the first n - 1 of `e` (n,).  Everything is done for r
shifts or eigenvalues at once, in arrays (n, r), so that the inner loops are vectorised.  There is
no pivoting: a pivot near 0 is replaced by a tiny one, which in double precision is accurate enough
for directions of steps, but no proof of anything.

References
----------
Golub and Van Loan, Matrix Computations, section 8.4 (bisection); Parlett, The Symmetric Eigenvalue
Problem, chapters 3 and 4 (inverse iteration).
"""

from __future__ import annotations

import numpy as np
from numba import njit

BISECTIONS = 24
ITERATIONS = 2
"""Of inverse iteration, from random vectors."""
SECTIONS, ROUNDS = 15, 3
"""For the lowest eigenvalue alone: its interval is divided by SECTIONS + 1 in every round."""
TINY = 1e-18
"""Least absolute value of a pivot, relative to the matrix."""
ROUNDING = 1e-12
"""Of bounds, relative to the matrix."""
SMALLEST = 1e-100
"""Least scale, so that squares of solutions stay finite where T is 0."""
AT_ONCE = 32
"""Vectors that are made orthogonal to others at once."""
CLOSE = 1e-3
"""Differences of eigenvalues, relative to the matrix, below which vectors are made orthogonal."""

_FAST = {"contract", "reassoc", "nsz"}


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def lowest_eigenvalue(d, e, at_most):
    """The lowest eigenvalue, or `at_most` where there is none below.

    To 1 / 8192 of the distance from `at_most` to Gershgorin's bound, in both cases.
    """
    left, _, scale = _bounds(d, e)
    left, right, tiny = min(left, at_most), at_most, TINY * scale
    points, counts, work = np.empty(SECTIONS), np.empty(SECTIONS), np.empty(SECTIONS)
    for _ in range(ROUNDS):
        width = (right - left) / (SECTIONS + 1)
        for k in range(SECTIONS):
            points[k] = left + (k + 1) * width
        _count_below(d, e, points, tiny, work, counts)
        below = 0
        while below < SECTIONS and counts[below] == 0:
            below += 1
        left, right = left + below * width, left + (below + 1) * width
    return 0.5 * (left + right)


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def low_eigenvalues(d, e, level):
    """Eigenvalues (r,) below a level, in ascending order, by bisection."""
    lowest, highest, scale = _bounds(d, e)
    level, tiny, rank = min(1.0 * level, highest), TINY * scale, np.empty(1)
    _count_below(d, e, np.full(1, level), tiny, np.empty(1), rank)
    r = int(rank[0])
    left, right = np.full(r, lowest), np.full(r, level)
    values, counts, work = np.empty(r), np.empty(r), np.empty(r)
    for _ in range(BISECTIONS):
        for k in range(r):
            values[k] = 0.5 * (left[k] + right[k])
        _count_below(d, e, values, tiny, work, counts)
        for k in range(r):
            is_above = counts[k] > k
            right[k] = values[k] if is_above else right[k]
            left[k] = left[k] if is_above else values[k]
    return 0.5 * (left + right)


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def eigenvectors(d, e, values):
    """Eigenvectors (n, r), orthonormal to about 1e-5, of eigenvalues (r,) in ascending order.

    The values are replaced by Rayleigh quotients, whose order may differ where bisection did not
    tell them apart.
    """
    r, scale = values.size, _bounds(d, e)[2]
    inverse, ratio = factor_shifted(d, e, values, TINY * scale)
    vectors = np.empty((d.size, r))
    state = np.uint64(0x9E3779B97F4A7C15)
    for i in range(d.size):
        for k in range(r):
            state ^= state << np.uint64(13)
            state ^= state >> np.uint64(7)
            state ^= state << np.uint64(17)
            vectors[i, k] = 1.0 + np.float64(state >> np.uint64(11)) * 2.0**-53
    for _ in range(ITERATIONS):
        solve_shifted(inverse, ratio, vectors)
        _make_orthonormal(vectors, values, CLOSE * scale)
    _correct(values, d, e, vectors)
    return vectors


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def factor_shifted(d, e, shifts, tiny):
    """Inverse pivots and ratios (n, r) of the factors of T - shift, for r shifts."""
    n, r = d.size, shifts.size
    inverse, ratio = np.empty((n, r)), np.zeros((n, r))
    for i in range(n):
        for k in range(r):
            pivot = d[i] - shifts[k]
            if i > 0:
                pivot -= e[i - 1] * ratio[i - 1, k]
            inverse[i, k] = 1.0 / (pivot if abs(pivot) > tiny else -tiny)
        if i + 1 < n:
            for k in range(r):
                ratio[i, k] = e[i] * inverse[i, k]
    return inverse, ratio


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def solve_shifted(inverse, ratio, sides):
    """Replace each of r columns (n, r) by the solution with its shift."""
    n, r = sides.shape
    for i in range(1, n):
        for k in range(r):
            sides[i, k] -= ratio[i - 1, k] * sides[i - 1, k]
    for k in range(r):
        sides[n - 1, k] *= inverse[n - 1, k]
    for i in range(n - 2, -1, -1):
        for k in range(r):
            sides[i, k] = sides[i, k] * inverse[i, k] - ratio[i, k] * sides[i + 1, k]


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def _bounds(d, e):
    """Gershgorin's bounds on eigenvalues, rounded outwards, and the larger absolute value."""
    lowest, highest = np.inf, -np.inf
    for i in range(d.size):
        beside = abs(e[i - 1]) if i > 0 else 0.0
        beside += abs(e[i]) if i + 1 < d.size else 0.0
        lowest, highest = min(lowest, d[i] - beside), max(highest, d[i] + beside)
    scale = max(abs(lowest), abs(highest), SMALLEST)
    return lowest - ROUNDING * scale, highest + ROUNDING * scale, scale


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def _count_below(d, e, points, tiny, pivots, counts):
    """How many eigenvalues are below each point, by the signs of pivots."""
    r = points.size
    for k in range(r):
        pivots[k], counts[k] = 1.0, 0.0
    for i in range(d.size):
        square = e[i - 1] * e[i - 1] if i > 0 else 0.0
        own = d[i]
        for k in range(r):
            pivot = own - points[k] - square / pivots[k]
            pivot = pivot if abs(pivot) > tiny else -tiny
            pivots[k] = pivot
            counts[k] += 1.0 if pivot < 0 else 0.0


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def _correct(values, d, e, vectors):
    """Replace eigenvalues by the Rayleigh quotients of unit vectors."""
    n, r = vectors.shape
    values[:] = 0.0
    for i in range(n):
        for k in range(r):
            values[k] += d[i] * vectors[i, k] * vectors[i, k]
        if i + 1 < n:
            for k in range(r):
                values[k] += 2.0 * e[i] * vectors[i, k] * vectors[i + 1, k]


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def _make_orthonormal(vectors, values, close):
    """Unit columns (n, r), orthogonal where their eigenvalues in ascending order are close."""
    n, r = vectors.shape
    rows = vectors.T.copy()
    first = 0
    for begin in range(0, r, AT_ONCE):
        end = min(begin + AT_ONCE, r)
        while values[begin] - values[first] >= close:
            first += 1
        if first < begin:
            own, others = rows[begin:end], rows[first:begin]
            # Twice, as the first time may leave little of a vector.
            for _ in range(2):
                own -= np.dot(np.dot(own, others.T), others)
        for k in range(begin, end):
            _normalize(rows[k])
            is_changed = False
            for j in range(begin, k):
                if values[k] - values[j] < close:
                    along = np.dot(rows[j], rows[k])
                    for i in range(n):
                        rows[k, i] -= along * rows[j, i]
                    is_changed = True
            if is_changed:
                _normalize(rows[k])
    for i in range(n):
        for k in range(r):
            vectors[i, k] = rows[k, i]


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def _normalize(vector):
    length = np.sqrt(np.dot(vector, vector))
    for i in range(vector.size):
        vector[i] /= length
