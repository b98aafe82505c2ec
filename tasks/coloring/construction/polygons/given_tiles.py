"""Given colorings by polygons as maps of tiles, repeated, and shaken out of their symmetry.

Steps from a symmetric map are symmetric, and those from copies of a period are equal. Where less is
removed if copies differ, a small random displacement of the vertices is enough to leave them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from tasks.coloring.certificates.lattices import Lattice, combination
from tasks.coloring.certificates.polygons import PolygonColoring
from tasks.coloring.certificates.polygons.tiles import Tile
from tasks.coloring.construction.polygons.tile_map import TileMap, free_tiles
from tasks.coloring.construction.polygons.welding import welded

__all__ = ["given_tiles", "repeated_tiles", "shaken"]

_SAME = 1e-9
"""Vertices closer than this, in units of a period's side, are one: floats round exact ones."""


def given_tiles(coloring: PolygonColoring) -> TileMap:
    """The colored tiles of a coloring, in floats, with common vertices where they touch."""
    colored = [tile for tile in coloring.tiles if tile.color is not None]
    loops = [np.array([[float(x) for x in vertex] for vertex in tile.vertices]) for tile in colored]
    tiles = free_tiles(loops, [int(tile.color or 0) for tile in colored], coloring.lattice.floats)
    return welded(tiles, _SAME * tiles.determinant**0.5)


def repeated_tiles(coloring: PolygonColoring, counts: Sequence[int]) -> PolygonColoring:
    """The same coloring with periods so many times as long, exactly.

    Parameters
    ----------
    counts
        Per period vector how many copies.
    """
    vectors = coloring.lattice.vectors
    tiles = []
    for steps in product(*map(range, counts)):
        x, y = combination(steps, vectors)
        tiles += [
            Tile(tile.color, tuple((a + x, b + y) for a, b in tile.vertices))
            for tile in coloring.tiles
        ]
    longer = tuple(
        tuple(count * x for x in vector) for count, vector in zip(counts, vectors, strict=True)
    )
    return replace(coloring, tiles=tuple(tiles), lattice=Lattice(longer))


def shaken(tiles: TileMap, spread: float, seed: int) -> TileMap:
    """All vertices displaced at random, with this standard deviation along each axis."""
    steps = np.random.default_rng(seed).normal(scale=spread, size=tiles.points.shape)
    return replace(tiles, points=tiles.points + steps)
