"""One run's folder: write parts, ask what is done, read tables, finish.

An item is done if each of its science tables has an intact part. Pending work is the anti-join of
planned items against done ones, so resuming means running the same command again. Parts that no
plan asked for, such as copies made by hand, are named in a warning and left alone.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import pyarrow as pa

from tasks.records.canonical import canonical_json
from tasks.records.check import PartReader, StoreCheck, check_parts, split_unplanned
from tasks.records.errors import CorruptPartError, InputError, StoreError, shortened
from tasks.records.identity import RunIdentity
from tasks.records.journal import Journal
from tasks.records.layout import dump_json, parse_json
from tasks.records.manifest import Manifest, RunRecord, RunStatus
from tasks.records.parts import (
    EXECUTION_TABLE,
    Origin,
    PartName,
    PartRef,
    Sidecar,
    brief,
    part_ref,
    read_sidecar,
    serialize,
    sidecar_bytes,
)
from tasks.records.schema import EXECUTION_SCHEMA, check_science_schema, execution_rows
from tasks.records.volume import Volume

logger = logging.getLogger(__name__)

_UNKNOWN = Origin()
_AGAIN = "it will be done again"


@dataclass(frozen=True)
class Run:
    """Handle of a run's folder; made by `Store.open_run` and `Store.find_run`.

    A handle hashes a part once, and again only after its files changed; it logs a fault once.
    """

    volume: Volume
    record: RunRecord

    def __getstate__(self) -> dict[str, object]:
        # What was verified and logged here is not known there.
        return {"volume": self.volume, "record": self.record}

    @property
    def run_id(self) -> str:
        """16 hex digits."""
        return self.record.run_id

    @property
    def path(self) -> str:
        """Local path or URI of the run's folder."""
        return self.volume.root

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables, as given when the run was opened."""
        return self.record.tables

    @property
    def science_tables(self) -> tuple[str, ...]:
        """Names of the deterministic tables."""
        return tuple(table for table in self.tables if table != EXECUTION_TABLE)

    @property
    def planned(self) -> tuple[str, ...]:
        """Item keys in planned order."""
        return self.record.planned

    @cached_property
    def identity(self) -> RunIdentity:
        """What determines the science of this run."""
        return self.record.identity()

    def write_part(
        self, table: str, item: str, data: pa.Table, origin: Origin = _UNKNOWN
    ) -> PartRef:
        """Store the rows of `item` in `table`: data first, then the sidecar with its origin.

        A science part with equal content is left alone; one with other content is replaced, with
        a warning if both are ok, as equal identities ought to give equal rows. Execution parts are
        only added.

        Raises
        ------
        InputError
            If the table is unknown or its columns break the rules of `science_schema`.
        StoreError
            If the store cannot be written; earlier parts are as they were.
        """
        self._require((table,))
        if table == EXECUTION_TABLE:
            return self._append(item, execution_rows(data))
        check_science_schema(data.schema, f"table {table!r}")
        name = PartName.of(table, item)
        content = serialize(data, self._science_metadata)
        part = part_ref(name, rows=data.num_rows, data=content)
        sidecar = sidecar_bytes(part, self.run_id, data, origin)
        if not self._holds(part, name, data):
            self.volume.write(name.path, content)
        elif self.volume.read(name.sidecar).to_pybytes() == sidecar:
            return part
        self.volume.write(name.sidecar, sidecar)
        self._journal.written(name.path)
        return part

    def write_parts(
        self, item: str, tables: Mapping[str, pa.Table], origin: Origin = _UNKNOWN
    ) -> None:
        """Store the rows of `item` in several tables."""
        self._require(tables)
        for table, data in tables.items():
            self.write_part(table, item, data, origin)

    def check(self, tables: Sequence[str] | None = None) -> StoreCheck:
        """Verify every part of `tables` (default: the science tables) against its sidecar.

        Reads their bytes unless this handle did and the files are as they were. Temporary files,
        foreign files and parts of items that are not planned are ignored.
        """
        return self._check(self._subset(tables))

    def _check(self, tables: Sequence[str], planned: Sequence[str] = ()) -> StoreCheck:
        return check_parts(self._reader, self._listed(tables, planned), tables=tables)

    def pending(self, planned: Sequence[str], tables: Sequence[str] | None = None) -> list[str]:
        """Planned items that are not done in `tables`, in planned order.

        Logs one warning per untrustworthy part that will be done again.
        """
        tables = self._subset(tables)
        check = self._check(tables, planned)
        pending = check.pending(planned, tables)
        redone = set(pending)
        for fault in check.faults:
            if fault.item in redone:
                self._journal.fault(fault, _AGAIN)
        return pending

    def read(
        self,
        table: str,
        *,
        schema: pa.Schema | None = None,
        on_corrupt: Literal["raise", "skip"] | None = None,
    ) -> pa.Table:
        """All rows of `table`, its parts in planned order; memory-mapped on a local disk.

        Parameters
        ----------
        schema
            What an empty table is made of when no part is stored yet.
        on_corrupt
            Whether a bad part raises (default for science tables, which can be computed again) or
            is skipped with a warning (default for the execution table, which cannot).

        Raises
        ------
        CorruptPartError
            If a part is bad; an interrupted write (no sidecar) is not yet a part.
        InputError
            If nothing is stored and no schema is given.
        """
        self._require((table,))
        skip = (on_corrupt or ("skip" if table == EXECUTION_TABLE else "raise")) == "skip"
        parts = list(self._load(table, skip=skip))
        schema = EXECUTION_SCHEMA if table == EXECUTION_TABLE else schema
        if not parts:
            if schema is None:
                raise InputError(f"table {table!r} of run {self.run_id} holds no finished part yet")
            return schema.empty_table()
        try:
            return pa.concat_tables(parts)
        except pa.ArrowInvalid as error:
            raise StoreError(
                f"table {table!r} of run {self.run_id}: its parts have different columns ({error})"
            ) from error

    def read_part(self, table: str, item: str) -> pa.Table:
        """Rows of one item in a science table; CorruptPartError without an intact part."""
        self._require((table,))
        return self._reader.load(PartName.of(table, item))[1]

    def sidecar(self, table: str, item: str) -> Sidecar | None:
        """The sidecar of the part of an item; None if nothing is stored.

        Raises
        ------
        CorruptPartError
            If the part cannot be trusted.
        """
        name = PartName.of(table, item)
        if not self.volume.exists(name.sidecar) and not self.volume.exists(name.path):
            return None
        self._reader.verify(name)
        return read_sidecar(self.volume, name, self.run_id)

    def is_intact(self, table: str, item: str) -> bool:
        """Whether there is a part of the item that can be trusted."""
        try:
            return self.sidecar(table, item) is not None
        except CorruptPartError:
            return False

    def stored_items(self, table: str) -> list[str]:
        """Items of which the table holds a part, intact or not, in planned order."""
        return list(dict.fromkeys(name.item for name in self._listed((table,))))

    def report_fault(self, error: CorruptPartError) -> None:
        """Log, once, that a part cannot be trusted and will be done again."""
        self._journal.fault(error, _AGAIN)

    def execution_rows(self, items: Collection[str]) -> dict[str, pa.Table]:
        """Item -> its intact rows of the execution table, of some items."""
        found: dict[str, list[pa.Table]] = {}
        for name in self._names(EXECUTION_TABLE):
            if name.item in items:
                try:
                    _, rows = self._reader.load(name)
                    found.setdefault(name.item, []).append(rows)
                except CorruptPartError as error:
                    self._journal.fault(error, "it is left out")
        return {item: pa.concat_tables(tables) for item, tables in found.items()}

    def finish(
        self,
        planned: Sequence[str] | None = None,
        status: RunStatus | None = None,
        *,
        tables: Sequence[str] | None = None,
        stages: Sequence[Sequence[str]] = (),
    ) -> Manifest:
        """Verify all science parts, write the manifest, remove abandoned temporary files.

        Parameters
        ----------
        planned
            Items that a complete run stores; default: those given when the run was opened.
        status
            ``complete`` or ``partial``; default: what the store holds.
        tables
            Tables that must hold every planned item; default: all science tables.
        stages
            In their place: tables of the stages, of which one must hold every planned item, and no
            part of an item may be damaged.

        Raises
        ------
        InputError
            If `status` is ``complete`` while items are pending.
        """
        planned = self.planned if planned is None else planned
        check = self._check(self.science_tables, planned)
        open_items = (
            check.unfinished(planned, stages)
            if stages
            else check.pending(planned, self._subset(tables))
        )
        for fault in check.faults:
            self._journal.fault(fault, "it is left out of the manifest")
        manifest = Manifest.of(self.record, check.parts, _settle(status, open_items, self.run_id))
        self.volume.write("manifest.json", dump_json(manifest))
        if self.volume.local:
            self.volume.clean("")
        return manifest

    def manifest(self) -> Manifest | None:
        """What `finish` wrote, or None before.

        Raises
        ------
        StoreError
            If the file is damaged.
        """
        if not self.volume.exists("manifest.json"):
            return None
        where = self.volume.location("manifest.json")
        return parse_json(Manifest, self.volume.read("manifest.json"), where=where)

    def count_rows(self) -> int:
        """Rows of all science tables by their sidecars, without verifying the data."""
        return sum(self._claimed_rows(name) for name in self._listed(self.science_tables))

    def _claimed_rows(self, name: PartName) -> int:
        try:
            return read_sidecar(self.volume, name, self.run_id).rows
        except CorruptPartError as error:
            self._journal.fault(error, "it is not counted")
            return 0

    def _load(self, table: str, *, skip: bool) -> Iterable[pa.Table]:
        for name in self._listed((table,)):
            try:
                if self.volume.exists(name.sidecar):
                    yield self._reader.load(name)[1]
            except CorruptPartError as error:
                if not skip:
                    raise
                self._journal.fault(error, "it is skipped")

    def _append(self, item: str, rows: pa.Table) -> PartRef:
        content = serialize(rows, {"flow": self.record.flow, "run_id": self.run_id})
        name = PartName.of(EXECUTION_TABLE, item)
        while not self.volume.create(name.path, content):
            name = replace(name, attempt=name.attempt + 1)
        part = part_ref(name, rows=rows.num_rows, data=content)
        self.volume.write(name.sidecar, sidecar_bytes(part, self.run_id, rows, _UNKNOWN))
        return part

    def _holds(self, part: PartRef, name: PartName, data: pa.Table) -> bool:
        if not self.volume.exists(name.sidecar):
            return False
        try:
            stored, rows = self._reader.load(name)
        except CorruptPartError:
            logger.info("%s: replacing a part that cannot be trusted", name.path)
            return False
        if stored != part:
            self._journal.replaced(name.path, rows, data)
        return stored == part

    def _listed(self, tables: Sequence[str], planned: Sequence[str] = ()) -> list[PartName]:
        """Parts of planned items, table by table; all parts where nothing is planned."""
        known = {*planned, *self.planned} if self.planned else ()
        split = [split_unplanned(self._names(table), known) for table in tables]
        self._journal.unplanned(name.path for _, others in split for name in others)
        return [name for names, _ in split for name in names]

    def _names(self, table: str) -> list[PartName]:
        files = (info.base_name for info in self.volume.entries(table) if info.is_file)
        stems = {file.rpartition(".")[0] for file in files if file.endswith((".arrow", ".json"))}
        names = [name for stem in stems if (name := PartName.parse(table, stem))]
        return sorted(names, key=lambda name: (self._order(name.item), name.attempt))

    def _order(self, item: str) -> tuple[int, str]:
        return self._positions.get(item, len(self._positions)), item

    @cached_property
    def _reader(self) -> PartReader:
        return PartReader(self.volume, self.run_id)

    @cached_property
    def _journal(self) -> Journal:
        return Journal(self.run_id)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {item: position for position, item in enumerate(self.planned)}

    @cached_property
    def _science_metadata(self) -> dict[str, str]:
        return {
            "flow": self.record.flow,
            "run_id": self.run_id,
            "config": brief(self.identity.config),
            "inputs": brief(canonical_json(self.record.inputs)),
            "seed": str(self.record.seed),
            "code_version": self.record.code_version,
            "citations": canonical_json(self.record.citations),
            "schema_version": str(self.record.schema_version),
        }

    def _subset(self, tables: Sequence[str] | None) -> tuple[str, ...]:
        if tables is None:
            return self.science_tables
        self._require(tables)
        return tuple(tables)

    def _require(self, tables: Iterable[str]) -> None:
        allowed = {*self.tables, EXECUTION_TABLE}
        unknown = [table for table in tables if table not in allowed]
        if unknown:
            raise InputError(
                f"run {self.run_id} has no table {', '.join(map(shortened, unknown[:5]))}; "
                f"its tables are {', '.join(sorted(allowed))}"
            )


def _settle(status: RunStatus | None, open_items: Sequence[str], run_id: str) -> RunStatus:
    if status not in (None, "complete", "partial"):
        raise InputError(f"a run ends as 'complete' or 'partial', not {shortened(status)}")
    if status == "complete" and open_items:
        raise InputError(
            f"run {run_id} is not complete: {len(open_items)} items are not stored, "
            f"the first is {shortened(open_items[0])}"
        )
    return status or ("partial" if open_items else "complete")
