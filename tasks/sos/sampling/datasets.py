"""Data sets as runs: configured, cut into shards, generated shard by shard.

A data set is a family at a point of the grid; a run has one for every family and point.  A shard is
a range of rows.  Rows depend on the seed, the data set and their number alone: the same rows come
from other shards, other numbers of rows and either mode.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
from pydantic import Field

from tasks.records import (
    FrozenConfig,
    InputError,
    RunIdentity,
    Status,
    code_version,
    science_table,
)
from tasks.sos.sampling.cells import FAMILIES, Cell, Family
from tasks.sos.sampling.schema import CARDS_SCHEMA, SCHEMAS, Mode

FLOW = "sos-dataset"
DATASET_TABLES = ("polynomials", "cards")
_MAX_SHARDS = 1_000_000
_MAX_SHARD_BYTES = 200 * 2**20
"""A worker holds about four times that."""


class DatasetConfig(FrozenConfig):
    """Which polynomials to draw, and how to store them."""

    families: tuple[Family, ...] = Field(default=FAMILIES[:4], min_length=1, max_length=64)
    """Families of polynomials. dense, sparse, low_rank and block_diagonal are the published ones;
    in homogeneous, integer, minimum, vanishing, binomial_squares, multiplied, lyapunov and banded
    terms cancel; negative and outside_cone are no sums of squares."""

    grid: tuple[str, ...] = Field(default=("n6-d10-m30",), min_length=1, max_length=10_000)
    """Points such as n6-d10-m30: 6 variables, degree at most 20, bases of about 30 monomials."""

    rows: int = Field(default=1_000_000, ge=1, le=10**12)
    """Polynomials of each data set, that is of each family at each point."""

    mode: Literal["compact", "expanded"] = "compact"
    """compact stores bases and the names of the random streams, from which terms are made again
    when they are read; expanded stores the terms too, which takes 5 to 25 times the room."""

    shard_rows: int = Field(default=25_000, ge=1, le=1_000_000)
    """Polynomials per call on a worker and per file."""

    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    """Root of all random streams."""


@dataclass(frozen=True)
class DatasetItem:
    """A shard of a run."""

    key: str
    cell: Cell
    first: int
    count: int
    mode: Mode
    identity: RunIdentity


@dataclass(frozen=True)
class DatasetPlan:
    """A run before it starts."""

    identity: RunIdentity
    cells: tuple[Cell, ...]
    items: tuple[DatasetItem, ...]


def plan_dataset(config: DatasetConfig) -> DatasetPlan:
    """Name the run, cut its data sets into shards.

    Raises
    ------
    InputError
        For a point that is not of the form n6-d10-m30, or at which a family does not exist.
    """
    named = (Cell.of(family, point) for point in config.grid for family in config.families)
    cells = tuple(dict.fromkeys(named))
    shards = -(-config.rows // config.shard_rows)
    if shards * len(cells) > _MAX_SHARDS:
        raise InputError(
            f"{shards * len(cells):,} shards are more than {_MAX_SHARDS:,}; raise shard_rows"
        )
    identity = RunIdentity(
        flow=FLOW,
        config=config.canonical_json(),
        inputs=(),
        code_version=code_version("tasks.records", "tasks.sos.sampling"),
        seed=config.seed,
    )
    size, rows = config.shard_rows, config.rows
    items = []
    for cell in cells:
        _check_bytes(cell, config)
        for k in range(shards):
            first, key = k * size, f"{cell.name}.{k:06d}"
            count = min(size, rows - first)
            items.append(DatasetItem(key, cell, first, count, config.mode, identity))
    return DatasetPlan(identity, cells, tuple(items))


def _check_bytes(cell: Cell, config: DatasetConfig) -> None:
    """Refuse shards that are too large for the memory of a worker."""
    size, terms = cell.size, cell.size * (cell.size + 1) // 2
    numbers = size * cell.num_variables
    if config.mode == "expanded":
        numbers += terms * (cell.num_variables + 8)
    most = max(1, _MAX_SHARD_BYTES // numbers)
    if min(config.rows, config.shard_rows) > most:
        raise InputError(
            f"{cell.name}: shards of {config.shard_rows:,} rows take about "
            f"{config.shard_rows * numbers / 2**20:,.0f} MiB; set shard_rows to {most:,} or less"
        )


def run_dataset_item(item: DatasetItem) -> dict[str, pa.Table]:
    """Generate a shard.

    Returns
    -------
    dict
        Tables ``polynomials`` and ``cards``.
    """
    # Imported here: a plan needs no compiler.
    from tasks.sos.sampling.generation import Rows
    from tasks.sos.sampling.shards import card_table, shard_table

    rows = Rows.generate(
        item.cell,
        seed=item.identity.seed,
        first=item.first,
        count=item.count,
        terms=item.mode == "expanded",
    )
    return {
        "polynomials": shard_table(rows, item.mode, item.identity),
        "cards": card_table(rows, item.mode, item.key, item.identity),
    }


def failed_dataset_item(item: DatasetItem, kind: str, message: str) -> dict[str, pa.Table]:
    """Record a shard that failed: no polynomials, and a card that says why."""
    status = Status.OVER_BUDGET if kind == "BudgetExceeded" else Status.FAILED
    columns: dict[str, Any] = {
        "item": [item.key],
        "reason": [message],
        "dataset": [item.cell.name],
        "num_rows": [0],
        "card": [None],
    }
    return {
        "polynomials": SCHEMAS[item.mode].empty_table(),
        "cards": science_table(CARDS_SCHEMA, columns, identity=item.identity, status=status),
    }
