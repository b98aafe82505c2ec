"""Networks of many kinds are cut to smaller ones that compute what the masked ones do."""

import copy
import hashlib
import pickle
from functools import cache

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from torch.utils.flop_counter import FlopCounterMode

from tasks.nn.models import build_model, num_parameters
from tasks.nn.models.gpt import GPT
from tasks.nn.sparsity import (
    apply_masks,
    channel_groups,
    channel_masks,
    channel_norms,
    count_multiplications,
    kept_channels,
    largest_channels,
    output_positions,
    prunable_weights,
    sparsity,
    without_channels,
)
from tasks.nn.sparsity.attention import FewerHeads
from tasks.nn.sparsity.cut_graphs import CutGraph
from tasks.pruning.criteria import Pruning, prune, without_pruned_filters
from tasks.records import InputError
from tests.problems.networks import NETWORKS, REFUSED, FixedSizes, OwnAttention, images, tokens
from tests.problems.odd_networks import Halves, Helped, OnViews, OverTime, Repeating, Scaled

CIFAR = (3, 32, 32)


def lively(model, seed=0):
    """In float64, with biases, scales and statistics that are not those of a new model."""
    generator = torch.Generator().manual_seed(seed)
    model = model.double().eval()
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.dim() == 1 and tensor.is_floating_point():
            fresh = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
            tensor.data.copy_(fresh + 0.5 if "var" in name else 2 * fresh - 0.8)
    return model


def double(batch):
    return batch.double() if batch.is_floating_point() else batch


@cache
def problem(name):
    """Model, batch and groups."""
    model, batch = lively(NETWORKS[name].model()), double(NETWORKS[name].batch())
    return model, batch, channel_groups(model, batch)


def halves(model, groups):
    return largest_channels(channel_norms(model, groups), 0.5)


def ragged(groups, seed):
    generator = torch.Generator().manual_seed(seed)
    kept = {g.name: torch.rand(g.size, generator=generator) < 0.6 for g in groups}
    for chosen in kept.values():
        chosen[int(torch.randint(len(chosen), (), generator=generator))] = True
    return kept


def check_equal(model, batch, groups, kept):
    """The smaller model, which computes what the masked one does."""
    smaller, masked = without_channels(model, groups, kept), copy.deepcopy(model)
    apply_masks(masked, channel_masks(model, groups, kept))
    with torch.no_grad():
        torch.testing.assert_close(smaller.eval()(batch), masked(batch), rtol=0, atol=1e-6)
        assert not torch.allclose(masked(batch), model(batch), atol=1e-6)
    return smaller


def cut_by_half(model, batch):
    groups = channel_groups(model, batch)
    return check_equal(model, batch, groups, halves(model, groups))


# --- thirteen kinds of networks ---------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_half_of_the_channels_are_cut_from(name):
    model, batch, groups = problem(name)
    smaller = check_equal(model, batch, groups, halves(model, groups))
    assert not isinstance(smaller, CutGraph)
    assert num_parameters(smaller) < 0.92 * num_parameters(model)
    counts = [count_multiplications(m, batch).dense for m in (smaller, model)]
    assert counts[0] < 0.92 * counts[1]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", NETWORKS)
def test_any_channels_can_be_cut_from(name, seed):
    model, batch, groups = problem(name)
    check_equal(model, batch, groups, ragged(groups, seed))


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_left_trains(name):
    model, batch, groups = problem(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    smaller = without_channels(model, groups, ragged(groups, 5)).train()
    optimizer = torch.optim.SGD(smaller.parameters(), lr=0.01)
    smaller(batch).square().mean().backward()
    assert all(p.grad is not None and p.grad.shape == p.shape for p in smaller.parameters())
    optimizer.step()
    assert smaller.eval()(batch).isfinite().all()
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", NETWORKS)
def test_masks_tell_which_channels_are_kept(name):
    model, _, groups = problem(name)
    kept = ragged(groups, 7)
    found = kept_channels(model, groups, channel_masks(model, groups, kept))
    assert all(torch.equal(found[key], kept[key]) for key in kept)


@pytest.mark.parametrize("name", [n for n in NETWORKS if n != "tagger"])
def test_products_with_weights_are_half_of_the_operations_that_torch_counts(name):
    model, batch, _ = problem(name)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.train()(batch[:1].repeat(2, *(1,) * (batch.dim() - 1)))
    model.eval()
    counts = counter.get_flop_counts()["Global"]
    # Products of queries, keys and values have no weight.
    total = sum(v for op, v in counts.items() if "attention" not in str(op))
    assert 4 * count_multiplications(model, batch).dense == total


def test_an_lstm_counts_alike_fused_and_not():
    model = NETWORKS["tagger"].model()
    found = output_positions(model, tokens())
    assert found == output_positions(model.double(), tokens())
    assert found["recurrent.weight_hh_l0_reverse"] == found["head.0.weight"] == 7


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("language-model", "LanguageModel has no filters .* tokens meets lstm, which is not foll"),
        ("value-dependent", "operations of ValueDependent cannot be traced: they depend on values"),
    ],
)
def test_what_cannot_be_cut_is_named(name, reason):
    with pytest.raises(InputError, match=reason) as caught:
        channel_groups(REFUSED[name].model(), REFUSED[name].batch())
    assert "\n" not in str(caught.value)


def test_refused_models_still_run():
    model, batch = REFUSED["language-model"].model(), REFUSED["language-model"].batch()
    before = model(batch)
    with pytest.raises(InputError):
        channel_groups(model, batch)
    assert model.training and torch.equal(model(batch), before)


@pytest.mark.parametrize("layer", [nn.Linear(3, 8), nn.ConvTranspose1d(3, 8, 1)])
def test_a_weight_that_is_computed_is_named(layer):
    with pytest.raises(InputError, match="computed from other parameters: remove"):
        channel_groups(nn.Sequential(weight_norm(layer), nn.ReLU()), (3, 3))


def test_inputs_that_do_not_fit_are_told_in_one_line():
    with pytest.raises(InputError, match="Linear cannot be traced") as caught:
        channel_groups(nn.Linear(3, 3), (4,))
    assert "\n" not in str(caught.value)


# --- units ------------------------------------------------------------------------------------


def test_groups_of_a_convolution_stay_equally_wide():
    model, batch, groups = problem("grouped")
    assert [g.size for g in groups] == [8, 64]
    smaller = check_equal(model, batch, groups, {"stem": torch.arange(8) < 3})
    assert (smaller.middle.groups, smaller.middle.in_channels) == (4, 12)
    assert smaller.middle.weight.shape == (12, 3, 3, 3)


def test_depthwise_convolutions_stay_depthwise():
    model, batch, groups = problem("mobile")
    layer = check_equal(model, batch, groups, ragged(groups, 1))[5].layers[3]
    assert layer.groups == layer.in_channels == layer.out_channels == len(layer.weight) < 96


def test_heads_go_as_a_whole():
    model, batch, groups = problem("vision-transformer")
    assert [(g.name, g.size) for g in groups] == [("encoder.self_attn", 4), ("encoder.linear1", 64)]
    kept = {"encoder.self_attn": torch.tensor([True, False, False, True])}
    smaller = check_equal(model, batch, groups, kept)
    attention = smaller.encoder.self_attn
    assert attention.num_heads == 2 and attention.out_proj.weight.shape == (32, 16)
    rows = model.encoder.self_attn.in_proj_weight.unflatten(0, (3, 4, 8))[:, [0, 3]]
    assert torch.equal(attention.in_proj_weight, rows.flatten(0, 2))


def test_norms_of_heads_are_those_of_queries_keys_and_values():
    model, _, groups = problem("vision-transformer")
    rows = model.encoder.self_attn.in_proj_weight.detach().unflatten(0, (3, 4, 8))
    expected = rows.transpose(0, 1).flatten(1).norm(dim=1)
    torch.testing.assert_close(channel_norms(model, groups)["encoder.self_attn"], expected)


@pytest.mark.parametrize("needs_weights", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_attention_of_our_own_is_that_of_torch(needs_weights, batch_first):
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(12, 3, batch_first=batch_first, dtype=torch.float64)
    nn.init.normal_(theirs.in_proj_bias)
    ours = FewerHeads(copy.deepcopy(theirs))
    x, y = torch.randn(2, 5, 5, 12, dtype=torch.float64)
    padding = torch.zeros(5, 5, dtype=torch.bool)
    padding[:, 4] = True
    causal = nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64)
    for masks in (
        {},
        {"attn_mask": causal},
        {"attn_mask": causal > -1, "key_padding_mask": ~padding},
        {"attn_mask": causal.expand(15, 5, 5), "average_attn_weights": False},
    ):
        expected = theirs(x, y, y, need_weights=needs_weights, **masks)
        found = ours(x, y, y, need_weights=needs_weights, **masks)
        torch.testing.assert_close(found, expected, equal_nan=True)
    torch.testing.assert_close(ours(x[0], y[0], y[0]), theirs(x[0], y[0], y[0]))


def test_masks_for_heads_that_are_gone_are_refused():
    attention = FewerHeads(nn.MultiheadAttention(8, 2))
    x = torch.zeros(3, 1, 8)
    with pytest.raises(ValueError, match=r"\(5, 3, 3\) is not for 2 heads"):
        attention(x, x, x, attn_mask=torch.zeros(5, 3, 3))


# --- sizes in the forward pass ----------------------------------------------------------------


@pytest.mark.parametrize("kind", [FixedSizes, OwnAttention])
def test_fixed_sizes_are_rewritten_in_the_graph(kind):
    torch.manual_seed(0)
    model, batch = lively(kind()), images().double()
    groups = channel_groups(model, batch)
    smaller = check_equal(model, batch, groups, ragged(groups, 1))
    assert isinstance(smaller, CutGraph)
    assert num_parameters(smaller) < 0.8 * num_parameters(model)
    assert smaller(torch.cat([batch] * 2)).shape == (8, 10)
    assert count_multiplications(smaller, batch).dense < count_multiplications(model, batch).dense


def test_a_graph_switches_dropout_and_normalization():
    torch.manual_seed(0)
    smaller = cut_by_half(lively(OwnAttention()), images().double())
    assert torch.equal(smaller(images().double()), smaller(images().double()))
    smaller.train()
    assert not torch.equal(smaller(images().double()), smaller(images().double()))
    other = cut_by_half(lively(FixedSizes()), images().double()).train()
    before = other.state_dict()["network.first_norm.running_mean"].clone()
    other(images().double()).sum().backward()
    assert all(p.grad is not None for p in other.parameters())
    assert not torch.equal(before, other.state_dict()["network.first_norm.running_mean"])


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
def test_a_graph_can_be_copied_and_stored():
    torch.manual_seed(0)
    smaller, batch = cut_by_half(lively(FixedSizes()), images().double()).train(), images().double()
    others = [copy.deepcopy(smaller), pickle.loads(pickle.dumps(smaller))]
    expected = smaller.eval()(batch)
    for other in others:
        assert other.training and torch.equal(copy.deepcopy(other).eval()(batch), expected)
        assert not torch.allclose(other(batch), expected)


def test_a_branch_of_training_that_would_not_fit_is_left_out_with_the_graph():
    torch.manual_seed(0)
    smaller = cut_by_half(lively(Helped()), torch.randn(4, 6, dtype=torch.float64))
    assert isinstance(smaller, CutGraph)
    smaller.train()(torch.randn(4, 6, dtype=torch.float64)).sum().backward()


def test_numbers_of_heads_that_a_module_remembers_are_changed():
    torch.manual_seed(0)
    model = lively(GPT(40, 8, width=16, depth=1, heads=4))
    smaller = cut_by_half(model, tokens())
    assert isinstance(smaller, GPT) and smaller.blocks[0].attention.heads == 2


def test_halves_gates_shuffles_and_loud_zeros_are_followed():
    torch.manual_seed(0)
    model, batch = lively(Halves()), images().double()
    groups = channel_groups(model, batch)
    assert [g.name for g in groups][:2] == ["first", "first:1"]
    for seed in range(3):
        check_equal(model, batch, groups, ragged(groups, seed))


def test_layers_used_again_and_buffers_are_followed():
    torch.manual_seed(0)
    model, batch = lively(Repeating()), torch.randn(4, 6, dtype=torch.float64)
    smaller = cut_by_half(model, batch)
    assert smaller.again.weight.shape == (4, 4) and smaller.shift.shape == (4,)


def test_what_scales_the_entries_of_heads_leaves_heads_free():
    torch.manual_seed(0)
    model, batch = lively(Scaled()), torch.randn(3, 5, 6, dtype=torch.float64)
    [group] = channel_groups(model, batch)
    assert group.producers == ("query", "key", "value") and group.size == 4
    assert cut_by_half(model, batch).query.weight.shape == (8, 6)


def test_embeddings_and_widening_depthwise_convolutions_are_followed():
    torch.manual_seed(0)
    smaller = cut_by_half(lively(OverTime()), tokens())
    assert smaller.tokens.embedding_dim == 6 and smaller.second.weight.shape == (16, 1, 3)
    assert smaller.second.groups == 8 and smaller.norm.num_features == 16


def test_what_is_written_through_a_view_is_left_alone():
    with pytest.raises(InputError, match="first meets sigmoid_ on a view"):
        channel_groups(OnViews(), (6,))


# --- as before --------------------------------------------------------------------------------

RECORDED = {
    "mlp": "d5693867885394a7",
    "lenet-300-100": "10dcd949c3fd0adc",
    "lenet-300-100-bn": "36cc34caafa76eae",
    "small-cnn": "0c0b71717fa21c2e",
    "wide-cnn": "9c155d88bb0eb188",
    "vgg16-bn": "6e766a212089f0ff",
    "resnet20": "51b8b68a947ea7d8",
    "resnet56": "74d6342c756c242b",
    "resnet18": "cb621cf347c2e171",
    "wrn-28-10": "14100f49c8d116e7",
}
"""Digests of groups found by the first version, which knew modules instead of operations."""


@pytest.mark.parametrize("name", [*RECORDED, "resnet50"])
def test_groups_of_the_registry_are_those_of_the_first_version(name):
    with torch.device("meta"):
        model = build_model(name, CIFAR, 10)
    text = ";".join(
        f"{g.size}:{','.join(g.producers)}|{','.join(g.normalizations)}|{','.join(g.consumers)}"
        for g in channel_groups(model, CIFAR)
    )
    expected = {**RECORDED, "resnet50": "65e734c0ed8b6c4a"}[name]
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == expected


def test_masks_are_those_of_the_first_version():
    model, digest = build_model("resnet20", CIFAR, 10), hashlib.sha256()
    groups = channel_groups(model, CIFAR)
    for name, mask in channel_masks(model, groups, halves(model, groups)).items():
        digest.update(name.encode() + mask.numpy().tobytes())
    assert digest.hexdigest()[:16] == "5849cc359908d2cd"


def test_padded_shortcuts_keep_their_channels():
    model = lively(build_model("resnet20", CIFAR, 10))
    batch = torch.randn(2, *CIFAR, dtype=torch.float64)
    smaller = cut_by_half(model, batch)
    assert smaller[0].out_channels == 16 and smaller[3].conv1.out_channels == 8


@pytest.mark.parametrize(
    "layers",
    [
        None,
        (nn.Conv2d(1, 16, 3, padding=1), nn.PReLU(16), nn.Flatten(), nn.Linear(1024, 3)),
        (nn.Conv2d(1, 16, 3, padding=1), nn.Softplus(), nn.Flatten(), nn.Linear(1024, 3)),
    ],
)
def test_half_of_the_filters_is_half_of_the_filters(layers):
    """They were 0 % for a mean over pixels, PReLU and what does not map 0 to 0."""
    model = copy.deepcopy(nn.Sequential(*layers)) if layers else NETWORKS["grouped"].model()
    masks = prune(model, 0.5, Pruning(filters=True), shape=(1, 8, 8))
    first = next(iter(prunable_weights(model)))
    assert sparsity({first: masks[first]}) == 0.5
    apply_masks(model, masks)
    smaller = without_pruned_filters(model, masks, (1, 8, 8))
    torch.testing.assert_close(smaller.eval()(images()), model.eval()(images()))
    assert num_parameters(smaller) < 0.52 * num_parameters(model)
