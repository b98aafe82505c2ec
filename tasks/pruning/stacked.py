"""All members of a soup in one process: their weights stacked, one vectorized step for all.

With weights W (m, ...) of m members, the common mask M, and member-wise batches,

    loss_j = loss(f(W_j * M, x_j), y_j),     G_j = M * gradient at W_j * M,

followed by clipping and Nesterov's momentum per member, with rates and weight decays as vectors.
The mask is in the forward, so gradients of pruned weights are zero.  Normalizations keep statistics
per member (their buffers are stacked too).  Every member takes the steps that it would take alone,
up to rounding.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.nn.functional import cross_entropy

from tasks.nn import (
    Checkpoint,
    CurvePoint,
    DamagedFileError,
    Fit,
    FitStatus,
    Schedule,
    load_tensors,
    save_tensors,
)
from tasks.nn.data import Augmentation, training_batches
from tasks.nn.sparsity import Masks, apply_masks
from tasks.pruning.branches import Branch, Rates
from tasks.pruning.sparse_models import SparseModel, model_id
from tasks.pruning.workbench import Workbench
from tasks.records import fingerprint

logger = logging.getLogger(__name__)

MOMENTUM = 0.9
_CURVE_STEPS = 50
_CLIP_GUARD = 1e-6
"""Added to norms as in `torch.nn.utils.clip_grad_norm_`."""
Stack = dict[str, Tensor]


@dataclass
class StackedState:
    """What changes while members are trained together.

    Attributes
    ----------
    parameters, buffers, momenta : dict of Tensor (m, ...)
    step : int
    is_good : bool Tensor (m,)
        False for members whose loss or gradient was not finite; they stand still.
    """

    parameters: Stack
    buffers: Stack
    momenta: Stack
    is_good: Tensor
    step: int = 0
    curves: list[list[CurvePoint]] = field(default_factory=list)


def new_stack(model: nn.Module, count: int) -> StackedState:
    """`count` copies of a model at the beginning of a training."""

    def copies(tensors: Any) -> Stack:
        return {n: t.detach().expand(count, *t.shape).contiguous().clone() for n, t in tensors}

    parameters = copies(model.named_parameters())
    momenta = {name: torch.zeros_like(p) for name, p in parameters.items()}
    is_good = torch.ones(count, dtype=torch.bool, device=next(model.parameters()).device)
    return StackedState(
        parameters,
        copies(model.named_buffers()),
        momenta,
        is_good,
        curves=[[] for _ in range(count)],
    )


def stacked_step(
    model: nn.Module,
    state: StackedState,
    masks: Masks,
    batch: tuple[Tensor, Tensor],
    *,
    rates: Tensor,
    weight_decays: Tensor,
    clip: float,
    active: Tensor | None = None,
) -> Tensor:
    """One step of all members that are active and good; their losses (m,) before it.

    Parameters
    ----------
    model : torch.nn.Module
        Gives the forward pass; its own weights are not used.
    batch : (inputs (m, B, ...), labels (m, B))
    rates, weight_decays : Tensor (m,)
    active : bool Tensor (m,), optional
    """
    buffers = {name: value.clone() for name, value in state.buffers.items()}
    gradients, losses = _gradients(model, state.parameters, buffers, masks, batch)
    squares = [g.flatten(1).square().sum(dim=1) for g in gradients.values()]
    norms = torch.stack(squares).sum(dim=0).sqrt()
    finite = torch.isfinite(losses + norms)
    moves = state.is_good & finite if active is None else state.is_good & finite & active
    state.is_good = state.is_good & (finite if active is None else finite | ~active)
    scale = (clip / (norms + _CLIP_GUARD)).clamp(max=1.0)
    for name, weight in state.parameters.items():
        gradient = gradients[name] * _like(scale, weight) + _like(weight_decays, weight) * weight
        momentum = MOMENTUM * state.momenta[name] + gradient
        step = _like(rates, weight) * (gradient + MOMENTUM * momentum)
        mine = _like(moves, weight)
        # One order in memory, which is the one of files: sums depend on it.
        state.parameters[name] = torch.where(mine, weight - step, weight).contiguous()
        state.momenta[name] = torch.where(mine, momentum, state.momenta[name]).contiguous()
    for name, value in state.buffers.items():
        state.buffers[name] = torch.where(_like(moves, value), buffers[name], value)
    state.step += 1
    return losses


def retrain_stacked(
    bench: Workbench,
    pruned: SparseModel,
    branches: Sequence[Branch],
    rates: Rates,
    *,
    checkpoint: str | None = None,
) -> tuple[StackedState, list[Fit]]:
    """Train all members from the pruned network; normalization is not yet estimated anew.

    A checkpoint that is damaged, or of another training, is passed over with a warning.
    """
    apply_masks(pruned.model, pruned.masks)
    schedules = [rates.schedule(b.num_steps, b.rate_scale) for b in branches]
    state = new_stack(pruned.model, len(branches))
    plan = fingerprint([repr(branches), [repr(s) for s in schedules], model_id(pruned)])
    _resume(state, plan, checkpoint)
    pruned.model.train()
    lengths = torch.tensor([b.num_steps for b in branches], device=bench.device)
    decays = torch.tensor(
        [b.weight_decay for b in branches], dtype=torch.float64, device=bench.device
    )
    last = int(lengths.max())
    for batch in _batches(bench, branches, state.step, last):
        now = _rates(schedules, state.step).to(bench.device)
        losses = stacked_step(
            pruned.model,
            state,
            pruned.masks,
            batch,
            rates=now,
            weight_decays=decays,
            clip=bench.config.clip,
            active=state.step < lengths,
        )
        _note(state, branches, losses, now)
        if checkpoint and (state.step % bench.config.checkpoint_steps == 0 or state.step == last):
            _save(state, plan, checkpoint)
    return state, [_outcome(state, j) for j in range(len(branches))]


def unstacked(state: StackedState, number: int) -> Stack:
    """State dict of one member."""
    return {name: value[number] for name, value in (state.parameters | state.buffers).items()}


def _gradients(
    model: nn.Module,
    parameters: Stack,
    buffers: Stack,
    masks: Masks,
    batch: tuple[Tensor, Tensor],
) -> tuple[Stack, Tensor]:
    """Gradients and losses of all members; `buffers` are updated in place."""

    def loss(weights: Stack, statistics: Stack, inputs: Tensor, labels: Tensor) -> Tensor:
        seen = {n: w * masks[n] if n in masks else w for n, w in weights.items()}
        outputs = functional_call(model, (seen, statistics), (inputs,))
        return cross_entropy(outputs, labels)

    each = vmap(grad_and_value(loss), randomness="different")
    return each(parameters, buffers, *batch)


def _batches(
    bench: Workbench, branches: Sequence[Branch], start: int, until: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Every member's own batches, stacked."""
    augmentation = Augmentation(pad=bench.config.pad, flip=bench.config.flip)
    streams = [
        training_batches(
            bench.dataset, bench.config.batch, seed=b.seed, start=start, augmentation=augmentation
        )
        for b in branches
    ]
    for _ in range(start, until):
        inputs, labels = zip(*(next(stream) for stream in streams), strict=True)
        yield torch.stack(inputs), torch.stack(labels)


def _rates(schedules: Sequence[Schedule], step: int) -> Tensor:
    return torch.tensor([schedule.at(step) for schedule in schedules], dtype=torch.float64)


def _like(vector: Tensor, stack: Tensor) -> Tensor:
    """A vector (m,) that multiplies a stack (m, ...)."""
    typed = vector if vector.dtype == torch.bool else vector.to(stack.dtype)
    return typed.reshape(-1, *[1] * (stack.ndim - 1))


def _note(state: StackedState, branches: Sequence[Branch], losses: Tensor, rates: Tensor) -> None:
    for j, branch in enumerate(branches):
        is_due = state.step % _CURVE_STEPS == 0 or state.step == branch.num_steps
        if is_due and state.step <= branch.num_steps and bool(state.is_good[j]):
            state.curves[j].append(CurvePoint(state.step, float(losses[j]), float(rates[j])))


def _outcome(state: StackedState, number: int) -> Fit:
    curve = tuple(state.curves[number])
    if bool(state.is_good[number]):
        return Fit(FitStatus.FINISHED, "", curve)
    reason = f"member {number}: loss or gradient was not finite; lower the rate or clip more"
    return Fit(FitStatus.DIVERGED, reason, curve)


def _save(state: StackedState, plan: str, checkpoint: str) -> None:
    tensors = {"good": state.is_good}
    for kind in ("parameters", "buffers", "momenta"):
        tensors |= {f"{kind}.{name}": t for name, t in getattr(state, kind).items()}
    curves = [[[p.step, p.loss, p.rate] for p in curve] for curve in state.curves]
    save_tensors(checkpoint, tensors, {"plan": plan, "step": state.step, "curves": curves})


def _resume(state: StackedState, plan: str, checkpoint: str | None) -> None:
    stored = _saved(plan, checkpoint)
    if stored is None:
        return
    for kind in ("parameters", "buffers", "momenta"):
        stack = getattr(state, kind)
        for name in stack:
            stack[name] = stored.tensors[f"{kind}.{name}"].to(stack[name])
    state.is_good = stored.tensors["good"].to(state.is_good)
    state.step = stored.extra["step"]
    state.curves = [[CurvePoint(*p) for p in curve] for curve in stored.extra["curves"]]


def _saved(plan: str, checkpoint: str | None) -> Checkpoint | None:
    """What this training saved, if it is there and whole."""
    if checkpoint is None or not Path(checkpoint).exists():
        return None
    try:
        stored = load_tensors(checkpoint)
    except DamagedFileError as error:
        logger.warning("%s; it is removed, and the training starts anew", error)
        Path(checkpoint).unlink(missing_ok=True)
        return None
    if stored.extra.get("plan") == plan:
        return stored
    logger.warning("%s is of another training and passed over: this starts anew", checkpoint)
    return None
