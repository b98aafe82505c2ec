"""The exact number F(d) of unimodular triangulations of d·Δ₂, and uniform samples.

Take triangles off a triangulation from above, one at a time, such that the boundary of the rest
towards the top stays a monotone path from (0, 0) to (d, 0) (see `tasks.lattice._paths`). There is
always a triangle that can be taken, and taking the leftmost one each time makes the sequence
unique. So F(d) is the number of such sequences, a dynamic program over monotone paths, and going
through it backwards numbers the triangulations from 0 to F(d) - 1. A random number then is a
random triangulation, exactly uniform.

References
----------
V. Kaibel, G. M. Ziegler: Counting lattice triangulations, arXiv math/0211268 (paths
and inclusion and exclusion). V. Alvarez, R. Seidel: A simple aggregative algorithm for counting
triangulations of planar point sets, SoCG 2013 (marked paths).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tasks.lattice._paths import Layout, layout, top_rank
from tasks.lattice.points import check_degree, point_index
from tasks.lattice.triangulation import Triangulation
from tasks.records.errors import InputError

MAX_COUNTED_DEGREE = 7
"""Largest degree counted: degree 8 would need more than 60 GiB, and degree 7 needs 1.7 GiB."""


def count_triangulations(degree: int) -> int:
    """F(d), for d up to 7.

    Degree 7 takes about ten seconds and 1.7 GiB, of which 0.2 GiB are kept for further calls;
    degree 6 takes less than a second.

    Raises
    ------
    InputError
        If the degree is not in 1..7.

    >>> [count_triangulations(d) for d in range(1, 6)]
    [1, 4, 79, 7424, 3370836]
    """
    _, counts, top = _tables(_check_counted(degree))
    return int(counts[top])


@dataclass(frozen=True)
class UniformSampler:
    """The unimodular triangulations of d·Δ₂ as a sequence, for exact uniform sampling.

    Tables are built on first use, once per process and degree; a pickle does not contain them.
    In degree 7 they take about ten seconds, 1.7 GiB while they are built and 0.2 GiB after.

    Attributes
    ----------
    degree
        d, from 1 to 7.

    Raises
    ------
    InputError
        If the degree is not in 1..7.

    >>> sampler = UniformSampler(3)
    >>> sampler.count, len({sampler.triangulation(i) for i in range(79)})
    (79, 79)
    """

    degree: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "degree", _check_counted(self.degree))

    @property
    def count(self) -> int:
        """F(d)."""
        return count_triangulations(self.degree)

    def triangulation(self, index: int, *, name: str = "") -> Triangulation:
        """Triangulation number `index`, without weights; each appears for exactly one index.

        Raises
        ------
        InputError
            If the index is not in 0..F(d)-1.
        """
        if not 0 <= index < self.count:
            raise InputError(
                f"triangulation {index} of degree {self.degree} does not exist: "
                f"give an index from 0 to {self.count - 1}"
            )
        from tasks.lattice._sweep import triangles_of

        digits, counts, top = _tables(self.degree)
        x, y = np.moveaxis(triangles_of(digits, counts, top, int(index)), 2, 0)
        return Triangulation.of(self.degree, point_index(self.degree, x, y), name=name)

    def sample(self, rng: np.random.Generator, *, name: str = "") -> Triangulation:
        """A uniformly distributed triangulation, without weights; it may well be irregular."""
        return self.triangulation(int(rng.integers(self.count)), name=name)


def _check_counted(degree: int) -> int:
    d = check_degree(degree)
    if d > MAX_COUNTED_DEGREE:
        raise InputError(
            f"degree {d} is too large to count or sample triangulations uniformly: give a degree "
            f"from 1 to {MAX_COUNTED_DEGREE}, or walk randomly with random_flips"
        )
    return d


@lru_cache(maxsize=MAX_COUNTED_DEGREE)
def _tables(degree: int) -> tuple[Layout, NDArray[np.int64], int]:
    """Layout of the paths, number of triangulations below each, rank of the topmost path."""
    # Compiled code is loaded only when something is counted.
    from tasks.lattice._sweep import count_below

    digits = layout(degree)
    return digits, count_below(digits), top_rank(digits)
