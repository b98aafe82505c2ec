"""All members of a soup in one process: stacked (`tasks.nn.Stack`), behind the common mask M.

The loss of member j is that at M * W_j, so gradients of pruned weights are zero.
"""

from __future__ import annotations

from collections.abc import Sequence

from tasks.nn import (
    Fit,
    Stack,
    StackedBatches,
    StackedSchedule,
    StackedSGD,
    StackedState,
    fit,
)
from tasks.nn.sparsity import apply_masks
from tasks.pruning.branches import Branch, Rates
from tasks.pruning.dynamic import masked_loss
from tasks.pruning.setups import Setup
from tasks.pruning.sparse_models import SparseModel


def retrain_stacked(
    setup: Setup,
    pruned: SparseModel,
    branches: Sequence[Branch],
    rates: Rates,
    *,
    checkpoint: str | None = None,
) -> tuple[Stack, list[Fit]]:
    """Train all members from the pruned network; normalization is not yet re-estimated.

    A checkpoint that is damaged, or of another training, is passed over with a warning.
    """
    apply_masks(pruned.model, pruned.masks)
    stack = Stack(pruned.model, len(branches))
    state = StackedState(
        stack,
        StackedSGD(stack, weight_decays=[b.weight_decay for b in branches]),
        StackedSchedule(tuple(rates.schedule(b.num_steps, b.rate_scale) for b in branches)),
        num_steps=tuple(b.num_steps for b in branches),
    )
    batches = StackedBatches(tuple(setup.batches(b.seed) for b in branches))
    plan = setup.plan(max(state.num_steps), pruned, checkpoint)
    whole = fit(state, batches, masked_loss(pruned.masks, objective=setup.objective), plan)
    return stack, [state.outcome(j, whole) for j in range(len(branches))]
