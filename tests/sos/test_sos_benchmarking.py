"""Trials of methods on the same polynomials, and what they amount to."""

import math
from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from pydantic import ValidationError
from study_calls import answers, items_of

from flows.planning import plan_run
from flows.sos_benchmark import STUDY
from tasks.records import InputError, Status
from tasks.sos import _jobs, parse_polynomial
from tasks.sos.benchmarking import run
from tasks.sos.benchmarking.config import HOW, METHODS, WRITTEN, BenchmarkConfig
from tasks.sos.benchmarking.figures import draw_benchmark
from tasks.sos.benchmarking.run import Instance, instances
from tasks.sos.benchmarking.summary import Rate, summarize
from tasks.sos.sampling.generation import Rows

SMALL = BenchmarkConfig(
    cells=("dense-n3-d2-m5",), methods=("even-sqrt", "vertices", "newton"), instances=3, per_call=2
)


def test_every_method_says_how():
    assert {*HOW, *WRITTEN} == {*METHODS} and not {*HOW} & {*WRITTEN}


def test_the_plan_cuts_cells_into_batches_and_takes_all_classics():
    items = items_of(STUDY, SMALL.model_copy(update={"cells": ("dense-n3-d2-m5", "classics")}))
    counts = {}
    for work in (item.argument for item in items):
        counts[work.cell] = counts.get(work.cell, 0) + work.count
    assert counts == {"dense-n3-d2-m5": 3, "classics": 50}
    assert sum(item.size for item in items) == 53 * 3


def test_an_unknown_cell_is_refused():
    with pytest.raises(InputError, match="no family 'round'"):
        plan_run(STUDY, BenchmarkConfig(cells=("round-n3-d2-m5",)))


def test_limits_and_methods_name_a_run():
    changes = ({}, {"seconds": 5.0}, {"memory_gib": 1.0}, {"methods": ("newton",)})
    ids = {plan_run(STUDY, SMALL.model_copy(update=one)).identity.run_id for one in changes}
    assert len(ids) == len(changes)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"methods": ("newton", "full", "newton")}, "newton is given twice"),
        ({"cells": ("dense-n3-d2-m5", "dense-n3-d2-m5")}, "dense-n3-d2-m5 is given twice"),
    ],
)
def test_a_method_or_cell_that_is_given_twice_is_refused(given, message):
    with pytest.raises(ValidationError, match=message):
        BenchmarkConfig(**given)


def test_an_instance_does_not_depend_on_its_batch():
    whole = items_of(STUDY, SMALL.model_copy(update={"per_call": 3}))
    parts = items_of(STUDY, SMALL.model_copy(update={"per_call": 1}))
    first = [one for item in whole for one in instances(item.argument)]
    second = [one for item in parts for one in instances(item.argument)]
    assert first == second
    sizes = Rows.generate(_cell(), seed=0, first=0, count=3).sizes
    assert [one.planted_size for one in first] == sizes.tolist()


def _cell():
    from tasks.sos.sampling.cells import Cell

    return Cell.parse("dense-n3-d2-m5")


@pytest.mark.solver
def test_all_methods_decide_the_same_polynomials_and_are_timed():
    found, _ = answers(STUDY, SMALL)
    rows = found.tables["trials"].to_pylist()
    assert [(row["instance"], row["method"]) for row in rows] == [
        (0, "even-sqrt"),
        (0, "vertices"),
        (0, "newton"),
        (1, "vertices"),
        (1, "newton"),
        (1, "even-sqrt"),
    ]
    assert {row["verdict"] for row in rows} == {"proved"}
    timed = {tuple(name.split(".")[1:]) for name in (row["item"] for row in found.timings)}
    assert timed == {(row["method"], row["cell"], str(row["instance"])) for row in rows}


def row_of(text, method, monkeypatch):
    """The row of one polynomial by one method, in this process."""
    monkeypatch.setattr(_jobs, "run_job", lambda job, **_: job.run())
    monkeypatch.setattr(run, "_warm_up", lambda item: None)
    one = Instance(0, "p", parse_polynomial(text), None, None)
    monkeypatch.setattr(run, "instances", lambda item: [one])
    [found] = answers(STUDY, SMALL.model_copy(update={"methods": (method,), "instances": 1}))
    return found.tables["trials"].to_pylist()[0]


@pytest.mark.parametrize("method", ["newton", "even-sqrt", "vertices"])
def test_a_basis_that_comes_again_is_still_the_first_try(method, monkeypatch):
    """Motzkin: the even square roots are half of the Newton polytope, which refutes."""
    row = row_of("x^4*y^2 + x^2*y^4 - 3*x^2*y^2 + 1", method, monkeypatch)
    assert row["verdict"] == "refuted_sos"
    assert (row["num_attempts"], row["first_try"]) == (1, True)


def test_another_basis_is_another_try(monkeypatch):
    row = row_of("(x - y)^2*(x + y + 1)^2 + (x*y + 1)^2", "vertices", monkeypatch)
    assert row["num_attempts"] == 2 and row["first_size"] < row["basis_size"]
    assert row["first_try"] is False


@pytest.mark.parametrize("method", ["newton", "term-sparsity", "chordal", "full"])
def test_a_stopped_trial_with_one_basis_has_its_size_all_the_same(method, monkeypatch):
    text = "(x^2 + x*y - y^2 + 1)^2 + (x*y + z)^2"
    whole = row_of(text, method, monkeypatch)
    stopped = _jobs.Stopped(Status.OVER_BUDGET, "stopped")
    monkeypatch.setattr(run, "_decide", lambda *_: stopped)
    row = row_of(text, method, monkeypatch)
    assert row["verdict"] is None and row["num_attempts"] is None
    assert (row["first_size"], row["basis_size"]) == (whole["first_size"], whole["basis_size"])


def test_a_stopped_trial_with_further_bases_has_none(monkeypatch):
    stopped = _jobs.Stopped(Status.OVER_BUDGET, "stopped")
    monkeypatch.setattr(run, "_decide", lambda *_: stopped)
    row = row_of("x^2 + 1", "even-sqrt", monkeypatch)
    assert row["first_size"] is None and row["basis_size"] is None


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
    assert line.last_size == pytest.approx(16 / 3) and line.num_sized == 3


def test_sizes_are_means_over_the_polynomials_where_all_methods_have_one():
    """Newton is stopped on the large ones: its mean over the others would look small."""
    large = {"basis_size": 30, "first_size": 20, "planted_size": 10}
    rows = [trial("cascade", 0), trial("cascade", 1, **large), trial("cascade", 2)]
    rows += [trial("newton", 0, basis_size=8, first_size=8)]
    rows += [trial("newton", k, verdict=None, basis_size=None, first_size=None) for k in (1, 2)]
    rows += [trial("full", k, verdict=None, basis_size=None, first_size=None) for k in range(3)]
    cascade, newton, full = summarize(rows, {}, METHODS)
    assert (cascade.first_size, cascade.last_size, cascade.planted_size) == (4, 4, 4)
    assert newton.last_size == 8 and math.isnan(full.last_size)
    assert (cascade.num_sized, newton.num_sized, full.num_sized) == (1, 1, 0)


def test_trials_without_a_time_are_left_out_of_means_and_ratios():
    rows = [trial(method, k) for method in ("cascade", "newton") for k in range(3)]
    seconds = {
        ("cascade", "c", 0): {"solve": 2.0},
        ("cascade", "c", 1): {"solve": 4.0},
        ("newton", "c", 0): {"solve": 10.0},
        ("newton", "c", 2): {"solve": 60.0},
    }
    cascade, newton = summarize(rows, seconds, METHODS)
    assert (cascade.seconds, newton.seconds) == (3.0, 35.0)
    assert cascade.stages == {"solve": 3.0}
    assert cascade.speed_up == 5.0  # on polynomial 0 alone
    assert (cascade.num_untimed, newton.num_untimed) == (1, 1)
    nothing = summarize(rows, {}, METHODS)[0]
    assert math.isnan(nothing.seconds) and math.isnan(nothing.speed_up) and nothing.stages == {}


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


def words_of(figure):
    """Texts that are drawn."""
    yield from figure.texts
    for axes in figure.axes:
        yield from axes.texts
        if axes.axison:
            yield axes.xaxis.label
            low, high = axes.get_xlim()
            yield from (
                t.label1 for t in axes.xaxis.get_major_ticks() if low <= t.get_loc() <= high
            )
            yield from axes.get_yticklabels()


def _numbers(axes):
    """Labels of the ticks in sight."""
    low, high = axes.get_xlim()
    ticks = axes.xaxis.get_major_ticks()
    return [tick.label1.get_text() for tick in ticks if low <= tick.get_loc() <= high]


@pytest.mark.parametrize("span", [1.02, 1.5, 4.0, 8.0, 60.0, 1e3, 1e5])
def test_in_the_picture_no_words_are_cut_or_meet(span):
    rows = [
        trial(method, 0, cell=cell, basis_size=10 + round(span) * (k % 2))
        for cell in ("binomial_squares-n4-d4-m12", "block_diagonal-n100-d10-m60")
        for k, method in enumerate(METHODS)
    ]
    seconds = {
        (row["method"], row["cell"], 0): {"solve": 0.01 * span ** (k % 2)}
        for k, row in enumerate(rows)
    }
    figure = draw_benchmark(summarize(rows, seconds, METHODS))
    FigureCanvasAgg(figure).draw()
    words = [text for text in words_of(figure) if text.get_text()]
    assert {*METHODS} <= {text.get_text() for text in words}
    boxes = [text.get_window_extent() for text in words]
    assert all(figure.bbox.x0 <= b.x0 and b.x1 <= figure.bbox.x1 for b in boxes)
    meeting = [
        (first.get_text(), second.get_text())
        for (first, a), (second, b) in combinations(zip(words, boxes, strict=True), 2)
        if a.overlaps(b)
    ]
    assert meeting == []
    numbers = [len(_numbers(axes)) for axes in figure.axes[:2]]
    assert min(numbers) >= 2
