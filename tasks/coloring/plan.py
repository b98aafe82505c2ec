"""Plans of the studies of colorings: what they read, their items, and what they refuse.

Importing this module needs no PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tasks.coloring.config import ColoringConfig, PlaneColoringConfig
from tasks.coloring.items import (
    CellsWork,
    CheckWork,
    FinerWork,
    SearchWork,
    cells_works,
    finer_works,
    search_works,
)
from tasks.coloring.problem import Problem
from tasks.records.rows import Row
from tasks.records.status import Status
from tasks.records.work import Inputs, Item, Plan, Resources, Wave

if TYPE_CHECKING:
    from tasks.records.stored import Stored

__all__ = [
    "best_constructions",
    "cells_items",
    "check_coloring",
    "check_items",
    "coloring_inputs",
    "finer_waves",
    "item_keys",
    "known_of_check",
    "known_of_construction",
    "known_of_search",
    "search_items",
    "search_resources",
]


def coloring_inputs(config: ColoringConfig) -> Inputs:
    """The grid to start from, if one is named.

    Raises
    ------
    InputError
        If it cannot be read or does not fit the config.
    """
    path = config.start if isinstance(config, PlaneColoringConfig) else ""
    if not path:
        return Inputs()
    from tasks.coloring.grids import read_start

    start = read_start(path, config)
    return Inputs({"start": start.digest}, start, settings={"start": "start"}, places={"start": path})


def check_coloring(config: ColoringConfig, address: str = "") -> None:
    """Refuse what cannot be colored as asked.

    Raises
    ------
    InputError
        If windows are asked for without the extra, or cells of the coarsest grid on the given
        lattice hold a forbidden distance themselves.
    """
    if config.windows:
        from tasks.coloring.construction.windows import check_solver

        check_solver()


def search_resources(config: ColoringConfig) -> Resources:
    """A GPU for a search, if there is one and the config allows it."""
    return Resources(config.device)


# --- items --------------------------------------------------------------------------------------


def item_keys(plan: Plan) -> list[str]:
    """Keys of all items in planned order."""
    config: ColoringConfig = plan.config
    works = (*search_works(config), *cells_works(config), *finer_works(config))
    return [work.key for work in works]


def search_items(plan: Plan) -> list[Item]:
    """One item for each batch of members, or for a given grid."""
    return [
        Item(work.key, (work, plan.value), size=max(len(work.starts), 1))
        for work in search_works(plan.config)
    ]


def cells_items(plan: Plan) -> list[Item]:
    """One item for each search."""
    return [Item(work.key, work, parts=(work.search.key,)) for work in cells_works(plan.config)]


def finer_waves(plan: Plan, stored: Stored) -> Iterator[Wave]:
    """The best colorings of each problem, refined."""
    rows = stored.rows("constructions")
    found = []
    for work in finer_works(plan.config):
        best = best_constructions(rows, work.problem, ("cells",))
        if work.rank < len(best):
            row = best[work.rank]
            found.append(
                FinerWork(work.problem, work.config, work.rank, row["item"], row["construction"])
            )
    yield Wave([_finer_item(work) for work in found], "refine")


def _finer_item(work: FinerWork) -> Item:
    return Item(
        work.key, work, origin={"construction": work.construction}, parts=(work.parent,)
    )


def check_items(plan: Plan) -> list[Item]:
    """One item for each call that writes certificates."""
    works: list[CellsWork | FinerWork] = [*cells_works(plan.config), *finer_works(plan.config)]
    return [Item(work.key, CheckWork(work.key, work.problem)) for work in works]


def best_constructions(
    rows: list[Row], problem: Problem, stages: tuple[str, ...] = ("cells", "finer")
) -> list[Row]:
    """Certified colorings of a problem, the least removed fraction first, each fraction once."""
    own = [
        row
        for row in rows
        if row["problem"] == problem.key
        and row["status"] == Status.OK
        and row["certificate"]
        and row["item"].partition(".")[0] in stages
    ]
    return sorted(own, key=lambda row: (row["removed_percent"], row["construction"]))


# --- what is known of an item that failed -------------------------------------------------------


def known_of_search(argument: tuple[SearchWork, object]) -> list[Row]:
    """Rows of ``runs`` of the members."""
    work, _ = argument
    own = {"item": work.key, **work.problem.place()}
    if not work.starts:
        return [{**own, "run": work.key}]
    return [
        {**own, "run": work.run_key(start), "start": start, "penalty": work.penalty}
        for start in work.starts
    ]


def known_of_construction(work: CellsWork | FinerWork) -> list[Row]:
    """A row of ``constructions``."""
    return [{"item": work.key, "construction": work.key, **work.problem.place()}]


def known_of_check(work: CheckWork) -> list[Row]:
    """A row of ``verification``."""
    return [{"item": work.key, "valid": False}]

