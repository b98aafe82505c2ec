"""Solvers behind one call: what they find, what they claim, and what their claims are worth."""

import math
import sys
from dataclasses import replace

import numpy as np
import pytest
from rigged_programs import FORM, LEAST_EIGENVALUE, QUADRATIC, SQUARES, rigged
from scipy import sparse

from tasks.records import InputError
from tasks.records.isolation import close_processes
from tasks.sos.conic.forms import ConicProgram, LinearMap, kernel_form, svec
from tasks.sos.conic.solvers import (
    SOLVERS,
    SolverChoice,
    SolverStatus,
    point_error,
    solve,
    unavailability,
)

pytestmark = pytest.mark.usefixtures("rigged_adapter", "fresh_probes", "own_processes")


@pytest.mark.parametrize("solver", ["clarabel", "scs"])
@pytest.mark.parametrize("isolated", [True, False])
def test_the_core_solvers_find_the_least_eigenvalue(solver, isolated):
    solution = solve(FORM.program, SolverChoice(solver, isolated=isolated))
    assert (solution.status, solution.solver) == (SolverStatus.OPTIMAL, solver)
    assert -solution.objective == pytest.approx(LEAST_EIGENVALUE, abs=1e-7)
    assert solution.seconds > 0
    assert solution.iterations > 0
    assert point_error(FORM.program, solution) < 1e-7


@pytest.mark.parametrize("solver", ["clarabel", "scs"])
def test_an_infeasible_program_comes_with_a_functional_that_separates(solver):
    indefinite = np.array([1.0, 6.0, 3.0])
    form = kernel_form(
        LinearMap.from_terms([[(1.0, SQUARES)]], 3), indefinite, objective="feasibility"
    )
    solution = solve(form.program, SolverChoice(solver, isolated=False))
    assert solution.status is SolverStatus.PRIMAL_INFEASIBLE
    assert form.recover(solution).moments @ indefinite < 0
    assert len(solution.x) == len(solution.s) == 0
    assert math.isnan(solution.objective)


@pytest.mark.parametrize("solver", ["clarabel", "scs"])
def test_an_unbounded_program_comes_with_a_direction(solver):
    unbounded = replace(FORM.program, q=-FORM.program.q)
    solution = solve(unbounded, SolverChoice(solver, isolated=False))
    assert solution.status is SolverStatus.DUAL_INFEASIBLE
    assert unbounded.q @ solution.x < 0
    np.testing.assert_allclose(unbounded.A @ solution.x + solution.s, 0, atol=1e-6)
    assert len(solution.y) == 0


@pytest.mark.parametrize(
    ("behavior", "status", "words"),
    [
        ("honest", SolverStatus.OPTIMAL, ""),
        ("lies_about_the_optimum", SolverStatus.WRONG, "claimed optimal, but its point"),
        ("is_a_little_off", SolverStatus.INACCURATE, "the relative error is"),
        ("stops_at_a_good_point", SolverStatus.OPTIMAL, ""),
        ("lies_about_infeasibility", SolverStatus.WRONG, "claimed primal_infeasible, but"),
        ("lies_about_unboundedness", SolverStatus.WRONG, "claimed dual_infeasible, but"),
        ("answers_not_a_number", SolverStatus.WRONG, "the relative error inf"),
        ("answers_too_little", SolverStatus.WRONG, "the relative error inf"),
        ("raises", SolverStatus.FAILED, "ValueError: no idea"),
        ("panics", SolverStatus.FAILED, "BaseException: thread panicked"),
        ("asks_for_too_much_at_once", SolverStatus.MEMORY_LIMIT, "Unable to allocate"),
        ("loses_its_licence", SolverStatus.OPTIMAL, "no licence; clarabel was used instead."),
    ],
)
def test_a_claim_is_worth_what_it_proves(behavior, status, words):
    solution = solve(rigged(behavior), SolverChoice("rigged"))
    assert solution.status is status
    assert words in solution.message
    assert "\n" not in solution.message


@pytest.mark.parametrize(
    ("behavior", "limits", "status", "words"),
    [
        ("hangs", {"seconds": 0.3}, SolverStatus.TIME_LIMIT, "stopped after 0.3 s"),
        (
            "eats_memory",
            {"memory_gib": 0.4},
            SolverStatus.MEMORY_LIMIT,
            "stopped above 0.4 GiB of resident memory",
        ),
        ("aborts_for_memory", {}, SolverStatus.MEMORY_LIMIT, "stopped above 4 GiB of resident"),
        ("crashes", {}, SolverStatus.CRASHED, "the process ended with SIGSEGV"),
        ("leaves", {}, SolverStatus.CRASHED, "ended with exit code 3"),
    ],
)
def test_a_solver_that_ends_its_process_is_a_status_and_the_next_solve_goes_on(
    behavior, limits, status, words
):
    solution = solve(rigged(behavior), SolverChoice("rigged", **limits))
    assert solution.status is status
    assert words in solution.message
    assert solve(FORM.program).status is SolverStatus.OPTIMAL


def test_a_process_that_cannot_start_is_a_status(monkeypatch):
    close_processes()
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    solution = solve(FORM.program)
    assert solution.status is SolverStatus.CRASHED
    assert solution.message.startswith("no process could be started: ")


def test_infeasibility_by_a_wrong_sign_or_a_wrong_cone_is_no_certificate():
    for y in (np.array([0.0, 1, 0, 0, 0, 0, 0]), np.array([-1.0, 0, 0, 0, 1, 0, 0])):
        program = rigged("claims_infeasibility_by")
        solution = solve(replace(program, certificate=y), SolverChoice("rigged", isolated=False))
        assert solution.status is SolverStatus.WRONG


def test_a_failing_equation_is_decided_without_a_solver():
    mapping = LinearMap.from_terms([[(1.0, SQUARES)]], 4)
    program = kernel_form(mapping, np.append(QUADRATIC, 5.0)).program
    solution = solve(program)
    assert (solution.status, solution.solver) == (SolverStatus.PRIMAL_INFEASIBLE, "presolve")
    assert (program.b @ solution.y, np.abs(program.A.T @ solution.y).max()) == (-5.0, 0.0)


@pytest.mark.parametrize(
    ("middle", "status"),
    [
        (2.0, SolverStatus.OPTIMAL),
        (2 * math.sqrt(3), SolverStatus.OPTIMAL),  # singular: rounding errors are no refutation
        (4.0, SolverStatus.PRIMAL_INFEASIBLE),
    ],
)
def test_a_program_without_variables_is_decided_without_a_solver(middle, status):
    gram = np.array([[1.0, middle / 2], [middle / 2, 3.0]])
    program = ConicProgram(sparse.csc_array((3, 0)), svec(gram), np.zeros(0), 0, 0, (2,))
    solution = solve(program)
    assert (solution.status, solution.solver) == (status, "presolve")
    assert (program.b @ solution.y < 0) == (status is SolverStatus.PRIMAL_INFEASIBLE)


def test_an_unavailable_solver_falls_back_and_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "mosek", None)
    solution = solve(FORM.program, SolverChoice("mosek", isolated=False))
    assert (solution.solver, solution.fallback_from) == ("clarabel", "mosek")
    assert solution.status is SolverStatus.OPTIMAL
    assert solution.message.startswith("mosek is not installed (pip install 'latticework[mosek]')")
    assert solution.message.endswith("clarabel was used instead.")


def test_without_any_solver_the_status_is_unavailable(monkeypatch):
    monkeypatch.setitem(sys.modules, "clarabel", None)
    solution = solve(FORM.program, SolverChoice(isolated=False))
    assert solution.status is SolverStatus.UNAVAILABLE
    assert "pip install clarabel" in solution.message


@pytest.mark.parametrize(
    ("solver", "package", "advice"),
    [
        ("mosek", "mosek", "latticework[mosek]"),
        ("scs", "scs", "pip install scs"),
    ],
)
def test_a_missing_package_is_named_with_its_remedy(monkeypatch, solver, package, advice):
    monkeypatch.setitem(sys.modules, package, None)
    reason = unavailability(solver, isolated=False)
    assert "is not installed" in reason
    assert advice in reason


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "gurobi"}, "unknown solver 'gurobi'; use one of clarabel, scs, mosek"),
        ({"seconds": 0}, "seconds must be a positive number; got 0"),
        ({"memory_gib": math.nan}, "memory_gib must be a positive number; got nan"),
        ({"tolerance": -1e-8}, "tolerance must be a positive number"),
    ],
)
def test_wrong_use_is_refused_in_one_line(arguments, words):
    with pytest.raises(InputError, match=words):
        solve(FORM.program, SolverChoice(**arguments))


def test_every_status_explains_itself():
    assert len({status.explanation for status in SolverStatus}) == len(SolverStatus)
    assert SOLVERS == ("clarabel", "scs", "mosek")
