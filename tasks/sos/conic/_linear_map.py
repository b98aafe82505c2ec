"""The linear map from Gram matrices and free variables to coefficients of monomials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tasks.records import InputError
from tasks.sos.conic._cone_program import Floats, Indices, svec_indices, svec_length

Terms = Sequence[tuple[float, Indices]]
"""Terms (weight, rows) of a multiplier g: entry (i, j) adds weight to monomial rows[i, j]."""


class GramStructure(Protocol):
    """What the conic forms read of a Gram problem."""

    @property
    def rows(self) -> Sequence[Indices]:
        """Monomial of every entry, (m_b, m_b) per block."""
        ...

    @property
    def monomials(self) -> NDArray[np.int32]:
        """Exponents (S, n)."""
        ...


@dataclass(frozen=True, eq=False)
class LinearMap:
    """M: entries of Gram matrices and free variables -> coefficients of monomials.

    Attributes
    ----------
    matrix
        Float64 csc array (S, E + F). Column e < E belongs to the entry Q_ij, i <= j, unscaled, in
        svec order, block after block, and holds what Q_ij = Q_ji adds to every coefficient. The
        last F columns belong to free variables.
    sizes
        m_1, ..., m_B.
    constant
        Row of the monomial 1, or None.
    """

    matrix: Any
    sizes: tuple[int, ...]
    constant: int | None = None

    @classmethod
    def from_terms(
        cls,
        blocks: Sequence[Terms],
        num_monomials: int,
        *,
        free: Any = None,
        constant: int | None = None,
    ) -> LinearMap:
        """Map of p = Σ_b g_b z_b'Q_b z_b + free part, with multipliers g_b of several terms.

        Parameters
        ----------
        blocks
            Terms (weight, rows) of every g_b; rows are symmetric int64 (m, m).
        num_monomials
            S.
        free
            Sparse or dense (S, F): what every free variable adds, e.g. an equality's multiplier.
        constant
            Row of the monomial 1.

        Raises
        ------
        InputError
            If the terms of a block differ in size, or a row is not in 0, ..., S-1.
        """
        sizes = tuple(_block_size(terms, num_monomials) for terms in blocks)
        starts = np.cumsum([0, *map(svec_length, sizes)])
        parts = [
            _entries(rows, float(weight), int(start))
            for start, terms in zip(starts, blocks, strict=False)
            for weight, rows in terms
        ]
        triples = np.concatenate([np.zeros((3, 0)), *parts], axis=1)
        matrix = sparse.csc_array(
            (triples[2], (triples[0].astype(np.int64), triples[1].astype(np.int64))),
            shape=(num_monomials, int(starts[-1])),
        )
        if free is not None:
            matrix = sparse.hstack([matrix, sparse.csc_array(free)], format="csc")
        return cls(matrix, sizes, constant)

    @classmethod
    def of(cls, problem: LinearMap | GramStructure) -> LinearMap:
        """The map of a problem with `rows` and `monomials`; a LinearMap is its own."""
        if isinstance(problem, LinearMap):
            return problem
        monomials = np.asarray(problem.monomials)
        ones = np.flatnonzero(~monomials.any(axis=1))
        constant = int(ones[0]) if len(ones) else None
        blocks = [[(1.0, rows)] for rows in problem.rows]
        return cls.from_terms(blocks, len(monomials), constant=constant)

    @property
    def num_entries(self) -> int:
        """E = Σ m(m+1)/2."""
        return sum(map(svec_length, self.sizes))

    @property
    def num_free(self) -> int:
        """F."""
        return self.matrix.shape[1] - self.num_entries

    @property
    def is_diagonal(self) -> NDArray[np.bool_]:
        """Which of the E entries are diagonal."""
        parts = [np.equal(*svec_indices(m)) for m in self.sizes]
        return np.concatenate([np.zeros(0, dtype=bool), *parts])

    def apply(self, grams: Sequence[Floats], free: Floats | None = None) -> Floats:
        """Coefficients (S,) that symmetric Gram matrices and free variables give."""
        upper = [gram[svec_indices(m)] for gram, m in zip(grams, self.sizes, strict=True)]
        rest = np.zeros(self.num_free) if free is None else free
        return np.asarray(self.matrix @ np.concatenate([*upper, rest]), dtype=np.float64)


def _block_size(terms: Terms, num_monomials: int) -> int:
    shapes = {np.shape(rows) for _, rows in terms}
    shape = next(iter(shapes), ())
    if len(shapes) != 1 or len(shape) != 2 or shape[0] != shape[1]:
        raise InputError(f"the terms of a block need square rows of one size; got {sorted(shapes)}")
    for _, rows in terms:
        if rows.size and (rows.min() < 0 or rows.max() >= num_monomials):
            raise InputError(
                f"rows must lie in 0..{num_monomials - 1}; got {rows.min()}..{rows.max()}"
            )
    return int(shape[0])


def _entries(rows: Indices, weight: float, start: int) -> Floats:
    """Triples (monomial, column, value) of one term, float64 (3, m(m+1)/2)."""
    i, j = svec_indices(len(rows))
    values = np.where(i == j, 1.0, 2.0) * weight
    return np.stack([rows[i, j], start + np.arange(len(i)), values]).astype(np.float64)
