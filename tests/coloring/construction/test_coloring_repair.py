"""Repair: proper, never worse by a search or a finer grid, optimal on tiny tori, repeatable."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torus_oracles import CUBE, SKEW, SQUARE, is_proper, most_colored, offset_vectors, tiny_graph

from gpu.torus_conflicts import REMOVED
from gpu.torus_reference import conflict_counts
from tasks.coloring import Lattice, score
from tasks.coloring.certificates.norms import norm_of
from tasks.coloring.construction.grids import windows
from tasks.coloring.construction.grids.conflicts import PartialColoring
from tasks.coloring.construction.grids.exchanges import exchange_colors, window_offsets
from tasks.coloring.construction.grids.partial_col import partial_col
from tasks.coloring.construction.grids.repair import RepairSettings, refine, repair
from tasks.records import InputError

HEXAGONS = Lattice.parse([["1.9", "0.658"], ["0.38", "1.974"]])
"""Period of seven colors of hexagons whose centers are 0.76 apart: 2 a + b and 3 b - a."""
QUICK = RepairSettings(cells=900, refinements=1, steps=300, exchanges=100)
TINY = [
    (SQUARE, (4, 4), 1, None),
    (SQUARE, (4, 4), 2, None),
    (SKEW, (4, 4), 2, ["1", "0.8"]),
    (SKEW, (3, 5), 3, None),
    (CUBE, (3, 3, 3), 2, ["1.75", "1.8-1.9"]),
]


def hexagon_logits(size, softness=0.02):
    """Seven colors by minus the squared distances from their nearest centers."""
    a, b = np.array([0.76, 0.0]), np.array([0.38, 0.658])
    i, j = np.meshgrid(np.arange(-9, 10), np.arange(-9, 10), indexing="ij")
    centers, colors = i[..., None] * a + j[..., None] * b, (i + 5 * j) % 7
    s, t = np.meshgrid(*2 * [np.arange(size) / size], indexing="ij")
    points = s[..., None] * HEXAGONS.floats[0] + t[..., None] * HEXAGONS.floats[1]
    squares = [
        ((points[..., None, :] - centers[colors == color]) ** 2).sum(axis=-1).min(axis=-1)
        for color in range(7)
    ]
    return -np.array(squares) / softness


def random_coloring(lattice, shape, num_colors, distances=None, seed=0):
    graph = tiny_graph(lattice, shape, num_colors, distances)
    grid = np.random.default_rng(seed).integers(0, num_colors, shape)
    return PartialColoring.of(graph, grid)


def removed_parts(repaired):
    return [part for level in repaired.history for _, part in level.stages]


def test_seven_colors_need_no_removed_cell():
    repaired = repair(hexagon_logits(24), HEXAGONS, 7, settings=QUICK)
    assert repaired.removed == 0 and not (repaired.grid == REMOVED).any()
    assert score(repaired.grid, HEXAGONS, num_colors=7).is_proper


def test_noise_on_seven_colors_is_repaired_to_the_last_cell():
    rng = np.random.default_rng(1)
    grid = repair(hexagon_logits(24), HEXAGONS, 7, settings=QUICK).grid
    noisy = np.where(rng.random(grid.shape) < 0.05, rng.integers(0, 7, grid.shape), grid)
    again = dataclasses.replace(QUICK, refinements=0)
    repaired = repair(noisy, HEXAGONS, 7, settings=again)
    assert score(noisy, HEXAGONS, num_colors=7).point_rate > 0.3 and repaired.removed == 0


def test_no_search_and_no_finer_grid_removes_more():
    grid = np.random.default_rng(2).integers(0, 4, (10, 11))
    settings = dataclasses.replace(QUICK, refinements=2)
    repaired = repair(grid, SKEW, 4, settings=settings)
    parts = removed_parts(repaired)
    assert parts == sorted(parts, reverse=True) and parts[-1] < parts[0]
    assert [level.shape for level in repaired.history] == [(10, 11), (20, 22), (40, 44)]
    assert repaired.removed == parts[-1] == score(repaired.grid, SKEW, num_colors=4).removed
    assert repaired.steps == 3 * (300 + 100)


def test_the_same_settings_give_the_same_grid_and_another_seed_another():
    grid = np.random.default_rng(3).integers(0, 3, (14, 15))
    first, second, third = (
        repair(grid, SKEW, 3, settings=dataclasses.replace(QUICK, seed=seed)) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.grid, second.grid)
    assert first.history == second.history
    assert (first.grid != third.grid).any()


@settings(max_examples=15)
@given(st.integers(0, 1000), st.sampled_from([((5, 6), 3), ((4, 7), 1), ((7, 6, 6), 2)]))
def test_a_refined_proper_coloring_is_proper(seed, kind):
    shape, num_colors = kind
    lattice = SKEW if len(shape) == 2 else CUBE
    coarse = random_coloring(lattice, shape, num_colors, seed=seed)
    fine = refine(coarse.grid)
    assert fine.shape == tuple(2 * m for m in shape)
    assert score(fine, lattice, num_colors=num_colors).is_proper


@pytest.mark.parametrize(("lattice", "shape", "num_colors", "distances"), TINY)
def test_partial_col_finds_the_optimum_of_tiny_tori(lattice, shape, num_colors, distances):
    coloring = random_coloring(lattice, shape, num_colors, distances)
    partial_col(coloring, 3000)
    assert is_proper(coloring.graph, coloring.colors)
    assert np.count_nonzero(coloring.colors != REMOVED) == most_colored(coloring.graph)


@pytest.mark.parametrize(
    ("lattice", "shape", "num_colors", "distances"),
    [(SKEW, (9, 10), 3, None), (SKEW, (9, 10), 3, ["1", "0.6", "0.8-1.1"]),
     (CUBE, (8, 9, 8), 3, ["1", "1", "1.2"]), (SKEW, (16, 16), 1, None)],
)  # fmt: skip
def test_searches_keep_counts_and_properness(lattice, shape, num_colors, distances):
    coloring = random_coloring(lattice, shape, num_colors, distances)
    before = coloring.removed
    partial_col(coloring, 200, seed=4)
    exchange_colors(coloring, 60, seed=4)
    assert coloring.removed <= before and is_proper(coloring.graph, coloring.colors)
    assert num_colors == 1 or coloring.removed < before
    np.testing.assert_array_equal(coloring.counts, coloring.graph.counts(coloring.colors))
    slow = conflict_counts(coloring.grid, offset_vectors(coloring.graph))
    np.testing.assert_array_equal(coloring.counts, slow)


@pytest.mark.parametrize(
    ("lattice", "shape", "distances", "least"),
    [(SKEW, (40, 41), None, 200), (CUBE, (12, 12, 12), None, 7), (SKEW, (3, 3), None, 1),
     (SKEW, (30, 30), ["1", "0.4"], 15)],
)  # fmt: skip
def test_no_two_cells_of_a_window_conflict(lattice, shape, distances, least):
    graph = tiny_graph(lattice, shape, 2, distances)
    kinds = tuple(range(len(graph.places)))
    offsets = window_offsets(graph, kinds)
    cells = np.ravel_multi_index(tuple(np.mod(offsets, shape).T), shape)
    colors = np.full(graph.num_cells, REMOVED, np.uint8)
    assert len(np.unique(cells)) == len(cells) >= least
    for color in range(2):
        colors[cells] = color
        assert is_proper(graph, colors)


def test_cells_keep_to_the_colors_that_they_are_allowed():
    graph = tiny_graph(SKEW, (10, 10), 3)
    rng = np.random.default_rng(5)
    allowed = rng.random((3, 10, 10)) < 0.6
    grid = np.where(allowed.any(axis=0), allowed.argmax(axis=0), REMOVED)
    coloring = PartialColoring.of(graph, grid, allowed)
    partial_col(coloring, 200)
    exchange_colors(coloring, 50)
    own = np.flatnonzero(coloring.colors != REMOVED)
    assert len(own) and allowed.reshape(3, -1)[coloring.colors[own], own].all()
    with pytest.raises(InputError, match="not allowed there"):
        PartialColoring.of(graph, coloring.grid, np.zeros_like(allowed))


def test_half_open_squares_color_the_plane_of_the_maximum_norm():
    norm = norm_of({"ball": [["1", "1"], ["-1", "1"], ["-1", "-1"], ["1", "-1"]]})
    start = np.kron([[0, 1], [2, 3]], np.ones((3, 3), int))
    start[0, 0] = start[4, 5] = REMOVED
    repaired = repair(start, SQUARE, 4, norm=norm, settings=QUICK)
    assert repaired.removed == 0


def test_without_ortools_the_result_says_so(monkeypatch):
    monkeypatch.setattr(windows, "find_spec", lambda name: None)
    grid = np.zeros((6, 6), int)
    settings = RepairSettings(refinements=1, steps=10, exchanges=1, windows=2)
    assert repair(grid, SKEW, 2, settings=settings).notes == (windows.MISSING,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: repair(np.zeros((2, 2), int), SQUARE, 2), "a cell of the grid 2x2"),
        (lambda: repair(np.zeros((3, 20), int), Lattice.parse([["1", "0"], ["0", "7"]]), 2),
         "or a cell and its own translate"),
        (lambda: repair(np.zeros(6, int), SQUARE, 2), "one more, not from an array of shape"),
        (lambda: repair(np.full((6, 6), 2), SQUARE, 2), "holds 2: allowed are the colors 0 to 1"),
        (lambda: repair(np.zeros((6, 6)), SQUARE, 2), "a grid holds integers"),
        (lambda: repair(np.zeros((5, 6, 6)), SQUARE, 2), "planes of probabilities, not 5"),
        (lambda: PartialColoring.of(tiny_graph(SQUARE, (6, 6), 2), np.zeros((6, 5), int)),
         "both must be equal"),
        (lambda: RepairSettings(steps=-1), "steps of a repair must be at least 0"),
        (lambda: RepairSettings(cells=0), "cells of a repair"),
        (lambda: partial_col(random_coloring(SQUARE, (6, 6), 2), -1), "must not be negative: -1"),
        (lambda: exchange_colors(random_coloring(SQUARE, (6, 6), 2), 1, -2), "seed of exchanges"),
    ],
)  # fmt: skip
def test_wrong_use_is_refused_in_one_line(call, message):
    with pytest.raises(InputError, match=message):
        call()
