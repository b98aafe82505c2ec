"""Calls of the study `perp`: a model by its files in, rows and files out.

On the CPU a call runs on one thread, so that its rows do not depend on how many others run beside
it.  A retraining saves its state every so many steps, a pass through the blocks every block; a call
that was killed continues from there to the same weights.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from gpu.backend import one_thread
from tasks.nn.memory import release_freed_memory
from tasks.pruning.language.items import PerpItem
from tasks.pruning.language.making.models import adapted, merged, pruned
from tasks.pruning.language.making.pretraining import dense
from tasks.pruning.language.making.work import Made
from tasks.pruning.language.measuring import perplexity_rows
from tasks.pruning.language.plan import ModelCheck
from tasks.records.parts import EXECUTION_TABLE
from tasks.records.rows import FILES, Row, Rows
from tasks.records.status import Status
from tasks.records.work import Place

__all__ = ["adapt_rows", "load_rows", "measure_rows", "merge_rows", "prune_rows"]


def load_rows(item: PerpItem, place: Place) -> Rows:
    """Rows of ``models`` and ``curve`` of a dense model, which is trained if it is a tiny one."""
    with _clocked(item.key) as clock:
        made = dense(item, place)
    return _rows(item, made, clock, ())


def prune_rows(item: PerpItem, place: Place, models: pa.Table) -> Rows:
    """Rows of ``models`` and ``layers`` of a model that is pruned."""
    parents = models.to_pylist()
    with _clocked(item.key) as clock:
        made = pruned(item, place)
    return _rows(item, made, clock, parents)


def adapt_rows(item: PerpItem, place: Place, models: pa.Table) -> Rows:
    """Rows of ``models``, ``layers`` and ``curve`` of a model that is made better."""
    [parent] = models.to_pylist()
    with _clocked(item.key) as clock:
        made = adapted(item, place, parent["checkpoint"] or "")
    return _rows(item, made, clock, [parent])


def merge_rows(item: PerpItem, place: Place, models: pa.Table) -> Rows:
    """Row of ``models`` of the mean of branches."""
    parents = models.to_pylist()
    with _clocked(item.key) as clock:
        made = merged(item, place, [row["checkpoint"] for row in parents])
    return _rows(item, made, clock, parents)


def measure_rows(work: ModelCheck, place: Place, models: pa.Table) -> Rows:
    """Rows of ``perplexities`` of a model: one for each text."""
    [row] = models.to_pylist()
    with one_thread():
        return {"perplexities": perplexity_rows(work.item, place, row["checkpoint"] or "")}


def _rows(item: PerpItem, made: Made, clock: _Clock, parents: Sequence[Row]) -> Rows:
    own = item.place()
    row = {
        **own,
        "status": Status.FAILED if made.reason else Status.OK,
        "reason": made.reason,
        "parents": [parent["checkpoint"] or "" for parent in parents],
        **made.columns,
    }
    timings = [clock.row(f"cpu.{item.key}", clock.cpu_seconds)]
    timings += [clock.row(f"layer.{item.key}.{n}", s) for n, s in made.seconds.items()]
    tables: dict[str, Any] = {
        "models": [row],
        "layers": [{**own, **each} for each in made.layers],
        "curve": [{**own, **each} for each in made.curve],
    }
    wanted = {"load": ("models", "curve"), "prune": ("models", "layers"), "merge": ("models",)}
    names = wanted.get(item.step, tuple(tables))
    return {
        **{name: tables[name] for name in names},
        EXECUTION_TABLE: timings,
        FILES: list(made.files),
    }


@dataclass
class _Clock:
    """When a call began, and the CPU seconds that it took."""

    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    cpu_seconds: float = 0.0

    def row(self, name: str, seconds: float) -> Mapping[str, Any]:
        """Of the execution table."""
        return {"item": name, "started_at": self.started_at, "seconds": seconds}


@contextmanager
def _clocked(key: str) -> Iterator[_Clock]:
    """Measure a call, on one thread."""
    clock, began = _Clock(), time.process_time()
    with one_thread():
        yield clock
    release_freed_memory()
    clock.cpu_seconds = time.process_time() - began
