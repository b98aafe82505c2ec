"""Integer vectors modulo the rows of an integer matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.coloring.checker.walks import Offset


@dataclass(frozen=True)
class Residues:
    """Vectors modulo rows in echelon form, row a being 0 before its positive entry a."""

    rows: tuple[Offset, ...]

    @classmethod
    def of(cls, rows: Sequence[Offset]) -> Residues:
        """Vectors modulo independent rows, by Euclid's algorithm on columns."""
        left = [list(row) for row in rows]
        done: list[Offset] = []
        for column in range(len(rows)):
            while len(nonzero := [row for row in left if row[column]]) > 1:
                least = min(nonzero, key=lambda row: abs(row[column]))
                for row in nonzero:
                    if row is not least:
                        quotient = row[column] // least[column]
                        row[:] = [x - quotient * y for x, y in zip(row, least, strict=True)]
            pivot = nonzero[0]
            left = [row for row in left if row is not pivot]
            done.append(tuple(pivot) if pivot[column] > 0 else tuple(-x for x in pivot))
        return cls(tuple(done))

    def of_offset(self, offset: Offset) -> Offset:
        """The representative with entry a from 0 to row a's pivot less 1."""
        for column, row in enumerate(self.rows):
            quotient = offset[column] // row[column]
            if quotient:
                offset = tuple([x - quotient * y for x, y in zip(offset, row, strict=True)])
        return offset
