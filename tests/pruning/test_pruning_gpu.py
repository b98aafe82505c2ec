"""On a GPU: a whole soup, and stacked members that agree with separate ones and are faster."""

import time

import pytest
import torch
from small_runs import copied, pruned_network, small_config

from tasks.nn import Linear
from tasks.pruning.branches import Rates, plan_branches, retrain
from tasks.pruning.sparse_models import num_stray
from tasks.pruning.stacked import retrain_stacked, unstacked
from tasks.pruning.workbench import Workbench

pytestmark = pytest.mark.gpu

RATES = Rates("llr", Linear(0.05, 0.0, 100), 100)
GOAL = 3.0
"""Least throughput of 8 stacked ResNet-20 over 8 separate ones."""


def members(count, num_steps):
    return plan_branches("seed", count, seed=1, weight_decay=1e-4, num_steps=num_steps, spread=2.0)


def test_members_on_the_gpu_keep_their_masks_and_agree_with_stacked_ones():
    bench = Workbench.open(small_config(), "cuda")
    pruned = pruned_network(bench)
    [branch] = members(1, 1)
    alone = copied(pruned)
    retrain(bench, alone, branch, RATES)
    state, _ = retrain_stacked(bench, copied(pruned), [branch], RATES)
    assert num_stray(alone) == 0
    for name, value in alone.model.named_parameters():
        torch.testing.assert_close(unstacked(state, 0)[name], value.detach(), atol=1e-5, rtol=0)


def test_eight_stacked_members_are_faster_than_eight_separate_ones():
    bench = Workbench.open(small_config(model="resnet20"), "cuda")
    pruned, branches = pruned_network(bench, 0.5), members(8, 30)

    def separate():
        for branch in branches:
            retrain(bench, copied(pruned), branch, RATES)

    def together():
        retrain_stacked(bench, copied(pruned), branches, RATES)

    seconds = []
    for call in (separate, together):
        call()
        torch.cuda.synchronize()
        started = time.perf_counter()
        call()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    assert seconds[0] / seconds[1] >= GOAL
