"""Lower bounds of polynomials: the largest gamma with p - gamma a sum of squares.

The largest gamma is found in floats; below it, or at it if it is a simple rational number or the
value of p at a rational point, an exact certificate is sought.  A rational point found by local
search bounds the minimum from above, so that the answer is an interval.

References
----------
Parrilo and Sturmfels, Minimizing polynomial functions, arXiv math/0103170.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor, log2

import numpy as np
from flint import fmpq

from tasks.records import InputError
from tasks.sos._threads import one_blas_thread
from tasks.sos.bases.monomial_bases import covers, even_sqrt_basis
from tasks.sos.bases.reductions import sign_symmetry_blocks
from tasks.sos.certificates import (
    AnyCertificate,
    NegativeCertificate,
    SosCertificate,
)
from tasks.sos.certify import Settings, certify
from tasks.sos.conic.solvers import SolverChoice, SolverStatus
from tasks.sos.optimization._input import check_posed
from tasks.sos.optimization.problem_scaling import ProblemScaling
from tasks.sos.optimization.programs import ProgramBlock, SosProgram
from tasks.sos.optimization.recession import complete_basis, refute_all_levels
from tasks.sos.optimization.relaxation import Relaxation, solve_relaxation
from tasks.sos.optimization.semialgebraic import (
    SemialgebraicSet,
    best_rational_point,
    local_minimizers,
)
from tasks.sos.polynomials.polynomial import Polynomial, rational
from tasks.sos.proofs.negativity import (
    Point,
    find_negative_point,
    leading_form,
    negative_at_infinity,
)
from tasks.sos.verdict import Verdict

STEPS = (1, 8, 64, 512, 4096, 32768)
"""Multiples of the tolerance by which the bound is lowered until there is a proof."""
DENOMINATORS = (1, 60, 5040)
"""Largest denominators of guesses for the optimum itself."""
NOISE = 1e-5
"""Relative error of a numerical optimum."""


@dataclass(frozen=True, eq=False)
class Bound:
    """What is known about the minimum of a polynomial, everywhere or on a set.

    Attributes
    ----------
    verdict : Verdict
        PROVED: `lower` has a certificate.  NUMERICAL: only `numerical` is known.  REFUTED_SOS: no
        gamma has a certificate, which is proved.  NEGATIVE: p is unbounded below, which is proved.
        UNDECIDED: nothing is known.
    reason : str
    lower : fmpq, optional
        Certified lower bound.
    numerical : float
        The solver's bound; -inf if it says that there is none.
    point, value : optional
        Rational point (of the set) with the least value found, and that value: an upper bound.
    certificate : optional
        For PROVED that p >= lower.  For REFUTED_SOS that p + c is not a sum of squares, with
        L(1) = 0, so that c does not matter.  For NEGATIVE that the leading form is negative
        somewhere.
    seconds : float
    """

    verdict: Verdict
    reason: str
    lower: fmpq | None
    numerical: float
    point: Point | None
    value: fmpq | None
    certificate: AnyCertificate | None
    seconds: float

    @property
    def gap(self) -> fmpq | None:
        """value - lower; 0 proves that the point is a minimizer."""
        if self.value is None or self.lower is None:
            return None
        return self.value - self.lower


def check_tolerance(tolerance: float) -> None:
    """Refuse what is not a tolerance.

    Raises
    ------
    InputError
        Unless it is between 1e-12 and 1.
    """
    if not 1e-12 <= tolerance <= 1:
        raise InputError(f"tolerance {tolerance!r}: give a number from 1e-12 to 1")


def candidate_levels(level: float, value: fmpq | None, tolerance: float) -> Iterator[fmpq]:
    """Rational bounds to try: the value of a point, simple numbers, then less and less.

    Parameters
    ----------
    level : float
        Numerical optimum.
    value : fmpq, optional
        An upper bound.
    tolerance : float
        Relative to 1 + |level|.
    """
    scale = 1.0 + abs(level)
    tried = set()
    if value is not None and float(value) <= level + NOISE * scale:
        tried.add(value)
        yield value
    for limit in DENOMINATORS:
        guess = rational(Fraction(level).limit_denominator(limit))
        is_close = abs(float(guess) - level) <= NOISE / limit * scale
        if is_close and guess not in tried and (value is None or guess <= value):
            tried.add(guess)
            yield guess
    for factor in STEPS:
        slack = factor * tolerance * scale
        bits = max(0, 1 - floor(log2(slack)))
        yield fmpq(floor((level - slack) * 2.0**bits), 1 << bits)


@one_blas_thread()
def lower_bound(
    polynomial: Polynomial,
    *,
    tolerance: float = 1e-6,
    settings: Settings | None = None,
    choice: SolverChoice | None = None,
) -> Bound:
    """Bound a polynomial from below by sums of squares.

    Parameters
    ----------
    polynomial : Polynomial
    tolerance : float
        How far below the numerical optimum the certified bound may be at first, relative to
        1 + |optimum|; more is tried if that cannot be proved.
    settings : Settings, optional
        For the certificates; its seed also starts the local searches.
    choice : SolverChoice, optional

    Raises
    ------
    InputError
        For a wrong tolerance.

    Examples
    --------
    >>> from tasks.sos.polynomials.parsing import parse_polynomial
    >>> bound = lower_bound(parse_polynomial("x^4 - 3*x^2 + 1"))
    >>> print(bound.verdict, bound.lower, round(bound.numerical, 5))
    proved -5/4 -1.25
    """
    check_posed([polynomial])
    check_tolerance(tolerance)
    settings, began = settings or Settings(), time.perf_counter()
    unbounded = unbounded_below(polynomial, settings.seed)
    if unbounded is not None:
        return Bound(
            Verdict.NEGATIVE,
            "unbounded below: the leading form is negative at a point",
            None,
            -np.inf,
            None,
            None,
            unbounded,
            time.perf_counter() - began,
        )
    return _Search(polynomial, tolerance, settings, choice or SolverChoice(), began).run()


def unbounded_below(p: Polynomial, seed: int) -> NegativeCertificate | None:
    """A point at which the leading form is negative: p tends to -inf along it; None if unknown."""
    if p.degree <= 0:
        return None
    leading = leading_form(p)
    if p.degree % 2:
        return NegativeCertificate.of(leading, negative_at_infinity(leading, seed=seed))
    point = find_negative_point(leading, seed=seed)
    return None if point is None else NegativeCertificate.of(leading, point)


@dataclass
class _Search:
    """One polynomial on its way to a bound."""

    polynomial: Polynomial
    tolerance: float
    settings: Settings
    choice: SolverChoice
    began: float

    def run(self) -> Bound:
        """Relax, look for points, prove."""
        point, value = self._best_point()
        relaxation, scaling = None, None
        for is_complete in (False, True):
            program, scaling = _bound_program(self.polynomial, is_complete)
            if program is None:
                continue
            relaxation = solve_relaxation(program, self.choice)
            level = float(np.ldexp(relaxation.level, -scaling.exponents[0]))
            if not np.isfinite(level) or value is None:
                continue
            if level >= float(value) - NOISE * (1 + abs(level)):
                break
        assert relaxation is not None  # the complete basis always has a program
        if not relaxation.moments:
            return self._without_level(relaxation, point, value)
        return self._certified(level, relaxation.status, point, value)

    def _best_point(self) -> tuple[Point | None, fmpq | None]:
        region = SemialgebraicSet(self.polynomial.variables)
        places = local_minimizers(self.polynomial, region, seed=self.settings.seed)
        found = best_rational_point(self.polynomial, region, places[:8])
        return found if found is not None else (None, None)

    def _certified(
        self, level: float, status: SolverStatus, point: Point | None, value: fmpq | None
    ) -> Bound:
        """Try the levels from the best one on."""
        if value is not None:
            # A bound above a value is an error of the solver.
            level = min(level, float(value))
        for gamma in candidate_levels(level, value, self.tolerance):
            outcome = certify(self.polynomial - gamma, self.settings)
            if outcome.verdict is not Verdict.PROVED:
                continue
            assert isinstance(outcome.certificate, SosCertificate)  # it is proved
            # The certificate of p - gamma as one of p >= gamma.
            proof = replace(outcome.certificate, polynomial=self.polynomial, bound=gamma)
            return self._finished(Verdict.PROVED, outcome.reason, gamma, level, point, value, proof)
        return self._finished(*without_proof(status), None, level, point, value, None)

    def _without_level(
        self, relaxation: Relaxation, point: Point | None, value: fmpq | None
    ) -> Bound:
        """Prove that no level has a certificate, if that is so."""
        refutation = refute_all_levels(self.polynomial, self.choice)
        verdict, reason = Verdict.UNDECIDED, relaxation.message
        if refutation is not None:
            verdict, reason = Verdict.REFUTED_SOS, "p - gamma is no sum of squares for any gamma"
        level = -np.inf if refutation is not None else relaxation.level
        return self._finished(verdict, reason, None, level, point, value, refutation)

    def _finished(
        self,
        verdict: Verdict,
        reason: str,
        lower: fmpq | None,
        level: float,
        point: Point | None,
        value: fmpq | None,
        certificate: AnyCertificate | None,
    ) -> Bound:
        seconds = time.perf_counter() - self.began
        return Bound(verdict, reason, lower, level, point, value, certificate, seconds)


def without_proof(status: SolverStatus) -> tuple[Verdict, str]:
    """What a numerical bound without a certificate is worth."""
    if status is SolverStatus.OPTIMAL:
        return Verdict.NUMERICAL, "no level near the numerical optimum has a rational certificate"
    return Verdict.UNDECIDED, f"no certificate, and the solver was not sure: {status.explanation}"


def _bound_program(p: Polynomial, is_complete: bool) -> tuple[SosProgram | None, ProblemScaling]:
    """The program of p - gamma; None if the small basis does not cover the terms."""
    scaling = ProblemScaling.balancing(p, ())
    [target] = scaling.apply(p)
    # Exponents of p and 0, as p - gamma has for all gamma but one.
    support = np.concatenate([p.exponents, np.zeros((1, p.num_variables), dtype=np.int32)])
    basis = complete_basis(support).basis if is_complete else even_sqrt_basis(support)
    if not is_complete and len(covers(basis, support)):
        return None, scaling
    blocks = [ProgramBlock(basis[part]) for part in sign_symmetry_blocks(basis, support)]
    return SosProgram((target,), tuple(blocks)), scaling
