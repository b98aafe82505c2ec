"""Prune, retrain, repeat: one phase as a function from model to model, and whole courses.

A phase takes a network W with masks M' and gives masks M of the next sparsity, the weights M * W,
and d1 = |W - M * W| / (sqrt(s) |W|), on which the adaptive rates of the retraining depend.

References
----------
Han et al., Learning both weights and connections, arXiv:1506.02626 (iterative pruning).
Zimmer, Spiegel, Pokutta, arXiv:2111.00843 (BIMP: the same within a budget, rates by d1).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

from torch import nn

from tasks.nn import Fit, FitStatus, fit, pruning_distance
from tasks.nn.sparsity import apply_masks, prunable_weights
from tasks.pruning.branches import Branch, Rates, retrain
from tasks.pruning.config import ImpConfig, SoupConfig
from tasks.pruning.criteria import all_weights, prune
from tasks.pruning.cycles import Course, Cycle, Method, plan_course
from tasks.pruning.dynamic import train_gradually
from tasks.pruning.setups import Setup
from tasks.pruning.sparse_models import SparseModel
from tasks.records import derive_seed


@dataclass(frozen=True, eq=False)
class Pruned:
    """A network after one pruning.

    Attributes
    ----------
    sparse : SparseModel
        With the masks in force, unless pruned weights may come back.
    distance : float
        d1.
    """

    sparse: SparseModel
    distance: float


def soup_course(config: SoupConfig, setup: Setup) -> Course:
    """Course of one member's line in a soup."""
    return plan_course(
        config.method,
        config.sparsity,
        config.phases,
        dense_steps=setup.num_steps(config.epochs),
        cycle_steps=setup.num_steps(config.retrain_epochs),
        dense_share=config.dense_share,
    )


def imp_course(
    config: ImpConfig, setup: Setup, method: Method, budget: float, target: float
) -> Course:
    """Course of a cell of the comparison; all methods have the same number of steps in all.

    Parameters
    ----------
    budget : float
        Epochs of retraining after every pruning of ``imp``.
    target : float
        Final sparsity.
    """
    dense, cycle = setup.num_steps(config.epochs), setup.num_steps(budget)
    course = plan_course(
        method,
        target,
        config.cycles,
        dense_steps=dense,
        cycle_steps=cycle,
        dense_share=config.dense_share,
    )
    if not course.continued:
        return course
    total = dense + config.cycles * cycle
    return plan_course(
        method,
        target,
        config.updates,
        dense_steps=total - config.updates,
        cycle_steps=1,
    )


def train_dense(
    setup: Setup,
    num_steps: int,
    *,
    replicate: int,
    until: int | None = None,
    checkpoint: str | None = None,
) -> tuple[SparseModel, Fit]:
    """The dense network of a repetition, normalization re-estimated.

    Weights to start from are that network as they are, unless it is stopped in the middle.

    Parameters
    ----------
    num_steps : int
        Of the whole schedule.
    until : int, optional
        Stop earlier, in the middle of the schedule.
    """
    model = setup.new_model(replicate)
    dense = SparseModel(model, all_weights(model))
    if setup.start is not None and until in (None, num_steps):
        return dense, Fit(FitStatus.FINISHED, "", ())
    seed = derive_seed(setup.config.seed, "dense", replicate)
    state = setup.state(model, setup.dense_schedule(num_steps), seed)
    plan = setup.plan(until or num_steps, dense, checkpoint)
    outcome = fit(state, setup.batches(seed), setup.objective.of_model, plan)
    if outcome.status == FitStatus.FINISHED:
        setup.recalibrate(model)
    return dense, outcome


def prune_phase(
    setup: Setup, sparse: SparseModel, cycle: Cycle, *, replicate: int, feedback: bool = False
) -> Pruned:
    """The next masks, in force on the given network.

    Parameters
    ----------
    feedback : bool
        Weights may come back; then only the masks change and the weights are left as they are.
    """
    how = setup.pruning(replicate, regrow=feedback)
    masks = prune(
        sparse.model, cycle.sparsity, how, earlier=sparse.masks, shape=setup.dataset.shape
    )
    weights = {name: w.detach() for name, w in prunable_weights(sparse.model).items()}
    kept = {name: masks[name] for name in weights}
    if feedback:
        distance = pruning_distance(weights, kept)
    else:
        distance = pruning_distance(weights, kept, sparse.weight_masks)
        apply_masks(sparse.model, masks)
    return Pruned(SparseModel(sparse.model, masks), distance)


def cycle_rates(
    setup: Setup, course: Course, cycle: Cycle, retraining: str, distance: float | None
) -> Rates:
    """Rates of the training after a pruning."""
    if course.continued:
        schedule = setup.dense_schedule(course.num_steps)
        return Rates(
            "continued",
            schedule,
            course.num_steps,
            start=cycle.start,
            length=cycle.num_steps,
        )
    # Of BIMP the original training is the dense one within the budget.
    original = setup.dense_schedule(course.dense_steps)
    return Rates(retraining, original, course.dense_steps, distance=distance)


def run_cycles(
    setup: Setup,
    dense: SparseModel,
    course: Course,
    *,
    retraining: str,
    replicate: int,
    checkpoint: str | None = None,
) -> tuple[SparseModel, Fit]:
    """All cycles of a course from its dense network on, in place; ends early if one diverges.

    Parameters
    ----------
    checkpoint : str, optional
        Beginning of the names of the files where the cycles save themselves.
    """
    sparse, outcome = dense, Fit(FitStatus.FINISHED, "", ())
    for cycle in course.cycles:
        pruned = prune_phase(setup, sparse, cycle, replicate=replicate)
        rates = cycle_rates(setup, course, cycle, retraining, pruned.distance)
        seed = derive_seed(setup.config.seed, "retraining", replicate, cycle.number)
        branch = Branch(0, seed, setup.config.weight_decay, cycle.num_steps)
        file = f"{checkpoint}-{cycle.number}.safetensors" if checkpoint else None
        sparse = pruned.sparse
        outcome = retrain(setup, sparse, branch, rates, checkpoint=file)
        if outcome.status != FitStatus.FINISHED:
            break
    return sparse, outcome


def run_course(
    setup: Setup,
    course: Course,
    dense: SparseModel | None,
    *,
    retraining: str,
    replicate: int,
    checkpoint: str | None = None,
) -> tuple[SparseModel, Fit]:
    """A whole course: from a stored dense network, or from scratch if there is none."""
    if course.continued:
        seed = derive_seed(setup.config.seed, "dense", replicate)
        return train_gradually(setup, course, replicate=replicate, seed=seed)
    if dense is None:
        file = f"{checkpoint}-0.safetensors" if checkpoint else None
        dense, outcome = train_dense(
            setup, course.dense_steps, replicate=replicate, checkpoint=file
        )
        if outcome.status != FitStatus.FINISHED:
            return dense, outcome
    return run_cycles(
        setup, dense, course, retraining=retraining, replicate=replicate, checkpoint=checkpoint
    )


def masked_copy(setup: Setup, sparse: SparseModel) -> nn.Module:
    """Copy with the masks in force and its normalization re-estimated, to be evaluated."""
    model = copy.deepcopy(sparse.model)
    apply_masks(model, sparse.masks)
    setup.recalibrate(model)
    return model
