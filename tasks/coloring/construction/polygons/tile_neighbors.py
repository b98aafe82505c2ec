"""Which pairs of tiles modulo the lattice matter, and which distances they are to keep.

The pair (A, B, T) is tile A against tile B moved by T_1 v_1 + T_2 v_2.  A color that forbids the
intervals [l_1, h_1], ..., [l_m, h_m] allows its pairs the windows [0, l_1], [h_1, l_2], ...,
[h_m, infinity]: all distances between the two tiles must be in one of them.  A tile and itself are
in the first; any other pair is given the window that it violates least.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.construction.polygons.distance_kernels import least_and_most
from tasks.coloring.construction.polygons.tile_map import TileMap

__all__ = ["Neighbors", "Pairs", "Windows", "close_pairs", "neighbors"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Windows = tuple[Floats, ...]
"""Per color its windows, (w, 2)."""


@dataclass(frozen=True)
class Pairs:
    """Ordered pairs: ``first`` and ``second`` (q,) tiles, ``shift`` (q, 2) integers T."""

    first: Ints
    second: Ints
    shift: Ints

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, chosen: NDArray) -> Pairs:
        """The pairs of a mask or of indices."""
        return Pairs(self.first[chosen], self.second[chosen], self.shift[chosen])

    def extents(self, tiles: TileMap) -> tuple[Floats, Floats]:
        """(q,) least and (q,) greatest distance between the outlines of each pair."""
        offset = self.shift @ tiles.lattice
        return least_and_most(
            tiles.corners, tiles.following, tiles.starts, self.first, self.second, offset
        )


@dataclass(frozen=True)
class Neighbors:
    """Pairs by what is asked of them.

    Attributes
    ----------
    near, most
        Pairs of one color whose distances stay below ``most`` (q,).
    far, least
        Pairs of one color whose distances stay above ``least`` (q,).
    contact
        Pairs of any colors that must not overlap.
    """

    near: Pairs
    most: Floats
    far: Pairs
    least: Floats
    contact: Pairs


def close_pairs(tiles: TileMap, reach: float) -> Pairs:
    """All ordered pairs whose bounding discs come closer than ``reach``, without (A, A, 0)."""
    middle, radius = _discs(tiles)
    inverse = np.linalg.inv(tiles.lattice)
    widest = reach + 2 * radius.max(initial=0.0)
    window = np.ceil(widest * np.linalg.norm(inverse, axis=0)).astype(int) + 1
    first, second = np.divmod(np.arange(tiles.num_tiles**2), tiles.num_tiles)
    apart = middle[first] - middle[second]
    nearest = np.rint(apart @ inverse).astype(np.int64)
    found = []
    for a in range(-window[0], window[0] + 1):
        for b in range(-window[1], window[1] + 1):
            shift = nearest + np.array([a, b])
            distance = np.linalg.norm(apart - shift @ tiles.lattice, axis=1)
            close = distance - radius[first] - radius[second] < reach
            close &= (first != second) | (shift != 0).any(axis=1)
            found.append(np.column_stack([first[close], second[close], shift[close]]))
    table = np.concatenate(found)
    table = table[np.lexsort(table.T[::-1])]
    return Pairs(table[:, 0].copy(), table[:, 1].copy(), table[:, 2:].copy())


def _discs(tiles: TileMap) -> tuple[Floats, Floats]:
    """Per tile the middle of its bounding box, and the radius of a disc around it."""
    corners, first = tiles.corners, tiles.starts[:-1]
    low, high = np.minimum.reduceat(corners, first), np.maximum.reduceat(corners, first)
    middle = (low + high) / 2
    away = np.linalg.norm(corners - middle[tiles.tile_of], axis=1)
    return middle, np.maximum.reduceat(away, first)


def neighbors(tiles: TileMap, windows: Windows, reach: float) -> Neighbors:
    """The pairs that come closer than ``reach`` to a limit, each with its window.

    Parameters
    ----------
    tiles
    windows
        Per color; the last one ends at infinity.
    reach
        Twice as far as any vertex may move.
    """
    widest = max(float(window[-1, 0]) for window in windows)
    pairs = close_pairs(tiles, widest + reach)
    least, most = pairs.extents(tiles)
    same = np.flatnonzero(tiles.colors[pairs.first] == tiles.colors[pairs.second])
    kept = _windows_of(tiles.colors[pairs.first[same]], windows, least[same], most[same])
    near, far = np.isfinite(kept[:, 1]), kept[:, 0] > 0
    own = np.arange(tiles.num_tiles)
    own_limits = np.array([windows[color][0, 1] for color in tiles.colors])
    return Neighbors(
        near=_joined(Pairs(own, own, np.zeros((len(own), 2), np.int64)), pairs[same[near]]),
        most=np.concatenate([own_limits, kept[near, 1]]),
        far=pairs[same[far]],
        least=kept[far, 0],
        contact=pairs[least < reach],
    )


def _joined(one: Pairs, other: Pairs) -> Pairs:
    return Pairs(
        np.concatenate([one.first, other.first]),
        np.concatenate([one.second, other.second]),
        np.concatenate([one.shift, other.shift]),
    )


def _windows_of(colors: Ints, windows: Sequence[Floats], least: Floats, most: Floats) -> Floats:
    """(q, 2) the least violated window of each pair."""
    kept = np.empty((len(colors), 2))
    for color, window in enumerate(windows):
        mine = np.flatnonzero(colors == color)
        excess = np.maximum(
            window[None, :, 0] - least[mine, None], most[mine, None] - window[None, :, 1]
        )
        kept[mine] = window[excess.argmin(axis=1)]
    return kept
