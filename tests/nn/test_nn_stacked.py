"""Stacks of models: any loss, any element-wise optimizer, resumed like any other training."""

import copy
from dataclasses import dataclass

import pytest
import torch
import toy_training as toy
from torch import nn

from tasks.nn import Constant, FitPlan, Stack, StackedBatches, StackedState, TrainingState, fit
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
