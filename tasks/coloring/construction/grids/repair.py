"""Repair: from probabilities, or any grid, to a proper coloring with few removed cells.

Level by level: conflicts are removed greedily; PartialCol inserts single cells; exchanges move
boundaries; CP-SAT searches windows.  Then every cell becomes 2 x ... x 2 cells of the same color.
Differences of parts of two cells are differences of the cells, so the finer coloring is proper as
well, and removes the same part of the torus or, after its searches, less.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.coloring.certificates.distances import Forbidden, parse_distances
from tasks.coloring.certificates.grids import as_grid
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.certificates.norms import Norm
from tasks.coloring.certificates.scoring import score
from tasks.coloring.construction.grids.conflicts import PartialColoring, conflict_graph
from tasks.coloring.construction.grids.exchanges import LIMIT, exchange_colors
from tasks.coloring.construction.grids.partial_col import partial_col
from tasks.coloring.construction.grids.upsampling import discretise, near_square_shape, upsample
from tasks.coloring.construction.grids.windows import solve_windows
from tasks.records import InputError

__all__ = ["Level", "RepairSettings", "Repaired", "refine", "repair"]


@dataclass(frozen=True)
class RepairSettings:
    """How long to search; limits are numbers of steps, never of seconds.

    Attributes
    ----------
    cells
        Number of cells, about, of the first level, if probabilities are given.
    refinements
        How many times every cell is divided into 2 x ... x 2.
    steps
        Insertions of PartialCol at each level.
    exchanges
        Best exchanges at each level.
    windows
        Windows that CP-SAT searches at each level, if OR-Tools is installed.
    limit
        Exchanges and windows leave out choices with more conflicts.
    seed
        Of all searches.

    Raises
    ------
    InputError
        If one of them is negative, or there are no cells.
    """

    cells: int = 256**2
    refinements: int = 1
    steps: int = 2000
    exchanges: int = 3000
    windows: int = 0
    limit: int = LIMIT
    seed: int = 0

    def __post_init__(self) -> None:
        for name, given in vars(self).items():
            if given < (name == "cells"):
                raise InputError(f"{name} of a repair must be at least 0 (cells: 1), not {given}")


@dataclass(frozen=True)
class Level:
    """What a level of a repair came to.

    Attributes
    ----------
    shape
        Of the grid.
    stages
        Part removed after each search, by its name, in order.
    steps
        Insertions, exchanges and windows that were made.
    """

    shape: tuple[int, ...]
    stages: tuple[tuple[str, Fraction], ...]
    steps: int


@dataclass(frozen=True, eq=False)
class Repaired:
    """A proper coloring of a part of the torus.

    Attributes
    ----------
    grid
        Colors from 0, and `REMOVED`.
    removed
        The removed part of the torus.
    steps
        Of all levels together.
    history
        The levels, from coarse to fine.
    notes
        What did not work as asked for, e.g. that OR-Tools is not installed.
    """

    grid: NDArray[np.uint8]
    removed: Fraction
    steps: int
    history: tuple[Level, ...]
    notes: tuple[str, ...] = ()


def repair(
    start: ArrayLike,
    lattice: Lattice,
    num_colors: int,
    forbidden: Forbidden | object = None,
    *,
    settings: RepairSettings | None = None,
    norm: Norm | None = None,
) -> Repaired:
    """Make a proper coloring of a grid or of probabilities, and improve it.

    Parameters
    ----------
    start
        A grid (m_1, ..., m_n) of integers, colors from 0 and `REMOVED`; or logits or probabilities
        (k, s_1, ..., s_n), (k + 1, s_1, ..., s_n) with those of removed cells, which are upsampled.
    lattice
        Periods of the coloring.
    num_colors
        k.
    forbidden
        What `parse_distances` reads.

    Raises
    ------
    InputError
        If a grid or probabilities do not fit the lattice or the colors, or a cell holds a forbidden
        distance itself.
    """
    given = settings or RepairSettings()
    distances = parse_distances(forbidden, num_colors)
    grid = _first_grid(np.asarray(start), lattice, num_colors, given.cells)
    history: list[Level] = []
    notes: list[str] = []
    for level in range(given.refinements + 1):
        grid = refine(grid) if level else grid
        coloring = PartialColoring.of(conflict_graph(lattice, grid.shape, distances, norm), grid)
        history.append(_search(coloring, given, level, notes))
        grid = coloring.grid
    found = score(grid, lattice, distances, norm=norm)
    assert found.is_proper, "the repaired coloring has a conflict"
    steps = sum(level.steps for level in history)
    return Repaired(grid, found.removed, steps, tuple(history), tuple(dict.fromkeys(notes)))


def _first_grid(
    start: NDArray[Any], lattice: Lattice, num_colors: int, cells: int
) -> NDArray[np.uint8]:
    """The grid that was given, or the most probable colors on a grid of about so many cells."""
    if start.ndim == lattice.dimension:
        return as_grid(start, lattice.dimension)
    if start.ndim != lattice.dimension + 1:
        raise InputError(
            f"a repair starts from a grid with {lattice.dimension} axes, or probabilities with one "
            f"more, not from an array of shape {start.shape}"
        )
    shape = near_square_shape(lattice, cells)
    finer = [max(m, s) for m, s in zip(shape, start.shape[1:], strict=True)]
    return discretise(upsample(start, finer), num_colors)


def refine(grid: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Every cell as 2 x ... x 2 cells of its color."""
    for axis in range(grid.ndim):
        grid = np.repeat(grid, 2, axis=axis)
    return grid


def _search(
    coloring: PartialColoring, settings: RepairSettings, level: int, notes: list[str]
) -> Level:
    """All searches of one level; the coloring changes."""
    seed = settings.seed + level
    stages = [("start", coloring.removed)]
    steps = partial_col(coloring, settings.steps, seed)
    stages.append(("PartialCol", coloring.removed))
    steps += exchange_colors(coloring, settings.exchanges, seed, settings.limit)
    stages.append(("exchanges", coloring.removed))
    if settings.windows:
        searched = solve_windows(coloring, settings.windows, seed, settings.limit)
        steps += searched.windows
        notes.extend(searched.notes)
        stages.append(("windows", coloring.removed))
    return Level(coloring.graph.shape, tuple(stages), steps)
