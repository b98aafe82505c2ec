"""Numerical moment relaxations: the largest gamma of a program, and the moments behind it.

The dual of "maximize gamma subject to a Putinar certificate of order d for p - gamma" minimizes
L(p) over functionals L on polynomials of degree at most 2d with L(1) = 1, L(g q^2) >= 0 and
L(h q) = 0.  Evaluations at points of the set are such L; conversely L may be a mixture of
evaluations at minimizers (`tasks.sos.optimization.minimizers`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.sos.conic.forms import kernel_form
from tasks.sos.conic.solvers import SolverChoice, SolverStatus, solve
from tasks.sos.optimization.programs import SosProgram

Moments = dict[tuple[int, ...], float]
"""L(x^a) by exponent; monomials that are left out have L = 0 by sign symmetry."""


@dataclass(frozen=True, eq=False)
class Relaxation:
    """A solved relaxation; all of it is numerical.

    Attributes
    ----------
    status : SolverStatus
        PRIMAL_INFEASIBLE: no gamma has a certificate; DUAL_INFEASIBLE: every gamma has one, which
        means that the set is empty.
    level : float
        The largest gamma; -inf, inf or NaN if there is none or nothing is known.
    moments : dict
        L, with L(1) = 1; empty without a solution.
    message : str
        What the solver adds.
    seconds : float
    """

    status: SolverStatus
    level: float
    moments: Moments
    message: str
    seconds: float


def solve_relaxation(program: SosProgram, choice: SolverChoice | None = None) -> Relaxation:
    """Maximize the level of a program with a conic solver."""
    form = kernel_form(program.linear_map(), program.right_sides(), objective="max_gamma")
    answer = solve(form.program, choice)
    level = {SolverStatus.PRIMAL_INFEASIBLE: -np.inf, SolverStatus.DUAL_INFEASIBLE: np.inf}.get(
        answer.status, np.nan
    )
    moments: Moments = {}
    found = form.recover(answer)
    if np.isnan(level) and len(found.moments) and np.isfinite(found.value):
        level = found.value
        moments = {
            monomial: float(found.moments[k])
            for (identity, monomial), k in program.equations.items()
            if identity == 0
        }
    message = answer.message or answer.status.explanation
    return Relaxation(answer.status, float(level), moments, message, answer.seconds)
