"""What a run of a study has stored, read with the study's schemas."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

from tasks.records.errors import CorruptPartError
from tasks.records.parts import EXECUTION_TABLE
from tasks.records.rows import Row, rows_table
from tasks.records.run import Run
from tasks.records.status import Status

__all__ = ["PLACES", "Problem", "Stored"]

PLACES = "places.json"
"""File in the folder of a run."""


@dataclass(frozen=True)
class Problem:
    """An item whose result cannot be used, and why."""

    item: str
    status: str
    reason: str

    def __str__(self) -> str:
        return f"{self.item}: {self.status}, {self.reason}"


@dataclass(frozen=True)
class Stored:
    """Tables of a run; a part that cannot be trusted is skipped with a warning.

    Attributes
    ----------
    run
    schemas
        Schema of every science table of the study.
    """

    run: Run
    schemas: Mapping[str, pa.Schema]

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """The named settings of the run's config."""
        return self.run.record.config

    @property
    def places(self) -> Mapping[str, Any]:
        """Fields of the config that do not name the run: where its inputs were when it last ran."""
        if not self.run.volume.exists(PLACES):
            return {}
        return dict(json.loads(bytes(self.run.volume.read(PLACES))))

    def table(self, name: str) -> pa.Table:
        """All rows of a table, in planned order."""
        return self.run.read(name, schema=self.schemas.get(name), on_corrupt="skip")

    def rows(self, name: str) -> list[dict[str, Any]]:
        """All rows of a table as dicts."""
        return self.table(name).to_pylist()

    def part(self, name: str, key: str) -> pa.Table:
        """Rows of one item; raises CorruptPartError without an intact part."""
        return self.run.read_part(name, key)

    def content(self, name: str, key: str) -> str:
        """Digest of the rows of one item; empty without an intact part."""
        try:
            sidecar = self.run.sidecar(name, key)
        except CorruptPartError:
            return ""
        return sidecar.content if sidecar else ""

    def has(self, name: str, keys: Sequence[str]) -> bool:
        """Whether the table holds an intact part of each of some items."""
        return all(self.run.is_intact(name, key) for key in keys)

    def is_empty(self, name: str) -> bool:
        """Whether nothing is stored in a table."""
        return not self.run.stored_items(name)

    def write(self, name: str, key: str, rows: Sequence[Row]) -> None:
        """Store rows that follow from what is stored, as an archive follows from its rounds."""
        self.run.write_part(name, key, rows_table(self.schemas[name], rows, self.run.identity))

    def location(self, path: str) -> str:
        """Full path or URI of a file of the run."""
        return self.run.volume.location(path)

    def seconds(self) -> dict[str, float]:
        """Name of an entry of the execution table -> seconds of its last attempt."""
        rows = self.run.read(EXECUTION_TABLE).select(["item", "seconds", "started_at"])
        rows = rows.sort_by("started_at")
        return dict(zip(rows["item"].to_pylist(), rows["seconds"].to_pylist(), strict=True))

    def problems(self, tables: Sequence[str], label: str) -> list[Problem]:
        """Rows that are not ok in some tables, each subject once, by the column that names it."""
        found: dict[str, Problem] = {}
        for table in tables:
            names = [name for name in (label, "reason") if name in self.schemas[table].names]
            if label not in names:
                continue
            rows = self.table(table)
            if rows.column("status").unique().to_pylist() == [Status.OK]:
                continue
            for row in rows.select([*names, "status"]).to_pylist():
                if row["status"] != Status.OK:
                    reason = row.get("reason") or f"see table {table}"
                    found.setdefault(row[label], Problem(row[label], row["status"], reason))
        return list(found.values())
