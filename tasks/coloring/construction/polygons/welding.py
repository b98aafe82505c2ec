"""Tiles that almost touch get common vertices, and what lay between them vanishes exactly.

Vertices closer than a tolerance, modulo the lattice, become one in their mean. A vertex closer than
it to an edge becomes a vertex of that edge, again and again. A tile whose outline then passes a
point twice keeps the largest part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.construction.polygons.division import Edge, directed_edge
from tasks.coloring.construction.polygons.tile_map import Corner, TileMap
from tasks.coloring.construction.polygons.torus_copies import TorusCopies

__all__ = ["welded"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MOST_PASSES = 20
"""Inserting and unfolding end after so many passes."""
_KEPT = 0.9
"""Part of its area that a tile keeps where an outline is unfolded."""


def welded(tiles: TileMap, tolerance: float) -> TileMap:
    """The map with common vertices; tiles that vanish are left out."""
    tiles = _merged(tiles, tolerance)
    for _ in range(_MOST_PASSES):
        loops, num_inserted = _with_inserted(tiles, tolerance)
        tiles = _cleaned(tiles, tiles.points, loops)
        loops, num_folds = _without_folds(tiles)
        if not num_inserted and not num_folds:
            break
        tiles = _cleaned(tiles, tiles.points, loops)
    return tiles


def _cleaned(tiles: TileMap, points: Floats, loops: Sequence[Sequence[Corner]]) -> TileMap:
    return tiles.with_loops(points, [_largest_part(loop, points, tiles.lattice) for loop in loops])


def _largest_part(loop: Sequence[Corner], points: Floats, lattice: Floats) -> list[Corner]:
    """The part of the greatest area without a repeated corner; none if no area is positive."""
    best, greatest = [], 0.0
    path: list[Corner] = []
    places: dict[Corner, int] = {}
    for corner in [*loop, loop[0]] if loop else []:
        if corner not in places:
            places[corner] = len(path)
            path.append(corner)
            continue
        part = path[places[corner] :]
        area = _area(part, points, lattice)
        if area > greatest:
            best, greatest = part, area
        for dropped in part[1:]:
            del places[dropped]
        del path[places[corner] + 1 :]
    return best


def _area(loop: Sequence[Corner], points: Floats, lattice: Floats) -> float:
    table = np.array(loop, dtype=np.int64).reshape(-1, 3)
    x, y = (points[table[:, 0]] + table[:, 1:] @ lattice).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


# --- merging ---


class _Groups:
    """Vertices that are to be one: each point + shift V lies near the point of its root."""

    def __init__(self, size: int) -> None:
        self.parent = list(range(size))
        self.shift = np.zeros((size, 2), dtype=np.int64)

    def root(self, vertex: int) -> tuple[int, Ints]:
        """The root of a vertex, and the shift to it."""
        shift = np.zeros(2, dtype=np.int64)
        while self.parent[vertex] != vertex:
            shift = shift + self.shift[vertex]
            vertex = self.parent[vertex]
        return vertex, shift

    def join(self, one: int, other: int, shift: Ints) -> None:
        """Let other + shift V lie near one."""
        a, to_a = self.root(one)
        b, to_b = self.root(other)
        if a != b:
            self.parent[b], self.shift[b] = a, shift - to_b + to_a


def _merged(tiles: TileMap, tolerance: float) -> TileMap:
    groups = _groups(tiles, tolerance)
    roots, shifts = zip(*map(groups.root, range(len(tiles.points))), strict=True)
    root, shift = np.array(roots), np.array(shifts)
    points = np.zeros_like(tiles.points)
    np.add.at(points, root, tiles.points + shift @ tiles.lattice)
    points /= np.maximum(np.bincount(root, minlength=len(points)), 1)[:, None]
    moved = tiles.shift - shift[tiles.vertex]
    flat = list(map(tuple, np.column_stack([root[tiles.vertex], moved]).tolist()))
    bounds = zip(tiles.starts[:-1], tiles.starts[1:], strict=True)
    return _cleaned(tiles, points, [flat[a:b] for a, b in bounds])


def _groups(tiles: TileMap, tolerance: float) -> _Groups:
    """Join vertices closer than the tolerance."""
    copies = TorusCopies.of(tiles, 2 * tolerance)
    at_home = tiles.points + copies.home @ tiles.lattice
    groups = _Groups(len(at_home))
    found = copies.tree.query_ball_point(at_home, tolerance, return_sorted=True)
    for vertex, near in enumerate(found):
        for k in near:
            if copies.vertex[k] > vertex:
                shift = copies.shift[k] - copies.home[vertex]
                groups.join(vertex, int(copies.vertex[k]), shift)
    return groups


# --- folds ---


def _without_folds(tiles: TileMap) -> tuple[list[list[Corner]], int]:
    """The corners without ends of edges that two tiles have in one direction, and their number.

    Where an outline goes to and fro along another one, the order of the vertices inserted there
    differs, and the tiles would overlap.
    """
    loops = tiles.loops()
    owners: dict[Edge, list[int]] = defaultdict(list)
    for tile, loop in enumerate(loops):
        for a, b in zip(loop, [*loop[1:], *loop[:1]], strict=True):
            owners[directed_edge(a, b)].append(tile)
    num_folds = 0
    for edge, found in owners.items():
        if len(found) < 2:
            continue
        cut = [[corner for corner in loops[tile] if corner[0] not in edge[:2]] for tile in found]
        kept = (_area(loop, tiles.points, tiles.lattice) for loop in cut)
        if all(new > _KEPT * tiles.areas[tile] for new, tile in zip(kept, found, strict=True)):
            num_folds += 1
            for tile, loop in zip(found, cut, strict=True):
                loops[tile] = loop
    return loops, num_folds


# --- inserting ---


def _with_inserted(tiles: TileMap, tolerance: float) -> tuple[list[list[Corner]], int]:
    """The corners with vertices close to an edge inserted, and how many these are."""
    start = tiles.corners
    edge = start[tiles.following] - start
    length = np.linalg.norm(edge, axis=1)
    copies = TorusCopies.of(tiles, float(length.max()) + tolerance)
    lift = copies.home[tiles.vertex] - tiles.shift
    start = start + lift @ tiles.lattice
    found = copies.tree.query_ball_point(start + edge / 2, length / 2 + tolerance)
    loops, total, c = [], 0, 0
    for loop in tiles.loops():
        new, present = [], set(loop)
        for corner in loop:
            near = np.array(found[c], dtype=np.int64)
            inside = _inside(copies, near, start[c], edge[c] / length[c], length[c], tolerance)
            corners = np.column_stack([copies.vertex[inside], copies.shift[inside] - lift[c]])
            fresh = [x for x in map(tuple, corners.tolist()) if x not in present]
            new += [corner, *fresh]
            present.update(fresh)
            total += len(fresh)
            c += 1
        loops.append(new)
    return loops, total


def _inside(
    copies: TorusCopies, near: Ints, start: Floats, along: Floats, length: float, tolerance: float
) -> Ints:
    """Which of the copies are close to the inner part of an edge, in its order."""
    offset = copies.positions[near] - start
    t = offset @ along
    away = np.abs(offset @ np.array([along[1], -along[0]]))
    inner = (t > tolerance) & (t < length - tolerance) & (away < tolerance)
    return near[inner][np.argsort(t[inner], kind="stable")]
