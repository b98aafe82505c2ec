"""Derivatives of -log det against dense linear algebra and differences."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu.barrier import fill_barrier


def definite(rng, size):
    factor = rng.standard_normal((size, size))
    return factor @ factor.T + 0.1 * np.eye(size)


def random_entries(rng, sizes, counts):
    """Entries of F_1..F_K, counts[k] each, repeated places allowed: start, block, row, column."""
    block = rng.integers(0, len(sizes), sum(counts))
    ends = np.array(sizes)[block]
    places = np.sort(np.stack([rng.integers(0, ends), rng.integers(0, ends)]), axis=0)
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return start, block, places[0], places[1]


def dense(sizes, start, block, row, column, value):
    """F_k as one block-diagonal matrix each."""
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    matrices = []
    for begin, end in pairwise(start.tolist()):
        matrix = np.zeros((sum(sizes), sum(sizes)))
        for b, i, j, v in zip(*(a[begin:end] for a in (block, row, column, value)), strict=True):
            matrix[offsets[b] + i, offsets[b] + j] += v
            if i != j:
                matrix[offsets[b] + j, offsets[b] + i] += v
        matrices.append(matrix)
    return matrices


def filled(inverses, entries, value):
    sizes = np.array([len(inverse) for inverse in inverses])
    start, block, row, column = entries
    size = len(start) - 1
    gradient, hessian = np.full(size, np.nan), np.full((size, size), np.nan)
    fill_barrier(
        np.concatenate([inverse.ravel() for inverse in inverses]),
        sizes,
        np.concatenate([[0], np.cumsum(sizes**2)[:-1]]),
        start,
        block,
        row,
        column,
        np.where(row == column, value / 2, value),
        gradient,
        hessian,
    )
    return gradient, hessian


def block_diagonal(blocks):
    total = sum(map(len, blocks))
    matrix, begin = np.zeros((total, total)), 0
    for block in blocks:
        matrix[begin : begin + len(block), begin : begin + len(block)] = block
        begin += len(block)
    return matrix


def derivatives(seed, sizes, counts):
    """What the kernel fills, the gradient and Hessian by dense products, and their scale."""
    rng = np.random.default_rng(seed)
    inverses = [definite(rng, size) for size in sizes]
    entries = random_entries(rng, sizes, counts)
    value = rng.standard_normal(len(entries[1]))
    whole, matrices = block_diagonal(inverses), dense(sizes, *entries, value)
    products = [whole @ matrix @ whole for matrix in matrices]
    gradient = np.array([-np.vdot(whole, matrix) for matrix in matrices])
    hessian = np.array([[np.vdot(p, matrix) for matrix in matrices] for p in products])
    return filled(inverses, entries, value), gradient, hessian


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.lists(st.integers(0, 12), min_size=1, max_size=8),
)
@settings(max_examples=80)
def test_the_derivatives_are_those_of_dense_products(seed, sizes, counts):
    (gradient, hessian), wanted_gradient, wanted_hessian = derivatives(seed, sizes, counts)
    scale = 1 + np.abs(wanted_hessian).max()
    assert np.allclose(gradient, wanted_gradient, atol=1e-12 * scale)
    assert np.allclose(np.triu(hessian), np.triu(wanted_hessian), atol=1e-12 * scale)


@pytest.mark.parametrize(
    ("sizes", "counts"),
    [((30,), (2,) * 20), ((6,), (21,) * 15), ((20, 4, 4), (2, 20, 2, 3, 1) * 4)],
    ids=["pairs of entries", "products of matrices", "both, in blocks"],
)
def test_both_ways_of_summing_agree_with_dense_products(sizes, counts):
    (gradient, hessian), wanted_gradient, wanted_hessian = derivatives(7, sizes, counts)
    assert np.allclose(gradient, wanted_gradient)
    assert np.allclose(np.triu(hessian), np.triu(wanted_hessian))


def test_below_the_diagonal_nothing_is_written():
    (_, hessian), _, _ = derivatives(3, (5,), (2, 2, 2))
    assert np.isnan(hessian[np.tril_indices(3, -1)]).all()


def test_the_gradient_is_the_slope_of_the_barrier():
    rng = np.random.default_rng(11)
    sizes, point = (5, 3), 0.1 * rng.standard_normal(4)
    entries = random_entries(rng, sizes, (3, 2, 4, 5))
    value = rng.standard_normal(14)
    matrices = dense(sizes, *entries, value)
    constant = block_diagonal([20 * np.eye(size) for size in sizes])

    def slack(y):
        return constant + sum(a * matrix for a, matrix in zip(y, matrices, strict=True))

    def barrier(y):
        return -np.linalg.slogdet(slack(y))[1]

    inverse = np.linalg.inv(slack(point))
    gradient, hessian = filled([inverse[:5, :5], inverse[5:, 5:]], entries, value)
    for k, unit in enumerate(1e-4 * np.eye(4)):
        up, here, down = barrier(point + unit), barrier(point), barrier(point - unit)
        assert np.isclose((up - down) / 2e-4, gradient[k], atol=1e-7)
        assert np.isclose((up - 2 * here + down) / 1e-8, hessian[k, k], atol=1e-5)
