"""The numerical solution of a Gram problem: by our own methods, or by a conic solver.

Where a Newton step takes long, a few cuts find most positive definite Gram matrices, and a few
reflections most of low rank.  Interior points are the fastest else, up to some thousand unknowns,
and give the most accurate kernels; beyond, or where asked for, a conic solver gets the kernel form.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tasks.records import BudgetExceeded
from tasks.sos.conic.forms import kernel_form
from tasks.sos.conic.solvers import SolverStatus, solve
from tasks.sos.gram.cuts import find_by_cuts
from tasks.sos.gram.facial import scaled_eigenvalues
from tasks.sos.gram.interior import (
    MAX_UNKNOWNS,
    Feasibility,
    InteriorSolution,
    diagonal_weights,
    solve_interior,
)
from tasks.sos.gram.problem import GramProblem, Grams
from tasks.sos.gram.reflections import find_by_reflections

logger = logging.getLogger(__name__)

SolverName = Literal["auto", "interior", "clarabel", "scs", "mosek", "sdpa", "csdp"]
LARGE_SOLVER = "scs"
"""For problems beyond our own method."""
SECOND_SOLVER = "clarabel"
"""Where our own method does not find a start."""
MIN_FREE = 300
"""Free dimensions from which cuts and reflections come first: a Newton step takes longer."""
ENOUGH = 1e-4
"""A t from which a Gram matrix is taken as it comes."""
TOLERANCE = 1e-7
"""Of the conic solvers; t within it counts as 0."""
REFLECTIONS = "reflections"
"""Form of the solutions that need not be in the relative interior of their face."""


class NotSolvedError(Exception):
    """A conic solver gave no point; the message says why."""


def solve_numerically(
    problem: GramProblem,
    *,
    solver: SolverName = "auto",
    seconds: float = float("inf"),
    memory_gib: float = 4.0,
) -> InteriorSolution:
    """Solve a Gram problem in floats.

    Parameters
    ----------
    problem : GramProblem
    solver : str
        ``auto`` takes our own methods up to `MAX_UNKNOWNS` unknowns, and Clarabel where they do
        not find a start; SCS beyond.  ``interior`` takes interior points alone.
    seconds, memory_gib : float
        Limits; those of a conic solver are enforced from outside.

    Raises
    ------
    BudgetExceeded
        If the time is over.
    NotSolvedError
        If the solver has no usable answer.
    """
    unknowns = min(problem.num_free + 1, problem.num_monomials)
    if solver == "interior":
        return _by_own_methods(problem, seconds, is_quick=False)
    if solver != "auto":
        return _by_conic_solver(problem, solver, seconds, memory_gib)
    if unknowns > MAX_UNKNOWNS:
        return _by_conic_solver(problem, LARGE_SOLVER, seconds, memory_gib)
    try:
        return _by_own_methods(problem, seconds, is_quick=True)
    except NotSolvedError as error:
        logger.info("%s; %s is tried", error, SECOND_SOLVER)
        return _by_conic_solver(problem, SECOND_SOLVER, seconds, memory_gib)


def _by_own_methods(problem: GramProblem, seconds: float, *, is_quick: bool) -> InteriorSolution:
    """Interior points, after quicker methods if they are wanted; ended at the deadline."""
    deadline = time.perf_counter() + seconds

    def on_step() -> None:
        if time.perf_counter() > deadline:
            raise BudgetExceeded("the time was over before the Gram problem was solved")

    try:
        if is_quick and problem.num_free >= MIN_FREE:
            found = _by_cuts(problem) or _by_reflections(problem, on_step)
            if found is not None:
                return found
        return solve_interior(problem, on_step=on_step, enough=ENOUGH)
    except (OverflowError, ValueError, np.linalg.LinAlgError) as error:
        raise NotSolvedError(f"interior points: {error}") from error


def _by_cuts(problem: GramProblem) -> InteriorSolution | None:
    """The first positive definite Gram matrix that a few cuts find."""
    weights = diagonal_weights(problem)
    grams, num_steps = find_by_cuts(problem, weights)
    if grams is None:
        return None
    return _found(problem, grams, weights, num_steps, "cuts")


def _by_reflections(problem: GramProblem, on_step: Callable[[], None]) -> InteriorSolution | None:
    """A Gram matrix of low rank, if a few reflections find one."""
    weights = diagonal_weights(problem)
    grams, num_steps = find_by_reflections(problem, weights, on_step=on_step)
    if grams is None:
        return None
    return _found(problem, grams, weights, num_steps, REFLECTIONS)


def _found(
    problem: GramProblem,
    grams: Grams,
    weights: list[NDArray[np.float64]],
    num_steps: int,
    form: str,
) -> InteriorSolution:
    """A solution without bounds from above."""
    lower = min(float(scaled_eigenvalues(*pair)[0]) for pair in zip(grams, weights, strict=True))
    is_interior = lower > TOLERANCE
    return InteriorSolution(
        feasibility=Feasibility.INTERIOR if is_interior else Feasibility.BOUNDARY,
        grams=grams,
        moments=np.zeros(problem.num_monomials),
        lower=lower,
        upper=float("inf"),
        form=form,
        num_unknowns=problem.num_free,
        num_steps=num_steps,
        ended="enough",
    )


def _by_conic_solver(
    problem: GramProblem, name: str, seconds: float, memory_gib: float
) -> InteriorSolution:
    """Kernel form, maximizing t with Q - t I semidefinite."""
    form = kernel_form(problem, problem.target)
    solution = solve(
        form.program,
        name,
        time_limit_s=min(seconds, 1e6),
        memory_limit_gib=memory_gib,
        tolerance=TOLERANCE,
    )
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
