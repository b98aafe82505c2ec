"""Which optimizer and which gradients a method is, and at which rate."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from tasks.frankwolfe.adaptive.networks.estimates import ReducedState
from tasks.frankwolfe.adaptive.networks.items import Cost, NetworkTrial
from tasks.nn import TrainingState, sgd
from tasks.nn.optimizers import FrankWolfe
from tasks.nn.regions import REGIONS
from tasks.nn.regions.sparse_norms import WithCount
from tasks.nn.schedules import Schedule
from tasks.nn.training import seeded_generator
from tasks.nn.workbench import Workbench
from tasks.records import derive_seed

SHARES = {"adamw": 0.01, "momentum_sfw": 10.0, "adasfw": 0.1, "adamsfw": 0.01}
"""Rates of some methods over those of SGD: an adaptive step moves entries by about its rate, and
the momentum of `momentum_sfw` is a mean, a tenth of the sum that SGD's momentum 0.9 is."""
ADAPTIVE = ("adasfw", "adamsfw")


def largest_rate(trial: NetworkTrial) -> float:
    """Of the schedule."""
    return trial.factor * trial.config.learning_rate * SHARES.get(trial.method, 1.0)


def optimizer_of(trial: NetworkTrial, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of a trial for a network; svrf and spider take steps of sfw.

    With a region, the weights that cannot have it are trained by AdamW at a hundredth of
    `learning_rate`, whatever the rate of the region.

    Raises
    ------
    InputError
        If no weight can have the region.
    """
    config, rate = trial.config, largest_rate(trial)
    if trial.method == "sgd":
        return sgd(model, rate=rate, weight_decay=config.weight_decay)
    if trial.method == "adamw":
        return torch.optim.AdamW(model.parameters(), lr=rate)
    is_counted = issubclass(REGIONS[config.region], WithCount)
    inner: dict[str, Any] = {"inner_steps": config.inner_steps} if trial.method in ADAPTIVE else {}
    return FrankWolfe(
        model,
        region=config.region,
        preset="sfw" if trial.is_reduced else trial.method,
        lr=rate,
        width=config.width,
        k=config.share if is_counted else None,
        others_lr=SHARES["adamw"] * config.learning_rate,
        **inner,
    )


def cost_of(trial: NetworkTrial, bench: Workbench) -> Cost:
    """What its steps take."""
    period = max(round(trial.config.snapshot_epochs * bench.steps_per_epoch), 1)
    examples = len(bench.dataset.train)
    return Cost(trial.config.batch_size, examples, period if trial.is_reduced else 0)


def num_steps(trial: NetworkTrial, bench: Workbench) -> int:
    """Steps with as many gradients as those of all methods."""
    budget = bench.num_steps(trial.config.epochs) * trial.config.batch_size
    return cost_of(trial, bench).steps_within(budget)


def state_of(
    trial: NetworkTrial,
    bench: Workbench,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    seed: int,
) -> TrainingState:
    """A training that begins, with the gradients of the method."""
    generator = seeded_generator(seed)
    if not trial.is_reduced:
        return TrainingState(model, optimizer, schedule, generator=generator)
    return ReducedState(
        model,
        optimizer,
        schedule,
        generator=generator,
        whole=partial(whole_batches, bench, derive_seed(seed, "whole")),
        estimate=trial.method,  # pyrefly: ignore[bad-argument-type] - one of both
        period=cost_of(trial, bench).period,
    )


def whole_batches(bench: Workbench, seed: int) -> Iterator[tuple[tuple[Tensor, Tensor], int]]:
    """All training examples in a fixed order, in batches that differ by at most one in size."""
    data = bench.dataset
    count = max(len(data.train) // bench.config.batch_size, 1)
    order = torch.randperm(len(data.train), generator=seeded_generator(seed))
    for rows in order.to(data.train.inputs.device).tensor_split(count):
        inputs = data.normalized(data.train.inputs[rows])
        yield (inputs, data.wanted(data.train.targets[rows])), len(rows)


def rehearse(trial: NetworkTrial) -> None:
    """Refuse a trial whose network, batches and region do not fit together.

    Raises
    ------
    InputError
    """
    bench = Workbench.open(trial.config)
    bench.num_steps(trial.config.epochs)
    optimizer_of(trial, bench.new_model(0))
