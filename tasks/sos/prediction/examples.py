"""Examples to learn from: rows of `tasks.sos.sampling` with a known basis, from many cells.

Example k of a stream is a function of (seed, k) alone: families take turns, the point (n, d, m) of
the grid is drawn from the stream of (seed, k), n and m with equal weight per octave, and the row is
the first of 64 rows of that cell, below the same seed and from row 64² k on, whose content is
wanted; if there is none, the next point follows with the next 64 rows. A training seed is derived
by name from that of the run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tasks.lattice.monomials import Rows as Monomials
from tasks.records import InputError, stream
from tasks.sos.sampling.cells import SUMS_OF_SQUARES, Cell
from tasks.sos.sampling.generation import Rows

__all__ = ["FAMILIES", "Example", "Ranges", "Wanted", "draw_example", "row_example"]

FAMILIES: tuple[str, ...] = SUMS_OF_SQUARES
"""The four published structures, then families with cancellation."""
Wanted = Callable[[NDArray[np.uint64]], NDArray[np.bool_]]
"""Which polynomials are wanted, by their contents; see `tasks.sos.sampling.expansion`."""
_ROWS, _POINTS = 64, 64
"""Rows that are looked at per point, and points per example."""
_UNIT_BITS = 32
_LEAST_HALF_DEGREE = 2


@dataclass(frozen=True, eq=False)
class Example:
    """A sum of squares and a basis over which it is one.

    Attributes
    ----------
    exponents : int32 (T, n)
    coefficients : float64 (T,)
        Nonzero.
    basis : int32 (m, n)
    family : str
    """

    exponents: Monomials
    coefficients: NDArray[np.float64]
    basis: Monomials
    family: str


@dataclass(frozen=True)
class Ranges:
    """Least and greatest n, d and m of what is drawn."""

    variables: tuple[int, int] = (2, 10)
    half_degrees: tuple[int, int] = (_LEAST_HALF_DEGREE, 8)
    sizes: tuple[int, int] = (5, 40)


def draw_example(
    seed: int,
    number: int,
    *,
    families: tuple[str, ...],
    ranges: Ranges | None = None,
    wanted: Wanted | None = None,
) -> Example:
    """Example `number` of the stream of a seed.

    Parameters
    ----------
    seed, number : int
    families : tuple of str
    ranges : Ranges, optional
    wanted : Wanted, optional
        Any polynomial by default.

    Raises
    ------
    InputError
        If 64 points have no polynomial that is wanted.
    """
    rng, family = stream(seed, "sos-example", number), families[number % len(families)]
    for turn in range(_POINTS):
        cell = _cell(family, *_point(rng, ranges or Ranges()))
        row = _first_wanted(cell, seed, _ROWS * (_POINTS * number + turn), wanted)
        if row is not None:
            return row_example(cell, seed, row)
    raise InputError(
        f"the family {family} has too few different polynomials within {ranges or Ranges()} to "
        "keep some for each purpose: allow more variables, higher degrees or larger bases"
    )


def _point(rng: np.random.Generator, ranges: Ranges) -> tuple[int, int, int]:
    """A random n, d, m."""
    n, m = (
        int(np.exp(rng.uniform(np.log(least), np.log(most + 1))))
        for least, most in (ranges.variables, ranges.sizes)
    )
    return n, int(rng.integers(ranges.half_degrees[0], ranges.half_degrees[1] + 1)), m


def _first_wanted(cell: Cell, seed: int, first: int, wanted: Wanted | None) -> int | None:
    """The first of 64 rows that is wanted; the first of all by itself, as it mostly is."""
    if wanted is None:
        return first
    for start, count in ((first, 1), (first + 1, _ROWS - 1)):
        rows = Rows.generate(cell, seed=seed, first=start, count=count)
        found = np.flatnonzero(wanted(rows.content))
        if len(found):
            return start + int(found[0])
    return None


def row_example(cell: Cell, seed: int, number: int) -> Example:
    """Row `number` of a cell below a seed."""
    rows = Rows.generate(cell, seed=seed, first=number, count=1, terms=True)
    n = cell.num_variables
    return Example(
        rows.exponents.reshape(-1, n).astype(np.int32),
        np.ldexp(rows.coefficients.astype(np.float64), -_UNIT_BITS),
        rows.basis.reshape(-1, n).astype(np.int32),
        cell.family,
    )


@lru_cache(maxsize=256)
def _cell(family: str, n: int, d: int, m: int) -> Cell:
    return Cell.of(family, f"n{n}-d{d}-m{m}")
