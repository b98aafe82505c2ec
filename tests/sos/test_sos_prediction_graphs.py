"""Candidates contain the bases, and the graph and its scores do not depend on any order."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.lattice import positions, sort_monomials
from tasks.lattice.polytopes import half_newton_points
from tasks.records import stream
from tasks.sos import parse_polynomial
from tasks.sos.bases.monomial_bases import covers, diagonal_consistency, even_sqrt_basis
from tasks.sos.prediction._pairs import SupportTable, term_pairs
from tasks.sos.prediction.candidates import candidate_monomials, within_hull
from tasks.sos.prediction.examples import FAMILIES, Ranges, draw_example
from tasks.sos.prediction.graphs import batch_graphs, gram_graph
from tasks.sos.prediction.network import BasisScorer, as_tensors

SMALL = Ranges((2, 5), (2, 4), (4, 12))
MOTZKIN_MULTIPLES = [
    "(x^2 + y^2)*(x^4*y^2 + x^2*y^4 - 3*x^2*y^2 + 1)",
    "(x^2 + y^2 + 1)*(x^4*y^2 + x^2*y^4 - 3*x^2*y^2 + 1)",
]


def examples(count, ranges=SMALL):
    return [draw_example(3, k, families=FAMILIES, ranges=ranges) for k in range(count)]


def test_the_candidates_contain_the_planted_basis_in_every_family():
    drawn = examples(5 * len(FAMILIES))
    for example in drawn:
        rows = candidate_monomials(example.exponents)
        assert (positions(example.basis, rows) >= 0).all(), example.family


@pytest.mark.parametrize("text", MOTZKIN_MULTIPLES)
def test_all_half_newton_points_that_diagonal_consistency_leaves_are_candidates(text):
    p = parse_polynomial(text)
    rows = candidate_monomials(p.exponents)
    assert not len(covers(rows, p.exponents))
    complete = diagonal_consistency(half_newton_points(p.exponents).points, p.exponents).basis
    assert (positions(complete, rows) >= 0).all()


def test_completions_reach_monomials_whose_squares_vanished():
    # In 20 variables not everything can be listed: x_1 x_2 comes from a difference of terms.
    unit = np.eye(20, dtype=np.int32)
    middle = 2 * unit[0] + 2 * unit[1]
    rows = [4 * unit[0], 4 * unit[1], *(2 * unit[i] for i in range(2, 20))]
    rows += [unit[0] + unit[1] + unit[i] for i in range(2, 20)]
    support = np.stack(rows)
    assert not (support == middle).all(axis=1).any()
    found = candidate_monomials(support)
    assert positions((unit[0] + unit[1])[None], found)[0] >= 0


def test_midpoints_reach_a_square_that_no_product_of_present_ones_betrays():
    # In 8 variables: (u^2 - v^2)^2 + 2 (u v)^2 = u^4 + v^4, with u v in no other product.
    unit = 4 * np.eye(8, dtype=np.int32)
    support = np.concatenate([4 * unit[:2], 2 * unit])
    found = candidate_monomials(support)
    assert positions((unit[0] + unit[1])[None], found)[0] >= 0


def test_the_limit_keeps_square_roots_of_even_terms():
    example = draw_example(1, 0, families=("dense",), ranges=Ranges((4, 4), (4, 4), (30, 30)))
    few = candidate_monomials(example.exponents, limit=10)
    even = even_sqrt_basis(example.exponents)
    assert (positions(even, few) >= 0).all()
    assert len(few) < len(candidate_monomials(example.exponents, limit=10_000))


def test_a_support_without_terms_has_no_candidates():
    assert len(candidate_monomials(np.zeros((0, 3), dtype=np.int32))) == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 6)] * 3), min_size=1, max_size=10, unique=True))
def test_no_point_of_the_half_newton_polytope_is_ever_excluded(support):
    rows = np.array(support, dtype=np.int32)
    points = half_newton_points(rows).points
    assert len(within_hull(points, rows)) == len(points)


def test_pairs_are_all_pairs_whose_sum_is_a_term():
    rng = stream(0, "pairs")
    candidates = sort_monomials(rng.integers(0, 4, (25, 3)))
    support = sort_monomials(rng.integers(0, 7, (60, 3)))
    found = term_pairs(candidates, SupportTable.of(support))
    by_hand = {
        (i, j, k)
        for i in range(len(candidates))
        for j in range(i, len(candidates))
        for k in np.flatnonzero((candidates[i] + candidates[j] == support).all(axis=1)).tolist()
    }
    listed = zip(*(a.tolist() for a in (found.first, found.second, found.term)), strict=True)
    assert set(listed) == by_hand
    assert len(found.term) == len(by_hand) > 0


def test_scaling_a_polynomial_changes_no_feature():
    [example] = examples(1)
    one = gram_graph(example.exponents, example.coefficients)
    other = gram_graph(example.exponents, 1024 * example.coefficients)
    for name in ("terms", "candidates", "pairs"):
        assert np.allclose(getattr(one, name), getattr(other, name), atol=1e-6)


# --- equivariance -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return BasisScorer(width=16, rounds=2).double().eval()


def scores(model, exponents, coefficients):
    """Logit of every candidate, by its exponents."""
    graph = gram_graph(exponents, coefficients)
    tensors = as_tensors(graph)
    floats = ("terms", "candidates", "pairs", "term_entries", "candidate_entries")
    tensors = replace(tensors, **{name: getattr(tensors, name).double() for name in floats})
    with torch.inference_mode():
        logits = model(tensors).numpy()
    return {tuple(row): float(z) for row, z in zip(graph.monomials.tolist(), logits, strict=True)}


@pytest.mark.parametrize("number", range(len(FAMILIES)), ids=FAMILIES)
def test_permuting_the_terms_changes_no_score(model, number):
    example = draw_example(8, number, families=FAMILIES, ranges=SMALL)
    order = stream(number, "terms").permutation(len(example.exponents))
    one = scores(model, example.exponents, example.coefficients)
    other = scores(model, example.exponents[order], example.coefficients[order])
    assert one.keys() == other.keys()
    assert max(abs(one[row] - other[row]) for row in one) < 1e-6


@pytest.mark.parametrize("number", range(len(FAMILIES)), ids=FAMILIES)
def test_permuting_the_variables_permutes_the_scores(model, number):
    example = draw_example(9, number, families=FAMILIES, ranges=Ranges((3, 12), (2, 5), (6, 20)))
    order = stream(number, "variables").permutation(example.exponents.shape[1])
    one = scores(model, example.exponents, example.coefficients)
    other = scores(model, example.exponents[:, order], example.coefficients)
    moved = {tuple(np.array(row)[order].tolist()): z for row, z in one.items()}
    assert moved.keys() == other.keys()
    assert max(abs(moved[row] - other[row]) for row in moved) < 1e-6


def test_scores_do_tell_candidates_apart(model):
    [example] = examples(1)
    found = scores(model, example.exponents, example.coefficients)
    assert np.std(list(found.values())) > 1e-4


def test_a_batch_has_the_scores_of_its_graphs(model):
    graphs = [gram_graph(e.exponents, e.coefficients) for e in examples(5)]
    single = BasisScorer(width=16, rounds=2).eval()
    with torch.inference_mode():
        apart = torch.cat([single(as_tensors(graph)) for graph in graphs])
        together = single(as_tensors(batch_graphs(graphs)))
    assert torch.allclose(apart, together, atol=1e-5)
