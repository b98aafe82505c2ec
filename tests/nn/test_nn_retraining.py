"""Retraining schedules: the adaptive rate's unit values and the shapes of all curves."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.nn import (
    RETRAININGS,
    Constant,
    Cosine,
    Linear,
    Step,
    WarmUp,
    adaptive_factor,
    pruning_distance,
    retraining_schedule,
    warmed_up,
)
from tasks.nn.sparsity import largest
from tasks.records import InputError

ORIGINAL = Step(0.1, milestones=(50, 75))
T = 100


def rates(kind, num_steps, original=ORIGINAL, **options):
    schedule = retraining_schedule(kind, original, T, num_steps, **options)
    return [schedule.at(step) for step in range(num_steps)]


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.5, 0.3777), (0.7, 0.5564), (0.8, 0.6616), (0.9, 0.7893),
     (0.95, 0.8711), (0.98, 0.9346), (0.99, 0.9616)],
)  # fmt: skip
def test_the_distance_of_pruned_gaussian_weights_is_the_known_one(share, expected):
    # Quantiles of the normal distribution stand for a sample: no sampling error to allow for.
    number = 200_000
    levels = (torch.arange(number, dtype=torch.float64) + 0.5) / number
    weights = torch.special.ndtri(levels)
    mask = largest(weights.abs(), round((1 - share) * number))
    assert pruning_distance({"w": weights}, {"w": mask}) == pytest.approx(expected, abs=6e-5)


def test_the_distance_counts_only_what_was_left():
    weights = {"w": torch.tensor([0.0, 3.0, 4.0, 1.0])}
    earlier = {"w": torch.tensor([False, True, True, True])}
    masks = {"w": torch.tensor([False, True, True, False])}
    # One of three is pruned: s = 1/3, |W - W_p| = 1, |W|^2 = 26.
    assert pruning_distance(weights, masks, earlier) == pytest.approx((3 / 26) ** 0.5)


def test_a_kept_weight_that_is_zero_does_not_count_as_pruned():
    weights = {"w": torch.tensor([0.0, 1.0, 1.0])}
    masks = {"w": torch.tensor([True, True, False])}
    assert pruning_distance(weights, masks) == pytest.approx((3 / 2) ** 0.5)


def test_weights_of_equal_size_have_distance_1_and_no_pruning_has_0():
    weights = {"a": torch.ones(4), "b": -torch.ones(6)}
    half = {"a": torch.arange(4) < 2, "b": torch.arange(6) < 3}
    assert pruning_distance(weights, half) == pytest.approx(1)
    assert pruning_distance(weights, half, half) == 0.0


@given(st.floats(0, 2), st.floats(0.001, 5))
def test_the_adaptive_factor_lies_between_the_length_share_and_1(distance, length):
    factor = adaptive_factor(distance, length)
    assert min(length, 1) <= factor <= 1
    assert factor == pytest.approx(sorted([min(length, 1), distance, 1])[1])


def test_fine_tuning_uses_the_smallest_rate_after_the_largest():
    assert rates("ft", 7) == pytest.approx([0.001] * 7)
    assert rates("ft", 3, WarmUp(Constant(0.1), 20)) == [0.1] * 3  # not the warm-up's


def test_rewinding_replays_the_last_steps():
    assert rates("lrw", 40) == [ORIGINAL.at(t) for t in range(60, 100)]


def test_a_rewinding_that_is_longer_than_the_original_stretches_it():
    """Beyond T a decayed schedule has rate 0: a third of the steps would change nothing."""
    assert rates("lrw", 200) == [ORIGINAL.at(t // 2) for t in range(200)]
    assert min(rates("lrw", 150, Linear(0.1, 0.0, num_steps=T))) > 0


def test_the_compressed_curve_follows_the_original_after_the_warm_up():
    expected = [0.02, 0.04, 0.06, 0.08, 0.1, *[ORIGINAL.at(t * 100 // 45) for t in range(45)]]
    assert rates("slr", 50) == pytest.approx(expected)


def test_the_compressed_curve_rises_once_if_the_original_has_a_warm_up_too():
    original = warmed_up(Linear(0.1, 0.0, num_steps=95), 0.05, T)
    found = rates("slr", 20, original)
    expected = [0.05, 0.1, *[original.at(4 + t * 96 // 18) for t in range(18)]]
    assert found == pytest.approx(expected)
    assert found[2] == 0.1 and all(a > b for a, b in pairwise(found[2:]))


def test_cosine_and_linear_start_at_the_largest_rate_after_the_warm_up():
    for kind, curve in (("clr", Cosine), ("llr", Linear)):
        expected = [0.05, 0.1, *[curve(0.1, 0.0, num_steps=18).at(t) for t in range(18)]]
        assert rates(kind, 20) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("distance", "num_steps", "factor"),
    [(0.6, 20, 0.6), (0.05, 20, 0.2), (0.05, 500, 1.0), (1.3, 20, 1.0)],
)
def test_the_adaptive_curve_is_a_scaled_linear_one(distance, num_steps, factor):
    linear = rates("llr", num_steps)
    adaptive = rates("allr", num_steps, distance=distance)
    assert adaptive == pytest.approx([factor * rate for rate in linear])


@pytest.mark.parametrize("kind", RETRAININGS)
@pytest.mark.parametrize("num_steps", [1, 2, 9])
def test_short_retrainings_have_positive_rates(kind, num_steps):
    assert all(rate > 0 for rate in rates(kind, num_steps, distance=0.5))


def test_wrong_use_is_refused():
    with pytest.raises(InputError, match="no retraining is called 'lr'; known are ft, lrw"):
        retraining_schedule("lr", ORIGINAL, 10, 10)
    with pytest.raises(InputError, match="both are >= 1"):
        retraining_schedule("ft", ORIGINAL, 10, 0)
    with pytest.raises(InputError, match="ALLR needs the distance"):
        retraining_schedule("allr", ORIGINAL, 10, 10)
    with pytest.raises(InputError, match="all zero"):
        pruning_distance({"w": torch.zeros(2)}, {"w": torch.tensor([True, False])})
