"""Colorings by the Voronoi cells of a lattice in R^2 or R^3.

The cell of a point b of the lattice B has the color of b modulo the period M, a sublattice of B.
The differences of two open cells at distance v form the open polytope v + 2 V, V the cell of the
origin, so two half-open cells hold a distance of [lo, hi] iff min < hi and max > lo for the least
and the largest length on v + 2 V.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.distances import Forbidden, Interval
from tasks.coloring.certificates.headers import BOUNDARIES, Header, canonical_digest
from tasks.coloring.certificates.lattices import Lattice, combination
from tasks.coloring.certificates.norms import Euclidean, Norm
from tasks.coloring.certificates.polygons.tiles import checked_tiles, read_color
from tasks.coloring.certificates.verification import Conflict, Verification
from tasks.coloring.certificates.voronoi.cosets import Cosets
from tasks.coloring.certificates.voronoi.steps import conflicting_steps, realised_lengths
from tasks.records import InputError
from tasks.records.errors import shortened

__all__ = ["VoronoiColoring", "verify_voronoi"]

Ints = NDArray[np.int64]
Integers = tuple[int, ...]
Rows = tuple[Integers, ...]


@dataclass(frozen=True)
class VoronoiColoring:
    """Voronoi cells of a lattice, periodic under a sublattice, each of one color or removed.

    Attributes
    ----------
    tiles
        A color from 0 to k - 1, or None if removed, and the coordinates of a point in the basis;
        the points are to be one of each coset of the period.
    basis
        Of the lattice B.
    period
        n integer rows: the period vectors in the basis.
    forbidden
        Intervals of distances of every color.
    norm
        That measures distances; the cells are those of the Euclidean norm.
    surd
        The n of the field Q(sqrt n) of all numbers; None if all are rational.
    boundary
        "half-open" or "closed".

    Raises
    ------
    InputError
        If shapes do not fit, the period is degenerate, its index is not the number of cells, or a
        color does not exist.
    """

    tiles: tuple[tuple[int | None, Integers], ...]
    basis: Lattice
    period: Rows
    forbidden: Forbidden
    norm: Norm = Euclidean()  # noqa: RUF009 - frozen
    surd: int | None = None
    boundary: str = "half-open"

    def __post_init__(self) -> None:
        n = self.basis.dimension
        if self.boundary not in BOUNDARIES:
            raise InputError(f"boundary is one of {', '.join(BOUNDARIES)}, not {self.boundary!r}")
        if len(self.period) != n or any(len(row) != n for row in self.period):
            raise InputError(f"the period of a lattice in R^{n} has {n} rows of {n} integers")
        if not self.tiles or any(len(point) != n for _, point in self.tiles):
            raise InputError(f"cells of a lattice in R^{n} have {n} coordinates; give at least one")
        colors = {color for color, _ in self.tiles if color is not None}
        if not colors <= set(range(self.forbidden.num_colors)):
            raise InputError(
                f"colors of cells are 0 to {self.forbidden.num_colors - 1}, or None for removed, "
                f"not {sorted(colors)}"
            )
        self.norm.check_dimension(n)
        if len(self.tiles) != self.cosets.index:
            raise InputError(
                f"{len(self.tiles)} cells for a period of index {self.cosets.index}: "
                "give one of each coset"
            )

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> VoronoiColoring:
        """Read the coloring of a certificate.

        Raises
        ------
        InputError
            If it has not the form of a certificate, the digest of its tiles does not match, or its
            lattice is not the period of its basis.
        """
        header, entry = Header.from_record(record), record["voronoi"]
        tiles = checked_tiles(entry, {"basis", "period", "tiles", "sha256"})
        coloring = cls(
            tuple(_tile(tile, header.forbidden.num_colors) for tile in tiles),
            Lattice.from_record(entry["basis"], header.surd),
            _integers(entry["period"]),
            header.forbidden,
            header.norm,
            header.surd,
            header.boundary,
        )
        if coloring.lattice.vectors != header.lattice.vectors:
            raise InputError("the lattice is not the period of the basis")
        return coloring

    def record(self) -> dict[str, Any]:
        """The key `voronoi` of a file: basis, period, cells and their digest."""
        tiles = [[color, list(point)] for color, point in self.tiles]
        return {
            "voronoi": {
                "basis": self.basis.texts(),
                "period": [list(row) for row in self.period],
                "tiles": tiles,
                "sha256": canonical_digest(tiles),
            }
        }

    @cached_property
    def cosets(self) -> Cosets:
        """The cosets of the period in the lattice."""
        return Cosets(self.period)

    @cached_property
    def lattice(self) -> Lattice:
        """The period vectors in R^n."""
        rows = tuple(combination(row, self.basis.vectors) for row in self.period)
        return Lattice(rows)

    @cached_property
    def removed(self) -> Fraction:
        """The removed fraction of space."""
        return Fraction(sum(color is None for color, _ in self.tiles), len(self.tiles))

    @property
    def is_closed(self) -> bool:
        """Whether any point of a boundary may have the color of any cell around it."""
        return self.boundary == "closed"

    def partition_fault(self) -> str | None:
        """Why the cells are not one of each coset; None if they are."""
        seen: dict[int, Integers] = {}
        for _, point in self.tiles:
            other = seen.setdefault(self.cosets.number(point), point)
            if other is not point:
                return f"no partition: the cells {list(other)} and {list(point)} are translates"
        return None

    def find(self, color: int, step: Integers) -> tuple[Integers, Integers] | None:
        """A cell of a color and the one that is a step away, if both have it; else None."""
        is_color, others = self._colors == color, self.cosets.moved(step)
        found = np.flatnonzero(is_color & is_color[others])
        if not len(found):
            return None
        return self._points[found[0]], self._points[others[found[0]]]

    @cached_property
    def _points(self) -> list[Integers]:
        points = {self.cosets.number(point): point for _, point in self.tiles}
        return [points[number] for number in range(self.cosets.index)]

    @cached_property
    def _colors(self) -> Ints:
        """The color of every coset, -1 for removed."""
        colors = np.full(self.cosets.index, -1, np.int64)
        for color, point in self.tiles:
            colors[self.cosets.number(point)] = -1 if color is None else color
        return colors


def _tile(record: object, num_colors: int) -> tuple[int | None, Integers]:
    """Read a cell of a file: its color and coordinates."""
    if not isinstance(record, list) or len(record) != 2:
        raise InputError(f"a cell is a pair of a color and coordinates, not {shortened(record)}")
    [point] = _integers([record[1]])
    return read_color(record[0], num_colors), point


def _integers(rows: object) -> Rows:
    """Read rows of integers of a file."""
    if not isinstance(rows, list) or not all(
        isinstance(row, list) and all(type(x) is int for x in row) for row in rows
    ):
        raise InputError(f"coordinates of cells are lists of integers, not {shortened(rows)}")
    return tuple(tuple(row) for row in rows)


def verify_voronoi(coloring: VoronoiColoring) -> Verification:
    """Prove that cells are one of each coset and no color holds a distance that it forbids.

    Raises
    ------
    InputError
        If a forbidden distance spans too many cells.
    """
    fault = coloring.partition_fault()
    if fault is not None:
        return Verification(False, fault, coloring.removed, 0)
    looked_at = 0
    for interval, colors in _colors_of(coloring.forbidden).items():
        steps = conflicting_steps(coloring.basis, interval, coloring.norm, coloring.is_closed)
        looked_at += len(steps)
        for color, step in product(colors, steps):
            cells = coloring.find(color, step)
            if cells is not None:
                realised = realised_lengths(coloring.basis, step, coloring.norm)
                conflict = Conflict(color, *cells, step, realised, interval)
                return Verification(False, str(conflict), coloring.removed, looked_at, conflict)
    summary = (
        f"{coloring.forbidden.num_colors} colors hold no forbidden distance: "
        f"{len(coloring.tiles)} {coloring.boundary} Voronoi cells, {looked_at} steps, removed "
        f"{coloring.removed}"
    )
    return Verification(True, summary, coloring.removed, looked_at)


def _colors_of(forbidden: Forbidden) -> dict[Interval, list[int]]:
    """The colors that forbid each interval."""
    found: dict[Interval, list[int]] = {}
    for color, intervals in enumerate(forbidden.intervals):
        for interval in intervals:
            found.setdefault(interval, []).append(color)
    return found
