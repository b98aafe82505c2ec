from itertools import combinations, product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.lattice import minkowski_sums, sort_monomials
from tasks.records import InputError
from tasks.sos.bases.monomial_bases import (
    complete_repair,
    covers,
    diagonal_consistency,
    even_sqrt_basis,
    full_basis,
    half_newton_basis,
)

MOTZKIN = [[4, 2], [2, 4], [2, 2], [0, 0]]
HURWITZ = [*(6 * np.eye(6, dtype=int)).tolist(), [1] * 6]


def as_set(rows):
    return {tuple(int(entry) for entry in row) for row in rows}


def doubled(b):
    return tuple(2 * entry for entry in b)


def total(b, c):
    return tuple(x + y for x, y in zip(b, c, strict=True))


def removable(b, basis, support):
    """Whether diagonal consistency removes b from the set, read off the definition."""
    others = {total(c, e) for c, e in combinations(sorted(basis), 2)}
    return doubled(b) not in support and doubled(b) not in others


tables = st.integers(1, 3).flatmap(
    lambda n: st.tuples(
        st.lists(st.lists(st.integers(0, 3), min_size=n, max_size=n), min_size=1, max_size=12),
        st.lists(st.lists(st.integers(0, 6), min_size=n, max_size=n), min_size=1, max_size=12),
    )
)


@pytest.mark.parametrize("num_variables", range(4))
@pytest.mark.parametrize("degree", range(5))
def test_the_full_basis_holds_all_monomials_in_order(num_variables, degree):
    rows = full_basis(num_variables, degree)
    box = product(range(degree + 1), repeat=num_variables)
    assert as_set(rows) == {b for b in box if sum(b) <= degree}
    assert len(rows) == comb(num_variables + degree, degree)
    assert (sort_monomials(rows) == rows).all()


def test_degrees_of_the_full_basis_can_be_bounded_below():
    assert full_basis(2, 2, min_degree=2).tolist() == [[2, 0], [1, 1], [0, 2]]
    assert full_basis(2, 1, min_degree=2).shape == (0, 2)


@pytest.mark.parametrize("arguments", [(-1, 2), (2, -1)])
def test_negative_sizes_are_refused(arguments):
    with pytest.raises(InputError, match="nonnegative"):
        full_basis(*arguments)


def test_a_hopeless_full_basis_is_refused_before_it_is_formed():
    with pytest.raises(InputError, match="use the half Newton polytope"):
        full_basis(100, 5)


def test_even_square_roots_are_halves_of_even_terms():
    assert even_sqrt_basis(MOTZKIN).tolist() == [[2, 1], [1, 2], [1, 1], [0, 0]]
    assert even_sqrt_basis([[1, 1], [3, 0]]).shape == (0, 2)


def test_the_half_newton_basis_contains_the_even_square_roots():
    rng = np.random.default_rng(0)
    for _ in range(20):
        support = rng.integers(0, 7, (8, 3))
        assert as_set(even_sqrt_basis(support)) <= as_set(half_newton_basis(support))


@given(tables)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_diagonal_consistency_ends_where_nothing_can_be_removed(table):
    basis, support = table
    result = diagonal_consistency(basis, support)
    kept, terms = as_set(result.basis), as_set(support)
    assert not [b for b in kept if removable(b, kept, terms)]
    assert kept | as_set(result.removed) == as_set(basis)
    assert len(result.basis) + len(result.removed) == len(as_set(basis))


@given(tables)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_each_removal_is_justified_when_it_happens(table):
    basis, support = table
    current, terms = as_set(basis), as_set(support)
    for b in (tuple(row) for row in diagonal_consistency(basis, support).removed.tolist()):
        assert removable(b, current, terms)
        current.remove(b)


def test_removals_set_each_other_off():
    # Only 1 + 3 keeps 2, until 3 has gone.
    result = diagonal_consistency([[3], [2], [1], [0]], [[0], [2]])
    assert result.removed.tolist() == [[3], [2]]
    assert result.basis.tolist() == [[1], [0]]


def test_an_empty_basis_is_consistent():
    result = diagonal_consistency(np.zeros((0, 2), dtype=int), MOTZKIN)
    assert result.basis.shape == result.removed.shape == (0, 2)


@given(tables)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_uncovered_terms_are_those_outside_all_sums(table):
    basis, support = table
    sums = {total(b, c) for b in as_set(basis) for c in as_set(basis)}
    assert as_set(covers(basis, support)) == as_set(support) - sums


def test_an_empty_basis_covers_nothing():
    assert covers(np.zeros((0, 2), dtype=int), MOTZKIN).tolist() == sort_monomials(MOTZKIN).tolist()


@given(tables, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_repair_covers_all_that_basis_and_candidates_cover(table, random):
    rows, support = table
    basis = [row for row in rows if random.random() < 0.4]
    start = np.array(basis, dtype=int).reshape(-1, len(rows[0]))
    repaired = complete_repair(start, support, rows)
    assert as_set(start) <= as_set(repaired) <= as_set(rows)
    assert covers(repaired, support).tolist() == covers(rows, support).tolist()


@given(tables, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_no_addition_of_a_repair_is_superfluous(table, random):
    rows, support = table
    basis = [row for row in rows if random.random() < 0.4]
    start = np.array(basis, dtype=int).reshape(-1, len(rows[0]))
    repaired = complete_repair(start, support, rows)
    uncovered = covers(repaired, support).tolist()
    for b in as_set(repaired) - as_set(start):
        rest = [row for row in repaired.tolist() if tuple(row) != b]
        fewer = np.array(rest, dtype=int).reshape(-1, len(rows[0]))
        assert covers(fewer, support).tolist() != uncovered


def test_repair_adds_pairs_none_of_which_is_present():
    # x1..x6 is no multiple of any x_i³: dividing terms by present monomials finds nothing.
    start, candidates = even_sqrt_basis(HURWITZ), half_newton_basis(HURWITZ)
    assert covers(start, HURWITZ).tolist() == [[1] * 6]
    repaired = complete_repair(start, HURWITZ, candidates)
    assert len(repaired) == 8
    assert not len(covers(repaired, HURWITZ))


def test_repair_of_nothing_recovers_a_planted_basis():
    rng = np.random.default_rng(4)
    basis = sort_monomials(rng.multinomial(8, [1 / 6] * 6, size=25))
    support = minkowski_sums(basis).rows
    empty = np.zeros((0, 6), dtype=int)
    repaired = complete_repair(empty, support, half_newton_basis(support))
    assert repaired.tolist() == basis.tolist()


def test_a_covering_basis_is_left_alone():
    basis = even_sqrt_basis(MOTZKIN)
    assert complete_repair(basis, MOTZKIN, full_basis(2, 3)).tolist() == basis.tolist()
