"""Facial reduction: singular Gram problems, in exact coordinates of the face that they live on.

If every Gram matrix Q of p has a kernel, no rounding of one is positive semidefinite.  If the
columns of an integer matrix V span the orthogonal complement of that kernel, then Q = V R V', and
the equations for R may have a positive definite solution, which can be rounded.

The kernel is read off a numerical solution in the relative interior: its reduced row echelon form
is rationalized.  Nothing depends on whether that was right, since what comes out is checked: the
equations for R are solved exactly, and R is either positive definite or not.

References
----------
Permenter and Parrilo, Partial facial reduction, Math. Program. 2018; Peyrl and Parrilo, Computing
sum of squares decompositions with rational coefficients, 2008.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Protocol

import numpy as np
from flint import fmpq, fmpq_mat, fmpz, fmpz_mat, nmod_mat
from numpy.typing import NDArray
from scipy.linalg import qr

from gpu.lmi import Lmi, maximize_lmi
from tasks.sos.gram.positivity import as_floats

DENOMINATORS = (1, 12, 120, 2520, 100_000)
"""Largest denominators of the rationalized kernel, tried in this order."""
TOLERANCES = (1e-2, 1e-3, 1e-5, 1e-6, 1e-9)
"""Largest errors of rationalized entries with these denominators."""
MAX_UNKNOWNS = 4000
"""Unknowns of a face's equations that are still solved exactly."""
PRIME = 2**31 - 1
ROOM = 1e3
"""Bound on the traces where there is no other, relative to the matrices at the start."""


class GramEquations(Protocol):
    """Linear equations for Gram matrices with integer coefficients on their left sides."""

    @property
    def coefficients(self) -> Sequence[fmpq]:
        """Right-hand sides."""
        ...

    def face_columns(self, bases: Sequence[fmpz_mat]) -> Iterator[dict[int, int]]:
        """Left sides, by equation, at ``V_b E V_b'``: E = e_u e_v' + e_v e_u' or e_u e_u'.

        Block after block, u <= v row by row.
        """
        ...

    def exact_projection(self, grams: Sequence[NDArray[np.float64]], bits: int) -> list[fmpq_mat]:
        """Exact solution close to matrices that are rounded to multiples of ``2**-bits``."""
        ...


@dataclass(frozen=True)
class Face:
    """The solutions R(y) = R_0 + sum_k y_k N_k of such equations with Q_b = V_b R_b V_b'.

    Attributes
    ----------
    bases : tuple of fmpz_mat (m_b, r_b)
        V_b, of full column rank.
    particular : fmpq_mat (N, 1)
        R_0: the entries on and above the diagonals, block after block, row by row.
    directions : fmpq_mat (N, K)
        N_k in the same order.
    free : tuple of int
        Entries that are parameters: entry free[k] of R(y) is y_k.
    """

    bases: tuple[fmpz_mat, ...]
    particular: fmpq_mat
    directions: fmpq_mat
    free: tuple[int, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes r_b of the blocks."""
        return tuple(basis.ncols() for basis in self.bases)

    @property
    def num_free(self) -> int:
        """K."""
        return self.directions.ncols()

    def unpack(self, entries: fmpq_mat) -> list[fmpq_mat]:
        """Symmetric blocks from their entries on and above the diagonals."""
        values = [row[0] for row in entries.tolist()]
        blocks, offset = [], 0
        for size in self.sizes:
            block = fmpq_mat(size, size)
            for i in range(size):
                for j in range(i, size):
                    block[i, j] = block[j, i] = values[offset]
                    offset += 1
            blocks.append(block)
        return blocks

    def at(self, y: Sequence[fmpq]) -> list[fmpq_mat]:
        """R(y) exactly."""
        if not self.num_free:
            return self.unpack(self.particular)
        return self.unpack(self.particular + self.directions * fmpq_mat(len(y), 1, list(y)))

    def embedded(self, blocks: Sequence[fmpq_mat]) -> list[fmpq_mat]:
        """``V_b R_b V_b'``."""
        pairs = zip(map(fmpq_mat, self.bases), blocks, strict=True)
        return [basis * block * basis.transpose() for basis, block in pairs]


def kernels(
    grams: Sequence[NDArray[np.float64]],
    weights: Sequence[NDArray[np.float64]],
    threshold: float,
) -> list[NDArray[np.float64]]:
    """Numerical kernels of Gram matrices, float64 (m_b, k_b) each.

    Eigenvalues below the threshold count as 0, at the scale W^(-1/2) Q W^(-1/2).
    """
    found = []
    for gram, weight in zip(grams, weights, strict=True):
        scale = 1.0 / np.sqrt(weight)
        values, vectors = np.linalg.eigh(gram * scale * scale[:, None])
        found.append(vectors[:, values < threshold] * scale[:, None])
    return found


def scaled_eigenvalues(
    gram: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Eigenvalues of W^(-1/2) Q W^(-1/2), ascending, float64 (m,); undefined beyond floats."""
    scale = 1.0 / np.sqrt(weight)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = gram * scale * scale[:, None]
    if not np.isfinite(scaled).all():
        return np.full(len(scaled), np.nan)
    return np.linalg.eigvalsh(scaled).astype(np.float64)


def rational_complements(vectors: NDArray[np.float64]) -> Iterator[fmpz_mat]:
    """Guess integer bases of the complement of the span of float vectors, simplest first.

    Parameters
    ----------
    vectors : float64 (m, k)
        Linearly independent columns.
    """
    size, rank = vectors.shape
    if rank == 0:
        yield identity_face(size)
        return
    # Pivots: rows on which the columns are well conditioned.
    order = np.asarray(qr(vectors.T, pivoting=True, mode="r")[1])
    pivots, others = order[:rank], order[rank:]
    try:
        ratios = np.linalg.solve(vectors[pivots].T, vectors[others].T).astype(np.float64)
    except np.linalg.LinAlgError:  # dependent columns have no echelon form to guess
        return
    seen = set()
    for limit, tolerance in zip(DENOMINATORS, TOLERANCES, strict=True):
        guess = _rationalized(ratios, limit, tolerance)
        if guess is None or guess in seen:
            continue
        seen.add(guess)
        yield complement(guess, pivots.tolist(), others.tolist())


def identity_face(size: int) -> fmpz_mat:
    """V of a block without a kernel."""
    return fmpz_mat(size, size, [int(i == j) for i in range(size) for j in range(size)])


def _rationalized(
    values: NDArray[np.float64], limit: int, tolerance: float
) -> tuple[tuple[Fraction, ...], ...] | None:
    """Closest fractions with denominators up to a limit; None if one is not close."""
    rows = []
    for line in values.tolist():
        row = tuple(Fraction(value).limit_denominator(limit) for value in line)
        if any(
            abs(float(fraction) - value) > tolerance * max(1.0, abs(value))
            for fraction, value in zip(row, line, strict=True)
        ):
            return None
        rows.append(row)
    return tuple(rows)


def complement(
    ratios: tuple[tuple[Fraction, ...], ...], pivots: list[int], others: list[int]
) -> fmpz_mat:
    """Integer columns orthogonal to the vectors (1 at a pivot, the ratios at the others)."""
    size = len(pivots) + len(others)
    matrix = fmpz_mat(size, len(others))
    for column, other in enumerate(others):
        parts = [row[column] for row in ratios]
        scale = lcm(1, *(part.denominator for part in parts))
        matrix[other, column] = scale
        for pivot, part in zip(pivots, parts, strict=True):
            matrix[pivot, column] = int(-part * scale)
    return matrix


def face_of(problem: GramEquations, bases: Sequence[fmpz_mat]) -> Face | None:
    """Solve linear equations for Gram matrices on a face exactly; None if there is no solution.

    Raises
    ------
    OverflowError
        If there are more than `MAX_UNKNOWNS` unknowns.
    """
    unknowns = sum(basis.ncols() * (basis.ncols() + 1) // 2 for basis in bases)
    if unknowns > MAX_UNKNOWNS:
        raise OverflowError(f"{unknowns} unknowns on the face, at most {MAX_UNKNOWNS}")
    columns = list(problem.face_columns(bases))
    scale = lcm(1, *(int(value.q) for value in problem.coefficients))
    height, width = len(problem.coefficients), len(columns)
    system = fmpz_mat(height, width + 1)
    for place, column in enumerate(columns):
        for row, value in column.items():
            system[row, place] = value
    for row, value in enumerate(problem.coefficients):
        system[row, width] = int(value.p) * (scale // int(value.q))
    return _solved(system, scale, tuple(bases))


def _solved(system: fmpz_mat, scale: int, bases: tuple[fmpz_mat, ...]) -> Face | None:
    """Read the solutions off the reduced row echelon form of (A | scale * c)."""
    width = system.ncols() - 1
    # Most guesses are wrong, and then the equations contradict each other modulo nearly all primes.
    quick, rank = nmod_mat(system, PRIME).rref()
    if rank and all(quick[rank - 1, j] == 0 for j in range(width)):
        return None
    reduced, denominator, rank = system.rref()
    rows = reduced.tolist()[:rank]
    pivots = [next(j for j, value in enumerate(row) if value != 0) for row in rows]
    if pivots and pivots[-1] == width:
        return None
    free = sorted(set(range(width)) - set(pivots))
    particular = fmpq_mat(width, 1)
    directions = fmpq_mat(width, len(free))
    whole = fmpz(scale) * denominator
    for row, pivot in zip(rows, pivots, strict=True):
        particular[pivot, 0] = fmpq(row[width], whole)
        for k, column in enumerate(free):
            directions[pivot, k] = fmpq(-row[column], denominator)
    for k, column in enumerate(free):
        directions[column, k] = fmpq(1)
    return Face(bases, particular, directions, tuple(free))


def restricted(face: Face, grams: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Matrices R_b with V_b R_b V_b' closest to Gram matrices, in floats."""
    inverses = [np.linalg.pinv(as_floats(fmpq_mat(basis))) for basis in face.bases]
    return [inverse @ gram @ inverse.T for inverse, gram in zip(inverses, grams, strict=True)]


def free_values(face: Face, blocks: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The parameters y with R(y) equal to given blocks at the free entries, float64 (K,)."""
    packed = [block[np.triu_indices(len(block))] for block in blocks]
    return np.concatenate([*packed, np.zeros(0)])[list(face.free)]


def column_weights(face: Face) -> list[NDArray[np.float64]]:
    """Scale of the diagonals of R_b if that of Q_b is 1: 1 / |V_j|^2, float64 (r_b,)."""
    found = []
    for basis in face.bases:
        squares = [sum(int(v) * int(v) for v in row) for row in basis.transpose().tolist()]
        found.append(np.array([1 / max(square, 1) for square in squares], dtype=np.float64))
    return found


def centered_on_face(
    face: Face, near: Sequence[NDArray[np.float64]], *, is_bounded: bool = True
) -> list[NDArray[np.float64]]:
    """Solve ``max t : R(y) - t W >= 0`` in floats from a nearby point; the blocks R_b.

    W is the diagonal matrix of `column_weights`.

    Unless the set of all positive semidefinite R(y) is known to be bounded, their traces are.
    """
    weights = column_weights(face)
    roots = [np.sqrt(np.outer(weight, weight)) for weight in weights]
    lmi = _face_lmi(face, weights)
    y = np.append(free_values(face, near), 0.0)
    blocks = [a + b for a, b in zip(lmi.constants, lmi.combination(y), strict=True)]
    if not is_bounded:
        lmi = with_trace_bound(lmi, trace_bound(blocks))
    scaled = [block / root for block, root in zip(blocks, roots, strict=True)]
    scale = max(float(np.abs(block).max(initial=0.0)) for block in scaled) or 1.0
    lowest = min(float(np.linalg.eigvalsh(block)[0]) for block in scaled if len(block))
    y[-1] = lowest - max(1e-3 * scale, abs(lowest))
    point = maximize_lmi(
        lmi,
        np.append(np.zeros(face.num_free), 1.0),
        y,
        stop=lambda point: point.objective >= max(0.2 * point.bound, 1e-7 * scale),
        smallest_mu=1e-11 * scale,
    ).point
    pairs = zip(point.slacks[: len(face.sizes)], weights, strict=True)
    return [slack + point.objective * np.diag(weight) for slack, weight in pairs]


def trace_bound(blocks: Sequence[NDArray[np.float64]]) -> float:
    """A bound on the sum of traces that leaves much room around given matrices."""
    return ROOM * sum(len(block) * float(np.abs(block).max(initial=1.0)) for block in blocks)


def with_trace_bound(lmi: Lmi, bound: float) -> Lmi:
    """Add the block (bound - sum of the traces); the last unknown t counts for nothing there."""
    counts = np.diff(lmi.start)
    unknown = np.repeat(np.arange(lmi.num_variables), counts)
    is_counted = (lmi.row == lmi.column) & (unknown < lmi.num_variables - 1)
    traces = np.bincount(unknown, weights=lmi.value * is_counted, minlength=lmi.num_variables)
    extra = np.flatnonzero(traces)
    place = lmi.start[1:][extra]
    last = len(lmi.constants)
    total = sum(float(np.trace(constant)) for constant in lmi.constants)
    return Lmi(
        constants=(*lmi.constants, np.array([[bound - total]])),
        start=np.concatenate([[0], np.cumsum(counts + (traces != 0))]).astype(np.int64),
        block=np.insert(lmi.block, place, last),
        row=np.insert(lmi.row, place, 0),
        column=np.insert(lmi.column, place, 0),
        value=np.insert(lmi.value, place, -traces[extra]),
    )


def _face_lmi(face: Face, weights: Sequence[NDArray[np.float64]]) -> Lmi:
    """Unknowns: y, then t."""
    places = [
        (b, i, j)
        for b, size in enumerate(face.sizes)
        for i, j in zip(*np.triu_indices(size), strict=True)
    ]
    block, row, column = np.array(places, dtype=np.int64).reshape(-1, 3).T
    values = as_floats(face.directions).T  # (K, N)
    unknown, entry = np.nonzero(values)
    diagonal = np.flatnonzero(row == column)
    chosen = np.concatenate([entry, diagonal])
    counts = np.append(np.bincount(unknown, minlength=face.num_free), len(diagonal))
    return Lmi(
        constants=tuple(map(as_floats, face.unpack(face.particular))),
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        block=block[chosen],
        row=row[chosen],
        column=column[chosen],
        value=np.concatenate([values[unknown, entry], -np.concatenate(weights)]),
    )
