"""Starting lattices: drawn with a bounded aspect, given, or that of the hexagons."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.records import InputError

DIGITS = 10
"""Decimals of lattices: they are rounded, so that certificates can state them exactly."""
LARGEST_ASPECT = 10.0
_GAIN = 1 - 1e-9


@dataclass(frozen=True)
class Start:
    """Where the lattice of a member begins.

    Attributes
    ----------
    areas : pair of float
        Range of the area (volume) of the torus, in which its logarithm is uniform.
    aspect : float
        Largest ratio of lengths in a reduced basis, from 1.2 to 10.
    vectors : tuple of tuple of float
        Rows of a lattice, which is then taken; or empty.

    Raises
    ------
    InputError
        If the range is empty or the aspect out of bounds.
    """

    areas: tuple[float, float] = (2.5, 9.0)
    aspect: float = 2.0
    vectors: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        low, high = self.areas
        if not (0 < low <= high < math.inf and 1.2 <= self.aspect <= LARGEST_ASPECT):
            raise InputError(
                f"starting lattices of areas {low:g} to {high:g} and aspect {self.aspect:g}: "
                f"give 0 < low <= high and an aspect from 1.2 to {LARGEST_ASPECT:g}"
            )

    @classmethod
    def hexagonal(cls) -> Start:
        """The lattice of the seven-coloring by hexagons of diameter 1.

        The hexagons have the centers i a + j b with a = (s, 0), b = (s/2, 3/4) and s = sqrt(3)/2;
        2 a + b and 3 b - a span the translations that keep the colors.
        """
        s = math.sqrt(3) / 2
        return cls(vectors=((2.5 * s, 0.75), (0.5 * s, 2.25)))

    def lattice(self, generator: np.random.Generator, dimension: int) -> NDArray[np.float64]:
        """Float64 (n, n), rows are basis vectors; reduced if it is drawn.

        Gaussian matrices are scaled to their area, and drawn until the aspect is small enough.
        """
        if self.vectors:
            return _given(self.vectors, dimension)
        area = math.exp(generator.uniform(*np.log(self.areas)))
        while True:
            vectors = reduced(generator.standard_normal((dimension, dimension)))
            lengths = np.linalg.norm(vectors, axis=1)
            if lengths.max() <= self.aspect * lengths.min():
                volume = abs(np.linalg.det(vectors))
                return rounded(vectors * (area / volume) ** (1 / dimension))


def reduced(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """A basis in which no vector becomes shorter by multiples of another; of R^2, a shortest."""
    basis = np.array(vectors, dtype=np.float64)
    is_shorter = True
    while is_shorter:
        is_shorter = False
        for i, j in np.ndindex(basis.shape):
            if i != j:
                shorter = basis[i] - np.rint(basis[i] @ basis[j] / (basis[j] @ basis[j])) * basis[j]
                if shorter @ shorter < _GAIN * (basis[i] @ basis[i]):
                    basis[i], is_shorter = shorter, True
    return basis


def rounded(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """The lattice of `lattice_texts`, as floats."""
    return np.array([[float(text) for text in row] for row in lattice_texts(vectors)])


def lattice_texts(vectors: NDArray[np.float64]) -> list[list[str]]:
    """Rows as decimals with `DIGITS` places, exactly what certificates state."""
    return [[f"{x:.{DIGITS}f}" for x in row] for row in vectors.tolist()]


def _given(vectors: tuple[tuple[float, ...], ...], dimension: int) -> NDArray[np.float64]:
    lattice = np.array(vectors, dtype=np.float64)
    if lattice.shape != (dimension, dimension) or not np.isfinite(lattice).all():
        raise InputError(
            f"a starting lattice of shape {lattice.shape}: give {dimension} finite vectors "
            f"of {dimension} entries"
        )
    if abs(np.linalg.det(lattice)) <= 1e-6 * np.prod(np.linalg.norm(lattice, axis=1)):
        raise InputError("the vectors of the starting lattice are parallel: give independent ones")
    return rounded(lattice)
