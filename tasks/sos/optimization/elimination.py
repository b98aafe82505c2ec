"""Sparse linear equations over Q, solved for some of their unknowns.

A row is a dict: coefficients by unknown 0, 1, ..., and the right-hand side c - gamma d under the
keys CONSTANT (c) and LEVEL (-d), where gamma is a number that is chosen later.

Equations of sum-of-squares programs are sparse, and most of them have an unknown of their own;
elimination in the order of Markowitz (short rows, rare unknowns first) keeps them so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flint import fmpq

CONSTANT = -1
LEVEL = -2

Row = dict[int, fmpq]


@dataclass(frozen=True, eq=False)
class Echelon:
    """Equations in reduced row echelon form.

    Attributes
    ----------
    rows : dict of int to Row
        By pivot, whose coefficient 1 is left out; no row has another pivot.
    conditions : tuple of Row
        What is left without unknowns: every one must be 0.
    """

    rows: dict[int, Row]
    conditions: tuple[Row, ...]

    def is_consistent(self, level: fmpq) -> bool:
        """Whether there are solutions for this gamma."""
        return all(side(row, level) == 0 for row in self.conditions)


def side(row: Row, level: fmpq) -> fmpq:
    """Right-hand side for a gamma."""
    return row.get(CONSTANT, fmpq(0)) + level * row.get(LEVEL, fmpq(0))


def reduced_echelon(rows: Iterable[Row], first: Iterable[int]) -> Echelon:
    """Solve equations, for the unknowns in `first` as far as that is possible.

    The rows are changed.
    """
    work = _Elimination([row for row in rows if row])
    for unknown in first:
        open_rows = [k for k in work.holders.get(unknown, ()) if k not in work.pivot_of]
        if open_rows:
            work.eliminate(unknown, min(open_rows, key=lambda k: (len(work.rows[k]), k)))
    while work.solve_shortest():
        pass
    conditions = [row for k, row in enumerate(work.rows) if k not in work.pivot_of and row]
    solved = {}
    for k, pivot in work.pivot_of.items():
        solved[pivot] = {c: v for c, v in work.rows[k].items() if c != pivot}
    return Echelon(solved, tuple(conditions))


class _Elimination:
    """Rows, and which of them have an unknown."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.pivot_of: dict[int, int] = {}
        self.holders: dict[int, set[int]] = {}
        for k, row in enumerate(rows):
            for unknown in row:
                if unknown >= 0:
                    self.holders.setdefault(unknown, set()).add(k)
        self._waiting = sorted(range(len(rows)), key=lambda k: len(rows[k]), reverse=True)

    def eliminate(self, pivot: int, k: int) -> None:
        """Divide row k by the coefficient of the pivot and remove that from all other rows."""
        row, leading = self.rows[k], self.rows[k][pivot]
        if leading != 1:
            for unknown in row:
                row[unknown] /= leading
        self.pivot_of[k] = pivot
        for other in list(self.holders[pivot]):
            if other != k:
                self._subtract(other, k, self.rows[other][pivot])

    def _subtract(self, other: int, k: int, factor: fmpq) -> None:
        target = self.rows[other]
        for unknown, value in self.rows[k].items():
            total = target.get(unknown, fmpq(0)) - factor * value
            if total != 0:
                target[unknown] = total
                if unknown >= 0:
                    self.holders[unknown].add(other)
            else:
                target.pop(unknown, None)
                if unknown >= 0:
                    self.holders[unknown].discard(other)

    def solve_shortest(self) -> bool:
        """Take one of the rows without a pivot, the shortest at the start first; False if none."""
        while self._waiting:
            k = self._waiting.pop()
            if k in self.pivot_of:
                continue
            unknowns = [unknown for unknown in self.rows[k] if unknown >= 0]
            if unknowns:
                rarest = min(unknowns, key=lambda u: (len(self.holders[u]), u))
                self.eliminate(rarest, k)
                return True
        return False
