"""What a run's folder says about itself: ``run.json`` first, ``manifest.json`` last.

Both are functions of the science alone: two executions of one run that stored the same rows have
equal files. The execution table is therefore no part of the manifest.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from tasks.records.citations import cite
from tasks.records.errors import InputError, StoreError
from tasks.records.identity import RunIdentity
from tasks.records.layout import SCHEMA_VERSION
from tasks.records.parts import PartRef

RunStatus = Literal["complete", "partial"]


@dataclass(frozen=True)
class RunRecord:
    """Content of ``run.json``: the identity of a run and what it plans to store."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - read by pydantic from the class

    schema_version: int
    run_id: str
    flow: str
    config: dict[str, Any]
    inputs: tuple[tuple[str, str], ...]
    code_version: str
    seed: int
    tables: tuple[str, ...]
    planned: tuple[str, ...]
    citations: tuple[str, ...]

    @classmethod
    def of(
        cls,
        identity: RunIdentity,
        tables: Sequence[str],
        *,
        planned: Sequence[str],
        citations: Sequence[str],
    ) -> "RunRecord":
        """Record of a new run; `citations` are keys of `CITATIONS`."""
        return cls(
            schema_version=SCHEMA_VERSION,
            run_id=identity.run_id,
            flow=identity.flow,
            config=json.loads(identity.config),
            inputs=identity.inputs,
            code_version=identity.code_version,
            seed=identity.seed,
            tables=tuple(tables),
            planned=tuple(planned),
            citations=tuple(str(cite(key)) for key in citations),
        )

    def identity(self) -> RunIdentity:
        """Identity that this record describes.

        Raises
        ------
        StoreError
            If its hash is not the recorded run id.
        """
        try:
            identity = RunIdentity(
                flow=self.flow,
                config=json.dumps(self.config),
                inputs=self.inputs,
                code_version=self.code_version,
                seed=self.seed,
            )
        except InputError as error:
            raise StoreError(f"run.json: {error}") from error
        if identity.run_id != self.run_id:
            raise StoreError(
                f"run.json: describes run {identity.run_id} under the name {self.run_id}"
            )
        return identity


@dataclass(frozen=True)
class TableEntry:
    """One science table in a manifest; `sha256` is taken over the parts' checksums in order."""

    rows: int
    sha256: str
    parts: tuple[PartRef, ...]

    @classmethod
    def of(cls, parts: Sequence[PartRef]) -> "TableEntry":
        """Entry of the parts of one table, in their order."""
        digest = hashlib.sha256("\n".join(part.sha256 for part in parts).encode())
        return cls(sum(part.rows for part in parts), digest.hexdigest(), tuple(parts))


@dataclass(frozen=True)
class Manifest:
    """Content of ``manifest.json``, written when a run ends.

    Attributes
    ----------
    status
        ``complete`` if every planned item is stored in every science table, else ``partial``.
    rows
        Rows of all science tables together.
    tables
        Per table the rows, a checksum and the parts in planned order.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - read by pydantic from the class

    schema_version: int
    flow: str
    run_id: str
    status: RunStatus
    rows: int
    tables: dict[str, TableEntry]

    @classmethod
    def of(cls, record: RunRecord, parts: Sequence[PartRef], status: RunStatus) -> "Manifest":
        """Manifest over verified `parts`, those of a table adjacent and in planned order."""
        grouped = groupby(parts, key=lambda part: part.table)
        tables = {table: TableEntry.of(list(group)) for table, group in grouped}
        return cls(
            schema_version=SCHEMA_VERSION,
            flow=record.flow,
            run_id=record.run_id,
            status=status,
            rows=sum(entry.rows for entry in tables.values()),
            tables=tables,
        )
