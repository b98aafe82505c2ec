"""Schedules of successive halving: all members on a coarse grid, the best of them on finer ones.

Most of a coloring is decided on the coarse grid, while the penalty falls.  What is left has to
settle on finer grids, at its own penalty, and needs fewer steps for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from tasks.coloring.search.halving import Rung
from tasks.coloring.search.training import Settings
from tasks.records import InputError


@dataclass(frozen=True)
class Schedule:
    """Grids, steps, and how many members continue.

    Attributes
    ----------
    first : Settings
        Of the training of all members.
    finer : tuple of tuple of int
        Shapes of the grids of later rungs; none is coarser than the one before.
    kept : tuple of int
        Members that continue after each rung, at least 1 and never more than before; the last
        number stands for all further rungs.
    share : float
        Steps of each later rung, as a share of those of the first.

    Raises
    ------
    InputError
        If one of them is out of its range.
    """

    first: Settings = field(default_factory=Settings)
    finer: tuple[tuple[int, ...], ...] = ((48, 48), (96, 96))
    kept: tuple[int, ...] = (16, 6)
    share: float = 0.3

    def __post_init__(self) -> None:
        if not 0 < self.share < math.inf:
            raise InputError(
                f"later rungs with {self.share:g} of the steps of the first: give a share above 0"
            )
        if not self.kept or list(self.kept) != sorted(self.kept, reverse=True):
            raise InputError(f"rungs that keep {list(self.kept)} members: give numbers that fall")
        shape = self.first.shape
        for other in self.finer:
            if len(other) != len(shape) or any(m < s for m, s in zip(other, shape, strict=True)):
                raise InputError(f"a grid of shape {other} after {shape}: give grids that refine")
            shape = other

    @classmethod
    def of_sides(cls, first: Settings, sides: tuple[int, ...], kept: int) -> Schedule:
        """On grids of so many points along each side, with the same number kept throughout."""
        dimension = len(first.shape)
        shapes = tuple((side,) * dimension for side in sides)
        return cls(replace(first, shape=shapes[0]), shapes[1:], (kept,))

    def rungs(self) -> tuple[Rung, ...]:
        """From coarse to fine, for `successive_halving`."""
        steps = max(1, round(self.share * self.first.num_steps))
        later = replace(self.first, num_steps=steps, first_penalty=0.0, lattice_start=0.0)
        settings = (self.first, *(replace(later, shape=shape) for shape in self.finer))
        kept = self.kept + self.kept[-1:] * len(settings)
        return tuple(Rung(each, count) for each, count in zip(settings, kept, strict=False))
