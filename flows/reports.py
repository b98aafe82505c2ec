"""Records -> what a person reads: terminal tables, Prefect artifacts, figures.

A report is made from the stored records alone, so that it can be made again at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Group

from flows.documents import Document, cell, nothing_stored, stored_places
from tasks.lattice import Triangulation
from tasks.records import Run, Status
from tasks.tcurves import possible_schemes, stored_triangulation, union_schemes
from tasks.tcurves.verify import CLASSIFIED_DEGREE

__all__ = [
    "Union",
    "degree_unions",
    "draw_figures",
    "is_whole",
    "publish_report",
    "report_rows",
    "stored_figures",
    "terminal_report",
    "unions",
    "verified",
]

# A picture of a curve and a histogram per triangulation take about a second.
MAX_DRAWN = 24
PNG_END = b"IEND\xaeB`\x82"
HEADINGS = {
    "triangulation": "triangulation",
    "degree": "degree",
    "num_schemes": "schemes",
    "sign_classes": "classes",
    "peak_states": "states",
    "regular": "regular",
    "seconds": "seconds",
    "status": "status",
}
WORDS = ("triangulation", "regular", "status")
REGULAR = {True: "yes", False: "no", None: "undecided"}


@dataclass(frozen=True)
class Union:
    """Real schemes of one degree that occur on any triangulation of the run.

    Attributes
    ----------
    degree : int
        Degree of the curves.
    found : tuple of str
        Schemes in Viro notation.
    num_known : int
        Number of non-empty schemes of that degree; 0 where the classification is open (d >= 8).
    """

    degree: int
    found: tuple[str, ...]
    num_known: int

    def __str__(self) -> str:
        if not self.num_known:
            return f"degree {self.degree}: {len(self.found)} schemes (classification open)"
        return (
            f"degree {self.degree}: {len(self.found)} of the {self.num_known} non-empty real "
            "schemes that exist"
        )


def unions(run: Run) -> list[Union]:
    """One union per degree of the run, ascending."""
    return degree_unions(run.read("histogram"), _names_by_degree(run))


def degree_unions(schemes: pa.Table, names: Mapping[int, Iterable[str]]) -> list[Union]:
    """One union per degree, from a table with the columns triangulation and scheme."""
    return [
        Union(degree, tuple(union_schemes(schemes, chosen)), _num_known(degree))
        for degree, chosen in names.items()
    ]


def _names_by_degree(run: Run) -> dict[int, list[str]]:
    """Degree -> names of its triangulations, ascending."""
    names: dict[int, list[str]] = {}
    for row in run.read("summary").sort_by("degree").to_pylist():
        names.setdefault(row["degree"], []).append(row["triangulation"])
    return names


def _num_known(degree: int) -> int:
    """Number of non-empty real schemes of curves of that degree, 0 where it is not known."""
    return len(possible_schemes(degree)) if degree <= CLASSIFIED_DEGREE else 0


def report_rows(run: Run) -> list[dict[str, Any]]:
    """One row per triangulation, in planned order, with the seconds of its last census call."""
    execution = run.read("execution").sort_by("started_at").to_pylist()
    seconds = {row["item"]: round(row["seconds"], 2) for row in execution}
    return [
        row | {"seconds": seconds.get(row["triangulation"])}
        for row in run.read("summary").to_pylist()
    ]


def terminal_report(run: Run) -> Group:
    """Table with one row per triangulation, one line per degree, one line per failure."""
    if not run.check(("summary", "histogram")).done:
        return nothing_stored(run)
    return _document(run).terminal()


def _document(run: Run) -> Document:
    """The report."""
    rows = report_rows(run)
    cells = [_cells(row) for row in rows]
    return Document(run, [*HEADINGS.values()], WORDS, cells, _conclusions(run, rows))


def _conclusions(run: Run, rows: Iterable[dict[str, Any]]) -> list[str]:
    """One line per degree, one for the verification, one per triangulation that is not ok."""
    return [*(f"union of {union}" for union in unions(run)), *verified(run), *_failures(rows)]


def verified(run: Run) -> Iterator[str]:
    """How many witnesses were derived again, once any were."""
    if run.check(("verification",)).parts:
        agrees = run.read("verification")["agrees"].to_pylist()
        yield f"witnesses derived again by another algorithm: {len(agrees)}, agree: {sum(agrees)}"


def _failures(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """One line per triangulation that is not ok."""
    for row in rows:
        if row["status"] != Status.OK:
            yield f"{row['triangulation']}: {row['status']}, {row['reason']}"


def _cells(row: dict[str, Any]) -> list[str]:
    """A row as people read it: powers of two as such, digits in groups, nothing for nothing."""
    values = row | {"sign_classes": f"2^{row['sign_classes'].bit_length() - 1}"}
    values["regular"] = REGULAR[row["regular"]] if row["status"] == Status.OK else ""
    return [cell(values.get(name)) for name in HEADINGS]


def markdown_report(run: Run) -> str:
    """The terminal's report as Markdown."""
    return _document(run).markdown()


def publish_report(run: Run) -> None:
    """Show the report as artifacts of the running Prefect flow, and draw missing figures."""
    _document(run).publish()
    draw_figures(run, only_missing=True)


def draw_figures(run: Run, *, only_missing: bool = False) -> list[str]:
    """Draw histograms, the curve with the most ovals per triangulation, and coverages, as PNG.

    Parameters
    ----------
    run : Run
    only_missing : bool
        Leave pictures alone that are there already and whole.

    Returns
    -------
    list of str
        Places of ``figures/curve-<name>.png`` and ``figures/histogram-<name>.png`` in the run's
        folder, at most `MAX_DRAWN` of either kind, in planned order; then
        ``figures/coverage-<degree>.png``.

    Raises
    ------
    StoreError
        The store cannot be written.
    """
    is_new = not only_missing
    for triangulation, histogram in _drawable(run):
        kinds = ["histogram"] + ["curve"] * (histogram["witness"].null_count < len(histogram))
        paths = [_figure_path(kind, triangulation.name) for kind in kinds]
        if not (only_missing and all(is_whole(run, path) for path in paths)):
            _draw_pair(run, triangulation, histogram)
            is_new = True
    _draw_coverages(run, only_missing=not is_new)
    return stored_figures(run)


def is_whole(run: Run, path: str) -> bool:
    """Whether a picture is there and ends as PNG files do."""
    return run.volume.exists(path) and run.volume.read(path).to_pybytes().endswith(PNG_END)


def stored_figures(run: Run, names: Iterable[str] | None = None) -> list[str]:
    """Places of the pictures that are there, by triangulation; by default the planned items."""
    names = run.planned if names is None else names
    paths = [_figure_path(kind, name) for name in names for kind in ("curve", "histogram")]
    paths += [_figure_path("coverage", str(degree)) for degree in range(1, CLASSIFIED_DEGREE + 1)]
    return stored_places(run, *paths)


def _drawable(run: Run) -> Iterator[tuple[Triangulation, pa.Table]]:
    """The first triangulations that have schemes, each with its histogram."""
    table = run.read("histogram")
    rows = run.read("summary").to_pylist()
    pairs = ((row, table.filter(pc.field("triangulation") == row["triangulation"])) for row in rows)
    drawable = ((stored_triangulation(row), part) for row, part in pairs if part.num_rows)
    return islice(drawable, MAX_DRAWN)


def _draw_pair(run: Run, triangulation: Triangulation, histogram: pa.Table) -> None:
    """Draw one triangulation's histogram and, if there is a witness, its richest curve."""
    from tasks.tcurves.figures import draw_curve, draw_histogram, save_figure

    witnessed = histogram.filter(pc.field("witness").is_valid())
    if witnessed.num_rows:
        order = [("ovals", "descending"), ("depth", "descending"), ("scheme", "ascending")]
        best = witnessed.sort_by(order).slice(0, 1).to_pylist()[0]
        place = run.volume.location(_figure_path("curve", triangulation.name))
        save_figure(draw_curve(triangulation, best["witness"]), place)
    place = run.volume.location(_figure_path("histogram", triangulation.name))
    save_figure(draw_histogram(histogram), place)


def _draw_coverages(run: Run, *, only_missing: bool) -> None:
    """Draw, per classified degree, which triangulation reaches which of all schemes."""
    from tasks.tcurves.figures import draw_coverage, save_figure

    histogram = run.read("histogram")
    for degree, names in _names_by_degree(run).items():
        rows = histogram.filter(pc.field("triangulation").isin(names))
        path = _figure_path("coverage", str(degree))
        is_wanted = degree <= CLASSIFIED_DEGREE and rows.num_rows > 0
        if is_wanted and not (only_missing and is_whole(run, path)):
            place = run.volume.location(path)
            save_figure(draw_coverage(rows, possible_schemes(degree)), place)


def _figure_path(kind: str, key: str) -> str:
    """Place of a picture in its run; different for different keys."""
    return f"figures/{kind}-{quote(key, safe='')}.png"
