"""Reports and galleries of a hunt, made from stored records alone."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from rich.console import Console
from study_helpers import stored_run

from flows.reports import figures_of, report_of, terminal
from flows.tcurve_hunt import STUDY
from tasks.lattice import load_triangulations
from tasks.records import Stored
from tasks.records.markdown import markdown
from tasks.records.pictures import draw_figures
from tasks.tcurves import possible_schemes
from tasks.tcurves.certificates import read_certificate
from tasks.tcurves.exports import write_certificates, write_galleries
from tasks.tcurves.hunt import HuntConfig
from tasks.tcurves.reports.hunt import MAX_LISTED, smallest_finds

SEXTICS = possible_schemes(6)


def hunted(folder: Path, *, change: Callable | None = None, **settings) -> Stored:
    """A hunt of the round of the starts alone; the rows of its archive changed, if at all."""
    stored = stored_run(STUDY, HuntConfig(stop_at=1, **settings), folder)
    if change:
        archive = stored.table("archive")
        rows = pa.Table.from_pylist(change(archive.to_pylist()), schema=archive.schema)
        stored.run.write_part("archive", "r000000", rows)
    return stored


@pytest.fixture
def hunt_beyond(tmp_path):
    """Hunts in degree 6 beyond a list of the schemes given; all 55 are found."""

    def hunt(schemes, *, change: Callable | None = None) -> Stored:
        path = tmp_path / f"{len(schemes)}.json"
        path.write_text(json.dumps(list(schemes)))
        starts = ("6_bat", "6_moth")
        return hunted(tmp_path / "store", change=change, degree=6, starts=starts, known=str(path))

    return hunt


def lines_of(stored: Stored) -> list[str]:
    """Findings and notes of the report."""
    report = report_of(STUDY, stored)
    return [*report.findings, *report.notes]


def table_of(stored: Stored) -> tuple[list[str], list[list[int]]]:
    """Headings and numbers of the table in the report."""
    [table] = report_of(STUDY, stored).tables
    return list(table.headings), [list(map(int, row)) for row in table.rows]


def column_sums(stored: Stored) -> dict[str, int]:
    headings, rows = table_of(stored)
    return dict(zip(headings, map(sum, zip(*rows, strict=True)), strict=True))


def test_all_news_are_verified_and_forty_are_listed(hunt_beyond):
    run = hunt_beyond(SEXTICS[:5])
    lines = lines_of(run)
    assert "5 of the 5 known schemes" in lines
    assert "50 of 50 not on the list, certificates verified" in lines
    listed = [line for line in lines if line.startswith("not on the list: ")]
    assert len(listed) == MAX_LISTED == 40
    assert all(line.endswith(" (certificate verified)") for line in listed)
    assert "and 10 more, see table archive" in lines
    sums = column_sums(run)
    del sums["ovals"]
    assert sums == {"found": 55, "known": 5, "found of known": 5, "not on the list": 50}


def test_a_scheme_without_valid_certificate_is_not_counted_as_news(hunt_beyond):
    def damaged(rows):
        # The last of the news: beyond those that are listed.
        rows[-1] |= {"weights": [0] * 28}
        rows[-2] |= {name: rows[0][name] for name in ("witness", "triangles", "weights")}
        return rows

    run = hunt_beyond(SEXTICS[:5], change=damaged)
    lines = lines_of(run)
    assert "48 of 50 not on the list, certificates verified" in lines
    assert column_sums(run)["not on the list"] == 48
    wrong = [line for line in lines if line.startswith("not valid: ")]
    irregular, other = sorted(wrong, key=lambda line: "its signs show" in line)
    assert irregular.startswith(f"not valid: {SEXTICS[-1]} (")
    assert "weights that do not induce it" in irregular
    assert other == f"not valid: {SEXTICS[-2]} (its signs show {SEXTICS[0]})"


def test_without_a_list_nothing_is_compared_and_everything_verified(tmp_path):
    run = hunted(tmp_path / "right", degree=4, known="none")
    lines = lines_of(run)
    found = len(smallest_finds(run))
    assert (
        f"no list of known schemes to compare with; {found} of {found} certificates verified"
        in (lines)
    )
    assert not [line for line in lines if "not on the list" in line]
    headings, _ = table_of(run)
    assert headings == ["ovals", "found", "certificate verified"]

    def damaged(rows):
        return [rows[0] | {"weights": [0] * 15}, *rows[1:]]

    run = hunted(tmp_path / "wrong", change=damaged, degree=4, known="none")
    assert column_sums(run)["certificate verified"] == found - 1
    assert len([line for line in lines_of(run) if line.startswith("not valid: ")]) == 1


def test_a_list_without_schemes_is_no_list(hunt_beyond):
    run = hunt_beyond(())
    lines = lines_of(run)
    assert "no list of known schemes to compare with; 55 of 55 certificates verified" in lines
    [figure] = draw_figures(run, figures_of(STUDY, run))
    assert Path(figure).is_file()


def test_a_hunt_that_found_known_schemes_only_has_no_news(tmp_path):
    run = hunted(tmp_path, degree=4)
    assert not [line for line in lines_of(run) if line.startswith(("not on", "not valid"))]
    assert column_sums(run)["not on the list"] == 0


def test_the_markdown_report_has_the_table_and_the_place_of_the_figure(hunt_beyond):
    stored = hunt_beyond(SEXTICS[:50])
    figures = figures_of(STUDY, stored)
    report = markdown(report_of(STUDY, stored), stored.run, figures)
    headings, rows = table_of(stored)
    assert headings == ["ovals", "found", "known", "found of known", "not on the list"]
    assert [row[0] for row in rows] == list(range(1, 12))
    lines = report.splitlines()
    assert [line for line in lines if line.startswith("|")] == [
        "| ovals | found | known | found of known | not on the list |",
        "| ---: | ---: | ---: | ---: | ---: |",
        *(f"| {' | '.join(map(str, row))} |" for row in rows),
    ]
    assert "![figures/discovery.png](figures/discovery.png)" in lines
    assert "* 50 of the 50 known schemes" in lines
    assert f"Results: `{stored.run.path}`" in lines


def test_the_terminal_shows_what_was_found_and_asks_for_the_rest(hunt_beyond):
    stored = hunt_beyond(SEXTICS[:5])
    shown = {}
    for full in (False, True):
        text = io.StringIO()
        report = terminal(report_of(STUDY, stored), "hunt", full=full)
        Console(file=text, width=200).print(report)
        shown[full] = [line.strip() for line in text.getvalue().splitlines()]
    assert set(lines_of(stored)) <= set(shown[True])
    assert "50 of 50 not on the list, certificates verified" in shown[False]
    assert [line for line in shown[False] if "--full" in line] == ["27 more notes: --full"]


def test_the_gallery_of_a_hunt_compares_with_the_list_of_the_hunt(hunt_beyond):
    [listed] = write_galleries(hunt_beyond(SEXTICS[:50]))
    page = Path(listed).read_text(encoding="utf-8")
    assert "50 of the 50 known real schemes, and 5 others" in page
    assert page.count('<span class="mark">not on the list</span>') == 5
    [unlisted] = write_galleries(hunt_beyond(()))
    page = Path(unlisted).read_text(encoding="utf-8")
    assert "55 real schemes;" in page
    assert "not on the list" not in page


def test_certificates_of_a_hunt_name_the_round_of_their_triangulation(hunt_beyond):
    stored = hunt_beyond(SEXTICS[:50])
    [path] = write_certificates(stored, scheme="<5v1<5>>")
    provenance = dict(read_certificate(path).provenance)
    assert provenance["triangulation"] == "round 0"
    assert provenance["run"] == f"tcurve-hunt/{stored.run.run_id}"
    triangles = read_certificate(path).triangles
    assert triangles in {
        tuple(map(tuple, seed.triangles.tolist()))
        for seed in load_triangulations(["6_bat", "6_moth"])
    }
