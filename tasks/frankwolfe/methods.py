"""Which optimizer a method is, and at which rate."""

from __future__ import annotations

import torch
from torch import nn

from tasks.frankwolfe.items import Trial
from tasks.nn import sgd
from tasks.nn.benches import open_bench
from tasks.nn.optimizers import FrankWolfe
from tasks.nn.regions import REGIONS
from tasks.nn.regions.sparse_norms import WithCount

SHARES = {"adamw": 0.01, "muon": 0.2}
"""Rates of some methods over those of SGD."""
PRESETS = {"momentum_sfw": 10.0, "scion": 0.1}
"""The same for constrained weights: the momentum of `momentum_sfw` is a mean, a tenth of the sum
that SGD's momentum 0.9 is; steps of `scion` are shares of the way."""


def largest_rate(trial: Trial) -> float:
    """Of the schedule."""
    if trial.is_region:
        share = PRESETS.get(trial.config.preset, 1.0)
    else:
        share = SHARES.get(trial.method, 1.0)
    return trial.factor * trial.config.learning_rate * share


def optimizer_of(trial: Trial, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of a trial for a network.

    With a region, the weights that cannot have it are trained by AdamW at a hundredth of
    `learning_rate`, whatever the rate of the region, as are Muon's others.

    Raises
    ------
    InputError
        If no weight can have the region.
    """
    config, rate = trial.config, largest_rate(trial)
    decay = config.weight_decay
    if trial.method in ("sgd", "sgd_decay"):
        return sgd(model, rate=rate, weight_decay=decay if trial.method == "sgd_decay" else 0.0)
    if trial.method == "adamw":
        return torch.optim.AdamW(model.parameters(), lr=rate)
    others = SHARES["adamw"] * config.learning_rate
    if trial.method == "muon":
        return FrankWolfe(
            model,
            preset="muon",
            oracle="newton_schulz",
            lr=rate,
            weight_decay=0.1,
            others_lr=others,
        )
    return FrankWolfe(
        model,
        region=trial.method,
        preset=config.preset,
        lr=rate,
        width=trial.width,
        k=config.share if issubclass(REGIONS[trial.method], WithCount) else None,
        others_lr=others,
    )


def rehearse(trial: Trial) -> None:
    """Refuse a trial whose network, batches and region do not fit together.

    Raises
    ------
    InputError
    """
    bench = open_bench(trial.config)
    bench.num_steps(trial.config.epochs)
    optimizer_of(trial, bench.new_model(0))
