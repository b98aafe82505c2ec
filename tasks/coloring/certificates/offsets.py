"""The exact mask: offsets of cells at which a forbidden distance can be held.

An offset d in Z^n can hold a distance of [lo, hi] iff min < hi and max > lo, where the differences
of two cells at this offset have the norms (min, max). It is any integer vector, not only one modulo
the shape: on the torus, d and d + (m_1, 0) belong to the same cells, but to other translates.

Floats decide outside a relative band of 1e-11 around both bounds, exact numbers within it. Of
p-norms other than 1 and 2 some offsets in the band stay undecided; they count as if they could hold
the distance, so that a coloring that is accepted is proper all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.distances import Interval
from tasks.coloring.certificates.enumeration import points_between
from tasks.coloring.certificates.extents import Enclosure, extents_of
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.certificates.norms import BAND, Euclidean, Norm
from tasks.records import InputError
from tasks.records.errors import shortened

__all__ = ["MAX_CELLS", "check_shape", "conflict_offsets", "realised_interval", "residues"]

MAX_CELLS = 1 << 26
"""Cells of a grid; to count their pairs takes 28 bytes for each."""
_CHUNK = 1 << 17
_LARGEST = 1e15
"""Cells may be so many times longer than the forbidden distance."""

Ints = NDArray[np.int64]


def conflict_offsets(
    lattice: Lattice, shape: Sequence[int], interval: Interval, norm: Norm | None = None
) -> Ints:
    """All offsets (q, n) at which two cells can hold a distance of the interval, sorted.

    Cells are those of a grid of this shape on the torus R^n / lattice. The array is read-only and
    kept for the next call; it holds -d with every d. It holds d = 0 where a cell holds such a
    distance itself.

    Raises
    ------
    InputError
        If the shape does not fit the lattice, the norm does not exist in this dimension, or there
        are too many offsets.
    """
    checked = check_shape(shape, lattice.dimension)
    return _conflict_offsets(lattice, checked, interval, Euclidean() if norm is None else norm)


@lru_cache(maxsize=32)
def _conflict_offsets(
    lattice: Lattice, shape: tuple[int, ...], interval: Interval, norm: Norm
) -> Ints:
    norm.check_dimension(lattice.dimension)
    cells = lattice.divided(shape)
    offsets, centers = _candidates(cells, interval, norm)
    extents = extents_of(cells, norm, interval)
    kept = []
    for start in range(0, len(offsets), _CHUNK):
        d, x = offsets[start : start + _CHUNK], centers[start : start + _CHUNK]
        yes, undecided = _decided(extents.enclosure(d, x), interval)
        yes[undecided] = extents.conflicts(d[undecided])
        kept.append(d[yes])
    found = np.concatenate([np.zeros((0, lattice.dimension), dtype=np.int64), *kept])
    found = found[np.lexsort(found.T[::-1])]
    found.setflags(write=False)
    return found


def _candidates(cells: Lattice, interval: Interval, norm: Norm) -> tuple[Ints, NDArray[np.float64]]:
    """Offsets that may conflict and their centers, by the distance of these from the origin."""
    low, high = interval.floats
    inner, outer = norm.radii
    if not np.abs(cells.floats).max() < _LARGEST * high * outer:
        raise InputError("the cells are too large for a decision in floats: choose more cells")
    reach = float(np.linalg.norm(cells.floats, axis=1).sum())
    basis, transform = cells.reduced()
    points = points_between(basis.floats, inner * low - reach, outer * high + reach)
    return points @ np.array(transform, dtype=np.int64), points @ basis.floats


def _decided(found: Enclosure, interval: Interval) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which offsets conflict for certain, and which are not decided."""
    low, high = interval.floats
    error = BAND * (found.scale + high)
    yes = (found.least_high + error < high) & (found.greatest - error > low)
    no = (found.least_low - error > high) | (found.greatest + error < low)
    return yes, ~(yes | no)


def realised_interval(
    lattice: Lattice, shape: Sequence[int], offset: Sequence[int], norm: Norm, interval: Interval
) -> tuple[float, float]:
    """The bounds of the open interval of distances that cells at an offset hold, rounded.

    They are accurate near the forbidden interval; elsewhere, in p-norms, they may be too wide.
    """
    cells = lattice.divided(check_shape(shape, lattice.dimension))
    d = np.array([offset], dtype=np.int64)
    found = extents_of(cells, norm, interval).enclosure(d, d @ cells.floats)
    return float(found.least_high[0]), float(found.greatest[0])


def residues(offsets: Ints, shape: Sequence[int]) -> Ints:
    """The offsets modulo the shape, each once, as flat indices of the grid, sorted."""
    wrapped = np.mod(offsets, np.array(shape, dtype=np.int64))
    return np.unique(np.ravel_multi_index(tuple(wrapped.T), tuple(shape)))


def check_shape(shape: Sequence[int], dimension: int) -> tuple[int, ...]:
    """The shape of a grid, checked.

    Raises
    ------
    InputError
        If it is not one positive integer per dimension, or has more than `MAX_CELLS` cells.
    """
    given = tuple(shape)
    if not all(isinstance(m, int | np.integer) and m > 0 for m in given) or len(given) != dimension:
        raise InputError(
            f"a grid on a lattice of dimension {dimension} has {dimension} positive numbers of "
            f"cells, not {shortened(given)}"
        )
    if prod(map(int, given)) > MAX_CELLS:
        raise InputError(f"a grid has at most {MAX_CELLS} cells, not {prod(map(int, given))}")
    return tuple(map(int, given))
