"""The arithmetic of cycles and courses."""

import doctest
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tasks.pruning
from tasks.pruning import (
    Cycle,
    gmp_sparsities,
    imp_sparsities,
    plan_course,
    split_budget,
)
from tasks.pruning import cycles as module
from tasks.pruning.cycles import METHODS
from tasks.records import InputError


@pytest.mark.parametrize("documented", [tasks.pruning, module])
def test_examples_are_true(documented):
    assert doctest.testmod(documented).failed == 0


@pytest.mark.parametrize(
    ("sparsity", "expected"), [(0.9, (0.5358, 0.7846, 0.9)), (0.98, (0.7286, 0.9263, 0.98))]
)
def test_sparsities_of_three_cycles_are_the_known_ones(sparsity, expected):
    assert imp_sparsities(sparsity, 3) == pytest.approx(expected, abs=5e-5)


@given(st.floats(0, 0.999), st.integers(1, 30))
def test_every_cycle_removes_the_same_share_of_what_is_left(sparsity, n):
    p, dense = 1 - (1 - sparsity) ** (1 / n), 1.0
    for after in imp_sparsities(sparsity, n):
        assert 1 - after == pytest.approx(dense * (1 - p), abs=1e-9)
        dense = 1 - after
    assert imp_sparsities(sparsity, n)[-1] == sparsity


@given(st.floats(0.01, 0.999), st.integers(1, 30))
def test_the_cubic_rises_ever_more_slowly_to_the_end(sparsity, n):
    steps = [0.0, *gmp_sparsities(sparsity, n)]
    rises = [b - a for a, b in pairwise(steps)]
    assert steps[-1] == pytest.approx(sparsity)
    assert all(r >= -1e-12 for r in rises)
    assert all(a >= b - 1e-12 for a, b in pairwise(rises))


def test_the_cubic_is_the_published_one():
    assert gmp_sparsities(0.8, 2) == pytest.approx((0.8 - 0.8 * 0.125, 0.8))


@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 9))
def test_a_budget_is_spent_exactly_and_the_last_cycle_has_the_rest(dense, more, n):
    if more < n:
        with pytest.raises(InputError, match="larger budget or fewer cycles"):
            split_budget(dense + more, dense, n)
        return
    lengths = split_budget(dense + more, dense, n)
    assert sum(lengths) == more and len(set(lengths[:-1])) <= 1
    assert lengths[0] <= lengths[-1] < lengths[0] + n


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 3, 7])
def test_all_courses_take_the_same_steps_and_end_at_the_sparsity(method, n):
    course = plan_course(method, 0.95, n, dense_steps=500, cycle_steps=40)
    assert course.num_steps == 500 + 40 * n
    assert course.cycles[-1].sparsity == 0.95
    at = course.dense_steps
    for number, cycle in enumerate(course.cycles, start=1):
        assert (cycle.number, cycle.start) == (number, at)
        at += cycle.num_steps
    assert course.continued == (method in ("gmp", "dpf"))
    assert course.feedback == (method == "dpf")


def test_bimp_trains_its_share_of_the_budget_before_pruning():
    course = plan_course("bimp", 0.9, 3, dense_steps=100, cycle_steps=20, dense_share=0.25)
    assert course.dense_steps == 40
    assert course.cycles[0] == Cycle(1, imp_sparsities(0.9, 3)[0], start=40, num_steps=40)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("imp", 1.0, 3), "not in [0, 1)"),
        (("imp", -0.1, 3), "not in [0, 1)"),
        (("imp", float("nan"), 3), "not in [0, 1)"),
        (("imp", 0.9, 0), "cycles"),
        (("gmp", 0.9, 50), "too few for 50 prunings"),
        (("lottery", 0.9, 3), "known are imp, bimp, gmp, dpf"),
    ],
)
def test_impossible_courses_are_refused(arguments, reason):
    with pytest.raises(InputError) as caught:
        plan_course(*arguments, dense_steps=10, cycle_steps=1)
    assert reason in str(caught.value)
