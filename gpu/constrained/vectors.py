"""Loops over vectors that the kernels share; NumPy's own take seconds to compile each."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["decreasing_order", "largest", "sum_of_magnitudes", "sum_of_squares"]


@njit(cache=True, nogil=True)
def sum_of_magnitudes(values):
    """1-norm of (n,)."""
    total = 0.0
    for j in range(values.size):
        total += abs(values[j])
    return total


@njit(cache=True, nogil=True)
def sum_of_squares(values):
    """Square of the 2-norm of (n,)."""
    total = 0.0
    for j in range(values.size):
        total += values[j] * values[j]
    return total


@njit(cache=True, nogil=True)
def largest(values):
    """Largest magnitude of (n,), 0 of none."""
    size = 0.0
    for j in range(values.size):
        size = max(size, abs(values[j]))
    return size


@njit(cache=True, nogil=True)
def decreasing_order(values):
    """Indices (n,) of decreasing values: a heap whose top is the least is emptied from the end."""
    count = values.size
    order = np.arange(count)
    for start in range(count // 2 - 1, -1, -1):
        _sink(values, order, start, count)
    for end in range(count - 1, 0, -1):
        order[0], order[end] = order[end], order[0]
        _sink(values, order, 0, end)
    return order


@njit(cache=True, nogil=True)
def _sink(values, order, place, end):
    """Restore the heap below a place."""
    moved = order[place]
    while 2 * place + 1 < end:
        child = 2 * place + 1
        if child + 1 < end and values[order[child + 1]] < values[order[child]]:
            child += 1
        if values[order[child]] >= values[moved]:
            break
        order[place] = order[child]
        place = child
    order[place] = moved
