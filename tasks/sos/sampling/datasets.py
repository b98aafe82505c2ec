"""Data sets as runs: configured, cut into shards, generated shard by shard.

A data set is a family at a point of the grid; a run has one for every family and point.  A shard is
a range of rows.  Rows depend on the seed, the data set and their number alone: the same rows come
from other shards, other numbers of rows and either mode.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tasks.records.config import FrozenConfig
from tasks.records.errors import InputError
from tasks.records.work import Inputs, Item, Plan
from tasks.sos.sampling.cells import FAMILIES, Cell, Family

if TYPE_CHECKING:
    from tasks.records.rows import Row, Rows
    from tasks.sos.sampling.schema import Mode

_MAX_SHARDS = 1_000_000
_MAX_SHARD_BYTES = 200 * 2**20
"""A worker holds about four times that."""


class DatasetConfig(FrozenConfig):
    """Which polynomials to draw, and how to store them."""

    families: tuple[Family, ...] = Field(default=FAMILIES[:4], min_length=1, max_length=64)
    """Families of polynomials. dense, sparse, low_rank and block_diagonal are the published ones;
    in homogeneous, integer, minimum, vanishing, binomial_squares, multiplied, lyapunov and banded
    terms cancel; negative and outside_cone are not sums of squares."""

    grid: tuple[str, ...] = Field(default=("n6-d10-m30",), min_length=1, max_length=10_000)
    """Points such as n6-d10-m30: 6 variables, degree at most 20, bases of about 30 monomials."""

    rows: int = Field(default=1_000_000, ge=1, le=10**12)
    """Polynomials of each data set, that is of each family at each point."""

    mode: Literal["compact", "expanded"] = "compact"
    """compact stores bases and the names of the random streams, from which terms are made again
    when they are read; expanded stores the terms too, which takes 5 to 25 times the room."""

    shard_size: int = Field(default=25_000, ge=1, le=1_000_000)
    """Polynomials per call on a worker and per file."""

    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    """Root of all random streams."""


@dataclass(frozen=True)
class DatasetWork:
    """A shard: some rows of a data set."""

    key: str
    cell: Cell
    first: int
    count: int
    mode: Mode
    seed: int


def dataset_inputs(config: DatasetConfig) -> Inputs:
    """The data sets, as cells: every family at every point.

    Raises
    ------
    InputError
        For a point that is not of the form n6-d10-m30, or at which a family does not exist; for
        shards that are too many or too large.
    """
    named = (Cell.of(family, point) for point in config.grid for family in config.families)
    cells = tuple(dict.fromkeys(named))
    shards = -(-config.rows // config.shard_size) * len(cells)
    if shards > _MAX_SHARDS:
        raise InputError(f"{shards:,} shards are more than {_MAX_SHARDS:,}; raise shard_size")
    for cell in cells:
        _check_bytes(cell, config)
    return Inputs(value=cells)


def dataset_items(plan: Plan) -> list[Item]:
    """One item for each shard."""
    config, size = plan.config, plan.config.shard_size
    items = []
    for cell in plan.value:
        for k, first in enumerate(range(0, config.rows, size)):
            key, count = f"{cell.name}.{k:06d}", min(size, config.rows - first)
            work = DatasetWork(key, cell, first, count, config.mode, config.seed)
            items.append(Item(key, work, {"cell": cell.name, "first": first, "count": count}))
    return items


def _check_bytes(cell: Cell, config: DatasetConfig) -> None:
    """Refuse shards that are too large for the memory of a worker."""
    size, terms = cell.size, cell.size * (cell.size + 1) // 2
    numbers = size * cell.num_variables
    if config.mode == "expanded":
        numbers += terms * (cell.num_variables + 8)
    most = max(1, _MAX_SHARD_BYTES // numbers)
    if min(config.rows, config.shard_size) > most:
        raise InputError(
            f"{cell.name}: shards of {config.shard_size:,} rows take about "
            f"{config.shard_size * numbers / 2**20:,.0f} MiB; set shard_size to {most:,} or less"
        )


def dataset_rows(work: DatasetWork) -> Rows:
    """Generate a shard: rows of ``polynomials``, one of ``cards``."""
    # Imported here: a plan needs no compiler.
    from tasks.sos.sampling.generation import Rows as Generated
    from tasks.sos.sampling.shards import card_text, shard_table

    rows = Generated.generate(
        work.cell,
        seed=work.seed,
        first=work.first,
        count=work.count,
        terms=work.mode == "expanded",
    )
    card = card_text(rows, work.mode, work.seed)
    found = {**known_of_shard(work)[0], "reason": "", "num_rows": len(rows), "card": card}
    return {"polynomials": shard_table(rows, work.mode), "cards": [found]}


def known_of_shard(work: DatasetWork) -> list[Row]:
    """What is known of a shard before it is generated: a row of ``cards``."""
    return [{"item": work.key, "dataset": work.cell.name, "num_rows": 0}]
