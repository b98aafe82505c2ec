"""How the models of `perp` are made: pruned, made better, averaged, each from files to files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from tasks.nn import FitStatus
from tasks.pruning.language.adapters.averages import mean_of_merged
from tasks.pruning.language.adapters.retraining import Retraining, retrain
from tasks.pruning.language.files.lora_files import LoraFile, merge
from tasks.pruning.language.items import ADAPTER, PerpItem
from tasks.pruning.language.making.block_work import (
    LeastSquaresWork,
    PruningWork,
    ReconstructionWork,
    given_masks,
)
from tasks.pruning.language.making.stored_models import StoredModel
from tasks.pruning.language.making.unfinished_models import UnfinishedModel
from tasks.pruning.language.making.work import (
    Made,
    Making,
    curve_rows,
    forget_training,
    running_file,
    train_loss,
)
from tasks.pruning.language.methods import parse_method
from tasks.pruning.language.models.blocks import LanguageModel
from tasks.pruning.language.models.subsets import num_parameters
from tasks.pruning.language.texts.perplexity import token_loss
from tasks.pruning.language.texts.tokens import TokenBatches
from tasks.records.report import counted
from tasks.records.work import Place

__all__ = ["adapted", "merged", "pruned"]


# --- pruning ------------------------------------------------------------------------------------


def pruned(item: PerpItem, place: Place) -> Made:
    """The dense model with masks, block by block."""
    making = Making.of(item, place)
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
    making = Making.of(item, place, checkpoint)
    if item.method == ADAPTER:
        return _with_adapter(making)
    if parse_method(item.method).retrains:
        return _retrained(making)
    return _block_by_block(making)


def _block_by_block(making: Making) -> Made:
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


def _retrained(making: Making) -> Made:
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
        forget_training(place.folder, item.key)
        return Made(columns, reason=result.fit.reason, curve=curve)
    unfinished = making.unfinished()
    _add_all(making, unfinished, result.changed)
    more, files = making.finished(
        unfinished, masked=result.keeps_zeros, train_loss=train_loss(result.fit)
    )
    forget_training(place.folder, item.key)
    return Made({**columns, **more}, curve=curve, files=files)


def _plan(making: Making) -> Retraining:
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


def _with_adapter(making: Making) -> Made:
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


def _add_all(making: Making, unfinished: UnfinishedModel, changed: Mapping[str, Tensor]) -> None:
    """Store changed parameters in their own types, a part for each block."""
    groups: dict[str, dict[str, Tensor]] = {}
    for name, value in changed.items():
        groups.setdefault(_block_of(making, name), {})[name] = value.to(making.types[name]).cpu()
    for name, group in groups.items():
        unfinished.add(name, group, {})


def _block_of(making: Making, name: str) -> str:
    blocks = making.model.structure.blocks
    return next((path for path in blocks if name.startswith(f"{path}.")), "around")


# --- means of branches --------------------------------------------------------------------------


def merged(item: PerpItem, place: Place, checkpoints: Sequence[str]) -> Made:
    """The mean of the merged weights of branches; masks are those that they share."""
    making = Making.of(item, place, checkpoints[0])
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
