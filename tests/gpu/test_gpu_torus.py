"""Kernels on colored cells of a torus against their slow twins, enumeration and SciPy."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu import torus_reference as slow
from gpu.bipartite import independent_set, maximum_matching
from gpu.torus_conflicts import REMOVED, conflict_runs, insert_free, recolor, remove_conflicts
from gpu.torus_exchange import exchange, exchange_often
from gpu.torus_tabu import tabu_search


@st.composite
def tori(draw):
    """A shape, symmetric offsets for each of k colors, and a grid."""
    dimension = draw(st.integers(2, 3))
    shape = tuple(
        draw(st.lists(st.integers(1, 6 - (dimension == 3)), min_size=dimension, max_size=dimension))
    )
    k = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    places = np.argwhere(np.ones(shape))[1:]
    offsets = []
    for _ in range(k):
        half = places[rng.random(len(places)) < 0.2]
        offsets.append(np.unique(np.concatenate([half, np.mod(-half, shape)]), axis=0))
    grid = rng.integers(0, k + 1, shape).astype(np.uint8)
    grid[grid == k] = REMOVED
    return shape, offsets, grid


def kernel_graph(shape, offsets):
    runs = [conflict_runs(own, shape) for own in offsets]
    ends = np.cumsum([len(own) for own in runs])
    begins = ends - np.array([len(own) for own in runs])
    return np.concatenate(runs), begins, ends, np.array((1,) * (3 - len(shape)) + shape)


def counted(shape, offsets, colors):
    return slow.conflict_counts(colors.reshape(shape), offsets)


def is_proper(shape, offsets, colors):
    own = np.flatnonzero(colors != REMOVED)
    return not counted(shape, offsets, colors)[colors[own], own].any()


def repaired(shape, offsets, grid):
    """Colors, counts and graph of a proper coloring."""
    graph = kernel_graph(shape, offsets)
    colors, counts = grid.flatten(), counted(shape, offsets, grid).astype(np.int16)
    remove_conflicts(colors, counts, graph)
    return colors, counts, graph


@given(tori())
def test_runs_hold_every_offset_once(torus):
    shape, offsets, _ = torus
    sizes = (1,) * (3 - len(shape)) + shape
    for own in offsets:
        found = [
            (a, b, c + i) for a, b, c, n in conflict_runs(own - np.array(shape), shape)
            for i in range(n)
        ]  # fmt: skip
        assert found == sorted((0,) * (3 - len(shape)) + tuple(row) for row in own.tolist())
        assert all(c < sizes[2] for _, _, c in found)


@given(tori(), st.integers(0, 10**6))
def test_counts_stay_right_when_cells_change_color(torus, seed):
    shape, offsets, grid = torus
    colors, counts = grid.flatten(), counted(shape, offsets, grid).astype(np.int32)
    rng = np.random.default_rng(seed)
    for cell in rng.integers(0, len(colors), 5):
        recolor(colors, counts, kernel_graph(shape, offsets), cell, rng.choice([0, REMOVED]))
    np.testing.assert_array_equal(counts, counted(shape, offsets, colors))


@settings(max_examples=40)
@given(tori())
def test_conflicts_are_removed_as_by_the_twin_and_then_nothing_conflicts(torus):
    shape, offsets, grid = torus
    colors, counts, _ = repaired(shape, offsets, grid)
    np.testing.assert_array_equal(colors.reshape(shape), slow.remove_conflicts(grid, offsets))
    np.testing.assert_array_equal(counts, counted(shape, offsets, colors))
    assert is_proper(shape, offsets, colors)


@given(tori())
def test_after_insertion_no_removed_cell_fits(torus):
    shape, offsets, grid = torus
    colors, counts, graph = repaired(shape, offsets, grid)
    before = np.count_nonzero(colors == REMOVED)
    inserted = insert_free(colors, counts, graph, np.flatnonzero(colors == REMOVED))
    removed = np.flatnonzero(colors == REMOVED)
    assert before - inserted == len(removed)
    assert (counts[:, removed] > 0).all() and is_proper(shape, offsets, colors)


@given(tori(), st.integers(0, 100))
def test_tabu_search_returns_a_proper_coloring_that_is_not_worse(torus, seed):
    shape, offsets, grid = torus
    colors, counts, graph = repaired(shape, offsets, grid)
    before = np.count_nonzero(colors == REMOVED)
    best, done = tabu_search(colors, counts, graph, 50, seed)
    assert is_proper(shape, offsets, best) and is_proper(shape, offsets, colors)
    assert np.count_nonzero(best == REMOVED) <= before and 0 <= done <= 50
    np.testing.assert_array_equal(counts, counted(shape, offsets, colors))


@st.composite
def bipartite_graphs(draw):
    left, right = draw(st.integers(0, 12)), draw(st.integers(0, 12))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    return rng.random((left, right)) < draw(st.sampled_from([0.1, 0.2, 0.5]))


@given(bipartite_graphs())
def test_matchings_are_largest_and_their_independent_sets_as_well(adjacent):
    first = np.concatenate([[0], np.cumsum(adjacent.sum(axis=1))])
    neighbors = np.nonzero(adjacent)[1].astype(np.int32)
    left, right = maximum_matching(first, neighbors, adjacent.shape[1])
    size = slow.largest_matching(adjacent)
    matched = np.flatnonzero(left >= 0)
    assert len(matched) == np.count_nonzero(right >= 0) == size
    assert all(adjacent[u, left[u]] and right[left[u]] == u for u in matched)
    in_left, in_right = independent_set(first, neighbors, left, right)
    assert not adjacent[np.ix_(in_left, in_right)].any()
    assert in_left.sum() + in_right.sum() == sum(adjacent.shape) - size


def best_exchange(shape, offsets, colors, window, c, d):
    """The most cells with a color, over all choices that an exchange may make."""
    options = []
    for i in window:
        own = {c, REMOVED, int(colors[i])} | ({d} if colors[i] in (c, REMOVED) else set())
        options.append(sorted(own))
    counts = counted(shape, offsets, colors)
    most = 0
    for choice in product(*options):
        tried = colors.copy()
        tried[window] = choice
        counts = counted(shape, offsets, tried)
        own = np.flatnonzero(tried != REMOVED)
        bad = own[counts[tried[own], own] > 0]
        # Cells of the window do not conflict with each other, so those outside give way.
        tried[np.setdiff1d(bad, window)] = REMOVED
        most = max(most, np.count_nonzero(tried != REMOVED))
    return most


@settings(max_examples=40)
@given(tori(), st.integers(0, 10**6))
def test_an_exchange_is_the_best_of_all_choices(torus, seed):
    shape, offsets, grid = torus
    colors, counts, graph = repaired(shape, offsets, grid)
    rng = np.random.default_rng(seed)
    c, d = rng.permutation(4)[:2] % len(offsets)
    window: list[int] = []
    blocked = {tuple(row) for color in (c, d) for row in offsets[color].tolist()}
    coordinates = np.argwhere(np.ones(shape))
    for i in rng.permutation(len(colors)):
        steps = np.mod(coordinates[i] - coordinates[window], shape)
        if len(window) < 4 and not blocked & {tuple(row) for row in steps.tolist()}:
            window.append(int(i))
    before = np.count_nonzero(colors != REMOVED)
    expected = best_exchange(shape, offsets, colors, window, c, d)
    number_of = np.full(len(colors), -1, np.int32)
    cells = np.array(window, np.int64)
    gain = exchange(colors, counts, graph, cells, number_of, c, d, len(colors))
    assert gain == expected - before
    assert np.count_nonzero(colors != REMOVED) == expected and is_proper(shape, offsets, colors)
    np.testing.assert_array_equal(counts, counted(shape, offsets, colors))
    assert (number_of == -1).all()


def test_an_exchange_of_one_color_counts_the_conflicts_of_cells_that_have_another():
    offsets = [np.array([[0, 1], [0, 3]]), np.array([[0, 2]])]
    colors, counts, graph = repaired((1, 4), offsets, np.array([[0, REMOVED, 0, 1]], np.uint8))
    number_of = np.full(4, -1, np.int32)
    assert exchange(colors, counts, graph, np.array([3, 1]), number_of, 0, 0, 4) == 0
    assert np.count_nonzero(colors != REMOVED) == 3 and is_proper((1, 4), offsets, colors)


@pytest.mark.parametrize("limit", [0, 1, 100])
def test_many_exchanges_keep_the_coloring_proper_and_gain(limit):
    shape, rng = (12, 13), np.random.default_rng(3)
    ring = np.argwhere(np.ones(shape)) - np.array([6, 6])
    ring = ring[np.isin((ring**2).sum(axis=1), (16, 17, 18, 20))]
    offsets = [np.unique(np.mod(ring, shape), axis=0)] * 3
    colors, counts, graph = repaired(shape, offsets, rng.integers(0, 3, shape).astype(np.uint8))
    around = np.array([(0, a, b) for a in (0, 1, 11 - shape[0] + 12) for b in (0, 1, 12)])
    around = np.mod(around, (1, *shape))
    bounds = np.tile(np.array([0, len(around)]), (3, 3, 1))
    before = np.count_nonzero(colors == REMOVED)
    done = exchange_often(colors, counts, graph, around, bounds, limit, 60, 0)
    assert done == 60 and is_proper(shape, offsets, colors)
    assert np.count_nonzero(colors == REMOVED) < before
    np.testing.assert_array_equal(counts, counted(shape, offsets, colors))
