"""Configs of the studies `plane-coloring` and `coloring-sweep`."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, Self

from pydantic import Field, model_validator

from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.problem import Problem, named_norm
from tasks.records.config import FrozenConfig

__all__ = ["ColoringConfig", "PlaneColoringConfig", "SweepConfig"]


class ColoringConfig(FrozenConfig):
    """How colorings are searched, made of cells, and made better."""

    dimension: Literal[2, 3] = 2
    """Of the plane, or of space."""

    norm: str = "euclidean"
    """Norm that distances are measured in: euclidean; max; taxicab; hexagon; p=3 and the like."""

    seeds: int = Field(default=32, ge=1, le=1_000_000)
    """Searches for each problem, penalty and lattice, each from a start of its own."""

    first_seed: int = Field(default=0, ge=0)
    """Number of the first start: other starts continue where an earlier run ended."""

    penalties: tuple[float, ...] = Field(default=(0.02,), min_length=1)
    """What a removed point costs beside a conflict: each is searched with all seeds."""

    lattice: tuple[tuple[str, ...], ...] = ()
    """Two period vectors as decimals, [["-0.17","3.88"],["-3.48","1.84"]] (three in space); without
    them every search starts from a lattice of its own. A start file without a lattice needs it."""

    learn_lattice: bool = True
    """Whether searches may move the lattice."""

    grid: int = Field(default=48, ge=8, le=512)
    """Cells along each side of the grid that is searched on."""

    steps: int = Field(default=600, ge=1)
    """Steps of a search."""

    rate: float = Field(default=0.1, gt=0)
    """Rate of a search (AdamW on the logits)."""

    margin: float = Field(default=0.03, ge=0, lt=0.5)
    """Distances that a search also avoids, as a share of each forbidden one on both sides: cells
    have a width, so that a coloring needs some room."""

    per_call: int = Field(default=32, ge=1, le=4096)
    """Searches that are made together in one call."""

    finalists: int = Field(default=1, ge=1)
    """Searches of a call whose colorings are made of cells."""

    cells: tuple[int, ...] = Field(default=(256,), min_length=1, max_length=8)
    """Cells along a side of the colorings of finalists: each number refines the one before."""

    repair_steps: int = Field(default=200_000, ge=0)
    """Steps of the tabu search that repairs a coloring, at each number of cells."""

    refined: int = Field(default=1, ge=0)
    """The best colorings of each problem that are made finer still."""

    finer: tuple[int, ...] = ()
    """Cells along a side that the best colorings are refined to."""

    windows: int = Field(default=0, ge=0)
    """Windows of the best colorings that CP-SAT makes better, one after the other (needs the extra
    coloring)."""

    polygons: bool = False
    """Whether the best coloring of each problem is also made of polygons (in the plane)."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where searches run; colorings are repaired and proved on the CPU."""

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        if self.dimension == 3 and self.grid > 64:
            raise ValueError(f"grid {self.grid} is too fine for space: at most 64")
        for name in ("cells", "finer"):
            values = getattr(self, name)
            if any(value < 8 for value in values) or list(values) != sorted(set(values)):
                raise ValueError(f"{name} {list(values)} must grow, from 8 on")
        if self.finer and self.finer[0] <= self.cells[-1]:
            raise ValueError(f"finer {list(self.finer)} must begin above cells {list(self.cells)}")
        if self.polygons and self.dimension != 2:
            raise ValueError("polygons are of the plane: leave them out in space")
        if any(not 0 <= penalty < float("inf") for penalty in self.penalties):
            raise ValueError(f"penalties {list(self.penalties)} must be nonnegative and finite")
        if len(set(self.penalties)) < len(self.penalties):
            raise ValueError(f"penalties {list(self.penalties)} has a value twice")
        _check_lattice(self.lattice, self.dimension)
        return self


class PlaneColoringConfig(ColoringConfig):
    """Colors, distances, and how to look for a coloring."""

    colors: int = Field(default=5, ge=1, le=200)
    """Number of colors, numbered from 0."""

    distances: dict[str, str] = Field(default_factory=dict)
    """Forbidden distances of colors that do not forbid 1: {"5": "0.45"}, an interval
    {"5": "0.418-0.657"}, or several with commas."""

    start: str = ""
    """Grid to start from in place of a search (.npz, .npy, .csv, or a certificate): checked,
    repaired, refined."""

    @model_validator(mode="after")
    def _problem(self) -> Self:
        problem = Problem.of(self.colors, self.distances, self.dimension, self.norm)
        _check_norm(problem)
        return self

    def problems(self) -> tuple[Problem, ...]:
        """The one problem."""
        return (Problem.of(self.colors, self.distances, self.dimension, self.norm),)


class SweepConfig(ColoringConfig):
    """Numbers of colors, and a range of distances of the last color."""

    colors: tuple[int, ...] = Field(default=(6,), min_length=1, max_length=20)
    """Numbers of colors; all colors but the last forbid the distance 1."""

    first: str = "0.3"
    """Smallest distance of the last color."""

    last: str = "0.7"
    """Largest distance of the last color."""

    count: int = Field(default=9, ge=1, le=10_000)
    """How many distances, evenly spaced."""

    @model_validator(mode="after")
    def _problems(self) -> Self:
        if not Decimal(self.first) <= Decimal(self.last):
            raise ValueError(f"first {self.first} must not be above last {self.last}")
        for problem in self.problems():
            _check_norm(problem)
        return self

    def distances(self) -> tuple[str, ...]:
        """The distances as decimals."""
        low, high = Decimal(self.first), Decimal(self.last)
        step = (high - low) / max(self.count - 1, 1)
        return tuple(f"{(low + i * step).normalize():f}" for i in range(self.count))

    def problems(self) -> tuple[Problem, ...]:
        """One problem for each number of colors and each distance."""
        return tuple(
            Problem.of(k, {str(k - 1): distance}, self.dimension, self.norm)
            for k in self.colors
            for distance in self.distances()
        )


def _check_lattice(lattice: tuple[tuple[str, ...], ...], dimension: int) -> None:
    if not lattice:
        return
    if len(lattice) != dimension:
        raise ValueError(f"a lattice of dimension {dimension} has {dimension} vectors")
    Lattice.parse([list(row) for row in lattice])


def _check_norm(problem: Problem) -> None:
    named_norm(problem.norm, problem.dimension)
