"""Verification of stored parts: which items are done, which parts cannot be trusted.

A verdict holds as long as size and times of data and sidecar stay the same, so in one process the
bytes of a part are hashed once. A file changed within the last two seconds might change again
without a trace in its times; a verdict about it is given, but not remembered.
"""

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from tasks.records.errors import CorruptPartError
from tasks.records.parts import EXECUTION_TABLE, PartName, PartRef, load_part, reopen_part
from tasks.records.volume import Volume

_SETTLED_NS = 2 * 10**9

_Stamps = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Fault:
    """A part that is there but cannot be trusted."""

    table: str
    item: str
    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True)
class StoreCheck:
    """Verified state of some tables of a run.

    Attributes
    ----------
    done
        Items with an intact part in each of the tables.
    missing
        Paths of absent parts of items that have a part in another of the tables.
    faults
        Parts whose bytes disagree with their sidecar, or that lack one of the two.
    parts
        Intact parts, table by table in planned order.
    """

    done: frozenset[str]
    missing: tuple[str, ...]
    faults: tuple[Fault, ...]
    parts: tuple[PartRef, ...]

    def pending(self, planned: Sequence[str], tables: Sequence[str]) -> list[str]:
        """Planned items without an intact part in each of `tables`, in planned order."""
        stored = {(part.table, part.item) for part in self.parts}
        return [item for item in planned if not all((table, item) in stored for table in tables)]

    def unfinished(self, planned: Sequence[str], stages: Sequence[Sequence[str]]) -> list[str]:
        """Planned items, in order, that are pending in the tables of every stage, or damaged."""
        damaged = {fault.item for fault in self.faults}
        pending = [set(self.pending(planned, tables)) for tables in stages]
        left = damaged | set.intersection(*pending)
        return [item for item in planned if item in left]


class PartReader:
    """Reads the parts of one run, each verified, and remembers the verdicts.

    Parameters
    ----------
    volume
        The run's folder.
    run_id
        Parts of other runs are faults.
    """

    def __init__(self, volume: Volume, run_id: str) -> None:
        self._volume = volume
        self._run_id = run_id
        self._verdicts: dict[PartName, tuple[_Stamps, PartRef | CorruptPartError]] = {}

    def verify(self, name: PartName) -> PartRef:
        """Reference of an intact part.

        Raises
        ------
        CorruptPartError
            If it cannot be trusted.
        """
        return self._remembered(name) or self._load(name)[0]

    def load(self, name: PartName) -> tuple[PartRef, pa.Table]:
        """Intact part with its rows, memory-mapped on a local disk.

        Raises
        ------
        CorruptPartError
            If it cannot be trusted.
        """
        part = self._remembered(name)
        return (part, reopen_part(self._volume, name, part.rows)) if part else self._load(name)

    def _remembered(self, name: PartName) -> PartRef | None:
        stamps, verdict = self._verdicts.get(name, (None, None))
        if verdict is None or stamps != self._stamps(name):
            return None
        if isinstance(verdict, CorruptPartError):
            raise CorruptPartError(verdict.path, verdict.reason)
        return verdict

    def _load(self, name: PartName) -> tuple[PartRef, pa.Table]:
        now = time.time_ns()
        stamps = self._stamps(name)
        try:
            part, table = load_part(self._volume, name, self._run_id)
        except CorruptPartError as error:
            # A file that could not be read may be readable the next time.
            if error.__cause__ is None:
                self._remember(name, stamps, error, now)
            raise
        self._remember(name, stamps, part, now)
        return part, table

    def _remember(
        self, name: PartName, stamps: _Stamps | None, verdict: PartRef | CorruptPartError, now: int
    ) -> None:
        if stamps and max(stamp[0] for stamp in stamps) < now - _SETTLED_NS:
            self._verdicts[name] = (stamps, verdict)

    def _stamps(self, name: PartName) -> _Stamps | None:
        data, sidecar = self._volume.stamp(name.path), self._volume.stamp(name.sidecar)
        return (data, sidecar) if data and sidecar else None


def split_unplanned(
    names: Sequence[PartName], planned: Collection[str]
) -> tuple[list[PartName], list[PartName]]:
    """Parts of one table, without and with those that no plan asked for.

    A table follows the plan if it holds a part of any planned item; in such a table all other
    parts are unplanned, like copies made by hand. A table of other keys, as summaries by
    triangulation in a run planned by shards, is kept whole, and so is the execution table.
    """
    follows = any(name.item in planned and name.table != EXECUTION_TABLE for name in names)
    kept = [name for name in names if name.item in planned or not follows]
    return kept, [name for name in names if follows and name.item not in planned]


def check_parts(
    reader: PartReader, names: Iterable[PartName], *, tables: Sequence[str]
) -> StoreCheck:
    """Verify the parts `names` of `tables`."""
    parts: list[PartRef] = []
    faults: list[Fault] = []
    for name in names:
        try:
            parts.append(reader.verify(name))
        except CorruptPartError as error:
            faults.append(Fault(name.table, name.item, error.path, error.reason))
    return _summarize(parts, faults, tables)


def _summarize(
    parts: Sequence[PartRef], faults: Sequence[Fault], tables: Sequence[str]
) -> StoreCheck:
    stored = {(part.table, part.item) for part in parts}
    seen = stored | {(fault.table, fault.item) for fault in faults}
    items = sorted({item for _, item in seen})
    absent = [(table, item) for table in tables for item in items if (table, item) not in seen]
    done = (item for item in items if all((table, item) in stored for table in tables))
    return StoreCheck(
        done=frozenset(done),
        missing=tuple(PartName.of(table, item).path for table, item in absent),
        faults=tuple(faults),
        parts=tuple(parts),
    )
