"""An item of `perp` at work: what it is made from, where its parts go, what its row tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from tasks.nn import Fit
from tasks.pruning.language.config import PerpConfig
from tasks.pruning.language.items import PerpItem
from tasks.pruning.language.making.by_block import BlockPass, WalkedModel
from tasks.pruning.language.making.stored_models import CHECKPOINTS, StoredModel
from tasks.pruning.language.making.subjects import Subject
from tasks.pruning.language.making.unfinished_models import UnfinishedModel
from tasks.pruning.language.models.blocks import LanguageModel
from tasks.pruning.language.models.subsets import num_parameters
from tasks.records import derive_seed, fingerprint
from tasks.records.rows import Row
from tasks.records.volume import Volume
from tasks.records.work import Place

__all__ = ["Made", "Making", "curve_rows", "forget_training", "running_file", "train_loss"]

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
        Why it cannot be used; empty if it can.
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
class Making:
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
    def of(cls, item: PerpItem, place: Place, checkpoint: str = "") -> Making:
        """From a model of the run, or from the dense one."""
        subject = Subject.of(item, place.folder)
        return cls(item, place, StoredModel(place.folder, checkpoint, subject.folder), subject)

    @property
    def config(self) -> PerpConfig:
        """Of the run."""
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
