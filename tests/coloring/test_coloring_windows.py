"""CP-SAT on cells of a torus: the optimum, against enumeration; and life without OR-Tools."""

import numpy as np
import pytest
from torus_oracles import CUBE, SKEW, SQUARE, is_proper, most_colored, tiny_graph

from gpu.torus_conflicts import REMOVED
from tasks.coloring.construction import windows
from tasks.coloring.construction.conflicts import PartialColoring
from tasks.coloring.construction.exchanges import exchange_colors
from tasks.coloring.construction.windows import MISSING, Searched, solve_cells, solve_windows
from tasks.records import InputError

TINY = [
    (SQUARE, (4, 4), 1, None),
    (SQUARE, (4, 4), 2, None),
    (SKEW, (4, 4), 2, ["1", "0.8"]),
    (SKEW, (3, 5), 3, None),
    (CUBE, (3, 3, 3), 2, ["1.75", "1.8-1.9"]),
]


def without_colors(graph):
    return PartialColoring.of(graph, np.full(graph.shape, REMOVED, np.uint8))


@pytest.fixture
def ortools():
    return pytest.importorskip("ortools", reason="the extra `coloring` is not installed")


@pytest.mark.parametrize(("lattice", "shape", "num_colors", "distances"), TINY)
def test_the_optimum_of_a_tiny_torus_is_that_of_enumeration(
    ortools, lattice, shape, num_colors, distances
):
    graph = tiny_graph(lattice, shape, num_colors, distances)
    coloring = without_colors(graph)
    before = len(coloring.removed_cells)
    solved = solve_cells(coloring, np.arange(graph.num_cells), limit=graph.num_cells)
    assert solved.is_optimal and is_proper(graph, coloring.colors)
    assert graph.num_cells - len(coloring.removed_cells) == most_colored(graph)
    assert before - len(coloring.removed_cells) == solved.gained


def small_coloring(seed=0):
    graph = tiny_graph(SKEW, (12, 14), 4)
    grid = np.random.default_rng(seed).integers(0, 4, graph.shape)
    return PartialColoring.of(graph, grid)


def test_windows_never_lose_and_say_what_they_gained(ortools, monkeypatch):
    monkeypatch.setattr(windows, "CELLS", 40)
    coloring = small_coloring()
    before = len(coloring.removed_cells)
    searched = solve_windows(coloring, 3, limit=4)
    assert searched.windows == 3 and searched.optimal == 3 and searched.gained > 0
    assert before - len(coloring.removed_cells) == searched.gained
    assert is_proper(coloring.graph, coloring.colors)
    np.testing.assert_array_equal(coloring.counts, coloring.graph.counts(coloring.colors))


def test_the_same_windows_give_the_same_coloring(ortools):
    colorings = [small_coloring(), small_coloring()]
    for coloring in colorings:
        solve_windows(coloring, 2, seed=5, limit=3)
    np.testing.assert_array_equal(colorings[0].colors, colorings[1].colors)


def test_a_window_without_time_keeps_the_coloring(ortools):
    coloring = small_coloring()
    before = coloring.colors.copy()
    solved = solve_cells(coloring, np.arange(168), work=0.0)
    assert solved.gained == 0 and not solved.is_optimal
    np.testing.assert_array_equal(coloring.colors, before)


def test_exchanges_leave_nothing_to_a_window_when_all_colors_but_one_are_barred(ortools):
    """With one color a cell, conflicts of few tiles are bipartite, and exchanges find the best."""
    coloring = small_coloring()
    allowed = np.arange(4)[:, None, None] == np.where(coloring.grid == REMOVED, 0, coloring.grid)
    fixed = PartialColoring.of(coloring.graph, coloring.grid, allowed)
    exchange_colors(fixed, 200)
    assert solve_cells(fixed, np.arange(168), limit=1000).is_optimal
    own = np.flatnonzero(fixed.colors != REMOVED)
    assert allowed.reshape(4, -1)[fixed.colors[own], own].all()


def test_without_ortools_nothing_is_searched_and_it_says_so(monkeypatch):
    monkeypatch.setattr(windows, "find_spec", lambda name: None)
    coloring = small_coloring()
    before = coloring.colors.copy()
    assert solve_windows(coloring, 3) == Searched(notes=(MISSING,))
    np.testing.assert_array_equal(coloring.colors, before)


@pytest.mark.parametrize("wrong", [{"windows": -1}, {"windows": 1, "seed": -1}])
def test_negative_numbers_are_refused(wrong):
    with pytest.raises(InputError, match="must not be negative: -1"):
        solve_windows(small_coloring(), **wrong)
