"""Schedules against their formulas."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.nn import Compressed, Cosine, Linear, Shifted, Step, WarmUp, num_rises, warmed_up
from tasks.records import InputError

rates = st.floats(1e-6, 10)
lengths = st.integers(1, 1000)


@given(rates, rates, lengths)
def test_linear_and_cosine_meet_their_ends_and_middle(a, b, length):
    for kind in (Linear, Cosine):
        schedule = kind(a, b, num_steps=2 * length)
        assert schedule.at(0) == pytest.approx(a)
        assert schedule.at(2 * length) == schedule.at(5 * length) == pytest.approx(b)
        assert schedule.at(length) == pytest.approx((a + b) / 2)


@given(rates, lengths, st.integers(0, 2000))
def test_decays_never_rise(a, length, step):
    for kind in (Linear, Cosine):
        schedule = kind(a, 0.0, num_steps=length)
        assert schedule.at(step + 1) <= schedule.at(step)


def test_cosine_is_its_formula():
    schedule = Cosine(0.4, 0.1, num_steps=10)
    expected = [0.1 + 0.3 * (1 + math.cos(math.pi * t / 10)) / 2 for t in range(10)]
    assert [schedule.at(t) for t in range(10)] == pytest.approx(expected)


def test_steps_fall_at_their_milestones():
    schedule = Step(0.1, milestones=(3, 5), factor=0.5)
    assert [schedule.at(t) for t in range(7)] == [0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025]


def test_a_warm_up_rises_to_the_full_rate_and_shifts_the_rest():
    schedule = WarmUp(Linear(0.4, 0.0, num_steps=4), num_steps=4)
    assert [schedule.at(t) for t in range(9)] == pytest.approx(
        [0.1, 0.2, 0.3, 0.4, 0.4, 0.3, 0.2, 0.1, 0.0]
    )


@given(lengths, lengths)
def test_a_compressed_schedule_runs_through_the_whole_curve(old, new):
    inner = Linear(1.0, 0.0, num_steps=old)
    schedule = Compressed(inner, old_steps=old, new_steps=new)
    assert schedule.at(0) == inner.at(0) and schedule.at(new) == inner.at(old)
    for t in range(new):
        assert abs(schedule.at(t) - (1 - t / new)) <= 1 / old + 1e-12  # rounded to a step


def test_a_shifted_schedule_is_the_tail():
    inner = Step(1.0, milestones=(5,))
    assert [Shifted(inner, 4).at(t) for t in range(3)] == [inner.at(t) for t in (4, 5, 6)]


@pytest.mark.parametrize(
    ("share", "num_steps", "rises"),
    [(0.1, 100, 10), (0.1, 4, 1), (0.1, 14, 1), (0.1, 16, 2), (0.0, 100, 0)],
)
def test_a_share_of_warm_up_is_rounded_and_never_lost(share, num_steps, rises):
    assert num_rises(share, num_steps) == rises


def test_a_warmed_up_schedule_is_shifted_and_none_is_the_schedule_itself():
    linear = Linear(1.0, 0.0, num_steps=90)
    assert warmed_up(linear, 0.1, 100) == WarmUp(linear, 10)
    assert warmed_up(linear, 0.0, 100) is linear


def test_bad_lengths_and_shares_are_refused():
    with pytest.raises(InputError, match="0 steps"):
        Linear(1.0, 0.0, num_steps=0)
    with pytest.raises(InputError, match=r"1\.5"):
        num_rises(1.5, 10)
