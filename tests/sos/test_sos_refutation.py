"""Separating functionals, checked in fractions."""

from fractions import Fraction

import numpy as np
import pytest
from flint import fmpq_mat
from gram_examples import random_problem

from tasks.sos import parse_polynomial
from tasks.sos.bases.monomial_bases import full_basis
from tasks.sos.gram.interior import solve_interior
from tasks.sos.gram.positivity import is_positive_semidefinite
from tasks.sos.gram.problem import GramProblem
from tasks.sos.proofs.refutation import separating_functional, uncovered_functional

MOTZKIN = parse_polynomial("x^4*y^2 + x^2*y^4 - 3*x^2*y^2 + 1")
SHAPES = [(1, 2), (2, 2), (3, 2), (2, 3)]


def value(functional, p):
    return sum(c * functional.get(row, 0) for row, c in p.terms().items())


def separates(functional, problem):
    """L(p) < 0 and all moment matrices are semidefinite, from the definition."""
    if value(functional, problem.polynomial) >= 0:
        return False
    for basis in problem.bases:
        rows = basis.tolist()
        sums = [tuple(a + b for a, b in zip(r, s, strict=True)) for r in rows for s in rows]
        matrix = fmpq_mat(len(rows), len(rows), [functional.get(row, 0) for row in sums])
        if not is_positive_semidefinite(matrix):
            return False
    return True


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_an_infeasible_problem_is_separated_exactly(shape):
    problem = random_problem(0, "outside", *shape)
    functional = separating_functional(problem, solve_interior(problem).moments)
    assert functional is not None
    assert separates(functional, problem)


@pytest.mark.parametrize("kind", ["inside", "boundary"])
@pytest.mark.parametrize("shape", SHAPES[:2], ids=str)
def test_a_sum_of_squares_is_never_separated(shape, kind):
    problem = random_problem(0, kind, *shape)
    assert separating_functional(problem, solve_interior(problem).moments) is None


def test_motzkin_is_separated_over_the_full_basis():
    problem = GramProblem.of(MOTZKIN, [full_basis(2, 3)])
    functional = separating_functional(problem, solve_interior(problem).moments)
    assert functional is not None
    assert separates(functional, problem)


def test_few_bits_are_enough_for_a_clear_case():
    """Moments of the point 0 and a little of others: x^2 - 1."""
    problem = GramProblem.of(parse_polynomial("x^2 - 1"), [full_basis(1, 1)])
    functional = separating_functional(problem, np.array([0.1, 0.0, 1.0]))
    assert functional is not None
    assert separates(functional, problem)
    assert max(Fraction(str(v)).denominator for v in functional.values()) <= 2**12


def test_moments_of_wildly_different_sizes_keep_their_digits():
    p = parse_polynomial("x^2 - 1099511627776")
    problem = GramProblem.of(p, [full_basis(1, 1)])
    functional = separating_functional(problem, np.array([2.0**35, 0.0, 1.0]))
    assert functional is not None
    assert separates(functional, problem)


@pytest.mark.parametrize(
    "moments", [[0.0, 0.0, 0.0], [-1.0, 0.0, 1.0], [1.0, 9.0, 1.0], [9.0, 0.0, 1.0]]
)
def test_moments_that_separate_nothing_are_refused(moments):
    problem = GramProblem.of(parse_polynomial("x^2 - 1"), [full_basis(1, 1)])
    assert separating_functional(problem, np.array(moments)) is None


@pytest.mark.parametrize(("text", "sign"), [("x^2 + 5*x*y + 1", -1), ("x^2 - 5*x*y + 1", 1)])
def test_an_uncovered_term_separates(text, sign):
    basis = np.array([[1, 0], [0, 0]], dtype=np.int32)
    problem = GramProblem.of(parse_polynomial(text), [basis])
    functional = uncovered_functional(problem)
    assert functional == {(1, 1): sign}
    assert separates(functional, problem)


def test_a_covered_polynomial_has_no_such_term():
    problem = GramProblem.of(MOTZKIN, [full_basis(2, 3)])
    assert uncovered_functional(problem) is None
