"""Regions of a grid on the torus: 4-connected cells of one color, laid out in the plane.

A torus of m_1 x m_2 cells is the plane of integer cells modulo (m_1, 0) and (0, m_2).  A connected
component of one color that holds no closed path around the torus has copies in the plane, each as
large as itself.  One that wraps around the torus has not: it is cut along the line where the first
index is 0 modulo m_1, or the second 0 modulo m_2, or along both, and its pieces have such copies.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["TorusRegions", "torus_regions"]

_Link = tuple[int, int, int]
"""A part before the line of an axis, the part behind it that it touches, and the axis."""

_Period = tuple[int, int]


@dataclass(frozen=True)
class TorusRegions:
    """Regions, numbered by their first cells in row-major order.

    Attributes
    ----------
    parts : (m_1, m_2) int32
        The part of each cell: what is connected without crossing the first row and column.
    regions : (p,) int64
        The region of each part.
    periods : (p, 2) int64
        Where each part lies in the copy of its region in the plane, in periods.
    components : (r,) int64
        The connected component of each region, numbered in the same order; regions of one
        component are its pieces.
    is_cut : (r, 2) bool
        Whether the component is cut where the first, and where the second index is 0.
    """

    parts: NDArray[np.int32]
    regions: NDArray[np.int64]
    periods: NDArray[np.int64]
    components: NDArray[np.int64]
    is_cut: NDArray[np.bool_]

    def labels(self) -> NDArray[np.int32]:
        """(m_1, m_2): the region of each cell."""
        return self.regions.astype(np.int32)[self.parts]

    def lifted(self, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        """Cells of the torus, (n, 2), where they lie in the copies of their regions."""
        return cells + self.periods[self.parts[tuple(cells.T)]] * np.array(self.parts.shape)


def torus_regions(grid: NDArray[np.integer]) -> TorusRegions:
    """Find the regions of a grid (m_1, m_2), and cut those that wrap around the torus."""
    parts, num_parts = _connected(grid)
    links = sorted(set(_links(grid, parts)))
    component, _, windings = _spread(num_parts, links)
    cuts = {first: _cut(sorted(found)) for first, found in windings.items()}
    whole = (False, False)
    kept = [link for link in links if not cuts.get(component[link[0]], whole)[link[2]]]
    first, periods, _ = _spread(num_parts, kept)
    firsts, regions = np.unique(first, return_inverse=True)
    is_cut = np.zeros((num_parts, 2), np.bool_)
    is_cut[list(cuts)] = list(cuts.values()) or whole
    of_region = component[firsts]
    components = np.unique(of_region, return_inverse=True)[1]
    return TorusRegions(parts, regions, periods, components, is_cut[of_region])


def _connected(grid: NDArray[np.integer]) -> tuple[NDArray[np.int32], int]:
    """Number the connected parts of the rectangle by their first cells; rows are runs of cells."""
    starts = np.ones(grid.shape, np.bool_)
    np.not_equal(grid[:, 1:], grid[:, :-1], out=starts[:, 1:])
    runs = (np.cumsum(starts, dtype=np.int32) - 1).reshape(grid.shape)
    is_same = grid[1:] == grid[:-1]
    upper, lower = runs[:-1][is_same], runs[1:][is_same]
    is_new = np.ones(len(upper), np.bool_)
    is_new[1:] = (np.diff(upper) != 0) | (np.diff(lower) != 0)
    pairs = (upper[is_new], lower[is_new])
    size = int(runs[-1, -1]) + 1
    graph = coo_array((np.ones(len(pairs[0]), np.bool_), pairs), (size, size))
    labels = _renumbered(connected_components(graph, directed=False)[1])
    return labels[runs], int(labels.max()) + 1


def _renumbered(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """The same partition, its classes numbered by their first members."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first)).astype(np.int32)[inverse]


def _links(grid: NDArray[np.integer], parts: NDArray[np.int32]) -> Iterator[_Link]:
    """Say which parts of one color touch across the first row, and across the first column."""
    for axis in (0, 1):
        lines = [np.take(values, k, axis) for values in (grid, parts) for k in (-1, 0)]
        is_same = lines[0] == lines[1]
        pairs = np.stack(lines[2:], axis=1)[is_same]
        yield from ((before, behind, axis) for before, behind in pairs.tolist())


def _spread(
    num_parts: int, links: Sequence[_Link]
) -> tuple[NDArray[np.int64], NDArray[np.int64], dict[int, set[_Period]]]:
    """Walk from part to part over the links.

    Returns
    -------
    first : (p,) int64
        The first of all parts that are linked with each, directly or through others.
    periods : (p, 2) int64
        Periods walked from there.
    windings : dict
        First part -> periods, not (0, 0), of closed walks: they generate those of all.
    """
    steps = defaultdict(list)
    for before, behind, axis in links:
        steps[before].append((behind, axis, 1))
        steps[behind].append((before, axis, -1))
    first, periods = np.arange(num_parts), np.zeros((num_parts, 2), np.int64)
    walked: dict[int, _Period] = {}
    windings = defaultdict(set)
    for start in sorted(steps):
        queue = deque([] if start in walked else [start])
        walked.setdefault(start, (0, 0))
        while queue:
            part = queue.popleft()
            for other, axis, sign in steps[part]:
                a, b = walked[part]
                there = (a, b + sign) if axis else (a + sign, b)
                if other not in walked:
                    walked[other], first[other], periods[other] = there, start, there
                    queue.append(other)
                c, d = walked[other]
                if there != (c, d):
                    windings[start].add((there[0] - c, there[1] - d))
    return first, periods, windings


def _cut(windings: Sequence[_Period]) -> tuple[bool, bool]:
    """Choose the axes to cut across, so that closed walks that are left do not wrap."""
    if not windings:
        return False, False
    (a, b), *others = windings
    if any(a * d != b * c for c, d in others):
        return True, True
    return a != 0, a == 0
