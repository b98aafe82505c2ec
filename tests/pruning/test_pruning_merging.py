"""Merge rules, ensembles and distances."""

import math

import pytest
import torch
from small_runs import copied, pruned_network, same_weights

from tasks.nn import Linear, evaluate, measure
from tasks.nn.sparsity import prunable_weights
from tasks.pruning.branches import Rates, plan_branches, retrain
from tasks.pruning.merging import (
    MERGES,
    PredictionEnsemble,
    learned_weights,
    member_distances,
    merge,
    mixed_state,
)
from tasks.pruning.sparse_models import mask_id, num_stray
from tasks.records import InputError

RATES = Rates("llr", Linear(0.1, 0.0, 60), 60)


@pytest.fixture(scope="module")
def members(setup):
    """Three members of one mask, the last one hardly trained."""
    pruned = pruned_network(setup, 0.6)
    made = []
    for branch, steps in zip(
        plan_branches("seed", 3, seed=1, weight_decay=0.0, num_steps=60, spread=2.0),
        (60, 60, 2),
        strict=True,
    ):
        member = copied(pruned)
        retrain(setup, member, branch.__class__(**vars(branch) | {"num_steps": steps}), RATES)
        made.append(member)
    return made


@pytest.mark.parametrize("rule", MERGES)
def test_merging_keeps_the_mask_and_the_number_of_zeros_exactly(rule, members, setup):
    soup = merge(rule, members, setup, setup.new_model(0)).sparse
    assert mask_id(soup.masks) == mask_id(members[0].masks)
    assert soup.num_kept == members[0].num_kept
    assert num_stray(soup) == 0

    def zeros(sparse):
        return sum(int((w == 0).sum()) for w in prunable_weights(sparse.model).values())

    assert zeros(soup) == zeros(members[0])


@pytest.mark.parametrize("rule", MERGES)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_soup_of_identical_members_is_the_member(rule, count, members, setup):
    soup = merge(rule, [copied(members[0])] * count, setup, setup.new_model(0)).sparse
    assert same_weights(soup, members[0])


def test_the_uniform_soup_is_the_mean(members, setup):
    soup = merge("uniform", members, setup, setup.new_model(0))
    name = "4.weight"
    mean = sum(m.model.state_dict()[name].double() for m in members) / 3
    found = soup.sparse.model.state_dict()[name]
    torch.testing.assert_close(found.double(), mean, atol=1e-7, rtol=0)
    assert soup.chosen == (0, 1, 2)


@pytest.mark.parametrize("start", range(3))
def test_the_greedy_soup_is_never_below_the_best_member(start, members, setup):
    order = members[start:] + members[:start]
    soup = merge("greedy", order, setup, setup.new_model(0))
    best = max(setup.validation_quality(member.model) for member in order)
    assert setup.validation_quality(soup.sparse.model) >= best


def test_the_learned_soup_is_never_below_the_uniform_one(members, setup):
    learned = merge("learned", members, setup, setup.new_model(0))
    uniform = merge("uniform", members, setup, setup.new_model(0))
    accuracies = [setup.validation_quality(s.sparse.model) for s in (learned, uniform)]
    assert accuracies[0] >= accuracies[1]


def test_learned_weights_are_convex_and_prefer_trained_members(members, setup):
    weights = learned_weights(members, setup, setup.new_model(0))
    assert all(math.isclose(sum(row), 1, abs_tol=1e-6) for row in weights.values())
    assert all(min(row) > 0 for row in weights.values())
    assert sum(row[2] for row in weights.values()) < len(weights) / 3


def test_layers_can_have_weights_of_their_own(members):
    states = [member.model.state_dict() for member in members]
    mixed = mixed_state(states, {"0": (0.0, 1.0, 0.0), "4": (0.25, 0.25, 0.5)})
    torch.testing.assert_close(mixed["0.weight"], states[1]["0.weight"])
    wanted = 0.25 * states[0]["4.weight"] + 0.25 * states[1]["4.weight"]
    torch.testing.assert_close(mixed["4.weight"], wanted + 0.5 * states[2]["4.weight"])


def test_counters_of_normalizations_are_not_averaged(members):
    states = [{**m.model.state_dict()} for m in members]
    states[1]["1.num_batches_tracked"] = torch.tensor(10**6)
    mixed = mixed_state(states, {})
    assert torch.equal(mixed["1.num_batches_tracked"], states[0]["1.num_batches_tracked"])


def test_members_with_different_masks_are_refused(members, setup):
    other = pruned_network(setup, 0.7)
    with pytest.raises(InputError, match="must share one mask"):
        merge("uniform", [members[0], other], setup, setup.new_model(0))
    with pytest.raises(InputError, match="at least one member"):
        merge("uniform", [], setup, setup.new_model(0))
    with pytest.raises(InputError, match="known are uniform, greedy, learned"):
        merge("median", members, setup, setup.new_model(0))


def test_the_ensemble_averages_probabilities_and_is_scored_against_labels(members, setup):
    models = [member.model.eval() for member in members]
    test = setup.dataset.test
    inputs = setup.dataset.normalized(test.inputs)
    with torch.no_grad():
        mean = sum(model(inputs).double().softmax(dim=1) for model in models) / 3
        output = PredictionEnsemble(models).eval()(inputs)
    torch.testing.assert_close(output.exp(), mean)
    found = evaluate(PredictionEnsemble(models), setup.dataset, test)
    expected = measure(mean.log(), test.targets)
    assert found.accuracy == expected.accuracy
    assert found.loss == pytest.approx(expected.loss)
    assert found.calibration_error == pytest.approx(expected.calibration_error)


def test_distances_are_those_of_the_prunable_weights(members, setup):
    soup = merge("uniform", members, setup, setup.new_model(0)).sparse
    found = {(a, b): d for a, b, d, _ in member_distances(dict(enumerate(members)), {-1: soup})}
    assert set(found) == {(0, 1), (0, 2), (1, 2), (0, -1), (1, -1), (2, -1)}
    first, second = (prunable_weights(members[j].model) for j in (0, 1))
    squares = sum(float((first[n] - second[n]).detach().double().square().sum()) for n in first)
    assert found[0, 1] == pytest.approx(math.sqrt(squares))
    assert found[0, -1] < max(found[0, 1], found[0, 2])
