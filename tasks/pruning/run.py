"""Items of the flows `sparse-soup` and `imp`: checkpoints by id in, rows out.

Every item is a function of its config and of the files it names; on the CPU it runs on one thread,
so its rows do not depend on how many others run beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
from torch import nn

from gpu.backend import one_thread
from tasks.pruning.calls import Call
from tasks.pruning.config import ImpConfig, SoupConfig
from tasks.pruning.imp import imp_course, run_course, train_dense
from tasks.pruning.items import CheckpointBytes, PruningItem
from tasks.pruning.merging import PredictionEnsemble, member_distances
from tasks.pruning.sparse_models import SparseModel
from tasks.pruning.tables import failed_pruning_item
from tasks.pruning.workbench import Workbench
from tasks.records import Status

SOUP = -1
"""Number of the soup in the table of distances."""


def run_item(item: PruningItem, *shared: CheckpointBytes) -> dict[str, pa.Table]:
    """Tables ``models``, ``curve`` and ``distances`` of one item.

    Models that it needs are taken from `shared`, and read from the folder of the run if they are
    not there.
    """
    if item.problem:
        return failed_pruning_item(item, "missing", item.problem)
    with one_thread():
        contents = {each.checkpoint: each.content for each in shared}
        call = Call(item, Workbench.open(item.config, item.device), contents)
        _KINDS[item.kind](call)
        call.clean()
        return call.tables()


def _pretrain(call: Call) -> None:
    file, config = f"{call.running}.safetensors", call.item.config
    if isinstance(config, SoupConfig):
        steps = call.kitchen.course.dense_steps
        sparse, fit = call.kitchen.dense(file)
    else:
        steps = call.bench.num_steps(config.epochs)
        sparse, fit = train_dense(call.bench, steps, replicate=call.item.replicate, checkpoint=file)
    facts = {"steps": steps, "total_steps": steps, "dense_steps": steps, "target": 0.0}
    call.store("dense", sparse, fit, facts)


def _prune(call: Call) -> None:
    sparse, before = call.load()
    pruned, rates = call.kitchen.pruned(sparse, call.item.phase)
    call.bench.recalibrate(pruned.model)
    facts = _after(call, before, steps=0) | {"rates": rates.distance}
    call.store("pruned", pruned, None, _seen(call, pruned, facts))


def _branch(call: Call) -> None:
    sparse, before = call.load()
    branch = call.kitchen.branches(call.item.phase)[call.item.member]
    rates = call.kitchen.rates(call.item.phase, before["rates"])
    fit = call.kitchen.retrained(sparse, branch, rates, f"{call.running}.safetensors")
    facts = _after(call, before, steps=branch.num_steps)
    call.store("member", sparse, fit, _seen(call, sparse, facts))


def _stack(call: Call) -> None:
    sparse, before = call.load()
    rates = call.kitchen.rates(call.item.phase, before["rates"])
    branches = call.kitchen.branches(call.item.phase)
    members = call.kitchen.retrained_together(
        sparse, call.item.phase, rates, f"{call.running}.safetensors"
    )
    for branch, (member, fit) in zip(branches, members, strict=True):
        facts = _after(call, before, steps=branch.num_steps) | {"member": branch.number}
        call.store("member", member, fit, facts)


def _chain(call: Call) -> None:
    """Prune and retrain a network on its own, with the settings of one member."""
    branch = call.kitchen.branches(call.item.phase)[call.item.member]
    _prune_and_retrain(call, "imp", branch)


def _long(call: Call) -> None:
    _prune_and_retrain(call, "long", call.kitchen.long_branch(call.item.phase))


def _prune_and_retrain(call: Call, method: str, branch: Any) -> None:
    sparse, before = call.load()
    pruned, rates = call.kitchen.pruned(sparse, call.item.phase)
    fit = call.kitchen.retrained(pruned, branch, rates, f"{call.running}.safetensors")
    facts = _after(call, before, steps=branch.num_steps)
    call.store(method, pruned, fit, _seen(call, pruned, facts))


def _merge(call: Call) -> None:
    loaded = [call.load(number) for number in range(len(call.item.needs))]
    members = [sparse for sparse, _ in loaded]
    soup, onward = call.kitchen.soup(members, call.item.phase)
    total = loaded[0][1]["base_steps"] + sum(extra["steps"] for _, extra in loaded)
    facts = _after(call, loaded[0][1], steps=0) | {"total_steps": total}
    chosen = [call.item.needs[j].member for j in soup.chosen]
    notes = [call.item.note] if call.item.note else []
    if len(chosen) < len(members):
        notes.append(f"members {', '.join(map(str, chosen))} were taken")
    is_dense = onward is not soup.sparse
    more = {"note": "; ".join(notes), "visible": soup.sparse.model, "is_dense": is_dense}
    call.store("soup", onward, None, facts | more)
    seen = [call.kitchen.visible(member) for member in members]
    call.store_ensemble(PredictionEnsemble(seen), soup.sparse, facts)
    _note_distances(call, dict(zip((n.member for n in call.item.needs), seen, strict=True)), soup)


def _note_distances(call: Call, members: Mapping[int, nn.Module], soup: Any) -> None:
    masks = soup.sparse.masks
    known = {number: SparseModel(model, masks) for number, model in members.items()}
    for first, second, distance, relative in member_distances(known, {SOUP: soup.sparse}):
        values = {"item": call.item.key, "replicate": call.item.replicate,
                  "phase": call.item.phase, "first": first, "second": second,
                  "distance": distance, "relative": relative}  # fmt: skip
        call.distances.append((Status.OK, values))


def _reprune(call: Call) -> None:
    loaded = [call.load(number) for number in range(len(call.item.needs))]
    sparse = call.kitchen.repruned([chain for chain, _ in loaded], call.item.phase)
    dense = loaded[0][1]["dense_steps"]
    total = dense + sum(extra["total_steps"] - dense for _, extra in loaded)
    facts = _after(call, loaded[0][1], steps=0) | {"total_steps": total}
    call.store("reprune", sparse, None, facts)


def _cell(call: Call) -> None:
    """A cell of the comparison of schedules, budgets and sparsities."""
    config, cell = call.item.config, call.item.cell
    if not isinstance(config, ImpConfig) or cell is None:
        raise TypeError(f"{call.item.key} is no cell of a comparison")
    course = imp_course(config, call.bench, cell.host, cell.budget, cell.target)
    dense = call.load()[0] if call.item.needs else None
    sparse, fit = run_course(
        call.bench,
        course,
        dense,
        retraining=cell.schedule or "allr",
        replicate=call.item.replicate,
        checkpoint=call.running,
    )
    steps = course.num_steps - (course.dense_steps if dense else 0)
    facts = {"steps": steps, "total_steps": course.num_steps, "dense_steps": course.dense_steps}
    call.store(cell.method, sparse, fit, facts | {"budget": cell.budget, "target": cell.target})


def _after(call: Call, before: Mapping[str, Any], *, steps: int) -> dict[str, Any]:
    """Counts of steps of a model that comes from another one by so many steps."""
    config = call.kitchen.config
    return {
        "steps": steps,
        "base_steps": before["total_steps"],
        "total_steps": before["total_steps"] + steps,
        "dense_steps": before["dense_steps"],
        "budget": config.retrain_epochs,
        "target": call.kitchen.cycle(call.item.phase).sparsity,
    }


def _seen(call: Call, sparse: SparseModel, facts: dict[str, Any]) -> dict[str, Any]:
    """Facts with the model that is to be evaluated."""
    is_dense = call.kitchen.course.feedback
    return facts | {"visible": call.kitchen.visible(sparse), "is_dense": is_dense}


_KINDS: dict[str, Callable[[Call], None]] = {
    "pretrain": _pretrain,
    "prune": _prune,
    "branch": _branch,
    "stack": _stack,
    "imp": _chain,
    "long": _long,
    "merge": _merge,
    "reprune": _reprune,
    "cell": _cell,
}
