"""Reductions of Gram problems, each with what undoes it.

* `Restriction` and `sign_symmetry_blocks`: a Gram matrix made of smaller ones.
* `VariableScaling`: variables multiplied by powers of two.
* `term_sparsity_blocks`, `correlative_cliques`: blocks that may lose something.

A *sign symmetry* of p is a change of signs r in {0, 1}ⁿ of the variables with p((-1)^r x) = p(x),
that is r·a even for all terms a. Averaging a Gram matrix over the sign symmetries removes every
entry (b, b') for which some r·(b + b') is odd. So b and b' share a block iff b + b' is, modulo 2,
orthogonal to all sign symmetries: iff it is in the span of the terms over the field with two
elements.

References
----------
Löfberg: Pre- and post-processing sum-of-squares programs in practice, IEEE TAC 54 (2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from flint import fmpq_mat
from numpy.typing import ArrayLike, NDArray

from tasks.lattice.monomials import Rows, as_rows, row_keys
from tasks.records import InputError
from tasks.sos.bases._diagonal import group_indices
from tasks.sos.bases.scaling import VariableScaling
from tasks.sos.bases.sparsity import (
    Indices,
    correlative_cliques,
    term_sparsity_blocks,
)

__all__ = [
    "Restriction",
    "VariableScaling",
    "correlative_cliques",
    "sign_symmetry_blocks",
    "term_sparsity_blocks",
]

Matrix = TypeVar("Matrix", NDArray[np.float64], fmpq_mat)


def sign_symmetry_blocks(basis: ArrayLike, support: ArrayLike) -> list[Indices]:
    """Indices of the basis (m, n) by block, ascending; blocks by their first element.

    O((T + m) n²) operations on bits.

    >>> terms = [[4, 2], [2, 4], [2, 2], [0, 0]]
    >>> basis = [[2, 1], [1, 2], [1, 1], [0, 0]]
    >>> [block.tolist() for block in sign_symmetry_blocks(basis, terms)]
    [[0], [1], [2], [3]]
    """
    rows, parities = as_rows(basis), as_rows(support) & 1
    if not len(rows):
        return []
    [keys] = row_keys(parities)
    parities = parities[np.unique(keys, return_index=True)[1]]
    rest = (rows & 1).astype(np.uint8)
    for pivot, row in _echelon_form(parities.astype(np.uint8)):
        rest ^= rest[:, pivot, None] & row
    [keys] = row_keys(rest)
    return group_indices(keys)


def _echelon_form(rows: NDArray[np.uint8]) -> list[tuple[int, NDArray[np.uint8]]]:
    """A basis of the span modulo 2, each row with a column where all later ones vanish."""
    found: list[tuple[int, NDArray[np.uint8]]] = []
    rows = rows[rows.any(axis=1)]
    while len(rows):
        row = rows[0]
        pivot = int(row.argmax())
        found.append((pivot, row))
        rows = rows[1:] ^ (rows[1:, pivot, None] & row)
        rows = rows[rows.any(axis=1)]
    return found


@dataclass(frozen=True)
class Restriction:
    """A Gram matrix of a basis, made of matrices of parts of it.

    Attributes
    ----------
    size
        Size m of the whole basis.
    blocks
        Indices of each part, distinct within a part. Elements in no part have zero rows; parts
        may overlap.
    """

    size: int
    blocks: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, size: int, blocks: Sequence[ArrayLike]) -> Restriction:
        """Check the indices.

        Raises
        ------
        InputError
            If an index is out of range or occurs twice in a part.
        """
        parts = tuple(tuple(int(i) for i in np.asarray(block).reshape(-1)) for block in blocks)
        for part in parts:
            if len(set(part)) < len(part) or not all(0 <= i < size for i in part):
                raise InputError(
                    f"block {list(part)[:10]}: give distinct indices from 0 to {size - 1}"
                )
        return cls(size, parts)

    def bases(self, basis: Rows) -> tuple[Rows, ...]:
        """The parts of a basis (m, n)."""
        return tuple(basis[list(block)] for block in self.blocks)

    def apply(self, gram: Matrix) -> tuple[Matrix, ...]:
        """The principal submatrices of the parts.

        Undone by `invert` if the parts are disjoint and the matrix vanishes outside of them.
        """
        return tuple(_submatrix(gram, block) for block in self.blocks)

    def invert(self, grams: Sequence[Matrix]) -> Matrix:
        """The sum of the matrices of the parts, each embedded in (m, m) by zeros.

        It represents the same polynomial, and is semidefinite if they all are.
        """
        if len(grams) != len(self.blocks):
            raise InputError(f"{len(grams)} Gram matrices for {len(self.blocks)} blocks")
        arrays = [gram for gram in grams if isinstance(gram, np.ndarray)]
        total: Any = fmpq_mat(self.size, self.size)
        if len(arrays) == len(grams):
            total = np.zeros((self.size, self.size))
        for gram, block in zip(grams, self.blocks, strict=True):
            for i, row in enumerate(block):
                for j, column in enumerate(block):
                    total[row, column] += gram[i, j]
        return total


def _submatrix(gram: Any, block: Sequence[int]) -> Any:
    """The rows and columns of these indices."""
    if isinstance(gram, np.ndarray):
        return gram[np.ix_(block, block)]
    entries = [gram[i, j] for i in block for j in block]
    return fmpq_mat(len(block), len(block), entries)
