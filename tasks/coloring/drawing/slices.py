"""Plane slices of a coloring of space by Voronoi cells of a lattice, as polygons.

The slice z = h of the Voronoi cell of a lattice point v holds the points x with
2 w . (x - v) <= |w|^2 for the relevant vectors w: those with w and -w the only shortest ones of
their class modulo twice the lattice (G. Voronoi; Conway and Sloane, Sphere packings, lattices and
groups, chapter 21).  There are 14 at most in space, and 6 in the plane.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.drawing.mosaics import Mosaic, tile_mosaic
from tasks.records import InputError

__all__ = ["plane_cells", "relevant_vectors", "slice_mosaic"]

Points = NDArray[np.float64]
Coset = tuple[int | None, Sequence[int]]


def relevant_vectors(basis: ArrayLike) -> Points:
    """(k, n): the relevant vectors of the lattice of the rows of a basis, n = 2 or 3."""
    rows = Lattice.parse(np.asarray(basis, float)).reduced()[0].floats
    steps = np.array([c for c in product(range(-2, 3), repeat=len(rows)) if any(c)])
    vectors, squares = steps @ rows, ((steps @ rows) ** 2).sum(axis=1)
    found = []
    for parity in product((0, 1), repeat=len(rows)):
        of_class = np.flatnonzero((steps % 2 == parity).all(axis=1))
        if any(parity):
            least = squares[of_class].min()
            shortest = of_class[squares[of_class] < least * (1 + 1e-9)]
            found += [vectors[k] for k in shortest if len(shortest) == 2]
    return np.array(found)


def plane_cells(basis: ArrayLike, tiles: Sequence[Coset]) -> list[tuple[int | None, Points]]:
    """Colors and polygons, counterclockwise, of Voronoi cells of a lattice of the plane.

    Parameters
    ----------
    basis : (2, 2) floats
        Rows generate the lattice.
    tiles : sequence of (color, coordinates)
        Of lattice points.
    """
    rows = np.asarray(basis, float)
    walls = relevant_vectors(rows)
    cell = _cell_slice(np.pad(walls, ((0, 0), (0, 1))), 0.0, 1.5 * float(np.hypot(*walls.T).max()))
    return [(color, cell + np.array(point) @ rows) for color, point in tiles]


def slice_mosaic(
    basis: ArrayLike,
    period: ArrayLike,
    tiles: Sequence[Coset],
    height: float,
    window: ArrayLike,
) -> Mosaic:
    """Outline the cells that meet a rectangle of the plane z = height; without periods.

    Parameters
    ----------
    basis : (3, 3) floats
        Rows generate the lattice.
    period : (3, 3) integers
        Rows are the coordinates of the periods.
    tiles : sequence of (color, coordinates)
        Color 0, 1, ..., or None if removed, of a lattice point of each class modulo the periods.
    height : float
        Of two cells that touch in this plane, the upper one is shown.
    window : (2, 2) floats
        Lower left and upper right corner.

    Raises
    ------
    InputError
        If the tiles are not one for each class.
    """
    rows, rectangle = np.asarray(basis, float), np.asarray(window, float)
    walls = relevant_vectors(rows)
    colors = _Colors(np.asarray(period), tiles)
    radius = np.sqrt((walls**2).sum(axis=1).max()) * 1.5
    low, high = np.append(rectangle[0], height) - radius, np.append(rectangle[1], height) + radius
    steps = _coordinates_in(rows, low, high)
    polygons: dict[float, Points] = {}
    found = []
    for step, point in zip(steps, steps @ rows, strict=True):
        level = round(height - float(point[2]), 9) + 1e-7 * radius
        if level not in polygons:
            polygons[level] = _cell_slice(walls, level, radius)
        moved = polygons[level] + point[:2]
        is_near = len(moved) and (moved.max(0) > rectangle[0]).all()
        if is_near and (moved.min(0) < rectangle[1]).all():
            found.append((colors.of(step), moved))
    return tile_mosaic(found)


def _coordinates_in(rows: Points, low: Points, high: Points) -> NDArray[np.int64]:
    """Coordinates of all lattice points in a box."""
    corners = np.array(list(product(*zip(low, high, strict=True)))) @ np.linalg.inv(rows)
    ranges = [
        np.arange(np.floor(a), np.ceil(b) + 1)
        for a, b in zip(corners.min(axis=0), corners.max(axis=0), strict=True)
    ]
    steps = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)
    points = steps @ rows
    return steps[((points >= low) & (points <= high)).all(axis=1)].astype(np.int64)


def _cell_slice(walls: Points, level: float, radius: float) -> Points:
    """The polygon z = level of the cell of the origin, counterclockwise, if they meet."""
    polygon = radius * np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)])
    for wall in walls:
        bound = wall @ wall / 2 - wall[2] * level
        polygon = _clipped(polygon, wall[:2], bound)
    return polygon


def _clipped(polygon: Points, normal: Points, bound: float) -> Points:
    """The part of a convex polygon where normal . x <= bound."""
    if not len(polygon):
        return polygon
    excess = polygon @ normal - bound
    kept = []
    for k in range(len(polygon)):
        here, there = excess[k - 1], excess[k]
        if (here < 0) != (there < 0):
            kept.append(polygon[k - 1] + here / (here - there) * (polygon[k] - polygon[k - 1]))
        if there < 0:
            kept.append(polygon[k])
    return np.array(kept) if len(kept) > 2 else polygon[:0]


class _Colors:
    """Colors of lattice points by their classes modulo the periods."""

    def __init__(self, period: NDArray[np.integer], tiles: Sequence[Coset]) -> None:
        self._index = abs(round(float(np.linalg.det(period))))
        self._adjugate = np.rint(np.linalg.inv(period) * self._index).astype(np.int64)
        self._colors = {self._class_of(point): color for color, point in tiles}
        if not self._index or len(self._colors) != self._index or len(tiles) != self._index:
            raise InputError(
                f"{len(tiles)} tiles of {len(self._colors)} classes for periods of index "
                f"{self._index}: give one of each class"
            )

    def _class_of(self, point: ArrayLike) -> tuple[int, ...]:
        return tuple((np.asarray(point, np.int64) @ self._adjugate % self._index).tolist())

    def of(self, point: ArrayLike) -> int | None:
        return self._colors[self._class_of(point)]
