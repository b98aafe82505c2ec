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

from collections.abc import Callable
from dataclasses import replace
from itertools import islice

from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from tasks.nn import (
    CurvePoint,
    Fit,
    FitPlan,
    FitStatus,
    StepReport,
    TrainingDiverged,
    TrainingState,
    fit,
    seeded_generator,
    sgd,
    train_steps,
)
from tasks.nn.data import Dataset, training_batches
from tasks.nn.sparsity import Masks, apply_masks, hold_masks
from tasks.pruning.criteria import all_weights, prune
from tasks.pruning.cycles import Course
from tasks.pruning.sparse_models import SparseModel
from tasks.pruning.workbench import Workbench

_CURVE_STEPS = 50


def feedback_loss(masks: Masks) -> Callable[[nn.Module, tuple[Tensor, Tensor]], Tensor]:
    """Loss at M * W whose gradient is applied to all of W.

    The entries used are W + (M * W - W) without a gradient through the bracket: their value is
    M * W, their derivative with respect to W is 1.
    """

    def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        parameters = dict(model.named_parameters())
        seen = {n: parameters[n] + (parameters[n] * m - parameters[n]).detach()
                for n, m in masks.items()}  # fmt: skip
        inputs, labels = batch
        return cross_entropy(functional_call(model, seen, (inputs,)), labels)

    return loss


def train_with_feedback(state: TrainingState, masks: Masks, dataset: Dataset, plan: FitPlan) -> Fit:
    """Train dense weights behind frozen masks until `plan.num_steps` steps are taken in all."""
    points: list[CurvePoint] = []

    def observe(report: StepReport) -> None:
        if report.step % _CURVE_STEPS == 0 or report.step == plan.num_steps:
            points.append(CurvePoint(report.step, float(report.loss), report.rate))

    batches = training_batches(
        dataset, plan.batch_size, seed=plan.seed, start=state.step, augmentation=plan.augmentation
    )
    try:
        train_steps(
            state,
            islice(batches, max(plan.num_steps - state.step, 0)),
            feedback_loss(masks),
            schedule=plan.schedule,
            until=plan.num_steps,
            clip=plan.clip,
            mixed_precision=plan.mixed_precision,
            observe=observe,
        )
    except TrainingDiverged as error:
        return Fit(FitStatus.DIVERGED, str(error), tuple(points))
    return Fit(FitStatus.FINISHED, "", tuple(points))


def train_gradually(
    bench: Workbench, course: Course, *, replicate: int, seed: int
) -> tuple[SparseModel, Fit]:
    """One training from scratch, pruned on the way; masks in force, normalization estimated anew.

    Parameters
    ----------
    course : Course
        Of ``gmp`` or ``dpf``.
    seed : int
        Of batches and augmentation.
    """
    model = bench.new_model(replicate)
    optimizer = sgd(model, weight_decay=bench.config.weight_decay)
    state = TrainingState(model, optimizer, generator=seeded_generator(seed))
    plan = bench.plan(course.num_steps, bench.dense_schedule(course.num_steps), seed)
    how = bench.pruning(replicate, regrow=course.feedback)
    sparse = SparseModel(model, all_weights(model))
    outcome = _segment(state, sparse, bench, replace(plan, num_steps=course.dense_steps), course)
    curve = outcome.curve
    for cycle in course.cycles:
        if outcome.status != FitStatus.FINISHED:
            break
        masks = prune(model, cycle.sparsity, how, earlier=sparse.masks, shape=bench.dataset.shape)
        sparse = SparseModel(model, masks)
        until = replace(plan, num_steps=cycle.start + cycle.num_steps)
        outcome = _segment(state, sparse, bench, until, course)
        curve += outcome.curve
    apply_masks(model, sparse.masks)
    if outcome.status == FitStatus.FINISHED:
        bench.recalibrate(model)
    return sparse, replace(outcome, curve=curve)


def _segment(
    state: TrainingState, sparse: SparseModel, bench: Workbench, plan: FitPlan, course: Course
) -> Fit:
    """Go on until the next pruning, the mask frozen; the optimizer keeps what it remembers."""
    if course.feedback:
        return train_with_feedback(state, sparse.masks, bench.dataset, plan)
    held = hold_masks(state.model, sparse.masks, state.optimizer)
    try:
        return fit(state, bench.dataset, plan)
    finally:
        held.release()
