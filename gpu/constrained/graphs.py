"""Acyclic graphs with one source and one sink: shortest and farthest paths.

Edges are sorted so that a node's entering edges come before its leaving ones.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["edge_order", "largest_difference", "shortest_path"]


def edge_order(
    tails: NDArray[np.int64], heads: NDArray[np.int64], num_nodes: int
) -> NDArray[np.int64] | None:
    """Order of the edges (e,) by a topological order of their tails; None if there is a cycle."""
    rank = node_ranks(tails, heads, num_nodes)
    return None if rank is None else np.argsort(rank[tails], kind="stable")


def node_ranks(
    tails: NDArray[np.int64], heads: NDArray[np.int64], num_nodes: int
) -> NDArray[np.int64] | None:
    """Place of every node in a topological order; None if there is a cycle."""
    entering = np.bincount(heads, minlength=num_nodes)
    ready = list(np.flatnonzero(entering == 0))
    rank = np.full(num_nodes, -1)
    place = 0
    while ready:
        node = ready.pop()
        rank[node] = place
        place += 1
        for head in heads[tails == node]:
            entering[head] -= 1
            if entering[head] == 0:
                ready.append(head)
    return rank if place == num_nodes else None


@njit(cache=True, nogil=True)
def shortest_path(costs, tails, heads, order, num_nodes, source, sink, path):
    """Write 1 for the edges of a shortest path from source to sink into `path` (e,), else 0."""
    distance = np.full(num_nodes, np.inf)
    last = np.full(num_nodes, -1)
    distance[source] = 0.0
    for edge in order:
        reached = distance[tails[edge]] + costs[edge]
        # Also of infinite costs, or costs that are no numbers, some path is found.
        if last[heads[edge]] < 0 or reached < distance[heads[edge]]:
            distance[heads[edge]] = reached
            last[heads[edge]] = edge
    path[:] = 0.0
    node = sink
    while node != source:
        path[last[node]] = 1.0
        node = tails[last[node]]


def largest_difference(
    tails: NDArray[np.int64], heads: NDArray[np.int64], rank: NDArray[np.int64], sink: int
) -> int:
    """The most edges that two paths from the source to the sink do not have in common.

    Of two paths, the one that is behind in the topological order moves on; both move where they
    meet.  So every edge that both take is taken at the same time.
    """
    num_nodes = len(rank)
    by_rank = np.argsort(rank)
    leaving = [[rank[heads[e]] for e in np.flatnonzero(tails == node)] for node in by_rank]
    end = rank[sink]
    # best[u, v]: edges of one path only, from nodes of ranks u <= v to the sink.
    best = np.full((num_nodes, num_nodes), -num_nodes * 4)
    best[end, end] = 0
    for u in range(num_nodes - 1, -1, -1):
        for v in range(num_nodes - 1, u, -1):
            for w in leaving[u]:
                best[u, v] = max(best[u, v], 1 + best[min(w, v), max(w, v)])
        for place, w in enumerate(leaving[u]):
            best[u, u] = max(best[u, u], best[w, w])
            for other in leaving[u][place + 1 :]:
                best[u, u] = max(best[u, u], 2 + best[min(w, other), max(w, other)])
    return int(best[0, 0])
