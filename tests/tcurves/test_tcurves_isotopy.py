"""The real scheme of one T-curve."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import signed_triangulations, triangulations

from gpu import reference
from tasks.lattice import honeycomb, num_points, permutations, random_flips, transform
from tasks.records import InputError
from tasks.tcurves import (
    NotACurveError,
    Scheme,
    affine_signs,
    as_signs,
    as_word,
    canonical_signs,
    harnack_signs,
    is_maximal,
    known_schemes,
    patchwork,
    real_scheme,
    real_scheme_by_euler,
    violated_restrictions,
)
from tasks.tcurves.isotopy import region_tree, regions
from tasks.tcurves.signs import canonical_word


@settings(max_examples=150)
@given(signed_triangulations(1, 9))
def test_three_algorithms_agree(pair):
    triangulation, signs = pair
    complex_ = patchwork(triangulation)
    scheme = real_scheme(triangulation, signs)
    assert real_scheme_by_euler(triangulation, signs) == scheme
    is_odd = bool(triangulation.degree % 2)
    code = reference.scheme_code(complex_.edges, complex_.num_vertices, is_odd, signs)
    assert Scheme.from_code(code, pseudo_line=is_odd) == scheme


@pytest.mark.parametrize("degree", [15, 16, 31, 60])
def test_both_algorithms_agree_in_high_degree(degree):
    rng = np.random.default_rng(degree)
    triangulation = random_flips(honeycomb(degree), 500, rng)
    signs = rng.integers(0, 2, num_points(degree))
    assert real_scheme(triangulation, signs) == real_scheme_by_euler(triangulation, signs)


@settings(max_examples=150)
@given(signed_triangulations(1, 7))
def test_t_curves_of_low_degree_stay_in_the_classification(pair):
    triangulation, signs = pair
    scheme = str(real_scheme(triangulation, signs))
    assert scheme in set(known_schemes(triangulation.degree)) - {"<0>"}


@settings(max_examples=100)
@given(signed_triangulations(8, 9))
def test_t_curves_violate_no_restriction(pair):
    triangulation, signs = pair
    assert violated_restrictions(real_scheme(triangulation, signs), triangulation.degree) == ()


@given(triangulations(1, 8))
def test_harnack_signs_give_the_same_maximal_curve_on_every_triangulation(triangulation):
    degree = triangulation.degree
    signs = harnack_signs(degree)
    scheme = real_scheme(triangulation, signs)
    assert is_maximal(scheme, degree)
    assert scheme == real_scheme(honeycomb(degree), signs)


def test_harnack_signs_give_the_known_schemes():
    found = [str(real_scheme(honeycomb(d), harnack_signs(d))) for d in (6, 7, 8)]
    assert found == ["<9v1<1>>", "<Jv15>", "<18v1<3>>"]


@pytest.mark.parametrize("degree", range(1, 10))
def test_constant_signs_on_the_honeycomb_give_the_deepest_nest(degree):
    scheme = real_scheme(honeycomb(degree), np.zeros(num_points(degree), dtype=int))
    assert scheme.depth == scheme.ovals == degree // 2


@given(signed_triangulations(1, 8), st.integers(0, 7))
def test_gauge_keeps_the_scheme(pair, gauge):
    triangulation, signs = pair
    moved = signs ^ affine_signs(triangulation.degree, gauge & 1, gauge >> 1 & 1, gauge >> 2)
    assert real_scheme(triangulation, moved) == real_scheme(triangulation, signs)
    assert (
        canonical_signs(triangulation.degree, moved) == canonical_signs(triangulation.degree, signs)
    ).all()


@given(signed_triangulations(1, 8), st.integers(0, 5))
def test_symmetries_of_the_triangle_keep_the_scheme(pair, element):
    triangulation, signs = pair
    image = transform(triangulation, element)
    moved = np.empty_like(signs)
    moved[permutations(triangulation.degree)[element]] = signs
    assert real_scheme(image, moved) == real_scheme(triangulation, signs)


@given(
    st.integers(1, 9).flatmap(
        lambda d: st.tuples(st.just(d), st.integers(0, 2 ** num_points(d) - 1))
    )
)
def test_words_and_arrays_of_signs_are_the_same(pair):
    degree, word = pair
    assert as_word(as_signs(degree, word)) == word
    assert canonical_word(degree, word) == as_word(canonical_signs(degree, word))


@pytest.mark.parametrize("signs", [-1, 1 << 28, [0, 1], [2] * 28, [[0] * 28]])
def test_what_is_no_sign_vector_is_refused(signs):
    with pytest.raises(InputError, match="sign"):
        real_scheme(honeycomb(6), signs)


def test_regions_that_are_no_tree_are_an_error():
    complex_ = patchwork(honeycomb(6))
    signs = np.zeros(num_points(6), dtype=np.int64)
    labels, root = regions(complex_, signs)
    order, _ = region_tree(complex_, signs, labels, root)  # the nest: a path of four regions
    ends_joined = np.where(labels == order[-1], order[0], labels)
    with pytest.raises(NotACurveError, match="no tree"):
        region_tree(complex_, signs, np.unique(ends_joined, return_inverse=True)[1], 0)
