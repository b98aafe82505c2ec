"""Retraining of a pruned language model on text: few parameters, or all of them.

    theta_S <- argmin over theta_S of the mean loss on batches,    W = M * W throughout,

by AdamW with a learning rate that rises in the first tenth of the steps and then falls linearly to
zero.  Dropout is off by default.  The training is `tasks.nn.fit`: it is resumable, and a checkpoint
holds what is trained, its moments, and nothing else.

References
----------
Zimmer et al., PERP, arXiv:2312.15230, section 2 and appendix (settings of retraining).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tasks.nn import (
    Batches,
    Fit,
    FitPlan,
    FitStatus,
    Linear,
    Schedule,
    TrainingState,
    evaluating,
    fit,
    num_rises,
    seeded_generator,
    warmed_up,
)
from tasks.nn.sparsity import apply_masks, check_masks, hold_masks
from tasks.pruning.language.adapters.attaching import Attached, attach
from tasks.pruning.language.adapters.trainees import (
    Trainees,
    recomputing,
    select,
    training_flags,
    without_cache,
)
from tasks.pruning.language.methods import Method, parse_method
from tasks.pruning.language.models.subsets import head_weight, num_parameters, trained_names
from tasks.records import InputError, derive_seed, fingerprint

__all__ = ["Retrained", "Retraining", "adamw", "falling_rate", "retrain"]

TokenLoss = Callable[[nn.Module, Any], Tensor]


@dataclass(frozen=True)
class Retraining:
    """Settings of a retraining; defaults are those of PERP.

    Attributes
    ----------
    num_steps : int
    rate : float
        Largest learning rate.
    rank : int
    alpha : float
        Of adapters: their products count alpha / rank times.
    weight_decay : float
    warm_up : float
        Share of the steps in which the rate rises.
    clip : float or None
        Largest norm of the gradient.
    accumulation : int
        Batches per step.
    mixed_precision : bool
        Forward in bfloat16; so it is in any case if norms, biases or all parameters of a model in
        half precision are trained, which is done in float32.
    dropout : bool
        Whether the dropout of the model's configuration is on.
    checkpointing : bool
        Whether activations inside blocks are computed again for the backward pass.
    seed : int
        Of adapters and dropout.
    checkpoint : path, URI or None
        Of this training alone; another's is passed over with a warning and replaced.
    origin : str
        Digits of what the training starts from and learns from.
    checkpoint_steps, curve_steps : int
    """

    num_steps: int
    rate: float
    rank: int = 16
    alpha: float = 32.0
    weight_decay: float = 0.0
    warm_up: float = 0.1
    clip: float | None = 1.0
    accumulation: int = 1
    mixed_precision: bool = False
    dropout: bool = False
    checkpointing: bool = False
    seed: int = 0
    checkpoint: str | Path | None = None
    origin: str = ""
    checkpoint_steps: int = 1000
    curve_steps: int = 50

    def fit_plan(self, method: Method, *, mixed_precision: bool) -> FitPlan:
        """The same for `fit`; its origin tells apart all that a checkpoint depends on."""
        same = replace(self, checkpoint=None, checkpoint_steps=1, curve_steps=1)
        return FitPlan(
            self.num_steps,
            accumulation=self.accumulation,
            clip=self.clip,
            mixed_precision=mixed_precision,
            checkpoint=self.checkpoint,
            origin=fingerprint([str(method), repr(same)]),
            checkpoint_steps=self.checkpoint_steps,
            curve_steps=self.curve_steps,
        )


@dataclass(frozen=True, eq=False)
class Retrained:
    """What a retraining gave.

    Attributes
    ----------
    changed : dict of Tensor
        The parameters that it was for, in their own types, by name; a shared one under all its
        names.  After a divergence they are the pruned model's.
    fit : Fit
    trained : int
        Numbers that were trained.
    share : float
        Of the parameters of the model.
    keeps_zeros : bool
        Whether pruned weights are zero: lora loses them.
    """

    changed: dict[str, Tensor]
    fit: Fit
    trained: int
    share: float
    keeps_zeros: bool


def retrain(
    model: nn.Module,
    masks: Mapping[str, Tensor],
    method: str | Method,
    batches: Batches,
    plan: Retraining,
    *,
    loss: TokenLoss,
) -> Retrained:
    """Train what a method names; afterwards the model is plain and has the new weights.

    Parameters
    ----------
    model : torch.nn.Module
        A causal language model, pruned, on its device.
    masks : mapping of bool Tensor
        Of the pruned layers, by the name of the weight, of the stored shape; they are in force
        throughout, whatever is trained.
    method : str or Method
        That trains on text: subsets, adapters or ``full``.
    batches : Batches
        On the device of the model.
    plan : Retraining
    loss : callable (model, batch) -> Tensor ()

    Raises
    ------
    InputError
        If the method trains nothing of this model, or masks or rank do not fit.
    StoreError
        If a checkpoint cannot be read or written.
    """
    method = parse_method(method) if isinstance(method, str) else method
    if not method.retrains:
        raise InputError(f"{method} does not train on text; take subsets, an adapter or full")
    check_masks(masks, dict(model.named_parameters()))
    total, names = num_parameters(model), trained_names(model, method)
    apply_masks(model, masks)
    trainees = _selected(model, masks, method, names, plan)
    # What is frozen stays zero by itself.
    held = masks if method.alone == "full" else {}
    outcome = _fit(trainees, held, method, batches, plan, loss)
    num = trainees.trainable.num_trained
    changed = trainees.finish(keep=outcome.status is FitStatus.FINISHED)
    return Retrained(changed, outcome, num, num / total, method.keeps_zeros or not masks)


def falling_rate(rate: float, warm_up: float, num_steps: int) -> Schedule:
    """Rises for a share of the steps, then falls linearly and reaches 0 after the last step."""
    rest = max(num_steps - num_rises(warm_up, num_steps), 1)
    return warmed_up(Linear(rate, 0.0, rest), warm_up, num_steps)


def adamw(trainees: Trainees, weight_decay: float) -> torch.optim.AdamW:
    """The optimizer of what is trained, in one pass over memory."""
    trained = trainees.trainable.trained.values()
    return torch.optim.AdamW(trained, lr=0.0, weight_decay=weight_decay, fused=True)


def _selected(
    model: nn.Module,
    masks: Mapping[str, Tensor],
    method: Method,
    names: tuple[str, ...],
    plan: Retraining,
) -> Trainees:
    """Adapters in their places, and the trained parameters in float32."""
    groups: list[tuple[str, Mapping[str, Tensor | None]]] = []
    if method.adapter:
        groups.append((method.adapter, masks))
    if "head" in method.subsets:
        groups.append(("lora", {head_weight(model): None}))
    flags, attached = training_flags(model), list[Attached]()
    generator = seeded_generator(derive_seed(plan.seed, "adapters"))
    with ExitStack() as undo:
        for kind, layers in groups:
            found = attach(
                model, layers, kind, rank=plan.rank, alpha=plan.alpha, generator=generator
            )
            undo.callback(found.discard)
            attached.append(found)
        trainees = select(model, names, attached, flags=flags, dropout=plan.dropout)
        undo.pop_all()
    return trainees


def _fit(
    trainees: Trainees,
    masks: Mapping[str, Tensor],
    method: Method,
    batches: Batches,
    plan: Retraining,
    loss: TokenLoss,
) -> Fit:
    model, optimizer = trainees.trainable.model, adamw(trainees, plan.weight_decay)
    state = TrainingState(
        trainees.trainable,
        optimizer,
        falling_rate(plan.rate, plan.warm_up, plan.num_steps),
        generator=seeded_generator(derive_seed(plan.seed, "steps")),
    )
    mixed = plan.mixed_precision or trainees.needs_autocast
    with ExitStack() as stack:
        stack.enter_context(evaluating(model))
        stack.enter_context(without_cache(model))
        stack.enter_context(recomputing(model, is_on=plan.checkpointing))
        stack.callback(hold_masks(model, masks, optimizer).release)
        return fit(
            state,
            batches,
            lambda _, batch: loss(model, batch),
            plan.fit_plan(method, mixed_precision=mixed),
        )
