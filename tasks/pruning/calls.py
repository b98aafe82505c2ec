"""A call at work on one item: models in, rows and files out.

A training in progress saves itself under the key of its item; these files go when the results are
stored.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from torch import nn

from tasks.nn import CurvePoint, Fit
from tasks.pruning.config import SoupConfig
from tasks.pruning.items import CHECKPOINTS, PruningItem
from tasks.pruning.schema import CURVE_SCHEMA, DISTANCES_SCHEMA, MODELS_SCHEMA
from tasks.pruning.soups import Kitchen
from tasks.pruning.sparse_models import SparseModel, load_sparse, mask_id, store_sparse
from tasks.pruning.tables import rows_table
from tasks.pruning.workbench import Measures, Workbench
from tasks.records import Status
from tasks.records.volume import Volume


@dataclass
class Call:
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
        """Store a model with its row.

        One that diverged keeps its last good weights; one whose loss is not finite has no file.
        """
        item, reason = self.item, "" if fit is None else fit.reason
        seen: nn.Module = facts.get("visible", sparse.model)
        measures = None if reason else self.bench.measure(seen, corrupted=method != "pruned")
        parents, checkpoint = [need.checkpoint for need in item.needs], None
        if measures is not None and not _is_finite(measures):
            measures, reason = None, _EXPLODED
        else:
            kept = {k: v for k, v in facts.items() if k in _STORED}
            checkpoint = store_sparse(item.folder, sparse, parents=parents, extra=kept)
        values = _place(item, method, facts) | {
            "reason": reason,
            "note": facts.get("note", item.note),
            "sparsity": sparse.sparsity,
            "kept": sparse.num_kept,
            "checkpoint": checkpoint,
            "mask": mask_id(sparse.masks),
            "parents": parents,
            "speed_up": self.bench.speed_up(sparse),
        }
        status = Status.FAILED if reason else Status.OK
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
        folder, _, name = self.running.rpartition("/")
        # Beginnings are not enough: m1 is one of m10.
        own, place = re.compile(rf"{re.escape(name)}(-\d+)?\.safetensors"), Volume.open(folder)
        for file in place.entries():
            if own.fullmatch(file.path):
                place.remove(file.path)

    def tables(self) -> dict[str, pa.Table]:
        """What was found."""
        identity = self.item.identity
        return {
            "models": rows_table(MODELS_SCHEMA, self.models, identity),
            "curve": rows_table(CURVE_SCHEMA, self.curve, identity),
            "distances": rows_table(DISTANCES_SCHEMA, self.distances, identity),
        }


_EXPLODED = (
    "the loss on test or validation images is not finite: the last steps were too long; "
    "lower the rate or clip more"
)
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


def _is_finite(measures: Measures) -> bool:
    return math.isfinite(measures.test.loss) and math.isfinite(measures.validation_loss)


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
