"""Bases that grow geometrically from a guess to the complete one."""

from itertools import pairwise

import numpy as np
import pytest
from basis_oracles import cost_bound, most_bases
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import planted

from tasks.lattice import positions
from tasks.records import InputError, stream
from tasks.sos import parse_polynomial
from tasks.sos.bases.expansion import GROWTH, LEAST, expansions
from tasks.sos.bases.monomial_bases import covers, even_sqrt_basis
from tasks.sos.bases.rules import candidate_basis

MOTZKIN = parse_polynomial("x^4*y^2 + x^2*y^4 - 3*x^2*y^2 + 1")


def sample(k=0, structure="sparse"):
    return planted(4, 8, 12, structure, stream(1, "expansion", str(k)))


@pytest.mark.parametrize("k", range(6))
def test_all_bases_cover_and_grow_and_the_last_is_complete(k):
    p = sample(k).polynomial
    ranking = candidate_basis(p, "newton").basis[::-1]
    found = list(expansions(p, even_sqrt_basis(p.exponents), ranking))
    assert all(not len(covers(c.basis, p.exponents)) for c in found)
    sizes = [len(c.basis) for c in found]
    assert sizes == sorted(sizes)
    assert [c.is_complete for c in found] == [False] * (len(found) - 1) + [True]
    assert np.array_equal(found[-1].basis, candidate_basis(p, "newton").basis)
    for small, large in pairwise(found[1:]):
        assert (positions(small.basis, large.basis) >= 0).all()


@pytest.mark.parametrize("k", range(6))
def test_the_number_of_bases_and_their_cost_are_bounded(k):
    p = sample(k, "dense").polynomial
    found = list(expansions(p, even_sqrt_basis(p.exponents), []))
    sizes = sorted({c.basis.tobytes(): len(c.basis) for c in found}.values())
    assert len(sizes) <= most_bases(sizes[0], sizes[-1])
    for omega in (2.0, 3.0, 6.0):
        assert sum(m**omega for m in sizes) <= cost_bound(omega) * sizes[-1] ** omega


@given(st.integers(2, 60), st.integers(2, 300), st.floats(1.1, 3.0), st.floats(1.0, 6.5))
@settings(max_examples=60)
def test_geometric_sizes_keep_both_bounds(first, last, growth, omega):
    """Over x^(2d) + 1 the complete basis is 1, x, .., x^d, and what has 1 and x^d covers it."""
    last = max(first, last)
    p = parse_polynomial(f"x^{2 * (last - 1)} + 1")
    start = [[last - 1], *([k] for k in range(first - 1))]
    found = {c.basis.tobytes(): len(c.basis) for c in expansions(p, start, [], growth=growth)}
    sizes = list(found.values())
    assert (sizes[0], sizes[-1]) == (first, last)
    assert sizes == sorted(sizes)
    assert len(sizes) <= most_bases(first, last, growth)
    assert sum(m**omega for m in sizes) <= cost_bound(omega, growth) * last**omega * (1 + 1e-12)


def test_monomials_enter_in_the_order_of_the_ranking():
    p = parse_polynomial("x^8 + y^8 + z^8 + 1")
    complete = candidate_basis(p, "full").basis
    rng = np.random.default_rng(0)
    ranking = complete[rng.permutation(len(complete))]
    first, second, *_ = expansions(p, even_sqrt_basis(p.exponents), ranking)
    added = [row for row in ranking.tolist() if row in second.basis.tolist()]
    lacking = [row for row in ranking.tolist() if row not in first.basis.tolist()]
    taken = len(second.basis) - len(first.basis)
    assert set(map(tuple, lacking[:taken])) <= set(map(tuple, added))
    assert len(second.basis) == max(LEAST, int(np.ceil(GROWTH * len(first.basis))))


def test_a_basis_that_covers_is_tried_as_it_is():
    item = sample(3)
    first = next(expansions(item.polynomial, item.basis, []))
    assert np.array_equal(first.basis, item.basis)
    assert first.rule == "predicted"


def test_without_repair_or_expansion_those_bases_are_left_out():
    p = parse_polynomial("(x + y + z)^6 + 1")
    complete = candidate_basis(p, "newton").basis
    assert len(list(expansions(p, complete[:1], [], repaired=False))) == 1
    sizes = [len(c.basis) for c in expansions(p, complete[:1], [], expanded=False)]
    assert len(sizes) == 2
    assert sizes[1] == len(complete)


def test_what_lies_outside_the_newton_polytope_never_helps_a_repair():
    for wild in ([[9, 9]], [[0, 3], [5, 0]]):
        found = list(expansions(MOTZKIN, wild, wild))
        assert len(found) == 1
        assert found[0].is_complete


def test_a_growth_of_one_is_refused():
    with pytest.raises(InputError, match="above 1"):
        next(expansions(MOTZKIN, [], [], growth=1.0))
