"""Multiplications are counted as they happen; a smaller model computes what the masked one does."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tasks.nn.models import build_model, num_parameters
from tasks.nn.sparsity import (
    apply_masks,
    channel_groups,
    channel_masks,
    channel_norms,
    count_multiplications,
    full_masks,
    hold_masks,
    largest_channels,
    output_positions,
    prunable_weights,
    without_channels,
)
from tasks.records import InputError

IMAGE = (3, 32, 32)


def lively(name, shape=IMAGE, seed=0):
    """A model in float64 whose normalizations are not those of a new one."""
    model = build_model(name, shape, 10, seed=seed).double() if isinstance(name, str) else name
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor in (module.weight.data, module.running_var):
                tensor.copy_(torch.rand(tensor.shape, generator=generator).add(0.5))
            for tensor in (module.bias.data, module.running_mean):
                tensor.copy_(torch.randn(tensor.shape, generator=generator))
    return model.eval()


def random_kept(groups, seed=0):
    generator = torch.Generator().manual_seed(seed)
    kept = {g.name: torch.rand(g.size, generator=generator) < 0.5 for g in groups}
    for chosen in kept.values():
        chosen[0] = True
    return kept


# --- multiplications --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["small-cnn", "resnet20", "lenet-300-100-bn"])
def test_dense_multiplications_are_half_of_the_operations_that_torch_counts(name):
    model = build_model(name, IMAGE, 10)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(2, *IMAGE))
    assert count_multiplications(model, IMAGE).dense * 2 * 2 == counter.get_total_flops()


@pytest.mark.parametrize(("padding", "stride", "positions"), [(0, 1, 36), (1, 1, 64), (0, 2, 9)])
def test_positions_are_those_of_the_real_padding_and_stride(padding, stride, positions):
    model = nn.Sequential(nn.Conv2d(1, 5, 3, padding=padding, stride=stride))
    assert output_positions(model, (1, 8, 8)) == {"0.weight": positions}
    assert count_multiplications(model, (1, 8, 8)).dense == 45 * positions


def test_sparse_multiplications_weigh_layers_by_their_positions():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 4))
    masks = full_masks(prunable_weights(model))
    masks["0.weight"][0] = False
    counted = count_multiplications(model, (1, 8, 8), masks)
    assert counted.dense == 18 * 36 + 288 and counted.sparse == 9 * 36 + 288
    assert counted.speed_up == pytest.approx(936 / 612)
    masks["2.weight"][:] = False
    assert count_multiplications(model, (1, 8, 8), masks).sparse == 9 * 36


def test_a_layer_that_is_used_twice_counts_twice():
    layer = nn.Linear(3, 3)
    assert count_multiplications(nn.Sequential(layer, layer), (3,)).dense == 18


def test_nothing_left_is_refused():
    model = nn.Sequential(nn.Linear(3, 3))
    with pytest.raises(InputError, match="no multiplication is left"):
        count_multiplications(model, (3,), {"0.weight": torch.zeros(3, 3, dtype=torch.bool)})


# --- surgery ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "num_groups"),
    [("mlp", 2), ("lenet-300-100-bn", 2), ("small-cnn", 4), ("resnet20", 9), ("vgg16-bn", 13)],
)
def test_the_smaller_model_computes_what_the_masked_one_does(name, num_groups):
    model = lively(name)
    groups = channel_groups(model, IMAGE)
    assert len(groups) == num_groups
    kept = random_kept(groups)
    smaller = without_channels(model, groups, kept)
    apply_masks(model, channel_masks(model, groups, kept))
    images = torch.randn(2, *IMAGE, dtype=torch.float64)
    with torch.no_grad():
        expected, found = model(images), smaller(images)
    assert torch.allclose(found, expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max()))
    assert num_parameters(smaller) < 0.8 * num_parameters(model)


class Branching(nn.Module):
    """Two branches that are added, a flattened map, a grouped convolution, a sigmoid."""

    def __init__(self):
        super().__init__()
        self.left = nn.Conv2d(1, 6, 3, padding=1)
        self.right = nn.Conv2d(1, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.down = nn.Conv2d(6, 4, 3, stride=2)
        self.grouped = nn.Conv2d(4, 4, 3, groups=2)
        self.wide = nn.Conv2d(4, 8, 1)
        self.flat_norm = nn.BatchNorm1d(8)
        self.squashed = nn.Linear(8, 5)
        self.out = nn.Linear(5, 3)

    def forward(self, x):
        y = torch.relu(self.norm(self.left(x) + self.right(x)))
        y = self.wide(torch.relu(self.grouped(self.down(y))))
        y = self.squashed(self.flat_norm(torch.flatten(y, 1)).relu())
        return self.out(torch.sigmoid(y))


def branching():
    torch.manual_seed(0)
    return lively(Branching().double())


def test_what_is_added_is_one_group():
    groups = channel_groups(branching(), (1, 7, 7))
    assert [g.name for g in groups] == ["left", "down", "grouped", "wide", "squashed"]
    assert groups[0].producers == ("left", "right")
    assert groups[0].normalizations == ("norm",) and groups[0].consumers == ("down",)
    assert groups[3].normalizations == ("flat_norm",) and groups[3].consumers == ("squashed",)


@pytest.mark.parametrize("side", [7, 9])
def test_sums_biases_and_flattened_maps_are_cut_right(side):
    model = branching()
    features = ((side - 3) // 2 + 1 - 2) ** 2
    torch.manual_seed(1)
    model.flat_norm = nn.BatchNorm1d(8 * features).double()
    model.squashed = nn.Linear(8 * features, 5).double()
    lively(model)
    groups = channel_groups(model, (1, side, side))
    kept = random_kept(groups, seed=3)
    smaller = without_channels(model, groups, kept)
    apply_masks(model, channel_masks(model, groups, kept))
    images = torch.randn(4, 1, side, side, dtype=torch.float64)
    assert torch.allclose(smaller(images), model(images), rtol=1e-10)
    width = int(kept["wide"].sum()) * features
    assert smaller.squashed.in_features == smaller.flat_norm.num_features == width


def test_a_layer_that_is_used_twice_is_tied_to_itself():
    shared = nn.Linear(4, 4)
    model = nn.Sequential(nn.Linear(4, 4), shared, nn.ReLU(), shared, nn.Linear(4, 2))
    [group] = channel_groups(model, (4,))
    assert group.producers == ("0", "1") and group.consumers == ("1", "4")


def test_normalization_that_cannot_be_silenced_masks_what_it_meets():
    norm = nn.BatchNorm1d(4, affine=False)
    model = nn.Sequential(nn.Linear(3, 4), norm, nn.ReLU(), nn.Linear(4, 6), nn.Linear(6, 2))
    groups = channel_groups(model, (3,))
    kept = {"0": torch.tensor([True, False, True, True])}
    masks = channel_masks(model, groups, kept)
    assert not masks["3.weight"][:, 1].any() and int(masks["3.weight"].sum()) == 18


def test_the_smaller_model_trains_and_the_original_is_untouched():
    model = build_model("small-cnn", IMAGE, 10)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    groups = channel_groups(model, IMAGE)
    smaller = without_channels(model, groups, random_kept(groups))
    smaller(torch.randn(4, *IMAGE)).square().sum().backward()
    assert all(p.grad is not None for p in smaller.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_half_of_the_filters_is_a_quarter_of_the_multiplications():
    model = build_model("vgg16-bn", IMAGE, 10)
    groups = channel_groups(model, IMAGE)
    kept = largest_channels(channel_norms(model, groups), 0.5)
    dense = count_multiplications(model, IMAGE).dense
    smaller = count_multiplications(without_channels(model, groups, kept), IMAGE).dense
    # The first layer keeps its three inputs, the last its ten outputs.
    assert 0.25 < smaller / dense < 0.26


def test_filters_of_the_largest_norm_are_kept():
    model = build_model("small-cnn", IMAGE, 10)
    groups = channel_groups(model, IMAGE)
    weight = model[0].weight
    norms = channel_norms(model, groups)
    assert torch.allclose(norms["0"], weight.detach().flatten(1).norm(dim=1).double())
    kept = largest_channels(norms, 0.25)["0"]
    assert int(kept.sum()) == 12 and norms["0"][kept].min() >= norms["0"][~kept].max()


def test_a_group_never_loses_its_last_channel():
    kept = largest_channels({"a": torch.tensor([1.0, 2.0])}, 0.99)
    assert kept["a"].tolist() == [False, True]


def test_held_channel_masks_keep_dropped_channels_silent_while_training():
    model = build_model("small-cnn", IMAGE, 10)
    groups = channel_groups(model, IMAGE)
    kept = random_kept(groups)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    hold_masks(model, channel_masks(model, groups, kept), optimizer)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(4, *IMAGE)).square().sum().backward()
        optimizer.step()
    values = model[:3](torch.randn(2, *IMAGE))
    assert torch.equal(values.abs().sum(dim=(0, 2, 3)) > 0, kept["0"])


@pytest.mark.parametrize(
    ("kept", "reason"),
    [
        ({"nothing": torch.tensor([True])}, "nothing names no group of channels; known are 0, 4"),
        ({"0": torch.tensor([True])}, "0 has 16 channels"),
        ({"0": torch.zeros(16, dtype=torch.bool)}, "all channels of 0 would be dropped"),
    ],
)
def test_channels_that_do_not_fit_are_refused(kept, reason):
    model = build_model("small-cnn", IMAGE, 10)
    groups = channel_groups(model, IMAGE)
    with pytest.raises(InputError, match=reason):
        without_channels(model, groups, kept)
    with pytest.raises(InputError, match=reason):
        channel_masks(model, groups, kept)


def test_a_share_of_filters_must_leave_some():
    with pytest.raises(InputError, match=r"share 1\.0 of filters"):
        largest_channels({"a": torch.ones(2)}, 1.0)


def test_a_model_that_cannot_be_traced_is_refused():
    class Choosing(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x):
            return self.layer(x) if x.sum() > 0 else x

    with pytest.raises(InputError, match="cannot be traced"):
        channel_groups(Choosing(), (2,))
