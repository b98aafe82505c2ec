"""Verification of stored parts: which items are done, which parts cannot be trusted."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tasks.records.errors import CorruptPartError
from tasks.records.parts import PartName, PartRef, load_part
from tasks.records.volume import Volume

logger = logging.getLogger(__name__)


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

    @property
    def corrupt(self) -> tuple[str, ...]:
        """One line per fault: path and reason."""
        return tuple(str(fault) for fault in self.faults)

    def pending(self, planned: Sequence[str], tables: Sequence[str]) -> list[str]:
        """Planned items without an intact part in each of `tables`, in planned order."""
        stored = {(part.table, part.item) for part in self.parts}
        return [item for item in planned if not all((table, item) in stored for table in tables)]


def check_parts(
    volume: Volume, names: Iterable[PartName], *, run_id: str, tables: Sequence[str]
) -> StoreCheck:
    """Verify the parts `names` of `tables`; reads all their bytes."""
    parts: list[PartRef] = []
    faults: list[Fault] = []
    for name in names:
        try:
            parts.append(load_part(volume, name, run_id)[0])
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
