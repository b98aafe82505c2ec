"""Elimination orders of a small graph for frontier dynamic programs.

Vertices are added one by one; a vertex leaves the frontier once all its neighbors are added.  The
work of a dynamic program grows exponentially with the weight of its frontier, so an order is good
if ``sum over steps of base ** (weight of the frontier)`` is small.  Finding the best order is
NP-hard (it is the pathwidth problem); this is the greedy rule from every start, once per tie rule.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

NUM_TIE_RULES = 4


@njit(cache=True)
def _weight_after(vertex, added, frontier, neighbors, weights):
    """Return (new frontier mask, its weight) after adding a vertex."""
    added |= 1 << vertex
    touched = (frontier | (1 << vertex)) & (neighbors[vertex] | (1 << vertex))
    after = frontier | (1 << vertex)
    for v in range(weights.size):
        if (touched >> v) & 1 and neighbors[v] & ~added == 0:
            after &= ~(1 << v)
    weight = 0
    for v in range(weights.size):
        if (after >> v) & 1:
            weight += weights[v]
    return after, weight


@njit(cache=True)
def _greedy(start, rule, base, neighbors, weights, order):
    """Fill `order` greedily from a start; return the cost of the order."""
    n = weights.size
    added, frontier = 0, 0
    cost = 0.0
    for step in range(n):
        best, best_weight, best_tie, best_frontier = -1, 1 << 30, 1 << 30, 0
        for v in range(n):
            if (added >> v) & 1 or (step == 0 and v != start):
                continue
            if step > 0 and neighbors[v] & frontier == 0:
                continue
            after, weight = _weight_after(v, added, frontier, neighbors, weights)
            missing = 0  # neighbors that would still have to come
            for u in range(n):
                missing += (neighbors[v] & ~added) >> u & 1
            tie = missing
            if rule == 1:
                tie = -missing
            elif rule == 2:
                tie = v
            elif rule == 3:
                tie = -v
            if weight < best_weight or (weight == best_weight and tie < best_tie):
                best, best_weight, best_tie, best_frontier = v, weight, tie, after
        order[step] = best
        added |= 1 << best
        frontier = best_frontier
        cost += base**best_weight
    return cost


@njit(cache=True)
def _best_order(neighbors, weights, base):
    """Return the cheapest of the greedy orders."""
    n = weights.size
    best = np.empty(n, np.int64)
    order = np.empty(n, np.int64)
    best_cost = np.inf
    for rule in range(NUM_TIE_RULES):
        for start in range(n):
            cost = _greedy(start, rule, base, neighbors, weights, order)
            if cost < best_cost:
                best_cost = cost
                best[:] = order
    return best


def elimination_order(
    neighbors: NDArray[np.int64], weights: NDArray[np.int64], *, base: float = 1.4
) -> NDArray[np.int64]:
    """Order the vertices of a connected graph so that the frontier stays light.

    Parameters
    ----------
    neighbors : int64 (n,), n <= 62
        Bit v of entry u: u and v are adjacent.
    weights : int64 (n,)
        Weight of a vertex in the frontier.
    base : float
        Growth of the work per unit of weight.

    Returns
    -------
    int64 (n,)
        Deterministic.  O(n**4) bit operations.
    """
    return _best_order(neighbors, weights, base)
