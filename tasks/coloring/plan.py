"""Plans of the studies of colorings: what they read, their items, and what they refuse.

Importing this module needs no PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

from tasks.coloring.certificates.distances import Interval
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.config import ColoringConfig, PlaneColoringConfig
from tasks.coloring.items import (
    START,
    CheckWork,
    Form,
    MakingWork,
    SearchWork,
    search_works,
)
from tasks.coloring.problem import Problem, named_norm
from tasks.records.rows import Row
from tasks.records.status import Status
from tasks.records.work import Inputs, Item, Plan, Resources, Wave

if TYPE_CHECKING:
    from tasks.records.stored import Stored

__all__ = [
    "FORMS",
    "best_constructions",
    "check_coloring",
    "check_waves",
    "coloring_inputs",
    "coloring_rank",
    "finer_waves",
    "known_of_check",
    "known_of_making",
    "known_of_search",
    "making_waves",
    "rounds_of",
    "search_rank",
    "search_resources",
    "search_waves",
]

FORMS: tuple[Form, ...] = ("cells", "polygons")


def coloring_inputs(config: ColoringConfig) -> Inputs:
    """The coloring to start from, if one is named.

    Raises
    ------
    InputError
        If it cannot be read or does not fit the config.
    """
    if not isinstance(config, PlaneColoringConfig) or not config.start:
        return Inputs()
    path = config.start
    from tasks.coloring.interchange.starting import read_start

    start = read_start(path, config)
    return Inputs(
        {"start": start.digest}, start, settings={"start": "start"}, places={"start": path}
    )


def check_coloring(config: ColoringConfig, address: str = "") -> None:
    """Refuse what cannot be colored as asked.

    Raises
    ------
    InputError
        If a cell of the given lattice, or a period, holds a forbidden distance.
    """
    for hunt in config.hunts():
        if hunt.lattice and hunt.cells and not hunt.learn_lattice and not hunt.start:
            from tasks.coloring.construction.grids.conflicts import conflict_graph
            from tasks.coloring.construction.grids.upsampling import near_square_shape

            lattice = Lattice.parse([list(row) for row in hunt.lattice])
            shape = near_square_shape(lattice, hunt.cells**hunt.dimension)
            norm = named_norm(hunt.norm, hunt.dimension)
            conflict_graph(lattice, shape, hunt.problem.forbidden, norm)


def search_resources(config: ColoringConfig) -> Resources:
    """A GPU for a search, if there is one and the config allows it."""
    return Resources(config.device)


def rounds_of(config: ColoringConfig) -> int:
    """How many rounds there are."""
    return config.rounds


# --- items --------------------------------------------------------------------------------------


def search_waves(plan: Plan, stored: Stored) -> Iterator[Wave]:
    """The searches of a round, in one wave."""
    yield Wave([_search_item(work, plan) for work in search_works(plan.config, plan.round)])


def _search_item(work: SearchWork, plan: Plan) -> Item:
    origin = work.origin()
    if not work.starts:
        origin |= {"start": plan.value.digest}
    return Item(work.key, (work, plan.value), origin, size=max(len(work.starts), 1))


def making_waves(plan: Plan, stored: Stored) -> Iterator[Wave]:
    """Colorings of the best searches of a round: of cells, of polygons, or both."""
    works = [work for _, works in _makings(plan, stored) for work in works]
    yield Wave([_making_item(work) for work in works], "construct")


def _makings(plan: Plan, stored: Stored) -> Iterator[tuple[PlaneColoringConfig, list[MakingWork]]]:
    """What is made of the searches of a round, for each problem."""
    found: dict[Problem, list[Row]] = {}
    for work in search_works(plan.config, plan.round):
        rows = found.setdefault(work.problem, [])
        rows += [row for row in _part(stored, "runs", work.key) if row["field"]]
    for hunt in plan.config.hunts():
        rows = sorted(found[hunt.problem], key=search_rank)
        counts = {"cells": hunt.finalists if hunt.cells else 0, "polygons": hunt.num_polygons}
        yield (
            hunt,
            [
                MakingWork(hunt, row["run"], row["field"], row["item"], form)
                for form in FORMS
                for row in rows[: counts[form]]
            ],
        )


def search_rank(row: Row) -> tuple[float, float, str]:
    """What searches are ordered by, the best first: those on finer grids come first."""
    return -math.prod(row["grid"]), row["estimate"], row["run"]


def _part(stored: Stored, table: str, key: str) -> list[Row]:
    """Rows of an item that are ok: of a long hunt only those that are looked at."""
    if not stored.has(table, [key]):
        return []
    return [row for row in stored.part(table, key).to_pylist() if row["status"] == Status.OK]


def _making_item(work: MakingWork) -> Item:
    return Item(work.key, work, work.origin(), parts=(work.search,))


def finer_waves(plan: Plan, stored: Stored) -> Iterator[Wave]:
    """Of the colorings of a round those that are among the best so far, refined."""
    names = ["item", "problem", "status", "certificate", "removed_percent"]
    rows = stored.table("constructions").select(names).to_pylist()
    found = []
    for hunt, works in _makings(plan, stored):
        for form in FORMS:
            of_polygons = hunt.finer_spacings or hunt.borders
            if not (hunt.finer_refinements if form == "cells" else of_polygons):
                continue
            made = best_constructions(rows, hunt.problem, (f"{form}.",))[: hunt.refined]
            best = {row["item"] for row in made if row["removed_percent"] > 0}
            found += [work for work in works if work.form == form and work.key in best]
    finer = [replace(work, is_finer=True) for work in found]
    yield Wave([_making_item(work) for work in finer], "refine")


def check_waves(plan: Plan, stored: Stored) -> Iterator[Wave]:
    """All certificates of a round; afterwards, whether one of them can be.

    Raises
    ------
    ImpossibleColoringError
        If both checkers accept what cannot exist.
    """
    works, claims = [], []
    for (hunt, makings), finer in product(_makings(plan, stored), (False, True)):
        for making in makings:
            work = CheckWork(replace(making, is_finer=finer).key, hunt.problem)
            made = [row for row in _part(stored, "constructions", work.key) if row["certificate"]]
            works += [work] * len(made)
            claims += made
    yield Wave([Item(work.key, work, {}) for work in works], "verify")
    from tasks.coloring.verify import check_possible

    for row in claims:
        if any(check["valid"] for check in _part(stored, "verification", row["item"])):
            check_possible(row, stored.location(row["certificate"]), stored.run.run_id)


def best_constructions(
    rows: Sequence[Row], problem: Problem, stages: tuple[str, ...] = ()
) -> list[Row]:
    """Colorings of a problem with a certificate: those that remove least first, of equal ones those
    that avoid most distances.

    With `stages`, only of items whose keys begin so.
    """
    own = [
        row
        for row in rows
        if row["problem"] == problem.key
        and row["status"] == Status.OK
        and row["certificate"]
        and (not stages or row["item"].startswith(stages))
    ]
    return sorted(own, key=coloring_rank)


def coloring_rank(row: Row) -> tuple[float, float, str]:
    """What colorings of a problem are ordered by: what they remove, then what they avoid."""
    return row["removed_percent"], -_avoided(row), row["item"]


def _avoided(row: Row) -> float:
    """Lengths of the intervals of distances that the colors avoid, together."""
    texts = [text for each in row.get("allowed") or () for text in each.split(",")]
    ends = [Interval.parse(text).floats for text in set(texts)]
    return sum(high - low for low, high in ends)


# --- what is known of an item that failed -------------------------------------------------------


def known_of_search(argument: tuple[SearchWork, object]) -> list[Row]:
    """Rows of ``runs`` of the members."""
    work, _ = argument
    own = {"item": work.key, **work.problem.place()}
    if not work.starts:
        return [{**own, "run": START}]
    return [
        {**own, "run": work.run_key(start), "start": start, "penalty": work.penalty}
        for start in work.starts
    ]


def known_of_making(work: MakingWork) -> list[Row]:
    """A row of ``constructions``."""
    return [{"item": work.key, **work.problem.place(), "run": work.run, "form": work.form}]


def known_of_check(work: CheckWork) -> list[Row]:
    """A row of ``verification``."""
    return [{"item": work.key, "valid": False}]
