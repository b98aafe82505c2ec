"""Calls of the studies of colorings: searches and grids in, rows and certificates out.

Calls run on one thread, so that their rows do not depend on how many others run beside them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from gpu.backend import one_thread
from tasks.coloring.certificates.cells import CellColoring
from tasks.coloring.certificates.files import (
    certificate_bytes,
    certificate_name,
    certificate_record,
)
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.certificates.scoring import Score, score
from tasks.coloring.fields import Field
from tasks.coloring.items import START, MakingWork, SearchWork
from tasks.coloring.making import allowed_texts, made_coloring, num_offsets, removed_of
from tasks.coloring.problem import Problem, named_norm
from tasks.records.errors import InputError
from tasks.records.rows import FILES, Row, Rows
from tasks.records.volume import Volume
from tasks.records.work import Place

if TYPE_CHECKING:
    from tasks.coloring.interchange.starting import GivenStart
    from tasks.coloring.searching import Found

__all__ = ["CERTIFICATES", "making_rows", "search_rows"]

FIELDS = "fields"
"""Folder of what searches found."""

CERTIFICATES = "certificates"
"""Folder of certificates."""


# --- searches -----------------------------------------------------------------------------------


def search_rows(argument: tuple[SearchWork, GivenStart | None], place: Place) -> Rows:
    """Rows of ``runs`` of a batch of searches, or of a given coloring; files of the best."""
    work, start = argument
    with one_thread():
        if start is not None:
            return _given_rows(work, start, place)
        from tasks.coloring.searching import found_members

        found = found_members(work, place.device)
        volume, rows, files = Volume.open(place.folder), [], []
        chosen = _chosen(work, found)
        for number, each in enumerate(found):
            row = _member_row(work, each)
            if number in chosen:
                row["field"] = f"{FIELDS}/{row['run']}.npz"
                volume.write(row["field"], each.field.pack())
                files.append(row["field"])
            rows.append(row)
    return {"runs": rows, FILES: files}


def _chosen(work: SearchWork, found: list[Found]) -> set[int]:
    """The best of a batch, as many as its problem may make colorings of."""
    usable = [number for number, each in enumerate(found) if each.is_finite]
    usable.sort(key=lambda number: (-found[number].grids, found[number].estimate, number))
    return set(usable[: work.hunt.num_finalists])


def _member_row(work: SearchWork, found: Found) -> dict[str, Any]:
    outcome, problem = found.outcome, work.problem
    grid = outcome.colors()
    own = {
        "item": work.key,
        "run": work.run_key(outcome.member.seed),
        **problem.place(),
        "start": outcome.member.seed,
        "penalty": work.penalty,
        "steps": found.steps,
        "grid": list(grid.shape),
    }
    if not found.is_finite:
        return {**own, "reason": outcome.reason or "the loss is not finite"}
    texts = outcome.lattice_texts
    return {
        **own,
        **_rates(grid, Lattice.parse(texts), problem),
        "lattice": texts,
        "loss": outcome.conflict + work.penalty * outcome.removed,
        "conflict": outcome.conflict,
        "removed_share": outcome.removed,
        "estimate": found.estimate,
    }


def _given_rows(work: SearchWork, start: GivenStart, place: Place) -> Rows:
    name = f"{FIELDS}/{START}.npz"
    field = Field(start.grid, start.lattice.words(), _certificate_of(start))
    Volume.open(place.folder).write(name, field.pack())
    row = {
        "item": work.key,
        "run": START,
        **work.problem.place(),
        **_rates(start.grid, start.lattice, work.problem),
        "lattice": [list(row) for row in start.lattice.words()],
        "estimate": 0.0,
        "grid": list(start.grid.shape),
        "field": name,
    }
    return {"runs": [row], FILES: [name]}


def _certificate_of(start: GivenStart) -> bytes:
    """Of the tiles of a start by polygons; empty for others."""
    return certificate_bytes(certificate_record(start.tiles)) if start.tiles else b""


def _rates(grid: Any, lattice: Lattice, problem: Problem) -> dict[str, Any]:
    """Columns of what a grid is worth before any repair; why, if that cannot be told."""
    norm = named_norm(problem.norm, problem.dimension)
    try:
        found: Score = score(grid, lattice, problem.forbidden, norm=norm)
    except InputError as error:
        return {"reason": str(error)}
    return {
        "removed_percent": 100 * float(found.removed),
        "point_rate": found.point_rate,
        "pair_rate": found.pair_rate,
    }


# --- colorings ----------------------------------------------------------------------------------


def making_rows(work: MakingWork, place: Place, runs: pa.Table) -> Rows:
    """A row of ``constructions``, and the certificate."""
    volume = Volume.open(place.folder)
    field = Field.unpack(bytes(volume.read(work.field)))
    with one_thread():
        made = made_coloring(work, field)
    row: dict[str, Any] = {
        "item": work.key,
        **work.problem.place(),
        "run": work.run,
        "form": "cells" if isinstance(made.coloring, CellColoring) else work.form,
        "methods": list(made.methods),
    }
    coloring = made.coloring
    if coloring is None:
        return {"constructions": [{**row, "reason": made.reason}]}
    record = certificate_record(coloring, {"title": _title(coloring, work.problem)})
    name = f"{CERTIFICATES}/{certificate_name(record)}"
    volume.write(name, certificate_bytes(record))
    removed = removed_of(coloring)
    row |= {
        "lattice": [list(row) for row in coloring.lattice.words()],
        "removed": str(removed),
        "removed_percent": 100 * float(removed),
        "allowed": allowed_texts(coloring.forbidden),
        "certificate": name,
        **_size(coloring),
    }
    return {"constructions": [row], FILES: [name]}


def _title(coloring: Any, problem: Problem) -> str:
    """What it states: files of one name, which have one content, must be equal byte by byte."""
    return replace(problem, distances=tuple(allowed_texts(coloring.forbidden))).words


def _size(coloring: Any) -> Row:
    if isinstance(coloring, CellColoring):
        return {
            "shape": list(coloring.shape),
            "tiles": coloring.grid.size,
            "offsets": num_offsets(coloring),
        }
    return {"tiles": len(coloring.tiles)}
