"""The one rule of resume: what is left to do, and what another run has done already.

An item is left if one of its parts is missing, damaged (files that belong to it included), not ok,
or was made from other inputs or by other code than there are now. Everything else is kept.

An item of another run of the same study can be taken over if it was made from the same things. Its
rows then name this run, so that a table does not tell whether an item was made here or taken over;
the execution table does.
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from tasks.records.canonical import canonical_json
from tasks.records.errors import CorruptPartError, StoreError
from tasks.records.identity import RunIdentity
from tasks.records.parts import EXECUTION_TABLE, RUN_COLUMNS, Origin, Sidecar
from tasks.records.run import Run
from tasks.records.status import Status
from tasks.records.volume import Volume

__all__ = ["Ledger", "file_digest", "made_from", "with_files"]

logger = logging.getLogger(__name__)


def made_from(content: object) -> str:
    """Digest (32 hex digits) of the plain data that an item depends on."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:32]


def file_digest(volume: Volume, path: str) -> str:
    """SHA-256 of a file; half a gigabyte takes about a second."""
    return hashlib.sha256(memoryview(volume.read(path))).hexdigest()


def with_files(origin: Origin, volume: Volume, paths: Iterable[str]) -> Origin:
    """The origin of a part to which some files belong."""
    return replace(origin, files={path: file_digest(volume, path) for path in paths})


@dataclass(frozen=True)
class Ledger:
    """What of a stage's items is done in a run.

    Attributes
    ----------
    run
    tables
        Tables that hold a part of every item of the stage.
    prefix
        What precedes an item's key in the execution table.
    is_final
        Whether a row that is not ok is a result too, which is not made again.
    """

    run: Run
    tables: Sequence[str]
    prefix: str = ""
    is_final: bool = False
    _listed: dict[str, list[set[str]]] = field(default_factory=dict, compare=False)
    """Run -> items of its tables, listed once: a stage with many waves asks again and again."""

    def left(self, origins: Mapping[str, Origin]) -> dict[str, str]:
        """Items that are left to do -> why; files that are damaged are removed."""
        reasons = {key: self._why_left(key, origin) for key, origin in origins.items()}
        return {key: reason for key, reason in reasons.items() if reason}

    def _why_left(self, key: str, origin: Origin) -> str:
        for table in self.tables:
            try:
                sidecar = self.run.sidecar(table, key)
            except CorruptPartError as error:
                self.run.report_fault(error)
                return "damaged"
            if sidecar is None:
                return "missing"
            reason = self._why_again(sidecar, origin)
            if reason:
                return reason
        return ""

    def _why_again(self, sidecar: Sidecar, origin: Origin) -> str:
        if sidecar.origin.made_from != origin.made_from:
            return "made from other inputs"
        if origin.code not in (sidecar.origin.code, sidecar.origin.accepted):
            return "made by other code"
        if sidecar.status != Status.OK and not self.is_final:
            return "not ok"
        volume = self.run.volume
        for path, digest in sidecar.origin.files.items():
            if not volume.exists(path):
                return "a file is missing"
            if file_digest(volume, path) != digest:
                logger.warning("%s: is damaged; it is removed and will be made again", path)
                volume.remove(path)
                return "a file is damaged"
        return ""

    # --- items of other runs ------------------------------------------------------------------

    def take_over(
        self, origins: Mapping[str, Origin], source: Run, *, any_code: bool = False
    ) -> list[str]:
        """Copy those items of another run that were made from the same things; their keys.

        Parameters
        ----------
        origins
            Items that are left -> what they are to be made from.
        source
            Another run of the same study.
        any_code
            Whether items that other code made are taken, too; their rows and sidecars then name
            the code version that made them.
        """
        if source.run_id not in self._listed:
            self._listed[source.run_id] = [set(source.stored_items(t)) for t in self.tables]
        known = self._listed[source.run_id]
        keys = [key for key in origins if all(key in items for items in known)]
        found = {key: self._found(key, origins[key], source, any_code=any_code) for key in keys}
        found = {key: sidecars for key, sidecars in found.items() if sidecars}
        executions = source.execution_rows({self.prefix + key for key in found})
        return [
            key
            for key, sidecars in found.items()
            if self._take(key, origins[key].code, source, sidecars, executions)
        ]

    def _found(
        self, key: str, origin: Origin, source: Run, *, any_code: bool
    ) -> list[Sidecar] | None:
        """The sidecars of an item's parts, if it can be taken over."""
        sidecars = []
        for table in self.tables:
            try:
                sidecar = source.sidecar(table, key)
            except StoreError as error:  # what cannot be read there is made here
                logger.info("%s of run %s is not taken over: %s", key, source.run_id, error)
                return None
            if (
                sidecar is None
                or sidecar.origin.made_from != origin.made_from
                or not (any_code or sidecar.origin.code == origin.code)
                or not (self.is_final or sidecar.status == Status.OK)
            ):
                return None
            sidecars.append(sidecar)
        return sidecars

    def _take(
        self,
        key: str,
        code: str,
        source: Run,
        sidecars: Sequence[Sidecar],
        executions: Mapping[str, pa.Table],
    ) -> bool:
        """Copy an item: files, execution rows, parts; a kill leaves none without those before."""
        run = self.run
        try:
            tables = {table: source.read_part(table, key) for table in self.tables}
            for sidecar in sidecars:
                for path, digest in sidecar.origin.files.items():
                    _copy(path, digest, source.volume, run.volume)
        except StoreError as error:
            logger.info("%s of run %s is not taken over: %s", key, source.run_id, error)
            return False
        if (item := self.prefix + key) in executions:
            run.write_part(EXECUTION_TABLE, item, executions[item])
        for sidecar, (table, rows) in zip(sidecars, tables.items(), strict=True):
            origin, is_older = sidecar.origin, sidecar.origin.code != code
            own = _renamed(rows, run.identity, keep_code=is_older)
            run.write_part(table, key, own, replace(origin, accepted=code if is_older else ""))
        return True


def _renamed(rows: pa.Table, identity: RunIdentity, *, keep_code: bool) -> pa.Table:
    """The rows as rows of another run."""
    values = dict(zip(RUN_COLUMNS, (identity.run_id, identity.code_version), strict=True))
    for name, value in values.items():
        if name == "code_version" and keep_code:
            continue
        place = rows.column_names.index(name)
        column = pa.array([value] * rows.num_rows, pa.string())
        rows = rows.set_column(place, rows.schema.field(place), column)
    return rows


def _copy(path: str, digest: str, source: Volume, target: Volume) -> None:
    """Copy a file unless it is there; raises StoreError if it is damaged."""
    if file_digest(source, path) != digest:
        raise StoreError(f"{source.location(path)} is damaged")
    if not (target.exists(path) and file_digest(target, path) == digest):
        target.write(path, source.read(path))
