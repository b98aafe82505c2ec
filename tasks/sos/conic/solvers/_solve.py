"""One call for all solvers: probe, run within limits, check, fall back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

from tasks.records import InputError
from tasks.records.isolation import Stopped, run_limited
from tasks.sos.conic._cone_program import ConicProgram, Floats, smat, svec
from tasks.sos.conic.solvers import clarabel, mosek, scs
from tasks.sos.conic.solvers._checks import checked, cone_distance, fits
from tasks.sos.conic.solvers._status import (
    DEFAULT_SOLVER,
    SOLVERS,
    Answer,
    ConicSolution,
    SolverChoice,
    SolverStatus,
    SolverUnavailable,
)

logger = logging.getLogger(__name__)

_ADAPTERS: dict[str, ModuleType] = {"clarabel": clarabel, "scs": scs, "mosek": mosek}
_probes: dict[str, Answer] = {}
NOTHING = np.zeros(0)


def solve(program: ConicProgram, choice: SolverChoice | None = None) -> ConicSolution:
    """Solve a conic program; whatever the solver does, the outcome is a status.

    Raises
    ------
    InputError
        On an unknown solver.
    """
    choice = choice or SolverChoice()
    solver = choice.name
    _require_known(solver)
    known = _decided(program, choice.tolerance)
    if known is not None:
        return _solution(program, known, 0.0, "presolve")
    probe = _probed(solver, isolated=choice.isolated)
    if probe.status is SolverStatus.OPTIMAL:
        answer, seconds = _run(choice, program)
        if answer.status is not SolverStatus.UNAVAILABLE:
            return _solution(program, checked(program, answer, choice.tolerance), seconds, solver)
        probe = _probes[solver] = answer  # a licence can end at any time
    if solver == DEFAULT_SOLVER:
        return _solution(program, probe, 0.0, solver)
    solution = solve(program, replace(choice, name=DEFAULT_SOLVER))
    note = f"{_reason(probe)}; {DEFAULT_SOLVER} was used instead. {solution.message}".strip()
    return replace(solution, fallback_from=solver, message=note)


def unavailability(solver: str, *, isolated: bool = True) -> str:
    """Why a solver cannot be used, in one line; "" if it can. Probed once per process.

    Raises
    ------
    InputError
        On an unknown solver.
    """
    _require_known(solver)
    return _reason(_probed(solver, isolated=isolated))


def _probed(solver: str, *, isolated: bool) -> Answer:
    """OPTIMAL if the solver can be used. A crash or a timeout of the probe is not remembered."""
    if solver in _probes:
        return _probes[solver]
    answer, _ = _run(SolverChoice(solver, 30.0, 2.0, isolated=isolated), None)
    if answer.status in (SolverStatus.OPTIMAL, SolverStatus.UNAVAILABLE):
        _probes[solver] = answer
    if answer.status is not SolverStatus.OPTIMAL:
        logger.info("%s is unavailable: %s", solver, _reason(answer))
    return answer


def _reason(probe: Answer) -> str:
    is_usable = probe.status is SolverStatus.OPTIMAL
    return "" if is_usable else probe.message or probe.status.explanation


def _run(choice: SolverChoice, program: ConicProgram | None) -> tuple[Answer, float]:
    """The adapter's answer and the seconds it took, start of a process excluded."""
    adapter: Any = _ADAPTERS[choice.name]
    job = (adapter.probe,) if program is None else (adapter.solve, program, choice)
    if not choice.isolated:
        return _call_adapter(job)
    start = time.perf_counter()
    found = run_limited(_call_adapter, job, seconds=choice.seconds, memory_gib=choice.memory_gib)
    if isinstance(found, Stopped):
        return _stopped(found, choice), time.perf_counter() - start
    return found


def _call_adapter(job: tuple[Any, ...]) -> tuple[Answer, float]:
    """Call a function of an adapter and time it; whatever it raises is a status."""
    start = time.perf_counter()
    answer = _adapters_answer(*job)
    return answer, time.perf_counter() - start


def _adapters_answer(function: Callable[..., Answer | None], *arguments: Any) -> Answer:
    """The answer of a solver; a probe has none."""
    try:
        return function(*arguments) or _failed(SolverStatus.OPTIMAL, "")
    except SolverUnavailable as error:
        return _failed(SolverStatus.UNAVAILABLE, str(error))
    except MemoryError as error:
        return _failed(SolverStatus.MEMORY_LIMIT, str(error))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - panics of compiled code are no Exceptions
        return _failed(SolverStatus.FAILED, f"{type(error).__name__}: {error}")


def _stopped(found: Stopped, choice: SolverChoice) -> Answer:
    """Why a process has no answer."""
    if found.ending == "time":
        return _failed(SolverStatus.TIME_LIMIT, f"stopped after {choice.seconds:g} s")
    if found.ending == "memory":
        reason = f"stopped above {choice.memory_gib:g} GiB of resident memory"
        return _failed(SolverStatus.MEMORY_LIMIT, reason)
    return _failed(SolverStatus.CRASHED, found.reason)


def _failed(status: SolverStatus, message: str) -> Answer:
    """An answer without vectors."""
    return Answer(status, NOTHING, NOTHING, NOTHING, message=" ".join(message.split()))


def _decided(program: ConicProgram, tolerance: float) -> Answer | None:
    """The answer to a program that needs no solver: a constant row that fails, or no variables."""
    zero, end = program.num_zero, program.num_zero + program.num_nonnegative
    is_constant = np.bincount(program.A.indices, minlength=len(program.b))[:end] == 0
    fails = np.concatenate([program.b[:zero] != 0, program.b[zero:end] < 0]) & is_constant
    if fails.any():
        y = np.zeros(len(program.b))
        row = int(np.argmax(fails))
        y[row] = -np.sign(program.b[row])
        return _infeasible(y, "an equation without variables fails")
    return None if len(program.q) else _constant(program, tolerance)


def _constant(program: ConicProgram, tolerance: float) -> Answer:
    """s = b is the only slack; b outside the cone is separated by its least eigenvector."""
    y = np.zeros(len(program.b))
    distance = cone_distance(program, program.b, is_dual=False)
    if distance <= tolerance * (1 + np.max(np.abs(program.b), initial=0.0)):
        return Answer(SolverStatus.OPTIMAL, np.zeros(0), program.b, y)
    least, rows = min(
        ((np.linalg.eigh(smat(program.b[rows])), rows) for rows in program.psd_slices),
        key=lambda item: item[0].eigenvalues[0],
    )
    y[rows] = svec(np.outer(least.eigenvectors[:, 0], least.eigenvectors[:, 0]))
    return _infeasible(y, f"the only matrix has the eigenvalue {least.eigenvalues[0]:.3g}")


def _infeasible(y: Floats, reason: str) -> Answer:
    return Answer(SolverStatus.PRIMAL_INFEASIBLE, NOTHING, NOTHING, y, message=reason)


def _solution(program: ConicProgram, answer: Answer, seconds: float, solver: str) -> ConicSolution:
    has_x = answer.status is not SolverStatus.PRIMAL_INFEASIBLE and fits(answer.x, program.q)
    has_y = answer.status is not SolverStatus.DUAL_INFEASIBLE and fits(answer.y, program.b)
    return ConicSolution(
        status=answer.status,
        x=answer.x if has_x else NOTHING,
        s=answer.s if has_x else NOTHING,
        y=answer.y if has_y else NOTHING,
        objective=float(program.q @ answer.x) if has_x else float("nan"),
        iterations=answer.iterations,
        seconds=seconds,
        solver=solver,
        message=answer.message,
    )


def _require_known(solver: str) -> None:
    if solver not in _ADAPTERS:
        raise InputError(f"unknown solver {solver!r}; use one of {', '.join(SOLVERS)}")
