"""One training of the study `compression-aware`, and what comes after a pruning.

A training with `lmo_delay` has two parts, with an optimizer for each: the second one takes over
momenta and schedule of the first, and the weights enter their smaller regions in between.  Each
part has a checkpoint of its own, so that a training that was killed ends in the same weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import nn

from tasks.frankwolfe.compression.items import IMP, Trial
from tasks.frankwolfe.compression.methods import (
    largest_rate,
    loss_of,
    new_optimizer,
    take_over,
    weight_decay,
)
from tasks.frankwolfe.items import CHOICE
from tasks.nn import Fit, FitStatus, TrainingState, fit, retraining_schedule, sgd
from tasks.nn.bench import Bench
from tasks.nn.files import tensors_digest
from tasks.nn.optimizers import FrankWolfe
from tasks.nn.training import seeded_generator
from tasks.records import derive_seed

__all__ = ["Trained", "dense_steps", "retrain", "train"]

NUM_POINTS, FEW_POINTS = 40, 10
_ID_DIGITS = 16


@dataclass(frozen=True, eq=False)
class Trained:
    """A training at its end."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    fit: Fit


def dense_steps(trial: Trial, bench: Bench) -> int:
    """Steps of the training; those of a retraining, of which there are as many, not included."""
    total = bench.num_steps(trial.config.epochs)
    return total - retraining_steps(trial, bench) if trial.method == IMP else total


def retraining_steps(trial: Trial, bench: Bench) -> int:
    """Steps after a pruning."""
    total = bench.num_steps(trial.config.epochs)
    return min(max(round(trial.config.retrain_share * total), 1), max(total - 1, 1))


def train(trial: Trial, bench: Bench, checkpoint: str = "") -> Trained:
    """Train the network of a repetition; `checkpoint` begins the names of its files.

    Weights that start outside of their regions enter.
    """
    model = bench.new_model(trial.replicate + 1)
    steps, digest = dense_steps(trial, bench), tensors_digest(model.state_dict())[:_ID_DIGITS]
    delay = bench.num_steps(trial.config.lmo_delay) if trial.config.lmo_delay else 0
    delay = min(delay, steps - 1) if trial.region else 0
    schedule = bench.dense_schedule(steps, largest_rate(trial))
    seed = derive_seed(trial.config.seed, "compression-aware", trial.replicate + 1)
    optimizer = _entered(new_optimizer(trial, model, is_delayed=bool(delay)))
    state = TrainingState(model, optimizer, schedule, generator=seeded_generator(seed))
    loss = loss_of(trial, bench.objective.of_model, model)
    points = FEW_POINTS if trial.replicate == CHOICE else NUM_POINTS
    curve: tuple = ()
    for part, until in enumerate((delay, steps) if delay else (steps,)):
        if part:
            optimizer = new_optimizer(trial, model)
            take_over(optimizer, state.optimizer)
            state.optimizer = _entered(optimizer)
        file = f"{checkpoint}-{part}.safetensors" if checkpoint else None
        plan = bench.fit_plan(until, checkpoint=file, origin=f"{trial.key}-{part}-{digest}")
        plan = replace(plan, curve_steps=max(steps // points, 1))
        outcome = fit(state, bench.batches(seed), loss, plan)
        curve += outcome.curve
        if outcome.status != FitStatus.FINISHED:
            break
    return Trained(model, state.optimizer, replace(outcome, curve=curve))


def retrain(trial: Trial, bench: Bench, model: nn.Module, name: str, checkpoint: str = "") -> Fit:
    """Train a compressed network further, masks in force, with a linear rate (LLR)."""
    steps, original = retraining_steps(trial, bench), dense_steps(trial, bench)
    rate = largest_rate(trial)
    schedule = retraining_schedule("llr", bench.dense_schedule(original, rate), original, steps)
    seed = derive_seed(trial.config.seed, "compression-aware", trial.replicate + 1, name)
    optimizer = sgd(model, rate=rate, weight_decay=weight_decay(trial))
    state = TrainingState(model, optimizer, schedule, generator=seeded_generator(seed))
    digest = tensors_digest(model.state_dict())[:_ID_DIGITS]
    file = f"{checkpoint}.safetensors" if checkpoint else None
    plan = bench.fit_plan(steps, checkpoint=file, origin=f"{name}-{digest}")
    return fit(state, bench.batches(seed), bench.objective.of_model, plan)


def _entered(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    if isinstance(optimizer, FrankWolfe):
        optimizer.enter()
    return optimizer
