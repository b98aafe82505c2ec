"""Best exchanges of two colors in windows of a torus, by maximum matchings.

No two cells of a window conflict with each other in one color.  Let two colors, c and d, be free in
it: a cell may take c, or d, or keep the other color that it has, or have none; and cells outside
may lose their color.  The choices are the vertices of a graph whose edges join what excludes each
other: the choices of one cell, and a choice of c (or d) with the cells outside that have c (or d)
and conflict.  It is bipartite, with c inside and d outside on one side; so the choice that colors
most cells is a maximum independent set, found exactly (`gpu.bipartite`).

Choices with more conflicts than a limit are left out, except those in force.  Of equally good
choices one that differs as much as possible from those in force is taken: boundaries wander, until
they make room.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from gpu.bipartite import independent_set, maximum_matching
from gpu.torus_conflicts import (
    REMOVED,
    conflicting_cells,
    insert_free,
    next_random,
    place_of,
    recolor,
)

__all__ = ["exchange", "exchange_often"]

REFRESHED = 32
"""Removed cells are looked up again after so many windows."""


@njit(cache=True, nogil=True)
def exchange_often(colors, counts, graph, offsets, bounds, limit, times, seed):
    """Make best exchanges around random removed cells; insert what becomes free.

    The colors are the two with the fewest conflicts at the removed cell.

    Parameters
    ----------
    colors : (N,) uint8
        A proper coloring; changed in place, as are the counts.
    counts : (k, N) integers
    graph
        See `gpu.torus_conflicts.insert_free`.
    offsets : (w, 3) int64
        Cells of windows around cell 0, in coordinates from 0 to below the sizes.
    bounds : (k, k, 2) int64
        The window of colors c and d is ``offsets[bounds[c, d, 0]:bounds[c, d, 1]]``.
    limit : int
        The most conflicts of a choice.
    times : int
        Number of exchanges.
    seed : int

    Returns
    -------
    done : int
        Exchanges made; fewer than `times` if nothing is removed any more.
    """
    shape = graph[3]
    number_of = np.full(len(colors), -1, np.int32)
    random = np.array([2 * seed + 1], np.uint64)
    removed = np.flatnonzero(colors == REMOVED)
    for done in range(times):
        if done % REFRESHED == 0:
            removed = np.flatnonzero(colors == REMOVED)
            insert_free(colors, counts, graph, removed)
        cell = pick(colors, removed, random)
        if cell < 0:
            removed = np.flatnonzero(colors == REMOVED)
            cell = pick(colors, removed, random)
            if cell < 0:
                return done
        c, d = two_best(counts, cell, random)
        own = offsets[bounds[c, d, 0] : bounds[c, d, 1]]
        exchange(colors, counts, graph, moved(own, cell, shape), number_of, c, d, limit)
        insert_free(colors, counts, graph, removed)
    return times


@njit(cache=True, nogil=True)
def pick(colors, removed, random):
    """A random cell of some that is still removed; -1 if all have a color."""
    if len(removed) == 0:
        return -1
    start = next_random(random) % len(removed)
    for at in range(len(removed)):
        cell = removed[(start + at) % len(removed)]
        if colors[cell] == REMOVED:
            return cell
    return -1


@njit(cache=True, nogil=True)
def two_best(counts, cell, random):
    """The two colors with the fewest conflicts at a cell, in random order.

    With one color the second is the color itself.
    """
    first = second = 0
    for color in range(1, len(counts)):
        if counts[color, cell] < counts[first, cell]:
            first, second = color, first
        elif second == first or counts[color, cell] < counts[second, cell]:
            second = color
    return (first, second) if next_random(random) % 2 else (second, first)


@njit(cache=True, nogil=True)
def moved(offsets, cell, shape):
    """The cells at some offsets from a cell."""
    layer, row, column = place_of(cell, shape)
    cells = np.empty(len(offsets), np.int64)
    for w in range(len(offsets)):
        a = (offsets[w, 0] + layer) % shape[0]
        b = (offsets[w, 1] + row) % shape[1]
        cells[w] = (a * shape[1] + b) * shape[2] + (offsets[w, 2] + column) % shape[2]
    return cells


@njit(cache=True, nogil=True)
def exchange(colors, counts, graph, window, number_of, c, d, limit):
    """Make the best exchange of colors c and d in a window; how many more cells have a color.

    Parameters
    ----------
    colors : (N,) uint8
        A proper coloring; changed in place, as are the counts.
    counts : (k, N) integers
    graph
        See `gpu.torus_conflicts.insert_free`.
    window : (w,) integers
        Cells of which no two conflict in c or in d.
    number_of : (N,) int32
        Work space, -1 everywhere before and after.
    c, d : int
        The colors; if they are equal, there is one.  Where there is a choice, c gets as few cells
        as possible.
    limit : int
        The most conflicts of a choice.
    """
    inside, left, right, sizes = choices(colors, counts, window, c, d, limit)
    edges, lost_d, lost_c = conflict_edges(
        colors, counts, graph, inside, left, right, sizes, number_of, c, d
    )
    first, neighbors = compressed(edges, sizes[0] + len(lost_d))
    partners = maximum_matching(first, neighbors, sizes[1] + len(lost_c))
    in_left, in_right = independent_set(first, neighbors, *partners)
    before = np.sum(colors[inside] != REMOVED) + len(lost_d) + len(lost_c)
    gain = in_left.sum() + in_right.sum() - before
    for s in range(len(inside)):
        here, color = np.int64(colors[inside[s]]), REMOVED
        if left[s] >= 0 and in_left[left[s]]:
            color = c
        elif right[s] >= 0 and in_right[right[s]]:
            color = d if here in (c, REMOVED) else here
        if color != here:
            recolor(colors, counts, graph, inside[s], color)
    for j in lost_d[~in_left[sizes[0] :]]:
        recolor(colors, counts, graph, j, REMOVED)
    for j in lost_c[~in_right[sizes[1] :]]:
        recolor(colors, counts, graph, j, REMOVED)
    return gain


@njit(cache=True, nogil=True)
def choices(colors, counts, window, c, d, limit):
    """Cells of the window that can change, with the numbers of their choices.

    Returns
    -------
    inside : (s,) int64
    left : (s,) int32
        The number of the vertex "has color c", or -1.
    right : (s,) int32
        The number of the vertex "has color d", or another color that the cell has now, or -1.
    num_left, num_right, num_edges : int
        Edges between these vertices, and to cells outside.
    """
    inside = np.empty(len(window), np.int64)
    left, right = np.full(len(window), -1, np.int32), np.full(len(window), -1, np.int32)
    s = num_left = num_right = num_edges = 0
    for i in window:
        here = colors[i]
        to_c = here != c and counts[c, i] <= limit
        to_d = c != d and here in (c, REMOVED) and counts[d, i] <= limit
        if not (to_c or to_d):
            continue
        inside[s] = i
        if to_c or here == c:
            left[s] = num_left
            num_left += 1
        if to_d or (here != c and here != REMOVED):
            right[s] = num_right
            num_right += 1
        num_edges += left[s] >= 0 and right[s] >= 0
        num_edges += to_c * counts[c, i] + to_d * counts[d, i]
        s += 1
    return inside[:s], left[:s], right[:s], (num_left, num_right, num_edges)


@njit(cache=True, nogil=True)
def conflict_edges(colors, counts, graph, inside, left, right, sizes, number_of, c, d):
    """Edges of the graph of choices, and the cells outside that it has.

    Returns
    -------
    edges : (e, 2) int32
        Numbers of a left and of a right vertex.
    lost_d, lost_c : (.,) int64
        Cells outside of color d, the left vertices behind those inside, and of color c, right ones.
    """
    runs, begin, end, shape = graph
    num_left, num_right, num_edges = sizes
    edges = np.empty((num_edges, 2), np.int32)
    lost = np.empty((2, num_edges), np.int64)
    number = np.zeros(2, np.int64)
    found = np.empty(num_edges, np.int64)
    at = 0
    for s in range(len(inside)):
        here = colors[inside[s]]
        if left[s] >= 0 and right[s] >= 0:
            edges[at, 0], edges[at, 1] = left[s], right[s]
            at += 1
        for side, color in enumerate((d, c)):
            vertex = left[s] if side else right[s]
            if vertex < 0 or here == color or (side == 0 and here != c and here != REMOVED):
                continue
            own = runs[begin[color] : end[color]]
            partners = found[: counts[color, inside[s]]]
            conflicting_cells(partners, colors, color, inside[s], own, shape)
            for j in partners:
                if number_of[j] < 0:
                    number_of[j] = number[side]
                    lost[side, number[side]] = j
                    number[side] += 1
                edges[at, 1 - side] = vertex
                edges[at, side] = number_of[j] + (num_right if side else num_left)
                at += 1
    for side in range(2):
        number_of[lost[side, : number[side]]] = -1
    return edges, lost[0, : number[0]], lost[1, : number[1]]


@njit(cache=True, nogil=True)
def compressed(edges, num_left):
    """Neighbors of the left vertices in compressed rows."""
    first = np.zeros(num_left + 1, np.int64)
    for e in range(len(edges)):
        first[edges[e, 0] + 1] += 1
    first = np.cumsum(first)
    neighbors = np.empty(len(edges), np.int32)
    at = first[:-1].copy()
    for e in range(len(edges)):
        u = edges[e, 0]
        neighbors[at[u]] = edges[e, 1]
        at[u] += 1
    return first, neighbors
