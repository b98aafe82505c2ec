"""What is searched for: one member is one coloring of one torus, from one seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.distances import Forbidden, check_num_colors, parse_distances
from tasks.coloring.certificates.norms import Euclidean, Norm
from tasks.coloring.search.starts import Start
from tasks.records import InputError, stream


@dataclass(frozen=True)
class Member:
    """One search.

    Attributes
    ----------
    seed : int
        Of its lattice and its first logits.
    num_colors : int
        k.
    penalty : float
        Price of a point without a color, lambda; 0 if every point is to have one.
    distances : Forbidden, or what `parse_distances` reads
        By default all colors forbid 1.
    start : Start
        Of the lattice.
    dimension : int
        2 or 3.
    norm : Norm

    Raises
    ------
    InputError
        If one of them is out of its range.
    """

    seed: int
    num_colors: int
    penalty: float = 0.1
    distances: Forbidden = None  # pyrefly: ignore[bad-assignment] - replaced below
    start: Start = field(default_factory=Start)
    dimension: int = 2
    norm: Norm = field(default_factory=Euclidean)

    def __post_init__(self) -> None:
        check_num_colors(self.num_colors)
        object.__setattr__(self, "distances", parse_distances(self.distances, self.num_colors))
        if self.dimension not in (2, 3):
            raise InputError(f"colorings are searched in dimension 2 or 3, not {self.dimension}")
        self.norm.check_dimension(self.dimension)
        if not 0 <= self.penalty < float("inf"):
            raise InputError(
                f"the penalty of a removed point must be at least 0, not {self.penalty}"
            )

    @property
    def num_channels(self) -> int:
        """k, and one more if points may be removed."""
        return self.num_colors + (self.penalty > 0)

    def lattice(self) -> NDArray[np.float64]:
        """The starting lattice (n, n)."""
        return self.start.lattice(stream(self.seed, "lattice"), self.dimension)

    def logits(self, shape: tuple[int, ...], deviation: float) -> NDArray[np.float32]:
        """The first logits float32 (C, *shape): independent Gaussians."""
        generator = stream(self.seed, "logits")
        noise = generator.standard_normal((self.num_channels, *shape), dtype=np.float32)
        return deviation * noise


def check_alike(members: Sequence[Member]) -> None:
    """Refuse members that cannot be trained together."""
    if not members:
        raise InputError("no members to train: give at least one")
    first = members[0]
    for member in members:
        for name in ("num_colors", "num_channels", "dimension", "norm"):
            if getattr(member, name) != getattr(first, name):
                raise InputError(
                    f"members of one batch have one {name}, not {getattr(first, name)} and "
                    f"{getattr(member, name)}: train them apart"
                )
