"""From a polynomial to a proof, a refutation, or an honest "undecided".

The way goes from cheap to dear: trivial cases; variables scaled; monomials a of terms 2a (*even
square roots*), then half of the Newton polytope; diagonal consistency; blocks by sign symmetries.
A Gram problem with K = 0 is decided exactly.  Else numbers say where to look: a positive definite
Gram matrix is rounded, a singular one restricted to its face, a separating functional rounded.
Whatever is claimed is checked in exact arithmetic; numbers alone never prove anything.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from flint import fmpq
from numpy.typing import NDArray

from tasks.records import BudgetExceeded
from tasks.sos.bases.reductions import VariableScaling, sign_symmetry_blocks, term_sparsity_blocks
from tasks.sos.bases.rules import BasisRule, Candidate, candidate_basis
from tasks.sos.certificates import (
    AnyCertificate,
    GramBlock,
    NegativeCertificate,
    NotSosCertificate,
    SosCertificate,
)
from tasks.sos.gram.interior import Feasibility, InteriorSolution, diagonal_weights
from tasks.sos.gram.numerics import NotSolvedError, SolverName, solve_numerically
from tasks.sos.gram.problem import GramProblem
from tasks.sos.polynomials.polynomial import Polynomial
from tasks.sos.proofs.negativity import find_negative_point, negative_at_infinity
from tasks.sos.proofs.refutation import Functional, separating_functional, uncovered_functional
from tasks.sos.proofs.rounding import ExactGrams, prove_by_projection, prove_on_face, prove_unique
from tasks.sos.verdict import Verdict

logger = logging.getLogger(__name__)

Sparsity = Literal["sign", "term", "chordal"]
NUMERICAL_TOLERANCE = 1e-8
"""Least eigenvalue, relative to the diagonal, of a Gram matrix that counts as semidefinite."""


@dataclass(frozen=True)
class Settings:
    """How to certify."""

    basis: BasisRule = "auto"
    """Rule for the basis; auto: even square roots, then half of the Newton polytope."""
    sparsity: Sparsity = "sign"
    """Blocks by sign symmetries, which lose nothing, or by term sparsity, which may: its
    components or, smaller, the cliques of a chordal extension."""
    solver: SolverName = "auto"
    """What solves Gram problems; auto: our interior points, and SCS where those are too large."""
    seconds: float = float("inf")
    """Time after which no further step begins."""
    memory_gib: float = 4.0
    """Memory of a conic solver."""
    seed: int = 0
    """Root of the random starts."""


@dataclass(frozen=True)
class Attempt:
    """One basis that was tried.

    Attributes
    ----------
    rule : str
        ``even-sqrt``, ``newton`` or ``full``.
    basis_size, block_sizes, num_monomials, num_free : int or tuple of int
        m, m_b, S and K.
    feasibility : str
        What the numbers said; ``unique`` for K = 0, ``uncovered`` if the basis cannot do.
    lower, upper : float
        Bounds on the largest t with Q - t W >= 0; NaN where nothing was solved.
    form : str
        ``image``, ``kernel``, or empty.
    num_steps : int
    """

    rule: str
    basis_size: int
    block_sizes: tuple[int, ...]
    num_monomials: int
    num_free: int
    feasibility: str
    lower: float = float("nan")
    upper: float = float("nan")
    form: str = ""
    num_steps: int = 0


@dataclass(frozen=True)
class Certification:
    """What became of a polynomial.

    Attributes
    ----------
    verdict : Verdict
    reason : str
        One phrase: how it was decided, or why not.
    certificate : certificate, optional
        For the exact verdicts.
    attempts : tuple of Attempt
    seconds : dict of str to float
        Wall time by stage.
    is_over_budget : bool
        Whether it is undecided because time or memory were over.
    """

    verdict: Verdict
    reason: str
    certificate: AnyCertificate | None
    attempts: tuple[Attempt, ...]
    seconds: dict[str, float]
    is_over_budget: bool = False


@dataclass
class _Work:
    """One polynomial on its way."""

    polynomial: Polynomial
    settings: Settings
    scaling: VariableScaling
    scaled: Polynomial
    attempts: list[Attempt] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.perf_counter)

    @property
    def seconds_left(self) -> float:
        """Until the time is over."""
        return max(1e-3, self.settings.seconds - (time.perf_counter() - self.began))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage; refuse to begin one after the time is over."""
        spent = time.perf_counter() - self.began
        if spent > self.settings.seconds:
            raise BudgetExceeded(f"{spent:.3g} s are over before {name}; raise seconds")
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def finished(
        self, verdict: Verdict, reason: str, certificate: AnyCertificate | None = None
    ) -> Certification:
        """Wrap up."""
        return Certification(verdict, reason, certificate, tuple(self.attempts), self.seconds)


def certify(polynomial: Polynomial, settings: Settings | None = None) -> Certification:
    """Decide whether a polynomial is a sum of squares, with a proof where there is one.

    Parameters
    ----------
    polynomial : Polynomial
    settings : Settings, optional
    """
    settings = settings or Settings()
    identity = VariableScaling((0,) * polynomial.num_variables)
    work = _Work(polynomial, settings, identity, polynomial)
    try:
        trivial = _trivial(work)
        if trivial is not None:
            return trivial
        work.scaling = VariableScaling.balancing(polynomial)
        work.scaled = work.scaling.apply(polynomial)
        return _by_bases(work)
    except BudgetExceeded as error:
        return replace(work.finished(Verdict.UNDECIDED, str(error)), is_over_budget=True)


def _trivial(work: _Work) -> Certification | None:
    """Constants and odd degrees."""
    p = work.polynomial
    if p.is_zero:
        return work.finished(Verdict.PROVED, "zero", SosCertificate(polynomial=p, gram=()))
    if p.degree == 0:
        return _constant(work)
    if p.degree % 2:
        with work.stage("refute"):
            point = negative_at_infinity(p, seed=work.settings.seed)
        return work.finished(Verdict.NEGATIVE, "odd degree", NegativeCertificate.of(p, point))
    return None


def _constant(work: _Work) -> Certification:
    """A number other than 0: a square, or negative everywhere."""
    p = work.polynomial
    origin = (0,) * p.num_variables
    value = p.coefficient(origin)
    if value < 0:
        return work.finished(Verdict.NEGATIVE, "constant", NegativeCertificate.of(p, origin))
    block = GramBlock.of(np.zeros((1, p.num_variables), dtype=np.int32), [[value]])
    return work.finished(Verdict.PROVED, "constant", SosCertificate(polynomial=p, gram=(block,)))


def _by_bases(work: _Work) -> Certification:
    """Try one basis after the other."""
    rules = ("even-sqrt", "newton") if work.settings.basis == "auto" else (work.settings.basis,)
    last: Certification | None = None
    tried: set[bytes] = set()
    for rule in rules:
        with work.stage("basis"):
            candidate = candidate_basis(work.scaled, rule)
        if candidate is None or (candidate.basis.tobytes() in tried and not candidate.is_complete):
            continue
        tried.add(candidate.basis.tobytes())
        last = _by_basis(work, candidate)
        if last.verdict.is_exact:
            break
    if last is None:
        reason = "the basis covers not all terms, and no repair was possible"
        return work.finished(Verdict.UNDECIDED, reason)
    return last


def _by_basis(work: _Work, candidate: Candidate) -> Certification:
    """Decide with one basis, as far as it goes."""
    p, rule = work.scaled, candidate.rule
    with work.stage("blocks"):
        problem = GramProblem.of(p, _blocks(candidate.basis, p, work.settings.sparsity))
    if problem.uncovered:
        work.attempts.append(_attempt(rule, problem, "uncovered"))
        return _refuted(work, candidate, uncovered_functional(problem), (), "uncovered term")
    if problem.num_free == 0:
        with work.stage("prove"):
            proof = prove_unique(problem)
        if proof is not None:
            work.attempts.append(_attempt(rule, problem, "unique"))
            return _proved(work, problem, proof)
    with work.stage("solve"):
        try:
            solution = solve_numerically(
                problem,
                solver=work.settings.solver,
                seconds=work.seconds_left,
                memory_gib=work.settings.memory_gib,
            )
        except NotSolvedError as error:
            work.attempts.append(_attempt(rule, problem, "not solved"))
            return work.finished(Verdict.UNDECIDED, str(error))
    work.attempts.append(_attempt(rule, problem, solution.feasibility, solution))
    return _concluded(work, candidate, problem, solution)


def _blocks(basis: NDArray[np.int32], p: Polynomial, sparsity: Sparsity) -> list[NDArray[np.int32]]:
    """Parts of a basis between which the Gram matrix may be 0."""
    if sparsity == "sign":
        found = sign_symmetry_blocks(basis, p.exponents)
    else:
        found = term_sparsity_blocks(basis, p.exponents, chordal=sparsity == "chordal")
    return [basis[block] for block in found]


def _concluded(
    work: _Work, candidate: Candidate, problem: GramProblem, solution: InteriorSolution
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
    if solution.lower > -NUMERICAL_TOLERANCE:
        reason = f"semidefinite to {max(0.0, -solution.lower):.1e}, but no rational face was found"
        return work.finished(Verdict.NUMERICAL, reason)
    return work.finished(
        Verdict.UNDECIDED, f"t lies in [{solution.lower:.1e}, {solution.upper:.1e}]"
    )


def _proof(work: _Work, problem: GramProblem, solution: InteriorSolution) -> ExactGrams | None:
    """Round the Gram matrices, or reduce to faces."""
    if solution.feasibility is Feasibility.INTERIOR:
        proof = prove_by_projection(problem, solution.grams)
        if proof is not None:
            return proof
    return prove_on_face(
        problem, solution.grams, diagonal_weights(problem), seed=work.settings.seed
    )


def _attempt(
    rule: str, problem: GramProblem, feasibility: str, solution: InteriorSolution | None = None
) -> Attempt:
    """Record what was tried."""
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
    return replace(
        tried,
        lower=solution.lower,
        upper=solution.upper,
        form=solution.form,
        num_steps=solution.num_steps,
    )


def _proved(work: _Work, problem: GramProblem, proof: ExactGrams) -> Certification:
    """Certificate of a sum of squares, in the original variables."""
    with work.stage("write"):
        blocks = tuple(
            GramBlock.of(basis, work.scaling.invert(gram, basis))
            for basis, gram in zip(problem.bases, proof.grams, strict=True)
        )
        certificate = SosCertificate(polynomial=work.polynomial, gram=blocks)
    return work.finished(Verdict.PROVED, proof.method, certificate)


def _refuted(
    work: _Work,
    candidate: Candidate,
    functional: Functional | None,
    hints: tuple[NDArray[np.float64], ...],
    reason: str,
) -> Certification:
    """Certificate of a negative value, or else of the separation, in the original variables."""
    with work.stage("refute"):
        point = find_negative_point(work.scaled, hints, seed=work.settings.seed)
    if point is not None:
        original = NegativeCertificate.of(work.polynomial, work.scaling.point(point))
        return work.finished(Verdict.NEGATIVE, "negative point", original)
    if not candidate.is_complete:
        return work.finished(Verdict.UNDECIDED, f"no squares over this basis: {reason}")
    if functional is None:
        return work.finished(Verdict.UNDECIDED, reason)
    assert candidate.removed is not None  # it is complete
    certificate = NotSosCertificate.of(
        work.polynomial,
        inequalities=candidate.inequalities,
        removed=candidate.removed,
        functional=_unscaled(functional, work.scaling),
    )
    return work.finished(Verdict.REFUTED_SOS, reason, certificate)


def _unscaled(functional: Functional, scaling: VariableScaling) -> Functional:
    """L with ``L(p) = 2**-e L'(p')``: the value at x^a is multiplied by ``2**(s a)``."""
    values = {}
    for row, value in functional.items():
        shift = sum(s * a for s, a in zip(scaling.shifts, row, strict=True))
        values[row] = value * fmpq(1 << shift) if shift >= 0 else value / (1 << -shift)
    return values


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
