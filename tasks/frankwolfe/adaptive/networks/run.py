"""One training of the study `adaptive-networks`: rows and the file of the model.

On the CPU a training runs on one thread, so that its rows do not depend on how many others run
beside it; one that was killed continues from its last checkpoint to the same weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from gpu.backend import one_thread
from tasks.frankwolfe.adaptive.networks.items import CHOICE, NetworkTrial
from tasks.frankwolfe.adaptive.networks.methods import (
    cost_of,
    largest_rate,
    num_steps,
    optimizer_of,
    state_of,
    whole_batches,
)
from tasks.frankwolfe.run import CHECKPOINTS, Trained, measured_gap, store_model
from tasks.nn import FitStatus, StepReport, evaluating, fit
from tasks.nn.files import tensors_digest
from tasks.nn.optimizers import FrankWolfe
from tasks.nn.workbench import Workbench
from tasks.records import derive_seed
from tasks.records.rows import FILES, Rows
from tasks.records.status import Status
from tasks.records.volume import Volume
from tasks.records.work import Place

NUM_POINTS, FEW_POINTS = 30, 5
"""Points of a curve, at least; of trainings to choose by, which nobody draws."""
_ID_DIGITS = 16


def network_rows(work: NetworkTrial, place: Place) -> Rows:
    """Rows of ``models`` and ``curve`` of one training."""
    with one_thread():
        bench = Workbench.open(work.config, place.device)
        running = f"{CHECKPOINTS}/running-{work.key}.safetensors"
        trained = train(work, bench, f"{place.folder}/{running}")
        rows = _rows(work, bench, trained, place.folder)
        volume = Volume.open(place.folder)
        if volume.exists(running):
            volume.remove(running)
    return rows


def train(work: NetworkTrial, bench: Workbench, checkpoint: str | None = None) -> Trained:
    """Train the network of a repetition; weights that start outside of their regions enter.

    All methods of a repetition have the same network before training, and the same batches.
    """
    seed = derive_seed(work.config.seed, "adaptive-networks", work.replicate + 1)
    model = bench.new_model(work.replicate + 1)
    optimizer = optimizer_of(work, model)
    if isinstance(optimizer, FrankWolfe):
        optimizer.enter()
    steps = num_steps(work, bench)
    schedule = bench.dense_schedule(steps, largest_rate(work))
    state = state_of(work, bench, model, optimizer, schedule, seed)
    origin = tensors_digest(model.state_dict())[:_ID_DIGITS]
    plan = bench.fit_plan(steps, checkpoint=checkpoint, origin=f"{work.key}-{origin}")
    points = FEW_POINTS if work.replicate == CHOICE else NUM_POINTS
    plan = replace(plan, curve_steps=max(steps // points, 1))

    def measure(_: Sequence[StepReport]) -> dict[str, float]:
        return _along_the_way(work, bench, model, optimizer)

    found = fit(state, bench.batches(seed), bench.objective.of_model, plan, measure=measure)
    return Trained(model, optimizer, found)


def _along_the_way(
    work: NetworkTrial, bench: Workbench, model: nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, float]:
    """Losses and quality of a model that is being trained."""
    found = bench.evaluate(model, bench.dataset.validation)
    with evaluating(model), torch.no_grad():
        loss = bench.objective.of_model(model, bench.some_batch(work.config.gap_images))
    measures = {
        "train_loss": float(loss),
        "validation_loss": found.loss,
        "validation_quality": found.quality,
    }
    if isinstance(optimizer, FrankWolfe):
        measures["gauge"] = max(optimizer.feasibility().values())
    return measures


def _rows(work: NetworkTrial, bench: Workbench, trained: Trained, folder: str) -> Rows:
    place = {"item": work.key, "method": work.method, "replicate": work.replicate}
    model, optimizer, outcome = trained.model, trained.optimizer, trained.fit
    cost, steps = cost_of(work, bench), num_steps(work, bench)
    curve = [
        {
            **place,
            "step": p.step,
            "evaluations": cost.after(p.step),
            "passes": cost.after(p.step) / cost.whole,
            "rate": p.rate,
            "batch_loss": p.loss,
            **{name: _finite(value) for name, value in p.measures.items()},
        }
        for p in outcome.curve
    ]
    row: dict[str, Any] = {
        **place,
        "rate": largest_rate(work),
        "steps": steps,
        "evaluations": cost.after(steps),
        "snapshots": cost.snapshots(steps),
    }
    if outcome.status != FitStatus.FINISHED:
        return {
            "models": [{**row, "status": Status.FAILED, "reason": outcome.reason}],
            "curve": curve,
        }
    bench.recalibrate(model)
    is_final = work.replicate >= 0
    measures = bench.measure(model, corrupted=is_final)
    constrained = optimizer if isinstance(optimizer, FrankWolfe) else None
    regions = constrained.regions() if constrained else {}
    checkpoint = store_model(model, work.method, regions, folder) if is_final else None
    gap = measured_gap(bench, model, constrained, work.config.gap_images) if constrained else {}
    found = {
        **row,
        "status": Status.OK,
        "reason": "",
        "checkpoint": checkpoint,
        **measures.columns(),
        "loss": _finite(measures.test.loss),
        "validation_loss": _finite(measures.validation.loss),
        "train_loss": _finite(_loss_of_all(bench, model)),
        **gap,
    }
    files = [f"{CHECKPOINTS}/{checkpoint}.safetensors"] if checkpoint else []
    return {"models": [found], "curve": curve, FILES: files}


@torch.no_grad()
def _loss_of_all(bench: Workbench, model: nn.Module) -> float:
    """Mean loss over the training examples, evaluated."""
    total = 0.0
    with evaluating(model):
        for batch, size in whole_batches(bench, 0):
            total += size * float(bench.objective.of_model(model, batch))
    return total / len(bench.dataset.train)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
