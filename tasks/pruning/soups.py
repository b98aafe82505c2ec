"""The phases of a soup: what is pruned, trained and merged, from stored models to new ones.

    W <- dense
    for phase k = 1..n:   M, W <- prune(W, S_k)                  one mask for all members
                          W_j <- retrain(W, M, settings j)       j = 0..m-1
                          W <- merge(W_0, ..., W_{m-1})          same mask, same zeros

and, at equal compute, lines without soups: members of phase 1 that are pruned and retrained on
their own (their mean, pruned again, is IMP-RePrune), and one line with m times the retraining.

References
----------
Zimmer, Spiegel, Pokutta, Sparse model soups, arXiv:2306.16788.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from torch import Tensor, nn

from tasks.nn import Fit, FitStatus, average_states
from tasks.nn.sparsity import apply_masks
from tasks.pruning.branches import Branch, Rates, plan_branches, retrain
from tasks.pruning.config import SoupConfig
from tasks.pruning.cycles import Course, Cycle
from tasks.pruning.given import given_models
from tasks.pruning.imp import (
    Pruned,
    cycle_rates,
    masked_copy,
    prune_phase,
    soup_course,
    train_dense,
)
from tasks.pruning.lineage import NewModel, Provenance, StoredModel
from tasks.pruning.merging import PredictionEnsemble, Soup, member_distances, mixed_state
from tasks.pruning.merging import merge as merge_members
from tasks.pruning.setups import Setup
from tasks.pruning.sparse_models import SparseModel, mask_id
from tasks.pruning.stacked import retrain_stacked
from tasks.records import derive_seed

SOUP = -1
"""Number of the soup in the table of distances."""


@dataclass(frozen=True, eq=False)
class SoupPhase:
    """One phase of one repetition of a soup.

    Attributes
    ----------
    setup : Setup
    config : SoupConfig
    course : Course
    replicate : int
    number : int
        From 1; 0 is the dense training.
    member : int
    checkpoint : str or None
        File in which a training saves its state, and from which it resumes.
    """

    setup: Setup
    config: SoupConfig
    course: Course
    replicate: int
    number: int
    member: int = 0
    checkpoint: str | None = None

    @classmethod
    def of(
        cls, setup: Setup, config: SoupConfig, replicate: int, number: int, **more: Any
    ) -> SoupPhase:
        """A phase of the course that the config describes."""
        return cls(setup, config, soup_course(config, setup), replicate, number, **more)

    @property
    def cycle(self) -> Cycle:
        """Pruning and retraining of this phase."""
        return self.course.cycles[self.number - 1]

    @cached_property
    def branches(self) -> tuple[Branch, ...]:
        """Settings of the members."""
        return plan_branches(
            self.config.vary,
            self.config.members,
            seed=derive_seed(self.config.seed, "branches", self.replicate, self.number),
            weight_decay=self.config.weight_decay,
            num_steps=self.cycle.num_steps,
            spread=self.config.spread,
        )

    def pruned(self, sparse: SparseModel) -> Pruned:
        """The model, pruned in place."""
        feedback = self.course.feedback
        return prune_phase(
            self.setup, sparse, self.cycle, replicate=self.replicate, feedback=feedback
        )

    def rates(self, distance: float | None) -> Rates:
        """Rates of the retraining."""
        kind = self.config.retraining
        return cycle_rates(self.setup, self.course, self.cycle, kind, distance)

    def retrained(self, sparse: SparseModel, branch: Branch, rates: Rates) -> Fit:
        """One member, trained in place."""
        return retrain(
            self.setup,
            sparse,
            branch,
            rates,
            checkpoint=self.checkpoint,
            feedback=self.course.feedback,
        )

    def visible(self, sparse: SparseModel) -> nn.Module:
        """The model that is evaluated: masks in force."""
        return masked_copy(self.setup, sparse) if self.course.feedback else sparse.model

    def after(self, before: Provenance, steps: int) -> Provenance:
        """Of a model that comes from another one by so many steps."""
        return Provenance(
            steps=steps,
            total_steps=before.total_steps + steps,
            dense_steps=before.dense_steps,
            target=self.cycle.sparsity,
            base_steps=before.total_steps,
        )

    def new_model(
        self, method: str, sparse: SparseModel, provenance: Provenance, fit: Fit | None = None
    ) -> NewModel:
        """A model whose pruned weights are kept where they may come back."""
        found = replace(provenance, is_dense=self.course.feedback)
        return NewModel(method, sparse, found, fit, visible=self.visible(sparse))


# --- steps: from stored models to new ones ------------------------------------------------------


def pretrain(phase: SoupPhase, parents: Sequence[StoredModel]) -> list[NewModel]:
    """The network before the first pruning."""
    course = phase.course
    total = course.num_steps if course.continued else course.dense_steps
    sparse, fit = train_dense(
        phase.setup,
        total,
        replicate=phase.replicate,
        until=course.dense_steps,
        checkpoint=phase.checkpoint,
    )
    is_given = phase.setup.start is not None and not course.continued
    steps = 0 if is_given else course.dense_steps
    return [NewModel("dense", sparse, Provenance.of_dense(steps), fit)]


def prune(phase: SoupPhase, parents: Sequence[StoredModel]) -> list[NewModel]:
    """The network with the masks of the phase; normalization is estimated again."""
    [parent] = parents
    found = phase.pruned(parent.sparse)
    phase.setup.recalibrate(found.sparse.model)
    rates = phase.rates(found.distance).distance
    provenance = replace(phase.after(parent.provenance, 0), rates=rates)
    return [phase.new_model("pruned", found.sparse, provenance)]


def branch(phase: SoupPhase, parents: Sequence[StoredModel]) -> list[NewModel]:
    """One member of the soup."""
    [parent] = parents
    settings = phase.branches[phase.member]
    fit = phase.retrained(parent.sparse, settings, phase.rates(parent.provenance.rates))
    provenance = phase.after(parent.provenance, settings.num_steps)
    return [phase.new_model("member", parent.sparse, provenance, fit)]


def stack(phase: SoupPhase, parents: Sequence[StoredModel]) -> list[NewModel]:
    """All members of the soup, trained in one process."""
    [parent] = parents
    setup, masks, rates = phase.setup, parent.sparse.masks, phase.rates(parent.provenance.rates)
    together, fits = retrain_stacked(
        setup, parent.sparse, phase.branches, rates, checkpoint=phase.checkpoint
    )
    models = []
    for settings, fit in zip(phase.branches, fits, strict=True):
        model = setup.new_model(phase.replicate)
        model.load_state_dict(together.member(settings.number))
        apply_masks(model, masks)
        if fit.status == FitStatus.FINISHED:
            setup.recalibrate(model)
        sparse = SparseModel(model, masks)
        provenance = phase.after(parent.provenance, settings.num_steps)
        models.append(NewModel("member", sparse, provenance, fit, member=settings.number))
    return models


def imp(phase: SoupPhase, parents: Sequence[StoredModel]) -> list[NewModel]:
    """A network pruned and retrained on its own, with the settings of one member."""
    return _prune_and_retrain(phase, parents, "imp", phase.branches[phase.member])


def long(phase: SoupPhase, parents: Sequence[StoredModel]) -> list[NewModel]:
    """The same with the settings of member 0 and the steps of all members."""
    total = sum(settings.num_steps for settings in phase.branches)
    return _prune_and_retrain(phase, parents, "long", replace(phase.branches[0], num_steps=total))


def merge(phase: SoupPhase, parents: Sequence[StoredModel]) -> list[NewModel]:
    """The soup of the members that are there, and their ensemble."""
    first = parents[0].provenance
    seen = [SparseModel(phase.visible(p.sparse), p.sparse.masks) for p in parents]
    soup = merge_members(
        phase.config.merge, seen, phase.setup, phase.setup.new_model(phase.replicate)
    )
    onward = _onward(phase, soup, [parent.sparse for parent in parents])
    # With the soup's members' steps alone; those before them are shared.
    total = (first.base_steps or 0) + sum(parent.provenance.steps for parent in parents)
    provenance = replace(phase.after(first, 0), total_steps=total)
    chosen = ", ".join(str(parents[j].member) for j in soup.chosen)
    known = {p.member: model for p, model in zip(parents, seen, strict=True)}
    merged = NewModel(
        "soup",
        onward,
        replace(provenance, is_dense=onward is not soup.sparse),
        visible=soup.sparse.model,
        note=f"members {chosen} were taken" if len(soup.chosen) < len(parents) else "",
        distances=member_distances(known, {SOUP: soup.sparse}),
    )
    ensemble = PredictionEnsemble([each.model for each in seen], phase.setup.objective)
    return [
        merged,
        NewModel("ensemble", soup.sparse, provenance, visible=ensemble, num_networks=len(parents)),
    ]


def reprune(phase: SoupPhase, parents: Sequence[StoredModel]) -> list[NewModel]:
    """Mean of networks with masks of their own, pruned again to the sparsity of the phase.

    Networks with one common mask have nothing to be pruned again.
    """
    lines, setup = [parent.sparse for parent in parents], phase.setup
    model = setup.new_model(phase.replicate)
    model.load_state_dict(average_states([line.model.state_dict() for line in lines]))
    masks = lines[0].masks
    if len({mask_id(line.masks) for line in lines}) > 1:
        union = SparseModel(model, {n: _any([line.masks[n] for line in lines]) for n in masks})
        masks = prune_phase(setup, union, phase.cycle, replicate=phase.replicate).sparse.masks
    apply_masks(model, masks)
    setup.recalibrate(model)
    first = parents[0].provenance
    own = sum(parent.provenance.total_steps - first.dense_steps for parent in parents)
    provenance = replace(phase.after(first, 0), total_steps=first.dense_steps + own)
    return [NewModel("reprune", SparseModel(model, masks), provenance)]


def given(phase: SoupPhase, parents: Sequence[StoredModel]) -> list[NewModel]:
    """Members from files, their soups and their ensemble."""
    return given_models(phase.setup, phase.config.checkpoints)


def _prune_and_retrain(
    phase: SoupPhase, parents: Sequence[StoredModel], method: str, settings: Branch
) -> list[NewModel]:
    [parent] = parents
    found = phase.pruned(parent.sparse)
    fit = phase.retrained(found.sparse, settings, phase.rates(found.distance))
    provenance = phase.after(parent.provenance, settings.num_steps)
    return [phase.new_model(method, found.sparse, provenance, fit)]


def _onward(phase: SoupPhase, soup: Soup, members: Sequence[SparseModel]) -> SparseModel:
    """The soup as the next phase takes it: weights that may come back are averaged, too."""
    if not phase.course.feedback or phase.number == len(phase.course.cycles):
        return soup.sparse
    dense = phase.setup.new_model(phase.replicate)
    states = [members[j].model.state_dict() for j in soup.chosen]
    dense.load_state_dict(mixed_state(states, soup.weights))
    return SparseModel(dense, soup.sparse.masks)


def _any(masks: Sequence[Tensor]) -> Tensor:
    """Where any of the masks keeps."""
    total = masks[0].clone()
    for mask in masks[1:]:
        total |= mask
    return total
