"""Reports of the flow `tcurve-sweep`, made from the stored records alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa
from rich.console import Group

from flows import reports
from flows.documents import Document, cell, nothing_stored
from tasks.records import Run, Status
from tasks.tcurves import SHARD_SCHEMA, SWEEP_SCHEMA, Scheme, unclassified_schemes

__all__ = ["draw_figures", "publish_report", "report_rows", "stored_figures", "terminal_report"]

HEADINGS = {
    "triangulation": "triangulation",
    "degree": "degree",
    "evaluations": "evaluations",
    "num_schemes": "schemes",
    "regular": "regular",
    "rate": "per second",
    "status": "status",
}
WORDS = ("triangulation", "regular", "status")


def report_rows(run: Run) -> list[dict[str, Any]]:
    """One row per triangulation, in planned order; figures are those of the stored shards.

    ``seconds`` are the sum over the last calls of the shards, ``rate`` the evaluations per second
    of one worker.
    """
    read = partial(run.read, on_corrupt="skip")
    rows = _planned(run)
    execution = run.read("execution").sort_by("started_at").to_pylist()
    seconds = {row["item"]: row["seconds"] for row in execution}
    for shard in read("shards", schema=SHARD_SCHEMA).to_pylist():
        row = rows[shard["triangulation"]]
        row["degree"] = shard["degree"]
        if shard["status"] == Status.OK:
            row["done"] += 1
            row["evaluations"] += shard["evaluations"]
            row["redone"] += shard["redone"]
            row["seconds"] += seconds.get(shard["item"], 0.0)
        else:
            row["failures"].append(f"{shard['item']}: {shard['status']}, {shard['reason']}")
    for name, schemes in _schemes(read("sweep", schema=SWEEP_SCHEMA)).items():
        rows[name]["schemes"] = schemes
    if run.check(("summary",)).parts:
        for summary in read("summary").to_pylist():
            _add_summary(rows[summary["triangulation"]], summary)
    return list(rows.values())


def _planned(run: Run) -> dict[str, dict[str, Any]]:
    """An empty row for every triangulation."""
    rows: dict[str, dict[str, Any]] = {}
    for key in run.planned:
        name = key.rpartition(".")[0]
        empty = {"triangulation": name, "total": 0, "done": 0, "evaluations": 0, "redone": 0}
        row = rows.setdefault(name, empty | {"seconds": 0.0, "failures": [], "schemes": []})
        row["total"] += 1
    return rows


def _schemes(sweep: pa.Table) -> dict[str, list[str]]:
    """Schemes found on each triangulation."""
    found: dict[str, list[str]] = {}
    for row in sweep.group_by(["triangulation", "scheme"]).aggregate([]).to_pylist():
        found.setdefault(row["triangulation"], []).append(row["scheme"])
    return found


def _add_summary(row: dict[str, Any], summary: dict[str, Any]) -> None:
    """Take over what only a finished triangulation knows."""
    row["status"] = summary["status"]
    row["regular"] = reports.REGULAR[summary["regular"]]
    if summary["status"] != Status.OK:
        row["failures"].append(f"{row['triangulation']}: {summary['status']}, {summary['reason']}")


def terminal_report(run: Run) -> Group:
    """Table with one row per triangulation, one line per degree, one line per failure."""
    if not run.check(("shards",)).parts:
        return nothing_stored(run)
    return _document(run).terminal()


def publish_report(run: Run) -> None:
    """Show the report as artifacts of the running Prefect flow, and draw missing figures."""
    _document(run).publish()
    draw_figures(run, only_missing=True)


def draw_figures(run: Run, *, only_missing: bool = False) -> list[str]:
    """Draw the pictures of a census from the triangulations that are finished."""
    if run.check(("summary", "histogram")).parts:
        reports.draw_figures(run, only_missing=only_missing)
    return stored_figures(run)


def stored_figures(run: Run) -> list[str]:
    """Places of the pictures that are there, in planned order."""
    return reports.stored_figures(run, _planned(run))


def _document(run: Run) -> Document:
    """The report."""
    rows = report_rows(run)
    cells = [_cells(row) for row in rows]
    return Document(run, [*HEADINGS.values()], WORDS, cells, [*_lines(run, rows)])


def _cells(row: dict[str, Any]) -> list[str]:
    """A row as people read it; an unfinished triangulation tells how many shards are done."""
    status = Status.FAILED.value if row["failures"] else f"{row['done']} of {row['total']}"
    values = {"regular": "", "status": status, "degree": None} | row
    values["num_schemes"] = len(row["schemes"])
    values["rate"] = int(row["evaluations"] / row["seconds"]) if row["seconds"] else None
    return [cell(values[name]) for name in HEADINGS]


def _lines(run: Run, rows: list[dict[str, Any]]) -> Iterator[str]:
    """One line per degree, one for the classification, the verification and every failure."""
    degrees = sorted({row["degree"] for row in rows if "degree" in row})
    named = {d: [r["triangulation"] for r in rows if r.get("degree") == d] for d in degrees}
    found = [{"triangulation": r["triangulation"], "scheme": s} for r in rows for s in r["schemes"]]
    fields = [SWEEP_SCHEMA.field(name) for name in ("triangulation", "scheme")]
    table = pa.Table.from_pylist(found, schema=pa.schema(fields))
    for union in reports.degree_unions(table, named):
        yield f"union of {union}"
        strange = unclassified_schemes([Scheme.parse(text) for text in union.found], union.degree)
        if strange is not None:
            listed = ", ".join(strange) or "none"
            yield f"degree {union.degree}: schemes that no curve of this degree has: {listed}"
    yield from reports.verified(run)
    if redone := sum(row["redone"] for row in rows):
        yield f"sign vectors that the kernel left open, done by union-find: {redone}"
    for row in rows:
        yield from row["failures"]
