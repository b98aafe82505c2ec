"""The entries of Gram matrices on and above the diagonals, and which of them are free.

Entries of one class add up to its coefficient, those above a diagonal counted twice.  So all
entries but one of every class, its *pivot*, can be chosen freely, and the pivot makes up for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

Place = tuple[int, int, int]
"""Block, row, column."""


@dataclass(frozen=True, eq=False)
class Entries:
    """Places of N entries: block after block, row by row.

    Attributes
    ----------
    block, row, column : int64 (N,)
        row <= column.
    classes : int64 (N,)
        Index of the monomial.
    share : int64 (N,)
        1 on a diagonal, 2 above.
    pivot_of_class : int64 (S,)
        The last entry of every class, hence in its last block.
    free : int64 (K,)
        The others, ordered by class.
    by_class : int64 (N,)
        All of them, ordered by class.
    counts, sizes : int64 (S,)
        How many there are in every class; where those above a diagonal count twice.
    """

    block: NDArray[np.int64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    classes: NDArray[np.int64]
    share: NDArray[np.int64]
    pivot_of_class: NDArray[np.int64]
    free: NDArray[np.int64]
    by_class: NDArray[np.int64]
    counts: NDArray[np.int64]
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, tables: Sequence[NDArray[np.int64]], num_classes: int) -> Entries:
        """List the entries of symmetric tables (m_b, m_b) of classes; every class has one."""
        parts = [_upper(table) for table in tables]
        block = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])
        row, column, classes, share = (np.concatenate(part) for part in zip(*parts, strict=True))
        return cls(block, row, column, classes, share, *_by_class(classes, share, num_classes))

    @cached_property
    def free_places(self) -> list[Place]:
        """Where the free entries are."""
        return self._places(self.free)

    @cached_property
    def pivot_places(self) -> list[Place]:
        """Where the pivots are, by class."""
        return self._places(self.pivot_of_class)

    def _places(self, chosen: NDArray[np.int64]) -> list[Place]:
        columns = (self.block[chosen], self.row[chosen], self.column[chosen])
        return list(zip(*(part.tolist() for part in columns), strict=True))


@njit(cache=True)
def _upper(table):
    """Row, column, class and share of every entry on and above the diagonal."""
    size = table.shape[0]
    found = np.empty((4, size * (size + 1) // 2), np.int64)
    at = 0
    for i in range(size):
        for j in range(i, size):
            found[0, at], found[1, at], found[2, at] = i, j, table[i, j]
            found[3, at] = 1 if i == j else 2
            at += 1
    return found


@njit(cache=True)
def _by_class(classes, share, num_classes):
    """The last entry of every class; the others; all, ordered by class; counts and sizes."""
    counts, sizes = np.zeros(num_classes, np.int64), np.zeros(num_classes, np.int64)
    for entry in range(classes.size):
        counts[classes[entry]] += 1
        sizes[classes[entry]] += share[entry]
    start = np.cumsum(counts) - counts
    end = start.copy()
    order = np.empty(classes.size, np.int64)
    for entry in range(classes.size):
        order[end[classes[entry]]] = entry
        end[classes[entry]] += 1
    pivots, others, at = np.empty(num_classes, np.int64), np.empty(order.size, np.int64), 0
    for k in range(num_classes):
        for place in range(start[k], end[k] - 1):
            others[at] = order[place]
            at += 1
        pivots[k] = order[end[k] - 1]
    return pivots, others[:at].copy(), order, counts, sizes
