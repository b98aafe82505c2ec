import numpy as np
import pytest
from hypothesis import given
from strategies import triangulations

from tasks.lattice import (
    Triangulation,
    flip,
    flippable_edges,
    honeycomb,
    lattice_points,
    random_flips,
)
from tasks.records.errors import InputError


@given(triangulations(min_degree=2, max_degree=4))
def test_flipping_back_gives_the_original(T):
    for a, b, c, f in flippable_edges(T).tolist():
        flipped = flip(T, (b, a))
        assert flipped != T
        assert [c, f] in flipped.edges.tolist()
        assert flip(flipped, (c, f)) == T


@given(triangulations(min_degree=2, max_degree=5))
def test_an_edge_is_flippable_exactly_if_its_replacement_is_a_triangulation(T):
    flippable = {tuple(row) for row in flippable_edges(T).tolist()}
    for a, b, c, f in T.interior_edges.tolist():
        rows = [row for row in T.triangles.tolist() if not {a, b} <= set(row)]
        try:
            Triangulation.of(T.degree, [*rows, [a, c, f], [b, c, f]])
            valid = True
        except InputError:
            valid = False
        assert valid == ((a, b, c, f) in flippable)


def test_every_interior_edge_of_the_honeycomb_is_flippable():
    assert len(flippable_edges(honeycomb(7))) == len(honeycomb(7).interior_edges)


@pytest.mark.parametrize("edge", [(0, 1), (0, 4), (0, 99), (1, 1)])
def test_an_edge_that_cannot_be_flipped_is_refused(edge):
    with pytest.raises(InputError, match=r"edge \d+-\d+ cannot be flipped"):
        flip(honeycomb(2), edge)


def test_a_walk_is_determined_by_its_generator():
    first, second = (random_flips(honeycomb(6), 500, np.random.default_rng(3)) for _ in range(2))
    assert first == second
    assert first != random_flips(honeycomb(6), 500, np.random.default_rng(4))
    assert first.weights is None


def test_one_proposal_is_one_flip_or_none():
    start = honeycomb(4)
    neighbors = {flip(start, (a, b)) for a, b, _, _ in flippable_edges(start).tolist()}
    rng = np.random.default_rng(0)
    assert all(random_flips(start, 1, rng) in neighbors for _ in range(20))


def test_the_walk_is_uniform_on_the_four_triangulations_of_degree_2():
    rng = np.random.default_rng(0)
    ends = [random_flips(honeycomb(2), 20, rng) for _ in range(800)]
    counts = [ends.count(T) for T in set(ends)]
    assert len(counts) == 4
    # Binomial(800, 1/4) has standard deviation 12.2; five of them.
    assert all(abs(count - 200) < 62 for count in counts)


def test_a_walk_without_steps_or_without_interior_edges_stays():
    rng = np.random.default_rng(0)
    assert random_flips(honeycomb(3), 0, rng) == honeycomb(3).with_weights(None)
    assert random_flips(honeycomb(1), 10, rng) == honeycomb(1).with_weights(None)


def test_a_negative_number_of_steps_is_refused():
    with pytest.raises(InputError, match="steps = -1 is not allowed"):
        random_flips(honeycomb(2), -1, np.random.default_rng(0))


def test_long_walks_leave_the_neighborhood_of_the_honeycomb():
    walk = random_flips(honeycomb(8), 20_000, np.random.default_rng(0))
    a, b = lattice_points(8)[walk.edges].transpose(1, 0, 2)
    assert np.abs(a - b).max() >= 3
