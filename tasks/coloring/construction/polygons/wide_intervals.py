"""Colorings that remove nothing for as many distances of some colors as possible."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.cells import CellColoring
from tasks.coloring.certificates.distances import Forbidden
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.certificates.polygons import PolygonColoring
from tasks.coloring.construction.polygons.cells_from_tiles import full_coloring, stretched
from tasks.coloring.construction.polygons.polygons_from_grid import (
    PolygonSettings,
    polygons_from_grid,
)
from tasks.records import InputError

__all__ = ["SLIVERS", "WIDTHS", "widest_coloring", "without_removed"]

SLIVERS = 1e-4
"""Polygons that remove less than this fraction are tried as cells that remove nothing."""
WIDTHS = tuple(Fraction(each, 1000) for each in (10, 20, 40, 80, 120, 160, 200, 250, 300))
"""By how much distances are widened, relatively, until that fails."""


def widest_coloring(
    grid: NDArray[np.uint8],
    lattice: Lattice,
    forbidden: Forbidden,
    colors: Collection[int],
    spacing: float,
    widths: Sequence[Fraction] = WIDTHS,
) -> CellColoring | PolygonColoring | None:
    """A coloring that removes nothing, with the distances of some colors widened; None without one.

    Parameters
    ----------
    grid : (m_1, m_2) uint8
        Colors that nearly avoid their distances.
    lattice : Lattice
        That of the result differs.
    forbidden : Forbidden
        In the Euclidean norm.
    colors : collection of int
        Whose intervals are widened together.
    spacing : float
        Length of edges of the polygons.
    widths : sequence of Fraction
        By how much, relatively, one after the other.
    """
    best = None
    for width in widths:
        wider = stretched(forbidden, width)
        mixed = [
            (wider if color in colors else forbidden)[color]
            for color in range(forbidden.num_colors)
        ]
        found = without_removed(grid, lattice, Forbidden(tuple(mixed)), spacing)
        if found is None:
            break
        best = found
    return best


def without_removed(
    grid: NDArray[np.uint8], lattice: Lattice, forbidden: Forbidden, spacing: float
) -> CellColoring | PolygonColoring | None:
    """A coloring of a grid's tiles that removes nothing; None if none is found."""
    settings, count = PolygonSettings(spacings=(spacing,)), forbidden.num_colors
    try:
        found = polygons_from_grid(grid, lattice, count, forbidden, settings=settings)
    except InputError:  # no tile is left, or they cannot be moved so far
        return None
    if found.coloring is None or not found.is_certified or found.removed is None:
        return None
    if found.removed == 0:
        return found.coloring
    if found.removed < SLIVERS:
        return full_coloring(grid, lattice, count, forbidden, spacing)
    return None
