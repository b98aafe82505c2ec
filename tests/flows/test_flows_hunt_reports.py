"""Reports and galleries of a hunt, made from stored records alone."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from flows.hunt_reports import (
    MAX_LISTED,
    draw_figures,
    markdown_report,
    smallest_finds,
    terminal_report,
)
from rich.console import Console

from flows.exports import write_certificates, write_galleries
from tasks.lattice import load_triangulations
from tasks.records import Run, Store
from tasks.tcurves import possible_schemes
from tasks.tcurves.archive import candidate_of
from tasks.tcurves.certificates import read_certificate
from tasks.tcurves.hunt import HUNT_TABLES, HuntConfig, known_table, plan_hunt
from tasks.tcurves.hunt_rounds import archive_table, empty_archive, round_items, run_hunt_item

SEXTICS = possible_schemes(6)


@dataclass(frozen=True)
class Hunt:
    """A hunt whose records are at hand."""

    plan: object
    tables: dict

    def stored(self, folder: Path, *, change=lambda rows: rows) -> Run:
        """Store it, the rows of the archive changed."""
        archive = self.tables["archive"]
        changed = pa.Table.from_pylist(change(archive.to_pylist()), schema=archive.schema)
        run = Store.open(folder).open_run(self.plan.identity, HUNT_TABLES, ["r"])
        run.write_parts("r", self.tables | {"archive": changed})
        return run


def hunted(**settings) -> Hunt:
    """The round of the seeds alone."""
    plan = plan_hunt(HuntConfig(**settings))
    archive = empty_archive(plan)
    tables = [run_hunt_item(item)["candidates"] for item in round_items(plan, archive, 0)]
    candidates = pa.concat_tables(tables)
    degree = plan.config.degree
    better = archive.extend(candidate_of(row, degree) for row in candidates.to_pylist())
    found = archive_table(plan, archive, 0, better, frozenset(archive.finds))
    return Hunt(plan, {"candidates": candidates, "archive": found, "known": known_table(plan)})


@pytest.fixture(scope="module")
def hunt_beyond(tmp_path_factory):
    """Hunts in degree 6 beyond a list of the schemes given; all 55 are found."""
    folder = tmp_path_factory.mktemp("lists")

    def hunt(schemes) -> Hunt:
        path = folder / f"{len(schemes)}.json"
        path.write_text(json.dumps(list(schemes)))
        return hunted(degree=6, seeds=("6_bat", "6_moth"), known=str(path))

    return hunt


def lines_of(run: Run) -> list[str]:
    """The lines of the terminal's report, without spaces around."""
    text = io.StringIO()
    Console(file=text, width=200).print(terminal_report(run))
    return [line.strip() for line in text.getvalue().splitlines()]


def table_of(run: Run) -> tuple[list[str], list[list[int]]]:
    """Headings and numbers of the table in the Markdown report."""
    rows = [line for line in markdown_report(run).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return cells[0], [list(map(int, row)) for row in cells[2:]]


def column_sums(run: Run) -> dict[str, int]:
    headings, rows = table_of(run)
    return dict(zip(headings, map(sum, zip(*rows, strict=True)), strict=True))


def test_all_news_are_verified_and_forty_are_listed(hunt_beyond, tmp_path):
    run = hunt_beyond(SEXTICS[:5]).stored(tmp_path)
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


def test_a_scheme_without_valid_certificate_is_not_counted_as_news(hunt_beyond, tmp_path):
    def damaged(rows):
        # The last of the news: beyond those that are listed.
        rows[-1] |= {"weights": [0] * 28}
        rows[-2] |= {name: rows[0][name] for name in ("witness", "triangles", "weights")}
        return rows

    run = hunt_beyond(SEXTICS[:5]).stored(tmp_path, change=damaged)
    lines = lines_of(run)
    assert "48 of 50 not on the list, certificates verified" in lines
    assert column_sums(run)["not on the list"] == 48
    wrong = [line for line in lines if line.startswith("not valid: ")]
    irregular, other = sorted(wrong, key=lambda line: "its signs show" in line)
    assert irregular.startswith(f"not valid: {SEXTICS[-1]} (")
    assert "weights that do not induce it" in irregular
    assert other == f"not valid: {SEXTICS[-2]} (its signs show {SEXTICS[0]})"


def test_without_a_list_nothing_is_compared_and_everything_verified(tmp_path):
    hunt = hunted(degree=4, known="none")
    run = hunt.stored(tmp_path / "right")
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

    run = hunt.stored(tmp_path / "wrong", change=damaged)
    assert column_sums(run)["certificate verified"] == found - 1
    assert len([line for line in lines_of(run) if line.startswith("not valid: ")]) == 1


def test_a_list_without_schemes_is_no_list(hunt_beyond, tmp_path):
    run = hunt_beyond(()).stored(tmp_path)
    lines = lines_of(run)
    assert "no list of known schemes to compare with; 55 of 55 certificates verified" in lines
    [figure] = draw_figures(run)
    assert Path(figure).is_file()


def test_a_hunt_that_found_known_schemes_only_has_no_news(tmp_path):
    run = hunted(degree=4).stored(tmp_path)
    assert not [line for line in lines_of(run) if line.startswith(("not on", "not valid"))]
    assert column_sums(run)["not on the list"] == 0


def test_the_markdown_report_has_the_table_and_the_place_of_the_figure(hunt_beyond, tmp_path):
    run = hunt_beyond(SEXTICS[:50]).stored(tmp_path)
    [figure] = draw_figures(run)
    report = markdown_report(run)
    headings, rows = table_of(run)
    assert headings == ["ovals", "found", "known", "found of known", "not on the list"]
    assert [row[0] for row in rows] == list(range(1, 12))
    assert f"* figure: `{figure}`" in report.splitlines()
    assert "* 50 of the 50 known schemes" in report.splitlines()
    assert f"Tables: `{run.path}`" in report.splitlines()


def test_the_gallery_of_a_hunt_compares_with_the_list_of_the_hunt(hunt_beyond, tmp_path):
    listed = write_galleries(hunt_beyond(SEXTICS[:50]).stored(tmp_path / "listed"))
    page = Path(listed[0]).read_text(encoding="utf-8")
    assert "50 of the 50 known real schemes, and 5 others" in page
    assert page.count('<span class="mark">not on the list</span>') == 5
    unlisted = write_galleries(hunt_beyond(()).stored(tmp_path / "unlisted"))
    page = Path(unlisted[0]).read_text(encoding="utf-8")
    assert "55 real schemes;" in page
    assert "not on the list" not in page


def test_certificates_of_a_hunt_name_the_round_of_their_triangulation(hunt_beyond, tmp_path):
    run = hunt_beyond(SEXTICS[:50]).stored(tmp_path)
    [path] = write_certificates(run, scheme="<5v1<5>>").paths
    provenance = dict(read_certificate(path).provenance)
    assert provenance["triangulation"] == "round 0"
    assert provenance["run"] == f"tcurve-hunt/{run.run_id}"
    triangles = read_certificate(path).triangles
    assert triangles in {
        tuple(map(tuple, seed.triangles.tolist()))
        for seed in load_triangulations(["6_bat", "6_moth"])
    }
