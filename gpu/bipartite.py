"""Maximum matchings and maximum independent sets of bipartite graphs.

The graph is given by the neighbors of the left vertices in compressed rows: those of u are
``neighbors[first[u]:first[u + 1]]``.

References
----------
Hopcroft and Karp, An n^(5/2) algorithm for maximum matchings in bipartite graphs, SIAM J. Comput. 2
(1973); König's theorem for the independent set.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["independent_set", "maximum_matching"]


@njit(cache=True, nogil=True)
def maximum_matching(first, neighbors, num_right):
    """Partners of the left and of the right vertices, -1 for those that have none.

    Phases of Hopcroft and Karp, after every left vertex took its first free neighbor.
    """
    num_left = len(first) - 1
    left, right = np.full(num_left, -1, np.int32), np.full(num_right, -1, np.int32)
    for u in range(num_left):
        for v in neighbors[first[u] : first[u + 1]]:
            if right[v] < 0:
                left[u], right[v] = v, u
                break
    depth = np.empty(num_left, np.int32)
    queue = np.empty(num_left, np.int32)
    while layers(first, neighbors, left, right, depth, queue):
        cursor = first[:-1].copy()
        for u in range(num_left):
            if left[u] < 0:
                augment(first, neighbors, left, right, depth, cursor, queue, u)
    return left, right


@njit(cache=True, nogil=True)
def layers(first, neighbors, left, right, depth, queue):
    """Distances of left vertices from the single ones; whether a path reaches a single right one.

    Layers behind the first that does are not entered; their depth is -1.
    """
    size = 0
    for u in range(len(left)):
        depth[u] = -1
        if left[u] < 0:
            depth[u] = 0
            queue[size] = u
            size += 1
    found, last, at = False, len(left) + 1, 0
    while at < size:
        u = queue[at]
        at += 1
        if depth[u] >= last:
            break
        for v in neighbors[first[u] : first[u + 1]]:
            w = right[v]
            if w < 0:
                found, last = True, depth[u]
            elif depth[w] < 0:
                depth[w] = depth[u] + 1
                queue[size] = w
                size += 1
    return found


@njit(cache=True, nogil=True)
def augment(first, neighbors, left, right, depth, cursor, path, start):
    """Flip a shortest path from a single left vertex to a single right one, if there is one."""
    path[0], length = start, 1
    while length > 0:
        u = path[length - 1]
        if cursor[u] == first[u + 1]:
            length -= 1
            if length > 0:
                cursor[path[length - 1]] += 1
            continue
        w = right[neighbors[cursor[u]]]
        if w < 0:
            for u in path[:length]:
                v = neighbors[cursor[u]]
                left[u], right[v] = v, u
                cursor[u] += 1
            return
        if depth[w] == depth[u] + 1:
            path[length] = w
            length += 1
        else:
            cursor[u] += 1


@njit(cache=True, nogil=True)
def independent_set(first, neighbors, left, right):
    """Masks of a maximum independent set, given a maximum matching.

    By König's theorem: the left vertices that alternating paths from single left vertices reach,
    and the right ones that they do not.  Of all maximum independent sets it has the fewest left
    vertices.
    """
    chosen_left, chosen_right = left < 0, np.ones(len(right), np.bool_)
    queue = np.empty(len(left), np.int32)
    size = at = 0
    for u in range(len(left)):
        if chosen_left[u]:
            queue[size] = u
            size += 1
    while at < size:
        u = queue[at]
        at += 1
        for v in neighbors[first[u] : first[u + 1]]:
            if chosen_right[v]:
                chosen_right[v] = False
                w = right[v]
                chosen_left[w] = True
                queue[size] = w
                size += 1
    return chosen_left, chosen_right
