"""Items of the flows `sparse-soup` and `imp`: checkpoints by id in, rows out.

Every item is a function of its config and of the files it names; on the CPU it runs on one thread,
so its rows do not depend on how many others run beside it.  A training in progress saves itself
under its key and removes that file when its result is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from torch import nn

from tasks.nn import CurvePoint, Fit, FitStatus
from tasks.pruning.config import ImpConfig, SoupConfig, TrainingConfig
from tasks.pruning.imp import imp_course, run_course, train_dense
from tasks.pruning.items import CHECKPOINTS, CheckpointBytes, PruningItem
from tasks.pruning.merging import PredictionEnsemble, member_distances
from tasks.pruning.plan import failed_pruning_item, rows_table
from tasks.pruning.schema import CURVE_SCHEMA, DISTANCES_SCHEMA, MODELS_SCHEMA
from tasks.pruning.soups import Kitchen
from tasks.pruning.sparse_models import SparseModel, load_sparse, mask_id, store_sparse
from tasks.pruning.workbench import Measures, Workbench, one_thread
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
        call = _Call(item, Workbench.open(item.config, item.device), contents)
        _KINDS[item.kind](call)
        call.clean()
        return call.tables()


def rehearse(config: TrainingConfig) -> None:
    """Refuse a config whose images, network, batches or prunings do not fit together."""
    bench = Workbench.open(config)
    bench.new_model(0)
    if isinstance(config, SoupConfig):
        kitchen = Kitchen.open(bench, config, 0)
        kitchen.branches(config.phases)
    if isinstance(config, ImpConfig):
        for host in config.methods:
            imp_course(config, bench, host, min(config.retrain_epochs), max(config.sparsities))


@dataclass
class _Call:
    """One item at work: what it has loaded, and the rows it has made."""

    item: PruningItem
    bench: Workbench
    contents: Mapping[str, np.ndarray]
    models: list[tuple[Status, dict[str, Any]]] = field(default_factory=list)
    curve: list[tuple[Status, dict[str, Any]]] = field(default_factory=list)
    distances: list[tuple[Status, dict[str, Any]]] = field(default_factory=list)

    @property
    def kitchen(self) -> Kitchen:
        """The soup that this item belongs to."""
        config = self.item.config
        if not isinstance(config, SoupConfig):
            raise TypeError(f"{type(config).__name__} has no soup")
        return Kitchen.open(self.bench, config, self.item.replicate)

    @property
    def running(self) -> str:
        """Beginning of the names of the files of trainings in progress."""
        return f"{self.item.folder}/{CHECKPOINTS}/running-{self.item.key}"

    def load(self, number: int = 0) -> tuple[SparseModel, dict[str, Any]]:
        """A model that the item needs, and what its file says."""
        model = self.bench.new_model(self.item.replicate)
        checkpoint = self.item.needs[number].checkpoint
        content = self.contents.get(checkpoint)
        sparse, stored = load_sparse(self.item.folder, checkpoint, model, content)
        return sparse, stored.extra

    def store(
        self, method: str, sparse: SparseModel, fit: Fit | None, facts: Mapping[str, Any]
    ) -> None:
        """Store a model with its row; one that diverged keeps its last good weights."""
        item, is_good = self.item, fit is None or fit.status == FitStatus.FINISHED
        seen: nn.Module = facts.get("visible", sparse.model)
        measures = self.bench.measure(seen, corrupted=method != "pruned") if is_good else None
        parents = [need.checkpoint for need in item.needs]
        kept = {k: v for k, v in facts.items() if k in _STORED}
        checkpoint = store_sparse(item.folder, sparse, parents=parents, extra=kept)
        values = _place(item, method, facts) | {
            "reason": "" if fit is None else fit.reason,
            "note": facts.get("note", item.note),
            "sparsity": sparse.sparsity,
            "kept": sparse.num_kept,
            "checkpoint": checkpoint,
            "mask": mask_id(sparse.masks),
            "parents": parents,
            "speed_up": self.bench.speed_up(sparse),
        }
        status = Status.OK if is_good else Status.FAILED
        self.models.append((status, values | _measured(measures)))
        self.note_curve(method, facts.get("member", item.member), fit.curve if fit else ())

    def store_ensemble(self, model: nn.Module, like: SparseModel, facts: Mapping[str, Any]) -> None:
        """Row of an ensemble, which has no file of its own."""
        values = _place(self.item, "ensemble", facts) | {
            "reason": "",
            "note": self.item.note,
            "sparsity": like.sparsity,
            "kept": like.num_kept,
            "parents": [need.checkpoint for need in self.item.needs],
            "speed_up": self.bench.speed_up(like) / len(self.item.needs),
        }
        self.models.append((Status.OK, values | _measured(self.bench.measure(model))))

    def note_curve(self, method: str, member: int, points: tuple[CurvePoint, ...]) -> None:
        """Rows of a curve."""
        for point in points:
            values = {"step": point.step, "train_loss": point.loss, "rate": point.rate}
            place = _place(self.item, method, {"member": member})
            self.curve.append((Status.OK, place | values))

    def clean(self) -> None:
        """Remove what trainings in progress saved, now that their results are stored."""
        path = Path(self.running)
        for file in path.parent.glob(f"{path.name}*.safetensors"):
            file.unlink(missing_ok=True)

    def tables(self) -> dict[str, pa.Table]:
        """What was found."""
        identity = self.item.identity
        return {
            "models": rows_table(MODELS_SCHEMA, self.models, identity),
            "curve": rows_table(CURVE_SCHEMA, self.curve, identity),
            "distances": rows_table(DISTANCES_SCHEMA, self.distances, identity),
        }


_STORED = ("steps", "total_steps", "base_steps", "dense_steps", "target", "rates", "is_dense")
"""Facts that the file of a model holds, for the items that need it."""


def _place(item: PruningItem, method: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    names = ("budget", "target", "steps", "total_steps")
    return {
        "item": item.key,
        "method": method,
        "replicate": item.replicate,
        "phase": item.phase,
        "member": facts.get("member", item.member),
    } | {name: facts.get(name) for name in names}


def _measured(measures: Measures | None) -> dict[str, Any]:
    if measures is None:
        return {}
    return {
        "validation_accuracy": measures.validation_accuracy,
        "accuracy": measures.test.accuracy,
        "worst_class": measures.test.worst_class_accuracy,
        "calibration_error": measures.test.calibration_error,
        "loss": measures.test.loss,
        "ood_accuracy": measures.ood_accuracy,
    }


def _pretrain(call: _Call) -> None:
    file, config = f"{call.running}.safetensors", call.item.config
    if isinstance(config, SoupConfig):
        steps = call.kitchen.course.dense_steps
        sparse, fit = call.kitchen.dense(file)
    else:
        steps = call.bench.num_steps(config.epochs)
        sparse, fit = train_dense(call.bench, steps, replicate=call.item.replicate, checkpoint=file)
    facts = {"steps": steps, "total_steps": steps, "dense_steps": steps, "target": 0.0}
    call.store("dense", sparse, fit, facts)


def _prune(call: _Call) -> None:
    sparse, before = call.load()
    pruned, rates = call.kitchen.pruned(sparse, call.item.phase)
    call.bench.recalibrate(pruned.model)
    facts = _after(call, before, steps=0) | {"rates": rates.distance}
    call.store("pruned", pruned, None, _seen(call, pruned, facts))


def _branch(call: _Call) -> None:
    sparse, before = call.load()
    branch = call.kitchen.branches(call.item.phase)[call.item.member]
    rates = call.kitchen.rates(call.item.phase, before["rates"])
    fit = call.kitchen.retrained(sparse, branch, rates, f"{call.running}.safetensors")
    facts = _after(call, before, steps=branch.num_steps)
    call.store("member", sparse, fit, _seen(call, sparse, facts))


def _stack(call: _Call) -> None:
    sparse, before = call.load()
    rates = call.kitchen.rates(call.item.phase, before["rates"])
    branches = call.kitchen.branches(call.item.phase)
    members = call.kitchen.retrained_together(
        sparse, call.item.phase, rates, f"{call.running}.safetensors"
    )
    for branch, (member, fit) in zip(branches, members, strict=True):
        facts = _after(call, before, steps=branch.num_steps) | {"member": branch.number}
        call.store("member", member, fit, facts)


def _chain(call: _Call) -> None:
    """Prune and retrain a network on its own, with the settings of one member."""
    branch = call.kitchen.branches(call.item.phase)[call.item.member]
    _prune_and_retrain(call, "imp", branch)


def _long(call: _Call) -> None:
    _prune_and_retrain(call, "long", call.kitchen.long_branch(call.item.phase))


def _prune_and_retrain(call: _Call, method: str, branch: Any) -> None:
    sparse, before = call.load()
    pruned, rates = call.kitchen.pruned(sparse, call.item.phase)
    fit = call.kitchen.retrained(pruned, branch, rates, f"{call.running}.safetensors")
    facts = _after(call, before, steps=branch.num_steps)
    call.store(method, pruned, fit, _seen(call, pruned, facts))


def _merge(call: _Call) -> None:
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


def _note_distances(call: _Call, members: Mapping[int, nn.Module], soup: Any) -> None:
    masks = soup.sparse.masks
    known = {number: SparseModel(model, masks) for number, model in members.items()}
    for first, second, distance, relative in member_distances(known, {SOUP: soup.sparse}):
        values = {"item": call.item.key, "replicate": call.item.replicate,
                  "phase": call.item.phase, "first": first, "second": second,
                  "distance": distance, "relative": relative}  # fmt: skip
        call.distances.append((Status.OK, values))


def _reprune(call: _Call) -> None:
    loaded = [call.load(number) for number in range(len(call.item.needs))]
    sparse = call.kitchen.repruned([chain for chain, _ in loaded], call.item.phase)
    dense = loaded[0][1]["dense_steps"]
    total = dense + sum(extra["total_steps"] - dense for _, extra in loaded)
    facts = _after(call, loaded[0][1], steps=0) | {"total_steps": total}
    call.store("reprune", sparse, None, facts)


def _cell(call: _Call) -> None:
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


def _after(call: _Call, before: Mapping[str, Any], *, steps: int) -> dict[str, Any]:
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


def _seen(call: _Call, sparse: SparseModel, facts: dict[str, Any]) -> dict[str, Any]:
    """Facts with the model that is to be evaluated."""
    is_dense = call.kitchen.course.feedback
    return facts | {"visible": call.kitchen.visible(sparse), "is_dense": is_dense}


_KINDS: dict[str, Callable[[_Call], None]] = {
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
