"""The tables of a benchmark in the layout of the paper."""

from io import StringIO

import pytest
from rich.console import Console

from flows.recipes.sos_benchmarks import RECIPES, shifted
from flows.sos_benchmark_reports import _counts, _shifts
from flows.sos_benchmark_tables import Sheet, paper_tables, seconds_table, structure_table
from tasks.sos.benchmarking.models import models_of
from tasks.sos.benchmarking.summary import Line, Rate
from tasks.sos.sampling.cells import Cell

NAN = float("nan")


def line(cell, method, *, seconds=1.0, decided=500, count=500, size=20.0, faster=2.0, **extra):
    rate = Rate(decided, count)
    sizes = {"first_size": size, "last_size": size, "planted_size": size, "num_bases": 1.0}
    times = {"seconds": seconds, "speed_up": faster, "num_stopped": count - decided}
    return Line(cell, method, decided=rate, wrong=0, first_try=rate, **sizes, **times, **extra)


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
        ("dense", "cascade"),
        ("dense", "newton"),
        ("sparse", "cascade"),
        ("sparse", "newton"),
    ]
    assert sheet.rows[0][2:] == ("19.0 / 0.4 / 2.00 / 100.0 (500)", "– / 60 / – / 0.0 (500)")
    assert sheet.rows[3][2:] == ("–", "20.0 / 2 / 2.00 / 50.0 (500)")


def test_table_2_has_mean_seconds_over_all_structures_and_says_what_was_not_decided():
    sheet = seconds_table(placed(*LINES))
    assert sheet.headings == ("variables", "degree", "cascade", "newton")
    # (0.4 + 0.2) / 2; nothing decided at (6, 12) by the cascade, half of it by newton.
    assert sheet.rows == (("4", "6", "0.3", "0.8"), ("6", "12", "–", "2 (50 %)"))


def test_means_of_table_2_weigh_cells_by_their_polynomials():
    few = line("dense-n4-d3-m20", "cascade", seconds=5.0, decided=100, count=100)
    many = line("sparse-n4-d3-m20", "cascade", seconds=1.0, decided=300, count=300)
    assert seconds_table(placed(few, many)).rows[0][2] == "2"


def test_the_classics_have_no_place_in_the_tables():
    assert paper_tables([line("classics", "cascade")]) == ()
    assert len(paper_tables([line("classics", "cascade"), LINES[0]])) == 2


def test_a_sheet_reads_the_same_in_the_terminal_and_as_markdown():
    sheet = Sheet("title", ("word", "number"), 1, (("a", "1"), ("b", "22")))
    assert sheet.markdown().splitlines()[2:] == [
        "| word | number |",
        "| --- | ---: |",
        "| a | 1 |",
        "| b | 22 |",
    ]
    console = Console(file=StringIO(), width=80)
    console.print(sheet.terminal())
    shown = [line.split() for line in console.file.getvalue().splitlines()]
    assert ["word", "number"] in shown and ["b", "22"] in shown


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
    config = shifted()
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
        methods = RECIPES[name].config().methods
        assert {"cascade", "autoregressive", "even-sqrt", "newton"} <= {*methods}, name
    assert "autoregressive-1" in RECIPES["cancelling"].config().methods
