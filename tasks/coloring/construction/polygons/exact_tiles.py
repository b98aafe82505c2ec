"""Maps of tiles as exact colorings: coordinates rounded to decimals, removed regions as tiles.

Corners are rounded vertex plus exact combination of the rounded lattice, so that shared edges stay
shared and the boundaries cancel exactly, whatever the rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from tasks.coloring.certificates.distances import Forbidden
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.certificates.norms import Euclidean
from tasks.coloring.certificates.numbers import Surd
from tasks.coloring.certificates.polygons import PolygonColoring
from tasks.coloring.certificates.polygons.tiles import Tile
from tasks.coloring.construction.polygons.removed_faces import removed_faces
from tasks.coloring.construction.polygons.tile_map import Corner, TileMap

__all__ = ["exact_coloring"]


def exact_coloring(tiles: TileMap, forbidden: Forbidden, *, digits: int) -> PolygonColoring:
    """The half-open coloring with coordinates of so many decimals.

    Raises
    ------
    FaceError
        If the removed regions are not simple polygons.
    """
    scale = 10**digits
    points, lattice = _scaled(tiles.points, scale), _scaled(tiles.lattice, scale)

    def tile(color: int | None, loop: Sequence[Corner]) -> Tile:
        vertices = []
        for vertex, s, t in loop:
            (x, y), (a, b), (c, d) = points[vertex], *lattice
            vertices.append((_exact(x + s * a + t * c, scale), _exact(y + s * b + t * d, scale)))
        return Tile(color, tuple(vertices))

    colored = [
        tile(int(color), loop) for color, loop in zip(tiles.colors, tiles.loops(), strict=True)
    ]
    removed = [tile(None, loop) for loop in removed_faces(tiles)]
    vectors = tuple(tuple(_exact(x, scale) for x in row) for row in lattice)
    return PolygonColoring((*colored, *removed), Lattice(vectors), forbidden, Euclidean())


def _scaled(array: np.ndarray, scale: int) -> list[list[int]]:
    return [[round(Fraction(x) * scale) for x in row] for row in array.tolist()]


def _exact(numerator: int, scale: int) -> Surd:
    return Surd.of(Fraction(numerator, scale))
