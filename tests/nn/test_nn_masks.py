"""Masks: exact counts, explicit zeros, and pruned weights that stay pruned while training."""

from itertools import pairwise

import pytest
import torch
import toy_training as toy
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tasks.nn import Constant, load_tensors, store_tensors
from tasks.nn.sparsity import (
    apply_masks,
    block_masks,
    check_masks,
    full_masks,
    global_masks,
    hold_masks,
    input_axis,
    largest,
    layer_counts,
    masks_by_count,
    num_kept,
    prunable_weights,
    pruned_scores,
    row_masks,
    sparsity,
    total_kept,
)
from tasks.records import InputError


def magnitudes(model):
    return {name: weight.detach().abs() for name, weight in prunable_weights(model).items()}


# --- which and how many -----------------------------------------------------------------------


def test_prunable_are_weights_of_known_layers_only():
    model = nn.Sequential(
        nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2), nn.Linear(4, 2), nn.Embedding(3, 2), nn.LayerNorm(2)
    )
    assert list(prunable_weights(model)) == ["0.weight", "2.weight"]
    assert list(prunable_weights(nn.Linear(2, 2))) == ["weight"]


def test_a_weight_that_layers_share_is_listed_once_and_not_if_others_use_it_too():
    tied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    tied[1].weight = tied[0].weight
    assert list(prunable_weights(tied)) == ["0.weight"]
    hold_masks(tied, full_masks(prunable_weights(tied)))
    words = nn.ModuleDict({"head": nn.Linear(3, 5), "words": nn.Embedding(5, 3)})
    words["words"].weight = words["head"].weight
    assert prunable_weights(words) == {}


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=60), st.data())
def test_counts_are_exact_even_with_ties(values, data):
    count = data.draw(st.integers(0, len(values)))
    scores = torch.tensor(values, dtype=torch.float32)
    mask = largest(scores, count)
    assert int(mask.sum()) == count
    best = sorted(range(len(values)), key=lambda i: (-values[i], i))[:count]
    assert mask.nonzero()[:, 0].tolist() == sorted(best)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.7286, 0.9263, 0.98])
def test_the_global_allocation_has_the_exact_sparsity(share):
    generator = torch.Generator().manual_seed(0)
    scores = {str(n): torch.rand(40, n, generator=generator) for n in (30, 7)}
    count = total_kept(1480, share)
    masks = global_masks(scores, count)
    assert num_kept(masks) == count == round((1 - share) * 1480)
    assert sparsity(masks) == pytest.approx(share, abs=0.5 / 1480)
    kept = torch.cat([s[masks[n]] for n, s in scores.items()])
    gone = torch.cat([s[~masks[n]] for n, s in scores.items()])
    assert len(gone) == 0 or kept.min() >= gone.max()


def test_what_is_pruned_does_not_come_back():
    model = nn.Linear(20, 20)
    scores = magnitudes(model)
    first = global_masks(scores, 100)
    scores["weight"][~first["weight"]] = 1e9
    second = global_masks(pruned_scores(scores, first), 60)
    assert not bool((second["weight"] & ~first["weight"]).any())


def test_more_than_what_is_left_cannot_be_kept():
    scores = {"w": torch.arange(6.0)}
    left = {"w": torch.arange(6) > 3}
    assert torch.equal(global_masks(pruned_scores(scores, left), 2)["w"], left["w"])
    with pytest.raises(InputError, match="3 weights cannot be kept: fewer are left"):
        global_masks(pruned_scores(scores, left), 3)


def test_a_layer_that_would_be_empty_is_named():
    scores = {"a.weight": torch.ones(4), "b.weight": torch.zeros(4)}
    with pytest.raises(InputError, match=r"b\.weight without weights"):
        global_masks(scores, 4)


def test_scores_of_diverged_weights_are_refused():
    with pytest.raises(InputError, match="NaN"):
        largest(torch.tensor([1.0, float("nan")]), 1)


@pytest.mark.parametrize("count", [-1, 3])
def test_impossible_counts_are_refused(count):
    with pytest.raises(InputError, match="of 2 weights cannot be kept"):
        largest(torch.ones(2), count)


# --- n:m --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "m"), [(2, 4), (4, 8), (1, 4), (4, 4)])
@pytest.mark.parametrize("shape", [(6, 16), (5, 8, 3, 3)])
def test_every_group_keeps_its_n_largest(n, m, shape):
    scores = torch.rand(shape)
    mask = block_masks({"w": scores}, n, m)["w"]
    assert mask.shape == scores.shape and mask.is_contiguous()
    for rows, kept in zip(scores.split(m, dim=1), mask.split(m, dim=1), strict=True):
        assert bool((kept.sum(dim=1) == n).all())
        lowest = rows.masked_fill(~kept, 2.0).amin(dim=1)
        assert bool((lowest >= rows.masked_fill(kept, -1.0).amax(dim=1)).all())


def test_groups_with_ties_keep_exactly_n():
    mask = block_masks({"w": torch.ones(2, 8)}, 2, 4)["w"]
    assert mask.tolist() == [[True, True, False, False] * 2] * 2


def test_groups_that_do_not_divide_the_inputs_are_refused():
    with pytest.raises(InputError, match="w with 6 inputs cannot be pruned 2:4"):
        block_masks({"w": torch.ones(2, 6)}, 2, 4)
    with pytest.raises(InputError, match="cannot be pruned 5:4"):
        block_masks({"w": torch.ones(2, 8)}, 5, 4)


def test_groups_of_diverged_weights_are_refused():
    with pytest.raises(InputError, match="NaN"):
        block_masks({"w": torch.tensor([[1.0, 2.0, float("nan"), 0.0]])}, 2, 4)


@pytest.mark.parametrize("shape", [(6, 16), (5, 8, 3, 3)])
def test_every_output_row_keeps_its_largest(shape):
    scores = torch.rand(shape)
    mask = row_masks({"w": scores}, 0.75)["w"]
    for row, kept in zip(scores, mask, strict=True):
        assert int(kept.sum()) == row.numel() // 4
        assert float(row[kept].min()) >= float(row[~kept].max())
    with pytest.raises(InputError, match="the sparsity of rows is 1"):
        row_masks({"w": scores}, 1.0)


def test_transposed_weights_are_masked_along_their_inputs():
    """Groups along dimension 1 of GPT-2's weights are groups of outputs."""
    scores, axes = torch.rand(8, 12), {"transposed": 0}
    for choose in (
        lambda s: row_masks(s, 0.5, axes=axes),
        lambda s: block_masks(s, 2, 4, axes=axes),
    ):
        masks = choose({"transposed": scores, "usual": scores.T})
        assert torch.equal(masks["transposed"].T, masks["usual"])
        assert masks["transposed"].is_contiguous() and num_kept(masks) == 96
    with pytest.raises(InputError, match="transposed with 6 inputs cannot be pruned 2:4"):
        block_masks({"transposed": torch.ones(6, 8)}, 2, 4, axes=axes)


class Conv1D(nn.Module):
    """Of its name, not the layer of transformers."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 4))


def test_layers_know_where_their_inputs_lie():
    real = pytest.importorskip("transformers.pytorch_utils").Conv1D
    model = nn.Sequential(
        real(nf=4, nx=3), nn.Linear(4, 2), nn.Conv2d(1, 2, 3), nn.ReLU(), Conv1D()
    )
    assert [input_axis(module) for module in model] == [0, 1, 1, None, None]
    weights = prunable_weights(model)
    assert {n: tuple(w.shape) for n, w in weights.items()} == {
        "0.weight": (3, 4), "1.weight": (2, 4), "2.weight": (2, 1, 3, 3),
    }  # fmt: skip


# --- allocations ------------------------------------------------------------------------------

CONVNET = {
    "first": torch.empty(16, 3, 3, 3),
    "middle": torch.empty(64, 16, 3, 3),
    "wide": torch.empty(128, 64, 3, 3),
    "last": torch.empty(10, 128),
}
TOTAL = sum(w.numel() for w in CONVNET.values())
WIDTHS = (16,) * 7 + (32,) * 6 + (64,) * 6
RESNET20 = {
    "stem": torch.empty(16, 3, 3, 3),
    **{f"conv{k}": torch.empty(b, a, 3, 3) for k, (a, b) in enumerate(pairwise(WIDTHS))},
    "last": torch.empty(10, 64),
}


@pytest.mark.parametrize("allocation", ["uniform", "uniform+", "erk"])
@given(share=st.floats(0, 0.985))
def test_counts_of_layers_add_up_exactly_and_fit(allocation, share):
    counts = layer_counts(CONVNET, share, allocation)
    assert sum(counts.values()) == round((1 - share) * TOTAL)
    assert all(1 <= counts[name] <= w.numel() for name, w in CONVNET.items())


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.floats(0, 0.99))
def test_counts_add_up_for_layers_of_any_size(sizes, share):
    weights = {str(i): torch.empty(size, 1) for i, size in enumerate(sizes)}
    target = total_kept(sum(sizes), share)
    if target < len(sizes):
        with pytest.raises(InputError, match="a layer would be empty"):
            layer_counts(weights, share, "erk")
    else:
        for allocation in ("uniform", "erk"):
            assert sum(layer_counts(weights, share, allocation).values()) == target


@pytest.mark.parametrize("updates", [64, 200])
@pytest.mark.parametrize("allocation", ["uniform", "uniform+", "erk"])
def test_layers_never_gain_weights_while_the_sparsity_rises(allocation, updates):
    """Rounding gave a layer one weight more at a higher sparsity."""
    target = 0.9
    left = {name: w.numel() for name, w in RESNET20.items()}
    for k in range(1, updates + 1):
        share = target - target * (1 - k / updates) ** 3
        counts = layer_counts(RESNET20, share, allocation, left=left)
        assert sum(counts.values()) == total_kept(sum(w.numel() for w in RESNET20.values()), share)
        assert all(1 <= counts[name] <= left[name] for name in left)
        near = layer_counts(RESNET20, share, allocation)
        assert all(abs(counts[name] - near[name]) <= 1 for name in left)
        left = counts


def test_counts_beyond_what_is_left_are_refused():
    left = dict.fromkeys(CONVNET, 1)
    with pytest.raises(InputError, match=r"weights cannot be kept: fewer are left"):
        layer_counts(CONVNET, 0.5, "uniform", left=left)


def test_uniform_layers_have_equal_densities():
    counts = layer_counts(CONVNET, 0.9, "uniform")
    assert all(abs(counts[n] - 0.1 * w.numel()) <= 1 for n, w in CONVNET.items())


def test_uniform_plus_spares_the_ends():
    counts = layer_counts(CONVNET, 0.95, "uniform+")
    assert counts["first"] == CONVNET["first"].numel()
    assert counts["last"] == 0.2 * CONVNET["last"].numel()
    shares = [counts[n] / CONVNET[n].numel() for n in ("middle", "wide")]
    assert shares[0] == pytest.approx(shares[1], abs=1e-4) and shares[0] < 0.05


def test_uniform_plus_says_when_the_ends_alone_are_too_many():
    with pytest.raises(InputError, match=r"uniform\+ keeps 688 weights in the first and last"):
        layer_counts(CONVNET, 0.999, "uniform+")


def test_kernel_densities_follow_their_dimensions():
    counts = layer_counts(CONVNET, 0.9, "erk")
    density = {n: counts[n] / w.numel() for n, w in CONVNET.items()}
    raw = {n: sum(w.shape) / w.numel() for n, w in CONVNET.items()}
    scale = density["wide"] / raw["wide"]
    for name in CONVNET:
        assert density[name] == pytest.approx(min(scale * raw[name], 1), abs=2e-3)
    assert density["first"] == 1.0


def test_masks_by_count_take_the_largest_of_each_layer():
    scores = {"a": torch.tensor([1.0, 3.0, 2.0]), "b": torch.tensor([9.0, 8.0])}
    masks = masks_by_count(scores, {"a": 2, "b": 1})
    assert masks["a"].tolist() == [False, True, True] and masks["b"].tolist() == [True, False]


@pytest.mark.parametrize("share", [-0.1, 1.0, 1.5, float("nan")])
def test_sparsity_must_leave_something(share):
    with pytest.raises(InputError, match=r"is not in \[0, 1\)"):
        total_kept(100, share)


def test_an_unknown_allocation_is_refused():
    with pytest.raises(InputError, match="no counts per layer for 'global'; known are uniform"):
        layer_counts(CONVNET, 0.5, "global")


# --- in force ---------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "amsgrad"])
def test_pruned_weights_are_exactly_zero_after_every_step(optimizer):
    state = toy.train(toy.new_state(optimizer=optimizer), 3)  # momenta are there already
    masks = global_masks(magnitudes(state.model), 15)
    hold_masks(state.model, masks, state.optimizer)
    parameters = prunable_weights(state.model)

    def check(_):
        for name, mask in masks.items():
            assert torch.equal(parameters[name][~mask], torch.zeros(int((~mask).sum())))
            assert torch.equal(parameters[name].grad[~mask], torch.zeros(int((~mask).sum())))

    before = toy.weights(state)
    state.schedule = Constant(0.05)
    toy.train(state, 12, observe=check)
    assert bool((state.model[0].weight != before["0.weight"])[masks["0.weight"]].all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_gradients_are_products_with_the_mask_in_any_precision_and_layout(dtype):
    layer = nn.Conv2d(3, 4, 3, dtype=dtype).to(memory_format=torch.channels_last)
    mask = torch.rand(layer.weight.shape) < 0.5
    image = torch.randn(2, 3, 5, 5, dtype=dtype)
    with torch.no_grad():
        layer.weight.masked_fill_(~mask, 0.0)
    layer(image).square().sum().backward()
    expected = layer.weight.grad.clone() * mask
    layer.zero_grad()
    hold_masks(layer, {"weight": mask})
    layer(image).square().sum().backward()
    assert layer.weight.grad.dtype == dtype
    assert torch.equal(layer.weight.grad, expected)


def test_holding_masks_takes_no_memory_beside_theirs():
    model = nn.Linear(8, 8)
    masks = full_masks(prunable_weights(model))
    held = hold_masks(model, masks)
    assert held.masks["weight"].data_ptr() == masks["weight"].data_ptr()
    assert masks["weight"].nbytes == masks["weight"].numel()


def test_a_masked_training_resumes_bit_for_bit(tmp_path):
    from tasks.nn import load_checkpoint, save_checkpoint

    masks = global_masks(magnitudes(toy.new_state().model), 15)
    whole = toy.new_state()
    hold_masks(whole.model, masks)
    part = toy.new_state()
    hold_masks(part.model, masks)
    save_checkpoint(tmp_path / "c", toy.train(part, 4))
    state = toy.new_state(7)
    hold_masks(state.model, masks)
    load_checkpoint(tmp_path / "c", state)
    assert toy.same(toy.weights(toy.train(state, 9)), toy.weights(toy.train(whole, 9)))


def test_the_clipped_norm_does_not_count_pruned_weights():
    model = nn.Linear(4, 1, bias=False)
    masks = {"weight": torch.tensor([[True, False, False, False]])}
    hold_masks(model, masks)
    model(torch.full((1, 4), 3.0)).sum().backward()
    assert model.weight.grad.tolist() == [[3.0, 0.0, 0.0, 0.0]]


def test_a_kept_weight_that_is_zero_stays_trainable():
    model = nn.Linear(2, 1, bias=False)
    model.weight.data.zero_()
    held = hold_masks(model, full_masks(dict(model.named_parameters())))
    model(torch.ones(1, 2)).sum().backward()
    assert model.weight.grad.tolist() == [[1.0, 1.0]] and sparsity(held.masks) == 0


def test_released_masks_let_gradients_through():
    model = nn.Linear(2, 1, bias=False)
    held = hold_masks(model, {"weight": torch.tensor([[True, False]])})
    held.release()
    model(torch.ones(1, 2)).sum().backward()
    assert model.weight.grad.tolist() == [[1.0, 1.0]] and model.weight[0, 1] == 0


def test_pruned_infinities_become_zeros():
    model = nn.Linear(2, 1, bias=False)
    model.weight.data[0, 0] = float("nan")
    apply_masks(model, {"weight": torch.tensor([[False, True]])})
    assert model.weight[0, 0] == 0


def test_masks_are_stored_beside_weights_in_one_byte_each(tmp_path):
    masks = {"w": torch.rand(100, 100) < 0.5}
    path = store_tensors(tmp_path, {f"mask.{name}": mask for name, mask in masks.items()})
    assert torch.equal(load_tensors(path).tensors["mask.w"], masks["w"])
    assert path.stat().st_size < 10_000 + 500


@pytest.mark.parametrize(
    ("masks", "reason"),
    [
        ({"weight": torch.ones(1, 3, dtype=torch.bool)}, r"shape \(1, 3\); wanted is torch.bool"),
        ({"weight": torch.ones(1, 2)}, "type torch.float32"),
        ({"other": torch.ones(1, 2, dtype=torch.bool)}, "other, which the model does not have"),
    ],
)
def test_masks_that_do_not_match_are_refused_and_nothing_changes(masks, reason):
    model = nn.Linear(2, 1)
    before = model.weight.clone()
    with pytest.raises(InputError, match=reason):
        hold_masks(model, masks)
    assert torch.equal(model.weight, before)
    with pytest.raises(InputError, match=reason):
        check_masks(masks, dict(model.named_parameters()))


# --- networks of others ------------------------------------------------------------------------


def test_masks_are_held_on_frozen_weights_and_outlive_unfreezing():
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    model[1].weight.requires_grad_(False)
    masks = {n: torch.arange(w.numel()).reshape(w.shape) % 2 == 0
             for n, w in prunable_weights(model).items()}  # fmt: skip
    hold_masks(model, masks)
    assert not model[1].weight.requires_grad and model[0].weight.requires_grad
    model[1].weight.requires_grad_(True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.ones(2, 4)).sum().backward()
    optimizer.step()
    for name, weight in prunable_weights(model).items():
        assert not weight[~masks[name]].any() and weight[masks[name]].any()


@pytest.mark.parametrize("parametrize", ["weight_norm", "spectral_norm", "orthogonal"])
def test_a_weight_that_is_computed_is_refused_by_name(parametrize):
    layer = getattr(nn.utils.parametrizations, parametrize)(nn.Linear(8, 8))
    with pytest.raises(InputError, match="the weight of 1 is computed from other parameters"):
        prunable_weights(nn.Sequential(nn.ReLU(), layer))
