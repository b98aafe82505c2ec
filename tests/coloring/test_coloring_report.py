"""Reports of colorings say what is proved, by whom, and how it compares with what is published."""

import pytest
from coloring_runs import HandMade, nine, problem_for
from small_colorings import blocks

from tasks.coloring.certificates.cells import CellColoring
from tasks.coloring.certified import wider_intervals
from tasks.coloring.findings import percent
from tasks.coloring.problem import Problem
from tasks.coloring.report import coloring_report

FIVE = Problem(("1",) * 5)


def table(report, title):
    return next(each for each in report.tables if each.title == title)


def cells(table, row=0):
    return dict(zip(table.headings, table.rows[row], strict=True))


def five(folder, **how):
    """A run that claims a coloring with five colors."""
    run = HandMade(folder)
    run.search("search", FIVE, [(7, 0.05, 3.25, 0.125), (8, 0.05, 4.0, 0.25)])
    run.add("polygons.a", nine(removed=1), asked=FIVE.distances, **how)
    return coloring_report(run.stored)


def test_a_finding_says_what_is_proved_beside_what_is_published(tmp_path):
    report = five(tmp_path)
    assert report.findings == [
        "5 colors: 11.11 % removed by 9 cells, proved by both checkers; the least published is "
        "3.714901 %"
    ]
    row = cells(table(report, "Best certified coloring"))
    assert row["problem"] == "5 colors" and row["both checkers"] == "valid"
    assert (row["removed, %"], row["published, %"]) == ("11.11", "3.714901")
    assert (row["formal, %"], row["network, %"]) == ("3.7356", "3.60")
    searches = table(report, "The 2 best of 2 searches, before any repair")
    assert cells(searches) == {
        "search": "5.l0.05.7", "grid": "24x24", "removed, %": "3.2500", "points, %": "12.50",
        "pairs, %": "0.1250", "loss": "0.0125",
    }  # fmt: skip
    assert any("142,342 of 1945 x 1970 cells" in note for note in report.notes)
    assert any(note.startswith("2 searches; points and pairs: shares") for note in report.notes)


def test_a_record_is_called_one_after_both_checkers_only(tmp_path):
    [line] = five(tmp_path / "a", record=3.714901).findings
    assert line.endswith("proved by both checkers: a record, the least published is 3.714901 %")
    [line] = five(tmp_path / "b", valid=None).findings
    assert "not verified yet; the least" in line and "record" not in line
    report = five(tmp_path / "c", valid=False)
    assert "NOT VERIFIED; the least" in report.findings[0]
    assert any(note.startswith("not verified: polygons.a") for note in report.notes)
    assert cells(table(report, "Certified colorings"))["both checkers"] == "not valid"


def test_what_has_no_result_is_said_with_its_reason(tmp_path):
    run = HandMade(tmp_path)
    run.search("search", FIVE, [(0, 0.05, 3.0, 0.1)])
    for k in range(2):
        run.fail(f"cells.{k}", FIVE, "no room is left")
    run.fail("cells.2", FIVE, "the lattice is too thin")
    report = coloring_report(run.stored)
    assert report.findings == ["5 colors: no certified coloring yet"]
    assert "2 colorings without a result: no room is left" in report.notes
    assert "1 coloring without a result: the lattice is too thin" in report.notes
    assert [each.title for each in report.tables] == ["Search, before any repair"]


def test_ten_searches_are_listed(tmp_path):
    run = HandMade(tmp_path)
    run.search("search", FIVE, [(k, 0.05, 3.0, (20 - k) / 100) for k in range(20)])
    [searches] = coloring_report(run.stored).tables
    assert searches.title == "The 10 best of 20 searches, before any repair"
    assert [row[0] for row in searches.rows] == [f"5.l0.05.{k}" for k in range(19, 9, -1)]


def test_other_norms_and_distances_have_nothing_published_beside_them(tmp_path):
    run = HandMade(tmp_path)
    run.search("search", problem_for(blocks()), [(0, 0.05, 3.0, 0.1)])
    run.add("cells.a", blocks())
    report = coloring_report(run.stored)
    assert report.findings[0].endswith("75.00 % removed by 36 cells, proved by both checkers")
    assert "published, %" not in table(report, "Best certified coloring").headings


def swept(folder, distances, intervals):
    run = HandMade(folder, "coloring-sweep")
    for k, (d, interval) in enumerate(zip(distances, intervals, strict=True)):
        problem = Problem((*("1",) * 8, d))
        run.search(f"search.{k}", problem, [(0, 0.1, 5.0, 0.3)])
        run.add(f"cells.{k}", nine(interval), asked=problem.distances)
    return coloring_report(run.stored)


def test_a_sweep_joins_the_intervals_that_are_proved_without_removed_points(tmp_path):
    report = swept(tmp_path, ("1.1", "1.2", "1.4"), ("1.05-1.15", "1.15-1.3", "1.4"))
    assert report.findings[1] == "  color 8 avoids all distances from 1.05 to 1.15"
    assert report.findings[-1] == (
        "(1, 1, 1, 1, 1, 1, 1, 1, d): nothing removed for all d in [1.05, 1.3], [1.4, 1.4]"
    )


def test_many_problems_have_one_line_and_a_table(tmp_path):
    distances = [f"1.{k}" for k in range(1, 10)]
    report = swept(tmp_path, distances[:7], distances[:7])
    first = "7 problems: both checkers prove colorings of 7; nothing is removed in 7"
    assert report.findings[0] == first and len(report.findings) == 2
    assert len(table(report, "Best certified coloring of each problem").rows) == 7
    searches = table(report, "Best search of each problem, before any repair")
    assert len({cells(searches, row)["search"] for row in range(7)}) == len(searches.rows) == 7


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (0.0, "0"), (3.7149012, "3.7149"), (31.19, "31.19")]
)
def test_percentages_have_as_many_digits_as_tell_records_apart(value, text):
    assert percent(value) == text


def test_intervals_are_rounded_inwards_and_dropped_where_they_vanish():
    row = {"distances": ["0.4", "0.5", "0.6", "1"]}
    row["allowed"] = ["0.399999999-0.400000001", "0.499981234-0.500019999", "0.6", "0.5-1,2"]
    assert wider_intervals(row) == [(1, "0.49999", "0.50001")]


def test_two_hundred_colors_take_two_lines(tmp_path):
    own = nine()
    run = HandMade(tmp_path)
    many = CellColoring.of(own.grid, own.lattice, 200, {str(c): "0.99-1.4" for c in range(199)})
    problem = Problem((*("1.1",) * 199, "1"))
    run.search("search", problem, [(0, 0.1, 5.0, 0.3)])
    run.add("cells.a", many, asked=problem.distances)
    lines = coloring_report(run.stored).findings
    assert lines[1] == "  colors 0 to 198 avoid all distances from 0.99 to 1.4"
    assert len(lines) == 2 and all(len(line) < 200 for line in lines)
