"""From a polynomial to a proof, a refutation, or an honest "undecided".

The way goes from cheap to dear: trivial cases; variables scaled; monomials a of terms 2a (*even
square roots*), then half of the Newton polytope; diagonal consistency; blocks by sign symmetries.
A Gram problem with K = 0 is decided exactly.  Else numbers say where to look: a positive definite
Gram matrix is rounded, a singular one restricted to its face, a separating functional rounded.
Whatever is claimed is checked in exact arithmetic; numbers alone never prove anything.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tasks.records import BudgetExceeded
from tasks.sos._shortcuts import decide_at_last, decide_at_once, find_point
from tasks.sos._threads import one_blas_thread
from tasks.sos._work import Attempt, Certification, Settings, Work
from tasks.sos.bases.reductions import VariableScaling, sign_symmetry_blocks, term_sparsity_blocks
from tasks.sos.bases.rules import Candidate
from tasks.sos.cascade import bases_to_try
from tasks.sos.certificates import (
    GramBlock,
    NegativeCertificate,
    NotSosCertificate,
    SosCertificate,
)
from tasks.sos.config import Blocks
from tasks.sos.gram.completion import complete_by_rank
from tasks.sos.gram.interior import Feasibility, InteriorSolution, diagonal_weights
from tasks.sos.gram.numerics import QUICK, NotSolvedError, solve_numerically
from tasks.sos.gram.problem import GramProblem, Grams
from tasks.sos.polynomials.polynomial import Polynomial
from tasks.sos.proofs.grid import prove_on_grid
from tasks.sos.proofs.indefinite import unique_functional
from tasks.sos.proofs.refutation import Functional, separating_functional, uncovered_functional
from tasks.sos.proofs.rounding import ExactGrams, prove_by_projection, prove_on_face, prove_unique
from tasks.sos.verdict import Verdict

__all__ = ["NUMERICAL_TOLERANCE", "Attempt", "Certification", "Settings", "certify"]

logger = logging.getLogger(__name__)

NUMERICAL_TOLERANCE = 1e-8
"""Least eigenvalue, relative to the diagonal, of a Gram matrix that counts as semidefinite."""
ROUNDING_BITS = 80
"""Of the Gram matrices that are looked at again before they are called semidefinite."""


@one_blas_thread()
def certify(polynomial: Polynomial, settings: Settings | None = None) -> Certification:
    """Decide whether a polynomial is a sum of squares, with a proof where there is one.

    Parameters
    ----------
    polynomial : Polynomial
    settings : Settings, optional
    """
    settings = settings or Settings()
    identity = VariableScaling((0,) * polynomial.num_variables)
    work = Work(polynomial, settings, identity, polynomial)
    try:
        found = decide_at_once(work)
        if found is not None:
            return found
        work.scaling = VariableScaling.balancing(polynomial)
        work.scaled = work.scaling.apply(polynomial)
        found = _by_bases(work)
        if found.verdict.is_exact:
            return found
        rest = replace(settings, seconds=work.seconds_left)
        return decide_at_last(work, found, partial(certify, settings=rest))
    except BudgetExceeded as error:
        return replace(work.finished(Verdict.UNDECIDED, str(error)), is_over_budget=True)


def _by_bases(work: Work) -> Certification:
    """Try one basis after the other."""
    settings = work.settings
    last: Certification | None = None
    candidates = bases_to_try(work.polynomial, settings.basis, seed=settings.seed)
    while True:
        with work.stage("basis"):
            candidate = next(candidates, None)
        if candidate is None:
            break
        last = _by_basis(work, candidate)
        if last.verdict.is_exact:
            break
    if last is None:
        reason = "the basis covers not all terms, and no repair was possible"
        return work.finished(Verdict.UNDECIDED, reason)
    return last


def _by_basis(work: Work, candidate: Candidate) -> Certification:
    """Decide with one basis, as far as it goes."""
    p = work.scaled
    with work.stage("blocks"):
        problem = GramProblem.of(p, _blocks(candidate.basis, p, work.settings.blocks))
    if problem.uncovered:
        _note(work, candidate, problem, "uncovered")
        return _refuted(work, candidate, uncovered_functional(problem), (), "uncovered term")
    if problem.num_free == 0:
        return _by_unique_grams(work, candidate, problem)
    known = candidate.basis.tobytes()
    if known not in work.solved:
        # A solver that was asked for by name is to be used.
        is_free = work.settings.solver == "auto"
        proof = _proof_by_completion(work, problem) if is_free else None
        if proof is not None:
            _note(work, candidate, problem, "completed")
            return _proved(work, problem, proof)
        return _by_numbers(work, candidate, problem)
    problem, solution = work.solved[known]
    _note(work, candidate, problem, solution.feasibility, solution)
    return _concluded(work, candidate, problem, solution)


def _by_numbers(
    work: Work, candidate: Candidate, problem: GramProblem, *, is_quick: bool = True
) -> Certification:
    """Solve in floats, and conclude from that."""
    known = candidate.basis.tobytes()
    work.tried.discard(known)  # solving again is not a repetition
    try:
        solution = _solution(work, problem, is_quick=is_quick)
    except NotSolvedError as error:
        _note(work, candidate, problem, "not solved")
        return work.finished(Verdict.UNDECIDED, str(error))
    work.solved[known] = problem, solution
    _note(work, candidate, problem, solution.feasibility, solution)
    return _concluded(work, candidate, problem, solution)


def _by_unique_grams(work: Work, candidate: Candidate, problem: GramProblem) -> Certification:
    """Decide exactly where there is one choice of Gram matrices: they are semidefinite or not."""
    _note(work, candidate, problem, "unique")
    with work.stage("prove"):
        proof = prove_unique(problem)
    if proof is not None:
        return _proved(work, problem, proof)
    with work.stage("refute"):
        functional = unique_functional(problem)
    return _refuted(work, candidate, functional, (), "unique Gram matrix")


def _proof_by_completion(work: Work, problem: GramProblem) -> ExactGrams | None:
    """Complete the entries that the equations determine, if they are of low rank."""
    with work.stage("solve"):
        try:
            grams = complete_by_rank(problem, diagonal_weights(problem))
        except (OverflowError, np.linalg.LinAlgError) as error:
            logger.info("the entries are not completed: %s", error)
            return None
    if grams is None:
        return None
    with work.stage("prove"):
        return _proof_on_grid(work, problem, grams)


def _solution(work: Work, problem: GramProblem, *, is_quick: bool) -> InteriorSolution:
    """Solve in floats, within what is left of the time."""
    with work.stage("solve"):
        return solve_numerically(
            problem,
            solver=work.settings.solver,
            is_quick=is_quick,
            seconds=work.seconds_left,
            memory_gib=work.settings.memory_gib,
        )


def _blocks(basis: NDArray[np.int32], p: Polynomial, blocks: Blocks) -> list[NDArray[np.int32]]:
    """Parts of a basis between which the Gram matrix may be 0."""
    if blocks == "sign":
        found = sign_symmetry_blocks(basis, p.exponents)
    else:
        found = term_sparsity_blocks(basis, p.exponents, chordal=blocks == "chordal")
    return [basis[block] for block in found]


def _concluded(
    work: Work, candidate: Candidate, problem: GramProblem, solution: InteriorSolution
) -> Certification:
    """Turn numbers into a proof or a refutation, if that is possible."""
    if solution.feasibility is Feasibility.OUTSIDE:
        with work.stage("refute"):
            functional = separating_functional(problem, solution.moments)
        if functional is not None:
            hints = _hints(problem, solution.moments)
            return _refuted(work, candidate, functional, hints, "separating functional")
    with work.stage("prove"):
        proof = _proof(work, problem, solution)
    if proof is not None:
        return _proved(work, problem, proof)
    if solution.form == QUICK:
        # It could not be rounded.
        return _by_numbers(work, candidate, problem, is_quick=False)
    if solution.lower > -NUMERICAL_TOLERANCE and _is_nearly_semidefinite(problem, solution):
        return work.finished(Verdict.NUMERICAL, without_face(solution.lower))
    if solution.lower <= solution.upper:
        reason = f"t lies in [{solution.lower:.1e}, {solution.upper:.1e}], up to rounding errors"
    else:
        reason = "rounding errors are larger than what was to be found"
    return work.finished(Verdict.UNDECIDED, reason)


def without_face(lower: float) -> str:
    """Why Gram matrices with such a least eigenvalue prove nothing."""
    return f"semidefinite to {max(0.0, -lower):.1e}, but no rational face was found"


def _is_nearly_semidefinite(problem: GramProblem, solution: InteriorSolution) -> bool:
    """Whether exact Gram matrices near the numerical ones are semidefinite but for rounding errors.

    They are scaled to unit diagonals, so that no large entry hides a small negative one.
    """
    for gram in problem.exact_projection(solution.grams, ROUNDING_BITS):
        matrix = np.array([[float(q) for q in row] for row in gram.tolist()])
        diagonal = matrix.diagonal()
        if len(diagonal) and diagonal.min() < 0:
            return False
        scale = np.where(diagonal > 0, 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), 0.0)
        hidden = np.abs(matrix[diagonal == 0]).max(initial=0.0)
        if hidden > NUMERICAL_TOLERANCE * diagonal.max(initial=0.0):
            return False
        lowest = np.linalg.eigvalsh(matrix * scale * scale[:, None]).min(initial=0.0)
        if lowest < -np.sqrt(NUMERICAL_TOLERANCE):
            return False
    return True


def _proof(work: Work, problem: GramProblem, solution: InteriorSolution) -> ExactGrams | None:
    """Round the Gram matrices, or reduce to faces."""
    if solution.feasibility is Feasibility.INTERIOR:
        proof = prove_by_projection(problem, solution.grams)
        if proof is not None:
            return proof
    proof = _proof_on_grid(work, problem, solution.grams)
    if proof is not None:
        return proof
    return prove_on_face(
        problem, solution.grams, diagonal_weights(problem), seed=work.settings.seed
    )


def _proof_on_grid(work: Work, problem: GramProblem, grams: Grams) -> ExactGrams | None:
    """Round to short fractions, as the variables are and as they were before they were scaled."""
    proof = prove_on_grid(problem, grams)
    if proof is not None or not any(work.scaling.shifts):
        return proof
    original = GramProblem.of(work.polynomial, problem.bases)
    pairs = zip(grams, problem.bases, strict=True)
    with np.errstate(over="ignore"):  # infinite entries are on no grid
        unscaled = [work.scaling.invert(gram, basis) for gram, basis in pairs]
    proof = prove_on_grid(original, unscaled)
    if proof is None:
        return None
    pairs = zip(proof.grams, problem.bases, strict=True)
    return replace(
        proof, grams=tuple(work.scaling.apply_to_gram(gram, basis) for gram, basis in pairs)
    )


def _note(
    work: Work,
    candidate: Candidate,
    problem: GramProblem,
    feasibility: str,
    solution: InteriorSolution | None = None,
) -> None:
    """Record what was tried."""
    attempt = _attempt(candidate.rule, problem, feasibility, solution)
    known = candidate.basis.tobytes()
    work.attempts.append(replace(attempt, is_repeated=known in work.tried))
    work.tried.add(known)


def _attempt(
    rule: str, problem: GramProblem, feasibility: str, solution: InteriorSolution | None
) -> Attempt:
    """One attempt, as if it were the first with its basis."""
    tried = Attempt(
        rule,
        sum(problem.sizes),
        problem.sizes,
        problem.num_monomials,
        problem.num_free,
        str(feasibility),
    )
    if solution is None:
        return tried
    nan = float("nan")
    is_sound = solution.lower <= solution.upper
    return replace(
        tried,
        lower=solution.lower if is_sound else nan,
        upper=solution.upper if is_sound else nan,
        form=solution.form,
        num_steps=solution.num_steps,
    )


def _proved(work: Work, problem: GramProblem, proof: ExactGrams) -> Certification:
    """Certificate of a sum of squares, in the original variables."""
    with work.stage("write"):
        blocks = tuple(
            GramBlock.of(basis, work.scaling.invert(gram, basis))
            for basis, gram in zip(problem.bases, proof.grams, strict=True)
        )
        certificate = SosCertificate(polynomial=work.polynomial, gram=blocks)
    return work.finished(Verdict.PROVED, proof.method, certificate)


def _refuted(
    work: Work,
    candidate: Candidate,
    functional: Functional | None,
    hints: tuple[NDArray[np.float64], ...],
    reason: str,
) -> Certification:
    """Certificate of a negative value, or else of the separation, in the original variables."""
    with work.stage("refute"):
        point = find_point(work, hints)
    if point is not None:
        original = NegativeCertificate.of(work.polynomial, point)
        return work.finished(Verdict.NEGATIVE, "negative point", original)
    if not candidate.is_complete:
        return work.finished(Verdict.UNDECIDED, f"no squares over this basis: {reason}")
    if work.settings.blocks == "chordal":
        # The functional is positive on every clique, which says nothing of their union.
        why = f"no squares over these cliques: {reason}; blocks=sign may find some, or refute"
        return work.finished(Verdict.UNDECIDED, why)
    if functional is None:
        return work.finished(Verdict.UNDECIDED, reason)
    assert candidate.removed is not None  # it is complete
    certificate = NotSosCertificate.of(
        work.polynomial,
        inequalities=candidate.inequalities,
        removed=candidate.removed,
        functional=work.scaling.functional(functional),
    )
    return work.finished(Verdict.REFUTED_SOS, reason, certificate)


def _hints(problem: GramProblem, moments: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """The point of first moments, where a functional close to an evaluation would be at."""
    place = {tuple(row): k for k, row in enumerate(problem.monomials.tolist())}
    n = problem.polynomial.num_variables
    units = [place.get(tuple(int(i == j) for j in range(n))) for i in range(n)]
    one = place.get((0,) * n)
    if one is None or moments[one] <= 0:
        return ()
    point = [0.0 if unit is None else moments[unit] / moments[one] for unit in units]
    return (np.array(point),)
