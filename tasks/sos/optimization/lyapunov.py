"""Lyapunov functions of polynomial vector fields x' = f(x) with f(0) = 0.

A polynomial V with V(0) = 0 proves stability of the origin if, on a neighborhood of it,

    V - eps |x|^2 >= 0   and   -V' = -grad V . f >= 0,

where V' is the derivative along solutions.  Globally, both are asked to be sums of squares: V is
radially unbounded, so that all solutions are bounded.  On the ball |x| <= r both get a multiplier,

    -V' = s_0 + s_1 (r^2 - |x|^2),

which proves stability; with -V' - eps |x|^2 instead of -V', asymptotic stability.  V is found in
floats together with both Gram matrices, rounded, and certified.

References
----------
Parrilo, Structured semidefinite programs and semialgebraic geometry methods, thesis, 2000, ch. 7.
Ahmadi, Krstic and Parrilo, A globally asymptotically stable polynomial vector field with no
polynomial Lyapunov function, CDC 2011.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from flint import fmpq
from numpy.typing import NDArray

from tasks.lattice import sort_monomials
from tasks.lattice.polytopes import half_newton_points
from tasks.records import InputError
from tasks.sos._threads import one_blas_thread
from tasks.sos.bases.monomial_bases import full_basis
from tasks.sos.certificates import GramBlock, SosCertificate
from tasks.sos.certify import Certification, certify
from tasks.sos.conic.solvers import SolverChoice
from tasks.sos.gram.interior import Feasibility
from tasks.sos.optimization._input import check_posed, check_size
from tasks.sos.optimization.constrained import certify_on_set
from tasks.sos.optimization.programs import ProgramBlock, SosProgram, without_forced_zeros
from tasks.sos.optimization.systems import ExactSolution, GramSystem, prove_system, solve_system
from tasks.sos.polynomials.polynomial import Polynomial, Rational, power_of_two, rational
from tasks.sos.verdict import Verdict

ROUNDINGS = (2, 4, 8, 12, 16, 24)
"""Bits of the coefficients of V relative to the largest one, fewest first."""


@dataclass(frozen=True, eq=False)
class LyapunovResult:
    """A Lyapunov function with its proofs, or what is missing.

    Attributes
    ----------
    verdict : Verdict
        PROVED, NUMERICAL (a float solution that could not be rounded) or UNDECIDED (none of this
        degree was found, which does not mean that the origin is unstable).
    reason : str
    function : Polynomial, optional
        V.
    derivative : Polynomial, optional
        V'.
    positivity, decrease : SosCertificate, optional
        Certificates of V - eps |x|^2 and of -V' (minus eps |x|^2 if strict).
    seconds : float
    """

    verdict: Verdict
    reason: str
    function: Polynomial | None
    derivative: Polynomial | None
    positivity: SosCertificate | None
    decrease: SosCertificate | None
    seconds: float


def derivative_along(function: Polynomial, field: Sequence[Polynomial]) -> Polynomial:
    """V' = sum_i (dV/dx_i) f_i."""
    total = Polynomial.zero(function.variables)
    for part, component in zip(function.gradient(), field, strict=True):
        total = total + part * component
    return total


@one_blas_thread()
def find_lyapunov_function(
    field: Sequence[Polynomial],
    *,
    degree: int = 2,
    radius: Rational | None = None,
    epsilon: Rational = 1,
    is_strict: bool = False,
    choice: SolverChoice | None = None,
) -> LyapunovResult:
    """Find V of a degree with both certificates.

    Parameters
    ----------
    field : sequence of Polynomial
        f_1, ..., f_n, with f(0) = 0.
    degree : int
        Of V: even, at least 2.
    radius : number, optional
        Of the ball; global without it.
    epsilon : number
        eps > 0; V may be scaled, so that its size matters only if `is_strict`, or is extreme.
    is_strict : bool
        Whether -V' - eps |x|^2 is certified instead of -V'.
    choice : SolverChoice, optional

    Raises
    ------
    InputError
        If the field does not fit, does not vanish at 0, or a number is wrong.

    Examples
    --------
    >>> from tasks.sos.polynomials.parsing import parse_polynomial
    >>> field = [parse_polynomial(text, ("x", "y")) for text in ("-x + x*y", "-y - x^2")]
    >>> result = find_lyapunov_function(field)
    >>> print(result.verdict, result.positivity is not None)
    proved True
    """
    began = time.perf_counter()
    task = _Task.of(field, degree, radius, epsilon, is_strict, choice or SolverChoice())
    verdict, reason, certificates = task.run()
    v, positivity, decrease = certificates if certificates is not None else (None, None, None)
    slope = None if v is None else derivative_along(v, task.field)
    seconds = time.perf_counter() - began
    return LyapunovResult(verdict, reason, v, slope, positivity, decrease, seconds)


_Certified = tuple[Polynomial, SosCertificate, SosCertificate]


@dataclass(frozen=True, eq=False)
class _Task:
    """The vector field and what is asked for."""

    field: tuple[Polynomial, ...]
    degree: int
    epsilon: fmpq
    is_strict: bool
    ball: Polynomial | None
    choice: SolverChoice

    @classmethod
    def of(
        cls,
        field: Sequence[Polynomial],
        degree: int,
        radius: Rational | None,
        epsilon: Rational,
        is_strict: bool,
        choice: SolverChoice,
    ) -> _Task:
        """Check what was given."""
        _check_field(field)
        check_posed(field)
        if isinstance(degree, bool) or not isinstance(degree, int) or degree < 2 or degree % 2:
            raise InputError(
                f"degree {degree!r} of a Lyapunov function: give an even one from 2 on"
            )
        small = rational(epsilon)
        if small <= 0:
            raise InputError(f"epsilon {small}: give a positive number")
        check_size("epsilon", small)
        ball = None
        if radius is not None:
            size = rational(radius)
            if size <= 0:
                raise InputError(f"radius {size}: give a positive number, or none for all of space")
            check_size("radius", size)
            ball = -_norm_squared(field[0].variables) + size * size
        return cls(tuple(field), degree, small, is_strict, ball, choice)

    @property
    def variables(self) -> tuple[str, ...]:
        """Names x_1, ..., x_n."""
        return self.field[0].variables

    @property
    def margins(self) -> tuple[Polynomial, Polynomial]:
        """What is subtracted from V and from -V'."""
        margin = _norm_squared(self.variables) * self.epsilon
        return margin, margin if self.is_strict else Polynomial.zero(self.variables)

    def run(self) -> tuple[Verdict, str, _Certified | None]:
        """Solve, round V and certify; else certify all at once."""
        program, monomials = self._program()
        system = GramSystem.of(program)
        if not system.is_consistent:
            return Verdict.UNDECIDED, "no function of this degree satisfies the equations", None
        solution = solve_system(system, self.choice)
        if solution.feasibility is Feasibility.OUTSIDE:
            reason = f"no Lyapunov function of degree {self.degree} was found"
            return Verdict.UNDECIDED, reason, None
        exact = prove_system(system, solution, lambda bits: [[] for _ in program.blocks])
        if exact is None:
            return Verdict.NUMERICAL, "a float solution could not be rounded", None
        function = Polynomial.of(self.variables, dict(zip(monomials, exact.free, strict=True)))
        for simpler in _rounded(function, self.epsilon):
            found = self._certified(simpler)
            if found is not None:
                return Verdict.PROVED, "certified after rounding", found
        return Verdict.PROVED, exact.method, self._together(function, program, exact)

    def _program(self) -> tuple[SosProgram, list[tuple[int, ...]]]:
        """Identities 0 = squares - V + eps |x|^2 and 0 = squares + V' (+ eps |x|^2)."""
        monomials = list(
            map(tuple, full_basis(len(self.field), self.degree, min_degree=1).tolist())
        )
        units = [Polynomial.of(self.variables, {row: 1}) for row in monomials]
        free = tuple((-unit, derivative_along(unit, self.field)) for unit in units)
        targets = tuple(-margin for margin in self.margins)
        blocks = []
        for identity in range(2):
            parts = [targets[identity], *(pair[identity] for pair in free)]
            support = sort_monomials(np.concatenate([part.exponents for part in parts]))
            blocks += self._blocks(support, identity)
        program, _ = without_forced_zeros(SosProgram(targets, tuple(blocks), free))
        return program, monomials

    def _blocks(self, support: NDArray[np.int32], identity: int) -> Iterator[ProgramBlock]:
        """Squares, and on a ball squares times its inequality."""
        if self.ball is None:
            yield ProgramBlock(half_newton_points(support).points, None, identity)
            return
        order = (int(support.sum(axis=1).max(initial=0)) + 1) // 2
        n = len(self.variables)
        # V and V' vanish at 0 and the ball's polynomial does not: no square contains 1.
        yield ProgramBlock(full_basis(n, order, min_degree=1), None, identity)
        if order > 1:
            yield ProgramBlock(full_basis(n, order - 1, min_degree=1), self.ball, identity)

    def _certified(self, function: Polynomial) -> _Certified | None:
        """Both certificates of a given V; None if one fails."""
        margin, loss = self.margins
        first = self._certify(function - margin)
        if not isinstance(first.certificate, SosCertificate):
            return None
        second = self._certify(-derivative_along(function, self.field) - loss)
        if not isinstance(second.certificate, SosCertificate):
            return None
        return function, first.certificate, second.certificate

    def _certify(self, p: Polynomial) -> Certification:
        if self.ball is None:
            return certify(p)
        return certify_on_set(p, [self.ball], choice=self.choice)

    def _together(
        self, function: Polynomial, program: SosProgram, exact: ExactSolution
    ) -> _Certified:
        """Both certificates from the solution of the common program."""
        margin, loss = self.margins
        claims = (function - margin, -derivative_along(function, self.field) - loss)
        pairs = list(zip(program.blocks, exact.grams, strict=True))
        first, second = (
            SosCertificate(
                polynomial=claim,
                gram=tuple(
                    GramBlock.of(block.basis, gram, multiplier=block.multiplier)
                    for block, gram in pairs
                    if block.identity == identity
                ),
                constraints=() if self.ball is None else (self.ball,),
            )
            for identity, claim in enumerate(claims)
        )
        return function, first, second


def _check_field(field: Sequence[Polynomial]) -> None:
    """Refuse what is not a vector field with an equilibrium at 0."""
    if not field:
        raise InputError("the vector field is empty: give one polynomial per variable")
    names = field[0].variables
    if len(field) != len(names) or any(part.variables != names for part in field):
        raise InputError(
            f"{len(field)} components in the variables {', '.join(names)}: give one polynomial per "
            "variable, all in the same variables in the same order"
        )
    for name, part in zip(names, field, strict=True):
        if part.coefficient((0,) * len(names)) != 0:
            raise InputError(
                f"the component of {name} does not vanish at 0: move the equilibrium there"
            )


def _norm_squared(variables: tuple[str, ...]) -> Polynomial:
    """|x|^2."""
    rows = 2 * np.eye(len(variables), dtype=np.int32)
    return Polynomial.from_arrays(variables, rows, [1] * len(variables))


def _rounded(function: Polynomial, epsilon: fmpq) -> Iterator[Polynomial]:
    """The function with coefficients of few bits, the simplest and smallest first.

    The largest coefficient is brought to 2, 8 and 64 times epsilon, roughly, then left as it is.
    """
    values = function.float_coefficients()
    largest = float(np.abs(values).max(initial=0.0)) or 1.0
    small = float(epsilon)
    for bits in ROUNDINGS:
        for size in (2.0 * small, 8.0 * small, 64.0 * small, largest):
            top = int(np.floor(np.log2(size)))
            unit = power_of_two(top - bits)
            scaled = np.ldexp(values * (2.0**top / largest), bits - top)
            numerators = [int(v) for v in np.rint(scaled).tolist()]
            yield Polynomial.from_arrays(
                function.variables, function.exponents, [v * unit for v in numerators]
            )
