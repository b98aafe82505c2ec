"""Calls of the flows on workers that take more than one argument, packed as one payload.

This module is imported by the workers; it imports neither Prefect nor Ray.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from tasks.records import Run
from tasks.tcurves import CensusItem, run_verification_item

__all__ = ["VerificationPayloads", "VerificationWork", "verify"]


@dataclass(frozen=True)
class VerificationWork:
    """A triangulation with the histogram whose witnesses are to be derived again."""

    item: CensusItem
    histogram: pa.Table


def verify(work: VerificationWork) -> dict[str, pa.Table]:
    """Tables of the verification of one triangulation."""
    return run_verification_item(work.item, work.histogram)


class VerificationPayloads(Mapping[str, VerificationWork]):
    """Item key -> its verification, with the rows read from the store when they are asked for."""

    def __init__(self, run: Run, items: Sequence[CensusItem]) -> None:
        self._items = {item.key: item for item in items}
        self._histogram = run.read("histogram") if items else None

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __getitem__(self, key: str) -> VerificationWork:
        item = self._items[key]
        if self._histogram is None:
            raise KeyError(key)
        return VerificationWork(item, self._histogram.filter(pc.field("triangulation") == key))
