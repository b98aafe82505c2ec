"""How near PartialCol and exchanges come to the optimum that CP-SAT proves."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from tasks.coloring import REMOVED, Lattice, parse_distances
from tasks.coloring.construction.grids.conflicts import (
    ConflictGraph,
    PartialColoring,
    conflict_graph,
)
from tasks.coloring.construction.grids.exchanges import exchange_colors
from tasks.coloring.construction.grids.partial_col import partial_col
from tasks.coloring.construction.grids.upsampling import discretise, upsample
from tasks.coloring.construction.grids.windows import solve_cells
from tasks.coloring.search.members import Member
from tasks.coloring.search.starts import Start
from tasks.coloring.search.training import Settings, train_members

PUBLISHED = (("-0.17407057", "3.8842025"), ("-3.48389", "1.8401014"))
"""Periods of the published grid of five colors."""

SIZE = 128
COLORS = 7
SPACING = 0.62
"""Distance of the centers of hexagons; from 0.655 to 0.866 seven colors conflict nowhere."""
OPTIMUM_BAR = 0.05
"""Points, hundredths of the plane, that PartialCol may be above the optimum."""
STEPS, EXCHANGES, WORK = 30_000, 1_000, 60.0
LIKELY = 0.7
"""Of the likelihood of the likeliest color."""


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


def five_colors() -> tuple[Lattice, np.ndarray, np.ndarray]:
    """A lattice, a searched grid of five colors without conflicts, and colors nearly as likely."""
    lattice = Lattice.parse(PUBLISHED)
    vectors = tuple(tuple(map(float, row)) for row in PUBLISHED)
    member = Member(0, 5, start=Start(vectors=vectors))
    (found,) = train_members([member], Settings(num_steps=150, lattice_rate=0.0))
    logits = upsample(found.logits, (SIZE, SIZE))
    likely = np.exp(logits - logits.max(axis=0))
    graph = conflict_graph(lattice, (SIZE, SIZE), parse_distances(None, 5))
    grid = PartialColoring.of(graph, discretise(logits, 5)).grid
    return lattice, grid, (likely[:5] >= LIKELY) | (np.arange(5)[:, None, None] == grid)


def near_the_optimum() -> bool:
    """PartialCol, and exchanges, against the optimum that CP-SAT proves on the same choices."""
    warm()
    is_met = True
    lattice, grid, nearly = hexagons()
    only = np.arange(COLORS)[:, None, None] == grid
    five_lattice, five_grid, likely = five_colors()
    for name, periods, cells, allowed in (
        ("seven colors, nearest", lattice, grid, only),
        ("seven colors, nearly nearest", lattice, grid, nearly),
        ("five colors, likely", five_lattice, five_grid, likely),
    ):
        graph = conflict_graph(periods, cells.shape, parse_distances(None, len(allowed)))
        is_met &= beside_cp_sat(name, graph, cells, allowed)
    return is_met


def beside_cp_sat(name: str, graph: ConflictGraph, grid: np.ndarray, allowed: np.ndarray) -> bool:
    """Print what one grid comes to; whether PartialCol is near to what CP-SAT proves."""
    first, second = (PartialColoring.of(graph, grid, allowed) for _ in range(2))
    start = float(first.removed)
    alone = seconds(lambda: partial_col(first, STEPS))
    exchanging = seconds(lambda: exchange_colors(second, EXCHANGES))
    reached = [float(coloring.removed) for coloring in (first, second)]
    best = min((first, second), key=lambda coloring: coloring.removed)
    solved = solve_cells(best, np.arange(graph.num_cells), limit=graph.num_cells, work=WORK)
    bound = float(best.removed) - (solved.bound - solved.gained) / graph.num_cells
    above = [100 * (one - bound) for one in reached]
    is_near = above[0] <= OPTIMUM_BAR
    print(
        f"{SIZE}^2 cells, {name}: removed {start:.4%}; PartialCol {reached[0]:.4%} in "
        f"{alone:.1f} s, exchanges {reached[1]:.4%} in {exchanging:.1f} s, CP-SAT "
        f"{float(best.removed):.4%} (at least {bound:.4%}): {above[0]:.3f} and {above[1]:.3f} "
        f"points above (bar: {OPTIMUM_BAR}) {'ok' if is_near else 'FAILED'}"
    )
    return is_near


def warm() -> None:
    """Compile the kernels."""
    lattice = Lattice.parse([["2", "0"], ["0", "2"]])
    graph = conflict_graph(lattice, (8, 8), parse_distances(None, 2))
    coloring = PartialColoring.of(graph, np.full((8, 8), REMOVED))
    partial_col(coloring, 5)
    exchange_colors(coloring, 2)
