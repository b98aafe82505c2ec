"""Faces from singular principal submatrices that the equations determine.

Where the only entry of a class is Q_ij, the equations tell Q_ij exactly.  If a principal submatrix
of such entries has the kernel vector v, then every positive semidefinite Q has Qv = 0, with zeros
in the other rows of v.  That needs no digits and no strict complementarity: numerical kernels only
say where to look, by the places at which a reduced echelon form of them is not zero.  On the face
more entries are determined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from flint import fmpq, fmpq_mat, fmpz_mat
from numpy.typing import NDArray
from scipy.linalg import qr

from tasks.sos.gram.facial import Face, complement, identity_face
from tasks.sos.gram.problem import GramProblem

NEGLIGIBLE = 1e-4
"""Entries of an echelon form that count as 0, relative to the largest of the row: above the errors
of numerical kernels.  They only say where to look; the kernel vector is computed exactly."""


@dataclass(frozen=True)
class Determined:
    """Entries of a block that are the same in all solutions.

    Attributes
    ----------
    is_known : bool (m, m)
    values : fmpq_mat (m, m)
        Only the known ones mean something.
    """

    is_known: NDArray[np.bool_]
    values: fmpq_mat


def determined_entries(problem: GramProblem) -> list[Determined]:
    """Entries that are alone in their class."""
    entries = problem.entries
    is_alone = entries.counts == 1
    found = []
    for rows in problem.rows:
        values = fmpq_mat(len(rows), len(rows))
        for i, row in enumerate(rows.tolist()):
            for j, monomial in enumerate(row):
                values[i, j] = problem.coefficients[monomial] / (1 if i == j else 2)
        found.append(Determined(is_alone[rows], values))
    return found


def determined_on_face(face: Face) -> list[Determined]:
    """Entries of R(y) that depend on no parameter."""
    rows = face.directions.tolist() if face.num_free else [[]] * face.particular.nrows()
    constant = [all(value == 0 for value in row) for row in rows]
    found, offset = [], 0
    for size, values in zip(face.sizes, face.unpack(face.particular), strict=True):
        upper = np.array(constant[offset : offset + size * (size + 1) // 2], dtype=bool)
        known = np.zeros((size, size), dtype=bool)
        known[np.triu_indices(size)] = upper
        found.append(Determined(known | known.T, values))
        offset += len(upper)
    return found


def complements_of_determined(
    blocks: Sequence[Determined], kernels: Sequence[Sequence[NDArray[np.float64]]]
) -> list[fmpz_mat] | None:
    """Integer bases of the complements of exact kernel vectors; None if there are none.

    Parameters
    ----------
    blocks : sequence of Determined
    kernels : sequence of sequences of float64 (m_b, k)
        What may be the kernel of every block, at a scale where its entries can be compared.
    """
    vectors = [
        [vector for kernel in guesses for vector in _exact_vectors(block, kernel)]
        for block, guesses in zip(blocks, kernels, strict=True)
    ]
    if not any(vectors):
        return None
    return [
        complement_of_span(found, block.values.nrows())
        if found
        else identity_face(block.values.nrows())
        for found, block in zip(vectors, blocks, strict=True)
    ]


def _exact_vectors(block: Determined, kernel: NDArray[np.float64]) -> list[list[fmpq]]:
    """Kernel vectors of determined principal submatrices, at full length."""
    found = []
    for support in _supports(kernel):
        if not block.is_known[np.ix_(support, support)].all():
            continue
        places = support.tolist()
        minor = fmpq_mat(
            len(places), len(places), [block.values[i, j] for i in places for j in places]
        )
        null, nullity = minor.numer_denom()[0].nullspace()
        for column in range(nullity):
            vector = [fmpq(0)] * len(kernel)
            for row, place in enumerate(places):
                vector[place] = fmpq(null[row, column])
            found.append(vector)
    return found


def _supports(kernel: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Places where the rows of a reduced echelon form are not 0."""
    rank = kernel.shape[1]
    if rank == 0:
        return []
    pivots = np.asarray(qr(kernel.T, pivoting=True, mode="r")[1])[:rank]
    try:
        rows = np.abs(np.linalg.solve(kernel[pivots].T, kernel.T))
    except np.linalg.LinAlgError:  # dependent columns have no echelon form
        return []
    return [np.flatnonzero(row > NEGLIGIBLE * row.max()) for row in rows]


def complement_of_span(vectors: list[list[fmpq]], size: int) -> fmpz_mat:
    """Integer basis of what is orthogonal to these vectors.

    It is sparse, so that entries of R are entries of Q where possible.
    """
    reduced, rank = fmpq_mat(vectors).rref()
    rows = reduced.tolist()[:rank]
    pivots = [next(j for j, value in enumerate(row) if value != 0) for row in rows]
    others = sorted(set(range(size)) - set(pivots))
    ratios = tuple(tuple(Fraction(int(row[j].p), int(row[j].q)) for j in others) for row in rows)
    return complement(ratios, pivots, others)
