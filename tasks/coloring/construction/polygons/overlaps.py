"""Tiles that cover much of each other: what distances between outlines do not tell."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tasks.coloring.construction.polygons.distance_kernels import is_inside
from tasks.coloring.construction.polygons.tile_map import TileMap
from tasks.coloring.construction.polygons.tile_neighbors import Pairs, close_pairs

__all__ = ["common_parts", "without_overlaps"]

_SAMPLES = 40
"""Points along each side of the bounding box of a tile."""


def without_overlaps(tiles: TileMap, most: float) -> TileMap:
    """The map without every tile of which a larger one covers more than the part ``most``."""
    pairs = close_pairs(tiles, 0.0)
    area = tiles.areas
    one, other = area[pairs.first], area[pairs.second]
    smaller = pairs[(one < other) | ((one == other) & (pairs.first > pairs.second))]
    covered = smaller.first[common_parts(tiles, smaller) > most]
    loops = tiles.loops()
    for tile in covered:
        loops[tile] = []
    return tiles.with_loops(tiles.points, loops) if len(covered) else tiles


def common_parts(tiles: TileMap, pairs: Pairs) -> NDArray[np.float64]:
    """(q,) which part of the first tile the second covers, by a grid of points."""
    offset = pairs.shift @ tiles.lattice
    return _common_parts(
        tiles.corners, tiles.following, tiles.starts, pairs.first, pairs.second, offset
    )


@njit(cache=True)
def _common_parts(corners, following, starts, first, second, offset):
    parts = np.zeros(len(first))
    for q in range(len(first)):
        begin, end = starts[first[q]], starts[first[q] + 1]
        others, last = starts[second[q]], starts[second[q] + 1]
        own = corners[begin:end]
        left, right = own[:, 0].min(), own[:, 0].max()
        low, high = own[:, 1].min(), own[:, 1].max()
        total, common = 0, 0
        for i in range(_SAMPLES):
            x = left + (right - left) * (i + 0.5) / _SAMPLES
            for j in range(_SAMPLES):
                y = low + (high - low) * (j + 0.5) / _SAMPLES
                if is_inside(x, y, corners, following, begin, end):
                    total += 1
                    x2, y2 = x - offset[q, 0], y - offset[q, 1]
                    common += is_inside(x2, y2, corners, following, others, last)
        parts[q] = common / max(total, 1)
    return parts
