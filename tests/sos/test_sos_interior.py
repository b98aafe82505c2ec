"""The interior-point method against Clarabel and SCS through cvxpy, and its two forms."""

from functools import lru_cache

import numpy as np
import pytest
from flint import fmpq
from gram_examples import largest_shift, random_problem

from tasks.sos import parse_polynomial
from tasks.sos.bases.monomial_bases import full_basis
from tasks.sos.gram import interior
from tasks.sos.gram.interior import (
    Feasibility,
    diagonal_weights,
    product_moments,
    solve_interior,
)
from tasks.sos.gram.problem import GramProblem

KINDS = ("inside", "boundary", "outside")
SHAPES = [(1, 3), (2, 2), (3, 2), (2, 3)]
EXPECTED = {
    "inside": Feasibility.INTERIOR,
    "boundary": Feasibility.BOUNDARY,
    "outside": Feasibility.OUTSIDE,
}


def both_forms(problem):
    """Solutions in image form and in kernel form, whichever of them `solve_interior` takes."""
    weights = diagonal_weights(problem)
    return [
        solve(problem, weights, lambda: None)
        for solve in (interior._solve_image, interior._solve_kernel)
    ]


@lru_cache
def solved(seed, kind, shape):
    """A random problem with its solutions in both forms."""
    problem = random_problem(seed, kind, *shape)
    return problem, both_forms(problem)


def least_eigenvalue(problem, solution):
    """Largest t with Q - t W >= 0 of the returned matrices."""
    return min(
        float(np.linalg.eigvalsh(gram / np.sqrt(np.outer(weight, weight)))[0])
        for gram, weight in zip(solution.grams, diagonal_weights(problem), strict=True)
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_both_forms_bound_the_optimum_of_clarabel(shape, kind):
    problem, solutions = solved(0, kind, shape)
    best = largest_shift(problem, diagonal_weights(problem))
    for solution in solutions:
        slack = 1e-6 * (1 + abs(best))
        assert solution.lower - slack <= best <= solution.upper + slack, solution.form
        assert solution.feasibility is EXPECTED[kind], solution.form


@pytest.mark.parametrize("kind", KINDS)
def test_scs_agrees_to_its_tolerance(kind):
    problem = random_problem(2, kind, 2, 2)
    best = largest_shift(problem, diagonal_weights(problem), solver="SCS")
    solution = solve_interior(problem)
    slack = 1e-2 * (1 + abs(best))
    assert solution.lower - slack <= best <= solution.upper + slack


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", KINDS)
def test_the_forms_agree(kind, seed):
    _, (image, kernel) = solved(seed, kind, (2, 2))
    assert (image.form, kernel.form) == ("image", "kernel")
    assert image.feasibility is kernel.feasibility is EXPECTED[kind]
    # Weak duality holds between the forms too.
    slack = 1e-8 * (1 + abs(image.upper) + abs(kernel.upper))
    assert max(image.lower, kernel.lower) <= min(image.upper, kernel.upper) + slack


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_grams_solve_the_equations_and_have_the_shift_they_claim(shape, kind):
    problem, solutions = solved(0, kind, shape)
    scale = np.abs(problem.target).max()
    for solution in solutions:
        residual = problem.class_sums(solution.grams) - problem.target
        assert np.abs(residual).max() <= 1e-9 * scale, solution.form
        least = least_eigenvalue(problem, solution)
        assert least >= solution.lower - 1e-7 * (1 + abs(solution.lower)), solution.form


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_moments_are_a_normalized_functional_with_the_value_they_claim(shape, kind):
    """M(L) >= 0, <W, M(L)> = 1 and L(p) = upper, which therefore bounds every t."""
    problem, solutions = solved(0, kind, shape)
    weights = diagonal_weights(problem)
    for solution in solutions:
        matrices = problem.moment_matrices(solution.moments)
        assert min(float(np.linalg.eigvalsh(m)[0]) for m in matrices) > -1e-9, solution.form
        total = sum(float(w @ m.diagonal()) for w, m in zip(weights, matrices, strict=True))
        assert abs(total - 1) < 1e-6, solution.form
        value = float(problem.target @ solution.moments)
        assert abs(value - solution.upper) < 1e-7 * (1 + abs(value)), solution.form
        assert solution.lower <= solution.upper + 1e-7 * (1 + abs(value))


def test_the_form_with_fewer_unknowns_is_taken():
    few = parse_polynomial("x^4 + 1 + x*y")
    many = GramProblem.of(few, [full_basis(2, 4)])
    assert many.num_free > many.num_monomials
    assert solve_interior(many).form == "kernel"
    narrow = GramProblem.of(few, [full_basis(2, 2)])
    assert narrow.num_free < narrow.num_monomials
    assert solve_interior(narrow).form == "image"


@pytest.mark.parametrize("text", ["x^4 + 3*x^2*y^2 + y^4 + x^2 + y^2 + 1", "x^2*y^2 + x^2 + 1 - x"])
def test_rare_variables_and_gaps_do_not_matter(text):
    p = parse_polynomial(text)
    problem = GramProblem.of(p, [full_basis(2, p.degree // 2)])
    best = largest_shift(problem, diagonal_weights(problem))
    solution = solve_interior(problem)
    assert solution.lower - 1e-6 <= best <= solution.upper + 1e-6


def test_blocks_are_solved_together():
    """x^4 - 2 x^2 + 1 with 1, x^2 | x: the best Q moves x^2 into the first block."""
    p = parse_polynomial("x^4 - x^2 + 1")
    blocks = [np.array([[2], [0]], dtype=np.int32), np.array([[1]], dtype=np.int32)]
    problem = GramProblem.of(p, blocks)
    for solution in both_forms(problem):
        assert solution.feasibility is Feasibility.INTERIOR
        assert least_eigenvalue(problem, solution) > 0.1
        assert np.allclose(problem.class_sums(solution.grams), problem.target)


@pytest.mark.parametrize("factor", [fmpq(1, 1 << 60), fmpq(1 << 60)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_multiples_of_a_polynomial_are_decided_alike(kind, factor):
    problem = random_problem(0, kind, 2, 2)
    scaled = GramProblem.of(problem.polynomial * factor, problem.bases)
    assert solve_interior(scaled).feasibility is EXPECTED[kind]


def test_weights_are_the_shares_of_the_squares():
    p = parse_polynomial("4*x^4 + 9*x^2*y^2 - 6*y^2 + 1")
    basis = np.array([[2, 0], [1, 1], [0, 1], [0, 0]], dtype=np.int32)
    [weights] = diagonal_weights(GramProblem.of(p, [basis]))
    assert np.allclose(weights, [4, 9, 36 ** (1 / 3), 1])
    split = [basis[:2], basis[2:]]
    assert [len(w) for w in diagonal_weights(GramProblem.of(p, split))] == [2, 2]


def test_weights_without_any_positive_square_are_one():
    p = parse_polynomial("x*y - x^2 - 1")
    [weights] = diagonal_weights(GramProblem.of(p, [full_basis(2, 1)]))
    assert weights.tolist() == [1, 1, 1]


@pytest.mark.parametrize("k", range(6))
def test_product_moments_are_those_of_the_arcsine_distribution(k):
    """Mean of cos(a)^k over equally spaced a: exact for polynomials."""
    angles = 2 * np.pi * np.arange(64) / 64
    expected = (np.cos(angles) ** k).mean()
    rows = np.array([[k, 0], [0, k], [k, k]], dtype=np.int32)
    assert np.allclose(product_moments(rows), [expected, expected, expected**2])


def test_product_moments_are_positive_definite():
    basis = full_basis(2, 6)
    problem = GramProblem.of(parse_polynomial("x*y + x^12"), [basis])
    [matrix] = problem.moment_matrices(product_moments(problem.monomials))
    assert np.linalg.eigvalsh(matrix)[0] > 1e-9


def test_every_feasibility_is_explained():
    assert all(kind.explanation.endswith(".") for kind in Feasibility)


def test_enough_takes_the_first_matrix_that_is_definite():
    problem = random_problem(0, "inside", 3, 2)
    quick, best = solve_interior(problem, enough=1e-4), solve_interior(problem)
    assert (quick.ended, quick.feasibility) == ("enough", Feasibility.INTERIOR)
    assert quick.num_steps <= best.num_steps
    assert quick.upper == np.inf
    assert least_eigenvalue(problem, quick) >= quick.lower * (1 - 1e-9) > 0
    assert np.allclose(problem.class_sums(quick.grams), problem.target)


@pytest.mark.parametrize("kind", ["boundary", "outside"])
def test_enough_changes_nothing_where_there_is_no_definite_matrix(kind):
    problem = random_problem(0, kind, 2, 2)
    assert solve_interior(problem, enough=1e-4).feasibility is EXPECTED[kind]
