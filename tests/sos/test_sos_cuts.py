"""Gram matrices by cuts: what is returned solves the equations and is positive definite."""

import numpy as np
import pytest
from gram_examples import random_problem

from tasks.records import stream
from tasks.sos import parse_polynomial
from tasks.sos.bases.monomial_bases import full_basis
from tasks.sos.gram.cuts import find_by_cuts
from tasks.sos.gram.interior import Feasibility, diagonal_weights, solve_interior
from tasks.sos.gram.numerics import MIN_FREE, SMALL_MIN_FREE, SMALL_SIZE, solve_numerically
from tasks.sos.gram.problem import GramProblem
from tasks.sos.sampling.planted import planted


def planted_problem(seed, cell=(4, 6, 20)):
    item = planted(*cell, "dense", stream(seed, "cuts"))
    return GramProblem.of(item.polynomial, [item.basis])


@pytest.mark.parametrize("seed", range(8))
def test_matrices_of_planted_problems_are_definite_solutions(seed):
    problem = planted_problem(seed)
    grams, steps = find_by_cuts(problem, diagonal_weights(problem))
    assert grams is not None
    assert steps <= 12
    assert np.linalg.eigvalsh(grams[0])[0] > 0
    assert np.allclose(problem.class_sums(grams), problem.target, atol=1e-9)


@pytest.mark.parametrize("kind", ["boundary", "outside"])
@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_found_where_there_is_nothing(seed, kind):
    problem = random_problem(seed, kind)
    grams, _ = find_by_cuts(problem, diagonal_weights(problem), max_steps=40)
    assert grams is None


def test_a_problem_without_free_directions_ends_at_once():
    problem = GramProblem.of(parse_polynomial("x^2 + 4*x + 1"), [full_basis(1, 1)])
    assert problem.num_free == 0
    assert find_by_cuts(problem, diagonal_weights(problem)) == (None, 0)


def test_blocks_share_their_classes():
    """x^4 - x^2 + 1 with 1, x^2 | x: the best Q moves x^2 into the first block."""
    blocks = [np.array([[2], [0]], dtype=np.int32), np.array([[1]], dtype=np.int32)]
    problem = GramProblem.of(parse_polynomial("x^4 - x^2 + 1"), blocks)
    grams, _ = find_by_cuts(problem, diagonal_weights(problem))
    assert grams is not None
    assert [len(gram) for gram in grams] == [2, 1]
    assert all(np.linalg.eigvalsh(gram)[0] > 0 for gram in grams)
    assert np.allclose(problem.class_sums(grams), problem.target)


def test_weights_make_the_method_indifferent_to_the_scale_of_variables():
    problem = planted_problem(0)
    scaled = problem.polynomial.scaled([6, -7, 9, 0])
    other = GramProblem.of(scaled, problem.bases)
    grams, steps = find_by_cuts(other, diagonal_weights(other))
    assert grams is not None
    assert steps == find_by_cuts(problem, diagonal_weights(problem))[1]


def test_many_free_dimensions_are_solved_by_cuts():
    problem = planted_problem(3, (4, 8, 40))
    assert problem.num_free >= MIN_FREE
    found = solve_numerically(problem)
    assert (found.form, found.feasibility) == ("cuts", Feasibility.INTERIOR)
    assert found.lower > 0
    assert np.allclose(problem.class_sums(found.grams), problem.target, atol=1e-9)


def test_interior_points_follow_where_cuts_fail():
    # Singular Gram matrices with many free dimensions.
    item = planted(4, 8, 40, "low_rank", stream(2, "cuts"))
    problem = GramProblem.of(item.polynomial, [item.basis])
    assert problem.num_free >= MIN_FREE
    found = solve_numerically(problem)
    assert found.form in ("image", "kernel")
    assert found.feasibility is Feasibility.BOUNDARY


def test_small_matrices_are_cut_with_fewer_free_dimensions():
    problem = planted_problem(1)
    assert SMALL_MIN_FREE <= problem.num_free < MIN_FREE
    assert max(problem.sizes) <= SMALL_SIZE
    assert solve_numerically(problem).form == "cuts"
    assert solve_interior(problem).feasibility is Feasibility.INTERIOR
