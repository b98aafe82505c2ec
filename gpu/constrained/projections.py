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
               gradient steps, each with a decomposition: there is no closed form
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from gpu.constrained.oracles import BIRKHOFF, FLOW

__all__ = ["project"]

NEWTON_STEPS, HALVINGS, PATIENCE, REPAIRS = 300, 20, 30, 3
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
    values = h * y
    order = np.argsort(-values)
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
    if np.abs(y).sum() <= radius:
        x[:] = y
        return
    _onto_simplex(np.abs(y), h, radius, x)
    for j in range(y.size):
        if y[j] < 0:
            x[j] = -x[j]


@njit(cache=True, nogil=True)
def _onto_l2(y, h, radius, x):
    """Newton's method for 1 / |x(t)| = 1 / r, which is nearly linear in t: it never overshoots."""
    if (y**2).sum() <= radius**2:
        x[:] = y
        return
    level = 0.0
    for _ in range(NEWTON_STEPS):
        square, slope = 0.0, 0.0
        for j in range(y.size):
            x[j] = h[j] * y[j] / (h[j] + level)
            square += x[j] * x[j]
            slope += x[j] * x[j] / (h[j] + level)
        norm = math.sqrt(square)
        if norm <= radius * (1 + 4e-16):
            break
        step = square / slope * (norm - radius) / radius
        if level + step == level:
            break
        level += step
    factor = radius / math.sqrt((x**2).sum())
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
    y = given / domain.radius
    wanted = np.zeros(size) if is_flow else np.ones(size)
    if is_flow:
        wanted[domain.source], wanted[domain.sink] = -1.0, 1.0
    u = np.zeros(size)
    scale = h.max()
    metric = h / scale
    tolerance = 1e-14 * size * max(1.0, np.abs(y).max())
    value, shift = _primal(domain, y, metric, sign, u, x), LEAST_SHIFT
    least, num_stalled = np.inf, 0
    for _ in range(NEWTON_STEPS):
        slope = -wanted
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
        error = np.abs(slope).max()
        if error <= 0.5 * least:
            least, num_stalled = error, 0
        num_stalled += 1
        if error <= tolerance or num_stalled > PATIENCE:
            break
        # Potentials are free by a constant, and nodes without flow have no curvature.
        for k in range(size):
            hessian[k, k] += 1e-13 * hessian[k, k] + shift * min(1.0, error)
        step = -np.linalg.solve(hessian, slope)
        fall = (slope * step).sum()
        length, before = 1.0, value - (u * wanted).sum()
        is_lower = False
        for _ in range(HALVINGS):
            moved = u + length * step
            value = _primal(domain, y, metric, sign, moved, x)
            now = value - (moved * wanted).sum()
            if now <= before + 1e-4 * length * fall + 1e-14 * (1 + abs(before)):
                is_lower = True
                break
            length /= 2
        if is_lower:
            u, shift = moved, max(shift / 10, LEAST_SHIFT)
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
        left = wanted.copy()
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
        if np.abs(left).max() <= 4e-16:
            break
        for k in range(size):
            hessian[k, k] += 1e-13 * hessian[k, k] + 1e-15
        u = np.linalg.solve(hessian, left)
        for j in range(x.size):
            if x[j] > 0:
                tail, head = domain.tails[j], domain.heads[j]
                x[j] = max(x[j] + (sign * u[tail] + u[head]) / metric[j], 0.0)


@njit(cache=True, nogil=True)
def _onto_nuclear_ball(domain, y, x):
    """Euclidean: singular values onto the l1 ball."""
    rows, columns = domain.rows, domain.columns
    left, values, right = np.linalg.svd(y.reshape(rows, columns), full_matrices=False)
    inside = np.empty(values.size)
    _onto_l1(values, np.ones(values.size), domain.radius, inside)
    point = (left * inside) @ right
    for i in range(rows):
        for j in range(columns):
            x[i * columns + j] = point[i, j]


@njit(cache=True, nogil=True)
def _onto_nuclear(domain, y, h, x):
    """Accelerated projected gradient steps of length 1 / max h, restarted where they turn."""
    most = h.max()
    _onto_nuclear_ball(domain, y, x)
    if h.min() == most:
        return 1
    ahead, before, pulled = x.copy(), x.copy(), np.empty(x.size)
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
