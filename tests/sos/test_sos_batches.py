"""Batches of Gram problems."""

import numpy as np
import pytest
from flint import fmpq

from tasks.records.seeds import stream
from tasks.sos.gram.batches import MAX_SIZE, certify_batch
from tasks.sos.gram.interior import Feasibility, solve_interior
from tasks.sos.gram.problem import GramProblem
from tasks.sos.polynomials.polynomial import Polynomial
from tasks.sos.sampling.perturbations import negative_somewhere, outside_cone
from tasks.sos.sampling.planted import planted


def draw(num, structure="dense", cell=(4, 6, 12)):
    rng = stream(6, "batches", structure)
    return [planted(*cell, structure, rng) for _ in range(num)]


def problem_of(item):
    return GramProblem.of(item.polynomial, (item.basis,))


def quadratic(cross):
    """x^2 + 2 cross x y + y^2: one Gram matrix."""
    return Polynomial.of(("x", "y"), {(2, 0): 1, (1, 1): 2 * cross, (0, 2): 1})


BASIS = np.array([[1, 0], [0, 1]], dtype=np.int32)


def test_full_rank_instances_of_many_sizes_are_certified():
    problems = [problem_of(item) for item in draw(60)]
    items = certify_batch(problems, device="cpu")
    assert len({problem.sizes for problem in problems}) > 5
    assert all(item.certified for item in items)
    for problem, item in zip(problems, items, strict=True):
        (gram,) = item.grams
        assert np.linalg.eigvalsh(gram)[0] > 0
        assert np.allclose(problem.class_sums(item.grams), problem.target, atol=1e-12)


def test_items_come_in_the_order_of_the_problems():
    problems = [problem_of(item) for item in draw(30)]
    items = certify_batch(problems, device="cpu")
    alone = [certify_batch([problem], device="cpu")[0] for problem in problems]
    assert [item.iterations for item in items] == [item.iterations for item in alone]
    for item, other in zip(items, alone, strict=True):
        # Products in single precision depend on the batch: 6e-8, times the extrapolation.
        assert np.allclose(item.grams[0], other.grams[0], rtol=0, atol=1e-4)


def test_a_unique_gram_matrix_needs_no_iteration():
    (item,) = certify_batch([GramProblem.of(quadratic(0), (BASIS,))], device="cpu")
    assert item.certified
    assert item.iterations == 0
    assert np.array_equal(item.grams[0], np.eye(2))


@pytest.mark.parametrize("perturb", [negative_somewhere, outside_cone])
def test_what_is_no_sum_of_squares_is_never_certified(perturb):
    items = draw(15, cell=(2, 6, 9))
    bases = np.array([(a, b) for a in range(4) for b in range(4 - a)], dtype=np.int32)
    rng = stream(7)
    problems = [GramProblem.of(perturb(item, rng).polynomial, (bases,)) for item in items]
    assert not any(item.certified for item in certify_batch(problems, device="cpu"))


def test_several_blocks_share_their_equations():
    # x^4 + y^4 + 1 + x y over the even and the odd monomials; x y comes from both blocks.
    p = Polynomial.of(("x", "y"), {(4, 0): 1, (0, 4): 1, (0, 0): 1, (1, 1): 1})
    even = np.array([[2, 0], [1, 1], [0, 2], [0, 0]], dtype=np.int32)
    problem = GramProblem.of(p, (even, BASIS))
    (item,) = certify_batch([problem], device="cpu")
    assert item.certified
    assert [len(gram) for gram in item.grams] == [4, 2]
    assert np.allclose(problem.class_sums(item.grams), problem.target)
    assert all(np.linalg.eigvalsh(gram)[0] > 0 for gram in item.grams)


def test_the_fallback_gets_exactly_what_is_left():
    crosses = [0, 1, 2]
    problems = [GramProblem.of(quadratic(cross), (BASIS,)) for cross in crosses]
    items = certify_batch(problems, fallback=solve_interior, device="cpu")
    found = [item.fallback.feasibility if item.fallback else None for item in items]
    assert found == [None, Feasibility.BOUNDARY, Feasibility.OUTSIDE]


def test_coefficients_outside_the_bases_are_not_forgotten():
    p = quadratic(0) - Polynomial.of(("x", "y"), {(4, 0): 1})
    (item,) = certify_batch([GramProblem.of(p, (BASIS,))], fallback=len_of_rows, device="cpu")
    assert not item.certified
    assert item.grams == ()
    assert item.fallback == 2


def len_of_rows(problem):
    return len(problem.rows[0])


def test_a_large_problem_goes_to_the_fallback():
    size = MAX_SIZE + 1
    p = Polynomial.of(("x",), {(2 * k,): 1 for k in range(size)})
    basis = np.arange(size, dtype=np.int32)[::-1, None]
    (item,) = certify_batch([GramProblem.of(p, (basis,))], fallback=len_of_rows, device="cpu")
    assert (item.certified, item.grams, item.fallback) == (False, (), size)


def test_no_problems_give_no_items():
    assert certify_batch([], device="cpu") == []


def test_a_coefficient_beyond_floats_is_left_to_the_fallback():
    p = Polynomial.of(("x", "y"), {(2, 0): 10**400, (0, 2): 1})
    (item,) = certify_batch([GramProblem.of(p, (BASIS,))], fallback=len_of_rows, device="cpu")
    assert not item.certified
    assert item.fallback == 2


def test_a_coefficient_that_is_zero_in_floats_is_left_to_the_fallback():
    """It is part of the polynomial, but no matrix of floats can hold it."""
    tiny = fmpq(1, 10**400)
    problem = GramProblem.of(quadratic(tiny), (BASIS,))
    (item,) = certify_batch([problem], device="cpu", fallback=lambda _: "asked")
    assert (item.certified, item.grams, item.fallback) == (False, (), "asked")
