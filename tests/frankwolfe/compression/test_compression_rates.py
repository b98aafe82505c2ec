"""Gaps of smooth, nonconvex problems fall as stated, with and without gradient rescaling.

With f L-smooth, h = f(x_0) - min f, D the diameter, gaps g_t = <grad_t, x_t - v_t> and a descent
lemma along x + s (v - x),

    f(x_(t+1)) <= f(x_t) - s g_t + L s^2 |v - x|^2 / 2.

Without rescaling, s = 1 / sqrt(T): min_t g_t <= (h + L D^2 / 2) / sqrt(T)     (arXiv:1607.00345).
With it, |x_(t+1) - x_t| = eta |grad_t|, eta = 1 / sqrt(T): since g_t <= D |grad_t|,
    min_t g_t^2 <= D^2 (h + L G^2 / 2) / sqrt(T),     G = max_t |grad_t|      (arXiv:2205.11921).
"""

import math

import numpy as np
import pytest
import torch

from tasks.nn.optimizers import FrankWolfe
from tasks.nn.regions import region_by_name

SIZE, RADIUS = 40, 2.0
REGIONS = {"k_support": {"k": 6}, "l1": {}, "linf": {}}


def problem():
    """f(x) = <x, A x> / 2 + <b, x>, A with eigenvalues from -1 to 1."""
    generator = torch.Generator().manual_seed(3)
    vectors, _ = torch.linalg.qr(torch.randn(SIZE, SIZE, generator=generator, dtype=torch.float64))
    values = torch.linspace(-1, 1, SIZE, dtype=torch.float64)
    return (vectors * values) @ vectors.T, torch.randn(SIZE, generator=generator).double() / 10


def gaps(name, num_steps, rescaling):
    """Gaps, norms of gradients, f(x_0) and the least f that was seen."""
    matrix, shift = problem()
    region = region_by_name(name, radius=RADIUS, **REGIONS[name])
    x = torch.nn.Parameter(torch.zeros(SIZE, dtype=torch.float64))
    optimizer = FrankWolfe(
        [x], region=region, preset="sfw", rescaling=rescaling, lr=1 / math.sqrt(num_steps)
    )
    found, norms, values = [], [], []
    for _ in range(num_steps):
        point = x.detach()
        gradient = matrix @ point + shift
        values.append(float(point @ (matrix @ point) / 2 + shift @ point))
        found.append(float(gradient @ point + region.support(gradient)))
        norms.append(float(gradient.norm()))
        x.grad = gradient
        optimizer.step()
    return np.array(found), np.array(norms), values


def bound_of(name, num_steps, rescaling):
    """The least gap, and the proved bound on it."""
    found, norms, values = gaps(name, num_steps, rescaling)
    region = region_by_name(name, radius=RADIUS, **REGIONS[name])
    diameter = region.diameter((SIZE,))
    norm = float(problem()[1].norm())
    # |x| <= D / 2, so that f is at least this; eigenvalues are at least -1.
    lowest = -((diameter / 2) ** 2) / 2 - norm * diameter / 2
    fall = values[0] - lowest
    if rescaling == "none":
        return found.min(), (fall + diameter**2 / 2) / math.sqrt(num_steps)
    largest = norms.max()
    return found.min(), diameter * math.sqrt((fall + largest**2 / 2) / math.sqrt(num_steps))


@pytest.mark.parametrize("rescaling", ["none", "gradient"])
@pytest.mark.parametrize("name", REGIONS)
def test_the_least_gap_is_below_the_proved_bound(name, rescaling):
    for num_steps in (25, 100, 400, 1600):
        least, bound = bound_of(name, num_steps, rescaling)
        assert -1e-9 <= least <= bound


@pytest.mark.parametrize(("rescaling", "rate"), [("none", 0.5), ("gradient", 0.25)])
@pytest.mark.parametrize("name", REGIONS)
def test_gaps_fall_at_least_as_fast_as_stated(name, rescaling, rate):
    counts = np.array([50, 200, 800, 3200])
    least = np.array([gaps(name, count, rescaling)[0].min() for count in counts])
    if least.max() <= 1e-10:  # a vertex is the solution, and is reached
        return
    slope = np.polyfit(np.log(counts), np.log(np.maximum(least, 1e-12)), 1)[0]
    assert slope <= -rate + 0.05
