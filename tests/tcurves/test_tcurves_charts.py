from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from tasks.lattice import load_triangulations
from tasks.records import InputError
from tasks.tcurves import Scheme, frontier_census, is_maximal
from tasks.tcurves._charts import (
    by_ovals,
    coverage,
    histogram_bars,
    in_columns,
    swarm,
    with_headings,
)
from tasks.tcurves._colors import MAXIMAL_COLOR, OVAL_COLORS
from tasks.tcurves._drawing import math_notation
from tasks.tcurves.figures import draw_coverage, draw_histogram


def table(*rows: tuple[str, str, int | None], degree: int = 6) -> pa.Table:
    names, schemes, counts = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table(
        {
            "triangulation": pa.array(names, pa.string()),
            "scheme": pa.array(schemes, pa.string()),
            "count": pa.array(counts, pa.uint64()),
            "is_maximal": pa.array([is_maximal(Scheme.parse(s), degree) for s in schemes]),
        }
    )


def census_table(name: str) -> pa.Table:
    [triangulation] = load_triangulations([name])
    rows = [(name, str(s.scheme), s.count) for s in frontier_census(triangulation).schemes]
    return table(*rows, degree=triangulation.degree)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def axes_named(figure: Figure, name: str):
    return next(axes for axes in figure.axes if axes.get_gid() == name)


# --- histograms ---------------------------------------------------------------------------------

SOME = [("t", "<9v1<1>>", 128), ("t", "<10>", 256), ("t", "<9>", 7), ("t", "<1v1<8>>", 8)]


def test_schemes_are_listed_by_ovals_and_then_with_numbers_in_order():
    _, bars = histogram_bars(table(*SOME, ("t", "<2v1<8>>", 1)))
    assert [str(bar.scheme) for bar in bars] == [
        "<2v1<8>>",
        "<9v1<1>>",
        "<1v1<8>>",
        "<10>",
        "<9>",
    ]


def test_a_histogram_has_a_bar_per_scheme_with_its_count_and_marks_the_m_curves():
    figure = draw_histogram(table(*SOME))
    [axes] = figure.axes
    assert [round(bar.get_x() + bar.get_width()) for bar in axes.patches] == [128, 8, 256, 7]
    colors = [to_hex(bar.get_facecolor()).upper() for bar in axes.patches]
    assert [color == MAXIMAL_COLOR for color in colors] == [True, False, False, False]
    assert {"128", "256", "7", "11 ovals (M-curves)", "9 ovals"} <= set(texts(figure))
    assert axes.get_xscale() == "log"


def test_counts_that_are_null_or_zero_get_no_bar():
    figure = draw_histogram(table(("t", "<2>", None), ("t", "<1>", 0)))
    [axes] = figure.axes
    assert not axes.patches
    assert len(axes.lines) == 2
    assert figure.texts[0].get_text() == "t  ·  2 real schemes  ·  sign classes not counted"


@pytest.mark.parametrize(("name", "num_columns"), [("4_honeycomb", 1), ("6_bat", 2), ("7_cen", 3)])
def test_every_scheme_of_a_census_is_written_once_in_legible_columns(name, num_columns):
    histogram = census_table(name)
    figure = draw_histogram(histogram)
    schemes = [math_notation(Scheme.parse(s)) for s in histogram["scheme"].to_pylist()]
    written = texts(figure)
    assert Counter(text for text in written if "langle" in text) == Counter(schemes)
    assert len(figure.axes) == num_columns
    assert min(text.get_fontsize() for axes in figure.axes for text in axes.texts) >= 5.5


def test_columns_do_not_end_with_a_heading():
    _, bars = histogram_bars(table(*[("t", f"<{i}>", i) for i in range(1, 12)]))
    lines = with_headings(bars)
    columns = in_columns(lines, 2)
    assert [line for column in columns for line in column] == lines
    assert all(type(column[-1]).__name__ == "Bar" for column in columns)


def many_schemes() -> list[str]:
    return [f"<{a}v1<{b}v1<{c}>>>" for a in range(1, 8) for b in range(1, 6) for c in range(1, 6)]


@pytest.mark.parametrize("count", [1000, None])
def test_many_schemes_become_dots_and_a_pyramid_that_counts_them_all(count):
    schemes = many_schemes()
    figure = draw_histogram(table(*[("t", scheme, count) for scheme in schemes], degree=8))
    numbers = [int(text.get_text()) for text in axes_named(figure, "pyramid").texts]
    assert sum(numbers) == len(schemes)
    drawn = [axes for axes in figure.axes if axes.get_gid() == "dots"]
    assert sum(len(line.get_xdata()) for axes in drawn for line in axes.lines) == (
        len(schemes) if count else 0
    )


@given(st.lists(st.floats(0, 1), max_size=40))
def test_swarm_shifts_stay_within_reach_and_keep_few_dots_apart(values):
    shifts = swarm(values, diameter=0.01, step=0.2, reach=0.5)
    assert np.abs(shifts).max(initial=0) <= 0.5
    if len(values) <= 5:
        pairs = [(i, j) for i in range(len(values)) for j in range(i)]
        assert all(abs(values[i] - values[j]) >= 0.01 or shifts[i] != shifts[j] for i, j in pairs)


def test_histograms_that_cannot_be_drawn_are_refused_with_one_line():
    with pytest.raises(InputError, match="no rows"):
        draw_histogram(table())
    with pytest.raises(InputError, match="missing: count"):
        draw_histogram(table(*SOME).drop_columns(["count"]))
    with pytest.raises(InputError, match=r"rows of 2 triangulations \(a, b\)"):
        draw_histogram(table(("b", "<1>", 1), ("a", "<1>", 1)))


# --- coverage -----------------------------------------------------------------------------------

TWO = table(("b", "<1>", 1), ("b", "<3>", 1), ("a", "<2>", 1), ("a", "<1>", 1))


def test_coverage_tells_reached_known_and_unknown_schemes_apart():
    matrix = coverage(TWO, ["<1>", "<2>", "<1<1>>"])
    assert matrix.names == ("b", "a")
    assert [str(scheme) for scheme in matrix.schemes] == ["<3>", "<1<1>>", "<2>", "<1>"]
    assert matrix.reached.tolist() == [[True, False, False, True], [False, False, True, True]]
    assert matrix.is_known.tolist() == [False, True, True, True]
    assert matrix.union.tolist() == [True, False, True, True]


def test_a_coverage_figure_has_a_cell_per_row_and_scheme_and_says_what_is_reached():
    figure = draw_coverage(TWO, ["<1>", "<2>", "<1<1>>"])
    [axes] = figure.axes
    assert len(axes.patches) == 3 * 4
    assert figure.texts[0].get_text() == "2 of 3 known schemes reached  ·  1 other"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b  2", "a  2", "union  3"]
    assert to_hex(axes.patches[0].get_facecolor()).upper() == OVAL_COLORS[1]


def test_coverage_without_known_schemes_counts_the_reached_ones():
    assert draw_coverage(TWO, []).texts[0].get_text() == "3 schemes reached"


def test_coverage_of_degree_six_needs_two_triangulations_for_all_schemes():
    both = pa.concat_tables([census_table("6_bat"), census_table("6_moth")])
    figure = draw_coverage(both, sorted(set(both["scheme"].to_pylist())))
    assert figure.texts[0].get_text() == "55 of 55 known schemes reached"
    assert sum(len(axes.patches) for axes in figure.axes) == 3 * 55


def test_very_many_schemes_are_counted_by_ovals_without_loss():
    known = [*many_schemes(), *(f"<{i}>" for i in range(1, 30))]
    histogram = table(*[("t", scheme, 1) for scheme in many_schemes()], degree=8)
    ovals, totals, reached = by_ovals(coverage(histogram, known))
    assert ovals == sorted(set(ovals), reverse=True)
    assert totals.sum() == len(known)
    assert reached.sum(axis=1).tolist() == [len(many_schemes())] * 2
    [axes] = draw_coverage(histogram, known).axes
    assert axes.get_gid() == "by-ovals"
    assert len(axes.patches) == 3 * len(ovals)


def test_of_too_many_triangulations_those_that_reach_most_are_shown_and_all_enter_the_union():
    rows = [(f"t{i:03}", "<1>", 1) for i in range(80)]
    matrix = coverage(table(*rows, ("t079", "<2>", 1), ("t000", "<3>", 1)), [])
    assert len(matrix.names) == 60
    assert {"t000", "t079"} <= set(matrix.names)
    assert matrix.union.all()
