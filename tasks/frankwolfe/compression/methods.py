"""Which optimizer, loss and proximal step a method is, and at which rate.

Regions are on the weights of hidden layers, those that `FrankWolfe` would constrain of a model by
itself; biases, normalizations and the last layer are in L2 balls, as in arXiv:2205.11921.  All have
the diameter 2 w E|theta|, w the width factor, theta the parameter as it is at initialization.

During the first `lmo_delay` epochs k counts everything.  The hull of vertices with all entries,
filters or singular values is a ball: an L2 ball for k-support norms, a cube for `k_sparse`, a
spectral ball for `spectral_k_sparse`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tasks.frankwolfe.compression.items import Trial, is_penalty
from tasks.frankwolfe.compression.penalties import (
    group_norms,
    nuclear_norms,
    penalized,
    shrink_singular_values,
)
from tasks.nn import sgd
from tasks.nn.optimizers import FrankWolfe
from tasks.nn.optimizers.options import rule_from
from tasks.nn.optimizers.routing import Constrained, RegionRule, routed
from tasks.nn.regions import L2Ball
from tasks.nn.training import Loss
from tasks.records import InputError

__all__ = [
    "hidden_matrices",
    "largest_rate",
    "loss_of",
    "new_optimizer",
    "take_over",
    "weight_decay",
]

MEAN, SHARE = 10.0, 0.1
"""Rates over those of SGD: the momentum is a mean, a tenth of the sum that SGD's momentum 0.9 is;
steps that are not rescaled are shares of the way."""
WHOLE = {
    "k_sparse": "linf",
    "spectral_k_sparse": "spectral",
    "group_k_support": "l2",
    "k_support": "l2",
    "spectral_k_support": "l2",
}
"""What regions are whose k counts everything."""
PRESET = "momentum_sfw"


def largest_rate(trial: Trial) -> float:
    """Of the schedule."""
    scale = (SHARE if trial.is_plain else MEAN) if trial.region else 1.0
    return trial.factor * trial.config.learning_rate * scale


def weight_decay(trial: Trial) -> float:
    """Of SGD."""
    is_chosen = trial.penalty and not is_penalty(trial.method)
    return trial.penalty if is_chosen else trial.config.weight_decay


def new_optimizer(
    trial: Trial, model: nn.Module, *, is_delayed: bool = False
) -> torch.optim.Optimizer:
    """The optimizer of a trial for a network; with `is_delayed` that of its first epochs.

    Raises
    ------
    InputError
        If no weight can have the region.
    """
    rate = largest_rate(trial)
    if not trial.region:
        optimizer = sgd(model, rate=rate, weight_decay=weight_decay(trial))
        if trial.method == "nuclear_prox":
            optimizer.register_step_post_hook(_proximal_step(trial, model))
        return optimizer
    changes: dict[str, Any] = {"rescaling": "none"} if trial.is_plain else {}
    groups = [
        {"params": [(each.name, each.weight) for each in part], "constrained": part}
        for part in _constrained(trial, model, is_delayed=is_delayed)
        if part
    ]
    return FrankWolfe(groups, preset=PRESET, lr=rate, **changes)


def _constrained(
    trial: Trial, model: nn.Module, *, is_delayed: bool
) -> tuple[list[Constrained], list[Constrained]]:
    """Weights with the region, and all other parameters in L2 balls."""
    options: dict[str, Any] = {"region": trial.region, "preset": PRESET, "width": trial.width}
    if is_delayed:
        options["region"] = WHOLE.get(trial.region, trial.region)
    elif trial.share:
        options["k"] = trial.share
    inside, others, reason = routed(model, rule_from(options))
    if not inside:
        raise InputError(
            f"no weight of {type(model).__name__} can have a region {trial.region}: "
            f"{reason or 'it has no layer to compress but the last'}"
        )
    ball = RegionRule(L2Ball(), width=trial.width)
    owners = _owners(model)
    rest = [ball.applied(name, weight, owners[weight]) for name, weight in others]
    return inside, rest


def take_over(new: torch.optim.Optimizer, old: torch.optim.Optimizer) -> None:
    """Give an optimizer the momenta of another one of the same weights."""
    for weight, kept in old.state.items():
        new.state[weight].update({n: v for n, v in kept.items() if n not in ("start", "step")})


def loss_of(trial: Trial, loss: Loss, model: nn.Module) -> Loss:
    """The loss that is trained: with the penalty of the method."""
    penalties: dict[str, Callable[[Sequence[Tensor]], Tensor]] = {
        "group_penalty": group_norms,
        "nuclear_penalty": nuclear_norms,
    }
    if trial.method not in penalties:
        return loss
    return penalized(
        loss, penalties[trial.method], trial.penalty, lambda: list(hidden_matrices(model).values())
    )


def hidden_matrices(model: nn.Module) -> dict[nn.Parameter, Tensor]:
    """Weights of hidden layers as (groups, c_out / groups, inputs), in their order."""
    inside, _, _ = routed(model, RegionRule(L2Ball()))
    owners = _owners(model)
    groups = {each.weight: getattr(owners[each.weight], "groups", 1) for each in inside}
    return {w: w.reshape(count, -1, w[0].numel()) for w, count in groups.items()}


def _owners(model: nn.Module) -> dict[Tensor, nn.Module]:
    owners: dict[Tensor, nn.Module] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            owners.setdefault(parameter, module)
    return owners


def _proximal_step(trial: Trial, model: nn.Module) -> Any:
    def shrink(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        threshold = optimizer.param_groups[0]["lr"] * trial.penalty
        with torch.no_grad():
            for weight, matrices in hidden_matrices(model).items():
                weight.copy_(shrink_singular_values(matrices, threshold).reshape(weight.shape))

    return shrink
