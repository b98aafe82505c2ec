"""Wrong use of the optimizer: one line that names the weight, and nothing is changed."""

import copy
import pickle

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
        ({"width": 0.0}, "width factor"),
        ({"region": None, "weight_decay": 0.5}, "reads weight_decay; give others_weight_decay"),
        ({"region": None, "radius": 2.0}, "with region None nothing reads radius"),
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


@pytest.mark.parametrize("make", [lambda o: o, ScheduleFree], ids=["frank_wolfe", "schedule_free"])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_with_a_scheduler_step_on_their_own(make, copied):
    model = mlp()
    optimizer = make(FrankWolfe(model, region="l2"))
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    train(model, optimizer, 2)
    scheduler.step()
    other, others = copied((model, optimizer))
    before = copy.deepcopy(model.state_dict())
    train(other, others, 1, first=2)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    train(model, optimizer, 1, first=2)
    torch.testing.assert_close(model.state_dict(), other.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("region", "name", "value"),
    [("l2", "momentum", 2.0), ("spectral", "oracle", "power"), (None, "betas", (0.9,)),
     ("l2", "lr", -1.0), (None, "lr", float("nan")), (None, "weight_decay", -1.0)],
)  # fmt: skip
def test_a_setting_that_was_changed_to_a_wrong_one_moves_nothing(region, name, value):
    x, y = weights((4, 5), (16, 24))
    optimizer = FrankWolfe([{"params": [x], "region": "l2"}, {"params": [y], "region": region}])
    optimizer.param_groups[1][name] = value
    feed([x, y], 0)
    before = [x.detach().clone(), y.detach().clone()]
    with pytest.raises(InputError):
        optimizer.step()
    assert torch.equal(x, before[0]) and torch.equal(y, before[1])


def test_a_group_that_is_refused_leaves_no_trace():
    x, y = weights((4, 5), (3, 3))
    optimizer = FrankWolfe([("x", x)], region="l2")
    for group in (
        {"params": [("z", y)], "region": "k_sparse", "k": 100},
        {"params": [("z", y * 1)]},  # not a leaf
    ):
        with pytest.raises((InputError, ValueError)):
            optimizer.add_param_group(group)
        assert list(optimizer.feasibility()) == ["x"]
    optimizer.add_param_group({"params": [("z", y)], "region": "k_sparse", "k": 2})
    assert list(optimizer.regions()) == ["x", "z"]


def test_why_no_weight_can_have_a_region_is_said():
    for settings, reason in (
        ({"region": "l2", "k": 0.3}, "l2 has no k"),
        ({"region": "spectral", "layout": Layout("whole")}, "spectral is a region of matrices"),
        ({"region": "birkhoff"}, "square matrices"),
    ):
        with pytest.raises(InputError, match=f"no weight of Linear can have.*{reason}"):
            FrankWolfe(nn.Linear(3, 4), **settings)


def test_masks_are_in_force_on_all_that_schedule_free_shows():
    model = mlp()
    free = ScheduleFree(FrankWolfe(model, region="linf"))
    train(model, free, 2)
    older = copy.deepcopy(free.state_dict())
    masks = {"0.weight": torch.rand(16, 12, generator=torch.Generator().manual_seed(0)) < 0.3}
    hold_masks(model, masks, free)
    gone = ~masks["0.weight"]
    assert not free.state[model[0].weight]["momentum"][gone].any()
    for show in (free.eval, free.train, lambda: free.load_state_dict(older)):
        show()
        assert not model[0].weight[gone].any() and model[0].weight.any()


def test_means_in_half_precision_do_not_freeze():
    x = nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    free = ScheduleFree(torch.optim.SGD([x], lr=0.0))
    for step in range(2000):
        if step == 200:
            free._iterates[0].fill_(2.0)
        x.grad = torch.zeros_like(x)
        free.step()
    free.eval()
    assert x.tolist() == pytest.approx([1.9] * 3, abs=0.01)


def test_schedule_free_begins_where_weights_are_at_its_first_step():
    model = mlp()
    optimizer = FrankWolfe(model, region="spectral", radius=0.1)
    free = ScheduleFree(optimizer)
    assert optimizer.enter()
    free.eval()
    free.train()
    assert max(optimizer.feasibility().values()) <= 1 + 1e-6
    train(model, free, 1)
    assert max(optimizer.feasibility().values()) <= 1 + 1e-4


def test_a_state_of_other_weights_changes_nothing_of_schedule_free():
    model, other = mlp(), nn.Linear(3, 4)
    free, wrong = ScheduleFree(FrankWolfe(model)), ScheduleFree(FrankWolfe(other))
    train(model, free, 2)
    other(torch.ones(2, 3)).sum().backward()
    wrong.step()
    before = copy.deepcopy([*model.parameters(), *free._iterates, *free._means])
    with pytest.raises(InputError, match="the iterates of the state are of other weights"):
        free.load_state_dict(wrong.state_dict())
    after = [*model.parameters(), *free._iterates, *free._means]
    assert all(torch.equal(*pair) for pair in zip(after, before, strict=True))


def test_weights_that_are_not_finite_are_not_brought_inside():
    model = mlp()
    with torch.no_grad():
        model[2].weight[0, 0] = float("nan")
    with pytest.raises(InputError, match=r"2\.weight has entries that are not finite"):
        FrankWolfe(model, region="l2").enter()


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_weights_of_eight_bits_are_refused(dtype):
    with pytest.raises(InputError, match="only real numbers"):
        FrankWolfe([nn.Parameter(torch.ones(3, 3).to(dtype), requires_grad=False)])


def test_states_are_read_into_weights_of_another_type():
    for region in ("nuclear", "l2"):
        [x] = weights((16, 24), dtype=torch.float64)
        [y] = weights((16, 24), dtype=torch.float32)
        [z] = weights((16, 24), dtype=torch.bfloat16)
        first = FrankWolfe([x], region=region)
        feed([x], 0)
        first.step()
        for other in (y, z):
            second = FrankWolfe([other], region=region)
            second.load_state_dict(first.state_dict())
            feed([other], 1)
            second.step()
            assert other.isfinite().all()
