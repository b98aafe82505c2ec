"""The numerical solution of a Gram problem: by our own methods, or by a conic solver.

A positive definite Gram matrix is looked for first, which takes a small part of the time of what
follows.  Then our interior-point method is the fastest up to some thousand unknowns and gives the
most accurate kernels; beyond, or where asked for, a conic solver gets the kernel form.
"""

from __future__ import annotations

import logging
import time
from functools import partial

import numpy as np

from tasks.records import BudgetExceeded
from tasks.sos.config import ConicSolver, SolverName
from tasks.sos.conic.forms import kernel_form
from tasks.sos.conic.solvers import SolverChoice, SolverStatus, solve
from tasks.sos.gram.definite import find_definite_grams
from tasks.sos.gram.facial import scaled_eigenvalues
from tasks.sos.gram.interior import (
    MAX_UNKNOWNS,
    Feasibility,
    InteriorSolution,
    diagonal_weights,
    solve_interior,
)
from tasks.sos.gram.problem import GramProblem

logger = logging.getLogger(__name__)

LARGE_SOLVER: ConicSolver = "scs"
"""For problems beyond our own method."""
SECOND_SOLVER: ConicSolver = "clarabel"
"""Where our own method does not find a start."""
ENOUGH = 1e-4
"""A t from which a Gram matrix is taken as it comes."""
QUICK = "distance"
"""Form of a positive definite matrix that a few steps have found."""
TOLERANCE = 1e-7
"""Of the conic solvers; t within it counts as 0."""


class NotSolvedError(Exception):
    """A conic solver gave no point; the message says why."""


def solve_numerically(
    problem: GramProblem,
    *,
    solver: SolverName = "auto",
    is_quick: bool = True,
    seconds: float = float("inf"),
    memory_gib: float = 4.0,
) -> InteriorSolution:
    """Solve a Gram problem in floats.

    Parameters
    ----------
    problem : GramProblem
    solver : str
        ``auto`` looks for a positive definite Gram matrix, then takes interior points up to
        `MAX_UNKNOWNS` unknowns, and Clarabel where these do not find a start; SCS beyond.
        ``interior`` takes interior points alone.
    is_quick : bool
        Whether ``auto`` may end with the first positive definite matrix that a few steps find.
    seconds, memory_gib : float
        Limits; those of a conic solver are enforced from outside.

    Raises
    ------
    BudgetExceeded
        If the time is over.
    NotSolvedError
        If the solver has no usable answer.
    """
    try:
        unknowns = min(problem.num_free + 1, len(problem.target))
    except OverflowError as error:
        raise NotSolvedError("a coefficient is too large for floats in any scaling") from error
    deadline = time.perf_counter() + seconds
    if solver == "interior":
        return _by_interior_points(problem, deadline)
    if solver != "auto":
        return _by_conic_solver(problem, solver, deadline, memory_gib)
    found = _definite(problem, deadline) if is_quick else None
    if found is not None:
        return found
    if unknowns > MAX_UNKNOWNS:
        return _by_conic_solver(problem, LARGE_SOLVER, deadline, memory_gib)
    try:
        return _by_interior_points(problem, deadline)
    except NotSolvedError as error:
        logger.info("%s; %s is tried", error, SECOND_SOLVER)
        return _by_conic_solver(problem, SECOND_SOLVER, deadline, memory_gib)


def _check_time(deadline: float) -> None:
    if time.perf_counter() > deadline:
        raise BudgetExceeded("the time was over before the Gram problem was solved")


# Numbers beyond floats end as infinite or undefined ones, which are looked for where they matter.
@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def _by_interior_points(problem: GramProblem, deadline: float) -> InteriorSolution:
    """Our own method, ended at the deadline."""
    try:
        return solve_interior(problem, on_step=partial(_check_time, deadline), enough=ENOUGH)
    except (OverflowError, ValueError, np.linalg.LinAlgError) as error:
        raise NotSolvedError(f"interior points: {error}") from error


@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def _definite(problem: GramProblem, deadline: float) -> InteriorSolution | None:
    """The first positive definite Gram matrix that a few steps find."""
    _check_time(deadline)
    on_step = partial(_check_time, deadline)
    found = find_definite_grams(problem, diagonal_weights(problem), on_step=on_step)
    if found.blocks is None:
        return None
    return InteriorSolution(
        feasibility=Feasibility.INTERIOR,
        grams=found.blocks,
        moments=np.zeros(problem.num_monomials),
        lower=found.lowest,
        upper=float("inf"),
        form=QUICK,
        num_unknowns=problem.num_free,
        num_steps=found.num_steps,
        ended="enough",
    )


def _by_conic_solver(
    problem: GramProblem, name: ConicSolver, deadline: float, memory_gib: float
) -> InteriorSolution:
    """Kernel form, maximizing t with Q - t I semidefinite."""
    _check_time(deadline)
    form = kernel_form(problem, problem.target)
    seconds = min(max(1e-3, deadline - time.perf_counter()), 1e6)
    solution = solve(form.program, SolverChoice(name, seconds, memory_gib, TOLERANCE))
    found = form.recover(solution)
    if not found.grams or not len(found.moments):
        if solution.status in (SolverStatus.TIME_LIMIT, SolverStatus.MEMORY_LIMIT):
            raise BudgetExceeded(f"{solution.solver}: {solution.status.explanation}")
        raise NotSolvedError(f"{solution.solver}: {solution.status.explanation}")
    grams = problem.projected(found.grams)
    weights = diagonal_weights(problem)
    lower = min(
        float(scaled_eigenvalues(gram, weight)[0])
        for gram, weight in zip(grams, weights, strict=True)
    )
    upper = float(problem.target @ found.moments)
    feasibility = Feasibility.BOUNDARY
    if lower > TOLERANCE:
        feasibility = Feasibility.INTERIOR
    elif upper < -TOLERANCE:
        feasibility = Feasibility.OUTSIDE
    return InteriorSolution(
        feasibility=feasibility,
        grams=grams,
        moments=found.moments,
        lower=lower,
        upper=upper,
        form=solution.solver,
        num_unknowns=problem.num_monomials,
        num_steps=solution.iterations,
        ended=str(solution.status),
    )
