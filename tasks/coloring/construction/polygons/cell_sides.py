"""Sides of cells on the boundaries of regions of a torus, and the paths that they form.

Sides are directed: each leaves a corner in a direction and has a region on its left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["LEFT", "STEPS", "Chains", "Ints", "Sides", "cycles_of", "paths_of"]

Ints = NDArray[np.int64]

STEPS = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])
"""Directions 0 to 3, counterclockwise."""
LEFT = np.array([(0, 0), (-1, 0), (-1, -1), (0, -1)])
"""The cell on the left of the side that leaves a corner in each direction, seen from the corner."""


@dataclass(frozen=True)
class Sides:
    """Directed sides on boundaries, by the corner they leave and by direction.

    Corners are numbered in row-major order.
    """

    shape: tuple[int, int]
    corners: Ints
    directions: Ints
    heads: Ints
    following: Ints
    """The next side of the outline: of those that leave the head, the first from the left."""
    reverse: Ints
    is_junction: NDArray[np.bool_]
    """Of all corners."""

    @classmethod
    def between(cls, labels: NDArray[np.int32], is_cut: NDArray[np.bool_]) -> Sides:
        """The sides between regions, and those cut."""
        across = [labels != np.roll(labels, 1, axis) for axis in (0, 1)]
        across[0][0] |= is_cut[labels[0], 0]
        across[1][:, 0] |= is_cut[labels[:, 0], 1]
        leaves = np.stack(
            [across[1], across[0], np.roll(across[1], 1, 0), np.roll(across[0], 1, 1)], axis=-1
        ).reshape(-1, 4)
        keys = np.flatnonzero(leaves)
        corners, directions = keys // 4, keys % 4
        points = np.stack(np.unravel_index(corners, labels.shape), 1) + STEPS[directions]
        heads = np.ravel_multi_index(tuple(points.T), labels.shape, mode="wrap")
        turned = [(directions + turn) % 4 for turn in (1, 0, 3)]
        turned = np.select([leaves[heads, d] for d in turned], turned)
        following = np.searchsorted(keys, 4 * heads + turned)
        reverse = np.searchsorted(keys, 4 * heads + (directions + 2) % 4)
        is_junction = leaves.sum(axis=1) > 2
        return cls(labels.shape, corners, directions, heads, following, reverse, is_junction)

    def points(self, corners: Ints) -> Ints:
        """(n, 2): coordinates of numbered corners."""
        return np.stack(np.unravel_index(corners, self.shape), 1)

    def left_cells(self) -> Ints:
        """(h, 2): the cell on the left of each side."""
        return (self.points(self.corners) + LEFT[self.directions]) % self.shape


def cycles_of(following: Ints) -> Ints:
    """The cycle of each element of a permutation."""
    size = len(following)
    graph = coo_array((np.ones(size, np.bool_), (np.arange(size), following)), (size, size))
    return connected_components(graph, directed=False)[1]


def paths_of(following: Ints, is_first: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Break the cycles of a permutation before chosen elements, one or more of each cycle.

    Returns
    -------
    order : (h,) int64
        The elements path by path, paths in the order of their first elements.
    starts : (p + 1,) int64
        Where each path starts in that order; last, h.
    """
    first = np.empty_like(following)
    first[following] = np.arange(len(following))
    first[is_first] = np.flatnonzero(is_first)
    rank = (~is_first).astype(np.int64)
    while not is_first[first].all():  # pointers double
        rank += rank[first]
        first = first[first]
    order = np.lexsort((rank, first))
    return order, np.append(np.flatnonzero(rank[order] == 0), len(order))


@dataclass(frozen=True)
class Chains:
    """Directed arcs: paths of sides from junction to junction, or once around.

    Attributes
    ----------
    order : (h,) int64
        Sides, chain by chain.
    starts : (c + 1,) int64
        Where each chain starts in that order; last, h.
    following : (c,) int64
        The next chain of the outline.
    reverse : (c,) int64
    """

    order: Ints
    starts: Ints
    following: Ints
    reverse: Ints

    @classmethod
    def of(cls, sides: Sides) -> Chains:
        """Break the outlines at junctions; those that meet none, at their first turning points."""
        is_first = sides.is_junction[sides.corners]
        cycles = cycles_of(sides.following)
        is_open = np.zeros(len(cycles), np.bool_)
        is_open[cycles[is_first]] = True
        turns = np.zeros(len(cycles), np.bool_)
        is_turn = sides.directions[sides.following] != sides.directions
        turns[sides.following[is_turn]] = True
        candidates = np.flatnonzero(turns & ~is_open[cycles])
        is_first[candidates[np.unique(cycles[candidates], return_index=True)[1]]] = True
        order, starts = paths_of(sides.following, is_first)
        firsts, lasts = order[starts[:-1]], order[starts[1:] - 1]
        number = np.empty(len(order), np.int64)
        number[firsts] = np.arange(len(firsts))
        return cls(order, starts, number[sides.following[lasts]], number[sides.reverse[lasts]])

    @property
    def firsts(self) -> Ints:
        """The first side of each chain."""
        return self.order[self.starts[:-1]]

    @property
    def lasts(self) -> Ints:
        """The last side of each chain."""
        return self.order[self.starts[1:] - 1]

    @property
    def is_arc(self) -> NDArray[np.bool_]:
        """Of the two directions of each arc, one."""
        return np.arange(len(self.reverse)) < self.reverse
