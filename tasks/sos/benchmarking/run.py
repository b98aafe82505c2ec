"""Trials: the same polynomials by every method, one after the other, in processes of their own.

The methods of one polynomial follow each other directly, in an order that rotates from polynomial
to polynomial, so that whatever slows a machine down for a while meets all of them. Before the first
timed trial of a batch every method decides a small polynomial: loading counts for none.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from flint import fmpq

from tasks.records import (
    EXECUTION_SCHEMA,
    SCIENCE_COLUMNS,
    RunIdentity,
    Status,
    canonical_json,
    code_version,
    science_table,
)
from tasks.sos import _jobs
from tasks.sos.benchmarking.config import CLASSICS, HOW, WRITTEN, BenchmarkConfig, Method
from tasks.sos.benchmarking.models import (
    Model,
    baseline_path,
    check_unchanged,
    inputs_of,
    models_of,
    placed,
)
from tasks.sos.benchmarking.schema import TRIALS_SCHEMA
from tasks.sos.benchmarking.sizes import only_size
from tasks.sos.benchmarking.written import Written, WrittenJob
from tasks.sos.config import CertifyConfig
from tasks.sos.polynomials.files import load_polynomials
from tasks.sos.polynomials.polynomial import Polynomial
from tasks.sos.sampling.cells import Cell
from tasks.sos.sampling.generation import Rows
from tasks.sos.verdict import Verdict

logger = logging.getLogger(__name__)

FLOW = "sos-benchmark"
BENCHMARK_TABLES = ("trials",)
_UNIT = fmpq(1, 1 << 32)


@dataclass(frozen=True)
class BenchmarkItem:
    """A batch of polynomials of one cell."""

    key: str
    cell: str
    first: int
    count: int
    config: BenchmarkConfig
    identity: RunIdentity


@dataclass(frozen=True)
class BenchmarkPlan:
    """A run before it starts."""

    identity: RunIdentity
    items: tuple[BenchmarkItem, ...]

    @property
    def num_trials(self) -> int:
        """Polynomials times methods."""
        return sum(item.count * len(item.config.methods) for item in self.items)


@dataclass(frozen=True)
class Instance:
    """A polynomial of a cell.

    Attributes
    ----------
    number : int
    name : str
    polynomial : Polynomial
    is_sos : bool or None
    planted_size : int or None
    cell : Cell or None
        None for a classical polynomial.
    """

    number: int
    name: str
    polynomial: Polynomial
    is_sos: bool | None
    planted_size: int | None
    cell: Cell | None = None


def plan_benchmark(config: BenchmarkConfig) -> BenchmarkPlan:
    """Check the cells and the models, name the run, cut it into batches.

    Raises
    ------
    InputError
        For a cell that does not exist; if the model of a method is missing or of another kind.
    """
    config = placed(config)
    sizes = {name: _cell_size(name, config.instances) for name in config.cells}
    settings = config.model_dump(exclude={"seed", "baseline"})
    identity = RunIdentity(
        flow=FLOW,
        config=canonical_json(settings),
        inputs=inputs_of(models_of(config)),
        code_version=code_version("tasks.records", "tasks.lattice", "tasks.sos", "gpu"),
        seed=config.seed,
    )
    items = tuple(
        BenchmarkItem(
            f"{name}.{first:06d}", name, first, min(config.batch, size - first), config, identity
        )
        for name, size in sizes.items()
        for first in range(0, size, config.batch)
    )
    return BenchmarkPlan(identity, items)


def _cell_size(name: str, instances: int) -> int:
    if name == CLASSICS:
        return len(load_polynomials(("benchmarks",)))
    Cell.parse(name)
    return instances


def instances(item: BenchmarkItem) -> Iterator[Instance]:
    """The polynomials of a batch; each depends on the seed, its cell and its number only."""
    if item.cell == CLASSICS:
        entries = load_polynomials(("benchmarks",))[item.first : item.first + item.count]
        for number, entry in enumerate(entries, start=item.first):
            assert entry.polynomial is not None  # the built-in file is whole
            yield Instance(number, entry.name, entry.polynomial, entry.known.get("is_sos"), None)
        return
    cell, seed = Cell.parse(item.cell), item.identity.seed
    variables = tuple(f"x{i + 1}" for i in range(cell.num_variables))
    for number in range(item.first, item.first + item.count):
        rows = Rows.generate(cell, seed=seed, first=number, count=1, terms=True)
        exponents, integers = rows.terms_of(0)
        values = [int(c) * _UNIT for c in integers]
        p = Polynomial.from_arrays(variables, exponents.astype(np.int32), values)
        planted = int(rows.sizes[0])
        yield Instance(number, f"{item.cell}.{number}", p, cell.is_sos, planted, cell)


def run_benchmark_item(item: BenchmarkItem) -> dict[str, pa.Table]:
    """Decide every polynomial of a batch by every method.

    Returns
    -------
    dict
        Table ``trials``, and seconds per stage as rows of ``execution``.
    """
    methods, models = item.config.methods, models_of(item.config)
    check_unchanged(models, item.identity.inputs)
    _warm_up(item)
    rows: list[tuple[Status, dict[str, Any]]] = []
    timings: list[dict[str, Any]] = []
    for instance in instances(item):
        shift = instance.number % len(methods)
        for method in methods[shift:] + methods[:shift]:
            started = datetime.now(UTC)
            found = _decide(item, instance.polynomial, method)
            timings += _timings(item, instance, method, found, started)
            row = _row(item, instance, method, found)
            row["beyond"] = _beyond(models.get(method), instance)
            is_stopped = isinstance(found, _jobs.Stopped)
            if is_stopped:
                row |= _sizes_of_stopped(item, instance.polynomial, method)
            rows.append((found.status if is_stopped else Status.OK, row))
            logger.info("%s by %s: %s", instance.name, method, found.reason)
    return {
        "trials": _table(rows, item.identity),
        "execution": pa.Table.from_pylist(timings, schema=EXECUTION_SCHEMA),
    }


def _warm_up(item: BenchmarkItem) -> None:
    small = Polynomial.of(("x", "y"), {(4, 2): 1, (2, 4): 1, (2, 2): -2, (0, 0): 1})
    for method in item.config.methods:
        _decide(item, small, method)


def _decide(item: BenchmarkItem, p: Polynomial, method: Method) -> _jobs.Certified | _jobs.Stopped:
    config = item.config
    return _jobs.run_job(
        _job(config, p, method), seconds=config.seconds, memory_gib=config.memory_gib
    )


def _job(
    config: BenchmarkConfig, p: Polynomial, method: Method
) -> _jobs.Job[_jobs.Certified | _jobs.Stopped]:
    """What a process has to do."""
    if method in WRITTEN:
        permutations = 1 if method == "autoregressive-1" else config.permutations
        return WrittenJob(p, baseline_path(config), permutations, config.memory_gib)
    basis, sparsity = HOW[method]
    settings = CertifyConfig(basis=basis, sparsity=sparsity, memory_gib=config.memory_gib)
    return _jobs.CertifyJob(p, settings)


def _sizes_of_stopped(item: BenchmarkItem, p: Polynomial, method: Method) -> dict[str, int | None]:
    """Columns of a trial that was stopped: sizes that are known all the same."""
    limits = {"seconds": item.config.seconds, "memory_gib": item.config.memory_gib}
    return dict.fromkeys(("first_size", "basis_size"), only_size(p, method, **limits))


def _beyond(model: Model | None, instance: Instance) -> list[str] | None:
    """In what an instance is beyond the training of a model; null without one."""
    return None if model is None else [*model.beyond(instance.polynomial, instance.cell)]


def _row(
    item: BenchmarkItem,
    instance: Instance,
    method: Method,
    found: _jobs.Certified | _jobs.Stopped,
) -> dict[str, Any]:
    """Lay out a row of `TRIALS_SCHEMA`; what does not apply is null."""
    row: dict[str, Any] = dict.fromkeys(TRIALS_SCHEMA.names[len(SCIENCE_COLUMNS) :])
    row |= {
        "item": item.key,
        "cell": item.cell,
        "instance": instance.number,
        "name": instance.name,
        "method": method,
        "reason": found.reason,
        "is_sos": instance.is_sos,
        "planted_size": instance.planted_size,
    }
    if isinstance(found, _jobs.Certified):
        tried = found.attempts
        is_exact = Verdict(found.verdict).is_exact
        num_different = sum(not attempt["is_repeated"] for attempt in tried)
        row |= {"verdict": found.verdict, "num_attempts": num_different}
        row["first_try"] = is_exact and num_different <= 1
        row["num_orders"] = found.num_orders if isinstance(found, Written) else None
        if tried:
            row |= {
                "first_size": tried[0]["basis_size"],
                "basis_size": tried[-1]["basis_size"],
                "largest_block": max(tried[-1]["block_sizes"], default=0),
                "num_free": tried[-1]["num_free"],
            }
    return row


def _timings(
    item: BenchmarkItem,
    instance: Instance,
    method: Method,
    found: _jobs.Certified | _jobs.Stopped,
    started: datetime,
) -> Iterator[dict[str, Any]]:
    """Rows of the execution table: every stage of a trial, or its limit if it was stopped."""
    is_done = isinstance(found, _jobs.Certified)
    spent = found.seconds if is_done else {"stopped": item.config.seconds}
    for stage, seconds in spent.items():
        yield {
            "item": f"{stage}.{method}.{item.cell}.{instance.number}",
            "run_id": item.identity.run_id,
            "flow_run_id": "",
            "host": platform.node(),
            "device": "cpu",
            "started_at": started,
            "seconds": seconds,
            "attempts": 1,
            "peak_rss_bytes": 0,
        }


def _table(rows: list[tuple[Status, dict[str, Any]]], identity: RunIdentity) -> pa.Table:
    """A table with rows of different status."""
    names = TRIALS_SCHEMA.names[len(SCIENCE_COLUMNS) :]
    columns = {name: [row[name] for _, row in rows] for name in names}
    statuses = [status for status, _ in rows]
    return science_table(TRIALS_SCHEMA, columns, identity=identity, status=statuses)
