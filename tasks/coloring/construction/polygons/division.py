"""Long edges get their midpoints as vertices; edges that two tiles share stay shared.

Along removed regions, edges can be divided further: small regions need short edges.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.construction.polygons.tile_map import Corner, TileMap

__all__ = ["Edge", "directed_edge", "divided", "divided_at_borders", "reversed_edge"]

Edge = tuple[int, int, int, int]
"""A directed edge modulo the lattice: two vertices, and the shift of the second to the first."""


def directed_edge(a: Corner, b: Corner) -> Edge:
    """The edge from a to b."""
    return a[0], b[0], b[1] - a[1], b[2] - a[2]


def reversed_edge(edge: Edge) -> Edge:
    """The same edge from its end to its start."""
    return edge[1], edge[0], -edge[2], -edge[3]


def divided(tiles: TileMap, longest: float) -> TileMap:
    """The same tiles with edges of at most this length."""
    while True:
        edges = tiles.corners[tiles.following] - tiles.corners
        is_long = np.linalg.norm(edges, axis=1) > longest
        if not is_long.any():
            return tiles
        tiles = _halved(tiles, is_long)


def divided_at_borders(tiles: TileMap, longest: float) -> TileMap:
    """The same tiles with edges of at most this length at removed regions.

    These are the edges that border a removed region, and those that touch their ends.
    """
    while True:
        edges = tiles.corners[tiles.following] - tiles.corners
        at_border = np.zeros(len(tiles.points), np.bool_)
        borders = _borders(tiles)
        ends = tiles.vertex, tiles.vertex[tiles.following]
        for end in ends:
            at_border[end[borders]] = True
        is_long = (np.linalg.norm(edges, axis=1) > longest) & (
            at_border[ends[0]] | at_border[ends[1]]
        )
        if not is_long.any():
            return tiles
        tiles = _halved(tiles, is_long)


def _borders(tiles: TileMap) -> NDArray[np.bool_]:
    """(c,) whether no tile has the edge from a corner in the other direction."""
    edges = [
        directed_edge(a, b)
        for loop in tiles.loops()
        for a, b in zip(loop, [*loop[1:], loop[0]], strict=True)
    ]
    present = set(edges)
    return np.array([reversed_edge(edge) not in present for edge in edges])


def _halved(tiles: TileMap, is_long: NDArray[np.bool_]) -> TileMap:
    points = list(tiles.points)
    middles: dict[Edge, int] = {}
    loops = []
    for first, loop in zip(tiles.starts.tolist(), tiles.loops(), strict=False):
        new = []
        for k, (a, b) in enumerate(zip(loop, [*loop[1:], loop[0]], strict=True)):
            new.append(a)
            if is_long[first + k]:
                new.append(_middle(tiles, points, middles, a, b))
        loops.append(new)
    return tiles.with_loops(np.array(points), loops)


def _middle(
    tiles: TileMap,
    points: list[NDArray[np.float64]],
    middles: dict[Edge, int],
    a: Corner,
    b: Corner,
) -> Corner:
    """The corner between a and b; its vertex is made once for both directions of the edge."""
    edge = directed_edge(a, b)
    if reversed_edge(edge) in middles:
        return middles[reversed_edge(edge)], b[1], b[2]
    if edge not in middles:
        middles[edge] = len(points)
        offset = np.array(edge[2:]) @ tiles.lattice
        points.append((tiles.points[a[0]] + tiles.points[b[0]] + offset) / 2)
    return middles[edge], a[1], a[2]
