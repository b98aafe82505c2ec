"""Colorings by cells: a grid of half-open parallelepipeds on a torus, and their verification.

Cell i of a grid m_1 x ... x m_n on R^n / L is {sum_a (i_a + t_a) v_a / m_a : 0 <= t_a < 1}. The
coloring is valid iff for every color c and every forbidden interval of it no offset d at which two
cells can hold such a distance (`conflict_offsets`) has two cells i and i + d of color c.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from hashlib import sha256
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.coloring.certificates.counts import pair_counts
from tasks.coloring.certificates.distances import Forbidden, Interval, parse_distances
from tasks.coloring.certificates.grids import REMOVED, as_grid, check_colors
from tasks.coloring.certificates.headers import Header, surd_of
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.certificates.norms import Euclidean, Norm
from tasks.coloring.certificates.offsets import check_shape, conflict_offsets, realised_interval
from tasks.coloring.certificates.verification import Conflict, Verification
from tasks.records import InputError
from tasks.records.errors import shortened

__all__ = ["CellColoring", "verify_cells"]

_LEVEL = 9
"""Of zlib; fixed, so that one coloring has one file."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CellColoring:
    """A coloring of the plane or of space by a periodic grid of cells.

    Attributes
    ----------
    grid
        Bytes (m_1, ..., m_n): colors 0 to k - 1, and 255 for removed cells; not to be changed.
    lattice
        The periods: cell (m_1, 0, ...) is cell 0 moved by the first vector.
    num_colors
        k.
    forbidden
        The forbidden intervals of every color.
    norm
        That measures distances.

    Raises
    ------
    InputError
        If the grid does not fit the lattice, holds other values, or numbers have several surds.
    """

    grid: NDArray[np.uint8]
    lattice: Lattice
    num_colors: int
    forbidden: Forbidden
    norm: Norm

    def __post_init__(self) -> None:
        if self.forbidden.num_colors != self.num_colors:
            raise InputError(
                f"distances of {self.forbidden.num_colors} colors for {self.num_colors} colors"
            )
        object.__setattr__(self, "grid", as_grid(self.grid, self.lattice.dimension))
        check_colors(self.grid, self.num_colors)
        self.norm.check_dimension(self.lattice.dimension)
        assert self.surd is None or self.surd > 1

    @classmethod
    def of(
        cls,
        grid: ArrayLike,
        lattice: object,
        num_colors: int,
        distances: object = None,
        *,
        norm: Norm | None = None,
    ) -> CellColoring:
        """Make one of a grid, a lattice or its vectors, and what `parse_distances` reads."""
        exact = lattice if isinstance(lattice, Lattice) else Lattice.parse(lattice)
        forbidden = parse_distances(distances, num_colors)
        cells = as_grid(grid, exact.dimension)
        return cls(cells, exact, num_colors, forbidden, Euclidean() if norm is None else norm)

    @property
    def boundary(self) -> str:
        """Cells are half-open."""
        return "half-open"

    @cached_property
    def surd(self) -> int | None:
        """The n of the field Q(sqrt n) of all numbers; None if all are rational."""
        return surd_of(self.lattice, self.forbidden, self.norm)

    @property
    def shape(self) -> tuple[int, ...]:
        """(m_1, ..., m_n)."""
        return self.grid.shape

    @cached_property
    def removed(self) -> Fraction:
        """The removed fraction."""
        return Fraction(int(np.count_nonzero(self.grid == REMOVED)), self.grid.size)

    def record(self) -> dict[str, Any]:
        """The key `cells` of a file: shape, packed colors and the digest of the unpacked ones."""
        content = self.grid.tobytes()
        packed = base64.b64encode(zlib.compress(content, _LEVEL)).decode("ascii")
        digest = sha256(content).hexdigest()
        return {"cells": {"shape": list(self.shape), "colors": packed, "sha256": digest}}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> CellColoring:
        """Read the coloring of a certificate.

        Raises
        ------
        InputError
            If it has not the form of a certificate, or its shape or digest does not match.
        """
        header = Header.from_record(record)
        entry = record["cells"]
        if not isinstance(entry, dict) or set(entry) != {"shape", "colors", "sha256"}:
            raise InputError(f"cells has the keys shape, colors and sha256, not {shortened(entry)}")
        shape = entry["shape"]
        if not isinstance(shape, list) or not all(type(m) is int for m in shape):
            raise InputError(f"the shape is a list of integers, not {shortened(shape)}")
        checked = check_shape(shape, header.lattice.dimension)
        content = _unpacked(entry["colors"], prod(checked))
        if sha256(content).hexdigest() != entry["sha256"]:
            raise InputError("the digest of the unpacked colors is not the sha256 that is stated")
        grid = np.frombuffer(content, dtype=np.uint8).reshape(checked)
        k = header.forbidden.num_colors
        return cls(grid, header.lattice, k, header.forbidden, header.norm)


def _unpacked(packed: object, size: int) -> bytes:
    """Unpack base64 of a zlib stream of exactly so many bytes, and stop at more."""
    try:
        if not isinstance(packed, str):
            raise ValueError("not a string")
        stream = base64.b64decode(packed.encode("ascii"), validate=True)
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(stream, size + 1)
    except (ValueError, binascii.Error, zlib.error) as error:
        raise InputError(f"colors is not base64 of a zlib stream: {error}") from error
    if len(content) > size:
        raise InputError(f"colors unpacks to more than the {size} bytes of the shape")
    if len(content) < size:
        raise InputError(f"colors unpacks to {len(content)} bytes, but the shape has {size} cells")
    if not unpacker.eof or unpacker.unused_data:
        raise InputError("colors does not end where its stream of cells ends")
    return content


def verify_cells(coloring: CellColoring) -> Verification:
    """Decide exactly whether a coloring by cells holds no forbidden distance."""
    num_offsets = 0
    for intervals, colors in _colors_by_intervals(coloring.forbidden).items():
        masks = [
            conflict_offsets(coloring.lattice, coloring.shape, interval, coloring.norm)
            for interval in intervals
        ]
        offsets = np.concatenate(masks)
        num_offsets += len(offsets)
        pairs = np.flatnonzero(pair_counts(coloring.grid, colors, offsets))
        if len(pairs):
            place = int(
                np.searchsorted(np.cumsum([len(mask) for mask in masks]), pairs[0], "right")
            )
            conflict = _conflict(coloring, colors, intervals[place], offsets[pairs[0]])
            return Verification(False, str(conflict), coloring.removed, num_offsets, conflict)
    sizes = "x".join(map(str, coloring.shape))
    summary = (
        f"{coloring.num_colors} colors hold no forbidden distance: {sizes} cells, "
        f"{num_offsets} offsets, removed {coloring.removed}"
    )
    return Verification(True, summary, coloring.removed, num_offsets)


def _colors_by_intervals(forbidden: Forbidden) -> dict[tuple[Interval, ...], list[int]]:
    """The colors with the same intervals, which are counted together."""
    found: dict[tuple[Interval, ...], list[int]] = {}
    for color, intervals in enumerate(forbidden.intervals):
        found.setdefault(intervals, []).append(color)
    return found


def _conflict(
    coloring: CellColoring, colors: Sequence[int], interval: Interval, offset: Ints
) -> Conflict:
    """The first two cells of one of the colors at an offset that has some."""
    back = tuple(int(-d) for d in offset)
    axes = tuple(range(coloring.grid.ndim))
    partner = np.roll(coloring.grid, back, axis=axes)  # at i the value of i + d
    meets = (coloring.grid == partner) & np.isin(coloring.grid, colors)
    first = np.unravel_index(int(np.argmax(meets)), coloring.shape)
    assert meets[first]
    second = (np.array(first) + offset) % np.array(coloring.shape)
    d = tuple(int(e) for e in offset)
    return Conflict(
        color=int(coloring.grid[first]),
        first=tuple(int(i) for i in first),
        second=tuple(int(i) for i in second),
        offset=d,
        realised=realised_interval(coloring.lattice, coloring.shape, d, coloring.norm, interval),
        forbidden=interval,
    )
