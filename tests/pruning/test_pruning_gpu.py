"""On a GPU: a whole soup, and stacked members that agree with separate ones and are faster."""

import pytest
import torch
from small_runs import copied, pruned_network, small_config

from benchmarks.pruning import STACKED_BAR, stacked_throughput
from tasks.nn import Linear
from tasks.pruning.branches import Rates, plan_branches, retrain
from tasks.pruning.setups import Setup
from tasks.pruning.sparse_models import num_stray
from tasks.pruning.stacked import retrain_stacked

pytestmark = pytest.mark.gpu

RATES = Rates("llr", Linear(0.05, 0.0, 100), 100)


def members(count, num_steps):
    return plan_branches("seed", count, seed=1, weight_decay=1e-4, num_steps=num_steps, spread=2.0)


def test_members_on_the_gpu_keep_their_masks_and_agree_with_stacked_ones():
    setup = Setup.open(small_config(), "cuda")
    pruned = pruned_network(setup)
    [branch] = members(1, 1)
    alone = copied(pruned)
    retrain(setup, alone, branch, RATES)
    stack, _ = retrain_stacked(setup, copied(pruned), [branch], RATES)
    assert num_stray(alone) == 0
    for name, value in alone.model.named_parameters():
        torch.testing.assert_close(stack.member(0)[name], value.detach(), atol=1e-5, rtol=0)


def test_eight_stacked_members_are_faster_than_eight_separate_ones():
    assert stacked_throughput("resnet20", 8, "cuda", num_steps=30) >= STACKED_BAR
