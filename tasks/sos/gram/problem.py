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

import numpy as np
from flint import fmpq, fmpq_mat, fmpz_mat
from numpy.typing import NDArray

from tasks.lattice import sort_monomials
from tasks.sos.polynomials.polynomial import Polynomial

Grams = tuple[NDArray[np.float64], ...]
"""One symmetric matrix per block."""


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
    """

    polynomial: Polynomial
    bases: tuple[NDArray[np.int32], ...]
    monomials: NDArray[np.int32]
    rows: tuple[NDArray[np.int64], ...]
    coefficients: tuple[fmpq, ...]

    @classmethod
    def of(cls, polynomial: Polynomial, bases: Sequence[NDArray[np.int32]]) -> GramProblem:
        """Set up the classes.  The bases must cover the support (see `uncovered`)."""
        n = polynomial.num_variables
        sums = [(basis[:, None, :] + basis[None, :, :]).reshape(-1, n) for basis in bases]
        stacked = np.concatenate([*sums, np.zeros((0, n), dtype=np.int32)])
        monomials, inverse = _unique_rows(stacked)
        rows, offset = [], 0
        for basis in bases:
            size = len(basis)
            rows.append(inverse[offset : offset + size * size].reshape(size, size))
            offset += size * size
        terms = polynomial.terms()
        coefficients = tuple(terms.get(tuple(row), fmpq(0)) for row in monomials.tolist())
        return cls(polynomial, tuple(bases), monomials, tuple(rows), coefficients)

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
        known = set(map(tuple, self.monomials.tolist()))
        return [row for row in map(tuple, self.polynomial.exponents.tolist()) if row not in known]

    @cached_property
    def class_sizes(self) -> NDArray[np.int64]:
        """Entries of every class, int64 (S,); both triangles count."""
        flat = np.concatenate([rows.ravel() for rows in self.rows])
        return np.bincount(flat, minlength=self.num_monomials)

    @cached_property
    def target(self) -> NDArray[np.float64]:
        """Coefficients in floats, float64 (S,)."""
        return np.array([_as_float(value) for value in self.coefficients])

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
        """Round to multiples of ``2**-bits`` and project exactly onto the equations.

        References
        ----------
        Peyrl and Parrilo, Computing sum of squares decompositions with rational coefficients, 2008.
        """
        rounded = [_rounded(gram, bits) for gram in grams]
        sums = [0] * self.num_monomials
        for numerators, rows in zip(rounded, self.rows, strict=True):
            for row, line in zip(rows.tolist(), numerators, strict=True):
                for monomial, numerator in zip(row, line, strict=True):
                    sums[monomial] += numerator
        unit = fmpq(1, 1 << bits)
        corrections = [
            (value - total * unit) / int(size)
            for value, total, size in zip(self.coefficients, sums, self.class_sizes, strict=True)
        ]
        return [
            _corrected(numerators, rows.tolist(), unit, corrections)
            for numerators, rows in zip(rounded, self.rows, strict=True)
        ]


def _rounded(gram: NDArray[np.float64], bits: int) -> list[list[int]]:
    """Numerators of a symmetric matrix over 2**bits."""
    symmetric = np.ldexp((gram + gram.T) / 2, bits)
    return [[int(value) for value in line] for line in np.rint(symmetric).tolist()]


def _corrected(
    numerators: list[list[int]], rows: list[list[int]], unit: fmpq, corrections: list[fmpq]
) -> fmpq_mat:
    size = len(numerators)
    return fmpq_mat(
        size,
        size,
        [
            numerator * unit + corrections[monomial]
            for line, row in zip(numerators, rows, strict=True)
            for numerator, monomial in zip(line, row, strict=True)
        ],
    )


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


def _unique_rows(rows: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Distinct rows in graded lexicographic order, and the place of every given row among them."""
    distinct, inverse = np.unique(rows, axis=0, return_inverse=True)
    ordered = sort_monomials(distinct)
    place = {tuple(row): index for index, row in enumerate(ordered.tolist())}
    order = np.array([place[tuple(row)] for row in distinct.tolist()], dtype=np.int64)
    return ordered, order[inverse.reshape(-1)]


def _as_float(value: fmpq) -> float:
    """Correctly rounded quotient."""
    return int(value.p) / int(value.q)
