"""Verification of stored models from their files alone.

Parts and index have the digests that name them; masks have the pattern, to the weight; every pruned
weight is exactly +0; changed parameters have names, shapes and types of the source; and whatever
was made from a pruned model has its masks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from gpu.backend import one_thread
from tasks.pruning.language.by_block import laid_flat
from tasks.pruning.language.files.mask_files import has_masks
from tasks.pruning.language.layers.patterns import Pattern
from tasks.pruning.language.models.blocks import LanguageModel
from tasks.pruning.language.models.structure import Layer
from tasks.pruning.language.plan import ModelCheck
from tasks.pruning.language.stored_models import StoredModel, mask_ids, stray
from tasks.pruning.language.subjects import Subject
from tasks.records.rows import Row, Rows
from tasks.records.status import Status
from tasks.records.work import Place

__all__ = ["verification_rows"]


def verification_rows(work: ModelCheck, place: Place, models: pa.Table) -> Rows:
    """Row of ``verification`` of a model."""
    [row] = models.to_pylist()
    with one_thread():
        return {"verification": [{"item": work.key, **verified(work, place, row)}]}


def verified(work: ModelCheck, place: Place, row: Row) -> dict[str, Any]:
    """Verdict on a model: its status, what is wrong with it, what its masks keep."""
    subject = Subject.of(work.item, place.folder)
    model = StoredModel(place.folder, row["checkpoint"] or "", subject.folder)
    layers = {layer.weight: layer for layer in LanguageModel.open(model).structure.layers}
    reasons = [*_parameter_faults(model, subject)]
    kept, outside = 0, 0
    for name, layer in layers.items():
        if name not in model.masked:
            kept += layer.rows * layer.width
            if work.item.criterion and bool(subject.folder.read([name])[name].isfinite().all()):
                reasons.append(f"{name} has no mask")
            continue
        mask = model.mask(name)
        kept += int(mask.sum())
        outside += stray(model, name) if model.has_masks else 0
        reasons += _mask_faults(work, subject, layer, laid_flat(mask, layer))
    if outside:
        reasons.append(f"{outside:,} pruned weights are not zero")
    if model.has_masks and kept != row["kept"]:
        reasons.append(f"its masks keep {kept:,} weights, its row says {row['kept']:,}")
    if model.masked and mask_ids(model.parts) != row["mask"]:
        reasons.append("its masks do not have the id that its row states")
    return {
        "status": Status.FAILED if reasons else Status.OK,
        "checkpoint": row["checkpoint"],
        "reason": "; ".join(reasons[:3]),
        "kept": kept,
        "stray": outside,
    }


def _parameter_faults(model: StoredModel, subject: Subject) -> Iterator[str]:
    """Changed parameters that are not those of the source."""
    places = subject.folder.places
    for name in model.changed():
        if name not in places:
            yield f"{name} is not a parameter of the model"
            continue
        value, place = model.own_tensor(name), places[name]
        if tuple(value.shape) != place.shape or value.dtype != place.dtype:
            yield f"{name} has another shape or type than in the source"
        elif not bool(value.isfinite().all()):
            yield f"{name} is not finite"


def _mask_faults(work: ModelCheck, subject: Subject, layer: Layer, mask: Any) -> Iterator[str]:
    config, item = work.item.config, work.item
    is_free = config.allocation == "error" or has_masks(subject.folder.path)
    pattern = Pattern.parse(item.pattern)
    if tuple(mask.shape) != (layer.rows, layer.width):
        yield f"the mask of {layer.name} has another shape than its weights"
    elif not is_free and not pattern.fits(mask):
        yield f"the mask of {layer.name} does not have the pattern {item.pattern}"
