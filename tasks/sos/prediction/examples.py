"""Examples to learn from: rows of `tasks.sos.sampling` with a known basis, from many cells.

Example k of a stream is a function of (seed, k) alone: families take turns, the point (n, d, m) of
the grid is drawn from the stream of (seed, k), n and m with equal weight per octave, and the row is
row k of that cell below the same seed. A training seed is derived by name from that of the run, so
that its rows are none of a data set's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tasks.lattice.monomials import Rows as Monomials
from tasks.records import stream
from tasks.sos.sampling.cells import SUMS_OF_SQUARES, Cell
from tasks.sos.sampling.generation import Rows

__all__ = ["FAMILIES", "Example", "Ranges", "draw_example", "row_example"]

FAMILIES: tuple[str, ...] = SUMS_OF_SQUARES
"""The four published structures, then families with cancellation."""
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
    seed: int, number: int, *, families: tuple[str, ...], ranges: Ranges | None = None
) -> Example:
    """Example `number` of the stream of a seed."""
    rng = stream(seed, "sos-example", number)
    bounds = ranges or Ranges()
    n, m = (
        int(np.exp(rng.uniform(np.log(least), np.log(most + 1))))
        for least, most in (bounds.variables, bounds.sizes)
    )
    d = int(rng.integers(bounds.half_degrees[0], bounds.half_degrees[1] + 1))
    return row_example(_cell(families[number % len(families)], n, d, m), seed, number)


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


@lru_cache(maxsize=4096)
def _cell(family: str, n: int, d: int, m: int) -> Cell:
    return Cell.of(family, f"n{n}-d{d}-m{m}")
