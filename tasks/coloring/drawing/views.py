"""Colorings of certificates as mosaics: of the plane with its periods, of space in slices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.coloring.certificates.cells import CellColoring
from tasks.coloring.certificates.norms import Norm, PNorm, PolygonalNorm
from tasks.coloring.certificates.polygons import PolygonColoring
from tasks.coloring.certificates.voronoi import VoronoiColoring
from tasks.coloring.drawing.mosaics import Mosaic, grid_mosaic, tile_mosaic
from tasks.coloring.drawing.slices import plane_cells, slice_mosaic

if TYPE_CHECKING:
    from tasks.coloring.certificates.files import Coloring

__all__ = ["ball_of", "form_of", "plane_mosaic", "setting_of", "slice_of", "tiles_of"]

Points = NDArray[np.float64]

_RASTER = 480
"""Cells across a slice of a coloring of space by cells."""
_FRAME = 254
"""Background beside the slice, so that it does not wrap around."""


def form_of(coloring: Coloring) -> str:
    """Say of what a coloring is made.

    >>> form_of(CellColoring.of(np.zeros((3, 4), int), [[1, 0], [0, 1]], 1))
    '3 × 4 cells'
    """
    if isinstance(coloring, CellColoring):
        return f"{' × '.join(map(str, coloring.shape))} cells"
    what = "tile" if isinstance(coloring, PolygonColoring) else "Voronoi cell"
    number = len(coloring.tiles)
    return f"{number} {what}{'s' * (number != 1)}"


def setting_of(coloring: Coloring) -> str:
    """Say where distances are measured, if not in the Euclidean plane."""
    norm = coloring.norm
    if isinstance(norm, PolygonalNorm):
        return f"norm of a ball with {len(norm.vertices)} vertices"
    if isinstance(norm, PNorm):
        return f"p-norm, p = {norm.p}"
    return "in space" if coloring.lattice.dimension == 3 else ""


def ball_of(norm: Norm) -> Points | None:
    """(p, 2): the boundary of the unit ball in the plane, in order; None if it is the circle."""
    if isinstance(norm, PolygonalNorm):
        return np.array([[float(x) for x in vertex] for vertex in norm.vertices])
    if not isinstance(norm, PNorm):
        return None
    angles = np.arange(360) * np.pi / 180
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    p = float(norm.p)
    return points / (np.abs(points) ** p).sum(axis=1, keepdims=True) ** (1 / p)


def tiles_of(coloring: PolygonColoring | VoronoiColoring) -> list[tuple[int | None, Points]]:
    """Colors (None if removed) and vertices of all tiles of one period of the plane, rounded."""
    if isinstance(coloring, PolygonColoring):
        return [
            (tile.color, np.array([[float(x) for x in vertex] for vertex in tile.vertices]))
            for tile in coloring.tiles
        ]
    return plane_cells(coloring.basis.floats, coloring.tiles)


def plane_mosaic(coloring: Coloring, *, fineness: float = 0.0, most: int = 0) -> Mosaic:
    """Outline one period of a coloring of the plane.

    Parameters
    ----------
    coloring
        Of dimension 2.
    fineness, most
        How far boundaries of cells are simplified, see `grid_mosaic`.
    """
    if isinstance(coloring, CellColoring):
        return grid_mosaic(coloring.grid, coloring.lattice.floats, fineness=fineness, most=most)
    reduced = coloring.lattice.reduced()[0].floats
    return tile_mosaic(tiles_of(coloring), reduced)


def slice_of(coloring: CellColoring | VoronoiColoring, height: float, window: ArrayLike) -> Mosaic:
    """Outline a rectangle of the plane z = height of a coloring of space.

    Cells are sampled at 480 x 480 points.

    Parameters
    ----------
    coloring
        Of dimension 3.
    height : float
    window : (2, 2) floats
        Lower left and upper right corner.
    """
    rectangle = np.asarray(window, float)
    if isinstance(coloring, VoronoiColoring):
        basis, period = coloring.basis.floats, np.array(coloring.period)
        return slice_mosaic(basis, period, coloring.tiles, height, rectangle)
    shares = (np.arange(_RASTER) + 0.5) / _RASTER
    x, y = (rectangle[0] + shares[:, None] * np.ptp(rectangle, axis=0)).T
    points = np.stack(np.broadcast_arrays(x[:, None], y[None, :], height), axis=-1)
    places = points @ np.linalg.inv(coloring.lattice.floats) * coloring.shape
    cells = np.floor(places).astype(np.int64) % coloring.shape
    sampled = np.full((_RASTER + 1, _RASTER + 1), _FRAME, np.uint8)
    sampled[:-1, :-1] = coloring.grid[tuple(np.moveaxis(cells, -1, 0))]
    sides = np.ptp(rectangle, axis=0) * (1 + 1 / _RASTER)
    found = grid_mosaic(sampled, np.diag(sides)).moved(rectangle[0])
    pieces = tuple(piece for piece in found.pieces if piece.color != _FRAME)
    return Mosaic(pieces, found.lines, found.vectors)
