"""Adapter for MOSEK: commercial, an optional extra that needs a licence.

The program is passed as affine conic constraints -A x + b in K; MOSEK's vectorized PSD cone is the
lower triangle column by column, scaled like svec.

References
----------
MOSEK Optimizer API for Python 11, section "Affine conic constraints".
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from tasks.sos.conic._cone_program import ConicProgram, Floats, svec_length
from tasks.sos.conic.solvers._status import Answer, SolverChoice, SolverStatus, SolverUnavailable
from tasks.sos.conic.solvers.scs import row_order

LICENSE_ERRORS = range(1000, 1100)
"""MOSEK's response codes about licences; 1008 is a missing licence file."""


def probe() -> None:
    """Raise `SolverUnavailable` if the package or its licence is missing; one tiny solve."""
    mosek = _package()
    try:
        with mosek.Env() as env, env.Task(0, 0) as task:
            task.appendvars(1)
            task.putvarbound(0, mosek.boundkey.fr, 0.0, 0.0)
            task.optimize()
    except mosek.Error as error:
        raise _unavailable(error) from None


def solve(program: ConicProgram, choice: SolverChoice) -> Answer:
    """One solve on one thread."""
    mosek = _package()
    try:
        with mosek.Env() as env, env.Task(0, 0) as task:
            order = row_order(program)
            num_constraints = _pose(mosek, task, program, order)
            _set_limits(mosek, task, choice)
            ending = task.optimize()
            return _answer(mosek, task, program, order, num_constraints, ending)
    except mosek.Error as error:
        if int(error.errno) in LICENSE_ERRORS:
            raise _unavailable(error) from None
        raise


def _package() -> Any:
    try:
        return import_module("mosek")
    except ImportError as error:
        message = f"mosek is not installed (pip install 'latticework[mosek]'): {error}"
        raise SolverUnavailable(message) from None


def _unavailable(error: Any) -> SolverUnavailable:
    what = "has no valid licence" if int(error.errno) in LICENSE_ERRORS else "does not work"
    advice = "; set MOSEKLM_LICENSE_FILE" if int(error.errno) in LICENSE_ERRORS else ""
    return SolverUnavailable(f"mosek {what}{advice} (error {int(error.errno)}: {error.msg})")


def _pose(mosek: Any, task: Any, program: ConicProgram, order: Any) -> int:
    """Enter the program; returns the number of its conic constraints."""
    num_rows, num_variables = program.A.shape
    task.appendvars(num_variables)
    task.putvarboundsliceconst(0, num_variables, mosek.boundkey.fr, 0.0, 0.0)
    task.putcslice(0, num_variables, program.q)
    task.putobjsense(mosek.objsense.minimize)
    task.appendafes(num_rows)
    triples = program.A.tocsr()[order].tocoo()
    task.putafefentrylist(triples.row, triples.col, -triples.data)
    task.putafegslice(0, num_rows, program.b[order])
    domains = []
    if program.num_zero:
        domains.append((task.appendrzerodomain(program.num_zero), program.num_zero))
    if program.num_nonnegative:
        domains.append((task.appendrplusdomain(program.num_nonnegative), program.num_nonnegative))
    for length in map(svec_length, program.psd_sizes):
        domains.append((task.appendsvecpsdconedomain(length), length))
    start = 0
    for domain, length in domains:
        task.appendaccseq(domain, start, None)
        start += length
    return len(domains)


def _set_limits(mosek: Any, task: Any, choice: SolverChoice) -> None:
    parameters = mosek.dparam
    task.putdouparam(parameters.optimizer_max_time, choice.seconds)
    for name in ("rel_gap", "pfeas", "dfeas"):
        parameter = getattr(parameters, f"intpnt_co_tol_{name}")
        task.putdouparam(parameter, min(choice.tolerance, 1.0))
    task.putintparam(mosek.iparam.num_threads, 1)


def _answer(
    mosek: Any, task: Any, program: ConicProgram, order: Any, num_constraints: int, ending: Any
) -> Answer:
    status = _status(mosek, task, ending)
    x = np.array(task.getxx(mosek.soltype.itr), dtype=np.float64)
    parts = [task.getaccdoty(mosek.soltype.itr, k) for k in range(num_constraints)]
    y: Floats = np.empty(len(order))
    y[order] = np.concatenate([np.zeros(0), *parts])
    is_ray = status is SolverStatus.DUAL_INFEASIBLE
    s = -(program.A @ x) + (0.0 if is_ray else program.b)
    iterations = int(task.getintinf(mosek.iinfitem.intpnt_iter))
    message = "" if status is SolverStatus.OPTIMAL else f"mosek: {ending}"
    return Answer(status, x, s, y, iterations, message)


def _status(mosek: Any, task: Any, ending: Any) -> SolverStatus:
    found = {
        mosek.solsta.optimal: SolverStatus.OPTIMAL,
        mosek.solsta.prim_infeas_cer: SolverStatus.PRIMAL_INFEASIBLE,
        mosek.solsta.dual_infeas_cer: SolverStatus.DUAL_INFEASIBLE,
    }
    stopped = {
        mosek.rescode.trm_max_time: SolverStatus.TIME_LIMIT,
        mosek.rescode.trm_max_iterations: SolverStatus.ITERATION_LIMIT,
    }
    status = found.get(task.getsolsta(mosek.soltype.itr))
    return status or stopped.get(ending, SolverStatus.FAILED)
