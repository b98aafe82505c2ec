"""Trained models are compressed to a ratio: filters, ranks, both, single weights."""

import copy
from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tasks.nn.models import build_model, num_parameters
from tasks.nn.sparsity.compression import (
    COMPRESSIONS,
    Compressing,
    compress,
    plan_compression,
    size_of,
    smaller_model,
)
from tasks.nn.sparsity.decomposition import decomposed, full_rank, truncated
from tasks.nn.sparsity.low_rank import (
    RANKINGS,
    Spectrum,
    choose_ranks,
    decomposable,
    spectra_of,
    truncate,
    with_decomposed,
)
from tasks.records import InputError
from tests.nn.test_nn_surgery_of_any import lively, problem
from tests.problems.networks import NETWORKS, FixedSizes

IMAGE = (1, 12, 12)


def cnn():
    return lively(build_model("small-cnn", IMAGE, 10, seed=0)).float()


def compressed(model, how, shape):
    """The plan, the model with it in force, and the smaller one."""
    masked = copy.deepcopy(model)
    plan = plan_compression(masked, how, shape)
    compress(masked, plan)
    return plan, masked, smaller_model(masked, plan, shape)


def error(found, expected):
    return float((found - expected).detach().abs().max() / expected.detach().abs().max())


@pytest.mark.parametrize("kind", COMPRESSIONS)
@pytest.mark.parametrize("ranking", RANKINGS)
def test_the_smaller_module_computes_what_the_compressed_model_does(kind, ranking):
    model, x = cnn(), torch.randn(5, *IMAGE, generator=torch.manual_seed(0))
    previous = size_of(model, plan_compression(model, Compressing("filters", 1.0), IMAGE), IMAGE)
    assert previous.parameters == num_parameters(model)
    for ratio in (0.7, 0.4, 0.1):
        plan, masked, smaller = compressed(model, Compressing(kind, ratio, ranking), IMAGE)
        assert error(smaller(x), masked(x)) <= 1e-5
        assert error(masked(x), model(x)) > 1e-3
        size = size_of(masked, plan, IMAGE)
        assert size.multiplications < previous.multiplications
        assert size.parameters < previous.parameters and size.num_bytes < previous.num_bytes
        if kind != "weights":
            assert size.parameters == num_parameters(smaller)
            stored = smaller.state_dict().values()
            assert size.num_bytes == 4 * sum(v.numel() for v in stored if v.is_floating_point())
        previous = size


@pytest.mark.parametrize(("kind", "ranking"), list(product(COMPRESSIONS, RANKINGS)))
def test_at_ratio_one_nothing_changes(kind, ranking):
    model, x = cnn(), torch.randn(3, *IMAGE)
    plan, masked, smaller = compressed(model, Compressing(kind, 1.0, ranking), IMAGE)
    assert torch.equal(masked(x), model(x)) and torch.equal(smaller(x), model(x))
    assert not plan.ranks and plan.energy == pytest.approx(1)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_many_kinds_are_compressed(name):
    model, batch, _ = problem(name)
    for how in (Compressing("both", 0.5, "energy"), Compressing("low_rank", 0.4, "energy")):
        try:
            plan, masked, smaller = compressed(model, how, batch)
        except InputError as reason:
            assert "no layer to compress" in str(reason)
            continue
        masked.eval(), smaller.eval()
        found, expected = smaller(batch), masked(batch)
        assert error(found, expected) <= 1e-5, how
        assert plan.ranks or plan.kept


def test_fixed_sizes_and_low_ranks_go_together():
    model = lively(FixedSizes())
    batch = torch.randn(2, 1, 12, 12, dtype=torch.float64)
    plan, masked, smaller = compressed(model, Compressing("both", 0.5, "energy"), batch)
    assert plan.ranks and error(smaller(batch), masked(batch)) <= 1e-9


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(12, 7), (5, 12)),
        (nn.Linear(6, 9, bias=False), (2, 3, 6)),
        (nn.Conv1d(6, 8, 3, padding=2, dilation=2, groups=2), (2, 6, 11)),
        (nn.Conv2d(4, 6, (3, 1), stride=(1, 2), padding="valid"), (2, 4, 9, 8)),
        (nn.Conv3d(2, 4, 2, padding=1, padding_mode="replicate"), (1, 2, 4, 4, 4)),
    ],
)
def test_a_layer_of_full_rank_is_the_original_and_of_less_the_nearest(layer, shape):
    x, full = torch.randn(shape), full_rank(layer)
    torch.testing.assert_close(decomposed(layer, full)(x), layer(x), rtol=1e-5, atol=1e-5)
    rank = full - 1
    less = copy.deepcopy(layer)
    less.weight.data = truncated(layer, rank)
    torch.testing.assert_close(decomposed(layer, rank)(x), less(x), rtol=1e-5, atol=1e-5)
    whole, near = (each.weight.detach().flatten(1).double() for each in (layer, less))
    product = decomposed(layer, rank).weight.detach().flatten(1)
    torch.testing.assert_close(product.double(), near, rtol=1e-5, atol=1e-5)
    groups = getattr(layer, "groups", 1)
    lost = torch.linalg.svdvals(whole.reshape(groups, -1, whole.shape[1]))[:, rank:]
    assert float((whole - near).norm()) == pytest.approx(float(lost.norm()), rel=1e-4)
    with pytest.raises(InputError, match=f"full rank {full} is in 1..{full}, not {full + 1}"):
        decomposed(layer, full + 1)


def spectrum(values, rows, columns, positions=1):
    return Spectrum(torch.tensor([values], dtype=torch.float64), rows, columns, positions)


def test_ranks_by_share_by_energy_and_where_two_layers_do_not_pay():
    spectra = {"a": spectrum([3.0, 2.0, 1.0, 0.0], 4, 12), "b": spectrum([1.0, 1.0], 2, 2)}
    # 9 + 4 + 1 + 0: the first has 9/14 of the energy, the first two 13/14.
    assert choose_ranks(spectra, 9 / 14, "energy") == {"a": 1}
    assert choose_ranks(spectra, 0.7, "energy") == {"a": 2}
    # Rank 3 takes 3 (4 + 12) multiplications, as the layer itself does.
    assert choose_ranks(spectra, 0.99, "energy") == {}
    assert choose_ranks(spectra, 0.5) == {"a": 2} and choose_ranks(spectra, 0.01) == {"a": 1}
    assert spectra["a"].energy(2) == pytest.approx(13 / 14)
    assert spectrum([0.0, 0.0], 4, 9).energy(1) == 0.5


sizes = st.integers(2, 5)


@given(st.lists(st.tuples(sizes, sizes, st.integers(1, 9)), min_size=1, max_size=3), st.data())
def test_ranks_within_a_budget_are_those_of_the_largest_gains(shapes, data):
    spectra = {}
    for number, (rows, columns, positions) in enumerate(shapes):
        values = data.draw(
            st.lists(st.floats(0.1, 10), min_size=min(rows, columns), max_size=min(rows, columns))
        )
        spectra[str(number)] = spectrum(sorted(values, reverse=True), rows, columns, positions)
    share = data.draw(st.floats(0.05, 1))
    whole = sum(each.cost(each.full) for each in spectra.values())
    found = {n: s.full for n, s in spectra.items()} | choose_ranks(spectra, share, "budget")
    cost = sum(spectra[name].cost(rank) for name, rank in found.items())
    least = sum(each.cost(1) for each in spectra.values())
    assert cost <= max(share * whole, least) * (1 + 1e-12)
    # No threshold gives larger ranks within the budget.
    gains = {n: s.energies / (s.positions * (s.rows + s.columns)) for n, s in spectra.items()}
    for threshold in (0.0, *(float(g) for gain in gains.values() for g in gain)):
        ranks = {n: max(int((gain > threshold).sum()), 1) for n, gain in gains.items()}
        if sum(spectra[n].cost(r) for n, r in ranks.items()) <= share * whole:
            assert all(ranks[n] <= max(found[n], 1) or not spectra[n].pays(ranks[n]) for n in ranks)


def test_a_rank_of_several_groups_costs_as_much_as_in_all_of_them():
    values = [[2.0, 1.0, 0.5, 0.1]]
    spectra = {
        "alone": Spectrum(torch.tensor(values), 12, 12, 4),
        "in groups": Spectrum(torch.tensor(4 * values), 12, 12, 1),
    }
    # With as many multiplications and the same values both have the same ranks.
    for share in (0.2, 0.4, 0.6):
        ranks = choose_ranks(spectra, share, "budget")
        assert ranks["alone"] == ranks["in groups"]
    spectra["in groups"] = Spectrum(torch.tensor(4 * values), 12, 12, 4)
    assert choose_ranks(spectra, 0.25, "budget") == {"alone": 2, "in groups": 1}


def test_blocks_of_attention_multiply_by_the_two_layers_in_evaluation():
    torch.manual_seed(0)
    block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    model = nn.Sequential(nn.TransformerEncoder(block, 2), nn.Linear(16, 4)).eval()
    plan, masked, smaller = compressed(model, Compressing("low_rank", 0.2), (5, 16))
    assert set(plan.ranks) == {f"0.layers.{i}.linear{j}" for i in (0, 1) for j in (1, 2)}
    x = torch.randn(1, 5, 16)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        found = smaller(x)
    torch.testing.assert_close(found, masked(x), rtol=1e-4, atol=1e-5)
    # The attention itself is a kernel that is not counted.
    wanted = 5 * (sum(rank * (16 + 32) for rank in plan.ranks.values()) + 16 * 4)
    assert counter.get_total_flops() == 2 * wanted
    gone = torch.tensor([[False, False, False, True, True]])
    mask = {"src_key_padding_mask": gone}
    found, expected = smaller[0](x, **mask), masked[0](x, **mask)
    torch.testing.assert_close(found[:, :3], expected[:, :3], rtol=1e-4, atol=1e-5)


def test_the_last_layer_depthwise_and_shared_ones_stay():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Linear(16, 3)
            self.first = nn.Conv2d(1, 8, 3)
            self.depthwise = nn.Conv2d(8, 8, 3, groups=8)
            self.twice = nn.Linear(8, 8)
            self.tied = nn.Linear(8, 8)
            self.copy = nn.Linear(8, 8)
            self.copy.weight = self.tied.weight
            self.unused = nn.Linear(9, 9)

        def forward(self, x):
            x = self.depthwise(self.first(x)).mean((2, 3))
            x = self.twice(self.twice(x).relu())
            return self.last(torch.cat([self.tied(x), self.copy(x)], 1))

    model, x = Net(), torch.randn(2, 1, 8, 8)
    layers = decomposable(model, (1, 8, 8))
    assert list(layers) == ["first", "twice"]
    with pytest.raises(InputError, match="weights without their layers"):
        with_decomposed(model, {"tied": 2}, (1, 8, 8))
    smaller = with_decomposed(model, {"first": 2, "twice": 3}, (1, 8, 8))
    assert isinstance(smaller.twice, nn.Sequential) and smaller.twice[0].out_features == 3
    truncate(model, {"first": 2, "twice": 3})
    torch.testing.assert_close(smaller(x), model(x), rtol=1e-5, atol=1e-5)


def test_what_masks_take_is_not_in_the_spectrum():
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
    mask = torch.ones(5, 6, dtype=torch.bool)
    mask[2], mask[:, :2] = False, False
    layers = {"1": model[1]}
    found = spectra_of(model, layers, (6,), {"1.weight": mask})["1"]
    left = model[1].weight.detach().double()[[0, 1, 3, 4]][:, 2:]
    assert (found.rows, found.columns, found.full) == (4, 4, 4)
    torch.testing.assert_close(found.values[0], torch.linalg.svdvals(left))


@pytest.mark.parametrize("ratio", [0, -0.5, 1.5, float("nan")])
def test_ratios_that_there_are_not(ratio):
    with pytest.raises(InputError, match=r"in \(0, 1\], not"):
        Compressing("filters", ratio)
    with pytest.raises(InputError, match=r"in \(0, 1\], not"):
        choose_ranks({}, ratio)


def test_what_cannot_be_compressed_is_named():
    flat = nn.Flatten()
    empty = nn.Sequential(flat, nn.BatchNorm1d(4))
    for kind in ("low_rank", "weights"):
        with pytest.raises(InputError, match="no layer to compress"):
            plan_compression(empty, Compressing(kind, 0.5), (4,))
    with pytest.raises(InputError, match="no compression 'half'"):
        Compressing("half", 0.5)
    with pytest.raises(InputError, match="ranks are chosen by share, energy, budget, not by 'all'"):
        choose_ranks({}, 0.5, "all")
    with pytest.raises(InputError, match="0 is not a linear layer"):
        truncate(empty, {"0": 1})
    with pytest.raises(InputError, match="leaves a layer without any"):
        plan_compression(cnn(), Compressing("weights", 1e-6), IMAGE)
    plan_compression(cnn(), Compressing("weights", 1e-6, by_layer=True), IMAGE)


def test_groups_of_rank_one_are_cut_before_they_become_two_layers():
    model = nn.Sequential(
        nn.Conv2d(3, 24, 3, groups=3, stride=2, dilation=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(24, 32, 3, groups=4, padding="same", padding_mode="circular"),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )
    x = torch.randn(2, 3, 12, 12)
    _, masked, smaller = compressed(model, Compressing("both", 0.2, "energy"), (3, 12, 12))
    assert error(smaller(x), masked(x)) <= 1e-5
