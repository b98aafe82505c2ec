"""Conic forms, against hand-made optima and a modelling language."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest

from tasks.records import InputError
from tasks.sos.conic.forms import (
    ConicProgram,
    LinearMap,
    kernel_form,
    smat,
    svec,
    svec_indices,
)
from tasks.sos.conic.solvers import SolverChoice, SolverStatus, solve

OBJECTIVES = ["max_t", "max_gamma", "feasibility"]
TOLERANCE = 1e-8
CLOSE = 1e-6  # the optimum is known up to the gap, relative to numbers of size about 1


@dataclass(frozen=True)
class Problem:
    """What the conic forms read of a Gram problem."""

    monomials: np.ndarray
    rows: tuple[np.ndarray, ...]


def exponents_up_to(num_variables, degree):
    box = product(range(degree + 1), repeat=num_variables)
    return np.array([e for e in box if sum(e) <= degree], dtype=np.int32)


def gram_problem(*bases):
    sums = [(basis[:, None] + basis[None]).reshape(-1, basis.shape[1]) for basis in bases]
    monomials, inverse = np.unique(np.concatenate(sums), axis=0, return_inverse=True)
    parts = np.split(inverse.ravel(), np.cumsum([len(s) for s in sums])[:-1])
    shaped = (part.reshape(len(b), len(b)) for part, b in zip(parts, bases, strict=True))
    return Problem(monomials, tuple(shaped))


def coefficients_of(problem, grams):
    flat = np.concatenate([rows.ravel() for rows in problem.rows])
    values = np.concatenate([gram.ravel() for gram in grams])
    return np.bincount(flat, weights=values, minlength=len(problem.monomials))


def random_grams(problem, seed, rank=None):
    rng = np.random.default_rng(seed)
    sizes = [len(rows) for rows in problem.rows]
    factors = [rng.normal(size=(m, rank or m)) / np.sqrt(m) for m in sizes]
    return [factor @ factor.T for factor in factors]


def solved(form, solver="clarabel"):
    solution = solve(form.program, SolverChoice(solver, tolerance=TOLERANCE, isolated=False))
    return solution, form.recover(solution)


FULL = gram_problem(exponents_up_to(2, 2))
BLOCKS = gram_problem(  # even and odd parts, and a block of size 1
    np.array([[0, 0], [2, 0], [0, 2]], dtype=np.int32),
    np.array([[1, 0], [1, 2]], dtype=np.int32),
    np.array([[0, 1]], dtype=np.int32),
)


def test_svec_is_an_isometry_in_column_order_of_the_upper_triangle():
    rng = np.random.default_rng(1)
    a, b = (x + x.T for x in rng.normal(size=(2, 5, 5)))
    assert svec(a) @ svec(b) == pytest.approx(np.trace(a @ b))
    np.testing.assert_allclose(smat(svec(a)), a, rtol=1e-15)
    assert list(zip(*svec_indices(3), strict=True)) == [
        (0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2)
    ]  # fmt: skip


@pytest.mark.parametrize("problem", [FULL, BLOCKS], ids=["full", "blocks"])
def test_the_linear_map_gives_the_coefficients_of_the_gram_matrices(problem):
    grams = random_grams(problem, 2)
    applied = LinearMap.of(problem).apply(grams)
    np.testing.assert_allclose(applied, coefficients_of(problem, grams), rtol=1e-13)


@pytest.mark.parametrize("problem", [FULL, BLOCKS], ids=["full", "blocks"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_optimum_is_feasible_and_its_moments_are_valid(problem, objective):
    c = coefficients_of(problem, random_grams(problem, 3))
    form = kernel_form(problem, c, objective=objective)
    solution, found = solved(form)
    assert solution.status is SolverStatus.OPTIMAL
    is_one = ~problem.monomials.any(axis=1)
    gamma = found.value if objective == "max_gamma" else 0.0
    np.testing.assert_allclose(form.map.apply(found.grams) + gamma * is_one, c, atol=CLOSE)
    shift = found.value if objective == "max_t" else 0.0
    assert min(np.linalg.eigvalsh(gram)[0] for gram in found.grams) >= shift - CLOSE
    for rows in problem.rows:
        assert np.linalg.eigvalsh(found.moments[rows])[0] >= -CLOSE
    assert found.moments @ c == pytest.approx(found.value, abs=CLOSE)


def test_the_moments_are_normalized_by_the_objective():
    c = coefficients_of(FULL, random_grams(FULL, 4))
    t = solved(kernel_form(FULL, c, objective="max_t"))[1]
    trace = sum(np.trace(t.moments[rows]) for rows in FULL.rows)
    assert trace == pytest.approx(1, abs=CLOSE)
    gamma = solved(kernel_form(FULL, c, objective="max_gamma"))[1]
    [constant] = np.flatnonzero(~FULL.monomials.any(axis=1))
    assert gamma.moments[constant] == pytest.approx(1, abs=CLOSE)


def test_t_stops_at_its_bound():
    c = coefficients_of(BLOCKS, [5 * np.eye(len(rows)) for rows in BLOCKS.rows])
    _, found = solved(kernel_form(BLOCKS, c, t_max=0.25))
    assert found.value == pytest.approx(0.25, abs=CLOSE)


def test_the_bound_of_a_shifted_square_is_its_minimum():
    """(x² - 2)² - 3 has the minimum -3."""
    problem = gram_problem(np.array([[0], [1], [2]], dtype=np.int32))
    _, found = solved(kernel_form(problem, np.array([1.0, 0, -4, 0, 1]), objective="max_gamma"))
    assert found.value == pytest.approx(-3, abs=CLOSE)


def test_a_polynomial_outside_the_cone_is_separated_by_its_moments():
    """Motzkin's form at z = 1: x⁴y² + x²y⁴ - 3x²y² + 1."""
    problem = gram_problem(np.array([[0, 0], [1, 1], [1, 2], [2, 1]], dtype=np.int32))
    motzkin = {(4, 2): 1.0, (2, 4): 1.0, (2, 2): -3.0, (0, 0): 1.0}
    c = np.array([motzkin.get(tuple(e), 0.0) for e in problem.monomials.tolist()])
    for objective in ("max_t", "feasibility"):
        solution, found = solved(kernel_form(problem, c, objective=objective))
        assert found.moments @ c < -1e-3
        assert np.linalg.eigvalsh(found.moments[problem.rows[0]])[0] >= -CLOSE
        assert (solution.status is SolverStatus.OPTIMAL) == (objective == "max_t")


def test_a_unique_gram_matrix_is_found():
    problem = gram_problem(np.array([[1, 0], [0, 1]], dtype=np.int32))
    c = np.array([2.0, 2.0, 3.0])  # y², xy, x²
    form = kernel_form(problem, c, objective="feasibility")
    _, found = solved(form)
    np.testing.assert_allclose(found.grams[0], [[3, 1], [1, 2]], atol=CLOSE)


def test_blocks_of_size_one_become_nonnegative_numbers():
    program = kernel_form(BLOCKS, np.zeros(len(BLOCKS.monomials)), objective="feasibility").program
    assert (program.num_nonnegative, program.psd_sizes) == (1, (3, 2))


def test_an_uncovered_monomial_is_infeasible():
    rows = np.array([[0, 1], [1, 2]])
    problem = Problem(np.array([[2, 0], [1, 1], [0, 2], [3, 0]], dtype=np.int32), (rows,))
    c = np.array([1.0, 0.0, 1.0, 2.0])
    solution, found = solved(kernel_form(problem, c))
    assert (solution.status, solution.solver) == (SolverStatus.PRIMAL_INFEASIBLE, "presolve")
    assert found.moments @ c == -2


def interval_map():
    """p = σ0 + σ1 (1 - x²): σ0 over (1, x), σ1 a number; monomials 1, x, x²."""
    squares = np.array([[0, 1], [1, 2]])
    blocks = [[(1.0, squares)], [(1.0, np.array([[0]])), (-1.0, np.array([[2]]))]]
    return LinearMap.from_terms(blocks, 3, constant=0)


def test_a_putinar_multiplier_gives_the_bound_on_an_interval():
    """x + 1 = (x + 1)²/2 + (1 - x²)/2, so the minimum of x on [-1, 1] is -1."""
    form = kernel_form(interval_map(), np.array([0.0, 1.0, 0.0]), objective="max_gamma")
    _, found = solved(form)
    assert found.value == pytest.approx(-1, abs=CLOSE)
    np.testing.assert_allclose(found.grams[0], [[0.5, 0.5], [0.5, 0.5]], atol=1e-3)
    np.testing.assert_allclose(found.moments, [1, -1, 1], atol=1e-3)


def test_a_free_multiplier_gives_the_bound_on_a_circle():
    """The minimum of x + y where x² + y² = 1 is -√2; the multiplier of 1 - x² - y² is 1/√2."""
    problem = gram_problem(exponents_up_to(2, 1))
    circle = {(0, 0): 1.0, (2, 0): -1.0, (0, 2): -1.0}
    free = np.array([[circle.get(tuple(e), 0.0)] for e in problem.monomials.tolist()])
    blocks = [[(1.0, problem.rows[0])]]
    [constant] = np.flatnonzero(~problem.monomials.any(axis=1))
    mapping = LinearMap.from_terms(blocks, 6, free=free, constant=int(constant))
    c = (problem.monomials.sum(axis=1) == 1).astype(float)
    _, found = solved(kernel_form(mapping, c, objective="max_gamma"))
    assert found.value == pytest.approx(-np.sqrt(2), abs=CLOSE)
    assert found.free[0] == pytest.approx(np.sqrt(0.5), abs=1e-4)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: kernel_form(FULL, np.zeros(3)), "15 monomials need as many coefficients"),
        (lambda: kernel_form(FULL, np.zeros(15), objective="max"), "objective must be max_t"),
        (lambda: LinearMap.from_terms([[(1.0, np.array([[3]]))]], 3), "rows must lie in 0..2"),
        (lambda: LinearMap.from_terms([[]], 3), "square rows of one size"),
        (lambda: ConicProgram(np.eye(2), np.zeros(2), np.zeros(2), 0, 0, (2,)), "3 cone rows"),
        (
            lambda: kernel_form(
                gram_problem(np.array([[1]], dtype=np.int32)), np.ones(1), objective="max_gamma"
            ),
            "max_gamma needs the monomial 1",
        ),
    ],
)
def test_wrong_use_is_refused_in_one_line(call, words):
    with pytest.raises(InputError, match=words):
        call()


def modelled_optimum(problem, c, objective):
    """The same optimum from a cvxpy model: one equation per monomial, written out."""
    import cvxpy as cp

    grams = [cp.Variable((len(rows), len(rows)), symmetric=True) for rows in problem.rows]
    level = cp.Variable()
    totals = [0] * len(c)
    for rows, gram in zip(problem.rows, grams, strict=True):
        for (i, j), row in np.ndenumerate(rows):
            totals[row] += gram[i, j]
    is_one = ~problem.monomials.any(axis=1)
    gamma = level if objective == "max_gamma" else 0
    shift = level if objective == "max_t" else 0
    constraints = [
        total == value - gamma * one for total, value, one in zip(totals, c, is_one, strict=True)
    ]
    constraints += [gram - shift * np.eye(gram.shape[0]) >> 0 for gram in grams]
    constraints += [level <= 1] if objective == "max_t" else []
    model = cp.Problem(cp.Maximize(level), constraints)
    model.solve(solver=cp.CLARABEL)
    return float(model.value)


@pytest.mark.solver
@pytest.mark.parametrize("objective", ["max_t", "max_gamma"])
@pytest.mark.parametrize("problem", [FULL, BLOCKS], ids=["full", "blocks"])
@pytest.mark.parametrize("rank", [1, None])
def test_optima_agree_with_a_modelling_language(problem, objective, rank):
    c = coefficients_of(problem, random_grams(problem, 6, rank))
    expected = modelled_optimum(problem, c, objective)
    for solver in ("clarabel", "scs"):
        _, found = solved(kernel_form(problem, c, objective=objective), solver)
        # A rank-one optimum is flat: a residual ε moves t by about sqrt(ε) there.
        assert found.value == pytest.approx(expected, abs=1e-4 if rank else 1e-5)
