"""Colorings are stated with the intervals around their distances, if both checkers accept them."""

import pytest
from coloring_runs import nine

from tasks.coloring.checker import Verdict
from tasks.coloring.config import PlaneColoringConfig
from tasks.coloring.fields import Field
from tasks.coloring.items import MakingWork
from tasks.coloring.making import made_coloring
from tasks.coloring.verify import refusal
from tasks.records import InputError


def made(d="1.2"):
    """Cells of nine squares, whose last color is asked to avoid d."""
    config = PlaneColoringConfig(colors=9, distances={"8": d}, refinements=0, repair_steps=0)
    field = Field(nine(d).grid, nine(d).lattice.words())
    return made_coloring(MakingWork(config, "start", "", "start", "cells"), field), config.problem


def test_a_color_of_its_own_distance_is_stated_with_the_interval_around_it():
    found, problem = made()
    (interval,) = found.coloring.forbidden[8]
    low, high = interval.floats
    assert low < 1.0 and high > 1.39 and found.coloring.removed == 0
    assert refusal(found.coloring, problem) == ""


@pytest.mark.parametrize("refused_by", ["the other checker", "its own code"])
def test_an_interval_that_is_refused_does_not_lose_the_coloring(refused_by, monkeypatch):
    def refuse(*given):
        if refused_by == "its own code":
            raise InputError("too many offsets")
        return Verdict("refused", "too much work")

    name = "making.widened" if refused_by == "its own code" else "verify.check"
    monkeypatch.setattr(f"tasks.coloring.{name}", refuse)
    found, problem = made()
    assert found.coloring.forbidden == problem.forbidden and found.coloring.removed == 0
    assert found.methods[-1] == "distances as asked where a checker refused an interval around them"
    monkeypatch.undo()
    assert refusal(found.coloring, problem) == ""


def test_a_refusal_says_which_checker_refuses_and_why(monkeypatch):
    found, problem = made()
    monkeypatch.setattr("tasks.coloring.verify.check", lambda data: Verdict("refused", "too long"))
    assert refusal(found.coloring, problem) == "the other checker: refused: too long"
    assert refusal(nine("1.3"), problem) == "it is of another problem"
