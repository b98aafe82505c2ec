"""Masks of an exact sparsity, of weights and of filters."""

import pytest
import torch
from small_runs import dense_network
from torch import nn

from tasks.nn.models import build_model
from tasks.nn.sparsity import apply_masks, num_kept, prunable_weights, total_kept
from tasks.pruning import gmp_sparsities, imp_sparsities
from tasks.pruning.criteria import Pruning, prune, saliencies, without_pruned_filters
from tasks.records import InputError

SHAPE = (1, 12, 12)


def network(name="small-cnn", seed=0):
    return build_model(name, SHAPE, 4, seed=seed)


def size(model):
    return sum(w.numel() for w in prunable_weights(model).values())


@pytest.mark.parametrize("criterion", ["magnitude", "random"])
@pytest.mark.parametrize("allocation", ["global", "uniform", "uniform+", "erk"])
def test_the_sparsity_of_every_phase_is_exact_and_masks_shrink(criterion, allocation):
    model, masks = network(), None
    how = Pruning(criterion, allocation, seed=3)
    for sparsity in imp_sparsities(0.6, 3):
        after = prune(model, sparsity, how, earlier=masks)
        assert num_kept(after) == total_kept(size(model), sparsity)
        if masks is not None:
            assert all(bool((after[n] <= masks[n]).all()) for n in after)
        masks = after


@pytest.mark.parametrize(
    ("allocation", "target"), [("uniform", 0.9), ("uniform+", 0.6), ("erk", 0.98)]
)
def test_gradual_pruning_in_many_steps_never_asks_for_a_weight_that_is_gone(allocation, target):
    """Rounded counts of layers are not monotone by themselves: such runs failed on their way."""
    model, masks = network(), None
    how = Pruning("random", allocation, seed=3)
    for sparsity in gmp_sparsities(target, 100):
        after = prune(model, sparsity, how, earlier=masks)
        assert num_kept(after) == total_kept(size(model), sparsity)
        assert masks is None or all(bool((after[n] <= masks[n]).all()) for n in after)
        masks = after


def test_magnitude_keeps_the_largest_and_random_does_not_look_at_weights():
    model = network()
    masks = prune(model, 0.7, Pruning())
    weights = prunable_weights(model)
    smallest = min(float(weights[n][m].detach().abs().min()) for n, m in masks.items())
    assert all(float(weights[n][~m].detach().abs().max()) <= smallest for n, m in masks.items())
    random = Pruning("random", seed=1)
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            prune(network(seed=1), 0.7, random).values(),
            prune(network(seed=2), 0.7, random).values(),
            strict=True,
        )
    )


def test_masks_are_not_read_off_zeros():
    """A kept weight that happens to be zero was dropped by masks inferred from W != 0."""
    model = nn.Sequential(nn.Linear(4, 1, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[3.0, 0.0, 2.0, 1.0]]))
    masks = prune(model, 0.0, Pruning())
    assert num_kept(masks) == 4
    apply_masks(model, masks)
    assert num_kept(prune(model, 0.0, Pruning(), earlier=masks)) == 4


def test_pruned_weights_come_back_only_where_they_may():
    model = network()
    masks = prune(model, 0.5, Pruning())
    with torch.no_grad():
        for name, weight in prunable_weights(model).items():
            weight[~masks[name]] = 100.0
    assert all(
        bool((new <= masks[n]).all())
        for n, new in prune(model, 0.6, Pruning(), earlier=masks).items()
    )
    how = Pruning(allocation="uniform", regrow=True)
    back = prune(model, 0.6, how, earlier=masks)
    assert any(bool((new > masks[n]).any()) for n, new in back.items())


@pytest.mark.parametrize("criterion", ["magnitude", "random"])
def test_half_of_the_filters_gives_a_smaller_module_that_computes_the_same(criterion):
    model = network()
    how = Pruning(criterion, filters=True, seed=2)
    masks = prune(model, 0.25, how, shape=SHAPE)
    apply_masks(model, masks)
    masks = prune(model, 0.5, how, earlier=masks, shape=SHAPE)
    apply_masks(model, masks)
    smaller = without_pruned_filters(model, masks, SHAPE)
    assert [smaller[k].out_channels for k in (0, 4, 8, 12)] == [8, 16, 16, 32]
    images = torch.randn(5, *SHAPE)
    model.eval(), smaller.eval()
    torch.testing.assert_close(smaller(images), model(images), atol=1e-5, rtol=1e-5)


def test_masks_of_single_weights_cut_no_filters_out():
    model = network()
    with pytest.raises(InputError, match="pruned in part"):
        without_pruned_filters(model, prune(model, 0.5, Pruning()), SHAPE)


@pytest.mark.parametrize(
    ("how", "sparsity", "reason"),
    [
        (Pruning("loudness"), 0.5, "known are magnitude, random"),
        (Pruning(), 1.0, "not in"),
        (Pruning(), -0.5, "not in"),
        (Pruning(allocation="uniform"), 0.9999, "take a lower sparsity"),
        (Pruning(filters=True), 0.5, "needs the shape"),
    ],
)
def test_impossible_prunings_are_refused(how, sparsity, reason):
    with pytest.raises(InputError) as caught:
        prune(network(), sparsity, how)
    assert reason in str(caught.value)


def test_a_layer_that_would_be_left_empty_is_named(setup):
    sparse = dense_network(setup)
    with torch.no_grad():
        prunable_weights(sparse.model)["0.weight"].mul_(1e-6)
    with pytest.raises(InputError, match=r"leave 0\.weight without weights"):
        prune(sparse.model, 0.9, Pruning())


def test_weights_that_are_not_finite_are_refused():
    model = network()
    with torch.no_grad():
        prunable_weights(model)["0.weight"].fill_(float("nan"))
    with pytest.raises(InputError, match="NaN"):
        prune(model, 0.5, Pruning())


def test_random_saliencies_depend_on_the_seed():
    weights = {n: w.detach() for n, w in prunable_weights(network()).items()}
    first, again, other = (saliencies(weights, Pruning("random", seed=s)) for s in (1, 1, 2))
    assert all(torch.equal(first[n], again[n]) for n in first)
    assert not all(torch.equal(first[n], other[n]) for n in first)


@pytest.mark.parametrize("allocation", ["global", "uniform"])
def test_a_network_without_a_weight_to_prune_is_named(allocation):
    embedding, output = nn.Embedding(50, 16), nn.Linear(16, 50)
    output.weight = embedding.weight
    model = nn.Sequential(embedding, output)
    with pytest.raises(InputError, match="Sequential has no weight to prune"):
        prune(model, 0.9, Pruning(allocation=allocation))


def test_a_network_of_which_no_filter_can_go_is_named():
    """It was pruned to 0 percent, without a word."""
    layers = [nn.Conv2d(1, 16, 3), nn.GroupNorm(4, 16), nn.Flatten(), nn.Linear(1600, 3)]
    reason = "Sequential has no filters that can be pruned: .* 0 meets group_norm, which is not"
    with pytest.raises(InputError, match=reason):
        prune(nn.Sequential(*layers), 0.5, Pruning(filters=True), shape=SHAPE)
