"""Linearised distances between tiles: the rows of the movement's quadratic program.

A row compares corner p with the point (1 - t) a + t b of an edge, moved by T:

    d = n . (p - (1 - t) a - t b - T V),   n a unit vector, along the shortest segment.

The gradient of a distance is n at p, -(1 - t) n at a, -t n at b and -T_k n at v_k, because the
closest points are optimal (the envelope theorem).

* near (p, a corners of one unit-diameter set): d <= limit;
* far (same color, other tiles): d >= limit;
* contact (tiles of any colors must not overlap): d >= 0, signed by the outward normal.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tasks.coloring.construction.polygons.distance_kernels import entered, farther, nearer
from tasks.coloring.construction.polygons.tile_map import TileMap
from tasks.coloring.construction.polygons.tile_neighbors import Neighbors, Pairs

__all__ = ["Rows", "rows_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Rows of the module's docstring.

    Attributes
    ----------
    corner, edge
        (m,) corner p, and the corner a at which the edge starts.
    along
        (m,) t in [0, 1].
    shift
        (m, 2) T.
    normal
        (m, 2) n.
    distance
        (m,) d.
    sign
        (m,) +1 where d >= limit is asked for, -1 where d <= limit.
    limit
        (m,) the bound.
    """

    corner: Ints
    edge: Ints
    along: Floats
    shift: Ints
    normal: Floats
    distance: Floats
    sign: Floats
    limit: Floats

    def __len__(self) -> int:
        return len(self.corner)

    @property
    def excess(self) -> Floats:
        """(m,) by how much each row fails; negative where it holds."""
        return self.sign * (self.limit - self.distance)

    def matrix(self, tiles: TileMap) -> csr_array:
        """(m, 2n + 4): sign times the gradient of d by points and lattice."""
        signed = self.sign[:, None] * self.normal
        weights = np.stack([np.ones(len(self)), self.along - 1, -self.along], axis=1)
        return self._combined(tiles, weights[:, :, None] * signed[:, None, :], -signed)

    def bending(self, tiles: TileMap) -> csr_array:
        """(m, 2n + 4) rows c: -sign d has the second-order term (c step)^2 / 2, if convex.

        Turning edge ab by the angle phi = n . (b' - a') / |ab| and sliding p along it by
        w = tau . (p' - foot') changes d by -d (phi + w / d)^2 / 2 + w^2 / (2 d); the second part,
        and with it all of rows to single points, counts for d <= limit only, where it is convex.
        """
        edge = tiles.corners[tiles.following[self.edge]] - tiles.corners[self.edge]
        length = np.linalg.norm(edge, axis=1)
        length[length == 0] = np.inf  # an edge of no length does not turn
        tangent = np.stack([-self.normal[:, 1], self.normal[:, 0]], axis=1)
        tangent[(tangent * edge).sum(axis=1) < 0] *= -1
        root = np.sqrt(np.maximum(self.distance, 1e-12))
        keep = ((self.sign < 0) | (self.along > 0)).astype(float)
        turning = (root * (self.sign > 0) * keep / length)[:, None] * self.normal
        sliding = (keep / root)[:, None] * tangent
        blocks = np.stack(
            [
                sliding,
                (self.along - 1)[:, None] * sliding - turning,
                -self.along[:, None] * sliding + turning,
            ],
            axis=1,
        )
        return self._combined(tiles, blocks, -sliding)

    def touching(self, tiles: TileMap, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(c,) the corners that the chosen rows compare."""
        touched = np.zeros(len(tiles.vertex), np.bool_)
        for corner in (self.corner, self.edge, tiles.following[self.edge]):
            touched[corner[chosen]] = True
        return touched

    def forces(self, tiles: TileMap, multipliers: Floats) -> Floats:
        """(c, 2) sum of multipliers times signed gradients of d by each corner of its own."""
        signed = (multipliers * self.sign)[:, None] * self.normal
        force = np.zeros((len(tiles.vertex), 2))
        np.add.at(force, self.corner, signed)
        np.add.at(force, self.edge, (self.along - 1)[:, None] * signed)
        np.add.at(force, tiles.following[self.edge], -self.along[:, None] * signed)
        return force

    def _combined(self, tiles: TileMap, blocks: Floats, moved: Floats) -> csr_array:
        """Rows sum_j blocks_j . (p, a, b)_j + moved . (T V), by points and lattice."""
        count = len(self)
        corner = np.stack([self.corner, self.edge, tiles.following[self.edge]], axis=1)
        columns = 2 * corner[:, :, None] + np.arange(2)
        pointer = np.arange(count + 1) * 6
        shape = (count, 2 * len(tiles.vertex))
        by_corner = csr_array((blocks.ravel(), columns.ravel(), pointer), shape=shape)
        by_corner.sum_duplicates()
        by_point = by_corner @ tiles.embedding
        values = self.shift[:, :, None] * moved[:, None, :]
        columns = np.tile(2 * len(tiles.points) + np.arange(4), count)
        by_lattice = csr_array(
            (values.ravel(), columns, np.arange(count + 1) * 4), shape=by_point.shape
        )
        total = csr_array(by_point + by_lattice)
        total.eliminate_zeros()
        return total


def joined(parts: list[Rows]) -> Rows:
    """All rows of the parts."""
    names = ("corner", "edge", "along", "shift", "normal", "distance", "sign", "limit")
    return Rows(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def rows_of(tiles: TileMap, near: Neighbors, *, margin: float, slack: float, gap: float) -> Rows:
    """All rows that are within ``margin`` of failing.

    Parameters
    ----------
    tiles, near
    margin
        How far from its limit a distance may be and still have a row.
    slack
        How much more than the limits of same-color pairs is asked for.
    gap
        Least distance between tiles that do not share a vertex.
    """
    return _joined(
        [
            _near_rows(tiles, near.near, near.most - slack, margin),
            _far_rows(tiles, near.far, near.least + slack, margin),
            _contact_rows(tiles, near.contact, gap, margin),
        ]
    )


def _joined(parts: list[Rows]) -> Rows:
    names = [field.name for field in fields(Rows)]
    return Rows(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _near_rows(tiles: TileMap, pairs: Pairs, limit: Floats, margin: float) -> Rows:
    offset = pairs.shift @ tiles.lattice
    found = farther(tiles.corners, tiles.starts, pairs.first, pairs.second, offset, limit - margin)
    return _rows(pairs, found, -1.0, limit)


def _far_rows(tiles: TileMap, pairs: Pairs, limit: Floats, margin: float) -> Rows:
    offset = pairs.shift @ tiles.lattice
    outline = (tiles.corners, tiles.following, tiles.preceding, tiles.starts)
    found = nearer(*outline, pairs.first, pairs.second, offset, limit + margin)
    return _rows(pairs, found, 1.0, limit)


def _contact_rows(tiles: TileMap, pairs: Pairs, gap: float, margin: float) -> Rows:
    offset = pairs.shift @ tiles.lattice
    outline = (tiles.following, tiles.preceding, tiles.starts)
    found = entered(
        tiles.corners,
        tiles.vertex,
        tiles.shift,
        *outline,
        pairs.first,
        pairs.second,
        pairs.shift,
        offset,
        gap + margin,
    )
    return _rows(pairs, found, 1.0, np.full(len(pairs), gap))


def _rows(pairs: Pairs, found: tuple, sign: float, limit: Floats) -> Rows:
    pair, corner, edge, real = found
    return Rows(
        corner=corner,
        edge=edge,
        along=real[:, 0].copy(),
        shift=pairs.shift[pair],
        normal=real[:, 1:3].copy(),
        distance=real[:, 3].copy(),
        sign=np.full(len(pair), sign),
        limit=limit[pair],
    )
