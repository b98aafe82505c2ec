"""Stages at work: of the items of every wave those that are left are fanned out and stored.

An item is left out if it is stored and whole, taken over if another run of the study has it, and
waits if parts that it reads are not stored. Results go to the store as they arrive, item by item.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from gpu.backend import cuda_problem
from tasks.records.errors import CorruptPartError, InfrastructureError
from tasks.records.identity import RowIdentity
from tasks.records.kernels import compiles_first, note_compiled
from tasks.records.lazy import load
from tasks.records.own_code import OwnCode
from tasks.records.parts import EXECUTION_TABLE, Origin
from tasks.records.resume import Ledger, with_files
from tasks.records.rows import Row, failed_rows, lay_out
from tasks.records.schema import EXECUTION_SCHEMA
from tasks.records.stage import Stage
from tasks.records.status import Status
from tasks.records.work import Item, Place, Resources, Wave
from workers.dispatch import map_batches
from workers.executors import Executor
from workers.outcomes import Outcome, WorkItem
from workers.profiles import PROFILES, ResourceProfile
from workers.stage_call import Answer, StageCall

if TYPE_CHECKING:
    from tasks.records.run import Run
    from tasks.records.stored import Stored

__all__ = ["Listener", "StageProgress", "StageRun", "Tally"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageProgress:
    """How far a step is.

    Attributes
    ----------
    step : str
        Name of the step.
    total : int
        Number of items; 0 for a step that has none.
    finished : int
        Items with an outcome.
    failed : int
        Those of them without a value.
    current : tuple of str
        Keys of the items in flight, the one that was started first in front.
    note : str
        What has been found so far; empty for a step that does not say.
    """

    step: str
    total: int = 0
    finished: int = 0
    failed: int = 0
    current: tuple[str, ...] = ()
    note: str = ""


Listener = Callable[[StageProgress], None]


class Tally(Protocol):
    """What a stage has found so far."""

    def add(self, tables: Mapping[str, pa.Table]) -> None:
        """Take the tables of one item into account."""
        ...

    def describe(self) -> str:
        """One phrase for people."""
        ...


# --- where the flow is --------------------------------------------------------------------------


@dataclass(frozen=True)
class StageRun:
    """A stage in one run of a study.

    Attributes
    ----------
    stage : Stage
    stored : Stored
    identity : RowIdentity
        What rows tell of the run.
    config : FrozenConfig
    origin : callable
        (item, contents of the parts that it reads) -> what its parts are made from.
    prefix : str
        What precedes an item's key in the execution table.
    executor : callable
        Connects to where calls are made, when the first one is to be.
    sources : callable
        Other runs of the study, each with whether items of other code are taken over, too.
    announce : callable
        Tells a person, in a few words, what takes its time.
    code : sequence of OwnCode
        Functions of the user that the calls need.
    flow_run_id : str
    failures : dict
        Item -> why it has no rows.
    taken : Counter
        Run -> how many items were taken over from it.
    """

    stage: Stage
    stored: Stored
    identity: RowIdentity
    config: Any
    origin: Callable[[Item, Sequence[str]], Origin]
    prefix: str
    executor: Callable[[], Executor]
    sources: Callable[[], Sequence[tuple[Run, bool]]]
    announce: Callable[[str], None]
    code: Sequence[OwnCode] = ()
    flow_run_id: str = ""
    failures: dict[str, str] = field(default_factory=dict)
    taken: Counter[str] = field(default_factory=Counter)

    def is_done(self, waves: Iterable[Wave]) -> bool:
        """Whether nothing is left, after items of other runs were taken over."""
        return not any(self._left(wave) for wave in waves)

    def bring(self, waves: Iterable[Wave], listener: Callable[..., Listener]) -> None:
        """Bring every item of every wave to the store.

        Parameters
        ----------
        waves : iterable of Wave
            A later wave is asked for when the one before is stored.
        listener : callable
            (title, publish=bool) -> who hears of the progress of waves of that title.
        """
        tally: Tally | None = load(self.stage.tally)(self.stored) if self.stage.tally else None
        told: dict[str, Listener] = {}
        for wave in waves:
            left = self._left(wave)
            if left:
                title = wave.title or self.stage.name
                if title not in told:
                    told[title] = listener(title, publish=tally is not None)
                self._fan_out(left, _InFlight(title, len(left), tally, told[title]))

    # --- what is left -------------------------------------------------------------------------

    @cached_property
    def _ledger(self) -> Ledger:
        stage = self.stage
        return Ledger(self.stored.run, stage.tables, self.prefix, is_final=stage.is_final)

    def _left(self, wave: Wave) -> dict[str, tuple[Item, Origin]]:
        """What is neither stored nor taken over, nor waits for parts that it reads."""
        ready = {item.key: item for item in wave.items if self._is_ready(item)}
        origins = {key: self._origin(item) for key, item in ready.items()}
        left = self._ledger.left(origins)
        missing = {key: origins[key] for key in left}
        for source, any_code in self.sources() if missing else ():
            taken = set(self._ledger.take_over(missing, source, any_code=any_code))
            missing = {key: origin for key, origin in missing.items() if key not in taken}
            self.taken[source.run_id] += len(taken)
            if taken:
                logger.info("%s: %d items of run %s", self.stage.name, len(taken), source.run_id)
        return {key: (ready[key], origin) for key, origin in missing.items()}

    def _reads(self, item: Item) -> list[tuple[str, str]]:
        return [(table, key) for table in self.stage.needs for key in item.parts or (item.key,)]

    def _is_ready(self, item: Item) -> bool:
        for table, key in self._reads(item):
            try:
                sidecar = self.stored.run.sidecar(table, key)
            except CorruptPartError:
                return False
            if sidecar is None or (self.stage.needs_ok and sidecar.status != Status.OK):
                return False
        return True

    def _origin(self, item: Item) -> Origin:
        return self.origin(item, [self.stored.content(*part) for part in self._reads(item)])

    # --- fan-out ------------------------------------------------------------------------------

    def _fan_out(self, left: Mapping[str, tuple[Item, Origin]], in_flight: _InFlight) -> None:
        """Make the calls and store what comes back."""
        executor = self.executor()
        profile = self._profile(executor)
        module = self.stage.call.partition(":")[0]
        if compiles := compiles_first(module):
            self.announce("compiling kernels, once")
        outcomes = map_batches(
            self._call("cuda" if profile.gpus else "cpu"),
            in_flight.sized(self._work_items(left)),
            executor=executor,
            profile=profile,
            progress=in_flight.report,
            shared=self._shared(left),
        )
        for outcome in outcomes:
            in_flight.finish(outcome, self._store(*left[outcome.key], outcome))
        if compiles:
            note_compiled(module)

    def _call(self, device: Any) -> StageCall:
        stage, run = self.stage, self.stored.run
        place = Place(run.path, device) if stage.placed else None
        names = stage.call, stage.prepare
        return StageCall(*names, self._schemas, self.identity, place, tuple(self.code))

    @cached_property
    def _schemas(self) -> dict[str, pa.Schema]:
        return {table: self.stored.schemas[table] for table in self.stage.tables}

    def _work_items(self, left: Mapping[str, tuple[Item, Origin]]) -> Iterator[WorkItem]:
        """What the workers get; stored parts are read when they are asked for."""
        for key, (item, _) in left.items():
            tables = []
            for table in self.stage.needs:
                parts = [self.stored.part(table, each) for each in item.parts or (key,)]
                tables.append(pa.concat_tables(parts))
            yield WorkItem(key, (item.argument, *tables), item.shares)

    def _shared(self, left: Mapping[str, tuple[Item, Origin]]) -> dict[str, Any]:
        """Values that several items get."""
        if not self.stage.share:
            return {}
        share = partial(load(self.stage.share), self.stored)
        names = dict.fromkeys(name for item, _ in left.values() for name in item.shares)
        return {name: share(name) for name in names}

    def _profile(self, executor: Executor) -> ResourceProfile:
        """What a call reserves; device ``auto`` takes a GPU where the executor has one."""
        resources = self.stage.resources
        wanted: Resources = load(resources)(self.config) if resources else Resources()
        profile = PROFILES["gpu" if _is_on_gpu(wanted, executor) else "cpu"]
        if wanted.count == 1:
            return profile
        return profile.model_copy(update={"gpus" if profile.gpus else "cpus": float(wanted.count)})

    # --- storing ------------------------------------------------------------------------------

    def _store(self, item: Item, origin: Origin, outcome: Outcome) -> Mapping[str, pa.Table]:
        """Write the execution rows of an outcome, then its tables; return the tables.

        In this order every part has an execution row, wherever a kill falls.
        """
        run, tables, timings = self.stored.run, self._tables(item, outcome), ()
        if isinstance(outcome.value, Answer):
            timings = outcome.value.timings
            origin = with_files(origin, run.volume, outcome.value.files)
        key = self.prefix + outcome.key
        run.write_part(EXECUTION_TABLE, key, self._execution(key, outcome, timings))
        run.write_parts(outcome.key, tables, origin)
        return tables

    def _tables(self, item: Item, outcome: Outcome) -> Mapping[str, pa.Table]:
        """Tables of an item; of a failed one what is known of it, status and reason."""
        error, stage = outcome.error, self.stage
        if error is None:
            return outcome.value.tables
        logger.warning("%s: %s", outcome.key, error.message)
        self.failures[outcome.key] = error.message
        if not stage.known or (stage.is_final and error.is_infrastructure):
            return {}
        known: Sequence[Row] = load(stage.known)(item.argument)
        rows = failed_rows(known, error.status, error.message)
        return lay_out(self._schemas, {stage.tables[0]: rows}, self.identity)

    def _execution(
        self, item: str, outcome: Outcome, timings: Sequence[Mapping[str, Any]]
    ) -> pa.Table:
        """Where and how long: one row for the call, then those that it gave itself."""
        call = {
            "item": item,
            "run_id": self.identity.run_id,
            "flow_run_id": self.flow_run_id,
            "host": outcome.host,
            "device": outcome.device,
            "started_at": outcome.started_at,
            "seconds": outcome.seconds,
            "attempts": outcome.attempts,
            "peak_rss_bytes": outcome.peak_rss_bytes,
        }
        rows = [call, *({**call, "attempts": 1, "peak_rss_bytes": 0, **row} for row in timings)]
        return pa.Table.from_pylist(rows, schema=EXECUTION_SCHEMA)


def _is_on_gpu(wanted: Resources, executor: Executor) -> bool:
    if wanted.device != "auto":
        return wanted.device == "cuda"
    if executor.address in ("local", "serial") and cuda_problem():
        return False
    try:
        executor.check(PROFILES["gpu"])
    except InfrastructureError:
        return False
    return True


class _InFlight:
    """The items of a wave, handed out one by one; knows which are out and tells who listens."""

    def __init__(self, title: str, total: int, tally: Tally | None, tell: Listener) -> None:
        self._title, self._total = title, total
        self._tally, self._tell = tally, tell
        self._items: Iterator[WorkItem] = iter(())
        self._out: dict[str, None] = {}
        self._finished = 0
        self._failed = 0

    def sized(self, items: Iterator[WorkItem]) -> _InFlight:
        """The same with these items."""
        self._items = items
        return self

    def __len__(self) -> int:
        return self._total

    def __iter__(self) -> Iterator[WorkItem]:
        for item in self._items:
            self._out[item.key] = None
            yield item

    def finish(self, outcome: Outcome, tables: Mapping[str, pa.Table]) -> None:
        """Note that an item has come back and that its tables are stored."""
        self._out.pop(outcome.key)
        self._finished += 1
        self._failed += outcome.error is not None
        if self._tally is not None and tables:
            self._tally.add(tables)
        self.report()

    def report(self, _: object = None) -> None:
        """Tell the present state."""
        note = self._tally.describe() if self._tally is not None else ""
        counts = (self._total, self._finished, self._failed)
        self._tell(StageProgress(self._title, *counts, tuple(self._out), note))
