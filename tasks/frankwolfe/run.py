"""One training of the study `frank-wolfe`: rows and the file of the model.

On the CPU a training runs on one thread, so that its rows do not depend on how many others run
beside it; one that was killed continues from its last checkpoint to the same weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from gpu.backend import one_thread
from tasks.frankwolfe.items import CHOICE, Trial
from tasks.frankwolfe.layers import filter_rows, layer_rows
from tasks.frankwolfe.methods import largest_rate, optimizer_of
from tasks.frankwolfe.robustness import certify, is_perceptron, lipschitz_of
from tasks.nn import (
    Fit,
    FitStatus,
    StepReport,
    TrainingState,
    evaluating,
    fit,
)
from tasks.nn.bench import Bench
from tasks.nn.benches import open_bench
from tasks.nn.files import store_tensors, tensors_digest
from tasks.nn.objectives import CLASSIFICATION
from tasks.nn.optimizers import FrankWolfe
from tasks.nn.training import seeded_generator
from tasks.nn.workbench import Workbench
from tasks.records import derive_seed
from tasks.records.rows import FILES, Rows
from tasks.records.status import Status
from tasks.records.volume import Volume
from tasks.records.work import Place

CHECKPOINTS = "checkpoints"
"""Folder of models within that of the run."""
NUM_POINTS, FEW_POINTS = 40, 10
"""Points of a curve, at least; of trainings to choose by, which nobody draws."""
_ID_DIGITS = 16


@dataclass(frozen=True, eq=False)
class Trained:
    """A training at its end.

    Attributes
    ----------
    model : Module
    optimizer : Optimizer
    fit : Fit
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    fit: Fit


def training_rows(trial: Trial, place: Place) -> Rows:
    """Rows of ``models``, ``curve``, ``layers``, ``filters`` and ``certified`` of one training."""
    with one_thread():
        bench = open_bench(trial.config, place.device)
        running = f"{CHECKPOINTS}/running-{trial.key}.safetensors"
        trained = train(trial, bench, f"{place.folder}/{running}")
        rows = _rows(trial, bench, trained, place.folder)
        volume = Volume.open(place.folder)
        if volume.exists(running):
            volume.remove(running)
    return rows


def train(trial: Trial, bench: Bench, checkpoint: str | None = None) -> Trained:
    """Train the network of a repetition; weights that start outside of their regions enter."""
    seed = derive_seed(trial.config.seed, "frank-wolfe", trial.replicate + 1)
    model = bench.new_model(trial.replicate + 1)
    optimizer = optimizer_of(trial, model)
    if isinstance(optimizer, FrankWolfe):
        optimizer.enter()
    steps = bench.num_steps(trial.config.epochs)
    schedule = bench.dense_schedule(steps, largest_rate(trial))
    state = TrainingState(model, optimizer, schedule, generator=seeded_generator(seed))
    origin = tensors_digest(model.state_dict())[:_ID_DIGITS]
    plan = bench.fit_plan(steps, checkpoint=checkpoint, origin=f"{trial.key}-{origin}")
    points = FEW_POINTS if trial.replicate == CHOICE else NUM_POINTS
    plan = replace(plan, curve_steps=max(steps // points, 1))

    def measure(_: Sequence[StepReport]) -> dict[str, float]:
        return gap_and_gauge(trial, bench, model, optimizer)

    outcome = fit(state, bench.batches(seed), bench.objective.of_model, plan, measure=measure)
    return Trained(model, optimizer, outcome)


def gap_and_gauge(
    trial: Trial, bench: Bench, model: nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, float]:
    """Gap on some training images, and the largest gauge; nothing without regions."""
    if not trial.is_region or not isinstance(optimizer, FrankWolfe):
        return {}
    return measured_gap(bench, model, optimizer, trial.config.gap_images)


def measured_gap(
    bench: Bench, model: nn.Module, optimizer: FrankWolfe, count: int
) -> dict[str, float]:
    """Gap on so many training images, and the largest gauge."""
    batch = bench.some_batch(count)
    with evaluating(model):
        gap = optimizer.gap(bench.objective.of_model, [batch]).total
    return {"gap": gap, "gauge": max(optimizer.feasibility().values())}


def _rows(trial: Trial, bench: Bench, trained: Trained, folder: str) -> Rows:
    place = {"item": trial.key, "method": trial.method, "replicate": trial.replicate}
    model, outcome = trained.model, trained.fit
    curve = [
        {**place, "step": p.step, "train_loss": p.loss, "rate": p.rate, **p.measures}
        for p in outcome.curve
    ]
    row = {
        **place,
        "width": trial.width if trial.is_region else None,
        "rate": largest_rate(trial),
        "steps": bench.num_steps(trial.config.epochs),
    }
    if outcome.status != FitStatus.FINISHED:
        failed = {**row, "status": Status.FAILED, "reason": outcome.reason}
        return {"models": [failed], "curve": curve, "layers": [], "filters": [], "certified": []}
    bench.recalibrate(model)
    is_final = trial.replicate >= 0
    measures = bench.measure(model, corrupted=is_final)
    checkpoint = _stored(trial, trained, folder) if is_final else None
    found = {
        **row,
        "status": Status.OK,
        "reason": "",
        "checkpoint": checkpoint,
        **measures.columns(),
        "loss": _finite(measures.test.loss),
        "validation_loss": _finite(measures.validation.loss),
        **gap_and_gauge(trial, bench, model, trained.optimizer),
        **_lipschitz(trained, bench),
    }
    return {
        "models": [found],
        "curve": curve,
        "layers": [{**place, **each} for each in layer_rows(model, trained.optimizer)],
        "filters": [{**place, **each} for each in _filters(trial, bench, model)],
        "certified": _certified(trial, bench, model, place) if is_final else [],
        FILES: [f"{CHECKPOINTS}/{checkpoint}.safetensors"] if checkpoint else [],
    }


def model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """What the file of a model holds."""
    return {f"model.{name}": value for name, value in model.state_dict().items()}


def _filters(trial: Trial, bench: Bench, model: nn.Module) -> Iterable[dict[str, Any]]:
    shape = bench.image_shape
    return filter_rows(model, shape) if shape and trial.replicate == 0 else ()


def _stored(trial: Trial, trained: Trained, folder: str) -> str:
    optimizer = trained.optimizer
    regions = optimizer.regions() if isinstance(optimizer, FrankWolfe) and trial.is_region else {}
    return store_model(trained.model, trial.method, regions, folder)


def store_model(model: nn.Module, method: str, regions: Mapping[str, Any], folder: str) -> str:
    """Write a model with its regions; its id."""
    header = {"method": method, "regions": dict(regions)}
    return store_tensors(f"{folder}/{CHECKPOINTS}", model_tensors(model), header).stem


def _lipschitz(trained: Trained, bench: Bench) -> dict[str, float]:
    """L of a perceptron, and L with radii in place of the norms of weights in spectral balls."""
    if not (isinstance(bench, Workbench) and is_perceptron(trained.model)):
        return {}
    whole = lipschitz_of(trained.model, bench.dataset)
    found = {"lipschitz": whole}
    if isinstance(trained.optimizer, FrankWolfe):
        regions = trained.optimizer.regions().values()
        balls = [each["region"] for each in regions if each["region"]["name"] == "spectral"]
        if balls:
            gauges = trained.optimizer.feasibility().values()
            found["lipschitz_by_radii"] = whole / math.prod(gauges)
    return found


def _certified(
    trial: Trial, bench: Bench, model: nn.Module, place: Mapping[str, Any]
) -> list[dict[str, Any]]:
    radii = trial.config.certified_radii
    has_classes = bench.objective is CLASSIFICATION
    if not (isinstance(bench, Workbench) and has_classes and is_perceptron(model) and radii):
        return []
    found = certify(model, bench.dataset, radii).accuracies
    return [{**place, "radius": r, "accuracy": a} for r, a in zip(radii, found, strict=True)]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
