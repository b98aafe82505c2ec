"""Verdicts on colorings: valid, or the conflict or fault that makes them invalid."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.coloring.certificates.distances import Interval
from tasks.coloring.certificates.numbers import Number

__all__ = ["Conflict", "Verification"]


@dataclass(frozen=True)
class Conflict:
    """Two places of one color that hold a forbidden distance.

    Attributes
    ----------
    color
        Their color.
    first, second
        The two cells or tiles: indices in the grid, or numbers of tiles. They may be equal.
    offset
        Of cells: the integer vector d, so that the second is the first + d modulo the shape. Of
        tiles: the integer coordinates of the lattice vector by which the second is moved.
    realised
        Bounds of the open interval of distances that both hold, rounded; from 0 if they touch or
        are the same.
    forbidden
        The interval that it meets.
    what
        "cell" or "tile".
    """

    color: int
    first: tuple[int, ...] | int
    second: tuple[int, ...] | int
    offset: tuple[int, ...]
    realised: tuple[float, float]
    forbidden: Interval
    what: str = "cell"

    def __str__(self) -> str:
        low, high = self.realised
        by = "at the offset" if self.what == "cell" else "moved by the lattice vector"
        return (
            f"color {self.color}: {self.what}s {self.first} and {self.second}, {by} {self.offset}, "
            f"hold all distances from {low:.12g} to {high:.12g}, but {self.forbidden} is forbidden"
        )


@dataclass(frozen=True)
class Verification:
    """A verdict on a coloring.

    Attributes
    ----------
    valid
        Whether no color holds a forbidden distance and the tiles are a partition.
    summary
        One line: what is proved, or what is wrong.
    removed
        The removed fraction of the plane or space, exactly.
    num_offsets
        How many offsets of cells, or pairs of tiles, were looked at.
    conflict
        The first one, if there is one.
    """

    valid: bool
    summary: str
    removed: Number
    num_offsets: int
    conflict: Conflict | None = None
