"""Trials: the same polynomials by every method, one after the other, in processes of their own.

The methods of one polynomial follow each other directly, in an order that rotates from polynomial
to polynomial, so that whatever slows a machine down for a while meets all of them. Before the first
timed trial of a batch every method decides a small polynomial: loading counts for none.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from flint import fmpq

from tasks.records.parts import EXECUTION_TABLE
from tasks.records.status import Status
from tasks.records.work import Inputs, Item, Plan
from tasks.sos import _jobs
from tasks.sos.benchmarking.config import CLASSICS, HOW, WRITTEN, BenchmarkConfig, Method
from tasks.sos.benchmarking.models import (
    baseline_path,
    check_unchanged,
    inputs_of,
    models_of,
    placed,
)
from tasks.sos.benchmarking.scored import ScoredJob
from tasks.sos.benchmarking.sizes import only_size
from tasks.sos.benchmarking.written import Written, WrittenJob
from tasks.sos.config import LEARNED_BASES, CertifyConfig
from tasks.sos.polynomials.files import load_polynomials
from tasks.sos.polynomials.polynomial import Polynomial
from tasks.sos.sampling.cells import Cell
from tasks.sos.sampling.generation import Rows as Generated
from tasks.sos.verdict import Verdict

if TYPE_CHECKING:
    from tasks.records.rows import Row, Rows

logger = logging.getLogger(__name__)

_UNIT = fmpq(1, 1 << 32)


@dataclass(frozen=True)
class BenchmarkWork:
    """A batch of polynomials of one cell.

    Attributes
    ----------
    key, cell : str
    first, count : int
    config : BenchmarkConfig
    models : Mapping
        Name -> digest of the models that the methods use.
    """

    key: str
    cell: str
    first: int
    count: int
    config: BenchmarkConfig
    models: Mapping[str, str]


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


def benchmark_inputs(config: BenchmarkConfig) -> Inputs:
    """Check the cells and the models.

    Raises
    ------
    InputError
        For a cell that does not exist; if the model of a method is missing or of another kind.
    """
    for name in config.cells:
        _cell_size(name, config.instances)
    models = inputs_of(models_of(config))
    return Inputs(models, models)


def benchmark_items(plan: Plan) -> list[Item]:
    """One item for each batch; it stands for a trial of each polynomial by each method."""
    config, models = placed(plan.config), plan.value
    items = []
    for name in config.cells:
        size = _cell_size(name, config.instances)
        own = config.model_copy(update={"cells": (name,)})
        for first in range(0, size, config.per_call):
            key, count = f"{name}.{first:06d}", min(config.per_call, size - first)
            work = BenchmarkWork(key, name, first, count, own, models)
            origin = {"cell": name, "first": first, "count": count, "models": models}
            items.append(Item(key, work, origin, size=count * len(config.methods)))
    return items


def _cell_size(name: str, instances: int) -> int:
    if name == CLASSICS:
        return len(load_polynomials(("benchmarks",)))
    Cell.parse(name)
    return instances


def instances(item: BenchmarkWork) -> Iterator[Instance]:
    """The polynomials of a batch; each depends on the seed, its cell and its number only."""
    if item.cell == CLASSICS:
        entries = load_polynomials(("benchmarks",))[item.first : item.first + item.count]
        for number, entry in enumerate(entries, start=item.first):
            assert entry.polynomial is not None  # the built-in file is whole
            yield Instance(number, entry.name, entry.polynomial, entry.known.get("is_sos"), None)
        return
    cell, seed = Cell.parse(item.cell), item.config.seed
    variables = tuple(f"x{i + 1}" for i in range(cell.num_variables))
    for number in range(item.first, item.first + item.count):
        rows = Generated.generate(cell, seed=seed, first=number, count=1, terms=True)
        exponents, integers = rows.terms_of(0)
        values = [int(c) * _UNIT for c in integers]
        p = Polynomial.from_arrays(variables, exponents.astype(np.int32), values)
        planted = int(rows.sizes[0])
        yield Instance(number, f"{item.cell}.{number}", p, cell.is_sos, planted, cell)


def trial_rows(item: BenchmarkWork) -> Rows:
    """Decide every polynomial of a batch by every method.

    Returns
    -------
    Rows
        Of ``trials``, and seconds per stage of each.
    """
    methods, models = item.config.methods, models_of(item.config)
    check_unchanged(models, item.models)
    _warm_up(item)
    rows: list[Row] = []
    timings: list[Row] = []
    for instance in instances(item):
        shift = instance.number % len(methods)
        for method in methods[shift:] + methods[:shift]:
            started = datetime.now(UTC)
            found = _decide(item, instance.polynomial, method)
            timings += _timings(item, instance, method, found, started)
            row = _row(item, instance, method, found)
            if model := models.get(method):
                row["beyond"] = [*model.beyond(instance.polynomial, instance.cell)]
            if isinstance(found, _jobs.Stopped):
                # Sizes that are known all the same.
                limits = {"seconds": item.config.seconds, "memory_gib": item.config.memory_gib}
                size = only_size(instance.polynomial, method, **limits)
                row |= {"first_size": size, "basis_size": size, "status": found.status}
            rows.append(row)
            logger.info("%s by %s: %s", instance.name, method, found.reason)
    return {"trials": rows, EXECUTION_TABLE: timings}


def _warm_up(item: BenchmarkWork) -> None:
    small = Polynomial.of(("x", "y"), {(4, 2): 1, (2, 4): 1, (2, 2): -2, (0, 0): 1})
    for method in item.config.methods:
        _decide(item, small, method)


def _decide(item: BenchmarkWork, p: Polynomial, method: Method) -> _jobs.Certified | _jobs.Stopped:
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
    basis, blocks = HOW[method]
    if config.scorer and basis in LEARNED_BASES:
        return ScoredJob(p, config.scorer, basis, config.memory_gib)
    settings = CertifyConfig(basis=basis, blocks=blocks, memory_gib=config.memory_gib)
    return _jobs.CertifyJob(p, settings)


def _row(
    item: BenchmarkWork,
    instance: Instance,
    method: Method,
    found: _jobs.Certified | _jobs.Stopped,
) -> dict[str, Any]:
    """A row of ``trials``."""
    row: dict[str, Any] = {
        "status": Status.OK,
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
    item: BenchmarkWork,
    instance: Instance,
    method: Method,
    found: _jobs.Certified | _jobs.Stopped,
    started: datetime,
) -> Iterator[Row]:
    """Rows of the execution table: every stage of a trial, or its limit if it was stopped."""
    is_done = isinstance(found, _jobs.Certified)
    spent = found.seconds if is_done else {"stopped": item.config.seconds}
    for stage, seconds in spent.items():
        name = f"{stage}.{method}.{item.cell}.{instance.number}"
        yield {"item": name, "seconds": seconds, "started_at": started}
