"""Cells of a grid: a family of polynomials with its number of variables, degree and size.

The name of a cell, such as dense-n6-d10-m30, is that of its data set; with the seed it names the
random streams of its rows.

Monomials x^b are drawn as in `tasks.sos.sampling.structures`: the degree k in 1..d has probability
proportional to C(n + k - 1, k), the exponents are multinomial(k; 1/n, ..., 1/n).  Forms have k = d.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations_with_replacement
from math import comb, factorial, isqrt, prod
from typing import Literal, NamedTuple, cast, get_args

import numpy as np
from numpy.typing import NDArray

from tasks.records import InputError

Family = Literal[
    "dense",
    "sparse",
    "low_rank",
    "block_diagonal",
    "homogeneous",
    "integer",
    "minimum",
    "vanishing",
    "binomial_squares",
    "multiplied",
    "lyapunov",
    "banded",
    "negative",
    "outside_cone",
]
FAMILIES: tuple[Family, ...] = get_args(Family)
NUM_STRUCTURES = 4
STRUCTURES = FAMILIES[:NUM_STRUCTURES]
"""The published ones, see `tasks.sos.sampling.structures`."""
SUMS_OF_SQUARES = FAMILIES[:-2]
"""The others are not sums of squares."""

MAX_SIZE, MAX_VARIABLES, MAX_HALF_DEGREE = 512, 256, 63
"""A degree of at most 126 lets exponents fit one byte."""
_LEAST_HALF_DEGREE = {"vanishing": 2, "binomial_squares": 2, "outside_cone": 3}
_LEAST_VARIABLES = {"outside_cone": 3}
_CELL = re.compile(r"n(\d{1,3})-?d(\d{1,2})-?m(\d{1,3})")


class Shape(NamedTuple):
    """A cell as the compiled code sees it.

    Attributes
    ----------
    family, num_variables, half_degree, lowest, highest, available : int
        The size of a basis is uniform in lowest..highest, but `available` where that is less.
    thresholds : uint64 (d,)
        A degree above k has probability 1 - thresholds[k - 1] / 2**32.
    monomials : int64 (M, n)
        All monomials, where the basis takes a quarter of them or more; else empty.
    chances : float64 (M,)
        Their probabilities.
    """

    family: int
    num_variables: int
    half_degree: int
    lowest: int
    highest: int
    available: int
    thresholds: NDArray[np.uint64]
    monomials: NDArray[np.int64]
    chances: NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """A family with a point of the grid.

    Attributes
    ----------
    family : Family
    num_variables : int
        n.
    half_degree : int
        d: the degree of the polynomials is at most 2d.
    size : int
        m: bases have about that many monomials.
    """

    family: Family
    num_variables: int
    half_degree: int
    size: int

    @classmethod
    def of(cls, family: str, point: str) -> Cell:
        """The cell of a family at a point such as n6-d10-m30.

        Raises
        ------
        InputError
            For an unknown family, a point that is not of this form or out of range.
        """
        if family not in FAMILIES:
            raise InputError(f"no family {family!r}; there are {', '.join(FAMILIES)}")
        match = _CELL.fullmatch(point)
        if not match:
            raise InputError(f"point {point!r} of the grid: write it like n6-d10-m30")
        cell = cls(cast(Family, family), *(int(number) for number in match.groups()))
        cell._check()
        return cell

    @classmethod
    def parse(cls, name: str) -> Cell:
        """The cell of a name such as dense-n6-d10-m30."""
        family, _, point = name.partition("-")
        return cls.of(family, point)

    def _check(self) -> None:
        bounds = {
            "n": (self.num_variables, _LEAST_VARIABLES.get(self.family, 1), MAX_VARIABLES),
            "d": (self.half_degree, _LEAST_HALF_DEGREE.get(self.family, 1), MAX_HALF_DEGREE),
            "m": (self.size, 1, MAX_SIZE),
        }
        for name, (value, least, most) in bounds.items():
            if not least <= value <= most:
                raise InputError(f"{self.name}: {name} is {least} to {most}, not {value}")

    @property
    def point(self) -> str:
        """The name without the family."""
        return f"n{self.num_variables}-d{self.half_degree}-m{self.size}"

    @property
    def name(self) -> str:
        """Name of the data set."""
        return f"{self.family}-{self.point}"

    @property
    def is_sos(self) -> bool:
        """Whether the polynomials are sums of squares."""
        return self.family in SUMS_OF_SQUARES

    @property
    def sizes(self) -> tuple[int, int]:
        """Least and greatest size that is asked for."""
        spread = isqrt(4 * self.size)
        return max(1, self.size - spread), self.size + spread

    @cached_property
    def shape(self) -> Shape:
        """What the compiled code needs."""
        lowest, highest = self.sizes
        n, d = self.num_variables, self.half_degree
        least = d if self.family == "homogeneous" else 1
        counts = [comb(n + k - 1, k) if k >= least else 0 for k in range(1, d + 1)]
        available = sum(counts)
        chosen = (np.zeros((0, n), dtype=np.int64), np.zeros(0))
        if available <= 4 * highest:
            chosen = _all_monomials(n, least, d)
        cumulative = np.cumsum(np.array(counts, dtype=object)) * 2**32 // available
        return Shape(
            FAMILIES.index(self.family),
            n,
            d,
            lowest,
            highest,
            min(available, highest),
            cumulative.astype(np.uint64),
            *chosen,
        )


@lru_cache(maxsize=64)
def _all_monomials(
    num_variables: int, least: int, most: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """All monomials of these degrees with what their probabilities are proportional to."""
    rows, chances = [], []
    for degree in range(least, most + 1):
        count = comb(num_variables + degree - 1, degree)
        for places in combinations_with_replacement(range(num_variables), degree):
            row = np.bincount(places, minlength=num_variables)
            ways = factorial(degree) // prod(factorial(power) for power in row.tolist())
            rows.append(row)
            chances.append(count * ways / num_variables**degree)
    return np.array(rows, dtype=np.int64), np.array(chances)
