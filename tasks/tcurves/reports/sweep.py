"""Report of a sweep, and what is told of it while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from tasks.records import Report, Status, Stored, Table
from tasks.records.report import cell
from tasks.tcurves.reports.census import REGULAR, degree_unions, verified
from tasks.tcurves.schema import SWEEP_SCHEMA
from tasks.tcurves.schemes import Scheme
from tasks.tcurves.sweep_summary import unclassified_schemes

__all__ = ["SweepTally", "sweep_report"]

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


def sweep_report(stored: Stored) -> Report:
    """The union of each degree, then one row per triangulation; a partial run counts as it is."""
    rows = sweep_rows(stored)
    table = Table(
        [*HEADINGS.values()], [_cells(row) for row in rows], words=WORDS, subject="triangulation"
    )
    findings = [*_unions(rows), *verified(stored)]
    if redone := sum(row["redone"] for row in rows):
        findings.append(f"sign vectors that the kernel left open, done by union-find: {redone}")
    return Report(findings, [table], [line for row in rows for line in row["failures"]])


def sweep_rows(stored: Stored) -> list[dict[str, Any]]:
    """One row per triangulation, in planned order; figures are those of the stored shards.

    ``seconds`` are the sum over the last calls of the shards, ``rate`` the evaluations per second
    of one worker.
    """
    rows = _planned(stored)
    seconds = stored.seconds()
    for shard in stored.rows("shards"):
        row = rows[shard["triangulation"]]
        row["degree"] = shard["degree"]
        if shard["status"] == Status.OK:
            row["done"] += 1
            row["evaluations"] += shard["evaluations"]
            row["redone"] += shard["redone"]
            row["seconds"] += seconds.get(shard["item"], 0.0)
        else:
            row["failures"].append(f"{shard['item']}: {shard['status']}, {shard['reason']}")
    pairs = stored.table("sweep").group_by(["triangulation", "scheme"]).aggregate([])
    for pair in pairs.to_pylist():
        rows[pair["triangulation"]]["schemes"].append(pair["scheme"])
    for summary in stored.rows("summary"):
        _add_summary(rows[summary["triangulation"]], summary)
    return list(rows.values())


def _planned(stored: Stored) -> dict[str, dict[str, Any]]:
    """An empty row for every triangulation."""
    rows: dict[str, dict[str, Any]] = {}
    for key in stored.run.planned:
        name = key.rpartition(".")[0]
        empty = {"triangulation": name, "total": 0, "done": 0, "evaluations": 0, "redone": 0}
        row = rows.setdefault(name, empty | {"seconds": 0.0, "failures": [], "schemes": []})
        row["total"] += 1
    return rows


def _add_summary(row: dict[str, Any], summary: dict[str, Any]) -> None:
    """Take over what only a finished triangulation knows."""
    row["status"] = summary["status"]
    row["regular"] = REGULAR[summary["regular"]]
    if summary["status"] != Status.OK:
        row["failures"].append(f"{row['triangulation']}: {summary['status']}, {summary['reason']}")


def _cells(row: dict[str, Any]) -> list[str]:
    """A row as people read it; an unfinished triangulation tells how many shards are done."""
    status = Status.FAILED.value if row["failures"] else f"{row['done']} of {row['total']}"
    values = {"regular": "", "status": status, "degree": None} | row
    values["num_schemes"] = len(row["schemes"])
    values["rate"] = int(row["evaluations"] / row["seconds"]) if row["seconds"] else None
    return [cell(values[name]) for name in HEADINGS]


def _unions(rows: list[dict[str, Any]]) -> Iterator[str]:
    """One line per degree, one for what the classification does not have."""
    degrees = sorted({row["degree"] for row in rows if "degree" in row})
    named = {d: [r["triangulation"] for r in rows if r.get("degree") == d] for d in degrees}
    found = [{"triangulation": r["triangulation"], "scheme": s} for r in rows for s in r["schemes"]]
    fields = [SWEEP_SCHEMA.field(name) for name in ("triangulation", "scheme")]
    table = pa.Table.from_pylist(found, schema=pa.schema(fields))
    for union in degree_unions(table, named):
        yield f"union of {union}"
        strange = unclassified_schemes([Scheme.parse(text) for text in union.found], union.degree)
        if strange is not None:
            listed = ", ".join(strange) or "none"
            yield f"degree {union.degree}: schemes that no curve of this degree has: {listed}"


class SweepTally:
    """Evaluations, their rate and the schemes found, over all triangulations.

    Parameters
    ----------
    stored : Stored
        Shards that it holds are counted, but not in the rate.
    """

    def __init__(self, stored: Stored) -> None:
        self.evaluations = 0
        self.schemes: set[tuple[int, str]] = set()
        self.unclassified: set[tuple[int, str]] = set()
        self.newest = ""
        self.add({name: stored.table(name) for name in ("sweep", "shards")})
        self._before = self.evaluations
        self._started = time.monotonic()

    def add(self, tables: Mapping[str, pa.Table]) -> None:
        """Take some shards into account."""
        shards = tables["shards"]
        self.evaluations += sum(filter(None, shards["evaluations"].to_pylist()))
        columns = (shards[name].to_pylist() for name in ("triangulation", "degree"))
        degrees = dict(zip(*columns, strict=True))
        for row in tables["sweep"].select(["triangulation", "scheme", "item"]).to_pylist():
            found = (degrees[row["triangulation"]], row["scheme"])
            if found not in self.schemes:
                self.schemes.add(found)
                self.newest = row["item"]
                if unclassified_schemes([Scheme.parse(found[1])], found[0]):
                    self.unclassified.add(found)

    def describe(self) -> str:
        """One phrase: evaluations, rate, schemes, where the newest was found."""
        seconds = time.monotonic() - self._started
        rate = int((self.evaluations - self._before) / max(seconds, 1e-3))
        phrase = (
            f"{self.evaluations:,} evaluations, {rate:,} per second, {len(self.schemes)} schemes"
        )
        if self.newest:
            phrase += f" (newest in {self.newest})"
        if self.unclassified:
            phrase += f", {len(self.unclassified)} of them not in the classification"
        return phrase
