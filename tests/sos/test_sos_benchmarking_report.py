"""The report of a benchmark: findings, tables in the layout of the paper, what columns mean."""

from datetime import UTC, datetime
from io import StringIO

import pyarrow as pa
import pytest
from rich.console import Console

from flows.configs import recipe_config
from flows.reports import terminal
from flows.sos_benchmark import STUDY
from tasks.records import Report
from tasks.sos.benchmarking.config import METHODS
from tasks.sos.benchmarking.models import models_of
from tasks.sos.benchmarking.report import (
    _counts,
    _findings,
    _notes,
    _shifts,
    line_tables,
    paper_tables,
    seconds_table,
    structure_table,
    trial_seconds,
)
from tasks.sos.benchmarking.summary import Line, Rate
from tasks.sos.sampling.cells import Cell

NAN = float("nan")
CONFIGS = {recipe.name: recipe_config(STUDY, recipe, smoke=False) for recipe in STUDY.recipes}


def line(cell, method, *, seconds=1.0, decided=500, count=500, size=20.0, faster=2.0, **extra):
    """One line, all of whose polynomials are sized and timed."""
    rate = Rate(decided, count)
    sizes = {"first_size": size, "last_size": size, "planted_size": size}
    extra = {"num_bases": 1.0, "num_sized": 0 if size != size else count} | extra
    times = {"seconds": seconds, "speed_up": faster, "num_stopped": count - decided}
    return Line(cell, method, decided=rate, wrong=0, first_try=rate, **sizes, **times, **extra)


def shown(*parts):
    """Lines of a terminal of 80 columns."""
    console = Console(file=StringIO(), width=80)
    for part in parts:
        console.print(part)
    return console.file.getvalue().splitlines()


def placed(*lines):
    return [(Cell.parse(each.cell), each) for each in lines]


LINES = (
    line("dense-n4-d3-m20", "cascade", size=19.04, seconds=0.4),
    line("dense-n4-d3-m20", "newton", size=26.0, seconds=0.8, faster=1.0),
    line("sparse-n4-d3-m20", "cascade", seconds=0.2),
    line("dense-n6-d6-m30", "cascade", decided=0, size=NAN, seconds=60.0, faster=NAN),
    line("sparse-n6-d6-m30", "newton", decided=250, seconds=2.0),
)


def test_table_1_has_structures_and_methods_down_and_points_across():
    sheet = structure_table(placed(*LINES))
    assert sheet.headings == ("structure", "method", "4, 6, 20", "6, 12, 30")
    assert [row[:2] for row in sheet.rows] == [
        ["dense", "cascade"],
        ["dense", "newton"],
        ["sparse", "cascade"],
        ["sparse", "newton"],
    ]
    assert sheet.rows[0][2:] == ["19.0 / 0.4 / 2.00 / 100.0 (500)", "– / 60 / – / 0.0 (500)"]
    assert sheet.rows[3][2:] == ["–", "20.0 / 2 / 2.00 / 50.0 (500)"]


def test_table_2_has_mean_seconds_over_all_structures_and_says_what_was_not_decided():
    sheet = seconds_table(placed(*LINES))
    assert sheet.headings == ("variables", "degree", "cascade", "newton")
    # (0.4 + 0.2) / 2; nothing decided at (6, 12) by the cascade, half of it by newton.
    assert sheet.rows == [["4", "6", "0.3", "0.8"], ["6", "12", "–", "2 (50 %)"]]


def test_means_of_table_2_weigh_cells_by_their_polynomials():
    few = line("dense-n4-d3-m20", "cascade", seconds=5.0, decided=100, count=100)
    many = line("sparse-n4-d3-m20", "cascade", seconds=1.0, decided=300, count=300)
    assert seconds_table(placed(few, many)).rows[0][2] == "2"


def test_the_classics_have_no_place_in_the_tables():
    assert paper_tables([line("classics", "cascade")]) == ()
    assert len(paper_tables([line("classics", "cascade"), LINES[0]])) == 2


def long_lines():
    """Long names, long numbers, all stages, four points."""
    stages = dict.fromkeys(("solve", "basis", "blocks", "prove", "refute", "write"), 12.3456)
    return [
        line(f"block_diagonal-n{n}-d10-m60", method, seconds=1234.5, faster=123.4, stages=stages)
        for n in (4, 6, 8, 100)
        for method in ("autoregressive-1", "term-sparsity", "newton")
    ]


def test_at_80_columns_nothing_is_cut():
    lines = long_lines()
    report = Report([], [*line_tables(lines), *paper_tables(lines)])
    rows = shown(terminal(report, "title", full=True))
    text = "\n".join(rows)
    assert max(map(len, rows)) <= 80 and "…" not in text
    assert text.count("  autoregressive-1  ") >= 4 * 3
    for whole in ("block_diagonal-n100-d10-m60", "100.0 % [99.2, 100.0]", "1234.500", "123.40"):
        assert whole in text
    assert text.count("20.0 / 1.23e+03 / 123.40 / 100.0 (500)") == 12


def test_bases_and_seconds_by_stage_are_shown():
    stages = {"solve": 0.25, "stopped": 30.0, "basis": 0.5}
    many = line("dense-n4-d3-m20", "cascade", stages=stages, num_bases=1.5)
    tables = line_tables([many, line("dense-n4-d3-m20", "newton", stages={"solve": 1.0})])
    assert tables[1].rows[0][4] == "1.50"
    assert tables[2].headings == ("cell", "method", "basis", "solve", "limit")
    assert [row[2:] for row in tables[2].rows] == [
        ["0.5000", "0.2500", "30.0000"],
        ["", "1.0000", ""],
    ]


def test_findings_begin_with_contradictions_and_compare_methods_on_the_same_polynomials():
    lines = [line("dense-n4-d3-m20", "cascade", decided=400), line("dense-n4-d3-m20", "newton")]
    seconds = {
        ("cascade", "dense-n4-d3-m20", 0): {"basis": 0.5, "solve": 0.5},
        ("cascade", "dense-n4-d3-m20", 1): {"solve": 7.0},  # without a time of newton
        ("newton", "dense-n4-d3-m20", 0): {"solve": 2.5},
    }
    assert [*_findings(lines, seconds)] == [
        "exact verdicts that contradict what is known: 0",
        "cascade: 400 of 500 decided exactly, 2.50 times as fast as newton",
        "newton: 500 of 500 decided exactly",
    ]


class Executions:
    """What is stored of a run, with an execution table."""

    def __init__(self, *rows):
        self.rows, self.run = rows, self

    def read(self, name):
        columns = zip(*self.rows, strict=True)
        return pa.table(dict(zip(("item", "seconds", "started_at"), columns, strict=True)))


def test_seconds_of_a_trial_are_those_of_its_last_execution_alone():
    first, again = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    run = Executions(
        ("solve.newton.c.0", 5.0, again),
        ("stopped.newton.c.0", 60.0, first),
        ("basis.newton.c.0", 0.5, again),
        ("solve.newton.c.1", 2.0, first),
        ("c.000000", 99.0, again),
    )
    assert trial_seconds(run) == {
        ("newton", "c", 0): {"solve": 5.0, "basis": 0.5},
        ("newton", "c", 1): {"solve": 2.0},
    }


def test_notes_say_over_which_polynomials_sizes_and_seconds_are_means():
    lines = [
        line("dense-n4-d3-m20", "cascade", num_sized=400, num_untimed=10),
        line("dense-n4-d3-m20", "full", size=NAN, decided=0),
    ]
    text = "\n".join(_notes(lines, []))
    assert [*_notes(long_lines(), [])][1] == "sizes are means over all polynomials"
    assert "every method has a last basis" in text and "dense-n4-d3-m20 400 of 500" in text
    assert "not asked for one: full on dense-n4-d3-m20" in text
    assert "left out of the means: 10 of cascade on dense-n4-d3-m20" in text


def test_means_of_table_2_leave_out_trials_without_a_time():
    some = line("dense-n4-d3-m20", "cascade", seconds=4.0, decided=100, count=200, num_untimed=100)
    none = line("low_rank-n4-d3-m20", "cascade", seconds=NAN, decided=0, count=9, num_untimed=9)
    rest = line("sparse-n4-d3-m20", "cascade", seconds=1.0, decided=200, count=200)
    assert seconds_table(placed(some, none, rest)).rows[0][2] == "2 (73 %)"


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ((500, 700), "every cell has at least 500 polynomials"),
        ((20, 20), "every cell has 20 polynomials, fewer than 500"),
        ((20, 500), "cells with fewer than 500 polynomials: dense-n1-d1-m1 20"),
    ],
)
def test_counts_say_where_there_are_enough(counts, text):
    cells = ("dense-n1-d1-m1", "sparse-n1-d1-m1")
    lines = [line(c, "newton", decided=k, count=k) for c, k in zip(cells, counts, strict=True)]
    assert _counts(lines) == text


def test_shifts_name_cells_methods_and_polynomials_out_of_range():
    lines = [
        line("dense-n20-d2-m30", "cascade", beyond=("variables",)),
        line(
            "dense-n20-d2-m30",
            "autoregressive",
            beyond=("variables", "range"),
            num_out_of_range=500,
            num_orders=0.0,
        ),
        line("dense-n20-d2-m30", "newton"),
    ]
    first, second, unread, orders = _shifts(lines)
    assert first.endswith("of cascade was trained on: dense-n20-d2-m30 (variables)")
    assert second.endswith("dense-n20-d2-m30 (variables, range)")
    assert unread.startswith("autoregressive: 500 polynomials out of the model's range")
    assert orders.endswith("0.00 to 0.00")


def test_every_cell_of_shifted_is_beyond_the_training_of_both_models():
    config = CONFIGS["shifted"]
    models = models_of(config)
    for name in config.cells:
        cell = Cell.parse(name)
        for method in ("cascade", "autoregressive"):
            model = models[method]
            variables = cell.num_variables > model.max_variables
            degree = cell.half_degree > model.max_half_degree
            assert variables or degree, (name, method)


def test_shifted_cancelling_and_planted_have_both_learned_methods():
    for name in ("planted", "published", "large", "cancelling", "shifted", "classics"):
        methods = CONFIGS[name].methods
        assert {"cascade", "autoregressive", "even-sqrt", "newton"} <= {*methods}, name
    assert "autoregressive-1" in CONFIGS["cancelling"].methods
    assert CONFIGS["published"].methods == METHODS
