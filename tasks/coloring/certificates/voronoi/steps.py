"""Steps between Voronoi cells of a lattice at which two cells can hold a forbidden distance."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import sqrt
from operator import mul

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.distances import Interval
from tasks.coloring.certificates.enumeration import points_between
from tasks.coloring.certificates.lattices import Lattice, Vector, combination
from tasks.coloring.certificates.norms import BAND, Euclidean, Norm
from tasks.coloring.certificates.voronoi.cells import VoronoiCell

__all__ = ["conflicting_steps", "realised_lengths"]

_CHUNK = 100_000

Integers = tuple[int, ...]
Ints = NDArray[np.int64]


@lru_cache(maxsize=32)
def conflicting_steps(
    basis: Lattice, interval: Interval, norm: Norm, is_closed: bool = False
) -> tuple[Integers, ...]:
    """Steps between cells that may hold a distance of an interval, one of each pair v, -v.

    They are coordinates in the basis, and kept for the next call.
    """
    reduced, rows = basis.reduced()
    cell = _cell_of(basis)
    size = float(np.linalg.norm(cell.float_vertices, axis=1).max())
    (low, high), (inner, outer) = interval.floats, norm.radii
    nearby = points_between(reduced.floats, max(low * inner - size, 0.0), high * outer + size)
    found, columns = [], list(zip(*rows, strict=True))
    for part in np.array_split(nearby, len(nearby) // _CHUNK + 1):
        for step, is_certain in _close_steps(cell, reduced, part, (low * inner, high * outer)):
            center = combination(step, reduced.vectors)
            is_sure = is_certain and isinstance(norm, Euclidean)
            if is_sure or _conflicts(cell, center, interval, norm, is_closed):
                found.append(tuple(sum(map(mul, step, column)) for column in columns))
    return tuple(found)


def _close_steps(
    cell: VoronoiCell, reduced: Lattice, steps: Ints, bounds: tuple[float, float]
) -> Iterator[tuple[list[int], bool]]:
    """Half of the steps at which Euclidean lengths may be between bounds, and if they are."""
    low, high = bounds
    centers, lengths = steps @ reduced.floats, np.linalg.norm(cell.float_normals, axis=1)
    least = (centers @ (cell.float_normals / lengths[:, None]).T - lengths).max(axis=1)
    corners = np.linalg.norm(centers[:, None, :] + cell.float_vertices, axis=2)
    nearest, largest = corners.min(axis=1), corners.max(axis=1)
    margin = BAND * (largest + high)
    is_close = (least < high + margin) & (largest > low - margin)
    is_certain = (nearest < high - margin) & (largest > low + margin)
    for i in np.flatnonzero(is_close):
        step = steps[i].tolist()
        if step >= [0] * len(step):
            yield step, bool(is_certain[i])


@lru_cache(maxsize=8)
def _cell_of(basis: Lattice) -> VoronoiCell:
    return VoronoiCell.of(basis)


def realised_lengths(basis: Lattice, step: Integers, norm: Norm) -> tuple[float, float]:
    """Bounds of the lengths of differences of two cells a step apart, rounded.

    The lower one is exact in the Euclidean norm; in others it is that of vertices and edges of the
    cells to a relative 1e-3, for messages.
    """
    cell, center = _cell_of(basis), combination(step, basis.vectors)
    place = np.array([float(x) for x in center])
    largest = max(norm.length(place + vertex) for vertex in cell.float_vertices)
    if cell.holds(center):
        return 0.0, largest
    if isinstance(norm, Euclidean):
        return sqrt(float(cell.least_square(center))), largest
    parts = np.linspace(0.0, 1.0, 1001)[:, None]
    ends = (np.array([[float(x) for x in point] for point in edge]) for edge in cell.edges)
    points = np.concatenate([place + (1 - parts) * start + parts * end for start, end in ends])
    return min(norm.length(point) for point in points), largest


def _conflicts(
    cell: VoronoiCell, center: Vector, interval: Interval, norm: Norm, is_closed: bool
) -> bool:
    """Whether a length on center + 2 V may lie in an interval, ends excluded if half-open."""
    limit = 0 if is_closed else 1
    signs = (norm.sign(_moved(center, vertex), interval.low) for vertex in cell.vertices)
    if not any(sign is None or sign >= limit for sign in signs):
        return False
    if cell.holds(center):
        return True
    if isinstance(norm, Euclidean):
        return (interval.high.square - cell.least_square(center)).sign >= limit
    moved = ((_moved(center, start), _moved(center, end)) for start, end in cell.edges)
    signs = (norm.segment_sign(*ends, interval.high) for ends in moved)
    return any(sign is None or -sign >= limit for sign in signs)


def _moved(center: Vector, point: Vector) -> Vector:
    return combination([1, 1], [center, point])
