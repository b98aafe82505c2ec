import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import regular_triangulations, triangulations

from tasks.lattice import (
    Triangulation,
    automorphisms,
    canonical_key,
    honeycomb,
    is_regular_with,
    load_triangulations,
    permutations,
    transform,
)
from tasks.records.errors import InputError

ELEMENTS = st.integers(0, 5)


@pytest.mark.parametrize("degree", [1, 2, 5, 60])
def test_the_six_permutations_form_a_group_of_six(degree):
    table = permutations(degree)
    rows = {tuple(row) for row in table.tolist()}
    assert len(rows) == 6
    assert {tuple(g[h].tolist()) for g in table for h in table} == rows
    np.testing.assert_array_equal(table[0], np.arange(table.shape[1]))


def test_the_corners_are_permuted_in_all_six_ways():
    assert len({tuple(row[[0, 6, 27]].tolist()) for row in permutations(6)}) == 6


@given(triangulations(max_degree=6), ELEMENTS)
def test_the_image_is_a_unimodular_triangulation_of_the_same_orbit(T, element):
    image = transform(T, element, name="image")
    assert Triangulation.of(T.degree, image.triangles) == image
    assert canonical_key(image) == canonical_key(T)
    assert image.name == "image"


@given(regular_triangulations(max_degree=6), ELEMENTS)
def test_weights_move_with_their_points(T, element):
    image = transform(T, element)
    assert is_regular_with(image, image.weights)
    moved = permutations(T.degree)[element]
    assert all(image.weights[moved[i]] == weight for i, weight in enumerate(T.weights))


@given(triangulations(max_degree=6))
def test_automorphisms_are_a_subgroup_that_fixes_the_triangulation(T):
    group = automorphisms(T)
    assert group[0] == 0
    assert 6 % len(group) == 0
    assert all((transform(T, g) == T) == (g in group) for g in range(6))


def test_the_honeycomb_has_all_six_automorphisms_and_the_bat_two():
    assert automorphisms(honeycomb(6)) == (0, 1, 2, 3, 4, 5)
    assert len(automorphisms(load_triangulations(["6_bat"])[0])) == 2


def test_different_orbits_have_different_keys_and_weights_do_not_enter():
    keys = {canonical_key(T) for T in load_triangulations(["6_bat", "6_moth", "6_honeycomb"])}
    assert len(keys) == 3
    assert canonical_key(honeycomb(6).with_weights(None)) in keys


@pytest.mark.parametrize("element", [-1, 6, "a"])
def test_an_unknown_element_is_refused(element):
    with pytest.raises(InputError, match=r"element .* of S3 is not allowed"):
        transform(honeycomb(2), element)
