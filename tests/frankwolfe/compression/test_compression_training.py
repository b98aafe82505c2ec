"""Regions, penalties, delays and retraining of the study `compression-aware`."""

import copy

import pytest
import torch
from torch import nn

from gpu.backend import one_thread
from tasks.frankwolfe.compression.config import CompressionConfig
from tasks.frankwolfe.compression.items import (
    CompressionWork,
    Trial,
    methods,
    own_kinds,
    trials,
)
from tasks.frankwolfe.compression.methods import (
    hidden_matrices,
    largest_rate,
    loss_of,
    new_optimizer,
    take_over,
    weight_decay,
)
from tasks.frankwolfe.compression.penalties import (
    group_norms,
    nuclear_norms,
    shrink_singular_values,
)
from tasks.frankwolfe.compression.plan import training_waves
from tasks.frankwolfe.compression.run import (
    _compressed_row,
    _masks_of_two,
    compressed,
    compressing,
    retrained,
    smaller_of,
    whole_weights,
)
from tasks.frankwolfe.compression.training import dense_steps, retraining_steps, train
from tasks.nn import fitting
from tasks.nn.benches import open_bench
from tasks.nn.sparsity.compression import Compressing, compress, plan_compression
from tasks.nn.sparsity.low_rank import with_decomposed
from tasks.records import InputError
from tasks.records.work import Plan

SMALL = {
    "dataset": "synthetic",
    "batch_size": 60,
    "epochs": 1.0,
    "recalibration_images": 100,
    "ood_images": 0,
    "seeds": 1,
    "widths": (10,),
    "shares": (0.3,),
    "penalties": (1e-3,),
    "rate_factors": (1,),
    "ratios": (0.5,),
}
REGIONS = ("group_k_support", "k_support", "k_sparse", "spectral_k_support", "nuclear")


def config(**changes):
    return CompressionConfig(**{**SMALL, "regions": REGIONS, **changes})


def trial(method, **changes):
    [found] = trials(config(**changes), method)
    return found


@pytest.mark.parametrize("name", REGIONS)
def test_hidden_weights_get_the_region_and_all_others_l2_balls(name):
    given = trial(name)
    model = open_bench(given.config).new_model(0)
    optimizer = new_optimizer(given, model)
    regions = optimizer.regions()
    assert set(regions) == {key for key, _ in model.named_parameters()}
    kinds = {key: data["region"]["name"] for key, data in regions.items()}
    weights = [f"{place}.weight" for place in (0, 4, 8, 12)]
    assert {key for key, kind in kinds.items() if kind == name} == set(weights)
    assert all(kind == "l2" for key, kind in kinds.items() if key not in weights)
    if name != "nuclear":
        counts = {"group_k_support": [16, 32, 32, 64]}.get(name)
        sizes = counts or [dict(model.named_parameters())[key].numel() for key in weights]
        if name == "spectral_k_support":
            sizes = [9, 32, 32, 64]
        found = [regions[key]["region"]["k"] for key in weights]
        assert found == [max(1, round(0.3 * size)) for size in sizes]


def test_rates_of_regions_of_plain_steps_and_of_rivals():
    assert largest_rate(trial("nuclear")) == pytest.approx(1.0)
    assert largest_rate(trial("nuclear_plain", plain=("nuclear",))) == pytest.approx(0.01)
    assert largest_rate(trial("sgd_decay")) == pytest.approx(0.1)
    plain = trial("k_support_plain", plain=("k_support",))
    model = open_bench(plain.config).new_model(0)
    assert new_optimizer(plain, model).param_groups[0]["rescaling"] == "none"
    assert new_optimizer(trial("k_support"), model).param_groups[0]["rescaling"] == "gradient"


@pytest.mark.parametrize(
    ("name", "ball"), [("k_support", "l2"), ("k_sparse", "linf"), ("nuclear", "nuclear")]
)
def test_a_delay_begins_with_balls_and_hands_over_momenta(name, ball):
    given = trial(name, epochs=2.0, lmo_delay=1.0)
    bench = open_bench(given.config)
    model = bench.new_model(0)
    first = new_optimizer(given, model, is_delayed=True)
    assert first.regions()["4.weight"]["region"]["name"] == ball
    inputs, targets = bench.some_batch(60)
    bench.objective.of_model(model, (inputs, targets)).backward()
    first.step()
    second = new_optimizer(given, model)
    take_over(second, first)
    for weight in model.parameters():
        assert torch.equal(second.state[weight]["momentum"], first.state[weight]["momentum"])
    second.step()
    assert second.state[model[4].weight]["step"] == 1
    with one_thread():
        trained = train(given, bench)
    assert trained.optimizer.regions()["4.weight"]["region"]["name"] == name
    assert max(trained.optimizer.feasibility().values()) <= 1 + 1e-4
    steps = bench.num_steps(2.0)
    assert trained.fit.curve[-1].step == steps


@pytest.mark.parametrize("stop", [1, 2, 4])
def test_a_delayed_training_that_was_killed_ends_in_the_same_bits(stop, tmp_path, monkeypatch):
    given = trial("spectral_k_support", epochs=2.0, lmo_delay=0.75, checkpoint_steps=2)
    bench = open_bench(given.config)
    with one_thread():
        whole = train(given, bench)
        saved, calls = fitting.save_checkpoint, []

        def interrupted(*arguments):
            saved(*arguments)
            calls.append(arguments)
            if len(calls) == stop:
                raise KeyboardInterrupt

        monkeypatch.setattr(fitting, "save_checkpoint", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(given, bench, f"{tmp_path}/running")
        monkeypatch.setattr(fitting, "save_checkpoint", saved)
        again = train(given, bench, f"{tmp_path}/running")
    for one, other in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert whole.fit.curve == again.fit.curve


def test_penalties_are_sums_of_norms_and_zeros_have_no_slope():
    torch.manual_seed(0)
    weight = torch.randn(2, 3, 5, dtype=torch.float64)
    weight[1, 2] = 0
    weight.requires_grad_()
    expected = weight.detach().square().sum(2).sqrt().sum()
    value = group_norms([weight, weight])
    assert float(value.detach()) == pytest.approx(2 * float(expected))
    value.backward()
    assert bool(weight.grad.isfinite().all()) and not weight.grad[1, 2].any()
    found = float(nuclear_norms([weight.detach()]))
    assert found == pytest.approx(float(torch.linalg.svdvals(weight.detach()).sum()))


def test_the_proximal_step_minimizes_its_objective():
    torch.manual_seed(1)
    weight, threshold = torch.randn(2, 4, 6, dtype=torch.float64), 1.2
    found = shrink_singular_values(weight, threshold)
    # (W - X) / t is a subgradient of the nuclear norm at X: spectral norm 1, <., X> = |X|_*.
    slope = (weight - found) / threshold
    assert float(torch.linalg.matrix_norm(slope, ord=2).max()) <= 1 + 1e-12
    inner, norms = (slope * found).sum((1, 2)), torch.linalg.svdvals(found).sum(1)
    torch.testing.assert_close(inner, norms)
    assert int((torch.linalg.svdvals(found) > 1e-12).sum()) < 8


@pytest.mark.parametrize("method", ["group_penalty", "nuclear_penalty"])
def test_penalized_losses_add_the_strength_times_the_norms(method):
    given = trial(method)
    bench = open_bench(given.config)
    model, batch = bench.new_model(0), bench.some_batch(8)
    plain = bench.objective.of_model
    norms = group_norms if method == "group_penalty" else nuclear_norms
    with torch.no_grad():
        value, _ = loss_of(given, plain, model)(model, batch)
        penalty = 1e-3 * norms(list(hidden_matrices(model).values()))
        assert float(value - plain(model, batch)) == pytest.approx(float(penalty), rel=1e-4)
    assert loss_of(trial("sgd_decay"), plain, model) is plain


def test_the_proximal_method_shrinks_after_every_step_by_the_rate_of_it():
    given = trial("nuclear_prox", penalties=(50.0,))
    model = open_bench(given.config).new_model(0)
    optimizer = new_optimizer(given, model)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    before = {w: m.clone() for w, m in hidden_matrices(model).items()}
    for group in optimizer.param_groups:
        group.update(lr=0.01, weight_decay=0.0)
    optimizer.step()
    for weight, matrices in hidden_matrices(model).items():
        torch.testing.assert_close(matrices, shrink_singular_values(before[weight], 0.5))
    assert not torch.equal(before[model[4].weight], hidden_matrices(model)[model[4].weight])


def test_pruning_with_retraining_takes_as_many_steps_in_all():
    given = trial("imp", epochs=4.0, retrain_share=0.25)
    bench = open_bench(given.config)
    total = bench.num_steps(4.0)
    assert dense_steps(given, bench) + retraining_steps(given, bench) == total
    assert dense_steps(trial("sgd_decay", epochs=4.0), bench) == total


@pytest.mark.parametrize("kind", ["filters", "low_rank", "both", "weights"])
def test_what_is_retrained_keeps_its_masks_and_ranks(kind):
    given = trial("imp", epochs=2.0)
    bench = open_bench(given.config)
    with one_thread():
        model = bench.new_model(0)
        made = compressed(bench, model, Compressing(kind, 0.4, "energy"))
        found = retrained(given, bench, made, f"imp-0.{kind}-0.4", "")
        for whole in (found.whole, found.smaller):
            bench.recalibrate(whole)
    inputs, _ = bench.some_batch(32)
    outputs = found.smaller.eval()(inputs)
    torch.testing.assert_close(outputs, found.whole.eval()(inputs), rtol=1e-4, atol=1e-5)
    before, after = dict(made.whole.named_parameters()), dict(found.whole.named_parameters())
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert "4.weight" in moved and "12.weight" in moved
    for name, mask in made.compression.masks.items():
        assert not after[name][~mask].any(), name
    for name, rank in made.compression.ranks.items():
        weight = found.whole.get_submodule(name).weight.detach()
        values = torch.linalg.svdvals(weight.flatten(1).double())
        assert float(values[rank:].max()) <= 1e-5 * float(values[0])


def test_two_layers_are_folded_into_one_again():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 8, 3, groups=2), nn.Conv2d(8, 6, 3), nn.Conv2d(6, 3, 1))
    plan = plan_compression(model, Compressing("low_rank", 0.5), (2, 9, 9))
    assert plan.ranks
    compress(model, plan)
    network = with_decomposed(model, plan.ranks, (2, 9, 9))
    folded = copy.deepcopy(model)
    folded.load_state_dict(whole_weights(network, plan))
    for one, other in zip(model.parameters(), folded.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    assert _masks_of_two(network, plan) == {}


def test_a_layer_in_several_places_is_retrained():
    class Repeated(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.middle, self.head = (
                nn.Conv2d(1, 16, 3),
                nn.Linear(16, 16),
                nn.Linear(16, 10),
            )
            self.again = self.middle

        def forward(self, x):
            x = self.first(x).relu().mean((2, 3))
            return self.head(self.again(self.middle(x).relu()).relu())

    given = trial("imp")
    bench = open_bench(given.config)
    torch.manual_seed(0)
    with one_thread():
        made = compressed(bench, Repeated(), Compressing("low_rank", 0.3))
        found = retrained(given, bench, made, "imp-0.low_rank-0.3", "")
    assert "middle" in made.compression.ranks and found.whole.again is found.whole.middle
    assert not torch.equal(found.whole.middle.weight, made.whole.middle.weight)
    inputs, _ = bench.some_batch(32)
    outputs = found.smaller.eval()(inputs)
    torch.testing.assert_close(outputs, found.whole.eval()(inputs), rtol=1e-4, atol=1e-5)


def test_choices_are_made_again_when_they_are_judged_by_other_compressions():
    def origins(*kinds):
        given = config(kinds=kinds, widths=(1, 10), regions=("nuclear",))
        plan = Plan(given, "images", 1)
        choose = next(training_waves(plan, None))
        return [item.origin for item in choose.items]

    assert origins("filters") != origins("filters", "low_rank")
    assert origins("filters", "low_rank") == origins("low_rank", "weights")


@pytest.mark.parametrize(("before", "lost"), [(0.8, 0.5), (-0.5, None), (0.0, None), (None, None)])
def test_instability_is_a_share_of_what_there_was(before, lost):
    given = config(regions=("nuclear",))
    bench = open_bench(given)
    model = bench.new_model(0)
    made = compressed(bench, model, compressing(given, "weights", 0.5))
    work = CompressionWork(given, "nuclear", 0, "weights", 0.5)
    parent = {"checkpoint": "0", "accuracy": before, "r2": None}
    row = _compressed_row(work, bench, made, parent)
    expected = None if lost is None else pytest.approx((before - row["accuracy"]) / before)
    assert row["instability"] == expected


def test_settings_are_chosen_by_the_compressions_that_a_method_is_for():
    both = config(kinds=("filters", "low_rank"))
    assert own_kinds("group_k_support_plain", both) == ["filters"]
    assert own_kinds("nuclear_prox", both) == ["low_rank"]
    assert own_kinds("sgd_decay", both) == ("filters", "low_rank")
    assert own_kinds("k_support", both) == ("filters", "low_rank")
    many = CompressionConfig(
        widths=(1, 2), shares=(0.1, 0.2, 0.3), penalties=(1, 2), rate_factors=(1,)
    )
    counts = {method: len(trials(many, method)) for method in methods(many)}
    assert counts == {
        "sgd_decay": 1, "group_penalty": 2, "nuclear_penalty": 2, "nuclear_prox": 2, "imp": 1,
        "group_k_support": 6, "spectral_k_support": 6, "nuclear": 2,
    }  # fmt: skip


def test_a_model_of_single_weights_is_its_own_smaller_one():
    bench = open_bench(config())
    model = bench.new_model(0)
    made = compressed(bench, model, compressing(config(), "weights", 0.5))
    assert made.smaller is made.whole
    assert smaller_of(bench, made.whole, made.compression) is made.whole


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ratios": (0.0,)}, r"ratios \[0.0\] are what stays: in \(0, 1\]"),
        ({"ratios": (1.5,)}, "are what stays"),
        ({"ratios": (0.5, 0.5)}, "a value twice"),
        ({"shares": (1.0,)}, "must lie between 0 and 1"),
        ({"widths": (0.0,)}, "must be positive"),
        ({"penalties": (-1.0,)}, "must be positive and finite"),
        ({"rivals": ("imp", "imp")}, "a name twice"),
        ({"epochs": 2.0, "lmo_delay": 2.0}, "lmo_delay 2 is beyond the training of 2 epochs"),
        ({"lmo_delay": -1.0}, "lmo_delay"),
        ({"kinds": ("halves",)}, "kinds"),
        ({"ranking": "best"}, "ranking"),
        ({"retrain_share": 1.0}, "retrain_share"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        config(**changes)


def test_a_model_without_a_layer_to_compress_is_refused():
    for name in ("k_support", "nuclear"):
        with pytest.raises(InputError, match=f"no weight of Sequential can have a region {name}"):
            new_optimizer(trial(name), nn.Sequential(nn.BatchNorm1d(3)))


def test_keys_tell_settings_and_repetitions_apart():
    assert Trial(config(), "imp").key == "choose-imp-x1"
    assert Trial(config(), "nuclear", width=3, replicate=2).key == "nuclear-2"
    given = Trial(config(), "k_support", width=10, share=0.3, factor=0.5)
    assert given.key == "choose-k_support-w10-k0.3-x0.5"


def test_weight_decays_are_chosen_for_sgd_and_for_retraining_alone():
    many = config(weight_decays=(1e-3, 1e-2), penalties=(1e-3, 1.0))
    decays = [weight_decay(each) for each in trials(many, "sgd_decay")]
    assert decays == [weight_decay(each) for each in trials(many, "imp")] == [1e-3, 1e-2]
    assert [weight_decay(each) for each in trials(many, "group_penalty")] == [5e-4] * 2
    assert [each.key for each in trials(many, "imp")] == [
        "choose-imp-l0.001-x1", "choose-imp-l0.01-x1"
    ]  # fmt: skip
    model = open_bench(many).new_model(0)
    assert new_optimizer(trials(many, "imp")[1], model).param_groups[0]["weight_decay"] == 1e-2
    assert weight_decay(trials(config(), "sgd_decay")[0]) == 5e-4
