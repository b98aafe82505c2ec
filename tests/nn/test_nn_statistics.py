"""Intervals and paired differences over repetitions."""

import doctest

import pytest
from scipy import stats

from tasks.nn import statistics
from tasks.nn.statistics import difference, interval, per_replicate


def test_examples_are_true():
    result = doctest.testmod(statistics, optionflags=doctest.ELLIPSIS)
    assert result.attempted and result.failed == 0


def test_the_interval_is_that_of_a_t_test():
    values = [0.1, 0.4, 0.2, 0.35]
    found = interval(values)
    low, high = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert found.mean - found.half == pytest.approx(low)
    assert found.mean + found.half == pytest.approx(high)
    assert interval([0.3]).half is None


@pytest.mark.parametrize(
    ("second", "verdict"),
    [({0: 0.1, 1: 0.11, 2: 0.1}, "holds"), ({0: 0.9, 1: 0.91, 2: 0.9}, "does not hold"),
     ({0: 0.5, 1: 0.3, 2: 0.8}, "not settled"), ({0: 0.1}, "not settled")],
)  # fmt: skip
def test_a_verdict_needs_the_whole_interval_on_one_side(second, verdict):
    assert difference({0: 0.5, 1: 0.5, 2: 0.5}, second).verdict == verdict


def test_differences_are_paired_and_only_common_repetitions_count():
    found = difference({0: 0.5, 1: 0.9, 7: 0.1}, {0: 0.4, 1: 0.8, 2: 0.0})
    assert found.interval.count == 2
    assert (found.interval.mean, found.interval.half) == pytest.approx((0.1, 0.0), abs=1e-12)
    assert difference({0: 1.0}, {1: 1.0}) is None


def test_rows_without_a_value_do_not_count():
    rows = [{"replicate": 0, "accuracy": 0.2}, {"replicate": 0, "accuracy": None}]
    assert per_replicate(rows, "accuracy") == {0: 0.2}
