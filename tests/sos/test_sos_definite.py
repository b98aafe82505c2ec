"""Positive definite Gram matrices, found fast: they solve the equations and are definite."""

import numpy as np
import pytest
from flint import fmpq, fmpq_mat
from gram_examples import random_problem
from planted import planted

from tasks.records import BudgetExceeded, stream
from tasks.sos import parse_polynomial
from tasks.sos.bases.monomial_bases import full_basis
from tasks.sos.certify import certify
from tasks.sos.gram import definite, numerics
from tasks.sos.gram.definite import find_definite_grams
from tasks.sos.gram.interior import Feasibility, diagonal_weights, solve_interior
from tasks.sos.gram.numerics import solve_numerically
from tasks.sos.gram.positivity import is_positive_definite
from tasks.sos.gram.problem import GramProblem
from tasks.sos.verdict import Verdict


def planted_problem(seed, cell=(4, 6, 20)):
    item = planted(*cell, "dense", stream(seed, "definite"))
    return GramProblem.of(item.polynomial, [item.basis])


@pytest.mark.parametrize("seed", range(8))
def test_matrices_of_planted_problems_are_definite_solutions(seed):
    problem = planted_problem(seed)
    weights = diagonal_weights(problem)
    found = find_definite_grams(problem, weights)
    assert found.blocks is not None
    assert found.num_steps <= 12
    [gram], [weight] = found.blocks, weights
    assert np.allclose(problem.class_sums([gram]), problem.target, atol=1e-12)
    lowest = np.linalg.eigvalsh(gram / np.sqrt(np.outer(weight, weight)))[0]
    assert 0 < found.lowest <= lowest < 10 * found.lowest


@pytest.mark.parametrize("kind", ["boundary", "outside"])
@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_found_where_there_is_nothing(seed, kind):
    problem = random_problem(seed, kind)
    found = find_definite_grams(problem, diagonal_weights(problem), max_steps=40)
    assert found.blocks is None
    assert np.isnan(found.lowest)


def test_what_the_interior_point_method_finds_is_found_in_fewer_steps():
    """On thirty full-rank problems; matrices with an interior that is next to nothing may fail."""
    ours, theirs = [], []
    for seed in range(30):
        problem = planted_problem(seed)
        if problem.num_free > 60:
            continue
        found = find_definite_grams(problem, diagonal_weights(problem))
        solution = solve_interior(problem, enough=1e-4)
        assert found.blocks is not None or solution.lower < 1e-3
        if found.blocks is not None:
            ours.append(found.num_steps)
            theirs.append(solution.num_steps)
    assert len(ours) >= 5
    assert np.mean(ours) < np.mean(theirs)


def test_a_problem_without_free_directions_ends_at_once():
    problem = GramProblem.of(parse_polynomial("x^2 + 4*x + 1"), [full_basis(1, 1)])
    assert problem.num_free == 0
    found = find_definite_grams(problem, diagonal_weights(problem))
    assert (found.blocks, found.num_steps) == (None, 0)


def test_blocks_share_their_classes():
    """x^4 - x^2 + 1 with 1, x^2 | x: the best Q moves x^2 into the first block."""
    blocks = [np.array([[2], [0]], dtype=np.int32), np.array([[1]], dtype=np.int32)]
    problem = GramProblem.of(parse_polynomial("x^4 - x^2 + 1"), blocks)
    grams = find_definite_grams(problem, diagonal_weights(problem)).blocks
    assert grams is not None
    assert [len(gram) for gram in grams] == [2, 1]
    assert all(np.linalg.eigvalsh(gram)[0] > 0 for gram in grams)
    assert np.allclose(problem.class_sums(grams), problem.target)


def test_weights_make_the_method_indifferent_to_the_scale_of_variables():
    """Where all squares of the basis have positive coefficients, of which the weights are made."""
    problems = [planted_problem(seed) for seed in range(20)]
    chosen = [p for p in problems if (p.target[p.rows[0].diagonal()] > 0).all()]
    assert len(chosen) >= 2
    for problem in chosen:
        scaled = problem.polynomial.scaled([6, -7, 9, 0])
        other = GramProblem.of(scaled, problem.bases)
        found = find_definite_grams(other, diagonal_weights(other))
        assert found.blocks is not None
        own = find_definite_grams(problem, diagonal_weights(problem))
        assert found.num_steps == own.num_steps


def test_steps_that_lead_away_are_halved():
    """Without that, the lowest eigenvalue of these 495 rows doubles with every step."""
    p = parse_polynomial(" + ".join(f"x{i}^8 + x{i}" for i in range(8)) + " + 9")
    problem = GramProblem.of(p, [full_basis(8, 4)])
    found = find_definite_grams(problem, diagonal_weights(problem))
    assert found.blocks is not None
    assert found.num_steps <= 6


def test_the_caller_may_end_the_run():
    def stop():
        raise BudgetExceeded("now")

    problem = planted_problem(0)
    with pytest.raises(BudgetExceeded, match="now"):
        find_definite_grams(problem, diagonal_weights(problem), on_step=stop)


def test_numbers_beyond_floats_end_with_nothing():
    problem = GramProblem.of(parse_polynomial("x^4 + 1e300*x^2 + 1e-300"), [full_basis(1, 2)])
    with np.errstate(all="ignore"):
        found = find_definite_grams(problem, [np.array([1e-300, 1e300, 1e300])])
    assert found.blocks is None


@pytest.mark.parametrize("place", [0, 1])
def test_an_undefined_sum_is_an_undefined_error(place):
    sums, ones = np.array([1.5, 1.0]), np.ones(2)
    assert definite._largest_part(ones, sums, ones, ones) == pytest.approx(0.5)
    sums[place] = np.nan
    assert np.isnan(definite._largest_part(ones, sums, ones, ones))


BADLY_SCALED = "1e-8*x^6 + 1e-8*x^4 - x^3 + 1e9*x^2 - x + 1e-8"
"""The weights span 28 decades: what floats miss of 1e9 x^2 is more than the other entry has."""


def test_a_matrix_that_is_definite_only_in_floats_is_not_taken():
    problem = GramProblem.of(parse_polynomial(BADLY_SCALED), [full_basis(1, 3)])
    weights = diagonal_weights(problem)
    assert find_definite_grams(problem, weights).blocks is None
    [gram] = solve_interior(problem).grams
    assert np.isfinite(gram).all()


@pytest.mark.parametrize("is_checked", [True, False])
def test_badly_scaled_polynomials_are_proved_by_interior_points(monkeypatch, is_checked):
    """Also where such a matrix is taken, and then cannot be rounded."""
    if not is_checked:
        monkeypatch.setattr(definite, "_largest_error", lambda *_: 0.0)
    found = certify(parse_polynomial(BADLY_SCALED))
    assert found.verdict is Verdict.PROVED
    forms = [attempt.form for attempt in found.attempts]
    assert forms == (["image"] if is_checked else ["distance", "image"])
    assert not any(attempt.is_repeated for attempt in found.attempts)


def test_the_bound_that_is_recorded_holds_for_the_exact_matrix():
    for seed in range(6):
        problem = planted_problem(seed)
        [weight] = diagonal_weights(problem)
        found = find_definite_grams(problem, [weight])
        [exact] = problem.exact_projection(found.blocks, 80)
        bound = fmpq_mat(len(weight), len(weight))
        for i, value in enumerate(weight):
            bound[i, i] = fmpq(*(found.lowest * float(value)).as_integer_ratio())
        assert is_positive_definite(exact - bound)


def test_interior_points_are_used_where_they_are_asked_for():
    found = solve_numerically(planted_problem(0), solver="interior")
    assert found.form in ("image", "kernel")


def test_definite_matrices_are_looked_for_first():
    problem = planted_problem(3, (4, 8, 40))
    found = solve_numerically(problem)
    assert (found.form, found.feasibility) == ("distance", Feasibility.INTERIOR)
    assert found.lower > 0
    assert np.allclose(problem.class_sums(found.grams), problem.target, atol=1e-9)


def test_interior_points_follow_where_there_are_none():
    # Singular Gram matrices with many free dimensions.
    item = planted(4, 8, 40, "low_rank", stream(2, "definite"))
    problem = GramProblem.of(item.polynomial, [item.basis])
    found = solve_numerically(problem)
    assert found.form in ("image", "kernel")
    assert found.feasibility is Feasibility.BOUNDARY


def test_problems_beyond_interior_points_are_solved_without_a_conic_solver(monkeypatch):
    monkeypatch.setattr(numerics, "MAX_UNKNOWNS", 10)
    assert solve_numerically(planted_problem(0)).form == "distance"
    boundary = solve_numerically(random_problem(0, "boundary", 3, 2))
    assert boundary.form == numerics.LARGE_SOLVER
