"""Distances between polygons in floats, compiled: bounds that leave few pairs to exact numbers.

Boundaries are cut into chains of at most 16 edges, each with its box, so that most pairs of edges
are never looked at. The largest distance of two polygons is one of vertices of their convex hulls,
the smallest, if their interiors are disjoint, one of a vertex and an edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.polygons.compiled_norms import (
    inner,
    least_on_segment,
    norm_value,
    outer,
)

__all__ = ["TileArrays", "close_pairs", "far_vertices", "near_edges", "tile_arrays"]

CHAIN = 16
"""Edges of a chain."""
_ROUNDING = 1e-15
"""More than the relative error of a determinant of differences of floats."""


class TileArrays(NamedTuple):
    """Polygons in floats.

    Attributes
    ----------
    points, starts
        (V, 2) vertices; those of tile t are starts[t] to starts[t + 1].
    boxes
        (T, 4): x and y from below, x and y from above.
    hull, hull_starts
        (H, 2) vertices of the convex hulls, and (T + 1,).
    chains, chain_starts
        (C, 4) boxes of chains of edges, and (T + 1,).
    """

    points: NDArray[np.float64]
    starts: NDArray[np.int64]
    boxes: NDArray[np.float64]
    hull: NDArray[np.float64]
    hull_starts: NDArray[np.int64]
    chains: NDArray[np.float64]
    chain_starts: NDArray[np.int64]


def tile_arrays(polygons: Sequence[NDArray[np.float64]]) -> TileArrays:
    """Arrays of polygons (n, 2)."""
    hulls = [_hull(polygon) for polygon in polygons]
    chains = [_chain_boxes(polygon) for polygon in polygons]
    return TileArrays(
        np.concatenate(polygons),
        _starts(polygons),
        np.array([[*polygon.min(axis=0), *polygon.max(axis=0)] for polygon in polygons]),
        np.concatenate(hulls),
        _starts(hulls),
        np.concatenate(chains),
        _starts(chains),
    )


def _starts(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.int64]:
    return np.cumsum([0, *map(len, parts)]).astype(np.int64)


def _chain_boxes(polygon: NDArray[np.float64]) -> NDArray[np.float64]:
    closed = np.concatenate([polygon, polygon[:1]])
    parts = [closed[i : i + CHAIN + 1] for i in range(0, len(polygon), CHAIN)]
    return np.array([[*part.min(axis=0), *part.max(axis=0)] for part in parts])


def _hull(polygon: NDArray[np.float64]) -> NDArray[np.float64]:
    """Vertices of the convex hull, by Andrew's monotone chain, and maybe points close to it."""
    points = polygon[np.lexsort((polygon[:, 1], polygon[:, 0]))].tolist()
    return np.array(_half_hull(points) + _half_hull(points[::-1]))


def _half_hull(points: list[list[float]]) -> list[list[float]]:
    hull: list[list[float]] = []
    for x, y in points:
        while len(hull) > 1:
            (a, b), (c, d) = hull[-2:]
            error = _ROUNDING * (abs(c - a) + abs(d - b)) * (abs(x - a) + abs(y - b))
            if (c - a) * (y - b) - (d - b) * (x - a) >= -error:
                break
            hull.pop()
        hull.append([x, y])
    return hull[:-1]


@inner
def _box_gap(a, i, b, j, dx, dy):
    """Euclidean distance of box i of a and box j of b, moved."""
    x = max(0.0, b[j, 0] + dx - a[i, 2], a[i, 0] - b[j, 2] - dx)
    y = max(0.0, b[j, 1] + dy - a[i, 3], a[i, 1] - b[j, 3] - dy)
    return np.sqrt(x * x + y * y)


@inner
def _point_gap(x, y, boxes, i):
    """Euclidean distance of a point and box i."""
    x = max(0.0, boxes[i, 0] - x, x - boxes[i, 2])
    y = max(0.0, boxes[i, 1] - y, y - boxes[i, 3])
    return np.sqrt(x * x + y * y)


@inner
def _box_reach(a, i, b, j, dx, dy):
    """Largest Euclidean distance of points of box i of a and box j of b, moved."""
    x = max(b[j, 2] + dx - a[i, 0], a[i, 2] - b[j, 0] - dx)
    y = max(b[j, 3] + dy - a[i, 1], a[i, 3] - b[j, 1] - dy)
    return np.sqrt(x * x + y * y)


@inner
def _largest(tiles, s, t, dx, dy, norm):
    best = 0.0
    for i in range(tiles.hull_starts[s], tiles.hull_starts[s + 1]):
        x, y = tiles.hull[i, 0] - dx, tiles.hull[i, 1] - dy
        for j in range(tiles.hull_starts[t], tiles.hull_starts[t + 1]):
            best = max(best, norm_value(tiles.hull[j, 0] - x, tiles.hull[j, 1] - y, norm))
    return best


@inner
def _edge(tiles, t, i):
    """Ends of the edge of tile t that starts at its vertex i."""
    start, stop = tiles.starts[t], tiles.starts[t + 1]
    j = start + i
    k = j + 1 if j + 1 < stop else start
    return tiles.points[j, 0], tiles.points[j, 1], tiles.points[k, 0], tiles.points[k, 1]


@inner
def _least_of_chains(tiles, s, m, t, n, dx, dy, norm, best):
    """Smaller of `best` and the least distance of chains m of tile s and n of tile t, moved."""
    stop_s = min((m + 1) * CHAIN, tiles.starts[s + 1] - tiles.starts[s])
    stop_t = min((n + 1) * CHAIN, tiles.starts[t + 1] - tiles.starts[t])
    for i in range(m * CHAIN, stop_s):
        ax, ay, bx, by = _edge(tiles, s, i)
        ax, ay, bx, by = ax - dx, ay - dy, bx - dx, by - dy
        for j in range(n * CHAIN, stop_t):
            cx, cy, ex, ey = _edge(tiles, t, j)
            best = min(best, least_on_segment(cx - ax, cy - ay, ex - ax, ey - ay, norm))
            best = min(best, least_on_segment(ax - cx, ay - cy, bx - cx, by - cy, norm))
    return best


@inner
def _least(tiles, s, t, dx, dy, norm, best, stop):
    """Smaller of `best` and the least distance of tile s and tile t, moved; any value < stop."""
    first, last = tiles.chain_starts[s], tiles.chain_starts[s + 1]
    other, end = tiles.chain_starts[t], tiles.chain_starts[t + 1]
    for m in range(first, last):
        if _box_gap(tiles.chains, m, tiles.boxes, t, dx, dy) >= best * norm.outer_radius:
            continue
        for n in range(other, end):
            if _box_gap(tiles.chains, m, tiles.chains, n, dx, dy) < best * norm.outer_radius:
                best = _least_of_chains(tiles, s, m - first, t, n - other, dx, dy, norm, best)
                if best < stop:
                    return best
    return best


@inner
def _examine(tiles, s, t, dx, dy, is_same, limits, norm, is_complete):
    """Least and largest distance of two tiles, if those may meet (low, high); else (0, -1)."""
    low, high, margin = limits
    gap = _box_gap(tiles.boxes, s, tiles.boxes, t, dx, dy) / norm.outer_radius
    span = _box_reach(tiles.boxes, s, tiles.boxes, t, dx, dy) / norm.inner_radius
    if gap >= high + margin or span <= low - margin:
        return 0.0, -1.0
    largest = _largest(tiles, s, t, dx, dy, norm)
    if largest <= low - margin:
        return 0.0, -1.0
    least = 0.0
    if not is_same:
        stop = -1.0 if is_complete else high - margin
        least = _least(tiles, s, t, dx, dy, norm, high + margin, stop)
        if least >= high + margin:
            return 0.0, -1.0
    return least, largest


@outer
def close_pairs(tiles, members, ranges, move, limits, norm, is_complete, rows, bounds):
    """Pairs of tiles, one of them moved, whose distances may meet a forbidden interval.

    Parameters
    ----------
    tiles
        `TileArrays`.
    members
        (m,) tiles of one color.
    ranges
        (m, 2): for each member a the first and the last b + 1 of those to compare with it.
    move
        (2,): the translation of the other tile.
    limits
        Ends of the forbidden interval, and more than the error of any distance.
    norm
        `CompiledNorm`.
    is_complete
        Whether all pairs are wanted, with their least distances; otherwise the search ends with
        the first pair that certainly conflicts, and least distances are any below the interval.
    rows, bounds
        (h, 2) to write to: both tiles, and their least and largest distance.

    Returns
    -------
    int
        How many were found; only the first h are written.
    bool
        Whether the search ended early.
    """
    low, high, margin = limits
    count, dx, dy = 0, move[0], move[1]
    is_home = dx == 0.0 and dy == 0.0
    for a in range(members.size):
        for b in range(ranges[a, 0], ranges[a, 1]):
            is_same = is_home and a == b
            least, largest = _examine(
                tiles, members[a], members[b], dx, dy, is_same, limits, norm, is_complete
            )
            if largest < 0.0:
                continue
            if count < rows.shape[0]:
                rows[count, 0], rows[count, 1] = members[a], members[b]
                bounds[count, 0], bounds[count, 1] = least, largest
            count += 1
            if not is_complete and largest > low + margin and least < high - margin:
                return count, True
    return count, False


@outer
def far_vertices(tiles, s, t, dx, dy, norm, bound, rows, values):
    """Vertices of tile s and of tile t, moved, at distances of at least `bound`.

    Returns as `close_pairs`; their numbers are written to `rows` (h, 2), nothing to `values`.
    """
    count = 0
    for i in range(tiles.starts[s], tiles.starts[s + 1]):
        x, y = tiles.points[i, 0] - dx, tiles.points[i, 1] - dy
        for j in range(tiles.starts[t], tiles.starts[t + 1]):
            if norm_value(tiles.points[j, 0] - x, tiles.points[j, 1] - y, norm) >= bound:
                if count < rows.shape[0]:
                    rows[count, 0], rows[count, 1] = i - tiles.starts[s], j - tiles.starts[t]
                count += 1
    return count, False


@outer
def near_edges(tiles, s, t, dx, dy, norm, bound, rows, values):
    """Vertices of tile s and edges of tile t, moved, at distances of at most `bound`.

    Returns as `close_pairs`; their numbers in their tiles are written to `rows` (h, 2), their
    distances, from below, to `values` (h, 1).
    """
    count = 0
    for m in range(tiles.starts[s], tiles.starts[s + 1]):
        x, y = tiles.points[m, 0] - dx, tiles.points[m, 1] - dy
        for n in range(tiles.chain_starts[t], tiles.chain_starts[t + 1]):
            if _point_gap(x, y, tiles.chains, n) > bound * norm.outer_radius:
                continue
            start = (n - tiles.chain_starts[t]) * CHAIN
            stop = min(start + CHAIN, tiles.starts[t + 1] - tiles.starts[t])
            for j in range(start, stop):
                ax, ay, bx, by = _edge(tiles, t, j)
                value = least_on_segment(ax - x, ay - y, bx - x, by - y, norm)
                if value > bound:
                    continue
                if count < rows.shape[0]:
                    rows[count, 0], rows[count, 1] = m - tiles.starts[s], j
                    values[count, 0] = value
                count += 1
    return count, False
