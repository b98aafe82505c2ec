"""Slow, obvious NumPy twins of the kernels on colored cells of a torus."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpu.torus_conflicts import REMOVED


def conflict_counts(
    grid: NDArray[np.uint8], offsets: list[NDArray[np.integer]]
) -> NDArray[np.int64]:
    """How many cells of each color every cell conflicts with, (k, N).

    Parameters
    ----------
    grid : (m_1, ..., m_n) uint8
    offsets
        For each color (q, n) integers, symmetric, distinct modulo the shape.
    """
    axes = tuple(range(grid.ndim))
    counts = np.zeros((len(offsets), *grid.shape), np.int64)
    for color, own in enumerate(offsets):
        for offset in own:
            counts[color] += np.roll(grid == color, offset, axis=axes)
    return counts.reshape(len(offsets), -1)


def remove_conflicts(
    grid: NDArray[np.uint8], offsets: list[NDArray[np.integer]]
) -> NDArray[np.uint8]:
    """The grid without cells, always one with the most conflicts, until none conflict.

    Of equal ones the one whose number changed last; of those that changed at once, the one at the
    last offset from the cell that was removed.
    """
    colors, arrival = grid.copy(), np.arange(grid.size).reshape(grid.shape)
    while True:
        counts = conflict_counts(colors, offsets).reshape(-1, *grid.shape)
        own = np.zeros(grid.shape, np.int64)
        for color in range(len(offsets)):
            own[colors == color] = counts[color][colors == color]
        if not own.any():
            return colors
        last = np.where(own == own.max(), arrival, -1).argmax()
        cell = np.unravel_index(last, grid.shape)
        for offset in sorted(map(tuple, offsets[colors[cell]])):
            other = tuple(np.mod(np.add(cell, offset), grid.shape))
            if colors[other] == colors[cell]:
                arrival[other] = arrival.max() + 1
        colors[cell] = REMOVED


def largest_matching(adjacent: NDArray[np.bool_]) -> int:
    """Size of a maximum matching of a bipartite graph, by augmenting paths (Kuhn)."""
    partner = np.full(adjacent.shape[1], -1)

    def augment(u: int, seen: set[int]) -> bool:
        for v in np.flatnonzero(adjacent[u]).tolist():
            if v not in seen:
                seen.add(v)
                if partner[v] < 0 or augment(partner[v], seen):
                    partner[v] = u
                    return True
        return False

    return sum(augment(u, set()) for u in range(len(adjacent)))
