"""Stacked members take the steps that they would take alone."""

import copy

import pytest
import torch
from small_runs import copied, pruned_network, small_config

from benchmarks.pruning import stacked_throughput
from tasks.nn import (
    Constant,
    FitStatus,
    Linear,
    TrainingState,
    classification_loss,
    sgd,
    train_steps,
)
from tasks.nn.sparsity import hold_masks
from tasks.pruning import stacked as module
from tasks.pruning.branches import Branch, Rates, plan_branches, retrain
from tasks.pruning.sparse_models import SparseModel, num_stray
from tasks.pruning.stacked import new_stack, retrain_stacked, stacked_step, unstacked
from tasks.pruning.workbench import Workbench

RATES = Rates("llr", Linear(0.1, 0.0, 40), 40)
RATE = (0.1, 0.05, 0.2)
DECAY = (0.0, 1e-3, 1e-2)


def batches(count, dtype, member):
    generator = torch.Generator().manual_seed(member)
    for _ in range(count):
        images = torch.randn(10, 1, 12, 12, generator=generator, dtype=dtype)
        yield images, torch.randint(4, (10,), generator=generator)


def separately(pruned, num_steps, dtype):
    states = []
    for j in range(3):
        model = copy.deepcopy(pruned.model)
        state = TrainingState(model, sgd(model, weight_decay=DECAY[j]))
        held = hold_masks(model, pruned.masks, state.optimizer)
        train_steps(
            state,
            batches(num_steps, dtype, j),
            classification_loss,
            schedule=Constant(RATE[j]),
            until=num_steps,
        )
        held.release()
        states.append(model.state_dict())
    return states


def together(pruned, num_steps, dtype):
    state = new_stack(pruned.model, 3)
    pruned.model.train()
    streams = [batches(num_steps, dtype, j) for j in range(3)]
    for _ in range(num_steps):
        inputs, labels = zip(*(next(s) for s in streams), strict=True)
        stacked_step(
            pruned.model,
            state,
            pruned.masks,
            (torch.stack(inputs), torch.stack(labels)),
            rates=torch.tensor(RATE, dtype=torch.float64),
            weight_decays=torch.tensor(DECAY, dtype=torch.float64),
            clip=1.0,
        )
    return [unstacked(state, j) for j in range(3)]


@pytest.mark.parametrize(
    ("dtype", "num_steps", "tolerance"), [(torch.float32, 1, 1e-6), (torch.float64, 20, 1e-10)]
)
def test_stacked_and_separate_members_agree(bench, dtype, num_steps, tolerance):
    pruned = pruned_network(bench)
    pruned = SparseModel(pruned.model.to(dtype), pruned.masks)
    alone = separately(pruned, num_steps, dtype)
    for mine, theirs in zip(together(pruned, num_steps, dtype), alone, strict=True):
        assert mine.keys() == theirs.keys()
        for name, value in mine.items():
            torch.testing.assert_close(value, theirs[name], atol=tolerance, rtol=0)


def test_a_stacked_retraining_is_that_of_its_members(bench):
    pruned = pruned_network(bench)
    branches = plan_branches(
        "retrain_length", 2, seed=1, weight_decay=1e-3, num_steps=2, spread=2.0
    )
    state, outcomes = retrain_stacked(bench, copied(pruned), branches, RATES)
    assert [len(outcome.curve) for outcome in outcomes] == [1, 1]
    for branch in branches:
        member = copied(pruned)
        retrain(bench, member, branch, RATES)
        alone = dict(member.model.named_parameters())
        mine = unstacked(state, branch.number)
        for name, value in alone.items():
            torch.testing.assert_close(mine[name], value.detach(), atol=1e-5, rtol=0)


def test_a_member_that_diverges_stands_still_and_the_others_go_on(bench):
    pruned = pruned_network(bench)
    branches = [Branch(0, 1, 0.0, 6), Branch(1, 1, 0.0, 6, rate_scale=1e30)]
    state, outcomes = retrain_stacked(bench, copied(pruned), branches, RATES)
    assert [o.status for o in outcomes] == [FitStatus.FINISHED, FitStatus.DIVERGED]
    assert "lower the rate" in outcomes[1].reason
    alone = copied(pruned)
    retrain(bench, alone, branches[0], RATES)
    mine = unstacked(state, 0)["4.weight"]
    wanted = alone.model.state_dict()["4.weight"]
    torch.testing.assert_close(mine, wanted, atol=1e-4, rtol=0)


def test_a_stack_that_broke_off_goes_on_bit_for_bit(tmp_path, monkeypatch):
    bench = Workbench.open(small_config(checkpoint_steps=2))
    pruned, file = pruned_network(bench), str(tmp_path / "stack.safetensors")
    branches = plan_branches("seed", 2, seed=1, weight_decay=1e-3, num_steps=5, spread=2.0)
    step, taken = module.stacked_step, []

    def broken(*arguments, **options):
        if len(taken) == 3:
            raise RuntimeError("power cut")
        taken.append(1)
        return step(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(module, "stacked_step", broken)
        with pytest.raises(RuntimeError):
            retrain_stacked(bench, copied(pruned), branches, RATES, checkpoint=file)
    resumed, outcomes = retrain_stacked(bench, copied(pruned), branches, RATES, checkpoint=file)
    whole, expected = retrain_stacked(bench, copied(pruned), branches, RATES)
    assert outcomes == expected
    for j in range(2):
        mine, theirs = unstacked(resumed, j), unstacked(whole, j)
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_pruned_weights_of_all_members_stay_zero(bench):
    pruned = pruned_network(bench)
    branches = plan_branches("lr", 3, seed=1, weight_decay=1e-2, num_steps=4, spread=2.0)
    state, _ = retrain_stacked(bench, copied(pruned), branches, RATES)
    for j in range(3):
        model = bench.new_model(0)
        model.load_state_dict(unstacked(state, j))
        assert num_stray(SparseModel(model, pruned.masks)) == 0


def test_the_benchmark_of_stacked_members_runs_on_any_device():
    # What comes out is a matter of the machine, and of a GPU (`test_pruning_gpu`).
    assert stacked_throughput("resnet20", 2, "cpu", batch=4, num_steps=1) > 0
