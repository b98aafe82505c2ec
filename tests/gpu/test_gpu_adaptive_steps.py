"""Compiled passes of adaptive steps on the cube beside their slow twin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu import adaptive_steps as passes
from gpu.reference import adaptive_step

METRIC = passes.Metric(*map(np.float32, (1e-8, 0.0, np.inf, 1e37, 0.9)))


def inner(x, d, s, eta, sums, count, metric):
    """All inner steps, in place, from the sums of the first pass."""
    y, into = x, np.empty_like(x)
    for _ in range(count - 1):
        sums = passes.next_inner(x, y, into, d, s, eta, length(sums), metric)
        y = into
    passes.last_inner(x, y, d, s, eta, length(sums), metric)


def length(sums):
    slope, curve = sums
    return np.float32(min(max(slope / curve, 0.0), 1.0) if curve else 0.0)


@settings(max_examples=25, deadline=None)
@given(size=st.integers(1, 9000), seed=st.integers(0, 2**32), count=st.integers(1, 5))
def test_passes_of_adagrad_are_the_slow_step(size, seed, count):
    random = np.random.default_rng(seed)
    x, g = (random.uniform(-0.9, 0.9, size).astype(np.float32) for _ in range(2))
    s = random.uniform(0, 1, size).astype(np.float32)
    eta = np.float32(10.0 ** random.uniform(-3, 1))
    kept = [each.astype(np.float64) for each in (x, g, s)]
    sums = passes.first_of_adagrad(x, g, s, eta, METRIC)
    np.testing.assert_allclose(s, kept[2] + kept[1] ** 2, rtol=1e-6)
    wanted = adaptive_step(*kept[:2], kept[2] + kept[1] ** 2, eta=eta, radius=0.9, num_inner=count)
    inner(x, g, s, eta, sums, count, METRIC)
    # An entry of p near 0 may have another sign in single precision: its way counts nearly nothing.
    assert np.linalg.norm(x - wanted) <= 1e-4 * np.sqrt(size) and np.abs(x).max() <= 0.9 * (
        1 + 1e-6
    )


@pytest.mark.parametrize("bounds", [(0.0, np.inf), (0.3, 0.5)])
def test_passes_of_amsgrad_are_the_slow_step(bounds):
    random = np.random.default_rng(0)
    x, g, m, u, s = (random.uniform(0.1, 0.8, 5000).astype(np.float32) for _ in range(5))
    kept = [each.astype(np.float64) for each in (x, g, m, u, s)]
    metric = METRIC._replace(low=np.float32(bounds[0]), high=np.float32(bounds[1]))
    eta, *rates = map(np.float32, (0.05, 0.9, 0.1, 0.99, 0.01))
    sums = passes.first_of_amsgrad(x, g, m, u, s, eta, *rates, metric)
    momentum, mean = 0.9 * kept[2] + 0.1 * kept[1], 0.99 * kept[3] + 0.01 * kept[1] ** 2
    largest = np.maximum(kept[4], mean)
    for found, wanted in ((m, momentum), (u, mean), (s, largest)):
        np.testing.assert_allclose(found, wanted, rtol=1e-5)
    wanted = adaptive_step(kept[0], momentum, largest, eta=eta, bounds=bounds, radius=0.9)
    inner(x, m, s, eta, sums, 2, metric)
    np.testing.assert_allclose(x, wanted, atol=1e-4)
