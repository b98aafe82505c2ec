"""Trials of methods on the same polynomials, and what they amount to."""

import math

import pytest

from tasks.records import InputError
from tasks.sos.benchmarking.config import HOW, METHODS, WRITTEN, BenchmarkConfig
from tasks.sos.benchmarking.figures import draw_benchmark
from tasks.sos.benchmarking.run import (
    failed_benchmark_item,
    instances,
    plan_benchmark,
    run_benchmark_item,
)
from tasks.sos.benchmarking.summary import Rate, summarize
from tasks.sos.sampling.generation import Rows

SMALL = BenchmarkConfig(
    cells=("dense-n3-d2-m5",), methods=("even-sqrt", "vertices", "newton"), instances=3, batch=2
)


def test_every_method_says_how():
    assert {*HOW, *WRITTEN} == {*METHODS} and not {*HOW} & {*WRITTEN}


def test_the_plan_cuts_cells_into_batches_and_takes_all_classics():
    plan = plan_benchmark(SMALL.model_copy(update={"cells": ("dense-n3-d2-m5", "classics")}))
    counts = {}
    for item in plan.items:
        counts[item.cell] = counts.get(item.cell, 0) + item.count
    assert counts == {"dense-n3-d2-m5": 3, "classics": 50}
    assert plan.num_trials == 53 * 3


def test_an_unknown_cell_is_refused():
    with pytest.raises(InputError, match="no family 'round'"):
        plan_benchmark(BenchmarkConfig(cells=("round-n3-d2-m5",)))


def test_limits_do_not_name_a_run_and_methods_do():
    ids = [
        plan_benchmark(SMALL.model_copy(update=change)).identity.run_id
        for change in ({}, {"seconds": 5.0, "memory_gib": 1.0}, {"methods": ("newton",)})
    ]
    assert ids[0] == ids[1] != ids[2]


def test_an_instance_does_not_depend_on_its_batch():
    whole = plan_benchmark(SMALL.model_copy(update={"batch": 3})).items
    parts = plan_benchmark(SMALL.model_copy(update={"batch": 1})).items
    first = [one for item in whole for one in instances(item)]
    second = [one for item in parts for one in instances(item)]
    assert first == second
    sizes = Rows.generate(_cell(), seed=0, first=0, count=3).sizes
    assert [one.planted_size for one in first] == sizes.tolist()


def _cell():
    from tasks.sos.sampling.cells import Cell

    return Cell.parse("dense-n3-d2-m5")


@pytest.mark.solver
def test_all_methods_decide_the_same_polynomials_and_are_timed():
    item = plan_benchmark(SMALL).items[0]
    tables = run_benchmark_item(item)
    rows = tables["trials"].to_pylist()
    assert [(row["instance"], row["method"]) for row in rows] == [
        (0, "even-sqrt"),
        (0, "vertices"),
        (0, "newton"),
        (1, "vertices"),
        (1, "newton"),
        (1, "even-sqrt"),
    ]
    assert {row["verdict"] for row in rows} == {"proved"}
    timed = {tuple(name.split(".")[1:]) for name in tables["execution"]["item"].to_pylist()}
    assert timed == {(row["method"], row["cell"], str(row["instance"])) for row in rows}


def test_a_batch_that_failed_as_a_whole_is_rows_with_the_reason():
    item = plan_benchmark(SMALL).items[1]
    rows = failed_benchmark_item(item, "BudgetExceeded", "too much")["trials"].to_pylist()
    assert [row["method"] for row in rows] == list(SMALL.methods)
    assert {(row["status"], row["reason"]) for row in rows} == {("over_budget", "too much")}


def trial(method, instance, **values):
    row = dict.fromkeys(("first_size", "basis_size", "planted_size", "num_attempts"), 4)
    row |= {"cell": "c", "method": method, "instance": instance, "verdict": "proved"}
    row |= {"num_orders": None, "beyond": None}
    return row | {"is_sos": True, "first_try": True} | values


def test_lines_count_wrong_stopped_and_first_tries():
    rows = [
        trial("cascade", 0),
        trial("cascade", 1, verdict="refuted_sos"),
        trial("cascade", 2, verdict="undecided", first_try=False, basis_size=8),
        trial("cascade", 3, verdict=None, first_try=None, basis_size=None),
    ]
    [line] = summarize(rows, {}, ("cascade",))
    assert (line.decided, line.wrong, line.num_stopped) == (Rate(2, 4), 1, 1)
    assert line.first_try == Rate(2, 4)
    assert line.last_size == pytest.approx(16 / 3)


def test_speed_up_is_the_ratio_of_all_seconds_on_the_same_polynomials():
    rows = [trial(method, k) for method in ("cascade", "newton") for k in range(2)]
    seconds = {
        ("cascade", "c", 0): {"basis": 0.5, "solve": 0.5},
        ("cascade", "c", 1): {"solve": 1.0},
        ("newton", "c", 0): {"solve": 2.0},
        ("newton", "c", 1): {"stopped": 60.0},
    }
    cascade, newton = summarize(rows, seconds, METHODS)
    assert cascade.speed_up == pytest.approx(31.0)
    assert newton.speed_up == pytest.approx(1.0)
    assert cascade.stages == {"basis": 0.25, "solve": 0.75}
    del seconds["newton", "c", 1]
    assert math.isnan(summarize(rows, seconds, METHODS)[0].speed_up)


def test_the_picture_has_a_mark_per_line_and_panel():
    rows = [trial(method, k) for method in ("cascade", "newton") for k in range(2)]
    seconds = {(m, "c", k): {"solve": 1.0} for m in ("cascade", "newton") for k in range(2)}
    lines = summarize(rows, seconds, METHODS)
    figure = draw_benchmark(lines)
    panels = figure.axes[:3]
    assert [sum(line.get_marker() != "None" for line in axes.lines) for axes in panels] == [2, 2, 2]
    bars = [bar.get_segments()[0][:, 0].tolist() for bar in panels[2].collections]
    assert bars == [pytest.approx(line.first_try.interval) for line in lines]
    with pytest.raises(InputError, match="without trials"):
        draw_benchmark([])
