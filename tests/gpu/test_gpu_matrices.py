"""Kernels of the optimizers against their NumPy twins."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gpu import matrix_reference as reference
from gpu.largest import largest_entries
from gpu.polar import (
    SLACK,
    by_express,
    by_gram,
    by_half,
    by_svd,
    express_coefficients,
    polar_factor,
)
from gpu.power import leading

TYPES = (np.float32, np.float64)
values = st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-45, -1e-45, 3e38, -3e38, 0.5, 2.0]) | st.floats(
    -2, 2, width=32
)


@given(st.data(), st.sampled_from(TYPES))
@settings(max_examples=200, deadline=None)
def test_the_largest_entries_are_those_of_a_stable_sort(data, dtype):
    row = data.draw(arrays.arrays(dtype, st.integers(1, 40), elements=values))
    count = data.draw(st.integers(1, len(row)))
    found = largest_entries(torch.from_numpy(row), count).numpy()
    np.testing.assert_array_equal(found, reference.largest_entries(row, count))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_largest_entries_of_rows_are_exactly_as_many_as_asked_for(dtype):
    x = torch.randn(3, 2, 1000, generator=torch.Generator().manual_seed(0)).to(dtype)
    x[0, 0] = 1.0
    for count in (1, 100, 1000):
        mask = largest_entries(x, count)
        assert (mask.sum(-1) == count).all()
        kept = (x.abs().double() * mask).sum(-1)
        torch.testing.assert_close(kept, x.abs().double().topk(count).values.sum(-1))


def with_values(shape, singular, seed=0):
    """A matrix with given singular values, float64."""
    generator = torch.Generator().manual_seed(seed)
    rank = min(shape)
    left = torch.linalg.qr(torch.randn(shape[0], rank, generator=generator).double()).Q
    right = torch.linalg.qr(torch.randn(shape[1], rank, generator=generator).double()).Q
    return (left * torch.as_tensor(singular).double()) @ right.mT


SHAPES = ((1, 1), (1, 7), (7, 1), (20, 20), (48, 20), (20, 48))
SPECTRA = {
    "even": lambda n: np.ones(n),
    "to 1e-3": lambda n: np.logspace(0, -3, n),
    "to 1e-6": lambda n: np.logspace(0, -6, n),
    "low rank": lambda n: np.where(np.arange(n) < max(1, n // 2), 1.0, 0.0),
}


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("find", [by_gram, by_svd, polar_factor])
def test_exact_polar_factors_have_singular_values_1(find, shape, dtype, spectrum):
    x = with_values(shape, SPECTRA[spectrum](min(shape))).to(dtype)
    found = find(x)
    singular = torch.linalg.svdvals(found.double())
    assert float((singular - 1).abs().max()) <= SLACK
    best = float(torch.linalg.svdvals(x.double()).sum())
    assert float((found.double() * x.double()).sum()) == pytest.approx(best, rel=SLACK)
    if spectrum == "to 1e-3" and dtype == torch.float64:
        np.testing.assert_allclose(found.numpy(), reference.polar_factor(x.numpy()), atol=1e-6)


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("shape", [*SHAPES, (130, 128), (300, 100)])
def test_polar_factors_by_half_precision_have_singular_values_1(shape, spectrum):
    """Their vectors are of the matrix rounded to 8 binary digits: nearly as good."""
    x = with_values(shape, SPECTRA[spectrum](min(shape))).float()
    for scale in (1e-20, 1e-3, 1.0, 1e20):
        found = by_half(scale * x).double()
        singular = torch.linalg.svdvals(found)
        assert float((singular - 1).abs().max()) <= SLACK
        best = float(torch.linalg.svdvals(x.double()).sum())
        assert float((found * x.double()).sum()) >= 0.995 * best
    stack = torch.stack([x, -x])
    torch.testing.assert_close(by_half(stack), torch.stack([by_half(x), by_half(-x)]))


def test_half_precision_is_for_large_matrices_on_cpus_with_tiles(monkeypatch):
    monkeypatch.setattr("gpu.polar.by_half", lambda x: "half")
    monkeypatch.setattr("gpu.polar.by_gram", lambda x: "gram")
    for tiles in (True, False):
        monkeypatch.setattr("gpu.polar.has_tiles", lambda tiles=tiles: tiles)
        assert polar_factor(torch.ones(128, 200)) == ("half" if tiles else "gram")
        assert polar_factor(torch.ones(128, 200).double()) == "gram"
        assert polar_factor(torch.ones(127, 200)) == "gram"


@pytest.mark.parametrize("scale", [1e-15, 1.0, 1e15])
def test_polar_factors_of_stacks_are_those_of_their_members(scale):
    shape = (48, 20)
    stack = torch.stack(
        [with_values(shape, values(20), seed) for seed, values in enumerate(SPECTRA.values())]
    )
    stack = (scale * stack).float()
    for find in (by_gram, by_svd, by_express):
        found = find(stack)
        for one, x in zip(found, stack, strict=True):
            torch.testing.assert_close((one * x).sum(), (find(x) * x).sum(), rtol=1e-5, atol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_polar_express_stays_in_the_ball_and_is_near_its_boundary(shape):
    for spectrum in ("even", "to 1e-3"):
        x = with_values(shape, SPECTRA[spectrum](min(shape))).float()
        singular = torch.linalg.svdvals(by_express(x).double())
        assert float(singular.min()) >= 0.98 and float(singular.max()) <= 1.0001
    x = with_values(shape, SPECTRA["to 1e-6"](min(shape))).float()
    assert float(torch.linalg.svdvals(by_express(x).double()).max()) <= 1.0001
    assert not by_express(torch.zeros(shape)).any()


def test_newton_schulz_as_muon_uses_it_leaves_the_ball_and_ours_does_not():
    x = with_values((20, 48), np.linspace(1, 0.02, 20))
    wide = x / x.norm()
    for _ in range(5):
        gram = wide @ wide.mT
        wide = 3.4445 * wide + (-4.775 * gram + 2.0315 * gram @ gram) @ wide
    assert float(torch.linalg.svdvals(wide).max()) > 1.1
    assert float(torch.linalg.svdvals(by_express(x.float()).double()).max()) <= 1 + 1e-6
    assert float(torch.linalg.svdvals(by_gram(x.float()).double()).max()) <= 1 + SLACK


@pytest.mark.parametrize("lowest", [1e-5, 1e-3, 0.1, 0.9])
def test_the_polynomials_of_polar_express_alternate_around_1(lowest):
    low, high = lowest, 1.0
    errors = []
    for a, b, c in express_coefficients(9, lowest):
        s = np.concatenate([np.geomspace(low, high, 4001), np.linspace(low, high, 4001)])
        p = a * s + b * s**3 + c * s**5
        errors.append(np.abs(p - 1).max())
        if high - low > 1e-3:  # the least maximum is attained at both ends, with the same sign
            assert p[0] - 1 == pytest.approx(-errors[-1], rel=1e-3)
            assert p[4000] - 1 == pytest.approx(errors[-1], rel=1e-3)
        low, high = p.min(), p.max()
    assert all(b <= a + 1e-12 for a, b in pairwise(errors))
    assert errors[-1] < 0.01


@pytest.mark.parametrize("shape", [(30, 50), (50, 30), (4, 4), (3, 9)])
@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_rounds_of_power_iteration_find_the_leading_subspace(shape, rank, scale):
    x = with_values(shape, np.logspace(0, -2, min(shape)))
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(rank, shape[1], generator=generator, dtype=torch.float64)
    extra = torch.randn(1, shape[1], generator=generator, dtype=torch.float64)
    x = scale * x
    found = leading(x, start, extra, rounds=60)
    product = (found.left @ found.rows * x.abs().max()).numpy() / scale
    x = x / scale
    np.testing.assert_allclose(product, reference.low_rank(x.numpy(), rank), atol=1e-8)
    torch.testing.assert_close(found.left.mT @ found.left, torch.eye(rank).double())
    again = leading(x, found.rows, extra)
    torch.testing.assert_close(again.left @ again.rows, found.left @ found.rows)
    both = leading(torch.stack([x, 2 * x]), found.rows[None], extra[None])
    torch.testing.assert_close(both.left[1] @ both.rows[1], found.left @ found.rows)


def test_a_new_leading_vector_that_the_start_is_orthogonal_to_is_found():
    x = torch.diag(torch.tensor([1.0, 2.0, 0.5, 0.1]).double())
    start = torch.eye(4).double()[:1]
    generator = torch.Generator().manual_seed(2)
    for _ in range(30):
        extra = torch.randn(1, 4, generator=generator).double()
        start = leading(x, start, extra).rows
    assert float(start.norm()) == pytest.approx(1, rel=1e-6)  # the largest entry is taken out
