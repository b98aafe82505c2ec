"""Limits of problems: what no checker takes on, names, what cannot exist."""

from fractions import Fraction

import pytest

from tasks.coloring.certified import wider_intervals
from tasks.coloring.config import PlaneColoringConfig, SweepConfig
from tasks.coloring.problem import Problem
from tasks.coloring.verify import is_impossible
from tasks.records.parts import encode_item


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"first": "nan"}, "positive and finite"),
        ({"last": "inf"}, "positive and finite"),
        ({"targets": [{"colors": 6}] * 2}, "occurs twice"),
        ({"penalties": [0.1, 0.10000001]}, "six digits"),
        ({"first_seed": 10**16}, "first_seed"),
    ],
)
def test_sweeps_that_cannot_be_are_refused(given, words):
    with pytest.raises(ValueError, match=words):
        SweepConfig(**given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"norm": "p=65", "polygons": 0}, "up to 64"),
        ({"cells": 8192}, "not checked"),
        ({"dimension": 3, "cells": 256, "refinements": 1}, "not checked"),
        ({"colors": 1, "distances": {"0": "1" + "0" * 101}}, "above 10"),
        (
            {"colors": 200, "distances": {str(c): "1,2,3,4,5,6" for c in range(200)}},
            "1200 forbidden distances",
        ),
    ],
)
def test_what_no_checker_takes_on_is_not_searched(given, words):
    with pytest.raises(ValueError, match=words):
        PlaneColoringConfig(**given)


def test_targets_in_space_have_the_grids_of_space_unless_some_are_given():
    target = {"colors": 14, "dimension": 3}
    assert SweepConfig(targets=[target]).hunts()[0].grids == (16, 24)
    assert SweepConfig(targets=[target], grids=(8, 12)).hunts()[0].grids == (8, 12)


def test_keys_of_many_distances_are_names_of_files_and_differ():
    def key(last):
        own = {str(c): f"0.{c + 100}" for c in range(99)} | {"99": last}
        return Problem.of(100, own).key

    assert len({key("0.5"), key("0.6")}) == 2
    assert all(encode_item(f"finer-polygons.{key(d)}.l0.05.1") for d in ("0.5", "0.6"))
    assert Problem.of(6, {"5": "0.45"}).key == "6.5x1_0.45"


def test_bounds_of_long_distances_keep_their_digits():
    row = {"distances": ["40"], "allowed": ["39.123456-40.654321"]}
    assert wider_intervals(row) == [(0, "39.12346", "40.65432")]


@pytest.mark.parametrize(
    ("problem", "impossible"),
    [
        (Problem.of(6, {}), True),
        (Problem.of(7, {}), False),
        (Problem.of(6, {"5": "0.45"}), False),
        (Problem.of(6, {"5": "0.45,0.9-1.1"}), True),
        (Problem.of(2, {"0": "3/2", "1": "1.5"}), True),
        (Problem.of(6, {}, norm="max"), False),
        (Problem.of(6, {}, dimension=3), False),
    ],
)
def test_six_colors_that_avoid_one_distance_cannot_leave_nothing_out(problem, impossible):
    assert is_impossible(problem, Fraction(0)) is impossible
    assert not is_impossible(problem, Fraction(1, 10**9))
