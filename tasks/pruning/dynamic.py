"""Pruning during one training: gradual magnitude pruning and dynamic pruning with feedback.

    GMP   at given steps the mask becomes that of the largest weights of a growing sparsity, and
          what is pruned stays pruned.  Optimizer and rates go on; momenta of pruned weights are
          zero.
    DPF   the same masks, but W is kept dense: the gradient is taken at M * W and applied to W, so
          pruned weights are trained on invisibly, and the next mask may bring them back.

Both take exactly the steps of their course, and so compare with prune-retrain cycles at equal
compute.  Between two prunings the mask is frozen, which is where members of a soup can be trained.

References
----------
Zhu and Gupta, arXiv:1710.01878 (GMP).  Lin et al., arXiv:2006.07253 (DPF).
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn
from torch.func import functional_call

from tasks.nn import (
    Batches,
    Fit,
    FitPlan,
    FitStatus,
    Loss,
    TrainingState,
    fit,
)
from tasks.nn.objectives import CLASSIFICATION, Objective
from tasks.nn.sparsity import Masks, apply_masks, hold_masks
from tasks.pruning.criteria import all_weights, prune
from tasks.pruning.cycles import Course
from tasks.pruning.setups import Setup
from tasks.pruning.sparse_models import SparseModel


def masked_loss(
    masks: Masks, *, objective: Objective = CLASSIFICATION, feedback: bool = False
) -> Loss:
    """Loss at M * W, whose gradient is applied to all of W if there is feedback.

    Then the entries used are W + (M * W - W) without a gradient through the bracket: their value is
    M * W, their derivative with respect to W is 1.
    """

    def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        weights = dict(model.named_parameters())
        seen = {name: weights[name] * mask for name, mask in masks.items()}
        if feedback:
            seen = {name: weights[name] + (w - weights[name]).detach() for name, w in seen.items()}
        inputs, targets = batch
        return objective.loss(functional_call(model, seen, (inputs,)), targets)

    return loss


def train_behind(
    objective: Objective,
    masks: Masks,
    state: TrainingState,
    batches: Batches,
    plan: FitPlan,
    *,
    feedback: bool,
) -> Fit:
    """Train behind frozen masks: the weights that are left, or with feedback all of them."""
    if feedback:
        return fit(state, batches, masked_loss(masks, objective=objective, feedback=True), plan)
    held = hold_masks(state.model, masks, state.optimizer)
    try:
        return fit(state, batches, objective.of_model, plan)
    finally:
        held.release()


def train_gradually(
    setup: Setup, course: Course, *, replicate: int, seed: int
) -> tuple[SparseModel, Fit]:
    """One training from scratch, pruned on the way; masks in force, normalization re-estimated.

    Parameters
    ----------
    course : Course
        Of ``gmp`` or ``dpf``.
    seed : int
        Of batches and augmentation.
    """
    model = setup.new_model(replicate)
    state = setup.state(model, setup.dense_schedule(course.num_steps), seed)
    how = setup.pruning(replicate, regrow=course.feedback)
    sparse, until, curve = SparseModel(model, all_weights(model)), course.dense_steps, ()
    for cycle in (None, *course.cycles):
        if cycle is not None:
            earlier, shape, until = sparse.masks, setup.dataset.shape, cycle.start + cycle.num_steps
            masks = prune(model, cycle.sparsity, how, earlier=earlier, shape=shape)
            sparse = SparseModel(model, masks)
        # The optimizer keeps what it remembers.
        plan, batches = setup.plan(until, sparse), setup.batches(seed)
        outcome = train_behind(
            setup.objective, sparse.masks, state, batches, plan, feedback=course.feedback
        )
        curve += outcome.curve
        if outcome.status != FitStatus.FINISHED:
            break
    apply_masks(model, sparse.masks)
    if outcome.status == FitStatus.FINISHED:
        setup.recalibrate(model)
    return sparse, replace(outcome, curve=curve)
