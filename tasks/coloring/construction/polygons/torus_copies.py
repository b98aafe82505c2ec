"""Vertices of a map in and around the fundamental cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from tasks.coloring.construction.polygons.tile_map import TileMap

__all__ = ["TorusCopies"]


@dataclass(frozen=True)
class TorusCopies:
    """Copies of n vertices.

    Attributes
    ----------
    home
        (n, 2) the shift that takes each vertex into the fundamental cell.
    positions, vertex, shift
        (N, 2), (N,) and (N, 2) of each copy.
    """

    home: NDArray[np.int64]
    positions: NDArray[np.float64]
    vertex: NDArray[np.int64]
    shift: NDArray[np.int64]

    @classmethod
    def of(cls, tiles: TileMap, reach: float, chosen: Sequence[int] | None = None) -> TorusCopies:
        """All copies within ``reach`` of the fundamental cell, and more.

        Parameters
        ----------
        chosen
            Which vertices; all without it.
        """
        numbers = np.arange(len(tiles.points)) if chosen is None else np.array(chosen, np.int64)
        points = tiles.points[numbers]
        inverse = np.linalg.inv(tiles.lattice)
        home = -np.floor(points @ inverse).astype(np.int64)
        window = np.ceil(reach * np.linalg.norm(inverse, axis=0)).astype(np.int64)
        ranges = [np.arange(-w, w + 1) for w in window]
        steps = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 2)
        shift = (home + steps[:, None, :]).reshape(-1, 2)
        vertex = np.tile(numbers, len(steps))
        positions = tiles.points[vertex] + shift @ tiles.lattice
        return cls(home, positions, vertex, shift)

    @cached_property
    def tree(self) -> KDTree:
        """Of the positions."""
        return KDTree(self.positions)
