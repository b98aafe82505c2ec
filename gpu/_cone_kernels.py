"""Compiled parts of `gpu.cone_newton`: coordinates, and conjugate gradients for a Newton step.

Coordinates `place` (E,) of the moving entries are `unit` * x_e with sqrt(2) off the diagonal, so
that their length is that of X; `normal` (E,) are the coefficients of their equations in these
coordinates, group after group, each group of length 1; `upper` and `lower` (E,) are where the
entries stand in the flat blocks.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from gpu._tridiagonal import (
    eigenvectors,
    factor_shifted,
    low_eigenvalues,
    lowest_eigenvalue,
    solve_shifted,
)

ACCURACY, RIDGE = 1e-2, 1e-4
"""Relative accuracy at which conjugate gradients end before their number; eps."""
SHIFT = 1e-3
"""Before T - w is factored, which is singular, w is lowered by SHIFT max(t - w, SHIFT t)."""
LEAST_PIVOT = 1e-10
"""Relative to T, where that meets another eigenvalue: what is in excess must cancel in the end."""

_FAST = {"contract", "reassoc", "nsz"}


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def coordinates(row, column, weight, start, rows):
    """Upper, lower and block (3, E); unit and normal (2, E), undefined where beyond floats."""
    block_of, offsets = np.empty(rows[-1], np.int64), np.empty(rows.size - 1, np.int64)
    offset = 0
    for b in range(rows.size - 1):
        block_of[rows[b] : rows[b + 1]] = b
        offsets[b] = offset
        offset += (rows[b + 1] - rows[b]) ** 2
    places, scales = np.empty((3, row.size), np.int64), np.empty((2, row.size))
    for e in range(row.size):
        b = block_of[row[e]]
        i, j, width = row[e] - rows[b], column[e] - rows[b], rows[b + 1] - rows[b]
        places[2, e] = b
        places[0, e], places[1, e] = offsets[b] + i * width + j, offsets[b] + j * width + i
        scales[0, e] = 1.0 if i == j else np.sqrt(2.0)
        scales[1, e] = weight[e] / scales[0, e]
    for c in range(start.size - 1):
        largest, square = 0.0, 0.0
        for e in range(start[c], start[c + 1]):
            largest = max(largest, abs(scales[1, e]))
        for e in range(start[c], start[c + 1]):
            scales[1, e] /= largest
            square += scales[1, e] ** 2
        for e in range(start[c], start[c + 1]):
            scales[1, e] /= np.sqrt(square)
    return places, scales


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def weighted_sums(place, scales, start):
    """<normal, place> over every group."""
    sums, normal = np.zeros(start.size - 1), scales[1]
    for c in range(start.size - 1):
        for e in range(start[c], start[c + 1]):
            sums[c] += normal[e] * place[e]
    return sums


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def move(flat, place, change, share, constants, places, scales, start):
    """Add a part of a change, go to the closest place with given sums, and write the entries.

    Whether all of them are finite.
    """
    upper, lower, unit, normal = places[0], places[1], scales[0], scales[1]
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
def lowest_of_blocks(bands, rows, at_most):
    """About the lowest eigenvalue of all tridiagonal forms; or `at_most`."""
    for b in range(rows.size - 1):
        own = slice(rows[b], rows[b + 1])
        at_most = min(at_most, lowest_eigenvalue(bands[0, own], bands[1, own], at_most))
    return at_most


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def low_parts(bands, rows, level):
    """Eigenpairs on one side of a level, and all eigenvalues below it.

    Signs s_b, numbers r_b of pairs of s_b T, their eigenvalues, eigenvectors; and the others.
    Pairs are those below s_b level; s_b is -1 where more than half of the eigenvalues of T are
    below. Thin matrices (m_b, r_b) are flat, block after block, as square ones are.
    """
    num_blocks, room = rows.size - 1, 0
    for b in range(num_blocks):
        room += (rows[b + 1] - rows[b]) ** 2
    signs, ranks = np.ones(num_blocks), np.zeros(num_blocks, np.int64)
    values, below, vectors = np.empty(rows[-1]), np.empty(rows[-1]), np.empty(room)
    count, end, num_below = 0, 0, 0
    for b in range(num_blocks):
        d, e = bands[0, rows[b] : rows[b + 1]], bands[1, rows[b] : rows[b + 1]]
        found = low_eigenvalues(d, e, level)
        for value in found:
            below[num_below] = value
            num_below += 1
        if 2 * found.size > d.size:
            signs[b], d, e = -1.0, -d, -e
            found = low_eigenvalues(d, e, -level)
        thin = eigenvectors(d, e, found)
        ranks[b] = found.size
        for value in found:
            values[count] = value
            count += 1
        for i in range(d.size):
            for k in range(found.size):
                vectors[end] = thin[i, k]
                end += 1
    return signs, ranks, values[:count], vectors[:end], below[:num_below]


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def newton_direction(
    place, bases, bands, rows, signs, ranks, values, vectors, level, places, scales, start, most
):
    """Y and <D G, Y>, with at most so many products.

    Blocks are B' T B with `bases` B and the two `bands` (2, M) of all T; `signs`, `ranks`, `values`
    and `vectors` are what `low_parts` gives for the level; `places` (3, E) are upper, lower and
    block, and `scales` (2, E) unit and normal.

    Where the sign of a block is -1, its eigenpairs are those of -X below -t; with G' and H' of
    these, G = t - X + G' and H = 1 - H'.
    """
    sizes, unit, normal = rows[1:] - rows[:-1], scales[0], scales[1]
    low, image, lacks, inverse, ratio = _one_side(
        bases, bands, rows, signs, ranks, values, vectors, level
    )
    square, product = np.zeros(bases.size, np.float32), np.empty(bases.size, np.float32)
    residual, across = np.empty(place.size, np.float32), np.empty(place.size, np.float32)
    step, search = np.zeros(place.size, np.float32), np.empty(place.size, np.float32)
    _image_entries(residual, low, image, sizes, ranks, product, places, unit)
    for e in range(place.size):
        if signs[places[2, e]] < 0:
            residual[e] += (level if places[0, e] == places[1, e] else 0.0) - place[e]
    _project(residual, normal, start)
    length, slope = np.float32(0), np.float32(0)
    for e in range(place.size):
        search[e] = residual[e]
        length += residual[e] * residual[e]
    goal = np.float32(ACCURACY) ** 2 * length
    for _ in range(most):
        if not length > goal:
            break
        for e in range(place.size):
            square[places[0, e]] = square[places[1, e]] = search[e] / unit[e]
        _multiply(bases, sizes, ranks, low, vectors, lacks, inverse, ratio, square, image)
        _image_entries(across, low, image, sizes, ranks, product, places, unit)
        for e in range(place.size):
            if signs[places[2, e]] < 0:
                across[e] = search[e] - across[e]
        _project(across, normal, start)
        curvature, new = np.float32(0), np.float32(0)
        for e in range(place.size):
            across[e] += np.float32(RIDGE) * search[e]
            curvature += search[e] * across[e]
        if not curvature > 0:
            break
        share = length / curvature
        slope += share * length
        for e in range(place.size):
            step[e] += share * search[e]
            residual[e] -= share * across[e]
            new += residual[e] * residual[e]
        for e in range(place.size):
            search[e] = residual[e] + new / length * search[e]
        length = new
    return step, slope


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def _one_side(bases, bands, rows, signs, ranks, values, vectors, level):
    """V_low; the Z with V_low Z' + Z V_low' = G; t - w; factors of T - w, all for the pairs given.

    Thin matrices but for t - w, one for each pair.
    """
    lacks, inverse, ratio = np.empty(values.size), np.empty(vectors.size), np.empty(vectors.size)
    low, image = np.empty(vectors.size, np.float32), np.empty(vectors.size, np.float32)
    count, at, offset = 0, 0, 0
    for b in range(ranks.size):
        size, rank = rows[b + 1] - rows[b], ranks[b]
        part, wide = at + size * rank, offset + size * size
        if rank:
            thin = vectors[at:part].reshape(size, rank).astype(np.float32)
            basis, columns = bases[offset:wide].reshape(size, size), low[at:part]
            np.dot(basis.T, thin, columns.reshape(size, rank))
            bound, shifts = abs(level), np.empty(rank)
            for k in range(rank):
                lacks[count + k] = signs[b] * level - values[count + k]
                shifts[k] = values[count + k] - SHIFT * max(lacks[count + k], SHIFT * abs(level))
            d, e = signs[b] * bands[0, rows[b] : rows[b + 1]], bands[1, rows[b] : rows[b + 1]]
            for i in range(size):
                bound = max(bound, abs(d[i]))
            factors = factor_shifted(d, signs[b] * e, shifts, LEAST_PIVOT * bound)
            for i in range(size):
                for k in range(rank):
                    image[at + i * rank + k] = 0.5 * lacks[count + k] * columns[i * rank + k]
                    inverse[at + i * rank + k] = factors[0][i, k]
                    ratio[at + i * rank + k] = factors[1][i, k]
        count, at, offset = count + rank, part, wide
    return low, image, lacks, inverse, ratio


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def _multiply(bases, sizes, ranks, low, vectors, lacks, inverse, ratio, square, image):
    """Z = V (Omega o (V' Y V_low)), half of it where both eigenvalues are low, of a Y.

    H[Y] = V_low Z' + Z V_low'.  With U the low eigenvectors of T and S = B Y V_low, whose columns
    belong to eigenvalues w, those of (T - w)^(-1) S (t - w) are right beyond U.
    """
    count, at, offset = 0, 0, 0
    for b in range(sizes.size):
        size, rank = sizes[b], ranks[b]
        part, wide = at + size * rank, offset + size * size
        if rank:
            basis, shape = bases[offset:wide].reshape(size, size), (size, rank)
            matrix = square[offset:wide].reshape(size, size)
            side = np.dot(basis, np.dot(matrix, low[at:part].reshape(shape)))
            solved, missing = np.empty(shape), np.empty(shape)
            for i in range(size):
                for k in range(rank):
                    solved[i, k] = lacks[count + k] * side[i, k]
            solve_shifted(inverse[at:part].reshape(shape), ratio[at:part].reshape(shape), solved)
            for i in range(size):
                for k in range(rank):
                    missing[i, k] = 0.5 * side[i, k] - solved[i, k]
            pairs = vectors[at:part].reshape(shape)
            inside = np.dot(pairs, np.dot(pairs.T, missing))
            for i in range(size):
                for k in range(rank):
                    side[i, k] = solved[i, k] + inside[i, k]
            np.dot(basis.T, side, image[at:part].reshape(shape))
        count, at, offset = count + rank, part, wide


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def _image_entries(values, low, image, sizes, ranks, product, places, unit):
    """Coordinates of V_low Z' + Z V_low'; `product` is for intermediate results."""
    at, offset = 0, 0
    for b in range(sizes.size):
        part, shape = slice(at, at + sizes[b] * ranks[b]), (sizes[b], ranks[b])
        wide = slice(offset, offset + sizes[b] ** 2)
        matrix = product[wide].reshape(sizes[b], sizes[b])
        if ranks[b]:
            np.dot(low[part].reshape(shape), image[part].reshape(shape).T, matrix)
        else:
            matrix[:] = 0
        at, offset = part.stop, wide.stop
    for e in range(values.size):
        values[e] = unit[e] * (product[places[0, e]] + product[places[1, e]])


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def _project(place, normal, start):
    """D, in single precision."""
    for c in range(start.size - 1):
        along = np.float32(0)
        for e in range(start[c], start[c + 1]):
            along += normal[e] * place[e]
        for e in range(start[c], start[c + 1]):
            place[e] -= along * normal[e]
