"""Which cells are in conflict: of a given grid, or of what a search found, on a finer grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.counts import conflicting_cells
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.certificates.offsets import conflict_offsets
from tasks.coloring.construction.grids.upsampling import discretise, near_square_shape, upsample
from tasks.coloring.fields import Field
from tasks.coloring.problem import Problem, named_norm

__all__ = ["MarkedGrid", "marked_grid"]

_CELLS = 320
"""Along a side, about, of what a search found."""


@dataclass(frozen=True, eq=False)
class MarkedGrid:
    """A grid with marks on the cells that are in conflict.

    Attributes
    ----------
    grid : (m_1, ..., m_n) uint8
        Colors, and 255 for removed cells.
    lattice : Lattice
    marks : (m_1, ..., m_n) bool
    """

    grid: NDArray[np.uint8]
    lattice: Lattice
    marks: NDArray[np.bool_]


def marked_grid(field: Field, problem: Problem) -> MarkedGrid:
    """The likeliest colors of a field, before any repair, and where they conflict."""
    lattice = Lattice.from_words(field.lattice)
    grid = field.values
    if not field.is_grid:
        shape = near_square_shape(lattice, _CELLS**lattice.dimension)
        finer = [max(m, s) for m, s in zip(shape, grid.shape[1:], strict=True)]
        grid = discretise(upsample(grid, finer), problem.num_colors)
    norm = named_norm(problem.norm, problem.dimension)
    offsets = [
        np.concatenate([conflict_offsets(lattice, grid.shape, each, norm) for each in own])
        for own in problem.forbidden.intervals
    ]
    return MarkedGrid(grid, lattice, conflicting_cells(grid, offsets))
