import numpy as np
import pytest
from hypothesis import given
from strategies import regular_triangulations

from tasks.lattice import (
    InvalidTriangulation,
    builtin_names,
    honeycomb,
    is_regular_with,
    load_triangulations,
    random_regular,
    regular_triangulation,
)
from tasks.lattice.points import MAX_DEGREE
from tasks.records.errors import InputError


@pytest.mark.parametrize("name", builtin_names())
def test_weights_of_builtin_triangulations_induce_them(name):
    [triangulation] = load_triangulations([name])
    assert regular_triangulation(triangulation.degree, triangulation.weights) == triangulation


@pytest.mark.parametrize("degree", [1, 2, 3, 6, MAX_DEGREE])
def test_the_honeycomb_is_induced_by_its_quadratic_form(degree):
    made = regular_triangulation(degree, honeycomb(degree).weights, name="again")
    assert made == honeycomb(degree)
    assert made.name == "again"


@given(regular_triangulations(max_degree=9))
def test_random_regular_triangulations_are_regular_with_their_weights(T):
    assert is_regular_with(T, T.weights)


def test_random_regular_works_up_to_the_largest_degree():
    T = random_regular(MAX_DEGREE, np.random.default_rng(0))
    assert is_regular_with(T, T.weights)


def test_random_regular_is_determined_by_its_generator_and_varies():
    draws = [random_regular(6, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert draws[0] == draws[1]
    assert draws[0].triangles.tolist() != draws[2].triangles.tolist()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([0] * 6, "induce no"),
        ([0, 1, 4, 0, 1, 0], "induce no"),
        ([0, 9, 0, 9, 9, 0], "not unimodular|used by no triangle"),
        ([0, 1], "2 weights were given, but degree 2 has 6"),
    ],
)
def test_weights_that_induce_no_unimodular_triangulation_are_refused(weights, message):
    with pytest.raises(InvalidTriangulation, match=message):
        regular_triangulation(2, weights)


def test_a_degree_out_of_range_is_refused():
    with pytest.raises(InputError, match="degree 0 is not allowed"):
        random_regular(0, np.random.default_rng(0))


def test_huge_weights_overflow_nothing():
    huge = [weight * 10**400 for weight in honeycomb(4).weights]
    assert regular_triangulation(4, huge).triangles.tolist() == honeycomb(4).triangles.tolist()
