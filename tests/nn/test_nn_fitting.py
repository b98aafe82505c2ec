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
    classification_loss,
    fit,
    load_tensors,
    seeded_generator,
    sgd,
)
from tasks.nn.data import Augmentation, ImageBatches, load_dataset
from tasks.nn.models import build_model
from tasks.nn.sparsity import global_masks, hold_masks, prunable_weights
from tasks.records import InputError

PLAN = FitPlan(num_steps=24)
SCHEDULE = WarmUp(Linear(0.1, 0.0, num_steps=22), 2)
AUGMENTATION = Augmentation(pad=1, cutout=2)


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits", num_train=200)


def new_state(digits, seed=0, schedule=SCHEDULE):
    model = build_model("small-cnn", digits.shape, digits.num_classes, seed=seed)
    return TrainingState(model, sgd(model, weight_decay=1e-3), schedule, 0, seeded_generator(seed))


def train(state, digits, plan=PLAN, *, seed=3, augmentation=AUGMENTATION, **options):
    batches = ImageBatches(digits, 32, seed, augmentation)
    return fit(state, batches, classification_loss, replace(plan, **options))


def same_weights(first, second):
    pairs = zip(first.model.state_dict().values(), second.model.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


class Killed(BaseException):
    """Stands for a signal."""


@dataclass(frozen=True, repr=False)
class Fatal(Augmentation):
    """Ends the program when so many batches have been drawn; else the plain augmentation."""

    after: int = 0
    drawn: list = field(default_factory=list)

    def __repr__(self):
        return repr(AUGMENTATION)

    def moved(self, images, generator):
        self.drawn.append(len(images))
        if len(self.drawn) > self.after:
            raise Killed
        return super().moved(images, generator)


def test_the_example_of_the_package_holds():
    result = doctest.testmod(tasks.nn)
    assert result.attempted > 5 and result.failed == 0


def test_every_name_of_the_package_is_found():
    assert [name for name in tasks.nn.__all__ if not hasattr(tasks.nn, name)] == []


def test_the_curve_has_the_points_asked_for_and_falls(digits):
    state = new_state(digits)
    result = train(state, digits, curve_steps=5)
    assert result.status is FitStatus.FINISHED and state.step == 24
    assert [point.step for point in result.curve] == [5, 10, 15, 20, 24]
    assert [point.rate for point in result.curve] == [
        SCHEDULE.at(point.step - 1) for point in result.curve
    ]
    assert result.curve[-1].loss < result.curve[0].loss


@pytest.mark.parametrize("after", [0, 3, 7, 13, 23])
def test_a_killed_training_resumes_to_the_same_weights_and_curve(digits, tmp_path, after):
    options = {"checkpoint": tmp_path / "branch", "checkpoint_steps": 4, "curve_steps": 3}
    whole = new_state(digits)
    expected = train(whole, digits, curve_steps=3)

    fatal = Fatal(pad=1, cutout=2, after=after)
    with pytest.raises(Killed):
        train(new_state(digits), digits, augmentation=fatal, **options)

    state = new_state(digits, seed=9)  # whatever is in it is replaced, unless nothing was saved
    if after < 4:
        assert not (tmp_path / "branch").exists()
        state = new_state(digits)
    assert train(state, digits, **options) == expected
    assert same_weights(state, whole)


def test_a_finished_training_is_not_done_again(digits, tmp_path):
    options = {"checkpoint": tmp_path / "branch"}
    first = train(new_state(digits), digits, **options)
    digest = load_tensors(tmp_path / "branch").digest
    state = new_state(digits, seed=9)
    assert train(state, digits, **options) == first and state.step == 24
    assert load_tensors(tmp_path / "branch").digest == digest


def test_masks_in_force_survive_a_resume(digits, tmp_path):
    def masked(seed):
        state = new_state(digits, seed)
        scores = {n: w.detach().abs() for n, w in prunable_weights(new_state(digits).model).items()}
        return state, hold_masks(state.model, global_masks(scores, 5000)).masks

    whole, masks = masked(0)
    train(whole, digits)
    part, _ = masked(0)
    fatal = Fatal(pad=1, cutout=2, after=9)
    with pytest.raises(Killed):
        train(part, digits, augmentation=fatal, checkpoint=tmp_path / "branch", checkpoint_steps=5)
    state, _ = masked(9)
    train(state, digits, checkpoint=tmp_path / "branch", checkpoint_steps=5)
    assert same_weights(state, whole)
    for name, mask in masks.items():
        assert torch.equal(state.model.get_parameter(name) != 0, mask)


def test_a_resumed_optimizer_has_the_memory_order_of_its_weights(digits, tmp_path):
    train(new_state(digits), digits, checkpoint=tmp_path / "branch")
    state = new_state(digits)
    train(state, digits, checkpoint=tmp_path / "branch")
    for parameter, moments in state.optimizer.state.items():
        assert moments["momentum_buffer"].stride() == parameter.stride()


def test_a_diverged_training_ends_with_a_status_and_keeps_the_last_good_checkpoint(
    digits, tmp_path
):
    state = new_state(digits, schedule=Jump(at_step=9))
    options = {"checkpoint": tmp_path / "branch", "checkpoint_steps": 4}
    result = train(state, digits, clip=None, **options)
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
    train(new_state(digits), digits, checkpoint=tmp_path / "branch")
    for seed, schedule, options in (
        (4, SCHEDULE, {}),
        (3, Constant(0.1), {}),
        (3, SCHEDULE, {"accumulation": 2}),
    ):
        state = new_state(digits, 5, schedule)
        with pytest.raises(InputError, match="belongs to another training"):
            train(state, digits, seed=seed, checkpoint=tmp_path / "branch", **options)
        assert state.step == 0 and same_weights(state, new_state(digits, seed=5))


def test_a_checkpoint_of_another_start_costs_a_training_with_a_known_start_only_its_steps(
    digits, tmp_path, caplog
):
    train(new_state(digits), digits, checkpoint=tmp_path / "branch", origin="first")
    whole, state = new_state(digits, seed=5), new_state(digits, seed=5)
    expected = train(whole, digits)
    found = train(state, digits, checkpoint=tmp_path / "branch", origin="second")
    assert found == expected and same_weights(state, whole)
    assert "branch is of another training" in caplog.text and "starts over" in caplog.text
    assert train(new_state(digits), digits, checkpoint=tmp_path / "branch", origin="second")
    assert load_tensors(tmp_path / "branch").extra["extra"]["origin"] == "second"


@pytest.mark.parametrize("size", [0, 5, -1])
def test_a_damaged_checkpoint_is_named_and_training_starts_over(digits, tmp_path, caplog, size):
    plan, file = replace(PLAN, num_steps=4, curve_steps=2), tmp_path / "branch"
    expected = train(new_state(digits), digits, plan, checkpoint=file)
    content = file.read_bytes()
    file.write_bytes(content[:size])
    state = new_state(digits)
    assert train(state, digits, plan, checkpoint=file) == expected
    assert state.step == 4 and file.read_bytes() == content
    assert str(file) in caplog.text and "starts over" in caplog.text


@pytest.mark.parametrize("root", ["{}", "file://{}"], ids=["path", "uri"])
def test_a_training_resumes_from_a_path_and_from_a_uri(digits, tmp_path, root, caplog):
    caplog.set_level("INFO")
    options = {"checkpoint": f"{root.format(tmp_path)}/branch", "checkpoint_steps": 5}
    with pytest.raises(Killed):
        fatal = Fatal(pad=1, cutout=2, after=22)
        train(new_state(digits), digits, augmentation=fatal, **options)
    whole, state = new_state(digits), new_state(digits)
    assert train(state, digits, **options) == train(whole, digits)
    assert "resumed at step 20 of 24" in caplog.text and same_weights(state, whole)


@pytest.mark.parametrize("after", [0, 9, 30])
def test_accumulation_resumes_at_the_batch_of_its_step(digits, tmp_path, after):
    options = {"num_steps": 12, "accumulation": 3, "checkpoint_steps": 2, "curve_steps": 2}
    whole, state = new_state(digits), new_state(digits)
    expected = train(whole, digits, **options)
    options["checkpoint"] = tmp_path / "branch"
    with pytest.raises(Killed):
        fatal = Fatal(pad=1, cutout=2, after=after)
        train(new_state(digits), digits, augmentation=fatal, **options)
    assert train(state, digits, **options) == expected and same_weights(state, whole)


def test_what_is_measured_is_in_the_curve_and_comes_back(digits, tmp_path):
    def measure(reports):
        return {"mean": sum(float(r.loss) for r in reports) / len(reports), "count": len(reports)}

    plan = replace(PLAN, num_steps=7, curve_steps=3, checkpoint=tmp_path / "branch")
    batches, state = ImageBatches(digits, 32, 3), new_state(digits)
    found = fit(state, batches, with_terms, plan, measure=measure)
    assert [p.measures["count"] for p in found.curve] == [3, 3, 1]
    assert all(p.measures["twice"] == pytest.approx(2 * p.loss) for p in found.curve)
    assert found.curve[2].measures["mean"] == found.curve[2].loss
    assert fit(new_state(digits), batches, with_terms, plan, measure=measure) == found


def with_terms(model, batch):
    value = classification_loss(model, batch)
    return value, {"twice": 2 * value}
