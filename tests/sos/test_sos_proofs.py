"""From numbers to exact Gram matrices: what comes out is a proof, or nothing."""

import numpy as np
import pytest
from flint import fmpq
from gram_examples import random_problem
from planted import planted

from tasks.records import stream
from tasks.sos import parse_polynomial
from tasks.sos.gram.interior import diagonal_weights, solve_interior
from tasks.sos.gram.positivity import is_positive_semidefinite
from tasks.sos.gram.problem import GramProblem
from tasks.sos.proofs.rounding import (
    prove_by_projection,
    prove_on_face,
    prove_unique,
    thresholds,
    unique_grams,
)

SHAPES = [(1, 3), (2, 2), (3, 2)]


def proves(proof, problem):
    """Semidefinite, and all class sums exactly right."""
    totals = [fmpq(0)] * problem.num_monomials
    for gram, rows in zip(proof.grams, problem.rows, strict=True):
        for i, row in enumerate(rows.tolist()):
            for j, monomial in enumerate(row):
                totals[monomial] += gram[i, j]
    semidefinite = all(map(is_positive_semidefinite, proof.grams))
    return semidefinite and tuple(totals) == problem.coefficients


def on_face(problem):
    solution = solve_interior(problem)
    return prove_on_face(problem, solution.grams, diagonal_weights(problem))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_interior_points_are_proved_by_projection(shape):
    problem = random_problem(0, "inside", *shape)
    proof = prove_by_projection(problem, solve_interior(problem).grams)
    assert proof is not None
    assert proof.method == "projection"
    assert proves(proof, problem)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_singular_ones_are_proved_on_their_face(shape):
    problem = random_problem(0, "boundary", *shape)
    proof = on_face(problem)
    assert proof is not None
    assert proof.method == "facial reduction"
    assert proof.reductions >= 1
    assert proves(proof, problem)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_nothing_is_proved_outside(shape):
    problem = random_problem(0, "outside", *shape)
    grams = solve_interior(problem).grams
    assert prove_by_projection(problem, grams) is None
    assert prove_on_face(problem, grams, diagonal_weights(problem)) is None


@pytest.mark.parametrize(
    "text",
    [
        "(x^2 - 2)^2 + (x*y - 1)^2 + (x - 2*y)^2",
        "(x^2 - x*y)^2 + (y^2 - x*y)^2 + (x - y)^2",
        "(3*x - 7)^2 + (11*y - 13)^2 + (x*y - 91/33)^2",
        "(x - y)^2*(x + y)^2 + (x^2 - 1)^2",
    ],
    ids=["irrational zeros", "a line of zeros", "a rational zero", "four zeros"],
)
def test_kinds_of_zeros(text):
    p = parse_polynomial(text)
    rows = [[2, 0], [1, 1], [0, 2], [1, 0], [0, 1], [0, 0]]
    problem = GramProblem.of(p, [np.array(rows, dtype=np.int32)])
    proof = on_face(problem)
    assert proof is not None
    assert proves(proof, problem)


def test_a_unique_gram_matrix_is_decided_exactly():
    rows = [[1], [0]]
    square = GramProblem.of(parse_polynomial("x^2 - 2*x + 1"), [np.array(rows, dtype=np.int32)])
    proof = prove_unique(square)
    assert proof is not None
    assert proof.method == "unique"
    assert proves(proof, square)
    below = parse_polynomial("x^2 - 2*x + 1 - 1/1000000000000000000000000000000000000000")
    assert prove_unique(GramProblem.of(below, [np.array(rows, dtype=np.int32)])) is None


def test_unique_grams_solve_the_equations_even_if_indefinite():
    problem = GramProblem.of(parse_polynomial("3*x^2 + 5*x - 7"), [np.array([[1], [0]], np.int32)])
    [gram] = unique_grams(problem)
    assert gram.tolist() == [[3, fmpq(5, 2)], [fmpq(5, 2), -7]]


def test_most_planted_low_rank_matrices_are_proved_over_their_basis():
    found = []
    for index in range(10):
        item = planted(3, 6, 10, "low_rank", stream(41, "proofs", index))
        problem = GramProblem.of(item.polynomial, [item.basis])
        proof = prove_unique(problem) if problem.num_free == 0 else on_face(problem)
        assert proof is None or proves(proof, problem)
        found.append(proof is not None)
    assert sum(found) >= 7


def test_a_small_polynomial_far_inside_needs_few_bits():
    problem = GramProblem.of(
        parse_polynomial("x^4 + y^4 + 1"),
        [np.array([[2, 0], [1, 1], [0, 2], [1, 0], [0, 1], [0, 0]], dtype=np.int32)],
    )
    proof = prove_by_projection(problem, solve_interior(problem).grams)
    assert proof is not None
    assert max(int(v.q) for row in proof.grams[0].tolist() for v in row) <= 2**14


def test_an_empty_block_is_no_obstacle():
    p = parse_polynomial("x^4 + x^2 + 1")
    empty = np.zeros((0, 1), dtype=np.int32)
    problem = GramProblem.of(p, [np.array([[2], [1], [0]], dtype=np.int32), empty])
    proof = prove_by_projection(
        problem, [*solve_interior(random_like(problem)).grams, np.zeros((0, 0))]
    )
    assert proof is not None
    assert proves(proof, problem)


def random_like(problem):
    """The same problem without its empty blocks."""
    return GramProblem.of(problem.polynomial, [basis for basis in problem.bases if len(basis)])


def test_thresholds_lie_in_wide_gaps_below_the_rest():
    gram = np.diag([1e-11, 3e-11, 1e-5, 0.5, 2.0])
    found = thresholds([gram], [np.ones(5)])
    assert len(found) == 2
    low, high = sorted(found)
    assert 3e-11 < low < 1e-5 < high < 0.5
    assert thresholds([np.eye(3)], [np.ones(3)]) == []
