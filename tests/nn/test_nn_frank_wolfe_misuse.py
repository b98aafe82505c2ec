"""Wrong use of the optimizer: one line that names the weight, and nothing is changed."""

import copy

import pytest
import torch
from torch import nn

from tasks.nn.optimizers import FrankWolfe, ScheduleFree
from tasks.nn.regions import region_by_name
from tasks.nn.regions.layouts import Layout
from tasks.nn.sparsity import hold_masks
from tasks.records import InputError
from tests.nn.small_weights import feed, mlp, train, weights


def test_bad_input_is_one_line():
    x, y = weights((4, 5), (4, 5))
    for params, words in (
        ([], "at least one weight"),
        ([{"params": []}], "is empty"),
        ([x, x], "two parameter groups"),
        ([{"params": [x]}, {"params": [x, y]}], "two parameter groups"),
        ([nn.Parameter(torch.ones(3, dtype=torch.cfloat))], "complex64"),
        ([nn.Parameter(torch.ones(3, dtype=torch.int64), requires_grad=False)], "int64"),
        (nn.Parameter(torch.ones(3)), "not a single one"),
        ([{"params": [x], "raduis": 1.0}], "no entry 'raduis'"),
        ([nn.Parameter(torch.ones(3))], "cannot be laid out as matrix"),
        ([("x", x), ("x", y)], "two weights are called x"),
        (nn.LazyLinear(3), "weight has no shape yet: show the model a batch"),
        ([nn.Parameter(torch.ones(()))], "cannot be laid out as matrix"),
    ):
        with pytest.raises(InputError, match=words):
            FrankWolfe(params)
    for settings, words in (
        ({"radius": 0.0}, "radius"),
        ({"radius": float("nan")}, "radius"),
        ({"width": -1.0}, "width factor"),
        ({"region": "k_sparse", "k": 0}, "k of k_sparse"),
        ({"region": "k_sparse", "k": 100}, "there are only 20"),
        ({"region": "k_sparse", "k": 1.5}, "k of k_sparse"),
        ({"region": "l3"}, "no region 'l3'"),
        ({"preset": "adam"}, "no preset 'adam'"),
        ({"momentum": 1.0}, "momentum"),
        ({"rescaling": "all"}, "rescaling must be one of"),
        ({"lr": -1.0}, "rate"),
        ({"lr": float("inf")}, "rate"),
        ({"lr": torch.tensor(float("nan"))}, "rate"),
        ({"max_step": 0.0}, "max_step 0 never moves"),
        ({"region": None, "others_betas": (0.9, 1.0)}, "betas are two numbers in"),
        ({"region": None, "others_betas": (0.9,)}, "betas are two numbers in"),
        ({"region": None, "others_weight_decay": -0.1}, "a weight decay is finite"),
        ({"region": None, "others": "sgd", "others_momentum": 1.0}, "momentum of others lies in"),
        ({"others": "adam", "region": None}, "adamw or sgd"),
        ({"preset": "lion", "region": "linf", "weight_decay": 0.0}, "weight_decay above 0"),
        ({"speed": 1.0}, "no setting 'speed'"),
        ({"weight_decay": 0.1}, "weight_decay belongs to the presets"),
        ({"radius": 1.0, "width": 2.0}, "not both"),
        ({"region": region_by_name("l2"), "radius": 2.0}, "its own radius"),
        ({"preset": "muon", "radius": 2.0}, "from weight_decay alone"),
        ({"preset": "muon", "rate_factor": 2.0}, "from weight_decay alone"),
        ({"region": None, "raduis": 2.0}, "no setting 'raduis'"),
        ({"region": "l2", "oracle": "power"}, "oracle power is for nuclear"),
    ):
        with pytest.raises(InputError, match=words):
            FrankWolfe([x], **settings)
    embedding = nn.Embedding(5, 3, sparse=True)
    optimizer = FrankWolfe(embedding.parameters(), region="l2")
    embedding(torch.tensor([1])).sum().backward()
    with pytest.raises(InputError, match="sparse gradient"):
        optimizer.step()
    with pytest.raises(InputError, match="no weight of Linear can have a region"):
        FrankWolfe(nn.Linear(3, 4), region="birkhoff")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_changes_nothing_and_is_named(value):
    model = mlp()
    optimizer = FrankWolfe(model)
    train(model, optimizer, 2)
    before = copy.deepcopy([model.state_dict(), optimizer.state_dict()["state"]])
    model[2].weight.grad[0, 0] = value
    with pytest.raises(InputError, match=r"the gradient of 2\.weight is not finite"):
        optimizer.step()
    after = [model.state_dict(), optimizer.state_dict()["state"]]
    torch.testing.assert_close(after, before, rtol=0, atol=0)


def test_a_state_of_other_regions_is_refused_by_name_and_nothing_is_changed():
    model = mlp()
    optimizer = FrankWolfe(model, region="l2", radius=1.0)
    train(model, optimizer, 2)
    other = FrankWolfe(mlp(), region="l2", radius=2.0)
    before = copy.deepcopy(other.state_dict())
    with pytest.raises(InputError, match=r"0\.weight has another region"):
        other.load_state_dict(optimizer.state_dict())
    assert other.state_dict() == before
    with pytest.raises(InputError, match="other parameter groups"):
        FrankWolfe([next(model.parameters())]).load_state_dict(optimizer.state_dict())
    narrow = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 5), nn.Linear(5, 5))
    mine = FrankWolfe(narrow, region="l2", radius=1.0)
    with pytest.raises(InputError, match="another shape"):
        mine.load_state_dict(optimizer.state_dict())


def test_moments_of_another_shape_are_refused():
    first, second = mlp(), mlp()
    second[4] = nn.Linear(16, 7)
    optimizer = FrankWolfe(first, region="l2", radius=1.0)
    train(first, optimizer, 1)
    with pytest.raises(InputError, match=r"4\.weight has another shape"):
        FrankWolfe(second, region="l2", radius=1.0).load_state_dict(optimizer.state_dict())
    x, y = weights((16, 16), (16, 24))
    settings = {"region": "nuclear", "radius": 1.0, "preset": "sfw"}
    one = FrankWolfe([x], **settings)
    feed([x], 0)
    one.step()
    with pytest.raises(InputError, match="another shape"):
        FrankWolfe([y], **settings).load_state_dict(one.state_dict())


def test_a_mask_in_a_region_of_matrices_is_refused_by_name():
    model = mlp()
    optimizer = FrankWolfe(model, region="spectral")
    hold_masks(model, {"2.weight": torch.ones(16, 16, dtype=torch.bool)}, optimizer)
    with pytest.raises(
        InputError, match=r"2\.weight: a mask cannot be kept in the region spectral"
    ):
        train(model, optimizer, 1)


def test_a_mask_in_a_later_group_moves_nothing_of_an_earlier_one():
    model = mlp()
    groups = [
        {"params": [("first", model[0].weight)], "region": "l2"},
        {"params": [("second", model[2].weight)], "region": "spectral"},
    ]
    optimizer = FrankWolfe(groups, rescaling="none")
    hold_masks(model, {"2.weight": torch.ones(16, 16, dtype=torch.bool)}, optimizer)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(InputError, match="second: a mask cannot be kept in the region spectral"):
        train(model, optimizer, 1)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize("region", ["l2", "spectral", None])
def test_a_model_that_is_converted_between_steps_is_refused_by_name(region):
    model = mlp()
    optimizer = FrankWolfe(model, region=region)
    train(model, optimizer, 2)
    model.double()
    x = torch.ones(4, 12, dtype=torch.float64)
    optimizer.zero_grad()
    model(x).sum().backward()
    with pytest.raises(InputError, match=r"0\.weight is torch.float64, but was torch.float32"):
        optimizer.step()


def test_a_whole_weight_has_no_blocks():
    with pytest.raises(InputError, match="layout whole is one point"):
        Layout("whole", blocks=3)


@pytest.mark.parametrize("oracle", ["exact", "express", "newton_schulz", "auto", "power"])
@pytest.mark.parametrize("name", ["spectral", "nuclear", "spectral_k_sparse", "spectral_k_support"])
def test_a_zero_direction_gives_a_vertex_or_zero_by_every_oracle(name, oracle):
    fits = {"spectral": ("exact", "express", "newton_schulz", "auto")}
    if oracle not in fits.get(name, ("exact", "auto", "power")):
        return
    k = {} if name in ("spectral", "nuclear") else {"k": 2}
    for at_zero in ("vertex", "zero"):
        region = region_by_name(name, at_zero=at_zero, **k)
        [x] = weights((16, 24))
        optimizer = FrankWolfe([x], region=region, rescaling="none", lr=1.0, oracle=oracle)
        x.grad = torch.zeros_like(x)
        optimizer.step()
        size = float(region.gauge(x.detach()))
        assert size == pytest.approx(0 if at_zero == "zero" else 1, abs=1e-5)


def test_preset_lion_alone_is_lion():
    [x] = weights((4, 5))
    assert FrankWolfe([x], preset="lion").param_groups[0]["regions"][0]["region"]["name"] == "linf"
    assert FrankWolfe([x]).param_groups[0]["regions"][0]["region"]["name"] == "spectral"


def test_a_momentum_that_is_set_later_begins_then():
    [x] = weights((4, 5))
    optimizer = FrankWolfe([x], region="l2", radius=1.0, preset="sfw")
    feed([x], 0)
    optimizer.step()
    optimizer.param_groups[0]["momentum"] = 0.5
    feed([x], 1)
    optimizer.step()
    torch.testing.assert_close(optimizer.state[x]["momentum"], 0.5 * x.grad)


def test_means_of_pruned_weights_are_pruned_and_schedulers_take_schedule_free():
    model = mlp()
    optimizer = FrankWolfe(model, region="linf")
    free = ScheduleFree(optimizer)
    scheduler = torch.optim.lr_scheduler.LinearLR(free, total_iters=4)
    train(model, free, 3)
    masks = {"0.weight": torch.rand(16, 12, generator=torch.Generator().manual_seed(0)) < 0.3}
    hold_masks(model, masks, optimizer)
    train(model, free, 2, first=3)
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == free.param_groups[0]["lr"] < 0.1
    assert not model[0].weight[~masks["0.weight"]].any()
    free.eval()
    assert not model[0].weight[~masks["0.weight"]].any()
    with pytest.raises(InputError, match="an optimizer that has all parameter groups"):
        free.add_param_group({"params": [nn.Parameter(torch.ones(2))]})
