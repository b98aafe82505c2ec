"""Kernels to many digits: large fractions are found, irrational ones are not claimed."""

from fractions import Fraction

import numpy as np
import pytest
from flint import fmpz_mat
from planted import planted

from tasks.records import stream
from tasks.sos import Polynomial, parse_polynomial
from tasks.sos.gram.interior import diagonal_weights, solve_interior
from tasks.sos.gram.problem import GramProblem
from tasks.sos.proofs.refinement import refined_complements

THRESHOLD = 1e-6


def refined(problem):
    solution = solve_interior(problem)
    return refined_complements(problem, solution.grams, diagonal_weights(problem), THRESHOLD)


def test_a_kernel_with_large_fractions_is_found_exactly():
    """Two squares that vanish at x = 12345 / 6789, y = -1001 / 997."""
    variables = ("x", "y")
    x, y = (Polynomial.variable(variables, i) for i in range(2))
    a, b = Fraction(12345, 6789), Fraction(-1001, 997)
    p = (x - a) ** 2 + (y - b) ** 2 * 3 + ((x - a) * (y - b)) ** 2
    basis = np.array([[1, 1], [1, 0], [0, 1], [0, 0]], dtype=np.int32)
    [complement] = refined(GramProblem.of(p, [basis]))
    zero = [a * b, a, b, Fraction(1)]
    columns = complement.transpose().tolist()
    assert len(columns) == 3
    assert complement.rank() == 3
    for column in columns:
        assert sum(int(v) * z for v, z in zip(column, zero, strict=True)) == 0


@pytest.mark.parametrize("index", range(4))
def test_the_kernel_of_a_planted_low_rank_matrix_is_found(index):
    item = planted(4, 6, 12, "low_rank", stream(31, "refinement", index))
    problem = GramProblem.of(item.polynomial, [item.basis])
    found = refined(problem)
    if problem.num_free == 0:
        return
    assert found is not None
    [complement] = found
    rank = item.gram.rank()
    assert complement.ncols() == rank
    # The columns span the same space as the factor.
    factor = fmpz_mat(*item.factor.shape, [int(v) for v in item.factor.ravel()])
    both = fmpz_mat(
        len(item.basis),
        complement.ncols() + factor.ncols(),
        [
            int(v)
            for left, right in zip(complement.tolist(), factor.tolist(), strict=True)
            for v in [*left, *right]
        ],
    )
    assert both.rank() == rank


def test_an_irrational_kernel_is_not_made_rational():
    """x^4 - 4 x^2 + 4 with the basis 1, x, x^2 has zeros at the roots of 2 only."""
    p = parse_polynomial("(x^2 - 2)^2 + (y - 1)^2*(x^2 + 1) + (x^3 - 2*x)^2 + (x^2 - x*y)^2")
    basis = np.array([[3, 0], [2, 0], [1, 1], [1, 0], [0, 1], [0, 0]], dtype=np.int32)
    found = refined(GramProblem.of(p, [basis]))
    if found is not None:
        [complement] = found
        assert complement.ncols() <= 6


def test_a_definite_matrix_has_nothing_to_refine():
    p = parse_polynomial("x^4 + y^4 + x^2*y^2 + x^2 + y^2 + 1")
    basis = np.array([[2, 0], [1, 1], [0, 2], [1, 0], [0, 1], [0, 0]], dtype=np.int32)
    problem = GramProblem.of(p, [basis])
    assert refined(problem) is None


def test_too_many_equations_are_left_out(monkeypatch):
    monkeypatch.setattr("tasks.sos.proofs.refinement.MAX_EQUATIONS", 0)
    p = parse_polynomial("(x - 1)^2 + (y - 2)^2 + (x*y - 2)^2")
    basis = np.array([[1, 1], [1, 0], [0, 1], [0, 0]], dtype=np.int32)
    assert refined(GramProblem.of(p, [basis])) is None


def test_a_unique_gram_matrix_needs_multipliers(monkeypatch):
    """Its Schur complement is quadratic in the only direction there is."""
    p = parse_polynomial("(x - 10007/9973)^2 + (y + 1)^2 + (x*y + 10007/9973)^2")
    basis = np.array([[1, 1], [1, 0], [0, 1], [0, 0]], dtype=np.int32)
    problem = GramProblem.of(p, [basis])
    assert problem.num_free == 1
    [complement] = refined(problem)
    for column in complement.transpose().tolist():
        assert (column[1] - column[0]) * 10007 == (column[2] - column[3]) * 9973
    monkeypatch.setattr("tasks.sos.proofs.refinement.converged_with_multipliers", lambda *_: None)
    assert refined(problem) is None
