"""Verification of stored models from their files alone.

Parts and index have the digests that name them; masks have the pattern, to the weight; every pruned
weight is exactly +0; changed parameters have names, shapes and types of the source; and whatever
was made from a pruned model has its masks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from torch import Tensor

from gpu.backend import one_thread
from tasks.pruning.language.files.mask_files import has_masks
from tasks.pruning.language.items import PerpItem
from tasks.pruning.language.layers.layouts import laid_flat
from tasks.pruning.language.layers.patterns import Pattern
from tasks.pruning.language.layers.pruning import LayerPruning
from tasks.pruning.language.making.stored_models import StoredModel, mask_ids, stray
from tasks.pruning.language.making.subjects import Subject
from tasks.pruning.language.models.blocks import LanguageModel
from tasks.pruning.language.models.structure import Layer
from tasks.pruning.language.plan import ModelCheck
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
        reasons += _mask_faults(work, subject, layer, laid_flat(mask, transposed=layer.transposed))
    if outside:
        reasons.append(f"{outside:,} pruned weights are not zero")
    if model.has_masks and kept != row["kept"]:
        reasons.append(f"its masks keep {kept:,} weights, its row says {row['kept']:,}")
    if model.masked and mask_ids(model.parts) != row["mask"]:
        reasons.append("its masks do not have the id that its row states")
    reasons += _parent_faults(work, place, row, subject)
    return {
        "status": Status.FAILED if reasons else Status.OK,
        "checkpoint": row["checkpoint"],
        "reason": "; ".join(reasons[:3]),
        "kept": kept,
        "stray": outside,
    }


def _parent_faults(work: ModelCheck, place: Place, row: Row, subject: Subject) -> Iterator[str]:
    """Models that do not have the masks of those that they were made from."""
    for parent in row["parents"] if work.item.method and work.item.criterion else ():
        if mask_ids(StoredModel(place.folder, parent, subject.folder).parts) != row["mask"]:
            yield f"its masks are not those of {parent}, which it was made from"


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


def _mask_faults(work: ModelCheck, subject: Subject, layer: Layer, mask: Tensor) -> Iterator[str]:
    if tuple(mask.shape) != (layer.rows, layer.width):
        yield f"the mask of {layer.name} has another shape than its weights"
    elif not has_masks(subject.folder.path) and (fault := _pattern_fault(work.item, mask)):
        yield f"the mask of {layer.name} {fault}"


def _pattern_fault(item: PerpItem, mask: Tensor) -> str:
    """What a mask (outputs, inputs) has otherwise than its item; empty if nothing."""
    pattern = Pattern.parse(item.pattern)
    by_row = not LayerPruning(item.criterion, pattern, item.config.refinement).by_matrix
    if item.config.allocation == "uniform":
        is_right = pattern.fits(mask, by_row=by_row)
        return "" if is_right else f"does not have the pattern {item.pattern}"
    kept = mask.sum(dim=1)
    is_even = not by_row or bool((kept == kept[0]).all())
    return "" if is_even else "keeps more in some rows than in others"
