"""From numbers to proofs: exact Gram matrices near numerical ones.

Positive definite solutions are rounded and projected onto the equations.  Singular ones are first
restricted to the face that they live on (`facial`), as often as is needed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from math import ceil, log2

import numpy as np
from flint import fmpq, fmpq_mat, fmpz_mat
from numpy.typing import NDArray

from tasks.sos.gram.facial import (
    Face,
    GramEquations,
    centered_on_face,
    column_weights,
    face_of,
    free_values,
    identity_face,
    kernels,
    rational_complements,
    restricted,
    scaled_eigenvalues,
)
from tasks.sos.gram.positivity import as_floats, is_positive_definite, is_positive_semidefinite
from tasks.sos.gram.problem import GramProblem
from tasks.sos.proofs.determined import (
    Determined,
    complements_of_determined,
    determined_entries,
    determined_on_face,
)
from tasks.sos.proofs.faces_of_forms import complements_of_forms
from tasks.sos.proofs.refinement import refined_complements
from tasks.sos.proofs.zeros import DIGITS_PER_ENTRY, Zero, real_zeros, relations

logger = logging.getLogger(__name__)

ROUNDINGS = (6, 12, 20, 28, 36, 44, 52)
"""Bits after the point of rounded Gram matrices, fewest first."""
LARGEST_ZERO = 1e-3
"""Largest eigenvalue relative to the diagonal that may count as 0: a solver that stops at an error
of e leaves sqrt(e) in a flat problem, 3e-4 at its tolerance of 1e-7."""
CLEAR_GAP = 30.0
"""Ratio of neighboring eigenvalues between which a threshold may lie: narrower gaps are common
among nonzero eigenvalues.  A wrong guess costs time, it proves nothing."""
MAX_THRESHOLDS = 4
"""Guesses of the rank, each refined to many digits: they bound the time, not what is true."""
MAX_REDUCTIONS = 6
"""Faces of faces: each has fewer free dimensions, and is solved again."""
MAX_RELATIONS = 200
"""Monomials of a block among which integer relations are looked for: about 20 s, as size**4."""

BlockZeros = Callable[[int], list[list[Zero]]]
"""From a precision in bits to zeros by block: points x with z_b(x) in the kernel of Q_b."""


@dataclass(frozen=True)
class ExactGrams:
    """Positive semidefinite rational Gram matrices of a polynomial.

    Attributes
    ----------
    grams : tuple of fmpq_mat (m_b, m_b)
    method : str
        ``unique``, ``projection``, ``grid`` or ``facial reduction``.
    reductions : int
        Facial reductions.
    """

    grams: tuple[fmpq_mat, ...]
    method: str
    reductions: int = 0


def unique_grams(problem: GramProblem) -> list[fmpq_mat]:
    """Gram matrices of a problem with K = 0."""
    zero = [np.zeros((size, size)) for size in problem.sizes]
    return problem.exact_projection(zero, 0)


def prove_unique(problem: GramProblem) -> ExactGrams | None:
    """Decide a problem with K = 0 exactly: its Gram matrices, or None if they are not PSD."""
    grams = unique_grams(problem)
    if all(is_positive_definite(gram) or is_positive_semidefinite(gram) for gram in grams):
        return ExactGrams(tuple(grams), "unique")
    return None


def prove_by_projection(
    problem: GramEquations, grams: Sequence[NDArray[np.float64]]
) -> ExactGrams | None:
    """Round and project positive definite Gram matrices; None if no rounding keeps them so."""
    lowest = min((float(np.linalg.eigvalsh(gram)[0]) for gram in grams if len(gram)), default=1.0)
    size = max(map(len, grams), default=0)
    for bits in ROUNDINGS:
        # In norm, the rounding errors of all entries together are below size * 2**-bits.
        if size * 2.0**-bits > max(lowest, 0.0) and bits != ROUNDINGS[-1]:
            continue
        exact = problem.exact_projection(grams, bits)
        if all(map(is_positive_definite, exact)):
            return ExactGrams(tuple(exact), "projection")
    return None


def prove_on_face(
    problem: GramProblem,
    grams: Sequence[NDArray[np.float64]],
    weights: Sequence[NDArray[np.float64]],
    *,
    seed: int = 0,
) -> ExactGrams | None:
    """Reduce to faces until a positive definite solution can be rounded; None if none was found.

    Faces are guessed from the kernels of the matrices, then from the same kernels to many digits,
    then from the real zeros of the polynomial.
    """

    def zeros(bits: int) -> list[list[Zero]]:
        return [real_zeros(problem.polynomial, bits=bits, seed=seed)] * len(problem.bases)

    refined = chain(
        _faces_of_determined(determined_entries(problem), grams, weights),
        _faces_of_forms(problem),
        _faces_of_refined_kernels(problem, grams, weights),
    )
    return prove_equations_on_face(
        problem, problem.bases, grams, weights, zeros=zeros, refined=refined
    )


def prove_equations_on_face(
    equations: GramEquations,
    bases: Sequence[NDArray[np.int32]],
    grams: Sequence[NDArray[np.float64]],
    weights: Sequence[NDArray[np.float64]],
    *,
    zeros: BlockZeros,
    refined: Iterable[list[fmpz_mat]] = (),
    is_bounded: bool = True,
) -> ExactGrams | None:
    """As `prove_on_face`, for any equations.

    Parameters
    ----------
    equations : GramEquations
    bases : sequence of int32 (m_b, n)
        Monomials z_b that the rows of every block stand for.
    grams : sequence of float64 (m_b, m_b)
        Numerical solution.
    weights : sequence of float64 (m_b,)
        Scale of the diagonal of every block.
    zeros : callable
        Called only if the kernels of the matrices were not sufficient.
    refined : iterable of list of fmpz_mat
        Further guesses, looked at before the zeros.
    is_bounded : bool
        Whether the solutions are known to be a bounded set.
    """
    guesses = chain(_faces_of_kernels(grams, weights), refined, _faces_of_zeros(bases, zeros))
    for guess in guesses:
        try:
            face = face_of(equations, guess)
        except OverflowError as error:
            logger.info("a face is left out: %s", error)
            continue
        if face is None:
            continue
        search = _Search(equations, is_bounded)
        proof = search.prove_within(face, restricted(face, grams), 1)
        if proof is not None:
            return proof
    return None


def _faces_of_kernels(
    grams: Sequence[NDArray[np.float64]], weights: Sequence[NDArray[np.float64]]
) -> Iterator[list[fmpz_mat]]:
    """Guess faces from numerical kernels."""
    for threshold in thresholds(grams, weights):
        found = kernels(grams, weights, threshold)
        if any(kernel.shape[1] for kernel in found):
            yield from _complements(found)


def _faces_of_determined(
    blocks: Sequence[Determined],
    grams: Sequence[NDArray[np.float64]],
    weights: Sequence[NDArray[np.float64]],
) -> Iterator[list[fmpz_mat]]:
    """The face of the singular principal submatrices that are known exactly."""
    levels = thresholds(grams, weights)
    found = [kernels(grams, weights, level) for level in levels]
    scaled = [
        [kernel[b] * np.sqrt(weight)[:, None] for kernel in found]
        for b, weight in enumerate(weights)
    ]
    bases = complements_of_determined(blocks, scaled)
    if bases is not None:
        yield bases


def _faces_of_forms(problem: GramProblem) -> Iterator[list[fmpz_mat]]:
    """The face of the forms that depend on fewer variables."""
    bases = complements_of_forms(problem)
    if bases is not None:
        yield bases


def thresholds(
    grams: Sequence[NDArray[np.float64]], weights: Sequence[NDArray[np.float64]]
) -> list[float]:
    """Values that may separate the zero eigenvalues from the others, the widest gaps first.

    Empty if an eigenvalue overflows.
    """
    values = np.sort(np.abs(np.concatenate([*map(scaled_eigenvalues, grams, weights), [1.0]])))
    if not np.isfinite(values).all():
        return []
    values = np.maximum(values, 1e-14)
    ratios = values[1:] / values[:-1]
    gaps = [k for k in np.argsort(-ratios) if values[k] < LARGEST_ZERO and ratios[k] > CLEAR_GAP]
    return [float(np.sqrt(values[k] * values[k + 1])) for k in gaps[:MAX_THRESHOLDS]]


def _faces_of_refined_kernels(
    problem: GramProblem,
    grams: Sequence[NDArray[np.float64]],
    weights: Sequence[NDArray[np.float64]],
) -> Iterator[list[fmpz_mat]]:
    """Guess faces from kernels to many digits."""
    for threshold in thresholds(grams, weights):
        bases = refined_complements(problem, grams, weights, threshold)
        if bases is not None:
            yield bases


def _faces_of_zeros(
    bases: Sequence[NDArray[np.int32]], zeros: BlockZeros
) -> Iterator[list[fmpz_mat]]:
    """Guess the face from integer relations at the zeros."""
    size = max(map(len, bases))
    if size > MAX_RELATIONS:
        logger.info("no relations among %d monomials are looked for: too many", size)
        return
    digits = DIGITS_PER_ENTRY * size
    found = zeros(ceil(digits * log2(10)) + 64)
    if any(found):
        yield [
            relations(basis, points, digits=digits) if points else identity_face(len(basis))
            for basis, points in zip(bases, found, strict=True)
        ]


def _complements(found: Sequence[NDArray[np.float64]]) -> Iterator[list[fmpz_mat]]:
    """Guesses for all blocks together: the first of each, the second of each, and so on."""
    guesses = [list(rational_complements(kernel)) for kernel in found]
    if not all(guesses):
        return
    for combination in zip_longest(*guesses):
        yield [
            guess if guess is not None else options[-1]
            for guess, options in zip(combination, guesses, strict=True)
        ]


@dataclass(frozen=True)
class _Search:
    """The search for a positive definite solution on ever smaller faces."""

    equations: GramEquations
    is_bounded: bool

    def prove_within(
        self, face: Face, near: Sequence[NDArray[np.float64]], reductions: int
    ) -> ExactGrams | None:
        """Round on a face, from a given point or from its center; else reduce once more."""
        proof = _prove_by_rounding(face, near, reductions)
        if proof is not None or not face.num_free or reductions >= MAX_REDUCTIONS:
            return proof
        try:
            blocks = centered_on_face(face, near, is_bounded=self.is_bounded)
        except (ValueError, np.linalg.LinAlgError):
            return None
        proof = _prove_by_rounding(face, blocks, reductions)
        if proof is not None:
            return proof
        weights = face_weights(face, blocks)
        floats = [as_floats(fmpq_mat(basis)) for basis in face.bases]
        lifted = [v @ block @ v.T for v, block in zip(floats, blocks, strict=True)]
        known = _faces_of_determined(determined_on_face(face), blocks, weights)
        for bases in chain(_faces_of_kernels(blocks, weights), known):
            products = [old * new for old, new in zip(face.bases, bases, strict=True)]
            inner = face_of(self.equations, products)
            if inner is None:
                continue
            near_inner = restricted(inner, lifted)
            proof = self.prove_within(inner, near_inner, reductions + 1)
            if proof is not None:
                return proof
        return None


def unit_weights(blocks: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Weights that compare all eigenvalues with the largest entry, since a block may be zero."""
    scale = max((float(np.abs(block).max(initial=0.0)) for block in blocks), default=0.0)
    return [np.full(len(block), max(scale, 1e-300)) for block in blocks]


def face_weights(face: Face, blocks: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """As `unit_weights`, at the scale of the columns of V."""
    weights = column_weights(face)
    scale = max(
        float(np.abs(block / np.sqrt(np.outer(weight, weight))).max(initial=0.0))
        for block, weight in zip(blocks, weights, strict=True)
    )
    return [weight * max(scale, 1e-300) for weight in weights]


def _prove_by_rounding(
    face: Face, near: Sequence[NDArray[np.float64]], reductions: int
) -> ExactGrams | None:
    """Round the parameters of a face; None if no rounding is positive definite."""
    y = free_values(face, near)
    # Units follow the lengths of the columns of V.
    roots = [np.sqrt(np.outer(weight, weight)) for weight in column_weights(face)]
    shifts = np.ceil(-np.log2(free_values(face, roots))).astype(int).tolist()
    for bits in ROUNDINGS if face.num_free else ROUNDINGS[:1]:
        numerators = np.rint(np.ldexp(y, bits + np.array(shifts, dtype=int))).tolist()
        rounded = [
            fmpq(int(v), 1 << bits + shift) for v, shift in zip(numerators, shifts, strict=True)
        ]
        blocks = face.at(rounded)
        decide = is_positive_definite if face.num_free else is_positive_semidefinite
        if all(map(decide, blocks)):
            return ExactGrams(tuple(face.embedded(blocks)), "facial reduction", reductions)
    return None
