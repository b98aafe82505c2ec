"""Small weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import regular_triangulations

from tasks.lattice import honeycomb, is_regular_with, lattice_points, load_triangulations
from tasks.records import InputError
from tasks.tcurves.weights import shrink_weights, weight_bits


@settings(max_examples=60)
@given(regular_triangulations(1, 7), st.booleans())
def test_shrunk_weights_induce_the_same_triangulation_and_are_not_larger(triangulation, optimize):
    small = shrink_weights(triangulation, triangulation.weights, optimize=optimize)
    assert is_regular_with(triangulation, small)
    assert min(small) == 0
    assert weight_bits(small) <= weight_bits(triangulation.weights)


@settings(max_examples=40)
@given(
    regular_triangulations(1, 5),
    st.integers(-(10**30), 10**30),
    st.integers(-(10**30), 10**30),
    st.integers(1, 10**30),
)
def test_affine_functions_and_common_factors_disappear(triangulation, p, q, factor):
    x, y = lattice_points(triangulation.degree).T.tolist()
    moved = [
        factor * w + p * a - q * b + 1 for w, a, b in zip(triangulation.weights, x, y, strict=True)
    ]
    plain = shrink_weights(triangulation, triangulation.weights, optimize=False)
    assert shrink_weights(triangulation, moved, optimize=False) == plain


@pytest.mark.parametrize("name", ["6_bat", "7_fra", "7_spl"])
def test_a_linear_program_halves_the_published_weights(name):
    [triangulation] = load_triangulations([name])
    small = shrink_weights(triangulation, triangulation.weights)
    assert 2 * weight_bits(small) < weight_bits(triangulation.weights)
    assert shrink_weights(triangulation, small) == small


def test_the_honeycomb_of_degree_3_has_weights_of_13_bits():
    assert weight_bits(shrink_weights(honeycomb(3), honeycomb(3).weights)) == 13


def test_a_shrinking_is_deterministic():
    rng = np.random.default_rng(3)
    triangulation = honeycomb(6)
    x, y = triangulation.points.T
    noisy = 1000 * (x * x + x * y + y * y) + rng.integers(0, 100, len(x))
    first, second = (shrink_weights(triangulation, noisy.tolist()) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("weights", [[0] * 6, [0, 1, 4, 1, 3]])
def test_weights_that_induce_something_else_are_refused(weights):
    with pytest.raises(InputError, match="do not induce"):
        shrink_weights(honeycomb(2), weights)
