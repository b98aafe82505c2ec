"""Calls of the flows on workers that take more than one argument, packed as one payload.

This module is imported by the workers; it imports neither Prefect nor Ray.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.records import Run
from tasks.sos.run import CertifyItem, run_check_item
from tasks.tcurves import (
    SWEEP_TABLES,
    CensusItem,
    SweepItem,
    SweepResult,
    run_verification_item,
)

__all__ = [
    "CheckPayloads",
    "CheckWork",
    "StoredPayloads",
    "SweepPayloads",
    "VerificationPayloads",
    "VerificationWork",
    "check",
    "verify",
]


class StoredPayloads(Mapping[str, Any]):
    """Key -> payload made of an item and its stored rows, which are read when they are asked for.

    Parameters
    ----------
    run : Run
        Holds the rows.
    tables : sequence of str
        Tables whose column `column` equals the key.
    items : Mapping[str, Any]
        Key -> item, in planned order.
    make : callable
        (item, rows of the first table, ...) -> payload.
    column : str
        By default ``triangulation``.
    """

    def __init__(
        self,
        run: Run,
        tables: Sequence[str],
        items: Mapping[str, Any],
        make: Callable[..., Any],
        *,
        column: str = "triangulation",
    ) -> None:
        self._items = items
        self._column = column
        self._tables = [run.read(table) for table in tables] if items else []
        self._make = make

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __getitem__(self, key: str) -> Any:
        item = self._items[key]
        found = (table.filter(pc.field(self._column) == key) for table in self._tables)
        # Else the empty rest of every part would travel along.
        rows = [table.combine_chunks() for table in found]
        return self._make(item, *rows)


@dataclass(frozen=True)
class VerificationWork:
    """A triangulation with the histogram whose witnesses are to be derived again."""

    item: CensusItem
    histogram: pa.Table


def verify(work: VerificationWork) -> dict[str, pa.Table]:
    """Tables of the verification of one triangulation."""
    return run_verification_item(work.item, work.histogram)


class VerificationPayloads(StoredPayloads):
    """Triangulation -> the verification of its census."""

    def __init__(self, run: Run, items: Sequence[CensusItem]) -> None:
        super().__init__(run, ["histogram"], {item.key: item for item in items}, VerificationWork)


class SweepPayloads(StoredPayloads):
    """Triangulation -> all shards of its sweep; takes one item of each triangulation."""

    def __init__(self, run: Run, items: Sequence[SweepItem]) -> None:
        by_name = {item.triangulation.name: item for item in items}
        super().__init__(run, SWEEP_TABLES, by_name, _result)


def _result(item: SweepItem, sweep: pa.Table, shards: pa.Table) -> SweepResult:
    """The stored shards of the item's triangulation."""
    return SweepResult(item.triangulation, item.identity, sweep, shards)


@dataclass(frozen=True)
class CheckWork:
    """A batch of polynomials with the certificates that are to be checked again."""

    item: CertifyItem
    certificates: pa.Table


def check(work: CheckWork) -> dict[str, pa.Table]:
    """Tables of the verification of one batch."""
    return run_check_item(work.item, work.certificates)


class CheckPayloads(StoredPayloads):
    """Batch -> the verification of its certificates."""

    def __init__(self, run: Run, items: Sequence[CertifyItem]) -> None:
        by_key = {item.key: item for item in items}
        super().__init__(run, ["certificates"], by_key, CheckWork, column="item")
