"""Configs of the studies `plane-coloring` and `coloring-sweep`."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from tasks.coloring.certificates.lattices import Lattice, dot
from tasks.coloring.checker.limits import MAX_CELLS
from tasks.coloring.problem import Problem, named_norm
from tasks.records.config import FrozenConfig, describe_validation_error

__all__ = ["ColoringConfig", "PlaneColoringConfig", "SweepConfig"]


def _text(value: object) -> object:
    """Numbers as the decimals that people write them as."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{Decimal(repr(value)):f}"
    return value


Decimals = Annotated[str, BeforeValidator(_text)]
"""A number, kept as its text, so that it is exact."""


_AREAS = (0.001, 1e6)
"""Least and largest area of a period: forbidden distances are about 1, decimals of lattices ten."""
_THINNEST = 100
"""Longest vector of a reduced basis, by the shortest one: thinner tori need grids of millions of
points to have room for a coloring."""
_POLYGONS = 2
_OF_SPACE = {"grids": (16, 24), "cells": 64}
"""Defaults in space."""
_OF_SEARCHES = (
    *("seeds", "penalties", "learn_lattice", "areas", "grids", "steps", "kept", "margin"),
    *("per_call", "finalists"),
)
"""Fields that have no effect on a start."""


class ColoringConfig(FrozenConfig):
    """How colorings are searched, made of cells and of polygons, and made better."""

    dimension: Literal[2, 3] = 2
    """Of the plane, or of space."""

    norm: str = "euclidean"
    """Norm of the distances: euclidean, max, taxicab, hexagon, or p=3 and the like."""

    seeds: int = Field(default=64, ge=1, le=1_000_000)
    """Searches for each problem and penalty in a round, each from a start of its own."""

    first_seed: int = Field(default=0, ge=0, le=10**15)
    """Number of the first start; set it to continue where an earlier run ended."""

    rounds: int = Field(default=1, ge=1, le=100_000)
    """Rounds of searches, each with other starts; colorings are made and proved after each round,
    so that a long run can be looked at, stopped and continued."""

    penalties: tuple[float, ...] = Field(default=(0.05,), min_length=1, max_length=100)
    """What a removed point costs beside a conflict: each is searched with all seeds. 0 allows no
    removed points."""

    lattice: tuple[tuple[Decimals, ...], ...] = ()
    """Period vectors as decimals, [["-0.17","3.88"],["-3.48","1.84"]], three in space; without them
    every search starts from a lattice of its own. A start file that holds no lattice needs it."""

    learn_lattice: bool = True
    """Whether searches may change the lattice."""

    areas: tuple[float, float] = (2.5, 9.0)
    """Least and largest area (in space: volume) of a period of starting lattices, in the range from
    0.001 to 1,000,000."""

    grids: tuple[int, ...] = Field(default=(24, 48, 96), min_length=1, max_length=6)
    """Points along each side of the grids that are searched on: all searches use the first, the
    best of each call continue on the finer ones."""

    steps: int = Field(default=200, ge=1, le=1_000_000)
    """Steps of a search on each grid."""

    kept: int = Field(default=8, ge=1)
    """Searches of a call that continue on the second grid; half as many on each finer one."""

    margin: float = Field(default=0.05, ge=0, lt=0.5)
    """By how much searches widen each forbidden distance on both sides, relatively: tiles have to
    move a little before they can be proved, so a coloring needs some room."""

    per_call: int = Field(default=64, ge=1, le=65_536)
    """Searches that are made together in one call."""

    finalists: int = Field(default=2, ge=1)
    """Searches of each problem and round whose colorings are constructed."""

    cells: int = Field(default=256, ge=0, le=8192)
    """Cells along a side, about, of the colorings of finalists; 0 makes none."""

    refinements: int = Field(default=1, ge=0, le=6)
    """How many times the cells of finalists are halved and repaired again."""

    repair_steps: int = Field(default=2000, ge=0)
    """Steps of the tabu search PartialCol at each number of cells."""

    exchanges: int = Field(default=3000, ge=0)
    """Exchanges of colors in windows at each number of cells."""

    windows: int = Field(default=0, ge=0)
    """Windows that CP-SAT solves at each number of cells; needs the extra coloring."""

    polygons: int | None = Field(default=None, ge=0)
    """Finalists of each problem and round that are made of polygons, with coarse outlines; unless
    given, two in the Euclidean plane, where polygons can be made, and none elsewhere."""

    spacings: tuple[float, ...] = Field(default=(0.08,), min_length=1, max_length=8)
    """Lengths of edges of polygons, from coarse to fine."""

    refined: int = Field(default=1, ge=0)
    """Of the colorings of a problem, cells and polygons apart, as many of the best are refined."""

    finer_refinements: int = Field(default=0, ge=0, le=6)
    """How many times the cells of the best colorings are halved; 0 leaves them."""

    finer_spacings: tuple[float, ...] = Field(default=(), max_length=8)
    """Lengths of edges of the best polygons, from coarse to fine; none leaves them."""

    borders: tuple[float, ...] = Field(default=(), max_length=8)
    """Lengths of edges where the best polygons border removed regions, from coarse to fine, after
    `finer_spacings`: small removed regions need much shorter edges than tiles."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where searches run; colorings are constructed and proved on the CPU."""

    @abstractmethod
    def hunts(self) -> Sequence[PlaneColoringConfig]:
        """Each problem with its settings."""

    @property
    def is_searched(self) -> bool:
        """Whether colorings are searched; none are where one is given."""
        return True

    @property
    def num_finalists(self) -> int:
        """Searches of a round whose colorings are kept."""
        return max(self.finalists, self.num_polygons)

    @property
    def num_polygons(self) -> int:
        """Finalists of each problem and round that are made of polygons."""
        if self.polygons is None:
            return _POLYGONS if self.has_polygons else 0
        return self.polygons

    @property
    def has_polygons(self) -> bool:
        """Whether polygons can be made."""
        return self.dimension == 2 and self.norm == "euclidean"

    @field_validator("penalties")
    @classmethod
    def _penalties(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(penalty < 0 for penalty in value):
            raise ValueError("a penalty is at least 0")
        if len({f"{penalty:g}" for penalty in value}) < len(value):
            raise ValueError("a penalty occurs twice, or agrees with another in six digits")
        return value

    @field_validator("spacings", "finer_spacings", "borders")
    @classmethod
    def _spacings(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0.001 <= each <= 0.5 for each in value) or _is_disordered(value, -1):
            raise ValueError("spacings fall, from at most 0.5 to at least 0.001")
        return value

    @field_validator("areas")
    @classmethod
    def _areas(cls, value: tuple[float, float]) -> tuple[float, float]:
        least, largest = _AREAS
        if not least <= value[0] <= value[1] <= largest:
            raise ValueError(f"areas are from {least:g} to {largest:,.0f}, the smaller one first")
        return value

    @model_validator(mode="before")
    @classmethod
    def _grids_of_space(cls, given: Any) -> Any:
        """In space grids are coarser unless they are given."""
        if isinstance(given, dict) and given.get("dimension") == 3:
            return {**_OF_SPACE, **given}
        return given

    @model_validator(mode="after")
    def _fits(self) -> Self:
        largest = {2: 512, 3: 64}[self.dimension]
        if min(self.grids) < 4 or max(self.grids) > largest or _is_disordered(self.grids, 1):
            raise ValueError(
                f"grids {list(self.grids)} must grow, from 4 to at most {largest} points a side"
            )
        if self.polygons and not self.has_polygons:
            raise ValueError("polygons are made in the Euclidean plane: set polygons to 0")
        if self.is_searched and self.cells and self.cells < self.grids[0]:
            raise ValueError(f"cells {self.cells} must not be fewer than grids {self.grids[0]}")
        if not self.cells and not self.num_polygons:
            raise ValueError("nothing would be constructed: set cells or polygons")
        finest = self.cells * 2 ** (self.refinements + self.finer_refinements)
        if finest**self.dimension > MAX_CELLS:
            raise ValueError(
                f"cells {self.cells} become {finest} a side by refinements: "
                f"more than {MAX_CELLS} of them are not checked"
            )
        if self.lattice:
            lattice = Lattice.parse([list(row) for row in self.lattice])
            _check_lattice(lattice, self.dimension)
            if self.is_searched:
                _check_searched_lattice(lattice)
        return self


class PlaneColoringConfig(ColoringConfig):
    """Colors, distances, and how to look for a coloring."""

    colors: int = Field(default=5, ge=1, le=200)
    """Number of colors; they are numbered from 0."""

    distances: dict[str, Decimals] = Field(default_factory=dict)
    """Forbidden distances of colors that do not forbid 1: {"5": "0.45"}, an interval
    {"5": "0.418-0.657"}, or several, separated by commas."""

    start: str = ""
    """A coloring to start from in place of a search (a certificate, .npz, .npy or .csv): it is
    checked, repaired and improved. The name of a published coloring, pritikin6, is one, too.
    Settings of searches are refused beside it."""

    repeats: tuple[int, ...] = ()
    """How many copies of the start lie along each of its period vectors, [1, 2]: copies may become
    different, which can remove less."""

    shake: float = Field(default=0.0, ge=0, le=0.1)
    """By how much vertices of a start by polygons are displaced at random (standard deviation, in
    units of the largest distance): what is symmetric would stay so. `first_seed` chooses how."""

    @model_validator(mode="after")
    def _problem(self) -> Self:
        named_norm(self.norm, self.dimension)
        _ = self.problem
        if self.start:
            self._check_start()
        if self.repeats and len(self.repeats) != self.dimension:
            raise ValueError(f"repeats needs {self.dimension} numbers of copies")
        if any(not 1 <= count <= 64 for count in self.repeats):
            raise ValueError("repeats are from 1 to 64")
        if (self.repeats or self.shake) and not self.start:
            raise ValueError("repeats and shake are for a start: set start")
        return self

    def _check_start(self) -> None:
        """Refuse settings that a start leaves without effect."""
        if self.rounds > 1:
            raise ValueError("a start is looked at once: set rounds to 1")
        fields = _OF_SEARCHES if self.shake else (*_OF_SEARCHES, "first_seed")
        idle = [name for name in fields if getattr(self, name) != self._default(name)]
        if idle:
            raise ValueError(
                f"a start takes the place of searches, so that {', '.join(idle)} would have no "
                "effect: leave out what is set of these, or the recipe that sets it"
            )
        if self.cells not in (0, self._default("cells")):
            raise ValueError(
                f"cells {self.cells} would have no effect: a start keeps the cells of its own grid "
                "(halved by refinements); leave cells out, or set it to 0 for polygons only"
            )

    def _default(self, name: str) -> Any:
        of_space = _OF_SPACE if self.dimension == 3 else {}
        return of_space.get(name, type(self).model_fields[name].default)

    @property
    def is_searched(self) -> bool:
        """Whether colorings are searched: without a start."""
        return not self.start

    @property
    def problem(self) -> Problem:
        """What is to be colored."""
        return Problem.of(self.colors, self.distances, self.dimension, self.norm)

    def hunts(self) -> tuple[PlaneColoringConfig, ...]:
        """The one problem with its settings."""
        return (self,)


class SweepConfig(ColoringConfig):
    """Several problems: a range of distances of the last color, or a list."""

    colors: tuple[int, ...] = Field(default=(6,), min_length=1, max_length=20)
    """Numbers of colors; all colors but the last forbid the distance 1."""

    first: Decimals = "0.3"
    """Smallest distance of the last color."""

    last: Decimals = "0.7"
    """Largest distance of the last color."""

    count: int = Field(default=9, ge=1, le=10_000)
    """How many distances, evenly spaced."""

    targets: tuple[dict[str, Any], ...] = ()
    """A list of problems in place of the range, each with the fields of plane-coloring that differ
    from those given here: {"colors": 14, "dimension": 3, "polygons": 0}."""

    @model_validator(mode="after")
    def _problems(self) -> Self:
        try:
            low, high = Decimal(self.first), Decimal(self.last)
        except InvalidOperation:
            raise ValueError(f"first {self.first} and last {self.last} must be decimals") from None
        if not (low.is_finite() and high.is_finite() and 0 < low <= high):
            raise ValueError(
                f"first {self.first} must be positive and finite, and at most last {self.last}"
            )
        for key, number in Counter(hunt.problem.key for hunt in self.hunts()).items():
            if number > 1:
                raise ValueError(f"the problem {key} occurs twice")
        return self

    def distances(self) -> tuple[str, ...]:
        """The distances of the range as decimals."""
        low, high = Decimal(self.first), Decimal(self.last)
        step = (high - low) / max(self.count - 1, 1)
        return tuple(f"{round(low + i * step, 9).normalize():f}" for i in range(self.count))

    def hunts(self) -> tuple[PlaneColoringConfig, ...]:
        """Each problem with its settings."""
        targets = self.targets or [
            {"colors": k, "distances": {str(k - 1): distance}}
            for k in self.colors
            for distance in self.distances()
        ]
        return tuple(self._hunt(number, target) for number, target in enumerate(targets))

    def _hunt(self, number: int, target: dict[str, Any]) -> PlaneColoringConfig:
        own = {name: getattr(self, name) for name in ColoringConfig.model_fields}
        if target.get("dimension") == 3 and self.dimension == 2:
            for name in {"grids", "cells"} - self.model_fields_set:  # defaults of the plane
                del own[name]
        barred = {"start", "rounds", "device"} & set(target)
        if barred:
            raise ValueError(f"target {number} sets {', '.join(sorted(barred))}: set it for all")
        try:
            return PlaneColoringConfig(**own | target)
        except ValidationError as error:
            said = describe_validation_error(error, model=PlaneColoringConfig)
            raise ValueError(f"target {number}: {said}") from None


def _is_disordered(values: tuple[float, ...], sign: int) -> bool:
    """Whether values do not rise (sign 1) or fall (sign -1) strictly."""
    return any(sign * b <= sign * a for a, b in pairwise(values))


def _check_lattice(lattice: Lattice, dimension: int) -> None:
    """Refuse a lattice of another dimension, and one that is too thin for any grid."""
    if lattice.dimension != dimension:
        raise ValueError(f"a lattice in dimension {dimension} has {dimension} vectors")
    if _is_thin(lattice.reduced()[0]):
        raise ValueError(
            "the lattice is too thin: of a reduced basis the longest vector must be at most "
            f"{_THINNEST} times as long as the shortest"
        )


def _check_searched_lattice(lattice: Lattice) -> None:
    """Refuse what no grid of a search fits: a long basis, and a period of an odd size."""
    if _is_thin(lattice):
        raise ValueError(
            "a vector of the lattice is too long beside another one: give the reduced basis "
            f"{json.dumps(lattice.reduced()[0].texts())}"
        )
    (least, largest), area = _AREAS, abs(float(lattice.determinant))
    if not least <= area <= largest:
        what = "area" if lattice.dimension == 2 else "volume"
        raise ValueError(
            f"the {what} of a period of the lattice must be from {least:g} to {largest:,.0f}"
        )


def _is_thin(lattice: Lattice) -> bool:
    squares = [dot(vector, vector) for vector in lattice.vectors]
    return max(squares) > _THINNEST**2 * min(squares)
