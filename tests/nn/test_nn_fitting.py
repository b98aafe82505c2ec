"""Whole trainings: killed and resumed, diverged, and not mixed up with others."""

import doctest
from dataclasses import dataclass, field, replace

import pytest
import torch

import tasks.nn
from tasks.nn import (
    Constant,
    FitPlan,
    FitStatus,
    Linear,
    TrainingState,
    WarmUp,
    fit,
    load_tensors,
    seeded_generator,
    sgd,
)
from tasks.nn.data import Augmentation, load_dataset
from tasks.nn.models import build_model
from tasks.nn.sparsity import global_masks, hold_masks, prunable_weights
from tasks.records import InputError

PLAN = FitPlan(
    num_steps=24,
    batch_size=32,
    schedule=WarmUp(Linear(0.1, 0.0, num_steps=22), 2),
    seed=3,
    augmentation=Augmentation(pad=1, cutout=2),
)


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits", num_train=200)


def new_state(digits, seed=0):
    model = build_model("small-cnn", digits.shape, digits.num_classes, seed=seed)
    return TrainingState(model, sgd(model, weight_decay=1e-3), 0, seeded_generator(seed))


def same_weights(first, second):
    pairs = zip(first.model.state_dict().values(), second.model.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


class Killed(BaseException):
    """Stands for a signal."""


@dataclass(frozen=True)
class Fatal(Augmentation):
    """Ends the program when the given number of batches has been drawn."""

    after: int = 0
    drawn: list = field(default_factory=list, compare=False)

    def moved(self, images, generator):
        self.drawn.append(len(images))
        if len(self.drawn) > self.after:
            raise Killed
        return super().moved(images, generator)


def test_the_example_of_the_package_holds():
    result = doctest.testmod(tasks.nn)
    assert result.attempted > 5 and result.failed == 0


def test_the_curve_has_the_points_asked_for_and_falls(digits):
    state = new_state(digits)
    result = fit(state, digits, PLAN, curve_steps=5)
    assert result.status is FitStatus.FINISHED and state.step == 24
    assert [point.step for point in result.curve] == [5, 10, 15, 20, 24]
    assert [point.rate for point in result.curve] == [
        PLAN.schedule.at(point.step - 1) for point in result.curve
    ]
    assert result.curve[-1].loss < result.curve[0].loss


@pytest.mark.parametrize("after", [0, 3, 7, 13, 23])
def test_a_killed_training_resumes_to_the_same_weights_and_curve(digits, tmp_path, after):
    options = {"checkpoint": tmp_path / "branch", "checkpoint_steps": 4, "curve_steps": 3}
    whole = new_state(digits)
    expected = fit(whole, digits, PLAN, curve_steps=3)

    fatal = Fatal(pad=1, cutout=2, after=after)
    with pytest.raises(Killed), pytest.MonkeyPatch.context() as patch:
        patch.setattr(FitPlan, "fingerprint", lambda _: PLAN_FINGERPRINT)
        fit(new_state(digits), digits, replace(PLAN, augmentation=fatal), **options)

    state = new_state(digits, seed=9)  # whatever is in it is replaced, unless nothing was saved
    if after < 4:
        assert not (tmp_path / "branch").exists()
        state = new_state(digits)
    assert fit(state, digits, PLAN, **options) == expected
    assert same_weights(state, whole)


PLAN_FINGERPRINT = PLAN.fingerprint()


def test_a_finished_training_is_not_done_again(digits, tmp_path):
    options = {"checkpoint": tmp_path / "branch"}
    first = fit(new_state(digits), digits, PLAN, **options)
    digest = load_tensors(tmp_path / "branch").digest
    state = new_state(digits, seed=9)
    assert fit(state, digits, PLAN, **options) == first and state.step == 24
    assert load_tensors(tmp_path / "branch").digest == digest


def test_masks_in_force_survive_a_resume(digits, tmp_path):
    def masked(seed):
        state = new_state(digits, seed)
        scores = {n: w.detach().abs() for n, w in prunable_weights(new_state(digits).model).items()}
        return state, hold_masks(state.model, global_masks(scores, 5000)).masks

    whole, masks = masked(0)
    fit(whole, digits, PLAN)
    part, _ = masked(0)
    fatal = Fatal(pad=1, cutout=2, after=9)
    with pytest.raises(Killed), pytest.MonkeyPatch.context() as patch:
        patch.setattr(FitPlan, "fingerprint", lambda _: PLAN_FINGERPRINT)
        plan = replace(PLAN, augmentation=fatal)
        fit(part, digits, plan, checkpoint=tmp_path / "branch", checkpoint_steps=5)
    state, _ = masked(9)
    fit(state, digits, PLAN, checkpoint=tmp_path / "branch", checkpoint_steps=5)
    assert same_weights(state, whole)
    for name, mask in masks.items():
        assert torch.equal(state.model.get_parameter(name) != 0, mask)


def test_a_resumed_optimizer_has_the_memory_order_of_its_weights(digits, tmp_path):
    fit(new_state(digits), digits, PLAN, checkpoint=tmp_path / "branch")
    state = new_state(digits)
    fit(state, digits, PLAN, checkpoint=tmp_path / "branch")
    for parameter, moments in state.optimizer.state.items():
        assert moments["momentum_buffer"].stride() == parameter.stride()


def test_a_diverged_training_ends_with_a_status_and_keeps_the_last_good_checkpoint(
    digits, tmp_path
):
    state = new_state(digits)
    plan = replace(PLAN, schedule=Jump(at_step=9), clip=None)
    result = fit(state, digits, plan, checkpoint=tmp_path / "branch", checkpoint_steps=4)
    assert result.status is FitStatus.DIVERGED and "step 1" in result.reason
    assert all(bool(t.isfinite().all()) for t in state.model.state_dict().values())
    assert load_tensors(tmp_path / "branch").extra["step"] == 8


@dataclass(frozen=True)
class Jump:
    """A small rate, and from one step on one that no training survives."""

    at_step: int

    def at(self, step):
        return 0.01 if step < self.at_step else 1e30


def test_a_checkpoint_of_another_training_is_refused_and_nothing_changes(digits, tmp_path):
    fit(new_state(digits), digits, PLAN, checkpoint=tmp_path / "branch")
    for other in (replace(PLAN, seed=4), replace(PLAN, schedule=Constant(0.1))):
        state = new_state(digits, seed=5)
        with pytest.raises(InputError, match="belongs to another training"):
            fit(state, digits, other, checkpoint=tmp_path / "branch")
        assert state.step == 0 and same_weights(state, new_state(digits, seed=5))


def test_a_checkpoint_of_another_start_costs_a_training_with_a_known_start_only_its_steps(
    digits, tmp_path, caplog
):
    fit(new_state(digits), digits, PLAN, checkpoint=tmp_path / "branch", origin="first")
    whole, state = new_state(digits, seed=5), new_state(digits, seed=5)
    expected = fit(whole, digits, PLAN)
    found = fit(state, digits, PLAN, checkpoint=tmp_path / "branch", origin="second")
    assert found == expected and same_weights(state, whole)
    assert "branch is of another training" in caplog.text and "starts anew" in caplog.text
    assert fit(new_state(digits), digits, PLAN, checkpoint=tmp_path / "branch", origin="second")
    assert load_tensors(tmp_path / "branch").extra["extra"]["origin"] == "second"


@pytest.mark.parametrize("size", [0, 5, -1])
def test_a_damaged_checkpoint_is_removed_and_training_starts_anew(digits, tmp_path, caplog, size):
    plan, file = replace(PLAN, num_steps=4), tmp_path / "branch"
    expected = fit(new_state(digits), digits, plan, checkpoint=file, curve_steps=2)
    content = file.read_bytes()
    file.write_bytes(content[:size])
    state = new_state(digits)
    assert fit(state, digits, plan, checkpoint=file, curve_steps=2) == expected
    assert state.step == 4 and file.read_bytes() == content
    assert str(file) in caplog.text and "starts anew" in caplog.text
