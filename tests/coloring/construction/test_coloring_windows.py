"""CP-SAT on cells of a torus: the optimum, against enumeration; its process; without OR-Tools."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from torus_oracles import CUBE, SKEW, SQUARE, is_proper, most_colored, tiny_graph

from gpu.torus_conflicts import REMOVED
from tasks.coloring.construction.grids import solver_process, windows
from tasks.coloring.construction.grids.conflicts import PartialColoring
from tasks.coloring.construction.grids.exchanges import exchange_colors
from tasks.coloring.construction.grids.solver_process import SolverEndedError, SolverProcess
from tasks.coloring.construction.grids.windows import MISSING, Searched, solve_cells, solve_windows
from tasks.records import InputError
from tasks.records.isolation import cpu_seconds

TINY = [
    (SQUARE, (4, 4), 1, None),
    (SQUARE, (4, 4), 2, None),
    (SKEW, (4, 4), 2, ["1", "0.8"]),
    (SKEW, (3, 5), 3, None),
    (CUBE, (3, 3, 3), 2, ["1.75", "1.8-1.9"]),
]


def without_colors(graph):
    return PartialColoring.of(graph, np.full(graph.shape, REMOVED, np.uint8))


@pytest.fixture(scope="module")
def ortools():
    return pytest.importorskip("ortools", reason="the extra `coloring` is not installed")


@pytest.fixture(scope="module")
def solver(ortools):
    with SolverProcess() as process:
        yield process


@pytest.mark.parametrize(("lattice", "shape", "num_colors", "distances"), TINY)
def test_the_optimum_of_a_tiny_torus_is_that_of_enumeration(
    solver, lattice, shape, num_colors, distances
):
    graph = tiny_graph(lattice, shape, num_colors, distances)
    coloring = without_colors(graph)
    before = len(coloring.removed_cells)
    solved = solve_cells(coloring, np.arange(graph.num_cells), limit=graph.num_cells, solver=solver)
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


def test_a_window_without_time_keeps_the_coloring(solver):
    coloring = small_coloring()
    before = coloring.colors.copy()
    solved = solve_cells(coloring, np.arange(168), work=0.0, solver=solver)
    assert solved.gained == 0 and not solved.is_optimal
    np.testing.assert_array_equal(coloring.colors, before)


def test_exchanges_leave_nothing_to_a_window_when_all_colors_but_one_are_barred(solver):
    """With one color a cell, conflicts of few tiles are bipartite, and exchanges find the best."""
    coloring = small_coloring()
    allowed = np.arange(4)[:, None, None] == np.where(coloring.grid == REMOVED, 0, coloring.grid)
    fixed = PartialColoring.of(coloring.graph, coloring.grid, allowed)
    exchange_colors(fixed, 200)
    assert solve_cells(fixed, np.arange(168), limit=1000, solver=solver).is_optimal
    own = np.flatnonzero(fixed.colors != REMOVED)
    assert allowed.reshape(4, -1)[fixed.colors[own], own].all()


def test_no_limit_lets_a_barred_color_in(solver):
    graph = tiny_graph(SKEW, (6, 6), 2)
    allowed = np.zeros((2, 6, 6), np.bool_)
    allowed[0, :2] = True
    coloring = PartialColoring.of(graph, np.full((6, 6), REMOVED, np.uint8), allowed)
    exchange_colors(coloring, 50, limit=2**20)
    solve_cells(coloring, np.arange(36), limit=2**20, solver=solver)
    own = np.flatnonzero(coloring.colors != REMOVED)
    assert len(own) and allowed.reshape(2, -1)[coloring.colors[own], own].all()


def test_without_ortools_nothing_is_searched_and_it_says_so(monkeypatch):
    monkeypatch.setattr(windows, "find_spec", lambda name: None)
    coloring = small_coloring()
    before = coloring.colors.copy()
    assert solve_windows(coloring, 3) == Searched(notes=(MISSING,))
    np.testing.assert_array_equal(coloring.colors, before)


BESIDE_HIGHS = """
import sys
import highspy
from scipy.optimize import linprog
sys.path.insert(0, sys.argv[1])
assert linprog([1], bounds=[(2, None)], method="highs").fun == 2
from test_coloring_windows import small_coloring
from tasks.coloring.construction.grids.windows import solve_windows
highspy.Highs().run()
searched = solve_windows(small_coloring(), 1, limit=2)
print(searched.windows, searched.gained > 0, searched.notes)
"""


def test_windows_are_searched_beside_other_copies_of_highs(ortools):
    pytest.importorskip("highspy", reason="comes with cvxpy")
    command = [sys.executable, "-c", BESIDE_HIGHS, str(Path(__file__).parent)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.splitlines()[-1:]) == (0, ["1 True ()"]), ended.stderr


SEARCHING = """
import numpy as np
from tasks.coloring.construction.grids.solver_process import SolverProcess
rng = np.random.default_rng(0)
with SolverProcess() as solver:
    print(solver._process.pid, flush=True)
    pairs = np.argwhere(np.triu(rng.random((600, 600)) < 0.1, 1))
    solver.solve(pairs, np.zeros(600, bool), 1e9, 0)
"""


def test_the_process_of_a_search_dies_with_its_parent(ortools):
    command = [sys.executable, "-c", SEARCHING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        while cpu_seconds(pid) < 1.5:
            time.sleep(0.05)
        parent.kill()
    for _ in range(200):
        if not cpu_seconds(pid):
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    raise AssertionError("the process of CP-SAT outlives its parent by 10 s")


@pytest.mark.parametrize(
    ("program", "why"),
    [("import nothing_of_this_name", "exit code 1; ModuleNotFoundError: No module named 'nothing"),
     ("import os; os.abort()", "SIGABRT; it said nothing"),
     ("import sys; sys.stdin.buffer.read(24)", "exit code 0; it said nothing")],
)  # fmt: skip
def test_a_process_that_dies_leaves_the_coloring_and_says_why(program, why, monkeypatch, tmp_path):
    path = tmp_path / "program.py"
    path.write_text(program)
    monkeypatch.setattr(solver_process, "PROGRAM", path)
    monkeypatch.setattr(windows, "find_spec", lambda name: name)
    coloring = small_coloring()
    before = coloring.colors.copy()
    (note,) = solve_windows(coloring, 3).notes
    assert note.startswith("CP-SAT searched 0 of 3 windows: ") and why in note
    with pytest.raises(SolverEndedError, match="the process of CP-SAT ended"):
        solve_cells(coloring, np.arange(168))
    np.testing.assert_array_equal(coloring.colors, before)


def test_windows_searched_before_the_process_dies_are_kept(ortools, monkeypatch):
    solve, calls = SolverProcess.solve, []

    def dying(process, *arguments):
        calls.append(1)
        if len(calls) == 2:
            process._process.kill()
        return solve(process, *arguments)

    monkeypatch.setattr(SolverProcess, "solve", dying)
    coloring = small_coloring()
    before = len(coloring.removed_cells)
    searched = solve_windows(coloring, 3, limit=2)
    assert (searched.windows, len(searched.notes)) == (1, 1) and "SIGKILL" in searched.notes[0]
    assert before - len(coloring.removed_cells) == searched.gained > 0
    assert is_proper(coloring.graph, coloring.colors)


@pytest.mark.parametrize("wrong", [{"windows": -1}, {"windows": 1, "seed": -1}])
def test_negative_numbers_are_refused(wrong):
    with pytest.raises(InputError, match="must not be negative: -1"):
        solve_windows(small_coloring(), **wrong)
