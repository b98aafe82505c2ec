"""The conflict graph of the cells of a torus, and colorings of a part of them.

Vertices are the cells; in color c, cells i and j are joined if j - i is an offset that can hold a
distance that c forbids.  A coloring in which no color holds both ends of an edge is proper; cells
without a color are removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gpu.torus_conflicts import conflict_runs, insert_free, recolor, remove_conflicts
from tasks.coloring.certificates.counts import partner_counts, spectrum_of_offsets
from tasks.coloring.certificates.distances import Forbidden
from tasks.coloring.certificates.grids import REMOVED, as_grid, check_colors
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.certificates.norms import Norm
from tasks.coloring.certificates.offsets import check_shape, conflict_offsets, residues
from tasks.records import InputError

__all__ = ["ConflictGraph", "KernelGraph", "PartialColoring", "conflict_graph"]

BARRED = 2**14
"""Added to the counts where a color is not allowed, so that no search takes it."""
Ints = NDArray[np.integer]
KernelGraph = tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class ConflictGraph:
    """Which cells of a torus conflict, color by color.

    Attributes
    ----------
    shape
        Cells along each vector of the lattice.
    places
        For each kind of color the flat indices, sorted, of the cells that conflict with cell 0.
    kinds
        For each color its kind: colors that forbid the same distances are of one.

    Raises
    ------
    InputError
        If a cell conflicts with itself.
    """

    shape: tuple[int, ...]
    places: tuple[NDArray[np.int64], ...]
    kinds: tuple[int, ...]

    def __post_init__(self) -> None:
        for color, kind in enumerate(self.kinds):
            if (self.places[kind] == 0).any():
                raise InputError(
                    f"a cell of the grid {'x'.join(map(str, self.shape))}, or a cell and its own "
                    f"translate, holds a distance that color {color} forbids: choose more cells or "
                    "longer lattice vectors"
                )

    @property
    def num_colors(self) -> int:
        """k."""
        return len(self.kinds)

    @property
    def num_cells(self) -> int:
        """N."""
        return prod(self.shape)

    @cached_property
    def kernel(self) -> KernelGraph:
        """Runs, their beginnings and ends by color, and three sizes (see `gpu.torus_conflicts`)."""
        offsets = (np.column_stack(np.unravel_index(own, self.shape)) for own in self.places)
        runs = [conflict_runs(own, self.shape) for own in offsets]
        ends = np.cumsum([len(own) for own in runs])[list(self.kinds)]
        sizes = np.array((1,) * (3 - len(self.shape)) + self.shape)
        begins = ends - np.array([len(runs[kind]) for kind in self.kinds])
        return np.concatenate(runs), begins, ends, sizes

    def counts(self, grid: NDArray[np.uint8]) -> Ints:
        """How many cells of each color every cell conflicts with, (k, N)."""
        grid = grid.reshape(self.shape)
        most = max(map(len, self.places))
        counts = np.empty((self.num_colors, grid.size), np.int16 if most < BARRED else np.int32)
        for kind, places in enumerate(self.places):
            spectrum = spectrum_of_offsets(self.shape, places)
            for color in np.flatnonzero(np.equal(self.kinds, kind)):
                counts[color] = partner_counts(grid == color, places, spectrum).ravel()
        return counts


def conflict_graph(
    lattice: Lattice, shape: Sequence[int], forbidden: Forbidden, norm: Norm | None = None
) -> ConflictGraph:
    """The conflict graph of a grid on the torus R^n / lattice.

    Raises
    ------
    InputError
        If the shape does not fit the lattice, or a cell conflicts with itself.
    """
    checked = check_shape(shape, lattice.dimension)
    different = list(dict.fromkeys(forbidden.intervals))
    places = []
    for intervals in different:
        offsets = [conflict_offsets(lattice, checked, interval, norm) for interval in intervals]
        places.append(residues(np.concatenate(offsets), checked))
    kinds = tuple(different.index(intervals) for intervals in forbidden.intervals)
    return ConflictGraph(checked, tuple(places), kinds)


@dataclass(frozen=True, eq=False)
class PartialColoring:
    """A proper coloring of some cells, with its counts; searches change both in place.

    Attributes
    ----------
    graph
        Of the torus.
    colors : (N,) uint8
        Colors 0 to k - 1, or `REMOVED`.
    counts : (k, N) integers
        How many cells of each color a cell conflicts with; `BARRED` more where it may not have it.
    """

    graph: ConflictGraph
    colors: NDArray[np.uint8]
    counts: Ints

    @classmethod
    def of(
        cls, graph: ConflictGraph, grid: ArrayLike, allowed: NDArray[np.bool_] | None = None
    ) -> PartialColoring:
        """Remove cells of a grid until no two conflict, the most conflicting first; then insert.

        Parameters
        ----------
        graph
            Of the torus.
        grid
            Colors from 0, and `REMOVED`.
        allowed : (k, m_1, ..., m_n) bool, optional
            Which colors a cell may have; searches change no cell to another.

        Raises
        ------
        InputError
            If the grid has another shape, or a color that does not exist or is not allowed.
        """
        cells = as_grid(grid, len(graph.shape))
        check_colors(cells, graph.num_colors)
        if cells.shape != graph.shape:
            raise InputError(
                f"a grid of shape {cells.shape} was given for a torus of {graph.shape} cells: "
                "both must be equal"
            )
        coloring = cls(graph, cells.flatten(), graph.counts(cells))
        remove_conflicts(coloring.colors, coloring.counts, graph.kernel)
        if allowed is not None:
            coloring.bar(~allowed.reshape(graph.num_colors, -1))
        coloring.insert_free()
        return coloring

    def bar(self, colors: NDArray[np.bool_]) -> None:
        """Forbid colors, (k, N), of single cells.

        Raises
        ------
        InputError
            If a cell has such a color.
        """
        own = np.flatnonzero(self.colors != REMOVED)
        if colors[self.colors[own], own].any():
            raise InputError("a cell has a color that is not allowed there: change the grid first")
        self.counts[colors] += BARRED

    @property
    def grid(self) -> NDArray[np.uint8]:
        """The colors in the shape of the torus; a view."""
        return self.colors.reshape(self.graph.shape)

    @property
    def removed_cells(self) -> NDArray[np.int64]:
        """Numbers of the cells without a color, rising."""
        return np.flatnonzero(self.colors == REMOVED)

    @property
    def removed(self) -> Fraction:
        """The part of the cells that have no color."""
        return Fraction(int(np.count_nonzero(self.colors == REMOVED)), len(self.colors))

    def insert_free(self) -> int:
        """Color removed cells, in their order, with the first color that fits; how many."""
        return insert_free(self.colors, self.counts, self.graph.kernel, self.removed_cells)

    def change_to(self, colors: NDArray[np.uint8]) -> None:
        """Become another coloring of the same cells, at the cost of the cells that differ."""
        for cell in np.flatnonzero(self.colors != colors):
            recolor(self.colors, self.counts, self.graph.kernel, cell, int(colors[cell]))
