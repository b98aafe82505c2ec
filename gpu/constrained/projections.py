"""Projections in a diagonal metric: min of sum_j h_j (x_j - y_j)^2 / 2 over a set.

With a multiplier t >= 0 of the constraint,

    l1         x_j = sign(y_j) max(|y_j| - t / h_j, 0)          t from the sorted h_j |y_j|
    simplex    x_j = max(y_j - t / h_j, 0)                      t of any sign
    l2         x_j = h_j y_j / (h_j + t)                        t by Newton's method
    linf       each entry by itself
    birkhoff, flow    x_j = max(y_j + (B'u)_j / h_j, 0) for the equations B x = b, of which each
                      column has two entries; u by Newton's method on the dual, as in
                      Li, Sun, Toh, arXiv:1810.13037
    nuclear    in the Euclidean metric by its singular values; else by accelerated projected
               gradient steps, each with a decomposition: no closed form is known
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from gpu.constrained.oracles import BIRKHOFF, FLOW
from gpu.constrained.small_matrices import diagonalize, smaller_gram, solve_positive
from gpu.constrained.vectors import (
    decreasing_order,
    largest,
    sum_of_magnitudes,
    sum_of_squares,
)

__all__ = ["project"]

NEWTON_STEPS, HALVINGS, PATIENCE, REPAIRS = 300, 20, 30, 3
MOST_LEFT = 1e-9
"""How much may be left of the equations where Newton's method is given up soon."""
LEAST_SHIFT, MOST_SHIFT = 1e-9, 1e12
"""Of the Hessian's diagonal, for Newton's method."""
NUCLEAR_STEPS, NUCLEAR_TOLERANCE = 100, 1e-6
"""At most so many decompositions; relative change of a point at which they end."""


@njit(cache=True, nogil=True)
def project(domain, y, h, x):
    """Write the nearest point to y (d,) in the metric h (d,) > 0 into x; decompositions made."""
    code, radius = domain.code, domain.radius
    if code == 2:
        for j in range(y.size):
            x[j] = min(max(y[j], -radius), radius)
    elif code == 0:
        _onto_l1(y, h, radius, x)
    elif code == 3:
        _onto_simplex(y, h, radius, x)
    elif code == 1:
        _onto_l2(y, h, radius, x)
    elif code in (BIRKHOFF, FLOW):
        onto_equations(domain, y, h, x)
    else:
        return _onto_nuclear(domain, y, h, x)
    return 1


@njit(cache=True, nogil=True)
def _onto_simplex(y, h, radius, x):
    """The entries of the largest h_j y_j stay positive."""
    values = np.empty(y.size)
    for j in range(y.size):
        values[j] = h[j] * y[j]
    order = decreasing_order(values)
    total, weight, level = 0.0, 0.0, 0.0
    for place in order:
        if weight > 0 and values[place] <= level:
            break
        total += y[place]
        weight += 1.0 / h[place]
        level = (total - radius) / weight
    for j in range(y.size):
        x[j] = max(y[j] - level / h[j], 0.0)


@njit(cache=True, nogil=True)
def _onto_l1(y, h, radius, x):
    if sum_of_magnitudes(y) <= radius:
        x[:] = y
        return
    sizes = np.empty(y.size)
    for j in range(y.size):
        sizes[j] = abs(y[j])
    _onto_simplex(sizes, h, radius, x)
    for j in range(y.size):
        if y[j] < 0:
            x[j] = -x[j]


@njit(cache=True, nogil=True)
def _onto_l2(y, h, radius, x):
    """Newton's method for 1 / |x(t)| = 1 / r, which is nearly linear in t: it never overshoots."""
    if sum_of_squares(y) <= radius * radius:
        x[:] = y
        return
    # In units of powers of 2, which are exact: squares over a large metric would become 0.
    unit = math.ldexp(1.0, -math.frexp(largest(h))[1])
    level = 0.0
    for _ in range(NEWTON_STEPS):
        square, slope = 0.0, 0.0
        for j in range(y.size):
            weight = unit * h[j]
            x[j] = weight * y[j] / (weight + level)
            square += x[j] * x[j]
            slope += x[j] * x[j] / (weight + level)
        norm = math.sqrt(square)
        if norm <= radius * (1 + 4e-16):
            break
        step = square / slope * (norm - radius) / radius
        if level + step == level:
            break
        level += step
    factor = radius / math.sqrt(sum_of_squares(x))
    for j in range(y.size):
        x[j] *= factor


@njit(cache=True, nogil=True)
def _primal(domain, y, h, sign, u, x):
    """x(u), and the dual value to be minimized, without its linear part."""
    total = 0.0
    for j in range(y.size):
        moved = y[j] + (sign * u[domain.tails[j]] + u[domain.heads[j]]) / h[j]
        x[j] = moved if moved > 0 else 0.0
        total += 0.5 * h[j] * x[j] * x[j]
    return total


@njit(cache=True, nogil=True)
def onto_equations(domain, given, h, x):
    """Flows and doubly stochastic matrices; in units of the radius inside."""
    is_flow = domain.code == FLOW
    sign = -1.0 if is_flow else 1.0
    size = domain.num_nodes
    y, metric = np.empty(given.size), np.empty(given.size)
    scale = largest(h)
    for j in range(given.size):
        y[j], metric[j] = given[j] / domain.radius, h[j] / scale
    wanted = np.zeros(size)
    if not is_flow:
        wanted[:] = 1.0
    if is_flow:
        wanted[domain.source], wanted[domain.sink] = -1.0, 1.0
    u, moved = np.zeros(size), np.zeros(size)
    tolerance = 1e-14 * size * max(1.0, largest(y))
    value, shift = _primal(domain, y, metric, sign, u, x), LEAST_SHIFT
    least, num_stalled = np.inf, 0
    for _ in range(NEWTON_STEPS + 4 * size):
        slope = np.empty(size)
        for k in range(size):
            slope[k] = -wanted[k]
        hessian = np.zeros((size, size))
        for j in range(y.size):
            tail, head = domain.tails[j], domain.heads[j]
            slope[tail] += sign * x[j]
            slope[head] += x[j]
            if x[j] > 0:
                inverse = 1.0 / metric[j]
                hessian[tail, tail] += inverse
                hessian[head, head] += inverse
                hessian[tail, head] += sign * inverse
                hessian[head, tail] += sign * inverse
        error = largest(slope)
        if error <= 0.5 * least:
            least, num_stalled = error, 0
        num_stalled += 1
        # Along a chain of edges without flow the potentials move on by one node a step.
        patience = PATIENCE if error <= MOST_LEFT else PATIENCE + 4 * size
        if error <= tolerance or num_stalled > patience:
            break
        # Potentials are free by a constant, and nodes without flow have no curvature.
        for k in range(size):
            hessian[k, k] += 1e-13 * hessian[k, k] + shift * min(1.0, error)
        step = np.empty(size)
        for k in range(size):
            step[k] = -slope[k]
        solve_positive(hessian, step)
        fall, before, length = 0.0, value, 1.0
        for k in range(size):
            fall += slope[k] * step[k]
            before -= u[k] * wanted[k]
        is_lower = False
        for _ in range(HALVINGS):
            for k in range(size):
                moved[k] = u[k] + length * step[k]
            value = _primal(domain, y, metric, sign, moved, x)
            now = value
            for k in range(size):
                now -= moved[k] * wanted[k]
            if now <= before + 1e-4 * length * fall + 1e-14 * (1 + abs(before)):
                is_lower = True
                break
            length /= 2
        if is_lower:
            u[:] = moved
            shift = max(shift / 10, LEAST_SHIFT)
            continue
        # The step was too long where nothing bends: a shorter one.
        value = _primal(domain, y, metric, sign, u, x)
        shift *= 1000
        if shift > MOST_SHIFT:
            break
    _meet_equations(domain, metric, sign, wanted, x)
    for j in range(y.size):
        x[j] *= domain.radius


@njit(cache=True, nogil=True)
def _meet_equations(domain, metric, sign, wanted, x):
    """Positive entries change by the little that is left, which potentials are too coarse for."""
    size = wanted.size
    for _ in range(REPAIRS):
        left = np.zeros(size)
        left[:] = wanted
        hessian = np.zeros((size, size))
        for j in range(x.size):
            tail, head = domain.tails[j], domain.heads[j]
            left[tail] -= sign * x[j]
            left[head] -= x[j]
            if x[j] > 0:
                inverse = 1.0 / metric[j]
                hessian[tail, tail] += inverse
                hessian[head, head] += inverse
                hessian[tail, head] += sign * inverse
                hessian[head, tail] += sign * inverse
        if largest(left) <= 4e-16:
            break
        for k in range(size):
            hessian[k, k] += 1e-13 * hessian[k, k] + 1e-15
        solve_positive(hessian, left)
        u = left
        for j in range(x.size):
            if x[j] > 0:
                tail, head = domain.tails[j], domain.heads[j]
                x[j] = max(x[j] + (sign * u[tail] + u[head]) / metric[j], 0.0)


@njit(cache=True, nogil=True)
def _onto_nuclear_ball(domain, given, moved):
    """Euclidean: singular values onto the l1 ball, by eigenvectors of the smaller Gram matrix.

    Those that are nearly 0 are wrong by the root of the rounding, and become 0 or stay small.
    """
    shape = (domain.rows, domain.columns)
    y, x = given.reshape(shape), moved.reshape(shape)
    gram = smaller_gram(y)
    size, is_tall = gram.shape[0], shape[0] >= shape[1]
    vectors = diagonalize(gram)
    values, inside = np.empty(size), np.empty(size)
    for k in range(size):
        values[k] = math.sqrt(max(gram[k, k], 0.0))
    ones = np.empty(size)
    ones[:] = 1.0
    _onto_l1(values, ones, domain.radius, inside)
    # V' diag(inside / values) V, from one side.
    factor = np.zeros((size, size))
    for k in range(size):
        if inside[k] > 0:
            share = inside[k] / values[k]
            for i in range(size):
                for j in range(size):
                    factor[i, j] += share * vectors[k, i] * vectors[k, j]
    x[:] = 0.0
    for i in range(shape[0]):
        for j in range(shape[1]):
            for k in range(size):
                x[i, j] += y[i, k] * factor[k, j] if is_tall else factor[i, k] * y[k, j]


@njit(cache=True, nogil=True)
def _onto_nuclear(domain, y, h, x):
    """Accelerated projected gradient steps of length 1 / max h, restarted where they turn."""
    most, least = largest(h), np.inf
    for j in range(h.size):
        least = min(least, h[j])
    _onto_nuclear_ball(domain, y, x)
    if least == most:
        return 1
    ahead, before, pulled = np.empty(x.size), np.empty(x.size), np.empty(x.size)
    ahead[:] = x
    before[:] = x
    weight = 1.0
    for count in range(NUCLEAR_STEPS):
        for j in range(x.size):
            pulled[j] = ahead[j] - h[j] / most * (ahead[j] - y[j])
        _onto_nuclear_ball(domain, pulled, x)
        turn, moved, size = 0.0, 0.0, 0.0
        for j in range(x.size):
            turn += (ahead[j] - x[j]) * (x[j] - before[j])
            moved += (x[j] - before[j]) ** 2
            size += x[j] ** 2
        if moved <= NUCLEAR_TOLERANCE**2 * size:
            return count + 2
        if turn > 0:
            weight = 1.0
        larger = (1.0 + math.sqrt(1.0 + 4.0 * weight * weight)) / 2.0
        momentum = (weight - 1.0) / larger
        for j in range(x.size):
            ahead[j] = x[j] + momentum * (x[j] - before[j])
            before[j] = x[j]
        weight = larger
    return NUCLEAR_STEPS + 1
