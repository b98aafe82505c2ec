"""Finite sums of losses of linear outputs, their values and gradients.

With rows a_i of A (n, p) and weights X (p, q), stored as the vector x of their rows,

    z_i = X' a_i  (q,),     f(x) = 1/n sum_i sum_k loss(z_ik, y_ik).

For matrix completion an observation is one entry of X instead, z_i = x[place_i] and q = 1.

    squares          (z - y)^2 / 2
    logistic         log(1 + exp(-y z))          y = -1 or 1
    squared hinge    max(0, 1 - y z)^2 / 2       y = -1 or 1

For squares with few columns the gradient comes from the Gram matrix A'A / n, if there is one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["LOSSES", "FiniteSum", "finite_sum", "gradient", "objective"]

LOSSES = {"squares": 0, "logistic": 1, "squared_hinge": 2}
"""Numbers of the losses."""
CURVATURE = (1.0, 0.25, 1.0)
"""Largest second derivative of each."""
FAST = {"reassoc", "contract"}
"""Sums in another order, for vector units; infinities and NaN stay what they are."""
ALL = np.empty(0, np.int64)
"""Indices of all terms."""


class FiniteSum(NamedTuple):
    """A finite sum as the kernels read it.

    Attributes
    ----------
    rows : (n, p) float64
        A; (0, p) for matrix completion.
    places : (n,) int64
        Entry of x that each term observes; empty otherwise.
    targets : (n, q) float64
    gram : (p, p) float64
        A'A / n; empty if it is not used.
    moments : (p, q) float64
        A'y / n, with it.
    loss : int
        One of `LOSSES`.
    """

    rows: NDArray[np.float64]
    places: NDArray[np.int64]
    targets: NDArray[np.float64]
    gram: NDArray[np.float64]
    moments: NDArray[np.float64]
    loss: int


def finite_sum(
    rows: NDArray[np.float64],
    targets: NDArray[np.float64],
    loss: str,
    places: NDArray[np.int64] | None = None,
) -> FiniteSum:
    """The sum of some rows and targets, or of observed entries.

    Parameters
    ----------
    rows : (n, p) float64
        (0, p) with `places`.
    targets : (n, q) float64
    loss : str
        One of `LOSSES`.
    places : (n,) int64, optional
    """
    a, y = np.ascontiguousarray(rows, float), np.ascontiguousarray(targets, float)
    found = np.empty(0, np.int64) if places is None else np.ascontiguousarray(places, np.int64)
    num, size = a.shape
    # Worth it where p^2 q is less than the 2 n p q of a pass over the rows.
    is_square = loss == "squares" and found.size == 0 and size <= num
    gram = a.T @ a / num if is_square else np.empty((0, 0))
    moments = np.ascontiguousarray(a.T @ y / num) if is_square else np.empty((0, 0))
    return FiniteSum(a, found, y, gram, moments, LOSSES[loss])


@njit(cache=True, nogil=True)
def loss_value(loss, z, y):
    """Of one output."""
    if loss == 0:
        return 0.5 * (z - y) ** 2
    if loss == 1:
        margin = y * z
        return (
            math.log1p(math.exp(-margin)) if margin > 0 else math.log1p(math.exp(margin)) - margin
        )
    return 0.5 * max(0.0, 1.0 - y * z) ** 2


@njit(cache=True, nogil=True)
def loss_slope(loss, z, y):
    """Its first derivative in z."""
    if loss == 0:
        return z - y
    if loss == 1:
        margin = y * z
        small = math.exp(-abs(margin))
        return -y * (small if margin > 0 else 1.0) / (1.0 + small)
    return -y * max(0.0, 1.0 - y * z)


@njit(cache=True, nogil=True)
def loss_bend(loss, z, y):
    """Its second derivative in z."""
    if loss == 0:
        return 1.0
    if loss == 1:
        small = math.exp(-abs(z))
        return small / (1.0 + small) ** 2
    return 1.0 if y * z < 1.0 else 0.0


# Loops over terms are written out for one output: a call for each term would cost ten times as much
# as its arithmetic.


@njit(cache=True, nogil=True, fastmath=FAST)
def add_batch(problem, x, indices, factor, z, g):
    """g += factor times the sum of the gradients of some terms at x; of all without indices."""
    rows, targets, loss = problem.rows, problem.targets, problem.loss
    is_all = indices.size == 0
    count = targets.shape[0] if is_all else indices.size
    width = rows.shape[1]
    if problem.places.size:
        places = problem.places
        for number in range(count):
            i = number if is_all else indices[number]
            place = places[i]
            g[place] += factor * loss_slope(loss, x[place], targets[i, 0])
    elif z.size == 1:
        for number in range(count):
            i = number if is_all else indices[number]
            output = 0.0
            for j in range(width):
                output += rows[i, j] * x[j]
            scale = factor * loss_slope(loss, output, targets[i, 0])
            for j in range(width):
                g[j] += scale * rows[i, j]
    else:
        for number in range(count):
            i = number if is_all else indices[number]
            write_outputs(rows, x, i, z)
            for k in range(z.size):
                z[k] = loss_slope(loss, z[k], targets[i, k])
            add_outer(rows, i, z, factor, g)


@njit(cache=True, nogil=True, fastmath=FAST)
def add_differences(problem, x, point, indices, factor, z, old, g):
    """g += factor times the sum over terms of their gradient at x less that at another point."""
    rows, targets, loss = problem.rows, problem.targets, problem.loss
    width = rows.shape[1]
    if problem.places.size:
        places = problem.places
        for i in indices:
            place, y = places[i], targets[i, 0]
            g[place] += factor * (loss_slope(loss, x[place], y) - loss_slope(loss, point[place], y))
    elif z.size == 1:
        for i in indices:
            output, before, y = 0.0, 0.0, targets[i, 0]
            for j in range(width):
                output += rows[i, j] * x[j]
                before += rows[i, j] * point[j]
            scale = factor * (loss_slope(loss, output, y) - loss_slope(loss, before, y))
            for j in range(width):
                g[j] += scale * rows[i, j]
    else:
        for i in indices:
            write_outputs(rows, point, i, old)
            write_outputs(rows, x, i, z)
            for k in range(z.size):
                y = targets[i, k]
                z[k] = loss_slope(loss, z[k], y) - loss_slope(loss, old[k], y)
            add_outer(rows, i, z, factor, g)


@njit(cache=True, nogil=True, fastmath=FAST)
def renew_table(problem, x, indices, factor, z, table, g):
    """Slopes of some terms become those at x, and g += factor times what that changes."""
    rows, targets, loss = problem.rows, problem.targets, problem.loss
    width = rows.shape[1]
    if problem.places.size:
        places = problem.places
        for i in indices:
            slope = loss_slope(loss, x[places[i]], targets[i, 0])
            g[places[i]] += factor * (slope - table[i, 0])
            table[i, 0] = slope
    elif z.size == 1:
        for i in indices:
            output = 0.0
            for j in range(width):
                output += rows[i, j] * x[j]
            slope = loss_slope(loss, output, targets[i, 0])
            scale = factor * (slope - table[i, 0])
            table[i, 0] = slope
            for j in range(width):
                g[j] += scale * rows[i, j]
    else:
        for i in indices:
            write_outputs(rows, x, i, z)
            for k in range(z.size):
                slope = loss_slope(loss, z[k], targets[i, k])
                z[k] = slope - table[i, k]
                table[i, k] = slope
            add_outer(rows, i, z, factor, g)


@njit(cache=True, nogil=True, fastmath=FAST)
def write_outputs(rows, x, i, z):
    """z_i (q,) of a row."""
    z[:] = 0.0
    for j in range(rows.shape[1]):
        for k in range(z.size):
            z[k] += rows[i, j] * x[j * z.size + k]


@njit(cache=True, nogil=True, fastmath=FAST)
def add_outer(rows, i, slopes, factor, g):
    """g += factor a_i (x) slopes."""
    for j in range(rows.shape[1]):
        scale = factor * rows[i, j]
        for k in range(slopes.size):
            g[j * slopes.size + k] += scale * slopes[k]


@njit(cache=True, nogil=True, fastmath=FAST)
def write_all_outputs(problem, x, outputs):
    """z (n, q) of all terms."""
    rows = problem.rows
    if problem.places.size:
        for i in range(outputs.shape[0]):
            outputs[i, 0] = x[problem.places[i]]
    elif outputs.shape[1] == 1:
        for i in range(outputs.shape[0]):
            total = 0.0
            for j in range(rows.shape[1]):
                total += rows[i, j] * x[j]
            outputs[i, 0] = total
    else:
        for i in range(outputs.shape[0]):
            write_outputs(rows, x, i, outputs[i])


@njit(cache=True, nogil=True, fastmath=FAST)
def write_gradient(problem, x, z, g):
    """g = grad f(x)."""
    if problem.gram.size:
        _from_gram(problem.gram, problem.moments, x, z.size, g)
        return
    g[:] = 0.0
    add_batch(problem, x, ALL, 1.0 / problem.targets.shape[0], z, g)


@njit(cache=True, nogil=True, fastmath=FAST)
def _from_gram(gram, moments, x, q, g):
    """Gram X - moments."""
    size = gram.shape[0]
    if q == 1:
        for j in range(size):
            total = 0.0
            for m in range(size):
                total += gram[j, m] * x[m]
            g[j] = total - moments[j, 0]
        return
    for j in range(size):
        for k in range(q):
            g[j * q + k] = -moments[j, k]
        for m in range(size):
            for k in range(q):
                g[j * q + k] += gram[j, m] * x[m * q + k]


@njit(cache=True, nogil=True)
def objective(problem, x):
    """f(x)."""
    outputs = np.empty(problem.targets.shape)
    write_all_outputs(problem, x, outputs)
    return mean_loss(problem, outputs)


@njit(cache=True, nogil=True)
def mean_loss(problem, outputs):
    """1/n times the sum of all losses of outputs (n, q)."""
    num, q = outputs.shape
    total = 0.0
    for i in range(num):
        for k in range(q):
            total += loss_value(problem.loss, outputs[i, k], problem.targets[i, k])
    return total / num


@njit(cache=True, nogil=True)
def gradient(problem, x):
    """grad f(x), a new array."""
    g = np.empty(x.size)
    write_gradient(problem, x, np.empty(problem.targets.shape[1]), g)
    return g
