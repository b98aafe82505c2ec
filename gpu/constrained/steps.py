"""The loop of stochastic methods: an estimate of the gradient, then a step.

    frank_wolfe    x += gamma_t (v - x), v = argmin over C of <g, v>
    adaptive       K Frank-Wolfe steps from y = x on the model
                       <g, y - x> + |y - x|_H^2 / (2 eta):
                   q = g + H (y - x) / eta,  v = argmin over C of <q, v>,
                   y += gamma (v - y),  gamma = min(eta <q, y - v> / |y - v|_H^2, gamma_t)
                   (arXiv:2009.14114, algorithms 2 to 4)
    projected      x = the point of C nearest to x - eta H^-1 g in the metric H
                   (AdaGrad, Duchi, Hazan, Singer 2011; AMSGrad, arXiv:1904.09237)

H = diag(h), h = delta + sqrt(sum of squares of g), or of their mean's largest value so far (AMSGrad
and AdamSFW, with beta2 > 0, where g is a mean too), clipped to [low, high].

Points stay inside: steps are convex combinations, and a point is moved to a vertex exactly where
gamma is 1.
"""

from __future__ import annotations

import math

from numba import njit

from gpu.constrained.estimators import estimate
from gpu.constrained.oracles import minimize_linear
from gpu.constrained.projections import project
from gpu.constrained.schedules import step_size
from gpu.constrained.states import EPOCH, GRADIENTS, INNER, ORACLES, PROJECTIONS, STEP
from gpu.constrained.sums import FAST

__all__ = ["run_steps", "solve_model"]


@njit(cache=True, nogil=True)
def run_steps(problem, domain, method, state, gradient_limit, step_limit):
    """Steps until so many gradients of terms, or so many steps, were taken altogether."""
    counts = state.counts
    while counts[GRADIENTS] < gradient_limit and counts[STEP] < step_limit:
        estimate(problem, method, state)
        gamma = step_size(method.schedule, counts[STEP], counts[EPOCH], counts[INNER])
        if method.update == 0:
            minimize_linear(domain, state.g, state.v)
            counts[ORACLES] += 1
            state.previous[:] = state.x
            _move(state.x, state.v, gamma)
        else:
            direction = _write_metric(method, state)
            if method.update == 1:
                _model_step(domain, method, state, direction, gamma)
            else:
                _projected_step(domain, method, state, direction)
        counts[STEP] += 1


@njit(cache=True, nogil=True, fastmath=FAST)
def _move(x, v, gamma):
    """x += gamma (v - x)."""
    for j in range(x.size):
        x[j] = (1.0 - gamma) * x[j] + gamma * v[j]


@njit(cache=True, nogil=True, fastmath=FAST)
def _write_metric(method, state):
    """h from the gradients so far; the direction that goes with it."""
    g, squares, h = state.g, state.squares, state.metric
    if method.beta2 == 0.0:
        for j in range(g.size):
            squares[j] += g[j] * g[j]
            h[j] = min(max(method.delta + math.sqrt(squares[j]), method.low), method.high)
        return g
    for j in range(g.size):
        state.moment[j] = method.beta1 * state.moment[j] + (1.0 - method.beta1) * g[j]
        squares[j] = method.beta2 * squares[j] + (1.0 - method.beta2) * g[j] * g[j]
        state.top[j] = max(state.top[j], squares[j])
        h[j] = min(max(method.delta + math.sqrt(state.top[j]), method.low), method.high)
    return state.moment


@njit(cache=True, nogil=True)
def _rate(method, state):
    """eta; divided by sqrt(t) where squares are means, which do not grow (arXiv:1904.09237)."""
    if method.beta2 == 0.0:
        return method.rate
    return method.rate / math.sqrt(state.counts[STEP] + 1.0)


@njit(cache=True, nogil=True)
def _model_step(domain, method, state, direction, gamma):
    x, y, h = state.x, state.y, state.metric
    state.previous[:] = x
    y[:] = x
    used = solve_model(
        domain, direction, h, x, _rate(method, state), gamma, method.inner, y, state.q, state.v
    )
    state.counts[ORACLES] += used
    x[:] = y


@njit(cache=True, nogil=True, fastmath=FAST)
def solve_model(domain, g, h, x, eta, cap, num_steps, y, q, v):
    """Frank-Wolfe steps on the quadratic model from y = x on; y changes; oracles called."""
    for count in range(num_steps):
        for j in range(y.size):
            q[j] = g[j] + h[j] * (y[j] - x[j]) / eta
        minimize_linear(domain, q, v)
        gap, length = 0.0, 0.0
        for j in range(y.size):
            difference = y[j] - v[j]
            gap += q[j] * difference
            length += h[j] * difference * difference
        if not (gap > 0.0 and length > 0.0):
            return count + 1
        _move(y, v, min(eta * gap / length, cap))
    return num_steps


@njit(cache=True, nogil=True)
def _projected_step(domain, method, state, direction):
    x, y, h = state.x, state.y, state.metric
    eta = _rate(method, state)
    state.previous[:] = x
    for j in range(x.size):
        y[j] = x[j] - eta * direction[j] / h[j]
    state.counts[PROJECTIONS] += project(domain, y, h, x)
