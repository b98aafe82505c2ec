"""Stages of a study: waves of items, of which those that are left are fanned out and stored.

The Prefect task around a stage is the unit of human attention, the call is the unit of placement.
Results go to the store as they arrive, item by item, and never through Prefect. Task caching is
off: the store is the one truth for resume.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa
from prefect.context import FlowRunContext

from flows.calls import Answer, StageCall
from flows.planning import PlannedRun
from flows.progress import Listener, StepProgress, Tally, announce, reporter
from flows.study import Stage, load
from gpu.backend import cuda_problem
from tasks.records import (
    EXECUTION_SCHEMA,
    EXECUTION_TABLE,
    InfrastructureError,
    Item,
    Ledger,
    Origin,
    Place,
    Resources,
    Row,
    Run,
    Status,
    Store,
    Stored,
    Wave,
    lay_out,
)
from tasks.records.kernels import compiles_first
from tasks.records.resume import with_files
from tasks.records.rows import failed_rows
from workers import PROFILES, Executor, Outcome, ResourceProfile, WorkItem, connect, map_batches

__all__ = ["Session", "bring_stage", "is_done"]

logger = logging.getLogger(__name__)


class Session:
    """One execution of a run: where its calls go, and what other runs it may take over.

    Ray is connected to when the first call is to be made, so that a run that has everything does
    not wait for it.

    Parameters
    ----------
    planned : PlannedRun
    run : Run
    address : str
        As accepted by `workers.connect`.
    continued : Run, optional
        A run of older code whose parts are taken over.
    """

    def __init__(
        self, planned: PlannedRun, run: Run, address: str, continued: Run | None = None
    ) -> None:
        self.planned = planned
        self.run = run
        self.stored = Stored(run, planned.schemas)
        self.address = address
        self.continued = continued
        self.failures: dict[str, str] = {}
        """Item -> why it has no rows."""
        self._stack = ExitStack()
        self._executor: Executor | None = None
        self._others: list[Run] | None = None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def executor(self) -> Executor:
        """Where calls are made; connected to on first use."""
        if self._executor is None:
            if self.address != "serial":
                is_local = self.address == "local"
                announce("starting Ray" if is_local else f"connecting to Ray at {self.address}")
            self._executor = self._stack.enter_context(connect(self.address))
        return self._executor

    @property
    def others(self) -> list[Run]:
        """Other runs of the study in the store."""
        if self._others is None:
            root = self.run.path.rsplit("/", 2)[0]
            runs = Store.open(root).runs_of(self.planned.study.name)
            self._others = [run for run in runs if run.run_id != self.run.run_id]
        return self._others


def is_done(stage: Stage, session: Session) -> bool:
    """Whether nothing is left of a stage, after items of other runs were taken over."""
    ledger = ledger_of(stage, session)
    waves = session.planned.waves(stage, session.stored)
    return not any(_Work.left(stage, session, ledger, wave).items for wave in waves)


def bring_stage(stage: Stage, session: Session) -> None:
    """Bring every item of every wave of a stage to the store."""
    ledger = ledger_of(stage, session)
    tally = load(stage.tally)(session.stored) if stage.tally else None
    steps: dict[str, Listener] = {}
    for wave in session.planned.waves(stage, session.stored):
        work = _Work.left(stage, session, ledger, wave)
        if work.items:
            title = wave.title or stage.name
            tell = steps.setdefault(title, reporter(title, publish=tally is not None))
            _fan_out(work, ledger, tally, tell=tell, title=title)


def ledger_of(stage: Stage, session: Session) -> Ledger:
    """What of a stage is done."""
    first = session.planned.study.stages[0]
    prefix = "" if stage is first else f"{stage.name}."
    return Ledger(session.run, stage.tables, prefix=prefix, is_final=stage.is_final)


@dataclass(frozen=True)
class _Work:
    """The items of a wave that are left to do, by key."""

    stage: Stage
    session: Session
    items: Mapping[str, Item]
    origins: Mapping[str, Origin] = field(default_factory=dict)

    @classmethod
    def left(cls, stage: Stage, session: Session, ledger: Ledger, wave: Wave) -> _Work:
        """Leave out what is stored, what other runs have, and what waits for missing parts."""
        ready = {item.key: item for item in wave.items if _is_ready(stage, session, item)}
        origins = {key: _origin(stage, session, item) for key, item in ready.items()}
        left = ledger.left(origins)
        missing = {key: origins[key] for key in left}
        sources = [session.continued] if session.continued else []
        for source in [*sources, *session.others] if missing else ():
            taken = ledger.take_over(missing, source, any_code=source is session.continued)
            missing = {key: origin for key, origin in missing.items() if key not in set(taken)}
            if taken:
                logger.info("%s: %d items of run %s", stage.name, len(taken), source.run_id)
        return cls(stage, session, {key: ready[key] for key in missing}, missing)

    def work_items(self) -> Iterator[WorkItem]:
        """What the workers get; stored parts are read when they are asked for."""
        stored = self.session.stored
        for key, item in self.items.items():
            keys = item.parts or (key,)
            tables = [_parts(stored, table, keys) for table in self.stage.needs]
            yield WorkItem(key, (item.argument, *tables), item.shares)

    def shared(self) -> dict[str, Any]:
        """Values that several items get."""
        if not self.stage.share:
            return {}
        share = partial(load(self.stage.share), self.session.stored)
        names = dict.fromkeys(name for item in self.items.values() for name in item.shares)
        return {name: share(name) for name in names}


def _is_ready(stage: Stage, session: Session, item: Item) -> bool:
    """Whether the parts that an item reads are stored."""
    for table in stage.needs:
        for key in item.parts or (item.key,):
            if not session.run.is_intact(table, key):
                return False
            sidecar = session.run.sidecar(table, key)
            if sidecar is None or (stage.needs_ok and sidecar.status != Status.OK):
                return False
    return True


def _origin(stage: Stage, session: Session, item: Item) -> Origin:
    keys = item.parts or (item.key,)
    contents = [session.stored.content(table, key) for table in stage.needs for key in keys]
    return session.planned.origin(stage, item, contents)


def _parts(stored: Stored, table: str, keys: Sequence[str]) -> pa.Table:
    return pa.concat_tables([stored.part(table, key) for key in keys])


# --- fan-out ------------------------------------------------------------------------------------


def _fan_out(
    work: _Work, ledger: Ledger, tally: Tally | None, *, tell: Listener, title: str
) -> None:
    """Make the calls and store what comes back."""
    executor = work.session.executor
    profile = _profile(work, executor)
    call = _stage_call(work, "cuda" if profile.gpus else "cpu")
    if compiles_first(work.stage.call.partition(":")[0]):
        announce("compiling kernels, once")
    items = _ItemsInFlight(work, tally, tell=tell, title=title)
    outcomes = map_batches(
        call, items, executor=executor, profile=profile, progress=items.report, shared=work.shared()
    )
    for outcome in outcomes:
        items.finish(outcome, _store(work, ledger, outcome))


def _stage_call(work: _Work, device: Any) -> StageCall:
    stage, planned = work.stage, work.session.planned
    return StageCall(
        stage.call,
        stage.prepare,
        {table: planned.schemas[table] for table in stage.tables},
        planned.identity.of_rows,
        Place(work.session.run.path, device) if stage.placed else None,
    )


def _profile(work: _Work, executor: Executor) -> ResourceProfile:
    """What a call reserves; device ``auto`` takes a GPU where the executor has one."""
    stage, config = work.stage, work.session.planned.config
    wanted: Resources = load(stage.resources)(config) if stage.resources else Resources()
    profile = PROFILES["gpu" if _is_on_gpu(wanted, executor) else "cpu"]
    if wanted.count == 1:
        return profile
    return profile.model_copy(update={"gpus" if profile.gpus else "cpus": float(wanted.count)})


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


class _ItemsInFlight:
    """Items handed out one by one; knows which are out and tells who listens."""

    def __init__(self, work: _Work, tally: Tally | None, *, tell: Listener, title: str) -> None:
        self._work = work
        self._tally = tally
        self._tell = tell
        self._title = title
        self._out: dict[str, None] = {}
        self._finished = 0
        self._failed = 0

    def __len__(self) -> int:
        return len(self._work.items)

    def __iter__(self) -> Iterator[WorkItem]:
        for item in self._work.work_items():
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
        self._tell(
            StepProgress(
                self._title,
                total=len(self),
                finished=self._finished,
                failed=self._failed,
                current=tuple(self._out),
                note=note,
            )
        )


# --- storing ------------------------------------------------------------------------------------


def _store(work: _Work, ledger: Ledger, outcome: Outcome) -> Mapping[str, pa.Table]:
    """Write the execution rows of an outcome, then its tables; return the tables.

    In this order every part has an execution row, wherever a kill falls.
    """
    run, origin = work.session.run, work.origins[outcome.key]
    tables, timings = _tables(work, outcome), ()
    if isinstance(outcome.value, Answer):
        timings = outcome.value.timings
        origin = with_files(origin, run.volume, outcome.value.files)
    rows = _execution(ledger.prefix + outcome.key, run, outcome, timings)
    run.write_part(EXECUTION_TABLE, ledger.prefix + outcome.key, rows)
    run.write_parts(outcome.key, tables, origin)
    return tables


def _tables(work: _Work, outcome: Outcome) -> Mapping[str, pa.Table]:
    """Tables of an item; of a failed one what is known of it, status and reason."""
    if outcome.error is None:
        return outcome.value.tables
    error, stage, session = outcome.error, work.stage, work.session
    logger.warning("%s: %s", outcome.key, error.message)
    session.failures[outcome.key] = error.message
    if not stage.known or (stage.is_final and error.is_infrastructure):
        return {}
    known: Sequence[Row] = load(stage.known)(work.items[outcome.key].argument)
    schemas = {table: session.planned.schemas[table] for table in stage.tables}
    rows = failed_rows(known, error.status, error.message)
    return lay_out(schemas, {stage.tables[0]: rows}, session.planned.identity)


def _execution(
    item: str, run: Run, outcome: Outcome, timings: Sequence[Mapping[str, Any]]
) -> pa.Table:
    """Where and how long: one row for the call, then those that it gave itself."""
    context = FlowRunContext.get()
    flow_run = context.flow_run if context else None
    call = {
        "item": item,
        "run_id": run.run_id,
        "flow_run_id": str(flow_run.id) if flow_run else "",
        "host": outcome.host,
        "device": outcome.device,
        "started_at": outcome.started_at,
        "seconds": outcome.seconds,
        "attempts": outcome.attempts,
        "peak_rss_bytes": outcome.peak_rss_bytes,
    }
    rows = [call, *({**call, "attempts": 1, "peak_rss_bytes": 0, **row} for row in timings)]
    return pa.Table.from_pylist(rows, schema=EXECUTION_SCHEMA)
