"""Steps in an adaptive metric: AdaSFW and AdamSFW as presets of the optimizer."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tasks.nn import Constant, FitPlan, TrainingState, classification_loss, fit
from tasks.nn.checkpoints import load_checkpoint, save_checkpoint
from tasks.nn.data import ImageBatches, load_dataset
from tasks.nn.models import build_model
from tasks.nn.optimizers import FrankWolfe, fused_adaptive
from tasks.nn.regions import region_by_name
from tasks.nn.regions.layouts import Layout
from tasks.nn.sparsity import hold_masks
from tasks.records import InputError
from tests.nn.small_weights import MATRICES, VECTORS, feed, mlp, options, train, weights

PRESETS = ("adasfw", "adamsfw")
DOUBLE = torch.float64


def metrics(gradients, preset, delta=1e-8, beta=0.9, beta2=0.999):
    """Directions and h after each gradient, by the formulas."""
    total = m = u = largest = torch.zeros_like(gradients[0])
    for g in gradients:
        total, m, u = total + g * g, beta * m + (1 - beta) * g, beta2 * u + (1 - beta2) * g * g
        largest = torch.maximum(largest, u)
        if preset == "adasfw":
            yield g, delta + total.sqrt()
        else:
            yield m, delta + largest.sqrt()


def plain_step(x, d, h, region, eta, num_inner, cap=1.0):
    """Algorithm 2 of arXiv:2009.14114, line by line."""
    y = x.clone()
    for _ in range(num_inner):
        q = d + h * (y - x) / eta
        v = region.extreme_point(q)
        length = eta * (q * (y - v)).sum() / (h * (y - v) ** 2).sum()
        y = y + min(max(float(length), 0.0), cap) * (v - y)
    return y


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", [*VECTORS, *MATRICES])
def test_a_step_is_the_plain_loop(name, preset):
    [x] = weights((8, 12), dtype=DOUBLE)
    optimizer = FrankWolfe(
        [x], lr=0.3, radius=0.7, preset=preset, inner_steps=3, max_step=0.5, oracle="exact",
        **options(name),
    )  # fmt: skip
    entry = optimizer.param_groups[0]["regions"][0]
    region, layout = region_by_name(**entry["region"]), Layout(**entry["layout"])
    gradients = [torch.randn(8, 12, generator=torch.Generator().manual_seed(s), dtype=DOUBLE)
                 for s in range(4)]  # fmt: skip
    for g, (d, h) in zip(gradients, metrics(gradients, preset), strict=True):
        given = [layout.points(t) for t in (x.detach(), d, h)]
        wanted = layout.weight(plain_step(*given, region, 0.3, 3, cap=0.5), x.shape)
        x.grad = g.clone()
        optimizer.step()
        torch.testing.assert_close(x.detach(), wanted, atol=1e-12, rtol=1e-10)


@settings(max_examples=20, deadline=None)
@given(
    shape=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    seed=st.integers(0, 1000),
    preset=st.sampled_from(PRESETS),
    name=st.sampled_from(("l1", "l2", "linf", "k_support")),
    inner=st.integers(1, 6),
)
def test_any_shape_moves_by_the_plain_loop(shape, seed, preset, name, inner):
    [x] = weights(tuple(shape), seed=seed, dtype=DOUBLE)
    settings_ = {"radius": 1.5, "preset": preset, "lr": 0.1, "inner_steps": inner}
    optimizer = FrankWolfe([x], region=name, **({"k": 1} if "k_" in name else {}), **settings_)
    region = region_by_name(**optimizer.param_groups[0]["regions"][0]["region"])
    feed([x], seed)
    [(d, h)] = metrics([x.grad], preset)
    wanted = plain_step(*(t.detach().reshape(-1) for t in (x, d, h)), region, 0.1, inner)
    optimizer.step()
    torch.testing.assert_close(x.detach().reshape(-1), wanted, atol=1e-12, rtol=1e-10)


def adagrad_point(x, eta):
    return x.detach() - eta * x.grad / (1e-8 + x.grad.abs())


@pytest.mark.parametrize(("eta", "radius"), [(0.05, 1.0), (9.0, 1.0)], ids=["inside", "corner"])
def test_many_inner_steps_are_the_clipped_step_of_adagrad(eta, radius):
    [x] = weights((5,), dtype=DOUBLE)
    feed([x], 1)
    wanted = adagrad_point(x, eta).clamp(-radius, radius)
    settings_ = {"region": "linf", "radius": radius, "preset": "adasfw", "inner_steps": 1500}
    FrankWolfe([x], lr=eta, **settings_).step()
    torch.testing.assert_close(x.detach(), wanted, atol=1e-8, rtol=0)


def test_entries_with_steps_of_their_own_are_clipped_one_by_one():
    """Of a region on single entries one inner step is the projection, whichever are clipped."""
    [x] = weights((200, 1), dtype=DOUBLE)
    feed([x], 1, scale=3.0)
    wanted = adagrad_point(x, 0.15).clamp(-0.2, 0.2)
    assert 20 < int((wanted.abs() == 0.2).sum()) < 180
    group = {"params": [x], "layout": Layout("rows"), "region": "linf", "radius": 0.2}
    optimizer = FrankWolfe([group], preset="adasfw", lr=0.15, inner_steps=1)
    optimizer.enter()
    wanted = adagrad_point(x, 0.15).clamp(-0.2, 0.2)
    optimizer.step()
    torch.testing.assert_close(x.detach(), wanted, atol=1e-12, rtol=0)


@pytest.mark.parametrize("seed", range(3))
def test_on_a_face_the_model_falls_to_its_least_value_at_the_rate_of_frank_wolfe(seed):
    """2 L D^2 / (K + 2) in the metric; on a face of a polytope no method of this kind is faster."""
    values = []
    for count in (30, 300, 3000):
        [x] = weights((6,), seed=seed, dtype=DOUBLE)
        feed([x], seed + 10)
        h, eta, start = 1e-8 + x.grad.abs(), 0.95, x.detach().clone()
        least = adagrad_point(x, eta).clamp(-1, 1)
        FrankWolfe(
            [x], region="linf", radius=1.0, preset="adasfw", lr=eta, inner_steps=count
        ).step()

        def model(y, g=x.grad, h=h / (2 * eta), start=start):
            return (g * (y - start)).sum() + (h * (y - start) ** 2).sum()

        error = float(model(x.detach()) - model(least))
        assert -1e-12 <= error <= 2 * float((4 * h).sum() / eta) / (count + 2)
        values.append(error)
    assert values[-1] < 1e-4


def test_on_the_euclidean_ball_many_inner_steps_are_the_projection_in_the_metric():
    [x] = weights((6,), dtype=DOUBLE)
    feed([x], 2)
    h, aim = 1e-8 + x.grad.abs(), adagrad_point(x, 0.8)
    low, high = 0.0, 100.0
    for _ in range(200):  # multiplier of the ball
        middle = (low + high) / 2
        point = h * aim / (h + middle)
        low, high = (middle, high) if point.norm() > 0.5 else (low, middle)
    FrankWolfe([x], region="l2", radius=0.5, preset="adasfw", lr=0.8, inner_steps=3000).step()
    torch.testing.assert_close(x.detach(), point, atol=1e-8, rtol=0)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("scale", [1.0, 0.0, 1e-25, 1e25])
@pytest.mark.parametrize("maximize", [False, True])
def test_compiled_steps_are_the_general_ones(preset, scale, maximize, monkeypatch):
    first = weights((17,), (6, 5, 3, 3), (1,), (4, 4))
    first[1] = nn.Parameter(first[1].detach().contiguous(memory_format=torch.channels_last))
    second = [nn.Parameter(torch.empty_like(x).copy_(x)) for x in first]
    settings_ = {
        "lr": 0.02, "radius": 0.8, "preset": preset, "region": "linf", "inner_steps": 3,
        "maximize": maximize, "metric_low": 0.1, "metric_high": 2.0,
    }  # fmt: skip
    optimizer, general = FrankWolfe(first, **settings_), FrankWolfe(second, **settings_)
    for step in range(6):
        feed(first, step, scale)
        feed(second, step, scale)
        optimizer.step()
        with monkeypatch.context() as patch:
            patch.setattr(fused_adaptive, "takes", lambda *_: False)
            general.step()
    for x, y in zip(first, second, strict=True):
        torch.testing.assert_close(x, y, atol=2e-5, rtol=1e-4)
        assert x.stride() == y.stride() and x.isfinite().all()
        kept, wanted = optimizer.state[x], general.state[y]
        assert kept.keys() == wanted.keys() and kept["step"] == 6
        for name in kept.keys() - {"step"}:
            size = (scale if name == "momentum" else scale**2) or 1.0
            torch.testing.assert_close(
                kept[name], wanted[name], rtol=1e-5, atol=1e-6 * min(size, 1e37)
            )


def test_bounds_keep_the_metric_between_them():
    [x] = weights((9,), dtype=DOUBLE)
    ours = FrankWolfe(
        [x], region="linf", radius=1.0, preset="adasfw", lr=0.1, metric_low=0.4, metric_high=0.4
    )
    for step in range(3):
        feed([x], step)
        before = x.detach().clone()
        region = region_by_name("linf", radius=1.0)
        wanted = plain_step(before, x.grad, torch.full_like(before, 0.4), region, 0.1, 2)
        ours.step()
        torch.testing.assert_close(x.detach(), wanted)


@pytest.mark.parametrize(
    ("dtype", "names"),
    [
        (torch.float32, ("l2", "linf", "k_support", "nuclear", "spectral")),
        (torch.bfloat16, ("linf", "nuclear")),
    ],
    ids=["fp32", "bf16"],
)
def test_weights_stay_feasible_for_thousands_of_steps(dtype, names):
    """Vectors for three thousand steps, matrices for five hundred."""
    groups = []
    for i, name in enumerate(names):
        shape = (6, 10) if name in VECTORS else (16, 24)
        group = {"params": weights(shape, seed=i, dtype=dtype), "radius": 0.9}
        groups.append({**group, "preset": PRESETS[i % 2], **options(name)})
    optimizer = FrankWolfe(groups, lr=0.05)
    optimizer.enter()
    generator = torch.Generator().manual_seed(1)
    drawn = torch.randn(64, 16, 24, generator=generator).to(dtype)
    parameters = [x for group in optimizer.param_groups for x in group["params"]]
    for step in range(3000):
        for i, x in enumerate(parameters):
            m, n = x.shape
            is_still = m == 16 and step % 6
            fed = drawn[i, :m, :n] + drawn[(7 * step + i) % 64, :m, :n]
            x.grad = None if is_still else fed
        optimizer.step()
    for name, entry in optimizer.regions().items():
        is_matrix = entry["region"]["name"] in MATRICES[1:]
        slack = 2.0**-6 if dtype == torch.bfloat16 else 1e-4 if is_matrix else 1e-6
        assert optimizer.feasibility()[name] <= 1 + slack, entry


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", ["linf", "k_support", "nuclear", "spectral", "group_k_support"])
def test_a_restored_state_goes_the_same_way_bit_for_bit(name, preset, tmp_path):
    model = mlp()
    optimizer = FrankWolfe(model, preset=preset, lr=0.05, **options(name))
    train(model, optimizer, 5)
    state = TrainingState(model, optimizer, Constant(0.05), step=5)
    save_checkpoint(tmp_path / "state.safetensors", state)
    again = mlp()
    resumed = FrankWolfe(again, preset=preset, lr=0.05, **options(name))
    load_checkpoint(tmp_path / "state.safetensors", TrainingState(again, resumed, Constant(0.05)))
    train(model, optimizer, 5, first=5)
    train(again, resumed, 5, first=5)
    for x, y in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(x, y)


@pytest.mark.parametrize("preset", PRESETS)
def test_half_precision_resumes_bit_for_bit_and_squares_do_not_freeze(preset):
    settings_ = {"region": "linf", "radius": 1.0, "lr": 1e-3, "preset": preset}
    [x] = weights((24, 32), dtype=torch.bfloat16)
    optimizer = FrankWolfe([x], **settings_)
    for step in range(20):
        feed([x], step)
        optimizer.step()
    kept = copy.deepcopy([x.detach(), optimizer.state_dict()])
    again = nn.Parameter(kept[0].clone())
    resumed = FrankWolfe([again], **settings_)
    resumed.load_state_dict(kept[1])
    for step in range(300):
        for parameter, one in ((x, optimizer), (again, resumed)):
            feed([parameter], step)
            one.step()
    assert torch.equal(x, again)
    for key, value in optimizer.state[x].items():
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(resumed.state[again][key]))
    if preset == "adasfw":
        # In bfloat16 a sum stops at 256 times what is added.
        assert float(optimizer.state[x]["squares"].mean()) == pytest.approx(320, rel=0.1)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", ["l1", "linf", "k_support", "group_k_support"])
def test_pruned_weights_stay_zero(name, preset):
    model = mlp()
    masks = {"0.weight": torch.rand(16, 12, generator=torch.Generator().manual_seed(0)) < 0.3}
    optimizer = FrankWolfe(model, preset=preset, lr=0.05, **options(name))
    train(model, optimizer, 2)
    hold_masks(model, masks, optimizer)
    train(model, optimizer, 6)
    assert not model[0].weight[~masks["0.weight"]].any()
    assert model[0].weight[masks["0.weight"]].any()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_changes_nothing(value):
    x, y = weights((4, 5), (6, 3))
    optimizer = FrankWolfe([("x", x), ("y", y)], region="linf", radius=1.0, preset="adasfw")
    feed([x, y], 0)
    optimizer.step()
    kept = copy.deepcopy([x.detach(), y.detach(), optimizer.state_dict()["state"]])
    feed([x, y], 1)
    y.grad[0, 0] = value
    with pytest.raises(InputError, match="gradient of y is not finite; nothing was changed"):
        optimizer.step()
    assert torch.equal(x, kept[0]) and torch.equal(y, kept[1])
    for number, state in optimizer.state_dict()["state"].items():
        assert torch.equal(state["squares"], kept[2][number]["squares"])


def test_wrong_settings_are_refused_in_one_line():
    [x] = weights((4, 5))
    for settings_, words in (
        ({"inner_steps": 0}, "inner_steps is a whole number from 1 on, not 0"),
        ({"inner_steps": 2.0}, "inner_steps is a whole number"),
        ({"delta": 0.0}, "delta 0 divides by zero"),
        ({"delta": -1.0}, "delta must lie in"),
        ({"metric_low": float("nan")}, "metric_low must lie in"),
        ({"metric_low": 2.0, "metric_high": 1.0}, "metric_high must be at least metric_low"),
        ({"second_momentum": 1.0}, "second_momentum 1 never sees"),
        ({"metric": "newton"}, "metric must be one of none, adagrad, amsgrad"),
        ({"rescaling": "gradient"}, "set rescaling to none"),
        ({"nearest": 0.1}, "nearest is of steps without a metric"),
        ({"preset": "sfw", "inner_steps": 5}, "inner_steps belongs to the presets adasfw"),
        ({"compiled": True}, "compiled is for steps without a metric"),
        ({"weight_decay": 0.1}, "weight_decay belongs to the presets muon"),
    ):
        with pytest.raises(InputError, match=words) as found:
            FrankWolfe([x], **{"preset": "adasfw", "region": "linf", **settings_})
        assert "\n" not in str(found.value)


def test_the_state_of_other_presets_is_as_before():
    [x] = weights((4, 5))
    optimizer = FrankWolfe([x], region="linf")
    assert not {"metric", "inner_steps", "delta"} & optimizer.param_groups[0].keys()
    feed([x], 0)
    optimizer.step()
    assert optimizer.state[x].keys() == {"step", "momentum"}


def test_a_model_that_is_converted_between_steps_is_refused():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    optimizer = FrankWolfe(model, region="linf", preset="adasfw", others="sgd")
    feed(list(model.parameters()), 0)
    optimizer.step()
    model.double()
    feed(list(model.parameters()), 1)
    with pytest.raises(InputError, match="convert a model before its first step"):
        optimizer.step()


@pytest.mark.parametrize("preset", PRESETS)
def test_a_network_learns_and_its_gap_falls(preset):
    model = build_model("mlp", (1, 8, 8), 10)
    dataset = load_dataset("digits")
    optimizer = FrankWolfe(model, preset=preset, region="linf", lr=0.01, others_lr=0.01)
    batch = next(ImageBatches(dataset, 500, 1).at(0))
    before = optimizer.gap(classification_loss, [batch])
    state = TrainingState(model, optimizer, Constant(0.01))
    found = fit(state, ImageBatches(dataset, 60, 0), classification_loss, FitPlan(150))
    after = optimizer.gap(classification_loss, [batch])
    assert found.curve[-1].loss < 0.5 and 0 < after.total < before.total
    assert max(optimizer.feasibility().values()) <= 1 + 1e-6
