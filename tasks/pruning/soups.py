"""The phases of a soup: what is pruned, trained and merged, as functions of stored models.

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

from torch import Tensor, nn

from tasks.nn import Fit, average_states
from tasks.nn.sparsity import apply_masks
from tasks.pruning.branches import Branch, Rates, plan_branches, retrain
from tasks.pruning.config import SoupConfig
from tasks.pruning.cycles import Course, Cycle
from tasks.pruning.imp import cycle_rates, masked_copy, prune_phase, soup_course, train_dense
from tasks.pruning.merging import Soup, merge, mixed_state
from tasks.pruning.sparse_models import SparseModel, mask_id
from tasks.pruning.stacked import retrain_stacked
from tasks.pruning.workbench import Workbench
from tasks.records import derive_seed


@dataclass(frozen=True, eq=False)
class Kitchen:
    """What all phases of one repetition need.

    Attributes
    ----------
    bench : Workbench
    config : SoupConfig
    course : Course
    replicate : int
    """

    bench: Workbench
    config: SoupConfig
    course: Course
    replicate: int

    @classmethod
    def open(cls, bench: Workbench, config: SoupConfig, replicate: int) -> Kitchen:
        """Kitchen of a repetition."""
        return cls(bench, config, soup_course(config, bench), replicate)

    def cycle(self, phase: int) -> Cycle:
        """Cycle of a phase, from 1."""
        return self.course.cycles[phase - 1]

    def branches(self, phase: int) -> tuple[Branch, ...]:
        """Settings of the members of a phase."""
        return plan_branches(
            self.config.vary,
            self.config.members,
            seed=derive_seed(self.config.seed, "branches", self.replicate, phase),
            weight_decay=self.config.weight_decay,
            num_steps=self.cycle(phase).num_steps,
            spread=self.config.spread,
        )

    def long_branch(self, phase: int) -> Branch:
        """Settings of member 0 with the steps of all members."""
        branches = self.branches(phase)
        return replace(branches[0], num_steps=sum(b.num_steps for b in branches))

    def dense(self, checkpoint: str | None = None) -> tuple[SparseModel, Fit]:
        """The network before the first pruning."""
        total = self.course.num_steps if self.course.continued else self.course.dense_steps
        return train_dense(
            self.bench,
            total,
            replicate=self.replicate,
            until=self.course.dense_steps,
            checkpoint=checkpoint,
        )

    def pruned(self, sparse: SparseModel, phase: int) -> tuple[SparseModel, Rates]:
        """The model pruned for a phase, and the rates of the retraining that follows."""
        cycle = self.cycle(phase)
        found = prune_phase(
            self.bench,
            sparse,
            cycle,
            replicate=self.replicate,
            feedback=self.course.feedback,
        )
        return found.sparse, self.rates(phase, found.distance)

    def rates(self, phase: int, distance: float) -> Rates:
        """Rates of the retraining of a phase."""
        kind = self.config.retraining
        return cycle_rates(self.bench, self.course, self.cycle(phase), kind, distance)

    def retrained(
        self, sparse: SparseModel, branch: Branch, rates: Rates, checkpoint: str | None = None
    ) -> Fit:
        """One member, trained in place."""
        return retrain(
            self.bench,
            sparse,
            branch,
            rates,
            checkpoint=checkpoint,
            feedback=self.course.feedback,
        )

    def retrained_together(
        self, sparse: SparseModel, phase: int, rates: Rates, checkpoint: str | None = None
    ) -> list[tuple[SparseModel, Fit]]:
        """All members, trained in one process."""
        stack, outcomes = retrain_stacked(
            self.bench, sparse, self.branches(phase), rates, checkpoint=checkpoint
        )
        members = []
        for number, outcome in enumerate(outcomes):
            model = self.bench.new_model(self.replicate)
            model.load_state_dict(stack.member(number))
            apply_masks(model, sparse.masks)
            if outcome.reason == "":
                self.bench.recalibrate(model)
            members.append((SparseModel(model, sparse.masks), outcome))
        return members

    def visible(self, sparse: SparseModel) -> nn.Module:
        """The model that is evaluated: masks in force."""
        return masked_copy(self.bench, sparse) if self.course.feedback else sparse.model

    def soup(self, members: Sequence[SparseModel], phase: int) -> tuple[Soup, SparseModel]:
        """The soup as it is evaluated, and as the next phase takes it.

        They differ where pruned weights may come back: those are averaged too.
        """
        seen = [SparseModel(self.visible(member), member.masks) for member in members]
        soup = merge(self.config.merge, seen, self.bench, self.bench.new_model(self.replicate))
        if not self.course.feedback or phase == len(self.course.cycles):
            return soup, soup.sparse
        dense = self.bench.new_model(self.replicate)
        states = [members[j].model.state_dict() for j in soup.chosen]
        dense.load_state_dict(mixed_state(states, soup.weights))
        return soup, SparseModel(dense, soup.sparse.masks)

    def repruned(self, chains: Sequence[SparseModel], phase: int) -> SparseModel:
        """Mean of networks with masks of their own, pruned again to the sparsity of the phase.

        Networks with one common mask have nothing to be pruned again.
        """
        model = self.bench.new_model(self.replicate)
        model.load_state_dict(average_states([chain.model.state_dict() for chain in chains]))
        masks = chains[0].masks
        if len({mask_id(chain.masks) for chain in chains}) > 1:
            union = {n: _any([chain.masks[n] for chain in chains]) for n in masks}
            found = prune_phase(
                self.bench,
                SparseModel(model, union),
                self.cycle(phase),
                replicate=self.replicate,
            )
            masks = found.sparse.masks
        apply_masks(model, masks)
        self.bench.recalibrate(model)
        return SparseModel(model, masks)


def _any(masks: Sequence[Tensor]) -> Tensor:
    """Where any of the masks keeps."""
    total = masks[0].clone()
    for mask in masks[1:]:
        total |= mask
    return total
