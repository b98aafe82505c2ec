"""The few Prefect tasks: what a person watches, one per stage of a flow.

A stage is a bounded fan-out of plain calls over items [1]_; the Prefect task around it is the unit
of human attention, the call is the unit of placement. Results go to the store as they arrive, item
by item, and never through Prefect. Task caching is off: the store is the one truth for resume.

Notes
-----
.. [1] One Prefect task run costs 0.2 to 0.5 s, one plain Ray call 1 to 3 ms.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.logging.handlers import APILogHandler
from prefect.states import Completed, Failed
from prefect.utilities.annotations import quote

from flows.progress import Listener, StepProgress, reporter
from flows.signals import run_interruptibly, sigterm_as_interrupt
from flows.stored import Problem
from gpu.backend import Device, cuda_problem
from tasks.records import EXECUTION_SCHEMA, InfrastructureError, LatticeworkError, Run
from workers import PROFILES, Executor, Outcome, ResourceProfile, WorkItem, map_batches

__all__ = [
    "Stage",
    "Tables",
    "Tally",
    "device_profile",
    "final_state",
    "guarded",
    "project_logs",
    "run_stage",
    "run_step",
]

logger = logging.getLogger(__name__)

PROJECT_LOGGERS = ("flows", "workers", "tasks", "gpu")
Tables = Mapping[str, pa.Table]


class Tally(Protocol):
    """What a stage has found so far."""

    def add(self, tables: Tables) -> None:
        """Take the tables of one item into account."""
        ...

    def describe(self) -> str:
        """One phrase for people."""
        ...


@dataclass(frozen=True)
class Stage:
    """A fan-out over items.

    Attributes
    ----------
    name : str
        What a person reads.
    call : callable
        Pure function item payload -> tables by name; runs on a worker.
    rescue : callable
        (payload, kind, message) -> tables by name: the rows of an item that failed.
    payloads : Mapping[str, Any]
        Item key -> payload, in planned order.
    prefix : str
        What precedes an item's key in the execution table; the first stage needs none.
    profile : ResourceProfile
        What one call needs; with GPUs the calls run on warm workers.
    tally : Tally, optional
        Sums up what has been stored; told to whoever watches.
    tell : Listener, optional
        Who watches; by default a reporter of the stage's own.
    shared : Mapping[str, Any]
        Values by name that several calls need; they are shipped once.
    shares : Mapping[str, tuple of str]
        Item key -> names of the shared values that its call gets behind the payload.
    """

    name: str
    call: Callable[..., Tables]
    rescue: Callable[[Any, str, str], Tables]
    payloads: Mapping[str, Any]
    prefix: str = ""
    profile: ResourceProfile = field(default_factory=ResourceProfile)
    tally: Tally | None = None
    tell: Listener | None = None
    shared: Mapping[str, Any] = field(default_factory=dict)
    shares: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@contextmanager
def project_logs() -> Iterator[None]:
    """Send what the project logs to the running flow's page in Prefect."""
    handler = APILogHandler(level=logging.INFO)
    loggers = [logging.getLogger(name) for name in PROJECT_LOGGERS]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.addHandler(handler)
        each.setLevel(logging.INFO)
    try:
        yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.removeHandler(handler)
            each.setLevel(level)


def device_profile(device: Device, executor: Executor) -> ResourceProfile:
    """What a call on a device reserves; ``auto`` takes a GPU where the executor has one."""
    if device != "auto":
        return PROFILES["gpu" if device == "cuda" else "cpu"]
    if executor.address in ("local", "serial") and cuda_problem():
        return PROFILES["cpu"]
    try:
        executor.check(PROFILES["gpu"])
    except InfrastructureError:
        return PROFILES["cpu"]
    return PROFILES["gpu"]


def guarded(run: Callable[[], State]) -> State:
    """Run a flow's body: its log reaches Prefect, SIGTERM interrupts it, errors are one line."""
    with project_logs(), sigterm_as_interrupt():
        try:
            return run()
        except LatticeworkError as error:
            logger.error("%s", error)
            return Failed(message=str(error))


def run_stage(stage: Stage, run: Run, executor: Executor) -> None:
    """Run a stage as one Prefect task; every item ends as stored rows, also a failed one."""
    if not stage.payloads:
        logger.info("%s: nothing to do, everything is stored", stage.name)
        return
    run_step(stage.name, fan_out, stage, run, executor)


def run_step(name: str, function: Callable[..., None], *arguments: Any) -> None:
    """Make one call as a Prefect task of that name, without caching and without a stored result."""
    options: dict[str, Any] = {"cache_policy": NO_CACHE, "persist_result": False}
    # No tags: for each, Prefect asks for a concurrency limit, and while a temporary server's
    # database is being written to, the answer is to ask again in 2 s.
    step: Any = task(name=name, task_run_name=name, **options)(function)
    # Quoted: Prefect would walk through all arguments in search of futures.
    step(*(quote(argument) for argument in arguments))


def fan_out(stage: Stage, run: Run, executor: Executor) -> None:
    """Bring every item of a stage to the store."""
    items = ItemsInFlight(stage)
    # Other processes are simply killed.
    call = stage.call if executor.remote else partial(run_interruptibly, stage.call)
    outcomes = map_batches(
        call,
        items,
        executor=executor,
        profile=stage.profile,
        progress=items.report,
        shared=stage.shared,
    )
    for outcome in outcomes:
        items.finish(outcome, _store(stage, run, outcome))


class ItemsInFlight:
    """The items of a stage, handed out one by one; knows which are out and tells who listens."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._out: dict[str, None] = {}
        self._finished = 0
        self._failed = 0
        self._tell = stage.tell or reporter(stage.name, publish=stage.tally is not None)

    def __len__(self) -> int:
        return len(self.stage.payloads)

    def __iter__(self) -> Iterator[WorkItem]:
        for key, payload in self.stage.payloads.items():
            self._out[key] = None
            yield WorkItem(key, payload, self.stage.shares.get(key, ()))

    def finish(self, outcome: Outcome, tables: Tables) -> None:
        """Note that an item has come back and that its tables are stored."""
        self._out.pop(outcome.key)
        self._finished += 1
        self._failed += outcome.error is not None
        if self.stage.tally is not None:
            self.stage.tally.add(tables)
        self.report()

    def report(self, _: object = None) -> None:
        """Tell the present state."""
        self._tell(
            StepProgress(
                self.stage.name,
                total=len(self),
                finished=self._finished,
                failed=self._failed,
                current=tuple(self._out),
                note=self.stage.tally.describe() if self.stage.tally is not None else "",
            )
        )


def _store(stage: Stage, run: Run, outcome: Outcome) -> Tables:
    """Write an outcome's execution row, then its tables; return the tables.

    In this order every stored part has an execution row, wherever the process is killed.
    """
    tables = outcome.value
    if outcome.error is not None:
        error = outcome.error
        logger.warning("%s: %s", outcome.key, error.message)
        tables = stage.rescue(stage.payloads[outcome.key], error.kind, error.message)
    run.write_part("execution", stage.prefix + outcome.key, _execution(stage, run, outcome))
    for name in sorted(tables, key=lambda name: name != "execution"):
        run.write_part(name, outcome.key, tables[name])
    return tables


def _execution(stage: Stage, run: Run, outcome: Outcome) -> pa.Table:
    """One row: where and how long."""
    context = FlowRunContext.get()
    flow_run = context.flow_run if context else None
    row = {
        "item": stage.prefix + outcome.key,
        "run_id": run.run_id,
        "flow_run_id": str(flow_run.id) if flow_run else "",
        "host": outcome.host,
        "device": outcome.device,
        "started_at": outcome.started_at,
        "seconds": outcome.seconds,
        "attempts": outcome.attempts,
        "peak_rss_bytes": outcome.peak_rss_bytes,
    }
    return pa.Table.from_pylist([row], schema=EXECUTION_SCHEMA)


def final_state(run: Run, problems: Sequence[Problem], done: str, *, total: int) -> State[Any]:
    """Completed with `done` and the run's place, or Failed with the number of problems."""
    if not problems:
        return Completed(message=f"{done} in {run.path}")
    more = f"; and {len(problems) - 1} more" if len(problems) > 1 else ""
    return Failed(message=f"{len(problems)} of {total} not ok: {problems[0]}{more}")
