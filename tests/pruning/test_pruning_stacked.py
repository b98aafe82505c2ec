"""Stacked members take the steps that they would take alone."""

import copy
from itertools import islice

import pytest
import torch
from small_runs import copied, pruned_network, small_config

from benchmarks.pruning import stacked_throughput
from tasks.nn import (
    Constant,
    FitPlan,
    FitStatus,
    Linear,
    Stack,
    StackedBatches,
    StackedSchedule,
    StackedSGD,
    StackedState,
    TrainingState,
    classification_loss,
    fit,
    sgd,
    train_steps,
)
from tasks.nn.sparsity import hold_masks
from tasks.pruning.branches import Branch, Rates, plan_branches, retrain
from tasks.pruning.dynamic import masked_loss
from tasks.pruning.setups import Setup
from tasks.pruning.sparse_models import SparseModel, num_stray
from tasks.pruning.stacked import retrain_stacked

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
        state = TrainingState(model, sgd(model, weight_decay=DECAY[j]), Constant(RATE[j]))
        held = hold_masks(model, pruned.masks, state.optimizer)
        train_steps(
            state,
            batches(num_steps, dtype, j),
            classification_loss,
            until=num_steps,
        )
        held.release()
        states.append(model.state_dict())
    return states


class Drawn:
    """Batches of one member."""

    def __init__(self, member, dtype):
        self.member, self.dtype = member, dtype

    def at(self, step):
        yield from islice(batches(100, self.dtype, self.member), step, None)


def stacked(pruned, num_steps):
    stack = Stack(pruned.model, 3)
    optimizer = StackedSGD(stack, weight_decays=DECAY)
    schedule = StackedSchedule(tuple(Constant(rate) for rate in RATE))
    return StackedState(stack, optimizer, schedule, num_steps=(num_steps,) * 3)


def together(pruned, num_steps, dtype):
    state = stacked(pruned, num_steps)
    stream = StackedBatches(tuple(Drawn(j, dtype) for j in range(3)))
    fit(state, stream, masked_loss(pruned.masks), FitPlan(num_steps))
    return [state.model.member(j) for j in range(3)]


@pytest.mark.parametrize(
    ("dtype", "num_steps", "tolerance"), [(torch.float32, 1, 1e-6), (torch.float64, 20, 1e-10)]
)
def test_stacked_and_separate_members_agree(setup, dtype, num_steps, tolerance):
    pruned = pruned_network(setup)
    pruned = SparseModel(pruned.model.to(dtype), pruned.masks)
    alone = separately(pruned, num_steps, dtype)
    for mine, theirs in zip(together(pruned, num_steps, dtype), alone, strict=True):
        assert mine.keys() == theirs.keys()
        for name, value in mine.items():
            torch.testing.assert_close(value, theirs[name], atol=tolerance, rtol=0)


def test_accumulated_batches_of_members_are_their_means(setup):
    pruned, dtype = pruned_network(setup), torch.float64
    pruned = SparseModel(pruned.model.to(dtype), pruned.masks)
    halves = [stacked(pruned, 1), stacked(pruned, 1)]
    stream = StackedBatches(tuple(Drawn(j, dtype) for j in range(3)))
    found = fit(halves[0], stream, mean_output, FitPlan(1, accumulation=2)).curve
    batch = next(stream.at(0)), next(islice(stream.at(0), 1, None))
    parts = [halves[1].model.gradients(mean_output, each)[1][0] for each in batch]
    for point in found:
        wanted = (parts[0][point.member] + parts[1][point.member]) / 2
        assert point.loss == pytest.approx(float(wanted))
    assert [point.member for point in found] == [0, 1, 2]


def mean_output(model, batch):
    return model(batch[0]).square().mean()


def test_a_stacked_retraining_is_that_of_its_members(setup):
    pruned = pruned_network(setup)
    branches = plan_branches(
        "retrain_length", 2, seed=1, weight_decay=1e-3, num_steps=2, spread=2.0
    )
    stack, outcomes = retrain_stacked(setup, copied(pruned), branches, RATES)
    assert [len(outcome.curve) for outcome in outcomes] == [1, 1]
    for branch in branches:
        member = copied(pruned)
        retrain(setup, member, branch, RATES)
        alone = dict(member.model.named_parameters())
        mine = stack.member(branch.number)
        for name, value in alone.items():
            torch.testing.assert_close(mine[name], value.detach(), atol=1e-5, rtol=0)


def test_a_member_that_diverges_stands_still_and_the_others_go_on(setup):
    pruned = pruned_network(setup)
    branches = [Branch(0, 1, 0.0, 6), Branch(1, 1, 0.0, 6, rate_scale=1e30)]
    stack, outcomes = retrain_stacked(setup, copied(pruned), branches, RATES)
    assert [o.status for o in outcomes] == [FitStatus.FINISHED, FitStatus.DIVERGED]
    assert "lower the rate" in outcomes[1].reason
    alone = copied(pruned)
    retrain(setup, alone, branches[0], RATES)
    mine = stack.member(0)["4.weight"]
    wanted = alone.model.state_dict()["4.weight"]
    torch.testing.assert_close(mine, wanted, atol=1e-4, rtol=0)


def test_a_stack_that_broke_off_goes_on_bit_for_bit(tmp_path, monkeypatch):
    setup = Setup.open(small_config(checkpoint_steps=2))
    pruned, file = pruned_network(setup), str(tmp_path / "stack.safetensors")
    branches = plan_branches("seed", 2, seed=1, weight_decay=1e-3, num_steps=5, spread=2.0)
    step, taken = StackedState.take_step, []

    def broken(*arguments, **options):
        if len(taken) == 3:
            raise RuntimeError("power cut")
        taken.append(1)
        return step(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(StackedState, "take_step", broken)
        with pytest.raises(RuntimeError):
            retrain_stacked(setup, copied(pruned), branches, RATES, checkpoint=file)
    resumed, outcomes = retrain_stacked(setup, copied(pruned), branches, RATES, checkpoint=file)
    whole, expected = retrain_stacked(setup, copied(pruned), branches, RATES)
    assert outcomes == expected
    for j in range(2):
        mine, theirs = resumed.member(j), whole.member(j)
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_pruned_weights_of_all_members_stay_zero(setup):
    pruned = pruned_network(setup)
    branches = plan_branches("lr", 3, seed=1, weight_decay=1e-2, num_steps=4, spread=2.0)
    stack, _ = retrain_stacked(setup, copied(pruned), branches, RATES)
    for j in range(3):
        model = setup.new_model(0)
        model.load_state_dict(stack.member(j))
        assert num_stray(SparseModel(model, pruned.masks)) == 0


def test_the_benchmark_of_stacked_members_runs_on_any_device():
    # What comes out is a matter of the machine, and of a GPU (`test_pruning_gpu`).
    assert stacked_throughput("resnet20", 2, "cpu", batch=4, num_steps=1) > 0
