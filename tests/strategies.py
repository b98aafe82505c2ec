"""Hypothesis strategies for lattice objects."""

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from tasks.lattice import Triangulation, honeycomb, num_points, random_flips, random_regular

SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def triangulations(draw: st.DrawFn, min_degree: int = 1, max_degree: int = 6) -> Triangulation:
    """Unimodular triangulations without weights: ends of flip walks.

    Examples shrink towards the honeycomb.
    """
    degree = draw(st.integers(min_degree, max_degree))
    steps = draw(st.integers(0, 20 * degree**2))
    rng = np.random.default_rng(draw(SEEDS))
    return random_flips(honeycomb(degree), steps, rng)


@st.composite
def regular_triangulations(
    draw: st.DrawFn, min_degree: int = 1, max_degree: int = 6
) -> Triangulation:
    """Regular unimodular triangulations with weights that induce them."""
    degree = draw(st.integers(min_degree, max_degree))
    return random_regular(degree, np.random.default_rng(draw(SEEDS)))


def sign_words(degree: int) -> st.SearchStrategy[int]:
    """Sign vectors as words: bit i is the sign of point i."""
    return st.integers(0, 2 ** num_points(degree) - 1)


def signs(degree: int) -> st.SearchStrategy[NDArray[np.int64]]:
    """Sign vectors as int64 arrays of 0 and 1, shape (n,)."""
    n = num_points(degree)
    bits = st.lists(st.integers(0, 1), min_size=n, max_size=n)
    return bits.map(lambda values: np.array(values, dtype=np.int64))


@st.composite
def signed_triangulations(
    draw: st.DrawFn, min_degree: int = 1, max_degree: int = 6
) -> tuple[Triangulation, NDArray[np.int64]]:
    """Pairs of a triangulation and signs on its points."""
    triangulation = draw(triangulations(min_degree, max_degree))
    return triangulation, draw(signs(triangulation.degree))
