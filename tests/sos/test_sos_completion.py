"""Gram matrices of low rank from the entries that the equations determine."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import planted

from tasks.records import stream
from tasks.sos import Polynomial, parse_polynomial
from tasks.sos.bases.monomial_bases import even_sqrt_basis
from tasks.sos.certify import certify
from tasks.sos.gram.completion import MAX_CLIQUE, _clique, complete_by_rank
from tasks.sos.gram.interior import diagonal_weights
from tasks.sos.gram.problem import GramProblem


def problem_of(polynomial):
    return GramProblem.of(polynomial, [even_sqrt_basis(polynomial.exponents)])


def item_of(seed, structure="low_rank", cell=(6, 12, 30)):
    return planted(*cell, structure, stream(seed, "completion"))


def completed(problem):
    return complete_by_rank(problem, diagonal_weights(problem))


@pytest.mark.parametrize("cell", [(6, 12, 30), (6, 20, 60), (8, 20, 30)])
@pytest.mark.parametrize("seed", range(4))
def test_the_planted_matrix_comes_out_to_rounding_errors(seed, cell):
    item = item_of(seed, cell=cell)
    problem = problem_of(item.polynomial)
    [gram] = completed(problem)
    own = {tuple(row): k for k, row in enumerate(problem.bases[0].tolist())}
    places = [own[tuple(row)] for row in item.basis.tolist()]
    expected = np.zeros_like(gram)
    expected[np.ix_(places, places)] = item.gram_floats
    assert np.abs(gram - expected).max() < 1e-11 * np.abs(expected).max()


@pytest.mark.parametrize("structure", ["dense", "sparse", "block_diagonal"])
def test_full_rank_is_not_completed(structure):
    assert completed(problem_of(item_of(0, structure).polynomial)) is None


def test_few_known_entries_are_not_completed():
    assert completed(problem_of(item_of(0, cell=(4, 6, 20)).polynomial)) is None


def test_equations_that_the_completion_does_not_solve_are_noticed():
    """A coefficient that two entries share is not looked at before the end."""
    item = item_of(0)
    problem = problem_of(item.polynomial)
    counts = np.bincount(problem.entries.classes, minlength=problem.num_monomials)
    shared = problem.monomials[int(np.flatnonzero(counts == 2)[0])]
    term = Polynomial.from_arrays(item.polynomial.variables, [shared], [1])
    other = problem_of(item.polynomial + term)
    assert completed(problem) is not None
    assert len(other.bases[0]) == len(problem.bases[0])
    assert completed(other) is None


def test_known_entries_that_are_not_semidefinite_are_not_completed():
    """One of them is raised above the geometric mean of its diagonal; all others stay."""
    item = item_of(0)
    problem = problem_of(item.polynomial)
    [gram] = completed(problem)
    is_single = np.bincount(problem.entries.classes, minlength=problem.num_monomials) == 1
    i, j = _clique(is_single[problem.rows[0]], MAX_CLIQUE)[:2]
    raised = Fraction(4 * float(np.sqrt(gram[i, i] * gram[j, j])))
    exponent = problem.bases[0][i] + problem.bases[0][j]
    term = Polynomial.from_arrays(item.polynomial.variables, [exponent], [raised])
    other = problem_of(item.polynomial + term)
    assert other.num_monomials == problem.num_monomials
    assert completed(other) is None
    assert certify(other.polynomial).verdict.value in ("refuted_sos", "negative")


def test_every_block_is_completed():
    """(x^6 + 2 y^6)^2 with its odd and even halves: both blocks have rank at most one."""
    p = parse_polynomial("x^12 + 4*x^6*y^6 + 4*y^12")
    rows = [np.array(rows, dtype=np.int32) for rows in ([[6, 0], [0, 6]], [[5, 1]])]
    problem = GramProblem.of(p, rows)
    even, odd = completed(problem)
    assert np.allclose(even, [[1, 2], [2, 4]])
    assert np.allclose(odd, [[0]])


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.floats(0.1, 1.0))
def test_all_entries_of_a_clique_are_known(seed, size, density):
    table = np.random.default_rng(seed).random((size, size)) < density
    is_known = np.triu(table) | np.triu(table).T
    chosen = _clique(is_known, MAX_CLIQUE)
    assert is_known[np.ix_(chosen, chosen)].all()
    assert len(set(chosen.tolist())) == len(chosen) <= MAX_CLIQUE
    rest = np.setdiff1d(np.flatnonzero(is_known.diagonal()), chosen)
    if len(chosen) < MAX_CLIQUE:  # no other row could be added
        assert not is_known[np.ix_(rest, chosen)].all(axis=1).any()


def test_coefficients_beyond_floats_do_not_stop_a_certification():
    found = certify(parse_polynomial("x^4 + 10^1000*x^2 - x + 1"))
    assert found.verdict.value == "undecided" and "too large" in found.reason
