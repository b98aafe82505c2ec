"""Adapter for Clarabel: an interior-point method; its PSD order is svec's own.

References
----------
Goulart, Chen: Clarabel: an interior-point solver for conic programs, arXiv:2405.12762.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from scipy import sparse

from tasks.sos.conic._cone_program import ConicProgram
from tasks.sos.conic.solvers._status import Answer, SolverChoice, SolverStatus, SolverUnavailable

_STATUS = {
    "Solved": SolverStatus.OPTIMAL,
    "AlmostSolved": SolverStatus.INACCURATE,
    "PrimalInfeasible": SolverStatus.PRIMAL_INFEASIBLE,
    "AlmostPrimalInfeasible": SolverStatus.PRIMAL_INFEASIBLE,
    "DualInfeasible": SolverStatus.DUAL_INFEASIBLE,
    "AlmostDualInfeasible": SolverStatus.DUAL_INFEASIBLE,
    "MaxIterations": SolverStatus.ITERATION_LIMIT,
    "MaxTime": SolverStatus.TIME_LIMIT,
}


def probe() -> None:
    """Raise `SolverUnavailable` if the package is missing."""
    try:
        import clarabel  # noqa: F401 - present or not
    except ImportError as error:
        raise SolverUnavailable(
            f"clarabel is not installed (pip install clarabel): {error}"
        ) from None


def solve(program: ConicProgram, choice: SolverChoice) -> Answer:
    """One solve on one thread."""
    clarabel = _package()
    cones = [clarabel.PSDTriangleConeT(m) for m in program.psd_sizes]
    if program.num_nonnegative:
        cones.insert(0, clarabel.NonnegativeConeT(program.num_nonnegative))
    if program.num_zero:
        cones.insert(0, clarabel.ZeroConeT(program.num_zero))
    num_variables = len(program.q)
    solver = clarabel.DefaultSolver(
        sparse.csc_matrix((num_variables, num_variables)),
        program.q,
        sparse.csc_matrix(program.A),
        program.b,
        cones,
        _settings(clarabel, choice),
    )
    result = solver.solve()
    name = str(result.status)
    status = _STATUS.get(name, SolverStatus.FAILED)
    return Answer(
        status,
        np.array(result.x),
        np.array(result.s),
        np.array(result.z),
        result.iterations,
        "" if status is SolverStatus.OPTIMAL else f"clarabel: {name}",
    )


def _package() -> Any:
    try:
        return import_module("clarabel")
    except ImportError as error:
        message = f"clarabel is not installed (pip install clarabel): {error}"
        raise SolverUnavailable(message) from None


def _settings(clarabel: Any, choice: SolverChoice) -> Any:
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.time_limit = choice.seconds
    settings.tol_feas = settings.tol_gap_abs = settings.tol_gap_rel = choice.tolerance
    settings.max_threads = 1
    # The dual point is wanted entry by entry; decomposition leaves it incomplete.
    settings.chordal_decomposition_enable = False
    return settings
