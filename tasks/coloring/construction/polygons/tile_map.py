"""A periodic map of polygonal tiles with movable vertices and a movable lattice.

Corner c of a tile is the point P_c = x_{v(c)} + s(c) V: vertex v(c), moved by the integer
combination s(c) of the two rows of V. Tiles that touch along an edge may share its vertices; then
they move together. What no tile covers is removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

__all__ = ["Corner", "TileMap", "free_tiles"]

Corner = tuple[int, int, int]
"""A vertex and the two integers of its shift."""


@dataclass(frozen=True)
class TileMap:
    """Tiles, counterclockwise, modulo the lattice of the rows of ``lattice``.

    Attributes
    ----------
    points
        (n, 2) float64, the vertices.
    lattice
        (2, 2) float64, rows are the period vectors.
    vertex, shift
        (c,) and (c, 2) int64, per corner.
    starts
        (t + 1,) int64; the corners of tile i are starts[i]:starts[i + 1].
    colors
        (t,) int64.
    """

    points: NDArray[np.float64]
    lattice: NDArray[np.float64]
    vertex: NDArray[np.int64]
    shift: NDArray[np.int64]
    starts: NDArray[np.int64]
    colors: NDArray[np.int64]

    @property
    def num_tiles(self) -> int:
        """How many tiles there are."""
        return len(self.colors)

    @cached_property
    def corners(self) -> NDArray[np.float64]:
        """(c, 2) points P_c."""
        return self.points[self.vertex] + self.shift @ self.lattice

    @cached_property
    def following(self) -> NDArray[np.int64]:
        """(c,) the next corner of the same tile."""
        following = np.arange(1, len(self.vertex) + 1)
        following[self.starts[1:] - 1] = self.starts[:-1]
        return following

    @cached_property
    def preceding(self) -> NDArray[np.int64]:
        """(c,) the corner before of the same tile."""
        preceding = np.empty_like(self.following)
        preceding[self.following] = np.arange(len(preceding))
        return preceding

    @cached_property
    def tile_of(self) -> NDArray[np.int64]:
        """(c,) the tile of each corner."""
        return np.repeat(np.arange(self.num_tiles), np.diff(self.starts))

    @cached_property
    def areas(self) -> NDArray[np.float64]:
        """(t,) signed areas."""
        here, there = self.corners, self.corners[self.following]
        doubled = here[:, 0] * there[:, 1] - here[:, 1] * there[:, 0]
        return np.add.reduceat(doubled, self.starts[:-1]) / 2

    @cached_property
    def determinant(self) -> float:
        """Area of one period."""
        return float(abs(np.linalg.det(self.lattice)))

    @property
    def removed(self) -> float:
        """1 - (area of the tiles) / |det V|."""
        return 1 - float(self.areas.sum()) / self.determinant

    @cached_property
    def embedding(self) -> csr_array:
        """(2c, 2n + 4): flattened corners as a linear function of flattened points and lattice."""
        count, unknowns = len(self.vertex), 2 * len(self.points)
        own = 2 * self.vertex[:, None] + np.arange(2)
        columns = np.empty((count, 2, 3), np.int64)
        columns[:, :, 0] = own
        columns[:, :, 1] = unknowns + np.arange(2)
        columns[:, :, 2] = unknowns + 2 + np.arange(2)
        values = np.ones((count, 2, 3))
        values[:, :, 1] = self.shift[:, :1]
        values[:, :, 2] = self.shift[:, 1:]
        pointer = np.arange(2 * count + 1) * 3
        shape = (2 * count, unknowns + 4)
        matrix = csr_array((values.ravel(), columns.ravel(), pointer), shape=shape)
        matrix.eliminate_zeros()
        return matrix

    @property
    def unknowns(self) -> NDArray[np.float64]:
        """(2n + 4,) all points, then the lattice."""
        return np.concatenate([self.points.ravel(), self.lattice.ravel()])

    @property
    def area_gradient(self) -> NDArray[np.float64]:
        """(c, 2) gradient of the area of each corner's tile by that corner: it points outward."""
        chord = self.corners[self.following] - self.corners[self.preceding]
        return np.stack([chord[:, 1], -chord[:, 0]], axis=1) / 2

    @cached_property
    def removed_gradient(self) -> NDArray[np.float64]:
        """(2n + 4,) gradient of the removed fraction by points and lattice."""
        by_point = -(self.area_gradient.ravel() @ self.embedding) / self.determinant
        inverse = np.linalg.inv(self.lattice).T
        by_point[-4:] += (1 - self.removed) * inverse.ravel()
        return by_point

    def loops(self) -> list[list[Corner]]:
        """Per tile its corners."""
        flat = list(map(tuple, np.column_stack([self.vertex, self.shift]).tolist()))
        return [flat[a:b] for a, b in pairwise(self.starts.tolist())]

    def with_loops(self, points: NDArray[np.float64], loops: Sequence[Sequence[Corner]]) -> TileMap:
        """The map of other corners for the same tiles; empty tiles and unused points vanish."""
        kept = [tile for tile, loop in enumerate(loops) if len(loop) >= 3]
        flat = np.array([corner for tile in kept for corner in loops[tile]], dtype=np.int64)
        flat = flat.reshape(-1, 3)
        used, vertex = np.unique(flat[:, 0], return_inverse=True)
        starts = np.cumsum([0, *(len(loops[tile]) for tile in kept)])
        return TileMap(
            points[used], self.lattice, vertex, flat[:, 1:].copy(), starts, self.colors[kept]
        )

    def detached(self, corners: NDArray[np.bool_]) -> TileMap:
        """The same map where these corners have vertices of their own."""
        count = np.bincount(self.vertex)
        chosen = np.flatnonzero(corners & (count[self.vertex] > 1))
        vertex = self.vertex.copy()
        vertex[chosen] = len(self.points) + np.arange(len(chosen))
        points = np.vstack([self.points, self.points[self.vertex[chosen]]])
        return replace(self, points=points, vertex=vertex)

    def moved(self, step: NDArray[np.float64]) -> TileMap:
        """The map with points and lattice moved by a (2n + 4,) step."""
        points = self.points + step[:-4].reshape(-1, 2)
        return replace(self, points=points, lattice=self.lattice + step[-4:].reshape(2, 2))


def free_tiles(
    loops: list[NDArray[np.float64]], colors: list[int], lattice: NDArray[np.float64]
) -> TileMap:
    """Tiles that share no vertex.

    Parameters
    ----------
    loops
        Per tile its (m, 2) corners, counterclockwise, in the plane.
    colors
        Per tile its color.
    lattice
        (2, 2) rows are the period vectors.
    """
    points = np.concatenate(loops).astype(np.float64)
    starts = np.concatenate([[0], np.cumsum([len(loop) for loop in loops])])
    return TileMap(
        points=points,
        lattice=np.asarray(lattice, dtype=float),
        vertex=np.arange(len(points)),
        shift=np.zeros((len(points), 2), dtype=np.int64),
        starts=starts.astype(np.int64),
        colors=np.asarray(colors, dtype=np.int64),
    )
