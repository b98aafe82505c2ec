"""Tridiagonal matrices: low eigenpairs and shifted systems, against LAPACK."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu._tridiagonal import (
    TINY,
    eigenvectors,
    factor_shifted,
    low_eigenvalues,
    lowest_eigenvalue,
    solve_shifted,
)

ENTRIES = st.floats(-4.0, 4.0).map(lambda value: round(value, 2))
SIZES = st.integers(1, 40)


def dense(d, e):
    return np.diag(d) + np.diag(e[:-1], 1) + np.diag(e[:-1], -1)


@st.composite
def matrices(draw):
    """Entries of two digits, many of them equal or 0: clusters and separate pieces."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    pool = np.array(draw(st.lists(ENTRIES, min_size=1, max_size=6)))
    size = draw(SIZES)
    return rng.choice(pool, size), rng.choice(np.append(pool, 0.0), size)


def low_eigenpairs(d, e, level):
    values = low_eigenvalues(d, e, level)
    vectors = eigenvectors(d, e, values)
    return values, vectors


def glued(copies, weak):
    """Wilkinson's matrices of 21 rows, which have pairs of equal eigenvalues, weakly joined."""
    beside = np.tile(np.append(np.ones(20), weak), copies)
    return np.tile(np.abs(np.arange(-10.0, 11.0)), copies), beside


def assert_low_eigenpairs(d, e, level):
    """All eigenvalues below the level, but for those as close as bisection goes."""
    matrix = dense(d, e)
    scale = max(1.0, np.abs(matrix).sum(axis=1).max(), abs(level))
    values, vectors = low_eigenpairs(d, e, level)
    exact = np.linalg.eigvalsh(matrix)
    rank = len(values)
    assert (exact < level - 1e-9 * scale).sum() <= rank <= (exact < level + 1e-9 * scale).sum()
    assert np.abs(np.sort(values) - exact[:rank]).max(initial=0.0) <= 1e-6 * scale
    assert np.abs(matrix @ vectors - vectors * values).max(initial=0.0) <= 1e-6 * scale
    assert np.abs(vectors.T @ vectors - np.eye(rank)).max(initial=0.0) <= 1e-5


@given(matrix=matrices(), level=st.floats(-6.0, 6.0))
@settings(max_examples=200, deadline=None)
def test_low_eigenpairs_are_those_of_lapack(matrix, level):
    assert_low_eigenpairs(*matrix, level)


@pytest.mark.parametrize("weak", [1e-3, 1e-8, 0.0])
@pytest.mark.parametrize("level", [0.5, 5.5, 20.0])
def test_eigenvalues_that_nearly_agree_have_orthonormal_vectors(weak, level):
    assert_low_eigenpairs(*glued(6, weak), level)


@pytest.mark.parametrize("level", [6.0, 2000.0, 10**6])
def test_a_level_far_above_the_matrix_changes_nothing(level):
    rng = np.random.default_rng(1)
    for _ in range(40):
        d, e = rng.choice([0.0, 0.02], 30), rng.choice([0.0, 0.02], 30)
        values = low_eigenvalues(d, e, level)
        vectors = eigenvectors(d, e, values)
        assert np.abs(vectors.T @ vectors - np.eye(30)).max() <= 1e-5
        assert np.abs(np.sort(values) - np.linalg.eigvalsh(dense(d, e))).max() <= 1e-8


def test_a_large_random_matrix_from_single_precision():
    from scipy.linalg import lapack

    rng = np.random.default_rng(0)
    square = rng.normal(size=(200, 200)).astype(np.float32)
    square += square.T
    _, d, e, _, _ = lapack.ssytrd(square, lower=1)
    assert_low_eigenpairs(d.astype(float), np.append(e, 0.0).astype(float), -4.0)


@given(matrix=matrices(), at_most=st.floats(-6.0, 6.0))
@settings(max_examples=200, deadline=None)
def test_the_lowest_eigenvalue_is_found_up_to_the_bound(matrix, at_most):
    d, e = matrix
    exact = np.linalg.eigvalsh(dense(d, e))[0]
    width = max(1.0, np.abs(dense(d, e)).sum(axis=1).max() + abs(at_most))
    found = lowest_eigenvalue(d, e, at_most)
    assert found == pytest.approx(min(exact, at_most), abs=2 * width / 4096)


@given(matrix=matrices(), seed=st.integers(0, 10**6), count=st.integers(1, 9))
@settings(max_examples=200, deadline=None)
def test_shifted_systems_are_solved(matrix, seed, count):
    """Residuals, as the systems may be nearly singular."""
    d, e = matrix
    rng = np.random.default_rng(seed)
    shifts, sides = rng.uniform(-5, 5, count), rng.normal(size=(len(d), count))
    solved = sides.copy()
    solve_shifted(*factor_shifted(d, e, shifts, TINY), solved)
    missing = dense(d, e) @ solved - solved * shifts - sides
    assert np.abs(missing).max() <= 1e-6 * max(1.0, np.abs(solved).max())


def test_the_zero_matrix_and_a_single_row():
    values, vectors = low_eigenpairs(np.zeros(5), np.zeros(5), 1.0)
    assert np.abs(values).max() == 0.0
    assert np.allclose(vectors.T @ vectors, np.eye(5))
    values, vectors = low_eigenpairs(np.array([-2.0]), np.zeros(1), 1.0)
    assert (values, vectors) == (pytest.approx([-2.0]), pytest.approx(np.ones((1, 1))))
    assert low_eigenpairs(np.array([2.0]), np.zeros(1), 1.0)[0].size == 0
