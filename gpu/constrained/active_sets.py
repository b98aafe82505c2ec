"""Away and pairwise Frank-Wolfe steps on polytopes, with exact line search.

The point is a combination x = sum_m w_m a_m of vertices.  With s the vertex of least <g, s> and a
the one of the active vertices with the largest <g, a>,

    away        towards s, or away from a if that promises more
    pairwise    weight moves from a to s

until f is least on the segment or a loses its weight.  Both converge linearly on polytopes where f
is strongly convex.  One gradient, which is a whole pass over the terms, and one linear minimization
a step; the line search takes values of losses only.

References
----------
Lacoste-Julien, Jaggi, On the global linear convergence of Frank-Wolfe optimization variants,
arXiv:1511.05932, algorithms 1 and 2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gpu.constrained.oracles import minimize_linear
from gpu.constrained.states import GRADIENTS, ORACLES, STEP
from gpu.constrained.sums import (
    FAST,
    FiniteSum,
    loss_bend,
    loss_slope,
    write_all_outputs,
    write_gradient,
)

__all__ = ["ActiveSet", "new_active_set", "run_active"]

CAPACITY = 4096
"""Most vertices that a point is a combination of."""
REFRESH = 64
"""Steps after which the point is added up again from its vertices."""
SEARCH_STEPS = 60


class ActiveSet(NamedTuple):
    """A point as a combination of vertices; everything changes in place.

    Attributes
    ----------
    x, g, v, direction : (d,) float64
    vertices : (capacity, d) float64
    weights : (capacity,) float64
    size : (1,) int64
        Number of vertices.
    along : (n, q) float64
        Outputs of the direction.
    outputs : (n, q) float64
        Outputs of x.
    z : (q,) float64
    counts : (6,) int64
        As in `gpu.constrained.states`.
    """

    x: NDArray[np.float64]
    g: NDArray[np.float64]
    v: NDArray[np.float64]
    direction: NDArray[np.float64]
    vertices: NDArray[np.float64]
    weights: NDArray[np.float64]
    size: NDArray[np.int64]
    along: NDArray[np.float64]
    outputs: NDArray[np.float64]
    z: NDArray[np.float64]
    counts: NDArray[np.int64]


def new_active_set(start: NDArray[np.float64], problem: FiniteSum, capacity: int) -> ActiveSet:
    """The state at a start (d,), which is a vertex."""
    x = start.astype(float)
    capacity = min(capacity, CAPACITY)
    vertices, weights = np.zeros((capacity, x.size)), np.zeros(capacity)
    vertices[0], weights[0] = x, 1.0
    shape = problem.targets.shape
    return ActiveSet(
        x=x,
        g=np.zeros(x.size),
        v=np.zeros(x.size),
        direction=np.zeros(x.size),
        vertices=vertices,
        weights=weights,
        size=np.ones(1, np.int64),
        along=np.zeros(shape),
        outputs=np.zeros(shape),
        z=np.zeros(shape[1]),
        counts=np.zeros(6, np.int64),
    )


@njit(cache=True, nogil=True)
def run_active(problem, domain, is_pairwise, state, gradient_limit, step_limit, tolerance):
    """Steps until a limit is reached or the gap is at most `tolerance`; the last gap."""
    counts, size = state.counts, state.size
    x, g, direction = state.x, state.g, state.direction
    gap = np.inf
    while counts[GRADIENTS] < gradient_limit and counts[STEP] < step_limit:
        if counts[STEP] % REFRESH == 0:
            _refresh(problem, state)
        _write_gradient(problem, state)
        minimize_linear(domain, g, state.v)
        counts[GRADIENTS] += problem.targets.shape[0]
        counts[ORACLES] += 1
        counts[STEP] += 1
        away, slope_away, slope_x = _worst_vertex(state)
        slope_s = _inner(g, state.v)
        gap = slope_x - slope_s
        if gap <= tolerance:
            break
        is_full = size[0] == state.weights.size
        goes_away = slope_away - slope_x > gap or is_full
        if is_pairwise and not is_full:
            for j in range(x.size):
                direction[j] = state.v[j] - state.vertices[away, j]
            most = state.weights[away]
        elif goes_away and state.weights[away] < 1.0:
            for j in range(x.size):
                direction[j] = x[j] - state.vertices[away, j]
            most = state.weights[away] / (1.0 - state.weights[away])
        else:
            goes_away = False
            for j in range(x.size):
                direction[j] = state.v[j] - x[j]
            most = 1.0
        gamma = _least_along(problem, state, most)
        if gamma <= 0.0:
            break
        _change_weights(state, away, gamma, is_pairwise and not is_full, goes_away)
        if gamma >= most:
            if (is_pairwise and not is_full) or goes_away:
                _drop(state, away)
            else:
                _keep_last(state)
        for j in range(x.size):
            x[j] += gamma * direction[j]
        for i in range(state.outputs.shape[0]):
            for k in range(state.outputs.shape[1]):
                state.outputs[i, k] += gamma * state.along[i, k]
    return gap


@njit(cache=True, nogil=True, fastmath=FAST)
def _inner(a, b):
    total = 0.0
    for j in range(a.size):
        total += a[j] * b[j]
    return total


@njit(cache=True, nogil=True)
def _refresh(problem, state):
    """Points and outputs without the rounding of many steps."""
    size = state.size[0]
    total = 0.0
    for m in range(size):
        total += state.weights[m]
    state.x[:] = 0.0
    for m in range(size):
        state.weights[m] /= total
        for j in range(state.x.size):
            state.x[j] += state.weights[m] * state.vertices[m, j]
    write_all_outputs(problem, state.x, state.outputs)


@njit(cache=True, nogil=True, fastmath=FAST)
def _write_gradient(problem, state):
    """From the outputs, where they tell more than the Gram matrix."""
    if problem.gram.size or state.z.size > 1 or problem.places.size:
        write_gradient(problem, state.x, state.z, state.g)
        return
    rows, targets, g = problem.rows, problem.targets, state.g
    g[:] = 0.0
    num = targets.shape[0]
    for i in range(num):
        scale = loss_slope(problem.loss, state.outputs[i, 0], targets[i, 0]) / num
        for j in range(g.size):
            g[j] += scale * rows[i, j]


@njit(cache=True, nogil=True, fastmath=FAST)
def _worst_vertex(state):
    """Active vertex with the largest <g, a>, that value, and <g, x>."""
    best, place = -np.inf, 0
    g, vertices = state.g, state.vertices
    for m in range(state.size[0]):
        total = 0.0
        for j in range(g.size):
            total += g[j] * vertices[m, j]
        if total > best:
            best, place = total, m
    return place, best, _inner(g, state.x)


@njit(cache=True, nogil=True)
def _least_along(problem, state, most):
    """Step in [0, most] at which f is least: Newton's method, kept between bounds that close in."""
    write_all_outputs(problem, state.direction, state.along)
    low, high, step = 0.0, most, 0.0
    start, bend = _slope_along(problem, state, 0.0)
    if not start < 0.0:
        return 0.0
    slope = start
    for count in range(SEARCH_STEPS):
        moved = step - slope / bend if bend > 0.0 else high
        if count == 0 and not moved < most:
            moved = most
        elif not (low < moved < high):
            moved = 0.5 * (low + high)
        slope, bend = _slope_along(problem, state, moved)
        if slope < 0.0:
            low = moved
            if moved >= most:
                return most
        else:
            high = moved
        if moved == step or abs(slope) <= 1e-14 * abs(start) or high - low <= 1e-16 * most:
            return moved
        step = moved
        if problem.loss == 0:
            return moved
    return step


@njit(cache=True, nogil=True)
def _slope_along(problem, state, gamma):
    """Derivatives of f(x + gamma direction) in gamma."""
    outputs, along, targets = state.outputs, state.along, problem.targets
    slope, bend = 0.0, 0.0
    for i in range(outputs.shape[0]):
        for k in range(outputs.shape[1]):
            z, y, d = outputs[i, k] + gamma * along[i, k], targets[i, k], along[i, k]
            slope += loss_slope(problem.loss, z, y) * d
            bend += loss_bend(problem.loss, z, y) * d * d
    return slope / outputs.shape[0], bend / outputs.shape[0]


@njit(cache=True, nogil=True)
def _change_weights(state, away, gamma, is_pairwise, goes_away):
    weights, size = state.weights, state.size
    if is_pairwise:
        weights[away] -= gamma
        _add(state, gamma)
    elif goes_away:
        for m in range(size[0]):
            weights[m] *= 1.0 + gamma
        weights[away] -= gamma
    else:
        for m in range(size[0]):
            weights[m] *= 1.0 - gamma
        _add(state, gamma)


@njit(cache=True, nogil=True)
def _add(state, gamma):
    """Give the new vertex its weight; as the last one if it is not there."""
    vertices, v, size = state.vertices, state.v, state.size
    for m in range(size[0]):
        is_same = True
        for j in range(v.size):
            if vertices[m, j] != v[j]:
                is_same = False
                break
        if is_same:
            state.weights[m] += gamma
            return
    vertices[size[0]] = v
    state.weights[size[0]] = gamma
    size[0] += 1


@njit(cache=True, nogil=True)
def _drop(state, away):
    """A vertex without weight; the last one takes its place."""
    last = state.size[0] - 1
    state.vertices[away] = state.vertices[last]
    state.weights[away] = state.weights[last]
    state.size[0] = last


@njit(cache=True, nogil=True)
def _keep_last(state):
    """A whole step: the point is the new vertex."""
    state.vertices[0] = state.v
    state.weights[0] = 1.0
    state.size[0] = 1
