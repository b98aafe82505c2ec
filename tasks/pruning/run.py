"""Calls of the studies `sparse-soup` and `imp`: checkpoints by id in, rows and files out.

Every item is a function of its config and of the files it names; on the CPU it runs on one thread,
so its rows do not depend on how many others run beside it. A training in progress saves itself
under the key of its item; these files go when the item is done.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from gpu.backend import one_thread
from tasks.pruning import soups
from tasks.pruning.imp import imp_course, run_course, train_dense
from tasks.pruning.items import (
    CHECKPOINTS,
    AnyItem,
    Cell,
    CheckpointBytes,
    ImpItem,
    SoupItem,
    checkpoint_path,
)
from tasks.pruning.lineage import NewModel, Provenance, StoredModel
from tasks.pruning.setups import Setup
from tasks.pruning.sparse_models import load_sparse, mask_id, store_sparse
from tasks.records.errors import LatticeworkError
from tasks.records.rows import FILES, Rows
from tasks.records.status import Status
from tasks.records.volume import Volume
from tasks.records.work import Place

_EXPLODED = (
    "the loss on test or validation images is not finite: the last steps were too long; "
    "lower the rate or clip more"
)


def soup_rows(item: SoupItem, place: Place, *shared: CheckpointBytes) -> Rows:
    """Rows of ``models``, ``curve`` and ``distances`` of one item of a soup.

    Models that it needs are taken from `shared`, and read from the folder of the run if they are
    not there.

    Raises
    ------
    LatticeworkError
        If too much of what it needs is missing.
    """

    def make(setup: Setup, running: str, parents: Sequence[StoredModel]) -> list[NewModel]:
        phase = soups.SoupPhase.of(
            setup,
            item.config,
            item.replicate,
            item.phase,
            member=item.member,
            checkpoint=f"{running}.safetensors",
        )
        return getattr(soups, item.step)(phase, parents)

    return _rows(item, place, shared, make)


def imp_rows(item: ImpItem, place: Place, *shared: CheckpointBytes) -> Rows:
    """Rows of ``models`` and ``curve`` of a dense network or a cell; see `soup_rows`."""

    def make(setup: Setup, running: str, parents: Sequence[StoredModel]) -> list[NewModel]:
        if item.cell is None:
            return [_dense(item, setup, running)]
        return [_compared(item, item.cell, setup, running, parents)]

    return _rows(item, place, shared, make)


def _dense(item: ImpItem, setup: Setup, running: str) -> NewModel:
    """The dense network of a repetition."""
    steps, file = setup.num_steps(item.config.epochs), f"{running}.safetensors"
    sparse, fit = train_dense(setup, steps, replicate=item.replicate, checkpoint=file)
    return NewModel("dense", sparse, Provenance.of_dense(0 if setup.start else steps), fit)


def _compared(
    item: ImpItem, cell: Cell, setup: Setup, running: str, parents: Sequence[StoredModel]
) -> NewModel:
    """A cell of the comparison of schedules, budgets and sparsities."""
    course = imp_course(item.config, setup, cell.method, cell.budget, cell.target)
    sparse, fit = run_course(
        setup,
        course,
        parents[0].sparse if parents else None,
        retraining=cell.schedule or "allr",
        replicate=item.replicate,
        checkpoint=running,
    )
    is_given = setup.start is not None and not course.continued
    dense_steps = 0 if is_given else course.dense_steps
    total = dense_steps + course.num_steps - course.dense_steps
    steps = total - (dense_steps if parents else 0)
    provenance = Provenance(steps, total, dense_steps, cell.target)
    return NewModel(cell.name, sparse, provenance, fit)


def _rows(
    item: AnyItem,
    place: Place,
    shared: Sequence[CheckpointBytes],
    make: Callable[[Setup, str, Sequence[StoredModel]], list[NewModel]],
) -> Rows:
    if item.problem:
        raise LatticeworkError(item.problem)
    with one_thread():
        setup = Setup.open(item.config, place.device)
        parents = _parents(item, setup, place.folder, shared)
        running = f"{place.folder}/{CHECKPOINTS}/running-{item.key}"
        models = make(setup, running, parents)
        rows = [_store(item, model, setup, place.folder) for model in models]
        remove_running(place.folder, item.key)
    named = dict.fromkeys(row["checkpoint"] for row in rows if row["checkpoint"])
    return {
        "models": rows,
        "curve": [row for model in models for row in _curve(item, model)],
        "distances": [row for model in models for row in _distances(item, model)],
        FILES: [checkpoint_path(checkpoint) for checkpoint in named],
    }


def _parents(
    item: AnyItem, setup: Setup, folder: str, shared: Sequence[CheckpointBytes]
) -> list[StoredModel]:
    """The models that the item is made from."""
    contents = {each.checkpoint: each.content for each in shared}
    found = []
    for parent in item.parents:
        model, content = setup.new_model(item.replicate), contents.get(parent.checkpoint)
        sparse, stored = load_sparse(folder, parent.checkpoint, model, content)
        found.append(StoredModel(sparse, Provenance.read(stored.extra), parent.member))
    return found


def _store(item: AnyItem, made: NewModel, setup: Setup, folder: str) -> dict[str, Any]:
    """Store a model; its row.

    One that diverged keeps its last good weights; one whose loss is not finite has no file.
    """
    sparse, reason = made.sparse, made.reason
    measured: dict[str, Any] = {}
    checkpoint = None
    if not reason:
        measures = setup.measure(made.evaluated, corrupted=made.method != "pruned")
        measured, reason = measures.columns(), "" if measures.is_finite else _EXPLODED
    if reason != _EXPLODED and not made.num_networks:
        header = made.provenance.header(made.method)
        checkpoint = store_sparse(folder, sparse, parents=item.checkpoints, extra=header)
    return {
        **_place(item, made),
        "status": Status.FAILED if reason else Status.OK,
        "reason": reason,
        "note": "; ".join(filter(None, (item.note, made.note))),
        "budget": item.budget,
        "target": made.provenance.target,
        "steps": made.provenance.steps,
        "total_steps": made.provenance.total_steps,
        "sparsity": sparse.sparsity,
        "kept": sparse.num_kept,
        "checkpoint": checkpoint,
        "mask": None if made.num_networks else mask_id(sparse.masks),
        "parents": item.checkpoints,
        "speed_up": setup.speed_up(sparse) / max(made.num_networks, 1),
        **(measured if not reason else {}),
    }


def remove_running(folder: str, key: str) -> None:
    """Remove what trainings of an item saved while they ran, now that it is done."""
    volume = Volume.open(folder).below(CHECKPOINTS)
    # Beginnings are not enough: m1 is one of m10.
    own = re.compile(rf"running-{re.escape(key)}(-\d+)?\.safetensors")
    for entry in volume.entries():
        if own.fullmatch(entry.base_name):
            volume.remove(entry.base_name)


def _place(item: AnyItem, made: NewModel) -> dict[str, Any]:
    return {
        "item": item.key,
        "method": made.method,
        "replicate": item.replicate,
        "phase": item.phase,
        "member": item.member if made.member is None else made.member,
    }


def _curve(item: AnyItem, made: NewModel) -> list[dict[str, Any]]:
    """Points of the curve of its training."""
    return [
        {**_place(item, made), "step": p.step, "train_loss": p.loss, "rate": p.rate}
        for p in (made.fit.curve if made.fit else ())
    ]


def _distances(item: AnyItem, made: NewModel) -> list[dict[str, Any]]:
    """Distances of the members that it was merged from."""
    place = {"item": item.key, "replicate": item.replicate, "phase": item.phase}
    names = ("first", "second", "distance", "relative")
    return [place | dict(zip(names, values, strict=True)) for values in made.distances]
