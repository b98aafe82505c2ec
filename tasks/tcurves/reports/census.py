"""Report and figures of a census."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from tasks.records import Figure, Report, Status, Stored, Table
from tasks.records.report import cell
from tasks.tcurves.run import stored_triangulation
from tasks.tcurves.verify import CLASSIFIED_DEGREE, possible_schemes, union_schemes

__all__ = ["REGULAR", "Union", "census_figures", "census_report", "degree_unions", "verified"]

# A picture of a curve and a histogram per triangulation take about a second.
MAX_DRAWN = 24
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


def degree_unions(schemes: pa.Table, names: Mapping[int, Iterable[str]]) -> list[Union]:
    """One union per degree, from a table with the columns triangulation and scheme."""
    return [
        Union(degree, tuple(union_schemes(schemes, chosen)), _num_known(degree))
        for degree, chosen in names.items()
    ]


def _names_by_degree(stored: Stored) -> dict[int, list[str]]:
    """Degree -> names of its triangulations, ascending."""
    names: dict[int, list[str]] = {}
    for row in stored.table("summary").sort_by("degree").to_pylist():
        names.setdefault(row["degree"], []).append(row["triangulation"])
    return names


def _num_known(degree: int) -> int:
    """Number of non-empty real schemes of curves of that degree, 0 where it is not known."""
    return len(possible_schemes(degree)) if degree <= CLASSIFIED_DEGREE else 0


def census_report(stored: Stored) -> Report:
    """The union of each degree, then one row per triangulation, in planned order."""
    seconds = stored.seconds()
    rows = [
        row | {"seconds": round(seconds[row["triangulation"]], 2)}
        if row["triangulation"] in seconds
        else row
        for row in stored.rows("summary")
    ]
    unions = degree_unions(stored.table("histogram"), _names_by_degree(stored))
    failures = [
        f"{row['triangulation']}: {row['status']}, {row['reason']}"
        for row in rows
        if row["status"] != Status.OK
    ]
    table = Table(
        [*HEADINGS.values()], [_cells(row) for row in rows], words=WORDS, subject="triangulation"
    )
    findings = [f"union of {union}" for union in unions]
    return Report([*findings, *verified(stored)], [table], failures)


def verified(stored: Stored) -> Iterator[str]:
    """How many witnesses were derived again, once any were."""
    agrees = stored.table("verification")["agrees"].to_pylist()
    if agrees:
        yield f"witnesses derived again by another algorithm: {len(agrees)}, agree: {sum(agrees)}"


def _cells(row: dict[str, Any]) -> list[str]:
    """A row as people read it: powers of two as such, digits in groups, nothing for nothing."""
    values = row | {"sign_classes": f"2^{row['sign_classes'].bit_length() - 1}"}
    values["regular"] = REGULAR[row["regular"]] if row["status"] == Status.OK else ""
    return [cell(values.get(name)) for name in HEADINGS]


# --- figures ------------------------------------------------------------------------------------


def census_figures(stored: Stored) -> Iterator[Figure]:
    """Histograms and the curve with the most ovals per triangulation, then coverages."""
    histogram = stored.table("histogram")
    summaries = stored.rows("summary")
    pairs = (
        (r, histogram.filter(pc.field("triangulation") == r["triangulation"])) for r in summaries
    )
    drawable = ((row, part) for row, part in pairs if part.num_rows)
    for row, part in islice(drawable, MAX_DRAWN):
        name = row["triangulation"]
        witnessed = part.filter(pc.field("witness").is_valid())
        if witnessed.num_rows:
            order = [("ovals", "descending"), ("depth", "descending"), ("scheme", "ascending")]
            best = witnessed.sort_by(order)["witness"][0].as_py()
            yield Figure(_path("curve", name), partial(_curve, row, best), ("histogram",), name)
        yield Figure(_path("histogram", name), partial(_histogram, part), ("histogram",), name)
    for degree, names in _names_by_degree(stored).items():
        rows = histogram.filter(pc.field("triangulation").isin(names))
        if degree <= CLASSIFIED_DEGREE and rows.num_rows:
            yield Figure(
                _path("coverage", str(degree)), partial(_coverage, rows, degree), ("histogram",)
            )


def _curve(summary: Mapping[str, Any], witness: int) -> Any:
    from tasks.tcurves.figures import draw_curve

    return draw_curve(stored_triangulation(summary), witness)


def _histogram(rows: pa.Table) -> Any:
    from tasks.tcurves.figures import draw_histogram

    return draw_histogram(rows)


def _coverage(rows: pa.Table, degree: int) -> Any:
    from tasks.tcurves.figures import draw_coverage

    return draw_coverage(rows, possible_schemes(degree))


def _path(kind: str, key: str) -> str:
    """Place of a picture in its run; different for different keys."""
    return f"figures/{kind}-{quote(key, safe='')}.png"
