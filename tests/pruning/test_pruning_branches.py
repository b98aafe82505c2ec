"""Members of a soup: variations, retraining under masks, resumption after a kill."""

import signal
from pathlib import Path

import pytest
import torch
from commands import run_python
from small_runs import copied, pruned_network, same_weights, small_config

from tasks.nn import FitStatus, Linear, load_tensors
from tasks.nn.data import ImageBatches
from tasks.pruning.branches import Branch, Rates, ScaledSchedule, plan_branches, retrain
from tasks.pruning.setups import Setup
from tasks.pruning.sparse_models import num_stray
from tasks.records import InputError

RATES = Rates("llr", Linear(0.1, 0.0, 40), 40)
SETTINGS = {"seed": 5, "weight_decay": 1e-3, "num_steps": 12, "spread": 2.0}


@pytest.mark.parametrize(
    ("vary", "field", "expected"),
    [
        ("weight_decay", "weight_decay", [1e-3, 2e-3, 5e-4, 4e-3, 2.5e-4]),
        ("retrain_length", "num_steps", [12, 24, 6, 48, 3]),
        ("lr", "rate_scale", [1.0, 2.0, 0.5, 4.0, 0.25]),
    ],
)
def test_members_differ_in_exactly_one_thing(vary, field, expected):
    found = plan_branches(vary, 5, **SETTINGS)
    assert [getattr(branch, field) for branch in found] == pytest.approx(expected)
    others = {"seed", "weight_decay", "num_steps", "rate_scale"} - {field}
    assert all(len({getattr(branch, name) for branch in found}) == 1 for name in others)


def test_seeds_of_members_differ_and_member_0_is_the_same_in_all_variations():
    found = plan_branches("seed", 4, **SETTINGS)
    assert len({branch.seed for branch in found}) == 4
    firsts = {
        plan_branches(vary, 2, **SETTINGS)[0]
        for vary in ("seed", "weight_decay", "retrain_length", "lr")
    }
    assert firsts == {found[0]}


def test_impossible_members_are_refused():
    with pytest.raises(InputError, match="vary seed, weight_decay, retrain_length, lr"):
        plan_branches("mood", 2, **SETTINGS)
    with pytest.raises(InputError, match="at least one"):
        plan_branches("seed", 0, **SETTINGS)
    with pytest.raises(InputError, match="more epochs or a smaller spread"):
        plan_branches("retrain_length", 3, **SETTINGS | {"num_steps": 1, "spread": 4.0})


def test_rates_go_on_where_the_original_training_is_and_can_be_stretched():
    original = Linear(1.0, 0.0, 100)
    rates = Rates("continued", original, 100, start=60, length=20)
    assert [rates.schedule(20).at(t) for t in (0, 10)] == [original.at(60), original.at(70)]
    stretched = rates.schedule(40)
    assert [stretched.at(t) for t in (0, 20, 39)] == [original.at(s) for s in (60, 70, 79)]
    assert rates.schedule(20, 3.0) == ScaledSchedule(rates.schedule(20), 3.0)
    assert ScaledSchedule(original, 3.0).at(50) == pytest.approx(1.5)


def test_retraining_keeps_the_mask_and_changes_what_is_left(setup):
    pruned = pruned_network(setup)
    member = copied(pruned)
    outcome = retrain(setup, member, Branch(0, 1, 1e-3, 8), RATES)
    assert outcome.status == FitStatus.FINISHED
    assert num_stray(member) == 0
    assert member.num_kept == pruned.num_kept
    assert not same_weights(member, pruned)


def test_statistics_of_members_are_estimated_on_the_same_images(setup):
    member = pruned_network(setup)
    retrain(setup, member, Branch(0, 1, 0.0, 3), RATES)
    before = {n: b.clone() for n, b in member.model.named_buffers()}
    setup.recalibrate(member.model)
    assert all(torch.equal(b, before[n]) for n, b in member.model.named_buffers())


def test_a_loss_that_is_not_finite_ends_with_a_status(setup):
    member = pruned_network(setup)
    wild = Rates("llr", Linear(1e30, 1e30, 40), 40)
    outcome = retrain(setup, member, Branch(0, 1, 0.0, 12), wild)
    assert outcome.status == FitStatus.DIVERGED
    assert "lower the rate or clip more" in outcome.reason
    assert num_stray(member) == 0


class PowerCutError(Exception):
    """Ends a training between two steps."""


def with_a_bad_batch(batches, bad):
    """The batches, `bad` called in place of the fifth."""

    def changed(*arguments, **options):
        for number, (inputs, labels) in enumerate(batches(*arguments, **options)):
            yield (bad(inputs) if number == 4 else inputs), labels

    return changed


def cut(_):
    raise PowerCutError


@pytest.mark.parametrize("feedback", [False, True])
def test_a_member_that_diverges_keeps_weights_and_statistics_of_the_last_good_step(
    setup, monkeypatch, feedback
):
    diverged, ended = pruned_network(setup), pruned_network(setup)
    branch, batches = Branch(0, 1, 0.0, 12), ImageBatches.at
    poisoned = with_a_bad_batch(batches, lambda inputs: inputs * float("nan"))
    monkeypatch.setattr(ImageBatches, "at", poisoned)
    outcome = retrain(setup, diverged, branch, RATES, feedback=feedback)
    assert outcome.status == FitStatus.DIVERGED
    monkeypatch.setattr(ImageBatches, "at", with_a_bad_batch(batches, cut))
    with pytest.raises(PowerCutError):
        retrain(setup, ended, branch, RATES, feedback=feedback)
    assert same_weights(diverged, ended)


PROGRAM = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import torch
torch.set_num_threads(1)
from small_runs import pruned_network, small_config
from tasks.nn import Linear, fitting
from tasks.pruning.branches import Branch, Rates, retrain
from tasks.pruning.setups import Setup
save, saved = fitting.save_checkpoint, []
def killed(*arguments):
    save(*arguments)
    saved.append(1)
    if len(saved) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
fitting.save_checkpoint = killed
setup = Setup.open(small_config(checkpoint_steps=3))
rates = Rates("llr", Linear(0.1, 0.0, 40), 40)
retrain(setup, pruned_network(setup), Branch(0, 1, 1e-3, 12), rates, checkpoint={file!r})
"""


def test_a_killed_member_goes_on_to_the_same_weights_bit_for_bit(tmp_path):
    file = str(tmp_path / "member.safetensors")
    here = Path(__file__)
    program = PROGRAM.format(tests=str(here.parent), file=file)
    run_python("-c", program, cwd=here.parents[2], code=-signal.SIGKILL)
    assert load_tensors(file).extra["step"] == 6
    setup = Setup.open(small_config(checkpoint_steps=3))
    resumed, whole = pruned_network(setup), pruned_network(setup)
    branch = Branch(0, 1, 1e-3, 12)
    continued = retrain(setup, resumed, branch, RATES, checkpoint=file)
    assert retrain(setup, whole, branch, RATES) == continued
    assert same_weights(resumed, whole)


def test_a_checkpoint_of_another_member_is_not_gone_on_with(setup, tmp_path):
    file = tmp_path / "member.safetensors"
    retrain(setup, pruned_network(setup), Branch(0, 1, 0.0, 3), RATES, checkpoint=file)
    found, expected = pruned_network(setup), pruned_network(setup)
    retrain(setup, found, Branch(1, 2, 0.0, 3), RATES, checkpoint=file)
    retrain(setup, expected, Branch(1, 2, 0.0, 3), RATES)
    assert same_weights(found, expected)
