"""How near PartialCol and exchanges come to the optimum that CP-SAT proves."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from tasks.coloring import REMOVED, Lattice, parse_distances
from tasks.coloring.construction.conflicts import PartialColoring, conflict_graph
from tasks.coloring.construction.exchanges import exchange_colors
from tasks.coloring.construction.partial_col import partial_col
from tasks.coloring.construction.windows import solve_cells

SIZE = 128
COLORS = 7
SPACING = 0.62
"""Distance of the centers of hexagons; from 0.655 to 0.866 seven colors conflict nowhere."""
OPTIMUM_BAR = 0.05
"""Points, hundredths of the plane, that PartialCol may be above the optimum."""
STEPS, EXCHANGES, WORK = 30_000, 1_000, 120.0


def hexagons() -> tuple[Lattice, np.ndarray, np.ndarray]:
    """A lattice, a grid of seven colors of hexagons that are too small, and choices of colors.

    Every cell may have the color of the nearest center, and others whose centers are nearly as
    near.
    """
    a, b = SPACING * np.array([1.0, 0.0]), SPACING * np.array([0.5, 0.866])
    lattice = Lattice.parse(np.round([2 * a + b, 3 * b - a], 6))
    i, j = np.meshgrid(np.arange(-9, 10), np.arange(-9, 10), indexing="ij")
    centers, colors = i[..., None] * a + j[..., None] * b, (i + 5 * j) % COLORS
    s, t = np.meshgrid(*2 * [np.arange(SIZE) / SIZE], indexing="ij")
    points = s[..., None] * lattice.floats[0] + t[..., None] * lattice.floats[1]
    distances = np.array(
        [
            np.linalg.norm(points[..., None, :] - centers[colors == color], axis=-1).min(axis=-1)
            for color in range(COLORS)
        ]
    )
    return lattice, distances.argmin(axis=0), distances < distances.min(axis=0) + 0.02


def seconds(call: Callable[[], object]) -> float:
    """CPU seconds of a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def near_the_optimum() -> bool:
    """PartialCol, and exchanges, against the optimum that CP-SAT proves on the same choices."""
    warm()
    lattice, grid, nearly = hexagons()
    is_met = True
    graph = conflict_graph(lattice, grid.shape, parse_distances(None, COLORS))
    only = np.arange(COLORS)[:, None, None] == grid
    for name, allowed in (("nearest color", only), ("nearly nearest colors", nearly)):
        first, second = (PartialColoring.of(graph, grid, allowed) for _ in range(2))
        start = float(first.removed)
        alone = seconds(lambda first=first: partial_col(first, STEPS))
        together = seconds(lambda second=second: exchange_colors(second, EXCHANGES))
        reached = [float(coloring.removed) for coloring in (first, second)]
        best = min((first, second), key=lambda coloring: coloring.removed)
        every = np.arange(graph.num_cells)
        solved = solve_cells(best, every, limit=graph.num_cells, work=WORK)
        optimum = float(best.removed)
        bound = optimum - (solved.bound - solved.gained) / graph.num_cells
        above = [100 * (one - optimum) for one in reached]
        is_near = min(above) <= OPTIMUM_BAR
        is_met &= is_near
        print(
            f"{SIZE}^2 cells, {name}: removed {start:.4%}; PartialCol {reached[0]:.4%} in "
            f"{alone:.1f} s, exchanges {reached[1]:.4%} in {together:.1f} s, CP-SAT {optimum:.4%} "
            f"(at least {bound:.4%}): {above[0]:.3f} and {above[1]:.3f} points above "
            f"(bar: {OPTIMUM_BAR}) {'ok' if is_near else 'FAILED'}"
        )
    return is_met


def warm() -> None:
    """Compile the kernels."""
    lattice = Lattice.parse([["2", "0"], ["0", "2"]])
    graph = conflict_graph(lattice, (8, 8), parse_distances(None, 2))
    coloring = PartialColoring.of(graph, np.full((8, 8), REMOVED))
    partial_col(coloring, 5)
    exchange_colors(coloring, 2)
