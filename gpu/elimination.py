"""Elimination orders of a small graph for frontier dynamic programs.

Vertices are added one by one; a vertex leaves the frontier once all its neighbors are added.  The
states of a program grow exponentially with the *width* of its frontier,

    width = sum of the weights of the frontier's vertices - number of edges between them,

since an edge inside the frontier ties the states of its ends together.  An order is good if
``sum over steps of base ** width`` is small.  Finding the best order is NP-hard (without the edge
term it is the pathwidth problem); this takes the best of many greedy orders: from every start,
greedy in the weight alone or in the width, with several ways to break ties.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gpu.bits import lowest_bit, num_bits

_NUM_RULES = 5


@njit(cache=True)
def _frontier_after(vertex, added, frontier, weight, links, neighbors, weights):
    """Return (frontier, its weight, number of edges inside) after adding a vertex."""
    added |= 1 << vertex
    links += num_bits(neighbors[vertex] & frontier)
    after = frontier | (1 << vertex)
    weight += weights[vertex]
    # Only the new vertex and its neighbors can have got their last neighbor.
    rest = after & (neighbors[vertex] | (1 << vertex))
    while rest:
        v = lowest_bit(rest)
        rest &= rest - 1
        if neighbors[v] & ~added == 0:
            after &= ~(1 << v)
            links -= num_bits(neighbors[v] & after)
            weight -= weights[v]
    return after, weight, links


@njit(cache=True)
def _tie(rule, vertex, added, neighbors):
    """Rank equally wide choices; the lowest wins."""
    missing = num_bits(neighbors[vertex] & ~added)
    if rule == 0:
        return missing
    if rule == 1:
        return -missing
    if rule == 2:
        return vertex
    if rule == 3:
        return -vertex
    return -num_bits(neighbors[vertex] & added)


@njit(cache=True)
def _greedy(start, rule, use_links, base, neighbors, weights, order, bound):
    """Fill `order` greedily from a start; return its cost, or infinity beyond the bound."""
    n = weights.size
    added, frontier, weight, links = 0, 0, 0.0, 0
    cost = 0.0
    for step in range(n):
        best, best_size, best_tie = -1, np.inf, 1 << 30
        chosen = (0, 0.0, 0)
        for v in range(n):
            if (added >> v) & 1 or (step == 0 and v != start):
                continue
            if step > 0 and neighbors[v] & frontier == 0:
                continue
            after = _frontier_after(v, added, frontier, weight, links, neighbors, weights)
            size = after[1] - after[2] if use_links else after[1]
            if size > best_size:
                continue
            tie = _tie(rule, v, added, neighbors)
            if size < best_size or tie < best_tie:
                best, best_size, best_tie, chosen = v, size, tie, after
        order[step] = best
        added |= 1 << best
        frontier, weight, links = chosen
        cost += base ** (weight - links)
        if cost >= bound:
            return np.inf
    return cost


@njit(cache=True)
def _best_order(neighbors, weights, base):
    """Return the cheapest of the greedy orders."""
    n = weights.size
    best = np.empty(n, np.int64)
    order = np.empty(n, np.int64)
    best_cost = np.inf
    for rule in range(2 * _NUM_RULES):
        for start in range(n):
            cost = _greedy(start, rule >> 1, rule & 1, base, neighbors, weights, order, best_cost)
            if cost < best_cost:
                best_cost = cost
                best[:] = order
    return best


def elimination_order(
    neighbors: NDArray[np.int64], weights: NDArray[np.float64], *, base: float = 1.3
) -> NDArray[np.int64]:
    """Order the vertices of a connected graph so that the frontier stays narrow.

    Parameters
    ----------
    neighbors : int64 (n,), n <= 62
        Bit v of entry u: u and v are adjacent.
    weights : float64 (n,)
        Weight of a vertex in the frontier.
    base : float
        Growth of the states per unit of width.

    Returns
    -------
    int64 (n,)
        Deterministic.  O(n**4) word operations.
    """
    return _best_order(neighbors, weights, base)


@njit(cache=True)
def _cost(order, neighbors, weights, base):
    """Sum base ** width over the frontiers of an order."""
    added, frontier, weight, links = 0, 0, 0.0, 0
    cost = 0.0
    for v in order:
        frontier, weight, links = _frontier_after(
            v, added, frontier, weight, links, neighbors, weights
        )
        added |= 1 << v
        cost += base ** (weight - links)
    return cost


def elimination_cost(
    neighbors: NDArray[np.int64],
    weights: NDArray[np.float64],
    order: NDArray[np.int64],
    *,
    base: float = 1.3,
) -> float:
    """Return ``sum over steps of base ** width`` of an order of all vertices."""
    return float(_cost(order, neighbors, weights, base))
