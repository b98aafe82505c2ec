"""Averages keep what is common; recalibrated statistics are those of the data."""

import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from tasks.nn import average_states, recalibrate, state_distance
from tasks.nn.sparsity import apply_masks, global_masks, prunable_weights
from tasks.records import InputError


def new_model(seed=0, dropout=0.0):
    torch.manual_seed(seed)
    layers = [nn.Conv2d(2, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(dropout)]
    model = nn.Sequential(*layers, nn.Conv2d(8, 4, 3), nn.BatchNorm2d(4))
    for norm in (model[1], model[5]):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        norm.num_batches_tracked.fill_(7 + seed)
    return model


def batches(count=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [(torch.randn(6, 2, 8, 8, generator=generator) * 2 + 1, None) for _ in range(count)]


# --- averages ---------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 2, 3, 7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_identical_models_average_to_themselves_bit_for_bit(number, dtype):
    state = new_model().to(dtype).state_dict()
    average = average_states([state] * number)
    assert all(torch.equal(average[name], state[name]) for name in state)
    assert all(average[name].dtype == state[name].dtype for name in state)


def test_the_average_is_the_mean():
    states = [{"w": torch.randn(50)} for _ in range(4)]
    mean = torch.stack([s["w"].double() for s in states]).mean(dim=0)
    assert torch.equal(average_states(states)["w"], mean.float())


def test_weights_are_mixed_as_given():
    states = [{"w": torch.tensor([1.0])}, {"w": torch.tensor([3.0])}]
    assert average_states(states, [0.25, 0.75])["w"].item() == 2.5
    assert average_states(states, [1.5, -0.5])["w"].item() == 0.0


def test_counters_and_masks_are_not_averaged():
    states = [
        new_model(seed).state_dict() | {"mask": torch.tensor([True, False])} for seed in (0, 1)
    ]
    average = average_states(states)
    assert average["1.num_batches_tracked"].item() == 7
    assert average["1.num_batches_tracked"].dtype == torch.int64
    assert average["mask"].dtype == torch.bool and average["mask"].tolist() == [True, False]


def test_merging_keeps_the_zeros_of_a_common_mask_exactly():
    models = [new_model(seed) for seed in range(3)]
    masks = global_masks({n: w.abs() for n, w in prunable_weights(models[0]).items()}, 100)
    for model in models:
        apply_masks(model, masks)
    average = average_states([m.state_dict() for m in models])
    for name, mask in masks.items():
        assert torch.equal(average[name] != 0, mask)


def test_an_average_is_a_copy():
    state = {"w": torch.ones(2), "n": torch.tensor(3)}
    average = average_states([state])
    average["w"] += 1
    average["n"] += 1
    assert state["w"].tolist() == [1, 1] and state["n"].item() == 3


def test_distances_are_euclidean_and_ignore_counters():
    first = {"a": torch.tensor([0.0, 3.0]), "b": torch.tensor([1.0]), "n": torch.tensor(0)}
    second = {"a": torch.tensor([4.0, 0.0]), "b": torch.tensor([1.0]), "n": torch.tensor(9)}
    assert state_distance(first, second) == 5.0
    assert state_distance(first, second, ["b"]) == 0.0


def test_models_that_do_not_fit_are_refused():
    state = {"w": torch.ones(2)}
    with pytest.raises(InputError, match="at least one model"):
        average_states([])
    with pytest.raises(InputError, match="w has shape"):
        average_states([state, {"w": torch.ones(3)}])
    with pytest.raises(InputError, match="v is not wanted but in model 3"):
        average_states([state, state, {"w": torch.ones(2), "v": torch.ones(1)}])
    with pytest.raises(InputError, match=r"2 weights with sum 0\.9"):
        average_states([state, state], [0.5, 0.4])
    with pytest.raises(InputError, match="1 weights with sum 1 for 2 models"):
        average_states([state, state], [1.0])


# --- recalibration ----------------------------------------------------------------------------


def test_recalibration_agrees_with_torch():
    first, second = new_model(), new_model()
    recalibrate(first, batches())
    update_bn([inputs for inputs, _ in batches()], second)
    for name, value in second.state_dict().items():
        assert torch.allclose(first.state_dict()[name].double(), value.double(), atol=1e-6), name


def test_statistics_are_the_means_over_batches_and_forget_the_old_ones():
    model = new_model()
    recalibrate(model, batches())
    outputs = [model[0](inputs) for inputs, _ in batches()]
    mean = torch.stack([y.mean(dim=(0, 2, 3)) for y in outputs]).mean(dim=0)
    variance = torch.stack([y.var(dim=(0, 2, 3)) for y in outputs]).mean(dim=0)
    assert torch.allclose(model[1].running_mean, mean, atol=1e-5)
    assert torch.allclose(model[1].running_var, variance, rtol=1e-4)
    before = copy.deepcopy(model.state_dict())
    model[1].running_mean.fill_(1e6)
    recalibrate(model, batches())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_dropout_is_off_and_no_gradient_is_kept():
    model, without = new_model(dropout=0.9), new_model(dropout=0.0)
    model.train()
    recalibrate(model, batches())
    recalibrate(without, batches())
    for name, value in without.state_dict().items():
        assert torch.equal(model.state_dict()[name], value)
    assert not any(b.requires_grad for b in model.buffers())
    assert all(p.grad is None for p in model.parameters())


def test_modes_and_momenta_are_as_before():
    model = new_model()
    model[1].momentum = 0.3
    model[5].eval()
    recalibrate(model, batches())
    assert model[1].momentum == 0.3 and model[5].momentum == 0.1
    assert model[1].training and not model[5].training


def test_a_model_without_normalization_is_left_alone():
    model = nn.Linear(2, 2)
    recalibrate(model, [])
    assert model.training


def test_no_batches_are_refused_and_nothing_changes():
    model = new_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(InputError, match="at least one batch"):
        recalibrate(model, [])
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_complex_entries_are_averaged():
    states = [{"a": torch.full((2,), value, dtype=torch.complex64)} for value in (1, 3 + 2j)]
    found = average_states(states)["a"]
    assert found.dtype == torch.complex64 and found.tolist() == [2 + 1j] * 2
