"""Polynomials on semialgebraic sets: Putinar certificates and Lasserre's lower bounds.

As for plain sums of squares, numbers say where to look and exact arithmetic decides: a positive
definite solution of the relaxation is rounded on the solutions of its equations, a singular one is
first restricted to a face.  The kernel on the face is known if the minimizers are: at a zero x of
p - gamma on the set, s_0(x) = 0, and s_i(x) = 0 unless g_i(x) = 0.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from flint import arb, ctx, fmpq, fmpq_mat
from numpy.typing import NDArray

from tasks.sos._threads import one_blas_thread
from tasks.sos._work import timed
from tasks.sos.certificates import NegativeCertificate, SosCertificate
from tasks.sos.certify import NUMERICAL_TOLERANCE, Attempt, Certification, without_face
from tasks.sos.conic.solvers import SolverChoice, SolverStatus
from tasks.sos.gram.interior import Feasibility
from tasks.sos.optimization._input import check_posed
from tasks.sos.optimization.bounds import (
    Bound,
    candidate_levels,
    check_tolerance,
    without_proof,
)
from tasks.sos.optimization.minimizers import Minimizers, minimizers_of
from tasks.sos.optimization.putinar import PutinarProgram
from tasks.sos.optimization.relaxation import solve_relaxation
from tasks.sos.optimization.semialgebraic import (
    SemialgebraicSet,
    best_rational_point,
    local_minimizers,
    negative_point,
    rational_points,
)
from tasks.sos.optimization.systems import (
    ExactSolution,
    GramSystem,
    SystemSolution,
    prove_system,
    solve_system,
)
from tasks.sos.polynomials.polynomial import Polynomial
from tasks.sos.proofs.negativity import Point
from tasks.sos.proofs.zeros import Zero, refined_zero
from tasks.sos.verdict import Verdict

NEAR_ZERO = 1e-5
"""Value of p - gamma, scaled to coefficients of size 1, that may be 0."""


@dataclass(eq=False)
class _Proofs:
    """A relaxation, its equations, and what they share between levels."""

    program: PutinarProgram
    choice: SolverChoice
    places: list[NDArray[np.float64]]
    """Local minimizers of the scaled problem, best first."""
    system: GramSystem = field(init=False)

    def __post_init__(self) -> None:
        self.system = GramSystem.of(self.program.program)

    def solve(self, gamma: fmpq) -> tuple[GramSystem, SystemSolution | None]:
        """The equations for p - gamma, and a numerical solution if they have any."""
        system = self.system.at_level(self.program.level(gamma))
        if not system.is_consistent:
            return system, None
        return system, solve_system(system, self.choice)

    def proof(self, gamma: fmpq) -> ExactSolution | None:
        """Exact certificate for p - gamma; None if that fails."""
        system, solution = self.solve(gamma)
        if solution is None or solution.feasibility is Feasibility.OUTSIDE:
            return None
        return self.prove(system, solution)

    def prove(self, system: GramSystem, solution: SystemSolution) -> ExactSolution | None:
        """Exact certificate from a numerical solution; None if that fails."""
        if (self.program.target - system.level).is_zero:
            zeros = tuple(fmpq_mat(size, size) for size in self.program.program.sizes)
            return ExactSolution(zeros, (fmpq(0),) * len(self.program.products), "zero polynomial")
        return prove_system(system, solution, lambda bits: self.zeros(system.level, bits))

    def zeros(self, level: fmpq, bits: int) -> list[list[Zero]]:
        """Points x by block with z_b(x) in the kernel of its Gram matrix."""
        target, region = self.program.target - level, self.program.scaled_region
        found = []
        for x in self.places:
            if abs(float(target.evaluate_floats(x))) < NEAR_ZERO:
                zero = _exact_zero(target, region, x, bits)
                if zero is not None:
                    close = np.array([float(value.mid()) for value in zero])
                    found.append((close, region.active(close), zero))
        pairs = zip(self.program.constraint_of, self.program.program.blocks, strict=True)
        return [
            [
                zero
                for x, active, zero in found
                if (k < 0 or region.inequalities[k] not in active)
                and np.abs((x**block.basis).prod(axis=1)).max() > NEAR_ZERO
            ]
            for k, block in pairs
        ]


def _exact_zero(
    target: Polynomial, region: SemialgebraicSet, x: NDArray[np.float64], bits: int
) -> Zero | None:
    """The minimizer at a float point, to many digits: rational, or by Newton's method.

    Newton's method is for critical points of the Lagrange function p - sum_k l_k c_k with the
    active constraints c_k, in the variables x and l.
    """
    for point in rational_points(region, x):
        if target.evaluate(point) == 0:
            with ctx.workprec(bits + 64):
                return tuple(arb(value) for value in point)
    active = region.active(x)
    lagrangian, multipliers = _lagrangian(target, active, x)
    zero = refined_zero(lagrangian, np.concatenate([x, multipliers]), bits)
    return None if zero is None else zero[: len(x)]


def _lagrangian(
    target: Polynomial, active: list[Polynomial], x: NDArray[np.float64]
) -> tuple[Polynomial, NDArray[np.float64]]:
    """The Lagrange function, and its multipliers by least squares."""
    names = (*target.variables, *(f"multiplier_{k}" for k in range(len(active))))
    rows = dict(_extended(target, (0,) * len(active)))
    for k, constraint in enumerate(active):
        unit = tuple(int(k == other) for other in range(len(active)))
        rows |= {row: -value for row, value in _extended(constraint, unit)}

    def slope(p: Polynomial) -> list[float]:
        return [float(part.evaluate_floats(x)) for part in p.gradient()]

    multipliers = np.zeros(0)
    if active:
        jacobian = np.array([slope(constraint) for constraint in active]).T
        multipliers = np.linalg.lstsq(jacobian, np.array(slope(target)), rcond=None)[0]
    return Polynomial.of(names, rows), multipliers


def _extended(p: Polynomial, extra: tuple[int, ...]) -> Iterable[tuple[tuple[int, ...], fmpq]]:
    return (((*row, *extra), value) for row, value in p.terms().items())


# --- certificates -------------------------------------------------------------------------------


@one_blas_thread()
def certify_on_set(
    polynomial: Polynomial,
    inequalities: Iterable[Polynomial] = (),
    equalities: Iterable[Polynomial] = (),
    *,
    order: int | None = None,
    choice: SolverChoice | None = None,
    seed: int = 0,
) -> Certification:
    """Prove that p >= 0 where all g >= 0 and all h = 0, or find a point where that fails.

    Parameters
    ----------
    polynomial : Polynomial
    inequalities, equalities : iterable of Polynomial
        g and h, in the variables of p.
    order : int, optional
        d: all products in the certificate have degree at most 2d.  By default the least possible.
    choice : SolverChoice, optional
    seed : int
        Root of the random starts.

    Returns
    -------
    Certification
        PROVED with an `SosCertificate`.  NEGATIVE with a rational point of the set, exactly.
        NUMERICAL and UNDECIDED say nothing about higher orders.

    Raises
    ------
    InputError
        For wrong constraints or orders.

    Examples
    --------
    >>> from tasks.sos.polynomials.parsing import parse_polynomial
    >>> p, g = (parse_polynomial(text, ("x", "y")) for text in ("2 + x + y", "1 - x^2 - y^2"))
    >>> certify_on_set(p, [g]).verdict.value
    'proved'
    """
    region = SemialgebraicSet.of(polynomial.variables, inequalities, equalities)
    check_posed([polynomial, *region.constraints])
    program = PutinarProgram.of(polynomial, region, order)
    seconds: dict[str, float] = {}
    with timed(seconds, "search"):
        places = local_minimizers(program.target, program.scaled_region, num_starts=8, seed=seed)
        found = negative_point(polynomial, region, [program.point(y) for y in places[:4]])
    if found is not None:
        certificate = NegativeCertificate.of(
            polynomial, found, constraints=region.inequalities, equalities=region.equalities
        )
        reason = "negative at a point of the set"
        return Certification(Verdict.NEGATIVE, reason, certificate, (), seconds)
    proofs = _Proofs(program, choice or SolverChoice(), places)
    with timed(seconds, "solve"):
        system, solution = proofs.solve(fmpq(0))
    attempt = _attempt(program, system, solution)
    if solution is None:
        reason = f"the equations of order {program.order} have no solution"
        return Certification(Verdict.UNDECIDED, reason, None, (attempt,), seconds)
    proof = None
    if solution.feasibility is not Feasibility.OUTSIDE:
        with timed(seconds, "prove"):
            proof = proofs.prove(system, solution)
    verdict, certificate = Verdict.UNDECIDED, None
    reason = f"t lies in [{solution.lower:.1e}, {solution.upper:.1e}] at order {program.order}"
    if proof is not None:
        verdict, reason = Verdict.PROVED, proof.method
        certificate = program.certificate(proof, None)
    elif solution.lower > -NUMERICAL_TOLERANCE:
        verdict, reason = Verdict.NUMERICAL, without_face(solution.lower)
    return Certification(verdict, reason, certificate, (attempt,), seconds)


def _attempt(
    program: PutinarProgram, system: GramSystem, solution: SystemSolution | None
) -> Attempt:
    sizes = program.program.sizes
    return Attempt(
        rule=f"order {program.order}",
        basis_size=sum(sizes),
        block_sizes=sizes,
        num_monomials=len(program.program.equations),
        num_free=len(system.free_entries),
        feasibility="inconsistent" if solution is None else str(solution.feasibility),
        lower=float("nan") if solution is None else solution.lower,
        upper=float("nan") if solution is None else solution.upper,
        form="" if solution is None else solution.method,
    )


# --- bounds -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class BoundOnSet(Bound):
    """A bound on a set, with what the relaxation says about minimizers.

    Attributes
    ----------
    minimizers : Minimizers
    order : int
        Of the relaxation.
    is_empty : bool
        Whether it is proved that the set is empty; then the certificate is one of -1 >= 0.
    """

    minimizers: Minimizers
    order: int
    is_empty: bool = False


@one_blas_thread()
def lower_bound_on_set(
    polynomial: Polynomial,
    inequalities: Iterable[Polynomial] = (),
    equalities: Iterable[Polynomial] = (),
    *,
    order: int | None = None,
    tolerance: float = 1e-6,
    choice: SolverChoice | None = None,
    seed: int = 0,
) -> BoundOnSet:
    """Bound a polynomial from below where all g >= 0 and all h = 0.

    Parameters
    ----------
    polynomial, inequalities, equalities, order, choice, seed
        As in `certify_on_set`.
    tolerance : float
        As in `bounds.lower_bound`.

    Raises
    ------
    InputError
        For wrong constraints, orders or tolerances.

    Examples
    --------
    >>> from tasks.sos.polynomials.parsing import parse_polynomial
    >>> p, h = (parse_polynomial(text, ("x", "y")) for text in ("x*y", "x^2 + y^2 - 1"))
    >>> bound = lower_bound_on_set(p, [], [h])
    >>> print(bound.verdict, bound.lower)
    proved -1/2
    """
    check_tolerance(tolerance)
    began = time.perf_counter()
    choice = choice or SolverChoice()
    region = SemialgebraicSet.of(polynomial.variables, inequalities, equalities)
    check_posed([polynomial, *region.constraints])
    program = PutinarProgram.of(polynomial, region, order)
    relaxation = solve_relaxation(program.program, choice)
    found = minimizers_of(program, relaxation, seed=seed)
    search = _BoundSearch(program, choice, tolerance, found, began)
    if relaxation.level == np.inf:
        return search.of_empty_set()
    if not relaxation.moments:
        return search.finished(Verdict.UNDECIDED, relaxation.message, None, None)
    return search.certified(program.bound(relaxation.level), relaxation.status)


@dataclass(frozen=True, eq=False)
class _BoundSearch:
    """A solved relaxation on its way to a certificate."""

    program: PutinarProgram
    choice: SolverChoice
    tolerance: float
    found: Minimizers
    began: float

    def certified(self, level: float, status: SolverStatus) -> BoundOnSet:
        """Try the levels from the best one on."""
        program = self.program
        best = best_rational_point(program.polynomial, program.region, self.found.points)
        value = None if best is None else best[1]
        places = [np.ldexp(x, [-s for s in program.scaling.shifts]) for x in self.found.points]
        proofs = _Proofs(program, self.choice, places)
        if value is not None:
            # A bound above a value is an error of the solver.
            level = min(level, float(value))
        for gamma in candidate_levels(level, value, self.tolerance):
            proof = proofs.proof(gamma)
            if proof is not None:
                certificate = program.certificate(proof, gamma)
                return self.finished(Verdict.PROVED, proof.method, gamma, certificate, best)
        return self.finished(*without_proof(status), None, None, best)

    def of_empty_set(self) -> BoundOnSet:
        """Prove that -1 >= 0 on the set, if possible."""
        minus_one = Polynomial.constant(self.program.polynomial.variables, -1)
        program = PutinarProgram.of(minus_one, self.program.region, self.program.order)
        proof = _Proofs(program, self.choice, []).proof(fmpq(0))
        if proof is None:
            reason = "every level seems to have a certificate: the set may be empty"
            return self.finished(Verdict.UNDECIDED, reason, None, None)
        certificate = program.certificate(proof, None)
        return self.finished(Verdict.PROVED, "the set is empty", None, certificate)

    def finished(
        self,
        verdict: Verdict,
        reason: str,
        lower: fmpq | None,
        certificate: SosCertificate | None,
        best: tuple[Point, fmpq] | None = None,
    ) -> BoundOnSet:
        """Wrap up."""
        point, value = best if best is not None else (None, None)
        return BoundOnSet(
            verdict=verdict,
            reason=reason,
            lower=lower,
            numerical=self.found.bound,
            point=point,
            value=value,
            certificate=certificate,
            seconds=time.perf_counter() - self.began,
            minimizers=self.found,
            order=self.program.order,
            is_empty=certificate is not None and lower is None,
        )
