"""Compiled searches for corners and edges of tiles at given distances.

Tiles are arrays: ``corners`` (c, 2); ``following`` and ``preceding`` (c,), along the outline;
``starts`` (t + 1,), where tiles begin. A pair q compares tile first[q] with tile second[q] moved by
offset[q]. Searches return the pair, the corner p of the first tile, the edge ab of the second (by
its corner a), and per row (t, n_x, n_y, d): the closest point (1 - t) a + t b, the unit vector from
there to p, and the distance.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["entered", "farther", "is_inside", "least_and_most", "nearer", "own_room"]

_TINY = 1e-7
"""Closer than this, the direction from a corner to a corner is not reliable."""


@njit(cache=True)
def least_and_most(corners, following, starts, first, second, offset):
    """Per pair the least and the greatest distance between the outlines; 0 is not found inside."""
    low, high = np.empty(len(first)), np.empty(len(first))
    for q in range(len(first)):
        least, most = np.inf, 0.0
        for side in range(2):
            one, two, sign = first[q], second[q], -1.0
            if side == 1:
                one, two, sign = second[q], first[q], 1.0
            for p in range(starts[one], starts[one + 1]):
                px = corners[p, 0] + sign * offset[q, 0]
                py = corners[p, 1] + sign * offset[q, 1]
                for a in range(starts[two], starts[two + 1]):
                    ux, uy = px - corners[a, 0], py - corners[a, 1]
                    squared = ux * ux + uy * uy
                    most = max(most, squared)
                    least = min(least, _squared_to_edge(ux, uy, squared, corners, a, following[a]))
        low[q], high[q] = np.sqrt(least), np.sqrt(most)
    return low, high


@njit(cache=True)
def _squared_to_edge(ux, uy, squared, corners, a, b):
    ex, ey = corners[b, 0] - corners[a, 0], corners[b, 1] - corners[a, 1]
    t = ux * ex + uy * ey
    if t <= 0:
        return squared
    t = min(t / (ex * ex + ey * ey), 1.0)
    ux, uy = ux - t * ex, uy - t * ey
    return ux * ux + uy * uy


@njit(cache=True)
def _grown(pair, corner, edge, real):
    size = 2 * len(pair)
    pair2, corner2 = np.empty(size, np.int64), np.empty(size, np.int64)
    edge2, real2 = np.empty(size, np.int64), np.empty((size, 4))
    for i in range(len(pair)):  # a slice at once takes seconds longer to compile
        pair2[i], corner2[i], edge2[i] = pair[i], corner[i], edge[i]
        for j in range(4):
            real2[i, j] = real[i, j]
    return pair2, corner2, edge2, real2


@njit(cache=True)
def _empty():
    size = 1024
    return (
        np.empty(size, np.int64),
        np.empty(size, np.int64),
        np.empty(size, np.int64),
        np.empty((size, 4)),
    )


@njit(cache=True)
def farther(corners, starts, first, second, offset, least):
    """Corner pairs farther apart than least[q]; of a tile and itself each pair once."""
    pair, corner, edge, real = _empty()
    count = 0
    for q in range(len(first)):
        same = first[q] == second[q] and offset[q, 0] == 0.0 and offset[q, 1] == 0.0
        for p in range(starts[first[q]], starts[first[q] + 1]):
            begin = p + 1 if same else starts[second[q]]
            for a in range(begin, starts[second[q] + 1]):
                x = corners[p, 0] - corners[a, 0] - offset[q, 0]
                y = corners[p, 1] - corners[a, 1] - offset[q, 1]
                squared = x * x + y * y
                if squared <= least[q] * least[q] or squared == 0.0:
                    continue
                if count == len(pair):
                    pair, corner, edge, real = _grown(pair, corner, edge, real)
                d = np.sqrt(squared)
                pair[count], corner[count], edge[count] = q, p, a
                real[count, 0], real[count, 1], real[count, 2] = 0.0, x / d, y / d
                real[count, 3] = d
                count += 1
    return pair[:count], corner[:count], edge[:count], real[:count]


@njit(cache=True)
def _closest(px, py, corners, a, b, before):
    """t, difference and distance of p to edge ab; t < 0 if another edge or corner is closer."""
    ux, uy = px - corners[a, 0], py - corners[a, 1]
    ex, ey = corners[b, 0] - corners[a, 0], corners[b, 1] - corners[a, 1]
    t = ux * ex + uy * ey
    length = ex * ex + ey * ey
    if t >= length:
        return -1.0, ux, uy, np.inf
    if t > 0:
        t /= length
        ux, uy = ux - t * ex, uy - t * ey
        return t, ux, uy, np.sqrt(ux * ux + uy * uy)
    fx, fy = corners[a, 0] - corners[before, 0], corners[a, 1] - corners[before, 1]
    if ux * fx + uy * fy < 0:
        return -1.0, ux, uy, np.inf
    return 0.0, ux, uy, np.sqrt(ux * ux + uy * uy)


@njit(cache=True)
def nearer(corners, following, preceding, starts, first, second, offset, most):
    """Corners closer than most[q] to an edge."""
    pair, corner, edge, real = _empty()
    count = 0
    for q in range(len(first)):
        for p in range(starts[first[q]], starts[first[q] + 1]):
            px, py = corners[p, 0] - offset[q, 0], corners[p, 1] - offset[q, 1]
            for a in range(starts[second[q]], starts[second[q] + 1]):
                t, ux, uy, d = _closest(px, py, corners, a, following[a], preceding[a])
                if t < 0 or d >= most[q] or d == 0.0:
                    continue
                if count == len(pair):
                    pair, corner, edge, real = _grown(pair, corner, edge, real)
                pair[count], corner[count], edge[count] = q, p, a
                real[count, 0], real[count, 1], real[count, 2] = t, ux / d, uy / d
                real[count, 3] = d
                count += 1
    return pair[:count], corner[:count], edge[:count], real[:count]


@njit(cache=True)
def _outward(corners, a, b):
    ex, ey = corners[b, 0] - corners[a, 0], corners[b, 1] - corners[a, 1]
    length = np.sqrt(ex * ex + ey * ey)
    if length == 0.0:  # an edge of no length has no side
        return 0.0, 0.0
    return ey / length, -ex / length


@njit(cache=True)
def _shared(vertex, shift, p, begin, end, tx, ty):
    for a in range(begin, end):
        moved = shift[a, 0] + tx == shift[p, 0] and shift[a, 1] + ty == shift[p, 1]
        if moved and vertex[a] == vertex[p]:
            return True
    return False


@njit(cache=True)
def is_inside(px, py, corners, following, begin, end):
    """Whether a point is inside the tile of the corners from ``begin`` to ``end``."""
    odd = False
    for a in range(begin, end):
        b = following[a]
        if (corners[a, 1] > py) != (corners[b, 1] > py):
            slope = (corners[b, 0] - corners[a, 0]) / (corners[b, 1] - corners[a, 1])
            if px < corners[a, 0] + slope * (py - corners[a, 1]):
                odd = not odd
    return odd


@njit(cache=True)
def entered(
    corners, vertex, shift, following, preceding, starts, first, second, moved, offset, margin
):
    """Corners closer than the margin to an edge from outside, and those inside, with d < 0.

    Corners that are corners of the second tile as well (``vertex``, ``shift``; ``moved`` is the
    shift of the pair) are left out: they move together.
    """
    pair, corner, edge, real = _empty()
    count = 0
    for q in range(len(first)):
        begin, end = starts[second[q]], starts[second[q] + 1]
        for p in range(starts[first[q]], starts[first[q] + 1]):
            px, py = corners[p, 0] - offset[q, 0], corners[p, 1] - offset[q, 1]
            least, best = np.inf, -1
            for a in range(begin, end):
                t, ux, uy, d = _closest(px, py, corners, a, following[a], preceding[a])
                if t >= 0 and d < least:
                    least, best = d, a
            inside = is_inside(px, py, corners, following, begin, end)
            if best < 0 or (least >= margin and not inside):
                continue
            if _shared(vertex, shift, p, begin, end, moved[q, 0], moved[q, 1]):
                continue
            for a in range(begin, end):
                if inside and a != best:
                    continue
                b = following[a]
                t, ux, uy, d = _closest(px, py, corners, a, b, preceding[a])
                if t < 0 or (d >= margin and not inside):
                    continue
                nx, ny = _outward(corners, a, b)
                if t == 0.0:
                    mx, my = _outward(corners, preceding[a], a)
                    nx, ny = nx + mx, ny + my
                    length = max(np.sqrt(nx * nx + ny * ny), 1e-12)
                    nx, ny = nx / length, ny / length
                    if d > _TINY and not inside:
                        nx, ny = ux / d, uy / d
                    elif d > _TINY:
                        nx, ny = -ux / d, -uy / d
                side = nx * ux + ny * uy
                if side < 0 and not inside and d > _TINY:
                    continue
                if count == len(pair):
                    pair, corner, edge, real = _grown(pair, corner, edge, real)
                pair[count], corner[count], edge[count] = q, p, a
                real[count, 0], real[count, 1], real[count, 2] = t, nx, ny
                real[count, 3] = side
                count += 1
    return pair[:count], corner[:count], edge[:count], real[:count]


@njit(cache=True)
def own_room(corners, following, starts):
    """Per corner how far it and its edges are from the rest of its own outline."""
    space = np.full(len(corners), np.inf)
    for tile in range(len(starts) - 1):
        for p in range(starts[tile], starts[tile + 1]):
            for a in range(starts[tile], starts[tile + 1]):
                b = following[a]
                ux, uy = corners[p, 0] - corners[a, 0], corners[p, 1] - corners[a, 1]
                if p == a:
                    ux, uy = corners[b, 0] - corners[a, 0], corners[b, 1] - corners[a, 1]
                    space[p] = min(space[p], np.sqrt(ux * ux + uy * uy))
                elif p == b:
                    space[p] = min(space[p], np.sqrt(ux * ux + uy * uy))
                else:
                    squared = ux * ux + uy * uy
                    d = np.sqrt(_squared_to_edge(ux, uy, squared, corners, a, b))
                    space[p], space[a] = min(space[p], d), min(space[a], d)
                    space[b] = min(space[b], d)
    return space
