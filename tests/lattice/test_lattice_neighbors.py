import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_triangulations import PINWHEEL
from strategies import SEEDS, regular_triangulations, triangulations

from tasks.lattice import (
    Triangulation,
    flip,
    flip_neighbors,
    flippable_edges,
    honeycomb,
    is_regular_with,
    load_triangulations,
    perturbed,
    with_certificate,
)
from tasks.records.errors import InputError


def shared_triangles(S, T):
    return len(set(map(tuple, S.triangles.tolist())) & set(map(tuple, T.triangles.tolist())))


@given(triangulations(max_degree=5))
def test_the_neighbors_are_all_single_flips_in_order(T):
    neighbors = flip_neighbors(T)
    edges = flippable_edges(T)[:, :2].tolist()
    assert neighbors == [flip(T, (a, b)) for a, b in edges]
    assert [S.name for S in neighbors] == [f"{T.name}_f{a}-{b}" for a, b in edges]
    assert all(Triangulation.of(T.degree, S.triangles) == S for S in neighbors)
    assert len(set(neighbors)) == len(neighbors)


@given(triangulations(min_degree=2, max_degree=4))
def test_being_neighbors_is_mutual(T):
    assert all(T in flip_neighbors(S) for S in flip_neighbors(T))


def test_neighbors_carry_no_weights():
    assert all(S.weights is None for S in flip_neighbors(honeycomb(4)))
    assert flip_neighbors(honeycomb(1)) == []


@given(regular_triangulations(max_degree=7), SEEDS, st.floats(1e-3, 1e3))
def test_perturbed_triangulations_are_regular_with_their_weights(T, seed, scale):
    made = perturbed(T, np.random.default_rng(seed), scale)
    assert Triangulation.of(T.degree, made.triangles, weights=made.weights) == made
    assert is_regular_with(made, made.weights)
    assert min(made.weights) == 0


def test_the_scale_says_how_far_a_perturbation_goes():
    [bat] = load_triangulations(["6_bat"])
    shared = [
        np.mean(
            [
                shared_triangles(bat, perturbed(bat, np.random.default_rng(seed), scale))
                for seed in range(20)
            ]
        )
        for scale in (1e-6, 0.3, 1, 30)
    ]
    assert shared == sorted(shared, reverse=True)
    assert shared[0] == 36 > shared[1] > shared[-1]


def test_perturbed_weights_stay_small_however_often():
    T, rng = honeycomb(6), np.random.default_rng(0)
    for _ in range(40):
        T = perturbed(T, rng, 1.0)
    assert max(T.weights) < 2**40


def test_weights_are_found_where_none_are_given():
    bare = honeycomb(5).with_weights(None)
    made = perturbed(bare, np.random.default_rng(0), 1e-6, name="near")
    assert made.triangles.tolist() == bare.triangles.tolist()
    assert is_regular_with(made, made.weights)
    assert made.name == "near"
    assert with_certificate(made).weights == made.weights


def test_a_perturbation_is_determined_by_its_generator_and_varies():
    draws = [perturbed(honeycomb(6), np.random.default_rng(seed), 2.0) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_huge_weights_can_be_perturbed():
    huge = honeycomb(4).with_weights([weight * 10**60 for weight in honeycomb(4).weights])
    made = perturbed(huge, np.random.default_rng(0), 1.0)
    assert is_regular_with(made, made.weights)
    assert max(made.weights) < 10**6


def test_only_regular_triangulations_can_be_perturbed():
    with pytest.raises(InputError, match="pinwheel is irregular: only regular"):
        perturbed(PINWHEEL, np.random.default_rng(0), 1.0)


@pytest.mark.parametrize("scale", [0, -1.0, float("inf"), float("nan")])
def test_a_scale_that_is_not_positive_is_refused(scale):
    with pytest.raises(InputError, match=r"scale = .* is not allowed: give a number > 0"):
        perturbed(honeycomb(3), np.random.default_rng(0), scale)
