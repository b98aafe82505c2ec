"""Gram problems: positive semidefinite Q_1..Q_B with ``sum_b z_b' Q_b z_b = p``.

z_b is the vector of the monomials of basis b.  Entry (i, j) of block b belongs to the monomial
``basis_b[i] + basis_b[j]``; the entries of one monomial, over all blocks, form its *class*, and the
equations say that the entries of a class add up to the coefficient of p.  Classes are disjoint, so
the affine space of solutions has dimension

    K = sum_b m_b (m_b + 1) / 2 - S

with S monomials, and the orthogonal projection onto it corrects every entry of a class by the same
amount.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import lcm
from typing import Any

import numpy as np
from flint import fmpq, fmpq_mat, fmpz_mat
from numpy.typing import NDArray

from tasks.lattice import positions, rank_monomials
from tasks.sos.gram.entries import Entries
from tasks.sos.polynomials.polynomial import Polynomial

Grams = tuple[NDArray[np.float64], ...]
"""One symmetric matrix per block."""
_INT64_ROOM = 2**60


@dataclass(frozen=True)
class GramProblem:
    """A polynomial and the bases of its squares.

    Attributes
    ----------
    polynomial : Polynomial
    bases : tuple of int32 (m_b, n)
    monomials : int32 (S, n)
        All sums of two elements of a basis, in graded lexicographic order.
    rows : tuple of int64 (m_b, m_b)
        Index in `monomials` of every entry.
    coefficients : tuple of fmpq
        Coefficients of the monomials in the polynomial, most of them 0.
    terms : int64 (T,)
        Index in `monomials` of every term of the polynomial; -1 if no product gives it.
    """

    polynomial: Polynomial
    bases: tuple[NDArray[np.int32], ...]
    monomials: NDArray[np.int32]
    rows: tuple[NDArray[np.int64], ...]
    coefficients: tuple[fmpq, ...]
    terms: NDArray[np.int64]

    @classmethod
    def of(cls, polynomial: Polynomial, bases: Sequence[NDArray[np.int32]]) -> GramProblem:
        """Set up the classes.  The bases must cover the support (see `uncovered`)."""
        n = polynomial.num_variables
        sums = [(basis[:, None, :] + basis[None, :, :]).reshape(-1, n) for basis in bases]
        stacked = np.concatenate([*sums, np.zeros((0, n), dtype=np.int32)])
        monomials, index = rank_monomials(stacked)
        rows, offset = [], 0
        for basis in bases:
            size = len(basis)
            rows.append(index[offset : offset + size * size].reshape(size, size))
            offset += size * size
        found = [fmpq(0)] * len(monomials)
        terms = positions(polynomial.exponents, monomials)
        for at, value in zip(terms.tolist(), polynomial.coefficients, strict=True):
            if at >= 0:
                found[at] = value
        return cls(polynomial, tuple(bases), monomials, tuple(rows), tuple(found), terms)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes m_b of the blocks."""
        return tuple(len(basis) for basis in self.bases)

    @property
    def num_monomials(self) -> int:
        """S."""
        return len(self.monomials)

    @property
    def num_free(self) -> int:
        """K, the dimension of the space of Gram matrices."""
        return sum(size * (size + 1) // 2 for size in self.sizes) - self.num_monomials

    @property
    def uncovered(self) -> list[tuple[int, ...]]:
        """Monomials of the polynomial that no product of two basis monomials gives."""
        return list(map(tuple, self.polynomial.exponents[self.terms < 0].tolist()))

    @cached_property
    def entries(self) -> Entries:
        """The entries on and above the diagonals."""
        return Entries.of(self.rows, self.num_monomials)

    @property
    def class_sizes(self) -> NDArray[np.int64]:
        """Entries of every class, int64 (S,); both triangles count."""
        return self.entries.sizes

    @cached_property
    def target(self) -> NDArray[np.float64]:
        """Coefficients in floats, float64 (S,)."""
        floats, coefficients = np.zeros(self.num_monomials), self.polynomial.coefficients
        values = np.fromiter(map(float, coefficients), np.float64, len(coefficients))
        is_covered = self.terms >= 0
        floats[self.terms[is_covered]] = values[is_covered]
        return floats

    def class_sums(self, grams: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Coefficients of ``sum_b z_b' Q_b z_b``, float64 (S,)."""
        flat = np.concatenate([rows.ravel() for rows in self.rows])
        values = np.concatenate([gram.ravel() for gram in grams])
        sums = np.bincount(flat, weights=values, minlength=self.num_monomials)
        return sums.astype(np.float64)

    def projected(self, grams: Sequence[NDArray[np.float64]]) -> Grams:
        """Return the closest matrices that satisfy the equations, in floats."""
        change = (self.target - self.class_sums(grams)) / self.class_sizes
        return tuple(gram + change[rows] for gram, rows in zip(grams, self.rows, strict=True))

    def moment_matrices(self, moments: NDArray[np.float64]) -> Grams:
        """Matrices with entry ``moments[class]``."""
        return tuple(moments[rows] for rows in self.rows)

    def face_columns(self, bases: Sequence[fmpz_mat]) -> Iterator[dict[int, int]]:
        """Coefficients of ``z' V E V' z`` for the unit matrices E of all blocks, by class."""
        for basis, rows in zip(bases, self.rows, strict=True):
            yield from _columns(basis, rows)

    def exact_projection(self, grams: Sequence[NDArray[np.float64]], bits: int) -> list[fmpq_mat]:
        """Round to multiples of ``2**-bits`` and correct, so that the equations hold exactly.

        What is missing in a class is spread evenly in such multiples; its pivot takes the rest.
        Hence the entries have few digits where the coefficients have.

        References
        ----------
        Peyrl and Parrilo, Computing sum of squares decompositions with rational coefficients, 2008.
        """
        return self.rounded(grams, 1 << bits)

    def rounded(self, grams: Sequence[NDArray[np.float64]], denominator: int) -> list[fmpq_mat]:
        """As `exact_projection`, to multiples of ``1 / denominator``."""
        entries = self.entries
        whole = 2 * lcm(denominator, self.denominator)
        numerators = [int(c.p) * (whole // int(c.q)) if c else 0 for c in self.coefficients]
        unit = whole // denominator
        symmetric = [np.rint((gram + gram.T) * (denominator / 2)) for gram in grams]
        upper = np.concatenate([gram[np.triu_indices(len(gram))] for gram in symmetric])
        values = _integers(upper, scale=unit, others=numerators)
        missing, sizes = np.array(numerators, values.dtype), self.class_sizes.astype(values.dtype)
        np.subtract.at(missing, entries.classes, values * entries.share)
        lift = missing // (sizes * unit) * unit
        values += lift[entries.classes]
        missing -= lift * sizes
        values[entries.pivot_of_class] += missing // entries.share[entries.pivot_of_class]
        return self._blocks(values, whole)

    @cached_property
    def denominator(self) -> int:
        """The common one of the coefficients."""
        return lcm(1, *{int(value.q) for value in self.coefficients if value})

    def _blocks(self, upper: NDArray[Any], denominator: int) -> list[fmpq_mat]:
        """Symmetric blocks with given numerators on and above the diagonals."""
        blocks, offset = [], 0
        for size in self.sizes:
            count = size * (size + 1) // 2
            matrix = np.empty((size, size), dtype=upper.dtype)
            row, column = np.triu_indices(size)
            matrix[row, column] = matrix[column, row] = upper[offset : offset + count]
            blocks.append(fmpq_mat(fmpz_mat(size, size, matrix.ravel().tolist())) / denominator)
            offset += count
        return blocks


def _integers(values: NDArray[np.float64], *, scale: int, others: list[int]) -> NDArray[Any]:
    """Multiples of whole numbers: int64 (N,) if sums of all of them and others are, else objects.

    Sums over classes, and what is added to make up for them, stay below the bound on all sums.
    """
    total = float(np.abs(values).sum())
    if total < _INT64_ROOM:
        whole = (int(total) + len(values)) * scale + sum(map(abs, others))
        if whole < _INT64_ROOM:
            return values.astype(np.int64) * scale
    return np.array([int(value) * scale for value in values.tolist()], dtype=object)


def _columns(basis: fmpz_mat, rows: NDArray[np.int64]) -> Iterator[dict[int, int]]:
    """Coefficients of ``z' V E V' z`` for the unit matrices E of a block, by class."""
    entries = basis.tolist()
    sparse = [
        [(i, int(line[u])) for i, line in enumerate(entries) if line[u] != 0]
        for u in range(basis.ncols())
    ]
    classes = rows.tolist()
    for u, left in enumerate(sparse):
        for v in range(u, len(sparse)):
            column: dict[int, int] = {}
            for i, a in left:
                for j, b in sparse[v]:
                    row = classes[i][j]
                    column[row] = column.get(row, 0) + (a * b if u == v else 2 * a * b)
            yield column
