"""Compiled parts of `gpu.cone_newton`: coordinates, and conjugate gradients for a Newton step.

Coordinates `place` (E,) of the moving entries are `unit` * x_e with sqrt(2) off the diagonal, so
that their length is that of X; `normal` (E,) are the coefficients of their equations in these
coordinates, group after group, each group of length 1; `upper` and `lower` (E,) are where the
entries stand in the flat blocks.
"""

from __future__ import annotations

import numpy as np
from numba import njit

ACCURACY, RIDGE = 1e-2, 1e-4
"""Relative accuracy at which conjugate gradients end before their number; eps."""

_FAST = {"contract", "reassoc", "nsz"}


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def coordinates(row, column, weight, start, rows):
    """Upper, lower, unit and normal; normals that are beyond floats are undefined."""
    block_of, offsets = np.empty(rows[-1], np.int64), np.empty(rows.size - 1, np.int64)
    offset = 0
    for b in range(rows.size - 1):
        block_of[rows[b] : rows[b + 1]] = b
        offsets[b] = offset
        offset += (rows[b + 1] - rows[b]) ** 2
    upper, lower = np.empty(row.size, np.int64), np.empty(row.size, np.int64)
    unit, normal = np.empty(row.size), np.empty(row.size)
    for e in range(row.size):
        b = block_of[row[e]]
        i, j, width = row[e] - rows[b], column[e] - rows[b], rows[b + 1] - rows[b]
        upper[e], lower[e] = offsets[b] + i * width + j, offsets[b] + j * width + i
        unit[e] = 1.0 if i == j else np.sqrt(2.0)
        normal[e] = weight[e] / unit[e]
    for c in range(start.size - 1):
        own = normal[start[c] : start[c + 1]]
        length = np.sqrt(np.dot(own, own))
        own *= 1.0 / length if np.isfinite(length) else np.nan
    return upper, lower, unit, normal


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def weighted_sums(place, normal, start):
    """<normal, place> over every group."""
    sums = np.zeros(start.size - 1)
    for c in range(start.size - 1):
        for e in range(start[c], start[c + 1]):
            sums[c] += normal[e] * place[e]
    return sums


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def move(flat, place, change, share, constants, upper, lower, unit, normal, start):
    """Add a part of a change, go to the closest place with given sums, and write the entries.

    Whether all of them are finite.
    """
    total = 0.0
    for c in range(start.size - 1):
        missing = constants[c]
        for e in range(start[c], start[c + 1]):
            place[e] += share * change[e]
            missing -= normal[e] * place[e]
        for e in range(start[c], start[c + 1]):
            place[e] += missing * normal[e]
            total += abs(place[e])
            flat[upper[e]] = flat[lower[e]] = place[e] / unit[e]
    return np.isfinite(total)


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def distance(values, level):
    """phi, from the eigenvalues."""
    total = 0.0
    for value in values:
        missing = max(level - value, 0.0)
        total += missing * missing
    return 0.5 * total


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
    image, work = np.empty(total, np.float32), np.empty((2, total), np.float32)
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
    square, product = np.zeros(vectors.size, np.float32), np.empty(vectors.size, np.float32)
    residual = np.empty(upper.size, np.float32)
    _image_entries(residual, low, image, rows, rank, product, upper, lower, unit)
    _project(residual, normal, start)
    step, search = np.zeros(upper.size, np.float32), residual.copy()
    across = np.empty(upper.size, np.float32)
    length = np.dot(residual, residual)
    slope, goal = np.float32(0), np.float32(ACCURACY) ** 2 * length
    for _ in range(max_products):
        if not length > goal:
            break
        for e in range(upper.size):
            square[upper[e]] = square[lower[e]] = search[e] / unit[e]
        _multiply(vectors, omega, low, square, rows, rank, work, image)
        _image_entries(across, low, image, rows, rank, product, upper, lower, unit)
        _project(across, normal, start)
        across += np.float32(RIDGE) * search
        curvature = np.dot(search, across)
        if not curvature > 0:
            break
        share = length / curvature
        step += share * search
        slope += share * length
        residual -= share * across
        new = np.dot(residual, residual)
        search = residual + (new / length) * search
        length = new
    return step, slope


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def _multiply(vectors, omega, low, square, rows, rank, work, image):
    """Z = V (Omega o (V' Y V_low)) of a Y; H[Y] = V_low Z' + Z V_low'."""
    offset, at = 0, 0
    for b in range(rank.size):
        size = rows[b + 1] - rows[b]
        wide, end, shape = slice(offset, offset + size * size), at + size * rank[b], (size, rank[b])
        if rank[b]:
            pairs, matrix = vectors[wide].reshape(size, size), square[wide].reshape(size, size)
            half, inner = work[0, at:end].reshape(shape), work[1, at:end].reshape(shape)
            np.dot(matrix, low[at:end].reshape(shape), half)
            np.dot(pairs, half, inner)
            work[1, at:end] *= omega[at:end]
            np.dot(pairs.T, inner, image[at:end].reshape(shape))
        offset, at = offset + size * size, end


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def _image_entries(values, low, image, rows, rank, product, upper, lower, unit):
    """Coordinates of V_low Z' + Z V_low'; `product` is for intermediate results."""
    offset, at = 0, 0
    for b in range(rank.size):
        size = rows[b + 1] - rows[b]
        end, shape = at + size * rank[b], (size, rank[b])
        matrix = product[offset : offset + size * size].reshape(size, size)
        if rank[b]:
            np.dot(low[at:end].reshape(shape), image[at:end].reshape(shape).T, matrix)
        else:
            matrix[:] = 0
        offset, at = offset + size * size, end
    for e in range(upper.size):
        values[e] = unit[e] * (product[upper[e]] + product[lower[e]])


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def _project(place, normal, start):
    """D, in single precision."""
    for c in range(start.size - 1):
        along = np.float32(0)
        for e in range(start[c], start[c + 1]):
            along += normal[e] * place[e]
        for e in range(start[c], start[c + 1]):
            place[e] -= along * normal[e]
