"""Trainings and compressions of the study `compression-aware`.

On the CPU everything runs on one thread, so that rows do not depend on how many others run beside
it; a training that was killed continues from its last checkpoint to the same weights.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor, nn

from gpu.backend import one_thread
from tasks.frankwolfe.compression.config import CompressionConfig, Kind
from tasks.frankwolfe.compression.items import IMP, CompressionWork, Trial, own_kinds
from tasks.frankwolfe.compression.methods import largest_rate
from tasks.frankwolfe.compression.training import Trained, dense_steps, retrain, train
from tasks.frankwolfe.layers import layer_rows
from tasks.frankwolfe.run import CHECKPOINTS, model_tensors, store_model
from tasks.nn import Fit, FitStatus, load_tensors
from tasks.nn.bench import Bench
from tasks.nn.benches import open_bench
from tasks.nn.files import check_fit, store_tensors
from tasks.nn.optimizers import FrankWolfe
from tasks.nn.sparsity import hold_masks, prunable_weights
from tasks.nn.sparsity.compression import (
    Compressing,
    Compression,
    compress,
    plan_compression,
    size_of,
    smaller_model,
)
from tasks.nn.sparsity.decomposition import TwoLayers
from tasks.nn.sparsity.low_rank import with_decomposed
from tasks.records.errors import InputError
from tasks.records.rows import FILES, Row, Rows
from tasks.records.status import Status
from tasks.records.volume import Volume
from tasks.records.work import Place

__all__ = [
    "compressed_rows",
    "compressing",
    "example_shape",
    "read_model",
    "smaller_of",
    "training_rows",
]

NUM_NORMS = 64


@dataclass(frozen=True, eq=False)
class Compressed:
    """A compressed model.

    Attributes
    ----------
    whole : Module
        With the compression in force on weights of the old shapes.
    smaller : Module
        The smaller one, which computes the same.
    compression : Compression
    fit : Fit
        Of the retraining, if there was one.
    """

    whole: nn.Module
    smaller: nn.Module
    compression: Compression
    fit: Fit | None = None


# --- trainings ----------------------------------------------------------------------------------


def training_rows(trial: Trial, place: Place) -> Rows:
    """Rows of ``models``, ``curve`` and ``layers`` of one training."""
    with one_thread():
        bench = open_bench(trial.config, place.device)
        running = f"{CHECKPOINTS}/running-{trial.key}"
        trained = train(trial, bench, f"{place.folder}/{running}")
        rows = _training_rows(trial, bench, trained, place.folder)
        _clean(place.folder, [f"{running}-{part}.safetensors" for part in (0, 1)])
    return rows


def _training_rows(trial: Trial, bench: Bench, trained: Trained, folder: str) -> Rows:
    place = {"item": trial.key, "method": trial.method, "replicate": trial.replicate}
    model, outcome = trained.model, trained.fit
    curve = [{**place, "step": p.step, "train_loss": p.loss, "rate": p.rate} for p in outcome.curve]
    row = {
        **place,
        "width": trial.width or None,
        "share": trial.share or None,
        "penalty": trial.penalty or None,
        "factor": trial.factor,
        "rate": largest_rate(trial),
        "steps": dense_steps(trial, bench),
    }
    if outcome.status != FitStatus.FINISHED:
        failed = {**row, "status": Status.FAILED, "reason": outcome.reason}
        return {"models": [failed], "curve": curve, "layers": []}
    bench.recalibrate(model)
    is_final = trial.replicate >= 0
    size = size_of(model, Compression(), example_shape(bench))
    regions = trained.optimizer.regions() if isinstance(trained.optimizer, FrankWolfe) else {}
    checkpoint = store_model(model, trial.method, regions, folder) if is_final else None
    found = {
        **row,
        "status": Status.OK,
        "reason": "",
        "checkpoint": checkpoint,
        "score": None if is_final else score(trial, bench, model),
        "gauge": _gauge(trained.optimizer),
        "parameters": size.parameters,
        "multiplications": size.multiplications,
        "bytes": size.num_bytes,
        **_measured(bench, model),
    }
    return {
        "models": [found],
        "curve": curve,
        "layers": [{**place, **each} for each in _layers(trained)] if is_final else [],
        FILES: [f"{CHECKPOINTS}/{checkpoint}.safetensors"] if checkpoint else [],
    }


def score(trial: Trial, bench: Bench, model: nn.Module) -> float:
    """Mean quality on validation data over the compressions that the method is for.

    A compression that fails counts as none, as does one that explains less than the mean (R^2 below
    0); pruning with retraining is judged by the dense network.
    """
    if trial.method == IMP:
        return bench.measure(model, corrupted=False).validation.quality
    found = []
    for kind in own_kinds(trial.method, trial.config):
        for ratio in trial.config.ratios:
            try:
                made = compressed(bench, model, compressing(trial.config, kind, ratio))
            except InputError:
                found.append(0.0)
                continue
            bench.recalibrate(made.smaller)
            quality = bench.measure(made.smaller, corrupted=False).validation.quality
            found.append(max(quality, 0.0) if math.isfinite(quality) else 0.0)
    return sum(found) / len(found)


def _layers(trained: Trained) -> Iterable[dict[str, Any]]:
    weights = prunable_weights(trained.model)
    for row in layer_rows(trained.model, trained.optimizer):
        norms = weights[row["layer"]].detach().double().flatten(1).norm(dim=1)
        largest = norms.max().clamp(min=1e-300)
        falling = (norms / largest).sort(descending=True).values[:NUM_NORMS]
        yield {**row, "filter_norms": falling.tolist()}


def _gauge(optimizer: torch.optim.Optimizer) -> float | None:
    if not isinstance(optimizer, FrankWolfe):
        return None
    return max(optimizer.feasibility().values())


# --- compressions -------------------------------------------------------------------------------


def compressed_rows(work: CompressionWork, place: Place, models: pa.Table) -> Rows:
    """The row of ``compressed`` of one network, kind and ratio."""
    [row] = models.to_pylist()
    with one_thread():
        bench = open_bench(work.config, place.device)
        model = read_model(bench, place.folder, row["checkpoint"])
        try:
            made = compressed(bench, model, compressing(work.config, work.kind, work.ratio))
        except InputError as error:
            failed = {"status": Status.FAILED, "reason": f"{error}"}
            return {"compressed": [{**known(work), **failed, "parent": row["checkpoint"]}]}
        uncalibrated = bench.measure(made.smaller, corrupted=False).test.quality
        running = f"{CHECKPOINTS}/running-{work.key}"
        files: list[str] = []
        if work.method == IMP:
            trial = _retraining_trial(work, row)
            made = retrained(trial, bench, made, work.key, f"{place.folder}/{running}")
        found = dict(_compressed_row(work, bench, made, row))
        if work.method == IMP and found["status"] == Status.OK:
            header = {"method": work.method, "kind": work.kind, "ratio": work.ratio}
            folder = f"{place.folder}/{CHECKPOINTS}"
            found["checkpoint"] = store_tensors(folder, model_tensors(made.whole), header).stem
            files = [f"{CHECKPOINTS}/{found['checkpoint']}.safetensors"]
        _clean(place.folder, [f"{running}.safetensors"])
    known_before = uncalibrated if math.isfinite(uncalibrated) else None
    return {"compressed": [{**found, "uncalibrated": known_before}], FILES: files}


def known(work: CompressionWork) -> Row:
    """What a row says before anything is made."""
    place = {"item": work.key, "method": work.method, "replicate": work.replicate}
    return {**place, "kind": work.kind, "ratio": work.ratio}


def compressing(config: CompressionConfig, kind: Kind, ratio: float) -> Compressing:
    """How the config compresses."""
    return Compressing(kind, ratio, config.ranking, config.by_layer)


def compressed(bench: Bench, model: nn.Module, how: Compressing) -> Compressed:
    """A trained network, compressed; it is left as it is.

    Raises
    ------
    InputError
        If it cannot be compressed so.
    """
    shape, whole = example_shape(bench), copy.deepcopy(model)
    plan = plan_compression(whole, how, shape)
    compress(whole, plan)
    return Compressed(whole, smaller_of(bench, whole, plan), plan)


def smaller_of(bench: Bench, whole: nn.Module, plan: Compression) -> nn.Module:
    """The smaller module; the model itself if single weights are gone, or nothing."""
    if plan.kept or plan.ranks:
        return smaller_model(whole, plan, example_shape(bench))
    return whole


def retrained(
    trial: Trial, bench: Bench, made: Compressed, name: str, checkpoint: str
) -> Compressed:
    """A compressed network after retraining.

    What is trained has the old shapes, masks in force, but two layers where ranks are low.
    """
    plan = made.compression
    network = with_decomposed(made.whole, plan.ranks, example_shape(bench))
    held = hold_masks(network, _masks_of_two(network, plan))
    outcome = retrain(trial, bench, network, name, checkpoint)
    held.release()
    whole = copy.deepcopy(made.whole)
    whole.load_state_dict(whole_weights(network, plan))
    return Compressed(whole, smaller_of(bench, whole, plan), plan, outcome)


@torch.no_grad()
def whole_weights(network: nn.Module, plan: Compression) -> dict[str, Tensor]:
    """State dict of the network before layers became two."""
    found = dict(network.state_dict())
    ours = {id(network.get_submodule(name)) for name in plan.ranks}
    # A layer that is used in several places has an entry for each of them.
    for name, two in network.named_modules(remove_duplicate=False):
        if id(two) not in ours:
            continue
        assert isinstance(two, TwoLayers)
        prefix = f"{name}." if name else ""
        for part in ("0", "1"):
            for entry in ("weight", "bias"):
                found.pop(f"{prefix}{part}.{entry}", None)
        found[f"{prefix}weight"] = two.weight.detach().clone()
        if two.bias is not None:
            found[f"{prefix}bias"] = two.bias.detach().clone()
    return found


def _masks_of_two(network: nn.Module, plan: Compression) -> dict[str, Tensor]:
    """Masks of a network in which layers have become two: rows of one, columns of the other."""
    masks = dict(plan.masks)
    parameters = dict(network.named_parameters())
    for name in plan.ranks:
        prefix = f"{name}." if name else ""
        mask = masks.pop(f"{prefix}weight", None)
        bias = masks.pop(f"{prefix}bias", None)
        if mask is not None:
            first, second = (parameters[f"{prefix}{part}.weight"] for part in ("0", "1"))
            rows = mask.flatten(1).any(1).reshape(-1, *[1] * (second.ndim - 1))
            columns = mask.any(0, keepdim=True)
            masks[f"{prefix}1.weight"] = rows.expand_as(second).clone()
            masks[f"{prefix}0.weight"] = columns.expand_as(first).clone()
        if bias is not None:
            masks[f"{prefix}1.bias"] = bias
    return masks


def _compressed_row(
    work: CompressionWork, bench: Bench, made: Compressed, parent: Mapping[str, Any]
) -> Row:
    outcome, plan = made.fit, made.compression
    row: Row = {
        **known(work),
        "status": Status.OK,
        "reason": "",
        "parent": parent["checkpoint"],
        "checkpoint": None,
        "energy": plan.energy,
        "ranks": list(plan.ranks.values()),
        "steps": outcome.curve[-1].step if outcome and outcome.curve else 0,
    }
    if outcome is not None and outcome.status != FitStatus.FINISHED:
        return {**row, "status": Status.FAILED, "reason": outcome.reason}
    bench.recalibrate(made.smaller)
    if outcome is not None and made.whole is not made.smaller:  # it is stored
        bench.recalibrate(made.whole)
    size = size_of(made.whole, plan, example_shape(bench))
    measured = _measured(bench, made.smaller)
    before, after = (_quality(each) for each in (parent, measured))
    # Of a network that explains less than the mean there is nothing to lose.
    is_known = before is not None and before > 0 and after is not None
    lost = (before - after) / before if is_known else None
    return {
        **row,
        "instability": lost,
        "parameters": size.parameters,
        "multiplications": size.multiplications,
        "bytes": size.num_bytes,
        **measured,
    }


def _quality(row: Mapping[str, Any]) -> float | None:
    return row.get("r2") if row.get("accuracy") is None else row["accuracy"]


def _retraining_trial(work: CompressionWork, row: Mapping[str, Any]) -> Trial:
    return Trial(
        work.config,
        work.method,
        penalty=row["penalty"] or 0.0,
        factor=row["factor"],
        replicate=work.replicate,
    )


# --- both ---------------------------------------------------------------------------------------


def read_model(bench: Bench, folder: str, checkpoint: str) -> nn.Module:
    """A stored network.

    Raises
    ------
    StoreError
        If its file is missing or damaged.
    """
    path = f"{folder}/{CHECKPOINTS}/{checkpoint}.safetensors"
    model = bench.new_model(0)
    weights = load_tensors(path).below("model.")
    check_fit(weights, model.state_dict(), path)
    model.load_state_dict(weights)
    return model


def example_shape(bench: Bench) -> Tensor:
    """Two training examples, which tell how a network is made up."""
    inputs, _ = bench.some_batch(2)
    return inputs


def _measured(bench: Bench, model: nn.Module) -> dict[str, Any]:
    measures = bench.measure(model, corrupted=False)
    return {n: v if v is None or math.isfinite(v) else None for n, v in measures.columns().items()}


def _clean(folder: str, names: Iterable[str]) -> None:
    volume = Volume.open(folder)
    for name in names:
        if volume.exists(name):
            volume.remove(name)
