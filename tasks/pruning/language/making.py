"""How the models of `perp` are made: pruned, made better, averaged, each from files to files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from tasks.nn import Fit, FitStatus
from tasks.pruning.language.adapters.averages import mean_of_merged
from tasks.pruning.language.adapters.methods import parse_method
from tasks.pruning.language.adapters.retraining import Retraining, retrain
from tasks.pruning.language.adapters.subsets import num_parameters
from tasks.pruning.language.block_work import (
    LeastSquaresWork,
    PruningWork,
    ReconstructionWork,
    given_masks,
)
from tasks.pruning.language.by_block import BlockPass, WalkedModel
from tasks.pruning.language.files.lora_files import LoraFile, merge
from tasks.pruning.language.items import ADAPTER, PerpItem
from tasks.pruning.language.models.blocks import LanguageModel
from tasks.pruning.language.perplexity import token_loss
from tasks.pruning.language.stored_models import CHECKPOINTS, StoredModel, UnfinishedModel
from tasks.pruning.language.subjects import Subject
from tasks.pruning.language.tokens import TokenBatches
from tasks.records import derive_seed, fingerprint
from tasks.records.report import counted
from tasks.records.rows import Row
from tasks.records.volume import Volume
from tasks.records.work import Place

__all__ = [
    "Made",
    "adapted",
    "curve_rows",
    "forget_training",
    "merged",
    "pruned",
    "running_file",
    "train_loss",
]

_LAST = 0.1
"""Share of the steps whose loss a row tells."""


@dataclass(frozen=True, eq=False)
class Made:
    """A model that was made.

    Attributes
    ----------
    columns : mapping
        Of its row.
    reason : str
        Why it is no good; empty if it is.
    layers, curve : sequence of Row
    files : sequence of str
        Within the folder of the run.
    seconds : mapping of float
        Layer or part -> seconds.
    """

    columns: Mapping[str, Any]
    reason: str = ""
    layers: Sequence[Row] = ()
    curve: Sequence[Row] = ()
    files: Sequence[str] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Making:
    """An item at work.

    Attributes
    ----------
    item : PerpItem
    place : Place
    parent : StoredModel
        What it is made from; the dense model itself without parts.
    """

    item: PerpItem
    place: Place
    parent: StoredModel
    subject: Subject

    @classmethod
    def of(cls, item: PerpItem, place: Place, checkpoint: str = "") -> _Making:
        subject = Subject.of(item, place.folder)
        return cls(item, place, StoredModel(place.folder, checkpoint, subject.folder), subject)

    @property
    def config(self) -> Any:
        return self.item.config

    def seed(self, *words: str | int) -> int:
        """Of one of its random streams."""
        return derive_seed(self.config.seed, *words, self.item.replicate, self.item.member)

    @cached_property
    def model(self) -> LanguageModel:
        """What it is made from, block by block."""
        return LanguageModel.open(self.parent, self.place.device)

    def unfinished(self) -> UnfinishedModel:
        """Where its parts go."""
        origin = fingerprint([self.config.canonical_json(), self.item.key, self.parent.checkpoint])
        return UnfinishedModel(self.place.folder, self.item.key, origin, self.parent)

    def walked(self, work: Any, unfinished: UnfinishedModel) -> WalkedModel:
        """A pass through all blocks with the calibration sequences."""
        passed = BlockPass(self.model, self.calibration, self.types, self.config.batch_size)
        return passed.walk(work, unfinished)

    @cached_property
    def calibration(self) -> Tensor:
        """Sequences to calibrate on."""
        return self.subject.calibration().to(self.place.device)

    @property
    def types(self) -> Mapping[str, torch.dtype]:
        """Types of the parameters as they are stored."""
        return {name: place.dtype for name, place in self.subject.folder.places.items()}

    def finished(
        self, unfinished: UnfinishedModel, *, masked: bool = True, **columns: Any
    ) -> tuple[dict[str, Any], list[str]]:
        """Columns and files of the model whose parts are stored."""
        own = {"method": self.item.method, "criterion": self.item.criterion}
        header = {**own, "pattern": self.item.pattern, "masked": masked}
        checkpoint = unfinished.finish(header)
        stored = StoredModel(self.place.folder, checkpoint, self.subject.folder)
        unfinished.forget()
        counts = self._counts(stored)
        mask = stored.header["mask"] if stored.masked else None
        found = {"checkpoint": checkpoint, "mask": mask, **counts, **columns}
        return found, stored.files

    def _counts(self, stored: StoredModel) -> dict[str, Any]:
        model = LanguageModel.open(stored, "cpu")
        prunable = sum(layer.rows * layer.width for layer in model.structure.layers)
        masked = [stored.mask(name) for name in stored.masked]
        gone = sum(int(mask.numel() - mask.sum()) for mask in masked)
        lost = 0 if stored.has_masks else sum(map(stored.num_lost, stored.masked))
        return {
            "parameters": num_parameters(model.skeleton),
            "prunable": prunable,
            "kept": prunable - gone + lost,
            "sparsity": (gone - lost) / prunable,
            "zeros_lost": lost,
        }


# --- pruning ------------------------------------------------------------------------------------


def pruned(item: PerpItem, place: Place) -> Made:
    """The dense model with masks, block by block."""
    making = _Making.of(item, place)
    unfinished, given = making.unfinished(), given_masks(making.subject.folder)
    work = PruningWork(making.model, item, making.seed("random"), given=given)
    if item.config.allocation == "error" and not given:
        patterns = work.allocated(making.calibration, item.config.batch_size)
        work = replace(work, patterns=patterns)
    walked = making.walked(work, unfinished)
    left = sum(row["kept"] == row["rows"] * row["inputs"] for row in walked.rows)
    notes = ["the masks of the model's folder are kept as they are"] if given else []
    notes += [f"{counted(left, 'layer')} left as before: see table layers"] if left else []
    note = "; ".join(notes)
    columns, files = making.finished(unfinished, note=note)
    return Made(columns, layers=walked.rows, files=files, seconds=walked.seconds)


# --- what is done then --------------------------------------------------------------------------


def adapted(item: PerpItem, place: Place, checkpoint: str) -> Made:
    """A pruned model made better, or a dense one retrained."""
    making = _Making.of(item, place, checkpoint)
    if item.method == ADAPTER:
        return _with_adapter(making)
    if parse_method(item.method).retrains:
        return _retrained(making)
    return _block_by_block(making)


def _block_by_block(making: _Making) -> Made:
    item, unfinished = making.item, making.unfinished()
    model = making.model
    dense = LanguageModel.open(making.subject.folder, making.place.device)
    if item.method == "least-squares":
        walked = making.walked(LeastSquaresWork(model, making.parent, dense), unfinished)
        columns, files = making.finished(unfinished)
        return Made(columns, layers=walked.rows, files=files, seconds=walked.seconds)
    work = ReconstructionWork(model, dense, making.parent, item.config, making.seed("reconstruct"))
    walked = making.walked(work, unfinished)
    config = item.config
    trained = work.num_trained()
    columns, files = making.finished(
        unfinished,
        steps=work.num_steps * len(walked.rows),
        tokens=round(config.reconstruction_epochs * config.calibration) * config.context,
        rate=config.reconstruction_rate,
        trained=trained,
        trained_share=trained / num_parameters(model.skeleton),
    )
    return Made(columns, layers=walked.rows, files=files, seconds=walked.seconds)


def _retrained(making: _Making) -> Made:
    item, config, place = making.item, making.config, making.place
    model = making.model.load()
    masks = {name: mask.to(place.device) for name, mask in making.parent.masks().items()}
    plan = _plan(making)
    training = making.subject.tokens().training.to(place.device)
    seed = making.seed("batches")
    batches = TokenBatches(training, config.batch_size, config.context, seed)
    result = retrain(model, masks, item.method, batches, plan, loss=token_loss)
    columns = {
        "steps": config.steps,
        "tokens": config.steps * config.batch_size * config.context,
        "rate": plan.rate,
        "trained": result.trained,
        "trained_share": result.share,
    }
    curve = curve_rows(result.fit)
    if result.fit.status != FitStatus.FINISHED:
        return Made(columns, reason=result.fit.reason, curve=curve)
    unfinished = making.unfinished()
    _add_all(making, unfinished, result.changed)
    more, files = making.finished(
        unfinished, masked=result.keeps_zeros, train_loss=train_loss(result.fit)
    )
    forget_training(place.folder, item.key)
    return Made({**columns, **more}, curve=curve, files=files)


def _plan(making: _Making) -> Retraining:
    config, item = making.config, making.item
    is_full = parse_method(item.method).alone == "full"
    return Retraining(
        config.steps,
        config.full_rate if is_full else config.rate,
        rank=config.rank,
        alpha=config.alpha,
        mixed_precision=config.mixed_precision,
        checkpointing=config.gradient_checkpointing,
        seed=making.seed("retraining"),
        checkpoint=running_file(making.place.folder, item.key),
        origin=making.parent.checkpoint,
        checkpoint_steps=config.checkpoint_steps,
        curve_steps=max(config.steps // 100, 1),
    )


def _with_adapter(making: _Making) -> Made:
    """The pruned model with a LoRA of elsewhere merged under its masks."""
    layers = making.model.structure.layers
    transposed = {layer.weight for layer in layers if layer.transposed}
    lora = LoraFile.open(making.config.adapter, transposed)
    unfinished = making.unfinished()
    names = {*lora.factors, *lora.replaced}
    masks = making.parent.masks(n for n in making.parent.masked if n in names)
    changed = {}
    for name in lora.factors:
        weight = making.parent.read([name])[name]
        changed[name] = merge(weight, lora.delta(name), masks.get(name))
    for name in lora.replaced:
        value = lora.replacement(name)
        changed[name] = value.masked_fill(~masks[name], 0) if name in masks else value
    _add_all(making, unfinished, changed)
    columns, files = making.finished(unfinished)
    return Made(columns, files=files)


def _add_all(making: _Making, unfinished: UnfinishedModel, changed: Mapping[str, Tensor]) -> None:
    """Store changed parameters in their own types, a part for each block."""
    groups: dict[str, dict[str, Tensor]] = {}
    for name, value in changed.items():
        groups.setdefault(_block_of(making, name), {})[name] = value.to(making.types[name]).cpu()
    for name, group in groups.items():
        unfinished.add(name, group, {})


def _block_of(making: _Making, name: str) -> str:
    blocks = making.model.structure.blocks
    return next((path for path in blocks if name.startswith(f"{path}.")), "around")


# --- means of branches --------------------------------------------------------------------------


def merged(item: PerpItem, place: Place, checkpoints: Sequence[str]) -> Made:
    """The mean of the merged weights of branches; masks are those that they share."""
    making = _Making.of(item, place, checkpoints[0])
    members = [StoredModel(place.folder, each, making.subject.folder) for each in checkpoints]
    unfinished = making.unfinished()
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(n for member in members for n in member.changed()):
        groups.setdefault(_block_of(making, name), []).append(name)
    first = making.parent
    for group, names in groups.items():
        masks = first.masks([n for n in names if n in first.masked]) if first.has_masks else {}
        mean = mean_of_merged([member.read(names) for member in members], masks)
        unfinished.add(group, mean, {})
    columns, files = making.finished(unfinished, masked=first.header.get("masked", True))
    return Made({**columns, "note": f"mean of {len(members)} branches"}, files=files)


# --- trainings ----------------------------------------------------------------------------------


def running_file(folder: str, key: str) -> str:
    """Where a training of an item saves itself."""
    return f"{folder}/{CHECKPOINTS}/running-{key}.safetensors"


def forget_training(folder: str, key: str) -> None:
    """Remove what a training saved while it ran, now that it is done."""
    volume, name = Volume.open(folder), f"{CHECKPOINTS}/running-{key}.safetensors"
    if volume.exists(name):
        volume.remove(name)


def curve_rows(fit: Fit) -> list[Row]:
    """Points of the curve of a training."""
    return [{"step": p.step, "train_loss": p.loss, "rate": p.rate} for p in fit.curve]


def train_loss(fit: Fit) -> float | None:
    """Mean loss of the last points of a curve."""
    losses = [point.loss for point in fit.curve]
    last = losses[-max(round(_LAST * len(losses)), 1) :]
    return sum(last) / len(last) if last else None
