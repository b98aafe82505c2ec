"""The entries of Gram matrices on and above the diagonals, and which of them are free.

Entries of one class add up to its coefficient, those above a diagonal counted twice.  So all
entries but one of every class, its *pivot*, can be chosen freely, and the pivot makes up for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
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
    """

    block: NDArray[np.int64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    classes: NDArray[np.int64]
    share: NDArray[np.int64]
    pivot_of_class: NDArray[np.int64]
    free: NDArray[np.int64]

    @classmethod
    def of(cls, tables: Sequence[NDArray[np.int64]], num_classes: int) -> Entries:
        """List the entries of symmetric tables (m_b, m_b) of classes; every class has one."""
        places = [np.triu_indices(len(table)) for table in tables]
        block = np.repeat(np.arange(len(places)), [len(rows) for rows, _ in places])
        row = np.concatenate([rows for rows, _ in places])
        column = np.concatenate([columns for _, columns in places])
        classes = np.concatenate([table[at] for table, at in zip(tables, places, strict=True)])
        order = np.argsort(classes, kind="stable")
        is_last = np.append(np.diff(classes[order]) != 0, True)
        pivots = np.empty(num_classes, dtype=np.int64)
        pivots[classes[order][is_last]] = order[is_last]
        share = np.where(row == column, 1, 2)
        return cls(block, row, column, classes, share, pivots, order[~is_last])

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
