"""Stacks of models: any loss, any element-wise optimizer, resumed like any other training."""

import copy
from dataclasses import dataclass

import pytest
import torch
import toy_training as toy
from torch import nn

from tasks.nn import (
    Constant,
    FitPlan,
    FitStatus,
    JointStack,
    Linear,
    ScaledSchedule,
    Stack,
    StackedAdamW,
    StackedBatches,
    StackedSchedule,
    StackedSGD,
    StackedState,
    TrainingState,
    fit,
)
from tasks.records import InputError

RATE = Constant(0.01)


@dataclass(frozen=True)
class Drawn:
    """Batches of a seed."""

    seed: int
    dtype: str = "float32"

    def at(self, step):
        for inputs, targets in toy.batches(step, self.seed):
            yield inputs.to(getattr(torch, self.dtype)), targets.to(getattr(torch, self.dtype))


class Tied(nn.Module):
    """Two layers with one weight, and normalization."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.norm, self.last = nn.BatchNorm1d(4), nn.Linear(4, 1)

    def forward(self, inputs):
        return self.last(torch.tanh(self.second(self.norm(self.first(inputs)))))


def loss(model, batch):
    value = toy.squared_error(model, batch)
    return value, {"largest": model.last.weight.abs().max()}


def adamw(model):
    return torch.optim.AdamW(model.parameters())


@pytest.mark.parametrize("accumulation", [1, 2])
def test_members_take_the_steps_of_adam_that_they_would_take_alone(accumulation):
    model, plan = Tied().double(), FitPlan(6, accumulation=accumulation, curve_steps=2)
    stack = Stack(model, 3)
    batches = [Drawn(seed, "float64") for seed in range(3)]
    state = StackedState(stack, adamw(stack), RATE)
    whole = fit(state, StackedBatches(tuple(batches)), loss, plan)
    for number, each in enumerate(batches):
        member = copy.deepcopy(model)
        alone = TrainingState(member, adamw(member), RATE)
        expected = fit(alone, each, loss, plan).curve
        found = state.outcome(number, whole).curve
        assert [(p.step, p.rate) for p in found] == [(p.step, p.rate) for p in expected]
        for mine, theirs in zip(found, expected, strict=True):
            assert mine.loss == pytest.approx(theirs.loss, rel=1e-9)
            assert mine.measures == pytest.approx(theirs.measures, rel=1e-9)
        for name, value in member.state_dict().items():
            # Adam magnifies what rounding leaves of the gradient of a bias before normalization.
            torch.testing.assert_close(stack.member(number)[name], value, atol=1e-8, rtol=0)


def test_a_stack_with_dropout_resumes_to_the_same_weights_bit_for_bit(tmp_path, monkeypatch):
    def begun():
        stack = Stack(toy.new_state(3).model, 2)
        return StackedState(stack, adamw(stack), RATE)

    batches, place = StackedBatches((Drawn(0), Drawn(1))), f"file://{tmp_path}/stack"
    whole, state = begun(), begun()
    expected = fit(whole, batches, toy.squared_error, FitPlan(7, curve_steps=3))
    plan = FitPlan(7, curve_steps=3, checkpoint=place, checkpoint_steps=2)
    step = StackedState.take_step

    def broken(self, *arguments, **options):
        if self.step == 5:
            raise RuntimeError("power cut")
        return step(self, *arguments, **options)

    with monkeypatch.context() as patched, pytest.raises(RuntimeError):
        patched.setattr(StackedState, "take_step", broken)
        fit(begun(), batches, toy.squared_error, plan)
    assert fit(state, batches, toy.squared_error, plan) == expected
    assert toy.same(toy.weights(state), toy.weights(whole))
    first, second = (whole.model.member(j)["0.weight"] for j in (0, 1))
    assert not torch.equal(first, second)


def test_mixed_precision_of_a_stack_is_refused():
    stack = Stack(toy.new_state().model, 2)
    state, plan = StackedState(stack, adamw(stack), RATE), FitPlan(2, mixed_precision=True)
    with pytest.raises(InputError, match="full precision"):
        fit(state, StackedBatches((Drawn(0), Drawn(1))), toy.squared_error, plan)


RATES, DECAYS = (0.02, 0.005, 0.03), (0.1, 0.0, 0.5)
BETAS = ((0.9, 0.8, 0.5), (0.999, 0.99, 0.9))


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_settings_per_member_are_those_that_torch_has_for_one(kind):
    model, plan = Tied().double(), FitPlan(7)
    stack = Stack(model, 3)
    own = {
        "adamw": lambda: StackedAdamW(stack, betas=BETAS, weight_decays=DECAYS),
        "sgd": lambda: StackedSGD(stack, momentum=BETAS[0], weight_decays=DECAYS),
    }
    theirs = {
        "adamw": lambda w, j: torch.optim.AdamW(
            w, betas=(BETAS[0][j], BETAS[1][j]), weight_decay=DECAYS[j]
        ),
        "sgd": lambda w, j: torch.optim.SGD(
            w, 1.0, momentum=BETAS[0][j], weight_decay=DECAYS[j], nesterov=True
        ),
    }
    schedule = ScaledSchedule(Linear(1.0, 0.0, 10), RATES)
    state = StackedState(stack, own[kind](), schedule)
    batches = [Drawn(seed, "float64") for seed in range(3)]
    fit(state, StackedBatches(tuple(batches)), loss, plan)
    for j, each in enumerate(batches):
        member = copy.deepcopy(model)
        alone = TrainingState(
            member, theirs[kind](member.parameters(), j), Linear(RATES[j], 0.0, 10)
        )
        fit(alone, each, loss, plan)
        for name, value in member.state_dict().items():
            torch.testing.assert_close(stack.member(j)[name], value, atol=1e-8, rtol=0)


class Points(nn.Module):
    """Members (m, n) of a joint problem, with a shift (m, 1) that not every batch asks for."""

    def __init__(self, starts):
        super().__init__()
        self.place = nn.Parameter(starts.clone())
        self.shift = nn.Parameter(torch.zeros(len(starts), 1, dtype=starts.dtype))


@dataclass(frozen=True)
class Phases:
    """Batches that say whether the shift is learned."""

    first: int

    def at(self, step):
        while True:
            yield step >= self.first
            step += 1


def rosenbrock(heights):
    def joint(points, is_shifted):
        x, y = (points.place + points.shift if is_shifted else points.place).unbind(1)
        value = (1 - x).square() + heights[: len(x)] * (y - x.square()).square()
        return value, {"x": x}

    return joint


def joint_state(starts, rates, make=StackedAdamW, **settings):
    stack = JointStack(Points(starts), len(starts))
    return StackedState(stack, make(stack, **settings), ScaledSchedule(Constant(1.0), rates))


def test_members_of_a_joint_stack_take_the_steps_that_each_takes_alone():
    starts = torch.tensor([[-1.0, 2.0], [0.5, 0.5], [3.0, -1.0]], dtype=torch.float64)
    heights, rates, plan = torch.tensor([1.0, 10.0, 3.0]), (0.1, 0.02, 0.3), FitPlan(9)
    groups = {"shift": {"lr_scale": 0.5, "weight_decays": 0.0}}
    state = joint_state(starts, rates, weight_decays=DECAYS, groups=groups)
    whole = fit(state, Phases(4), rosenbrock(heights), plan)
    for j in range(3):
        single = joint_state(
            starts[j : j + 1], rates[j : j + 1], weight_decays=DECAYS[j], groups=groups
        )
        own = fit(single, Phases(4), rosenbrock(heights[j : j + 1]), plan)
        expected = [(p.step, p.loss, p.rate, p.measures) for p in own.curve]
        found = state.outcome(j, whole).curve
        assert [(p.step, p.loss, p.rate, p.measures) for p in found] == expected
        for name, value in single.model.member(0).items():
            assert torch.equal(state.model.member(j)[name], value)


def test_a_parameter_without_a_gradient_stands_still_until_it_has_one():
    starts = torch.tensor([[-1.0, 2.0]], dtype=torch.float64)
    states = [joint_state(starts, (0.1,)) for _ in range(2)]
    for state, num_steps in zip(states, (3, 5), strict=True):
        fit(state, Phases(4), rosenbrock(torch.ones(1)), FitPlan(num_steps))
    assert states[0].model.members.shift.item() == 0.0
    assert states[1].model.members.shift.item() != 0.0
    assert states[1].optimizer.state[states[1].model.members.shift]["step"] == 1


def test_a_joint_stack_goes_on_bit_for_bit_from_its_checkpoint(tmp_path):
    starts, rates = torch.tensor([[-1.0, 2.0], [0.5, 0.5]]), (0.1, 0.02)
    joint, place = rosenbrock(torch.ones(2)), str(tmp_path / "joint")
    whole, broken, state = (joint_state(starts, rates) for _ in range(3))
    expected = fit(whole, Phases(2), joint, FitPlan(6, curve_steps=2))
    plan = FitPlan(6, curve_steps=2, checkpoint=place, checkpoint_steps=2)

    def until_four(points, batch):
        if broken.step == 5:
            raise RuntimeError("power cut")
        return joint(points, batch)

    with pytest.raises(RuntimeError):
        fit(broken, Phases(2), until_four, plan)
    assert fit(state, Phases(2), joint, plan) == expected
    assert toy.same(toy.weights(state), toy.weights(whole))


@pytest.mark.parametrize("make", [StackedAdamW, StackedSGD])
def test_a_member_that_diverges_or_is_done_stands_still_bit_for_bit(make):
    starts = torch.tensor([[-1.0, 2.0], [0.5, 0.5], [0.1, 0.1]])
    state = joint_state(starts, (0.01, float("inf"), 0.01), make)
    state.num_steps = (6, 6, 2)
    whole = fit(state, Phases(0), rosenbrock(torch.ones(3)), FitPlan(6, curve_steps=2))
    fits = [state.outcome(j, whole) for j in range(3)]
    assert [f.status for f in fits] == [
        FitStatus.FINISHED,
        FitStatus.DIVERGED,
        FitStatus.FINISHED,
    ]
    assert [p.step for p in fits[2].curve] == [2]
    alone = joint_state(starts[2:], (0.01,), make)
    fit(alone, Phases(0), rosenbrock(torch.ones(1)), FitPlan(2))
    assert torch.equal(alone.model.members.place[0], state.model.members.place[2])


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_long_moves_of_a_member_are_shortened(momentum):
    starts = torch.tensor([[-1.0, 2.0], [0.999, 0.999]], dtype=torch.float64)
    settings = {"momentum": momentum, "groups": {"place": {"largest_move": [0.3, 0.3]}}}
    short, free = (
        joint_state(starts, (1.0, 1.0), StackedSGD, **chosen)
        for chosen in (settings, {"momentum": momentum})
    )
    for state in (short, free):
        fit(state, Phases(9), rosenbrock(torch.ones(2)), FitPlan(1, clip=None))
    moves, whole = (state.model.members.place.detach() - starts for state in (short, free))
    assert whole[0].norm() > 0.3
    torch.testing.assert_close(moves[0], whole[0] * (0.3 / whole[0].norm()))
    assert torch.equal(moves[1], whole[1])


def test_a_scaled_schedule_is_one_schedule_per_member():
    inner = Linear(1.0, 0.0, 8)
    members = StackedSchedule(tuple(Linear(rate, 0.0, 8) for rate in RATES))
    for step in range(9):
        torch.testing.assert_close(ScaledSchedule(inner, RATES).at(step), members.at(step))


def test_wrong_settings_and_losses_of_stacks_are_named():
    stack = JointStack(Points(torch.zeros(2, 2)), 2)
    with pytest.raises(InputError, match="weight_decays: 3 values for 2 members"):
        StackedAdamW(stack, weight_decays=[0.0, 0.0, 0.0])
    with pytest.raises(InputError, match="begins with 'lattice'; left are place, shift"):
        StackedSGD(stack, groups={"lattice": {"lr_scale": 0.1}})
    with pytest.raises(InputError, match="one loss for each of its 2 members"):
        stack.gradients(lambda points, _: points.place.square().sum(), None)
