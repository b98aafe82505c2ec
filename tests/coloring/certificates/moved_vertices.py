"""Tilings of certificates with one vertex moved in all tiles that hold it."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from tasks.coloring.certificates.lattices import Vector, combination
from tasks.coloring.certificates.polygons import PolygonColoring
from tasks.coloring.certificates.polygons.tiles import Tile

Key = tuple[float, float]
_SHIFTS = list(product((-2, -1, 0, 1, 2), repeat=2))


def difference(p: Vector, q: Vector) -> Vector:
    return combination([1, -1], [p, q])


class Movable:
    """A coloring by polygons in which every vertex on an edge of a tile is a corner of that tile.

    Vertices are told apart modulo the lattice by nine decimals.
    """

    def __init__(self, coloring: PolygonColoring) -> None:
        self._inverse = np.linalg.inv(coloring.lattice.floats)
        self.coloring = replace(
            coloring, tiles=tuple(self._with_corners(coloring, tile) for tile in coloring.tiles)
        )

    def key(self, place: Vector) -> Key:
        """The vertex modulo the lattice."""
        x, y = (np.array([float(x) for x in place]) @ self._inverse).round(9) % 1.0
        return (round(float(x), 8) % 1.0, round(float(y), 8) % 1.0)

    def _with_corners(self, coloring: PolygonColoring, tile: Tile) -> Tile:
        vectors, floats = coloring.lattice.vectors, coloring.lattice.floats
        corners = np.array([[float(x) for x in corner] for corner in tile.vertices])
        low, high = corners.min(axis=0) - 1e-6, corners.max(axis=0) + 1e-6
        translates = []
        for vertex in dict.fromkeys(v for other in coloring.tiles for v in other.vertices):
            places = np.array([float(x) for x in vertex]) + np.array(_SHIFTS) @ floats
            for k in np.flatnonzero(((low < places) & (places < high)).all(axis=1)):
                translates.append(combination([1, *_SHIFTS[k]], [vertex, *vectors]))
        vertices: dict[Vector, None] = {}
        for i, corner in enumerate(tile.vertices):
            following = tile.vertices[(i + 1) % len(tile.vertices)]
            inside = [place for place in translates if _is_inside(place, corner, following)]
            vertices |= dict.fromkeys([corner, *sorted(inside, key=lambda p: _along(p, corner))])
        return Tile(tile.color, tuple(vertices))

    def moved(self, place: Vector, step: Vector) -> PolygonColoring:
        """The coloring with a vertex and its translates moved."""
        key = self.key(place)
        tiles = (
            Tile(
                tile.color,
                tuple(
                    combination([1, 1], [v, step]) if self.key(v) == key else v
                    for v in tile.vertices
                ),
            )
            for tile in self.coloring.tiles
        )
        return replace(self.coloring, tiles=tuple(tiles))


def _along(place: Vector, start: Vector) -> float:
    return float(np.hypot(*[float(x) for x in difference(place, start)]))


def _is_inside(place: Vector, start: Vector, end: Vector) -> bool:
    """Whether a point lies strictly between two others."""
    (a, b), (c, d), (e, f) = ([float(t) for t in p] for p in (place, start, end))
    if abs((a - c) * (f - d) - (b - d) * (e - c)) > 1e-9:
        return False
    (x, y), (dx, dy) = difference(place, start), difference(end, start)
    if x * dy - y * dx:
        return False
    along = x * dx + y * dy
    return 0 < along < dx * dx + dy * dy
