"""Cosets of a sublattice of Z^n, by its Hermite normal form.

The form H of a period matrix M is upper triangular with a positive diagonal, its rows span the same
lattice, and every integer vector is congruent to exactly one with 0 <= x_a < H_aa.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from tasks.records import InputError

__all__ = ["Cosets", "hermite_form"]

MAX_INDEX = 10_000_000
"""Larger indices are refused."""

Rows = tuple[tuple[int, ...], ...]


def hermite_form(rows: Sequence[Sequence[int]]) -> Rows:
    """Upper triangular rows of the same lattice, with a positive diagonal.

    Raises
    ------
    InputError
        If the rows are dependent.
    """
    left, n, form = [list(row) for row in rows], len(rows), []
    for axis in range(n):
        while sum(1 for row in left if row[axis]) > 1:
            left.sort(key=lambda row: (not row[axis], abs(row[axis])))
            pivot = left[0]
            left[1:] = [_less(row, row[axis] // pivot[axis], pivot) for row in left[1:]]
        pivots = [row for row in left if row[axis]]
        if not pivots:
            raise InputError("the rows of the period are dependent: choose independent ones")
        left.remove(pivots[0])
        form.append(tuple(pivots[0] if pivots[0][axis] > 0 else [-x for x in pivots[0]]))
    return tuple(form)


def _less(row: Sequence[int], factor: int, other: Sequence[int]) -> list[int]:
    return [x - factor * y for x, y in zip(row, other, strict=True)]


class Cosets:
    """The cosets of the rows of a period matrix.

    Attributes
    ----------
    shape
        The diagonal of the Hermite form; its product is the index.

    Raises
    ------
    InputError
        If the rows are dependent, or the index is above ten million.
    """

    def __init__(self, period: Sequence[Sequence[int]]) -> None:
        self._form = hermite_form(period)
        self.shape = tuple(row[a] for a, row in enumerate(self._form))
        if self.index > MAX_INDEX:
            raise InputError(f"a period has index at most {MAX_INDEX}, not {self.index}")
        # Entries above the diagonal are taken modulo it, so that products fit 64 bits.
        rows = [self.representative(row, start=a + 1) for a, row in enumerate(self._form)]
        self._rows = np.array(rows, np.int64)

    @property
    def index(self) -> int:
        """How many cosets there are."""
        return prod(self.shape)

    def representative(self, vector: Sequence[int], start: int = 0) -> tuple[int, ...]:
        """The vector congruent to this one with 0 <= x_a < H_aa for all a from `start`."""
        rest = list(vector)
        for axis in range(start, len(rest)):
            rest = _less(rest, rest[axis] // self.shape[axis], self._form[axis])
        return tuple(rest)

    def number(self, vector: Sequence[int]) -> int:
        """The number of a coset, from 0."""
        return int(np.ravel_multi_index(self.representative(vector), self.shape))

    def moved(self, step: Sequence[int]) -> NDArray[np.int64]:
        """The number of coset + step, for the cosets in order."""
        places = np.indices(self.shape).reshape(len(self.shape), -1).astype(np.int64)
        places += np.array(self.representative(step), np.int64)[:, None]
        for axis, row in enumerate(self._rows):
            places -= (places[axis] // self.shape[axis]) * row[:, None]
        return np.ravel_multi_index(tuple(places), self.shape).astype(np.int64)
