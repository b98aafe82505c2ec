"""Compiled parts of `gpu.cone_newton`: sums over groups, and conjugate gradients for a Newton step.

Coordinates `place` (E,) of the moving entries are x_e on and sqrt(2) x_e off the diagonal; `normal`
(E,) are the coefficients of their equations in these coordinates, group after group, and `upper`
and `lower` (E,) where they stand in the flat blocks.
"""

from __future__ import annotations

import numpy as np
from numba import njit

ACCURACY, RIDGE = 1e-2, 1e-4
"""Relative accuracy at which conjugate gradients end before their number; eps."""

_FAST = {"contract", "reassoc", "nsz"}


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def weighted_sums(place, normal, start):
    """<normal, place> over every group."""
    sums = np.zeros(start.size - 1)
    for c in range(start.size - 1):
        for e in range(start[c], start[c + 1]):
            sums[c] += normal[e] * place[e]
    return sums


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def return_to_sums(place, normal, start, constants):
    """Move to the closest place with given sums."""
    for c in range(start.size - 1):
        missing, square = constants[c], 0.0
        for e in range(start[c], start[c + 1]):
            missing -= normal[e] * place[e]
            square += normal[e] * normal[e]
        for e in range(start[c], start[c + 1]):
            place[e] += missing / square * normal[e]


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def newton_direction(vectors, values, level, rows, upper, lower, unit, normal, start, max_products):
    """Y and <D G, Y>.

    Thin matrices (m_b, r_b) are flat, block after block, as the square ones are.
    """
    num_blocks = rows.size - 1
    rank, total = np.zeros(num_blocks, np.int64), 0
    for b in range(num_blocks):
        for i in range(rows[b], rows[b + 1]):
            if values[i] < level:
                rank[b] += 1
        total += rank[b] * (rows[b + 1] - rows[b])
    low, omega = np.empty(total, np.float32), np.empty(total, np.float32)
    image = np.empty(total, np.float32)
    offset, at = 0, 0
    for b in range(num_blocks):
        first, size = rows[b], rows[b + 1] - rows[b]
        for j in range(size):
            for i in range(rank[b]):
                own, other = values[first + i], values[first + j]
                low[at] = vectors[offset + i * size + j]
                image[at] = np.float32(0.5) * (level - own) * low[at]
                # Half of it where both are low, as the product is made symmetric.
                is_low = j < rank[b]
                omega[at] = np.float32(0.5) if is_low else (level - own) / (other - own)
                at += 1
        offset += size * size
    square = np.zeros(vectors.size, np.float32)
    residual = _image_entries(low, image, rows, rank, square, upper, lower, unit)
    _project(residual, normal, start)
    step, search = np.zeros(upper.size, np.float32), residual.copy()
    length = np.dot(residual, residual)
    slope, goal = np.float32(0), np.float32(ACCURACY) ** 2 * length
    for _ in range(max_products):
        if not length > goal:
            break
        _multiply(vectors, omega, low, search, rows, rank, square, upper, lower, unit, image)
        product = _image_entries(low, image, rows, rank, square, upper, lower, unit)
        _project(product, normal, start)
        product += np.float32(RIDGE) * search
        curvature = np.dot(search, product)
        if not curvature > 0:
            break
        share = length / curvature
        step += share * search
        slope += share * length
        residual -= share * product
        new = np.dot(residual, residual)
        search = residual + (new / length) * search
        length = new
    return step, slope


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def _multiply(vectors, omega, low, place, rows, rank, square, upper, lower, unit, image):
    """Z = V (Omega o (V' Y V_low)) of the Y with given coordinates; H[Y] = V_low Z' + Z V_low'."""
    square[:] = 0
    for e in range(upper.size):
        square[upper[e]] = square[lower[e]] = place[e] / unit[e]
    offset, at = 0, 0
    for b in range(rank.size):
        size = rows[b + 1] - rows[b]
        wide, end = slice(offset, offset + size * size), at + size * rank[b]
        if rank[b]:
            pairs, matrix = vectors[wide].reshape(size, size), square[wide].reshape(size, size)
            thin = low[at:end].reshape(size, rank[b])
            inner = np.dot(pairs, np.dot(matrix, thin)) * omega[at:end].reshape(size, rank[b])
            image[at:end] = np.dot(pairs.T, inner).ravel()
        offset, at = offset + size * size, end


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def _image_entries(low, image, rows, rank, square, upper, lower, unit):
    """Coordinates of V_low Z' + Z V_low'; `square` is for intermediate results."""
    offset, at = 0, 0
    for b in range(rank.size):
        size = rows[b + 1] - rows[b]
        end = at + size * rank[b]
        matrix = square[offset : offset + size * size].reshape(size, size)
        if rank[b]:
            thin, other = low[at:end].reshape(size, rank[b]), image[at:end].reshape(size, rank[b])
            np.dot(thin, other.T, matrix)
        else:
            matrix[:] = 0
        offset, at = offset + size * size, end
    values = np.empty(upper.size, np.float32)
    for e in range(upper.size):
        values[e] = unit[e] * (square[upper[e]] + square[lower[e]])
    return values


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def _project(place, normal, start):
    """D, in single precision."""
    for c in range(start.size - 1):
        along, square = np.float32(0), np.float32(0)
        for e in range(start[c], start[c + 1]):
            along += normal[e] * place[e]
            square += normal[e] * normal[e]
        for e in range(start[c], start[c + 1]):
            place[e] -= along / square * normal[e]
