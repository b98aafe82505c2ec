"""Ordinary steps for weights without a region: PyTorch's own AdamW and SGD, as functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, MutableMapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from tasks.records import InputError

OPTIONS = ("others_weight_decay", "others_betas", "others_momentum")
EPSILON = 1e-8


def settings(options: Mapping[str, Any], lr: float | Tensor, *, is_scaled: bool) -> dict[str, Any]:
    """Settings of a parameter group.

    Parameters
    ----------
    options : mapping
        ``others``, ``others_lr`` and those of `OPTIONS`.
    lr : float
        Rate of the optimizer.
    is_scaled : bool
        Whether the group has the rate ``others_lr``, as a factor of the optimizer's, so that a
        schedule that sets the latter moves both.

    Raises
    ------
    InputError
    """
    kind, rate = options["others"], options["others_lr"]
    if kind not in ("adamw", "sgd"):
        raise InputError(f"others must be adamw or sgd, not {kind!r}")
    if not (math.isfinite(rate) and rate >= 0):
        raise InputError(f"others_lr is finite and at least 0, not {rate}")
    found: dict[str, Any] = {"kind": kind, "maximize": bool(options.get("maximize", False))}
    if is_scaled:
        if not lr and rate:
            raise InputError("with lr 0 the other weights cannot have a rate of their own")
        found |= {"lr": rate, "lr_scale": float(rate / lr) if rate else 0.0}
    found["weight_decay"] = options.get("others_weight_decay", 0.01 if kind == "adamw" else 0.0)
    if kind == "adamw":
        found["betas"] = options.get("others_betas", (0.9, 0.999))
    else:
        found["momentum"] = options.get("others_momentum", 0.9)
    check(found)
    return found


def check(group: Mapping[str, Any]) -> None:
    """Refuse settings of a group that no step can take.

    Raises
    ------
    InputError
    """
    decay = group["weight_decay"]
    if not (math.isfinite(decay) and decay >= 0):
        raise InputError(f"a weight decay is finite and at least 0, not {decay}")
    if group["kind"] == "adamw":
        betas = group["betas"]
        is_pair = isinstance(betas, tuple | list) and len(betas) == 2
        if not (is_pair and all(0 <= beta < 1 for beta in betas)):
            raise InputError(f"betas are two numbers in [0, 1), not {betas}")
    elif not 0 <= group["momentum"] < 1:
        raise InputError(f"the momentum of others lies in [0, 1), not {group['momentum']}")


def step(group: Mapping[str, Any], state: MutableMapping[Tensor, dict[str, Any]]) -> None:
    """Move the weights of a group that have a gradient."""
    weights = [weight for weight in group["params"] if weight.grad is not None]
    if not weights:
        return
    gradients = [weight.grad for weight in weights]
    for weight in weights:
        if not state[weight]:
            state[weight] = _begun(group["kind"], weight)
    own = [state[weight] for weight in weights]
    is_fused = all(_lies_alike(*each) for each in zip(weights, gradients, own, strict=True))
    if group["kind"] == "adamw":
        beta1, beta2 = group["betas"]
        adamw(
            weights,
            gradients,
            [each["exp_avg"] for each in own],
            [each["exp_avg_sq"] for each in own],
            [],
            [each["step"] for each in own],
            foreach=not is_fused,
            fused=is_fused,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=EPSILON,
            maximize=group["maximize"],
        )
        return
    buffers = [each["momentum_buffer"] for each in own]
    sgd(
        weights,
        gradients,
        buffers,
        foreach=not is_fused,
        fused=is_fused,
        weight_decay=group["weight_decay"],
        momentum=group["momentum"],
        lr=group["lr"],
        dampening=0.0,
        nesterov=False,
        maximize=group["maximize"],
    )


def _lies_alike(weight: Tensor, gradient: Tensor, state: Mapping[str, Any]) -> bool:
    """Whether PyTorch's fused steps on the CPU, which do not look at strides, may be taken."""
    moments = [t for t in state.values() if isinstance(t, Tensor) and t.dim() == weight.dim() > 0]
    order = sorted(range(weight.dim()), key=lambda d: -weight.stride(d))
    is_dense = weight.permute(order).is_contiguous() and weight.dim() > 0
    is_alike = all(t.stride() == weight.stride() for t in (gradient, *moments))
    return weight.device.type == "cpu" and is_dense and is_alike


def _begun(kind: str, weight: Tensor) -> dict[str, Any]:
    if kind == "sgd":
        return {"momentum_buffer": torch.zeros_like(weight)}
    return {
        "step": torch.tensor(0.0),
        "exp_avg": torch.zeros_like(weight),
        "exp_avg_sq": torch.zeros_like(weight),
    }
