"""The exact score of a grid of colors: what search loops ask after every few steps.

For the color c let D_c be its conflict offsets modulo the shape, a symmetric set. The cells i and
i + d, d in D_c, both of color c, conflict; with d = 0 a cell conflicts with a translate of itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.coloring.certificates.counts import partner_counts, spectrum_of_offsets
from tasks.coloring.certificates.distances import Forbidden, Interval, parse_distances
from tasks.coloring.certificates.grids import REMOVED, as_grid, num_colors_of
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.certificates.norms import Euclidean, Norm
from tasks.coloring.certificates.offsets import conflict_offsets, residues
from tasks.records import InputError

__all__ = ["Score", "check_cells", "score"]

_MAX_KEPT_CELLS = 1 << 21
"""Transforms of larger grids are not kept; those of a color take 4 bytes a cell."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Score:
    """What a grid of colors is worth.

    Attributes
    ----------
    removed
        The share of removed cells.
    conflicts
        The number of unordered pairs {i, j} of cells that conflict; a cell that conflicts with a
        translate of itself counts once.
    per_color
        The same for every color.
    point_rate
        The number of cells that are in a conflict, divided by that of all cells.
    pair_rate
        Of all ordered pairs (i, i + d), i any cell and d in the union of the D_c, the share that
        conflicts.
    is_proper
        Whether nothing conflicts.
    """

    removed: Fraction
    conflicts: int
    per_color: tuple[int, ...]
    point_rate: float
    pair_rate: float
    is_proper: bool


@dataclass(frozen=True)
class _Mask:
    """The offsets D_c of colors with the same forbidden intervals.

    Attributes
    ----------
    places
        As flat indices of the grid, sorted.
    spectrum
        The transform of their indicator.
    """

    places: Ints
    spectrum: NDArray[np.float64]

    @property
    def holds_zero(self) -> bool:
        """Whether cells conflict with translates of themselves."""
        return len(self.places) > 0 and self.places[0] == 0


Masks = dict[tuple[Interval, ...], _Mask]


@dataclass(frozen=True)
class _Count:
    """Ordered pairs of one color that conflict, those of a cell with itself, and cells in them."""

    ordered: int
    selves: int
    cells: int

    @property
    def unordered(self) -> int:
        return (self.ordered + self.selves) // 2


def score(
    grid: ArrayLike,
    lattice: object,
    distances: object = None,
    *,
    norm: Norm | None = None,
    num_colors: int | None = None,
) -> Score:
    """Score a grid of colors exactly.

    The offsets and transforms of a lattice, shape and distances are kept for the next call.

    Parameters
    ----------
    grid
        Integers (m_1, ..., m_n): colors from 0, and `REMOVED` = 255.
    lattice
        A `Lattice`, or its n vectors as texts or numbers (0.1 is 1/10).
    distances
        What `parse_distances` reads; 1 for all colors unless given.
    norm
        The Euclidean one unless another is given.
    num_colors
        k; unless given, that of the distances if these are a list, else one more than the largest
        color.

    Raises
    ------
    InputError
        If the grid has other values or does not fit the lattice, the distances do not fit the
        colors, or a cell holds a forbidden distance itself.

    >>> checkerboard = score([[0, 1], [1, 0]], [["1", "0"], ["0", "1"]], "sqrt(1/2)")
    >>> checkerboard.conflicts, checkerboard.is_proper
    (4, False)
    """
    checked = lattice if isinstance(lattice, Lattice) else Lattice.parse(lattice)
    cells = as_grid(grid, checked.dimension)
    forbidden = parse_distances(distances, num_colors_of(cells, distances, num_colors))
    masks = _masks_of(checked, cells.shape, forbidden, Euclidean() if norm is None else norm)
    counts = [
        _count(cells == color, masks[intervals])
        for color, intervals in enumerate(forbidden.intervals)
    ]
    places = {mask.places.tobytes(): mask.places for mask in masks.values()}
    union = np.unique(np.concatenate(list(places.values())))
    ordered = sum(count.ordered for count in counts)
    return Score(
        removed=Fraction(int(np.count_nonzero(cells == REMOVED)), cells.size),
        conflicts=sum(count.unordered for count in counts),
        per_color=tuple(count.unordered for count in counts),
        point_rate=sum(count.cells for count in counts) / cells.size,
        pair_rate=ordered / (cells.size * max(1, len(union))),
        is_proper=ordered == 0,
    )


def _count(members: NDArray[np.bool_], mask: _Mask) -> _Count:
    partners = partner_counts(members, mask.places, mask.spectrum)[members]
    selves = len(partners) if mask.holds_zero else 0
    return _Count(int(partners.sum()), selves, int(np.count_nonzero(partners)))


def _masks_of(lattice: Lattice, shape: tuple[int, ...], forbidden: Forbidden, norm: Norm) -> Masks:
    if prod(shape) > _MAX_KEPT_CELLS:
        return _masks(lattice, shape, forbidden, norm)
    return _kept_masks(lattice, shape, forbidden, norm)


def _masks(lattice: Lattice, shape: tuple[int, ...], forbidden: Forbidden, norm: Norm) -> Masks:
    check_cells(lattice, shape, forbidden, norm)
    masks = {}
    for intervals in dict.fromkeys(forbidden.intervals):
        offsets = [conflict_offsets(lattice, shape, interval, norm) for interval in intervals]
        places = residues(np.concatenate(offsets), shape)
        masks[intervals] = _Mask(places, spectrum_of_offsets(shape, places))
    return masks


_kept_masks = lru_cache(maxsize=8)(_masks)


def check_cells(
    lattice: Lattice, shape: Sequence[int], forbidden: Forbidden, norm: Norm | None = None
) -> None:
    """Check that cells are so small that none holds a forbidden distance of some color itself.

    Raises
    ------
    InputError
        If they are not, or do not fit the lattice.
    """
    for interval in {i for intervals in forbidden.intervals for i in intervals}:
        offsets = conflict_offsets(lattice, shape, interval, norm)
        if (offsets == 0).all(axis=1).any():
            raise InputError(
                f"a cell of the grid {'x'.join(map(str, shape))} holds the forbidden distance "
                f"{interval} itself: choose more cells"
            )
