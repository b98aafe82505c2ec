"""What a solver's answer means, in one vocabulary for all solvers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import get_args

from tasks.records import InputError
from tasks.sos.config import ConicSolver
from tasks.sos.conic._cone_program import Floats

SOLVERS: tuple[str, ...] = get_args(ConicSolver)
DEFAULT_SOLVER = "clarabel"


class SolverStatus(StrEnum):
    """Outcome of one solve.

    Examples
    --------
    >>> SolverStatus.WRONG.explanation
    'The solver claimed a solution or a certificate that our own check refutes.'
    """

    OPTIMAL = "optimal"
    INACCURATE = "inaccurate"
    PRIMAL_INFEASIBLE = "primal_infeasible"
    DUAL_INFEASIBLE = "dual_infeasible"
    ITERATION_LIMIT = "iteration_limit"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    CRASHED = "crashed"
    UNAVAILABLE = "unavailable"
    WRONG = "wrong"
    FAILED = "failed"

    @property
    def explanation(self) -> str:
        """One sentence for people."""
        return _EXPLANATIONS[self]


_EXPLANATIONS = {
    SolverStatus.OPTIMAL: "An optimal point was found; its residuals are within tolerance.",
    SolverStatus.INACCURATE: "A point was found whose residuals are small but above tolerance.",
    SolverStatus.PRIMAL_INFEASIBLE: "No point satisfies the constraints; y proves it numerically.",
    SolverStatus.DUAL_INFEASIBLE: "The objective is unbounded below along x, or no point exists.",
    SolverStatus.ITERATION_LIMIT: "The solver stopped at its iteration limit.",
    SolverStatus.TIME_LIMIT: "The solver was stopped at the time limit.",
    SolverStatus.MEMORY_LIMIT: "The solver was stopped at the memory limit.",
    SolverStatus.CRASHED: "The solver's process died.",
    SolverStatus.UNAVAILABLE: "The solver is not installed or not licensed.",
    SolverStatus.WRONG: (
        "The solver claimed a solution or a certificate that our own check refutes."
    ),
    SolverStatus.FAILED: "The solver gave up without an answer.",
}


class SolverUnavailable(Exception):  # noqa: N818 - named for what it says
    """Raised by an adapter whose solver is missing or unlicensed; the text says what to do."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What an adapter reports, unchecked; absent vectors are empty.

    For PRIMAL_INFEASIBLE y is the certificate, for DUAL_INFEASIBLE x and s.
    """

    status: SolverStatus
    x: Floats
    s: Floats
    y: Floats
    iterations: int = 0
    message: str = ""


@dataclass(frozen=True)
class SolverChoice:
    """Which conic solver, and what one solve may use.

    Attributes
    ----------
    name
        One of `SOLVERS`. If it is unavailable, `DEFAULT_SOLVER` solves instead, and the solution
        says so.
    seconds, memory_gib
        Enforced from outside: the process is killed. Memory is resident memory of that process,
        interpreter included (about 0.15 GiB).
    tolerance
        On relative residuals and gap, as the solver measures them; recomputed within a factor 10.
    isolated
        False solves in this process: a few ms less, but only the solver's own time limit holds.

    Raises
    ------
    InputError
        On a limit that is not a positive number.
    """

    name: str = DEFAULT_SOLVER
    seconds: float = 60.0
    memory_gib: float = 4.0
    tolerance: float = 1e-8
    isolated: bool = True

    def __post_init__(self) -> None:
        for name in ("seconds", "memory_gib", "tolerance"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"{name} must be a positive number; got {value!r}")


@dataclass(frozen=True, eq=False)
class ConicSolution:
    """A checked answer.

    Attributes
    ----------
    status
        What the answer is worth.
    x, s, y
        Primal point, its slack b - A x, dual point; in the program's own order; empty if absent.
        For PRIMAL_INFEASIBLE y is a certificate: A'y = 0, y in K*, b'y < 0; for DUAL_INFEASIBLE x
        and s are one: A x + s = 0, s in K, q'x < 0.
    objective
        q'x; NaN without a point.
    iterations
        As the solver counts them; 0 if it does not say.
    seconds
        Wall time of the solve, transfers included, start of the worker process excluded.
    solver
        Which solver gave the answer.
    message
        One line of detail, "" if there is nothing to add.
    fallback_from
        The solver that was asked for and is unavailable, or "".
    """

    status: SolverStatus
    x: Floats
    s: Floats
    y: Floats
    objective: float
    iterations: int
    seconds: float
    solver: str
    message: str = ""
    fallback_from: str = ""
