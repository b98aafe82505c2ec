"""CP-SAT on windows of the torus: the best coloring of some cells while others may only be removed.

Variables are the choices "cell i has color c": for cells of a window all colors with few conflicts
and the present one, for cells outside that conflict with one of these, their color.  At most one
choice of a cell and at most one end of a conflict is taken, as many as possible are; the present
coloring is the hint.  Work is limited by CP-SAT's deterministic time, with one worker and a seed,
so that the same call gives the same coloring everywhere.

OR-Tools is the extra `coloring`; it runs in a process of its own (`solver_process`).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.grids import REMOVED
from tasks.coloring.construction.grids.conflicts import BARRED, PartialColoring
from tasks.coloring.construction.grids.exchanges import LIMIT
from tasks.coloring.construction.grids.solver_process import SolverEndedError, SolverProcess
from tasks.records import InputError

__all__ = ["MISSING", "Searched", "Solved", "solve_cells", "solve_windows"]

MISSING = "OR-Tools is not installed (extra `coloring`): windows were not searched by CP-SAT"
WORK = 10.0
"""Deterministic time of one window, in units of one to three seconds."""
CELLS = 2**14
"""A window has so many cells; a torus that is not larger is one window."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Solved:
    """What CP-SAT said about some cells.

    Attributes
    ----------
    gained
        How many more cells have a color.
    bound
        No more can be gained with these choices.
    """

    gained: int
    bound: int

    @property
    def is_optimal(self) -> bool:
        """Whether that is proved to be the most."""
        return self.gained == self.bound


@dataclass(frozen=True)
class Searched:
    """What came of the windows.

    Attributes
    ----------
    windows
        How many were searched.
    optimal
        How many of them to the end; the others ran into the limit of work.
    gained
        How many more cells have a color.
    notes
        Why nothing, or less than was asked for, was searched.
    """

    windows: int = 0
    optimal: int = 0
    gained: int = 0
    notes: tuple[str, ...] = ()


def solve_windows(
    coloring: PartialColoring, windows: int, seed: int = 0, limit: int = LIMIT, work: float = WORK
) -> Searched:
    """Large-neighborhood search: solve windows around random removed cells, one after the other.

    Parameters
    ----------
    coloring
        Changed in place; never has more removed cells than before.
    windows
        How many.
    seed
        From 0 on.
    limit
        The most conflicts of a choice.
    work
        Deterministic time of a window; at its end the best coloring is kept.

    Raises
    ------
    InputError
        If the number of windows, the seed or the limit is negative.
    """
    for name, given in (("number", windows), ("seed", seed), ("limit of conflicts", limit)):
        if given < 0:
            raise InputError(f"the {name} of windows must not be negative: {given}")
    if find_spec("ortools") is None:
        return Searched(notes=(MISSING,))
    shape = coloring.graph.shape
    offsets = _box(shape, CELLS)
    rng = np.random.default_rng(seed)
    solved: list[Solved] = []
    notes: tuple[str, ...] = ()
    try:
        with SolverProcess() as solver:
            for _ in range(windows):
                removed = coloring.removed_cells
                if not len(removed):
                    break
                center = np.unravel_index(int(rng.choice(removed)), shape)
                cells = np.ravel_multi_index(tuple((offsets + center).T), shape, mode="wrap")
                own = int(rng.integers(2**31))
                solved.append(solve_cells(coloring, cells, limit, work, own, solver))
    except SolverEndedError as error:
        notes = (f"CP-SAT searched {len(solved)} of {windows} windows: {error}",)
    optimal = sum(one.is_optimal for one in solved)
    return Searched(len(solved), optimal, sum(one.gained for one in solved), notes)


def _box(shape: tuple[int, ...], cells: int) -> Ints:
    """Offsets (w, n) of a box at the origin, of at most so many cells, equilateral if it fits."""
    sizes = list(shape)
    while np.prod(sizes) > cells:
        sizes[int(np.argmax(sizes))] -= 1
    return np.argwhere(np.ones(sizes, np.bool_)) - np.array(sizes) // 2


def solve_cells(
    coloring: PartialColoring,
    cells: Ints,
    limit: int = LIMIT,
    work: float = WORK,
    seed: int = 0,
    solver: SolverProcess | None = None,
) -> Solved:
    """The best colors of some cells, by CP-SAT; cells outside keep their color or lose it.

    Parameters
    ----------
    coloring
        Becomes the best coloring found.
    cells
        Numbers of cells; they may conflict with each other.
    limit, work, seed
        See `solve_windows`.
    solver
        Unless given, a process is started for this call.

    Raises
    ------
    SolverEndedError
        If OR-Tools is not installed or CP-SAT dies; the coloring is what it was.
    """
    if solver is None:
        with SolverProcess() as own:
            return solve_cells(coloring, cells, limit, work, seed, own)
    choices = _Choices.of(coloring, cells, limit)
    answer = solver.solve(choices.exclusions(), choices.present, work, seed)
    before = int(choices.present.sum())
    gained = 0 if answer.taken is None else int(answer.taken.sum()) - before
    if answer.taken is not None and gained > 0:
        colors = coloring.colors.copy()
        colors[choices.cells] = REMOVED
        colors[choices.cells[answer.taken]] = choices.colors[answer.taken]
        coloring.change_to(colors)
    return Solved(max(0, gained), answer.bound - before)


@dataclass(frozen=True)
class _Choices:
    """Choices "cell has color", those inside first, those of cells outside behind them.

    Attributes
    ----------
    cells, colors : (v,)
    present : (v,) bool
        Those in force.
    pairs : (e, 2)
        Choices of one color whose cells conflict.
    """

    cells: Ints
    colors: NDArray[np.uint8]
    present: NDArray[np.bool_]
    pairs: Ints

    @classmethod
    def of(cls, coloring: PartialColoring, cells: Ints, limit: int) -> _Choices:
        """The choices of some cells within a limit of conflicts, and what they exclude."""
        now, counts = coloring.colors, coloring.counts[:, cells]
        colors, places = np.nonzero(
            (counts <= min(limit, BARRED - 1)) | (now[cells] == np.arange(len(counts))[:, None])
        )
        inside = cells[places]
        # The present color of a cell outside may be given up.
        table = np.full((len(counts), len(now)), -1, np.int64)
        table[colors, inside] = np.arange(len(inside))
        is_inside = np.zeros(len(now), np.bool_)
        is_inside[cells] = True
        sources, partners = _conflicts(coloring, colors, inside)
        own = colors[sources]
        outside = np.unique(partners[~is_inside[partners] & (now[partners] == own)])
        table[now[outside], outside] = len(inside) + np.arange(len(outside))
        targets = table[own, partners]
        kept = (targets >= 0) & (targets > sources)
        pairs = np.column_stack([sources[kept], targets[kept]])
        all_cells = np.concatenate([inside, outside])
        all_colors = np.concatenate([colors.astype(np.uint8), now[outside]])
        return cls(all_cells, all_colors, now[all_cells] == all_colors, pairs)

    def exclusions(self) -> Ints:
        """Pairs of choices that exclude each other: by conflict, or of one cell."""
        order = np.argsort(self.cells, kind="stable")
        found = [self.pairs]
        for step in range(1, int(self.colors.max(initial=0)) + 1):
            first, second = order[:-step], order[step:]
            same = self.cells[first] == self.cells[second]
            found.append(np.column_stack([first[same], second[same]]))
        return np.concatenate(found)


def _conflicts(
    coloring: PartialColoring, colors: NDArray[np.integer], cells: Ints
) -> tuple[Ints, Ints]:
    """For choices, (source, cell): all cells that conflict with the cell in the color."""
    graph = coloring.graph
    sources, partners = [], []
    kinds = np.array(graph.kinds)[colors]
    for kind, places in enumerate(graph.places):
        chosen = np.flatnonzero(kinds == kind)
        offsets = np.stack(np.unravel_index(places, graph.shape))
        corners = np.stack(np.unravel_index(cells[chosen], graph.shape))
        sums = tuple(corners[:, :, None] + offsets[:, None, :])
        partners.append(np.ravel_multi_index(sums, graph.shape, mode="wrap").ravel())
        sources.append(np.repeat(chosen, len(places)))
    return np.concatenate(sources), np.concatenate(partners)
