"""Cells from tiles: the colors of polygons on a grid, where that removes nothing.

Polygons are moved until their distances hold but for slivers of rounding; on a grid that is fine
enough the slivers vanish, if the polygons avoid a little more than is asked for.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.cells import CellColoring
from tasks.coloring.certificates.distances import Forbidden, Interval
from tasks.coloring.certificates.grids import REMOVED
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.certificates.norms import Euclidean
from tasks.coloring.certificates.polygons import PolygonColoring
from tasks.coloring.certificates.scoring import score
from tasks.coloring.construction.polygons.polygons_from_grid import (
    PolygonSettings,
    polygons_from_grid,
)
from tasks.records import InputError

__all__ = ["full_coloring", "sampled_tiles", "stretched"]

_WIDTHS = (Fraction(1, 200), Fraction(1, 100), Fraction(1, 50), Fraction(1, 25))
"""By how much polygons avoid more than is asked for, relatively, one after the other."""
_SIZES = (256, 512, 1024)
"""Cells along a side."""
_SLIVERS = 1e-6
"""Polygons that remove more than this fraction do not become cells that remove nothing."""


def full_coloring(
    grid: NDArray[np.uint8],
    lattice: Lattice,
    num_colors: int,
    forbidden: Forbidden,
    spacing: float = 0.08,
) -> CellColoring | None:
    """A proper coloring by cells that removes nothing; None if none is found.

    Parameters
    ----------
    grid : (m_1, m_2) uint8
        Colors of the cells of the torus that nearly avoid their distances.
    lattice : Lattice
        That of the result differs.
    num_colors : int
    forbidden : Forbidden
        In the Euclidean norm.
    spacing : float
        Length of edges of the polygons, in units of the largest distance.
    """
    settings = PolygonSettings(spacings=(spacing,))
    for width in _WIDTHS:
        wider = stretched(forbidden, width)
        try:
            found = polygons_from_grid(grid, lattice, num_colors, wider, settings=settings)
        except InputError:  # no tile is left, or they cannot be moved so far
            return None
        if found.coloring is None or not found.is_certified or found.removed is None:
            return None
        if found.removed > _SLIVERS:
            return None
        for size in _SIZES:
            cells = _filled(sampled_tiles(found.coloring, (size, size)))
            if (cells == REMOVED).any():
                break
            if score(cells, found.coloring.lattice, forbidden).is_proper:
                return CellColoring(
                    cells, found.coloring.lattice, num_colors, forbidden, Euclidean()
                )
    return None


def stretched(forbidden: Forbidden, width: Fraction) -> Forbidden:
    """All intervals longer at both ends by a part of these ends, to six decimals outwards."""
    return Forbidden(
        tuple(
            tuple(
                Interval.of(
                    Fraction(int(low * (1 - width) * 10**6), 10**6),
                    Fraction(int(high * (1 + width) * 10**6) + 1, 10**6),
                )
                for low, high in (map(Fraction, each.floats) for each in intervals)
            )
            for intervals in forbidden.intervals
        )
    )


def _filled(grid: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Removed cells that touch others get the color of one of them."""
    filled = grid.copy()
    for axis in (0, 1):
        for step in (1, -1):
            beside = np.roll(grid, step, axis)
            chosen = (filled == REMOVED) & (beside != REMOVED)
            filled[chosen] = beside[chosen]
    return filled


def sampled_tiles(coloring: PolygonColoring, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Colors of a coloring by polygons at the centers of the cells of a grid, in floats.

    Parameters
    ----------
    coloring : PolygonColoring
    shape : (m_1, m_2)
        Cell (i, j) is the parallelogram of v_1 / m_1, v_2 / m_2 at i, j of these.
    """
    grid = np.full(shape, REMOVED, np.uint8)
    to_cells = np.linalg.inv(coloring.lattice.floats) * shape
    for tile in coloring.tiles:
        if tile.color is None:
            continue
        vertices = np.array([[float(x) for x in vertex] for vertex in tile.vertices])
        corners = np.asarray(vertices @ to_cells - 0.5, np.float64)
        low, high = np.ceil(corners.min(axis=0)), np.floor(corners.max(axis=0))
        i, j = (np.arange(a, b + 1) for a, b in zip(low, high, strict=True))
        inside = _is_inside(corners, i, j)
        first, second = np.nonzero(inside)
        cells = (i[first].astype(int) % shape[0], j[second].astype(int) % shape[1])
        grid[cells] = tile.color
    return grid


def _is_inside(
    corners: NDArray[np.floating], i: NDArray[np.floating], j: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """(len(i), len(j)): whether a line from the point (i, j) crosses a closed path an odd time."""
    found = np.zeros((len(i), len(j)), np.bool_)
    for (a, b), (c, d) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        crossed = (a > i) != (c > i)
        if crossed.any():
            heights = b + (i[crossed] - a) / (c - a) * (d - b)
            found[crossed] ^= j < heights[:, None]
    return found
