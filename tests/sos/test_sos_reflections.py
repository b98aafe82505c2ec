"""Gram matrices of low rank by reflections: what is returned solves the equations."""

import numpy as np
import pytest
from gram_examples import random_problem

from tasks.records import stream
from tasks.sos import parse_polynomial
from tasks.sos.bases.monomial_bases import even_sqrt_basis, full_basis
from tasks.sos.gram.interior import Feasibility, diagonal_weights
from tasks.sos.gram.numerics import MIN_FREE, solve_numerically
from tasks.sos.gram.problem import GramProblem
from tasks.sos.gram.reflections import RANK_STEPS, _Extrapolation, find_by_reflections
from tasks.sos.sampling.planted import planted

LARGE = (6, 20, 60)
SMALL = (6, 12, 30)


def planted_problem(seed, structure="low_rank", cell=SMALL):
    item = planted(*cell, structure, stream(seed, "reflections"))
    return GramProblem.of(item.polynomial, [even_sqrt_basis(item.polynomial.exponents)]), item


@pytest.mark.parametrize("seed", range(6))
def test_a_planted_matrix_of_low_rank_is_found_to_many_digits(seed):
    problem, item = planted_problem(seed)
    grams, steps = find_by_reflections(problem, diagonal_weights(problem))
    assert grams is not None
    assert steps <= 80
    scale = np.abs(grams[0]).max()
    assert np.abs(problem.class_sums(grams) - problem.target).max() < 1e-12 * scale
    values = np.linalg.eigvalsh(grams[0])
    assert values[0] > -1e-11 * scale
    planted_rank = np.linalg.matrix_rank(item.gram)
    assert (values > 1e-8 * scale).sum() <= planted_rank + 5


def test_full_rank_is_given_up_after_a_few_steps():
    problem, _ = planted_problem(0, "sparse")
    assert find_by_reflections(problem, diagonal_weights(problem)) == (None, RANK_STEPS + 1)


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_found_where_there_is_nothing(seed):
    problem = random_problem(seed, "outside")
    assert find_by_reflections(problem, diagonal_weights(problem))[0] is None


@pytest.mark.parametrize("seed", range(6))
def test_what_is_found_at_the_boundary_is_feasible(seed):
    problem = random_problem(seed, "boundary", 2, 3)
    grams, _ = find_by_reflections(problem, diagonal_weights(problem))
    if grams is not None:
        assert np.linalg.eigvalsh(grams[0])[0] > -1e-8 * np.abs(grams[0]).max()
        assert np.allclose(problem.class_sums(grams), problem.target)


def test_blocks_share_their_classes():
    """(x^2 - 1)^2 + 2 x^2 = x^4 + 1, with 1, x^2 | x: -2 x^2 and 2 x^2 are in different blocks."""
    blocks = [np.array([[2], [0]], dtype=np.int32), np.array([[1]], dtype=np.int32)]
    problem = GramProblem.of(parse_polynomial("x^4 - 2*x^2 + 1"), blocks)
    grams, _ = find_by_reflections(problem, diagonal_weights(problem))
    assert grams is not None
    assert np.allclose(grams[0], [[1, -1], [-1, 1]])
    assert np.allclose(grams[1], 0)


def test_coefficients_that_are_no_floats_end_it_without_an_error():
    problem = GramProblem.of(parse_polynomial("x^4 + x^2 + 1"), [full_basis(1, 2)])
    problem.target[0] = np.nan
    assert find_by_reflections(problem, [np.ones(3)])[0] is None


def test_every_step_is_announced():
    problem, _ = planted_problem(0)
    seen = []

    def on_step():
        seen.append(1)
        if len(seen) == 4:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        find_by_reflections(problem, diagonal_weights(problem), on_step=on_step)


def test_extrapolation_solves_linear_equations_in_as_many_steps_as_unknowns():
    rng = stream(0, "extrapolation")
    matrix = rng.standard_normal((5, 5))
    contraction = 0.9 * matrix / np.linalg.norm(matrix, 2)
    fixed = rng.standard_normal(5)
    point, extrapolation = np.zeros(5), _Extrapolation()
    for _ in range(6):
        point = extrapolation(point, contraction @ (point - fixed) + fixed - point)
    assert np.abs(point - fixed).max() < 1e-6
    plain = np.linalg.matrix_power(contraction, 6) @ -fixed
    assert np.abs(plain).max() > 1e-3


def test_many_free_dimensions_of_low_rank_are_solved_by_reflections():
    problem, _ = planted_problem(0, cell=LARGE)
    assert problem.num_free >= MIN_FREE
    found = solve_numerically(problem)
    assert (found.form, found.feasibility) == ("reflections", Feasibility.BOUNDARY)
    assert abs(found.lower) < 1e-9


def test_interior_points_alone_can_be_asked_for():
    problem, _ = planted_problem(3, "dense", (4, 8, 40))
    assert problem.num_free >= MIN_FREE
    assert solve_numerically(problem, solver="interior").form in ("image", "kernel")
    assert solve_numerically(problem).form == "cuts"
