"""The optimizer: its steps, its presets, its constraints, its state."""

import copy
import pickle

import pytest
import torch
from torch import nn

from tasks.nn import (
    Constant,
    FitPlan,
    Linear,
    TrainingState,
    classification_loss,
    evaluate,
    fit,
    run_processes,
)
from tasks.nn.data import ImageBatches, load_dataset
from tasks.nn.models import build_model
from tasks.nn.optimizers import FrankWolfe, Retraction, ScheduleFree, bucket, fused
from tasks.nn.optimizers.settings import PRESETS
from tasks.nn.regions import region_by_name
from tasks.nn.regions.layouts import Layout
from tasks.nn.sparsity import hold_masks
from tasks.records import InputError
from tests.nn.small_weights import MATRICES, RESCALINGS, VECTORS, feed, mlp, options, train, weights


@pytest.mark.parametrize("rescaling", RESCALINGS)
@pytest.mark.parametrize("name", [*VECTORS, *MATRICES])
def test_a_step_is_the_formula(name, rescaling):
    [x] = weights((8, 12))
    optimizer = FrankWolfe(
        [x], lr=0.3, radius=0.7, rescaling=rescaling, oracle="exact", **options(name)
    )
    m = torch.zeros(8, 12)
    entry = optimizer.param_groups[0]["regions"][0]
    region, layout = region_by_name(**entry["region"]), Layout(**entry["layout"])
    for step in range(4):
        feed([x], step)
        before = x.detach().clone()
        m = 0.9 * m + 0.1 * x.grad
        optimizer.step()
        points = layout.points(m)
        away = layout.weight(region.extreme_point(points), x.shape) - before
        factor = {
            "none": 1.0,
            "diameter": 1 / region.diameter(points.shape),
            "gradient": float(m.norm() / away.norm()),
            "fast_gradient": float(m.norm()) / (region.diameter(points.shape) / 2),
            "short": float(-(m * away).sum() / away.norm() ** 2),
        }[rescaling]
        share = min(max(0.3 * factor, 0), 1)
        torch.testing.assert_close(x.detach(), before + share * away, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("name", fused.FUSED)
@pytest.mark.parametrize("rescaling", ["none", "diameter", "gradient", "fast_gradient"])
@pytest.mark.parametrize("scale", [1.0, 0.0, 1e-25, 1e25])
def test_compiled_steps_are_the_general_ones(name, rescaling, scale, monkeypatch):
    shapes = [(17,), (6, 5, 3, 3), (1,), (4, 4)]
    first = weights(*shapes)
    first[1] = nn.Parameter(first[1].detach().contiguous(memory_format=torch.channels_last))
    second = [nn.Parameter(torch.empty_like(x).copy_(x)) for x in first]
    settings = {"lr": 0.2, "radius": 0.8, "rescaling": rescaling, **options(name)}
    optimizer, general = FrankWolfe(first, **settings), FrankWolfe(second, **settings)
    for step in range(6):
        feed(first, step, scale)
        feed(second, step, scale)
        if step == 3:  # ties
            for x in (*first, *second):
                x.grad.copy_(scale * x.grad.sign())
        optimizer.step()
        with monkeypatch.context() as patch:
            patch.setattr(fused, "takes", lambda *_: False)
            general.step()
    for x, y in zip(first, second, strict=True):
        torch.testing.assert_close(x, y, atol=1e-6, rtol=1e-5)
        assert x.stride() == y.stride()
    for x, y in zip(optimizer.state.values(), general.state.values(), strict=True):
        size = scale or 1.0
        torch.testing.assert_close(x["momentum"] / size, y["momentum"] / size, atol=1e-6, rtol=0)
        assert x["step"] == y["step"] == 6


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.parametrize("rescaling", RESCALINGS)
def test_steps_that_pytorch_compiles_are_the_others(name, rescaling, monkeypatch):
    """Compilation is by request, of one function of tensors; here without a C++ compiler."""
    asked = []

    def compiled(function, **settings):
        asked.append(settings)
        return function

    monkeypatch.setattr(torch, "compile", compiled)
    bucket._compiled_step.cache_clear()
    models = [nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 6), nn.Linear(6, 5)) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    settings = {"lr": 0.2, "radius": 0.8, "rescaling": rescaling, **options(name)}
    ours = FrankWolfe(models[0], compiled=True, **settings)
    plain = FrankWolfe(models[1], **settings)
    masks = {"0.weight": torch.rand(5, 6, generator=torch.Generator().manual_seed(0)) < 0.5}
    for step in range(4):
        for model in models:
            feed(list(model.parameters()), step)
            if step == 2:
                hold_masks(model, masks)
            if step >= 2:
                model[0].weight.grad.mul_(masks["0.weight"])
        plain.step()
        assert len(asked) == min(step, 1)
        ours.step()
    ours, plain = (model.state_dict() for model in models)
    torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-6)
    assert not models[0][0].weight[~masks["0.weight"]].any()
    bucket._compiled_step.cache_clear()


def test_the_step_of_vectors_is_one_graph_whatever_the_rate():
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(bucket.vector_step, backend=backend, fullgraph=True, dynamic=False)
    x, d = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0))
    sizes = torch.ones(3)
    for name in VECTORS:
        k = {"k": 2} if "k_" in name else {}
        region, settings = region_by_name(name, **k), PRESETS["sfw"]
        for rate in (0.3, 0.1):
            given = (x, d, sizes, sizes, None, torch.tensor(rate), region, settings)
            torch.testing.assert_close(compiled(*given), bucket.vector_step(*given))
    assert len(graphs) == len(VECTORS)


def test_a_state_is_one_buffer_for_each_weight_and_the_followed_vectors():
    for name in (*VECTORS, *MATRICES):
        group = weights((24, 40), (40, 24), (24, 40))
        optimizer = FrankWolfe(group, **options(name))
        feed(group, 0)
        optimizer.step()
        tensors = [t for s in optimizer.state.values() for t in s.values() if torch.is_tensor(t)]
        starts = [s["start"] for s in optimizer.state.values() if "start" in s]
        extra = sum(t.numel() for t in tensors) - sum(t.numel() for t in starts)
        assert extra == sum(x.numel() for x in group)
        # 8 vectors for the nuclear ball, k for the others.
        assert sum(t.numel() for t in starts) <= 8 * (40 + 24 + 40)


@pytest.mark.parametrize("name", [*VECTORS, *MATRICES])
def test_weights_that_are_moved_together_are_moved_as_each_alone(name):
    shapes = [(12, 16), (12, 16), (16, 12), (12, 16)]
    together = weights(*shapes)
    alone = [nn.Parameter(x.detach().clone()) for x in together]
    settings = {"lr": 0.2, "radius": 0.8, **options(name)}
    optimizer = FrankWolfe(together, **settings)
    singles = [FrankWolfe([x], **settings) for x in alone]
    for step in range(5):
        feed(together, step)
        for x, y in zip(together, alone, strict=True):
            y.grad = x.grad.clone()
        optimizer.step()
        for single in singles:
            single.step()
    for x, y in zip(together, alone, strict=True):
        torch.testing.assert_close(x, y, atol=1e-5, rtol=1e-4)


BOUNDS = {torch.float32: (1e-6, 1e-4), torch.bfloat16: (2.0**-6, 2.0**-6)}


# In half precision the numbers behind the weights are those of float32: a few regions tell.
HALVED = ("l2", "linf", "k_support", "nuclear", "spectral")


@pytest.mark.parametrize(
    ("dtype", "names"),
    [(torch.float32, (*VECTORS, *MATRICES)), (torch.bfloat16, HALVED)],
    ids=["fp32", "bf16"],
)
def test_weights_stay_feasible_for_ten_thousand_steps(dtype, names):
    groups, number = [], 10_000
    for i, name in enumerate(names):
        # Large enough for power iterations.
        shape = (6, 10) if name in VECTORS else (16, 24)
        group = {"params": weights(shape, seed=i, dtype=dtype), "radius": 0.9, **options(name)}
        groups.append(group)
    optimizer = FrankWolfe(groups, preset="scion")
    parameters = [x for group in optimizer.param_groups for x in group["params"]]
    optimizer.enter()
    generator = torch.Generator().manual_seed(1)
    drawn = torch.randn(64, 16, 24, generator=generator).to(dtype)
    averages = [x.detach().double() for x in parameters]
    seen = {}
    for step in range(number):
        rate = 0.5 / (1 + step) ** 0.5
        for group in optimizer.param_groups:
            group["lr"] = rate
        for i, x in enumerate(parameters):
            # A drift and noise: weights travel to the boundary and along it.
            m, n = x.shape
            x.grad = drawn[i, :m, :n] + drawn[(7 * step + i) % 64, :m, :n]
        optimizer.step()
        torch._foreach_lerp_(averages, [x.detach().double() for x in parameters], 0.01)
        if step + 1 in (1000, number):
            seen[step + 1] = optimizer.feasibility()
    vector, matrix = BOUNDS[dtype]
    for name, entry in optimizer.regions().items():
        size = seen[number][name]
        slack = matrix if entry["region"]["name"] in MATRICES[1:] else vector
        assert size <= 1 + slack, (name, size)
        assert size <= max(seen[1000][name], 1.0) + slack / 2
    for average, entry in zip(averages, optimizer._constrained.values(), strict=True):
        slack = matrix if entry.region.event_dims == 2 else vector
        assert float(entry.region.gauge(entry.layout.points(average)).max()) <= 1 + slack


def test_l2_with_gradient_rescaling_moves_by_the_rate_times_the_gradient():
    [x] = weights((50,))
    optimizer = FrankWolfe([x], region="l2", radius=5.0, preset="sfw", lr=0.01)
    for step in range(5):
        feed([x], step)
        before = x.detach().clone()
        optimizer.step()
        moved = float((x.detach() - before).norm())
        assert moved == pytest.approx(0.01 * float(x.grad.norm()), rel=1e-4)


def lion(x, grads, lr, decay, betas=(0.9, 0.99)):
    """Chen et al., arXiv:2302.06675, algorithm 2."""
    m = torch.zeros_like(x)
    for g in grads:
        c = betas[0] * m + (1 - betas[0]) * g
        x = x - lr * (c.sign() + decay * x)
        m = betas[1] * m + (1 - betas[1]) * g
    return x


def test_preset_lion_is_lion():
    [x] = weights((40,))
    wanted = x.detach().clone()
    grads = [torch.randn(40, generator=torch.Generator().manual_seed(i)) for i in range(30)]
    optimizer = FrankWolfe([x], region="linf", preset="lion", lr=0.01, weight_decay=0.5)
    for g in grads:
        x.grad = g.clone()
        optimizer.step()
    torch.testing.assert_close(x.detach(), lion(wanted, grads, 0.01, 0.5), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("shape", [(24, 16), (16, 24), (16, 16)])
def test_preset_muon_with_its_polynomial_is_muon(shape):
    first, second, third = (weights(shape)[0] for _ in range(3))
    settings = {"lr": 0.05, "weight_decay": 0.4}
    theirs = torch.optim.Muon([second], momentum=0.95, **settings)
    ours = FrankWolfe([first], preset="muon", oracle="newton_schulz", **settings)
    exact = FrankWolfe([third], preset="muon", **settings)
    start = third.detach().clone()
    for step in range(10):
        for x in (first, second, third):
            feed([x], step)
        for optimizer in (theirs, ours, exact):
            optimizer.step()
    # bfloat16 has eight digits, and five steps multiply them.
    assert (first - second).norm() <= 0.03 * (second - start).norm()
    towards = nn.functional.cosine_similarity(
        (third - start).flatten(), (second - start).flatten(), dim=0
    )
    assert towards >= 0.98


def test_preset_scion_is_constrained_scion():
    [x] = weights((10, 14))
    wanted, m = x.detach().clone(), torch.zeros(10, 14)
    optimizer = FrankWolfe([x], region="spectral", radius=2.0, preset="scion", lr=0.1)
    for step in range(8):
        feed([x], step)
        m = 0.9 * m + 0.1 * x.grad
        left, _, right = torch.linalg.svd(m, full_matrices=False)
        wanted = (1 - 0.1) * wanted - 0.1 * 2.0 * left @ right
        optimizer.step()
    torch.testing.assert_close(x.detach(), wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["l1", "l2", "k_support", "nuclear"])
def test_convex_frank_wolfe_converges_at_its_rate_and_the_gap_bounds_the_error(name):
    """f(x) = |x - b|^2 / 2 with b outside: L = 1, and the minimum is at the projection."""
    b = torch.randn(6, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    x = nn.Parameter(torch.zeros(6, 8, dtype=torch.float64))
    optimizer = FrankWolfe(
        [x], preset="sfw", rescaling="none", radius=1.0, oracle="exact", **options(name)
    )
    region = next(iter(optimizer._constrained.values())).region
    layout = next(iter(optimizer._constrained.values())).layout
    best = layout.weight(region.project(layout.points(b)), b.shape)
    least = float((best - b).square().sum() / 2)
    diameter = region.diameter(layout.shape(b.shape))
    for t in range(200):
        optimizer.param_groups[0]["lr"] = 2 / (t + 2)
        gap = optimizer.gap(lambda batch: (x - batch).square().sum() / 2, [b]).total
        error = float((x - b).square().sum() / 2) - least
        assert gap >= error - 1e-9
        if t:
            assert error <= 2 * diameter**2 / (t + 2) + 1e-9
        optimizer.zero_grad()
        ((x - b).square().sum() / 2).backward()
        optimizer.step()
    assert gap < 0.2 * diameter**2


@pytest.mark.parametrize("name", [*VECTORS, *MATRICES])
@pytest.mark.parametrize("others", ["adamw", "sgd"])
def test_a_restored_state_goes_the_same_way_bit_for_bit(name, others, tmp_path):
    model = mlp()
    optimizer = FrankWolfe(model, others=others, oracle="auto", **options(name))
    train(model, optimizer, 5)
    torch.save([model.state_dict(), optimizer.state_dict()], tmp_path / "state.pt")
    weights_, state = torch.load(tmp_path / "state.pt")
    again = mlp()
    resumed = FrankWolfe(again, others=others, oracle="auto", **options(name))
    again.load_state_dict(weights_)
    resumed.load_state_dict(state)
    train(model, optimizer, 5, first=5)
    train(again, resumed, 5, first=5)
    for x, y in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(x, y)
    assert resumed.feasibility() == optimizer.feasibility()


@pytest.mark.parametrize("name", ["l2", "nuclear", "spectral"])
def test_half_precision_resumes_bit_for_bit_and_loses_no_small_step(name):
    settings = {"region": name, "radius": 1.0, "lr": 1e-4, "rescaling": "none"}
    [x] = weights((24, 32), dtype=torch.bfloat16)
    optimizer = FrankWolfe([x], **settings)
    start = x.detach().clone()
    for _ in range(20):
        feed([x], 0)
        optimizer.step()
    kept = copy.deepcopy([x.detach(), optimizer.state_dict()])
    again = nn.Parameter(kept[0].clone())
    resumed = FrankWolfe([again], **settings)
    resumed.load_state_dict(kept[1])
    for step in range(200):
        for parameter, one in ((x, optimizer), (again, resumed)):
            feed([parameter], step)
            one.step()
    assert torch.equal(x, again) and x.dtype == torch.bfloat16
    for key, value in optimizer.state[x].items():
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(resumed.state[again][key]))
    # Each step is far below the spacing of bfloat16.
    assert float((x.detach() - start).float().norm() / start.float().norm()) > 1e-3
    with torch.no_grad():
        x.fill_(0.01)  # by somebody else
    feed([x], 1)
    optimizer.step()
    assert float((x.detach().float() - 0.01).abs().max()) < 1e-3


@pytest.mark.parametrize("name", ["nuclear", "spectral_k_support", "spectral_k_sparse"])
@pytest.mark.parametrize("scale", [1e-39, 1e-44])
def test_momenta_that_decay_to_denormals_leave_weights_finite_and_feasible(name, scale):
    given = {"region": name} if name == "nuclear" else {"region": name, "k": 2}
    [x] = weights((16, 16))
    optimizer = FrankWolfe([x], radius=1.0, oracle="power", rescaling="none", **given)
    optimizer.enter()
    for step in range(30):
        feed([x], step, 1.0 if step < 3 else scale)
        if step == 3:
            optimizer.state[x]["momentum"].mul_(scale)
        optimizer.step()
    assert x.isfinite().all() and max(optimizer.feasibility().values()) <= 1 + 1e-4


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_ordinary_weights_that_are_views_move_alone_and_in_their_order(kind):
    base = torch.ones(4, 6)
    view, turned = nn.Parameter(base[:, :3]), nn.Parameter(torch.ones(3, 4).T)
    view.grad = torch.arange(12.0).reshape(4, 3) + 1
    turned.grad = view.grad.clone()
    plain = nn.Parameter(torch.ones(4, 3))
    plain.grad = view.grad.clone()
    FrankWolfe([view, turned], region=None, others=kind, others_lr=0.1).step()
    FrankWolfe([plain], region=None, others=kind, others_lr=0.1).step()
    assert torch.equal(base[:, 3:], torch.ones(4, 3))
    torch.testing.assert_close(view, plain)
    torch.testing.assert_close(turned, plain)


@pytest.mark.parametrize("name", ["l2", "linf", "k_sparse", "nuclear"])
def test_steps_near_the_vertex_have_the_length_of_the_formula(name):
    [g] = weights((24, 30))
    region = region_by_name(name, k=5) if name == "k_sparse" else region_by_name(name)
    shape = (24, 30) if name == "nuclear" else (720,)
    vertex = region.extreme_point(g.detach().reshape(shape)).reshape(24, 30)
    x = nn.Parameter(vertex * (1 - 1e-4))
    optimizer = FrankWolfe([x], region=region, preset="momentum_sfw", lr=1.0, oracle="auto")
    x.grad = 10 * (2e-5 * g.detach() / g.detach().norm())
    before = x.detach().double().clone()
    distance = float((vertex.double() - before).norm())
    optimizer.step()
    moved = float((x.detach().double() - before).norm())
    assert moved == pytest.approx(min(2e-5, distance), rel=0.1)


def test_a_model_without_a_region_has_the_rate_of_the_others():
    optimizer = FrankWolfe(mlp(), region=None, others_lr=1e-3)
    assert [group["lr"] for group in optimizer.param_groups] == [1e-3]


def test_copies_keep_their_constraints():
    model = mlp()
    optimizer = FrankWolfe(model, region="spectral_k_support", k=0.25)
    train(model, optimizer, 2)
    for again in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert again.feasibility() == optimizer.feasibility()
        for group in again.param_groups:
            for weight in group["params"]:
                weight.grad = torch.ones_like(weight)
        again.step()
        assert again.feasibility() != optimizer.feasibility()


def test_a_weight_that_is_unfrozen_later_is_trained():
    model = mlp()
    model[2].requires_grad_(False)
    optimizer = FrankWolfe(model, region="l2")
    assert list(optimizer.feasibility()) == ["0.weight"]
    train(model, optimizer, 1)
    model[2].requires_grad_(True)
    before = model[2].weight.detach().clone()
    train(model, optimizer, 1)
    assert not torch.equal(model[2].weight, before)
    assert list(optimizer.feasibility()) == ["0.weight", "2.weight"]


def test_masks_that_are_held_again_outlive_the_release_of_the_first():
    model = mlp()
    masks = {"0.weight": torch.rand(16, 12, generator=torch.Generator().manual_seed(0)) < 0.3}
    optimizer = FrankWolfe(model, region="linf", rescaling="none", lr=0.01)
    first = hold_masks(model, masks, optimizer)
    hold_masks(model, {"0.weight": masks["0.weight"].clone()}, optimizer)
    first.release()
    train(model, optimizer, 3)
    assert not model[0].weight[~masks["0.weight"]].any()


def test_the_gap_of_a_maximum_is_zero_and_sees_masks():
    c = torch.tensor([1.0, 2.0, 2.0])
    x = nn.Parameter(c / 3)
    optimizer = FrankWolfe([x], region="l2", radius=1.0, maximize=True)
    assert optimizer.gap(lambda batch: (x * batch).sum(), [c]).total == pytest.approx(0, abs=1e-6)
    model = nn.Sequential(nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[-1.0, 0.0]]))
    optimizer = FrankWolfe(model, region="l2", radius=1.0)
    hold_masks(model, {"0.weight": torch.tensor([[True, False]])}, optimizer)
    found = optimizer.gap(lambda network, batch: network(batch).sum(), [torch.ones(1, 2)])
    assert found.total == pytest.approx(0, abs=1e-6)


def test_the_defaults_train_a_perceptron():
    digits = load_dataset("digits")
    model = build_model("mlp", digits.shape, digits.num_classes, seed=1)
    optimizer = FrankWolfe(model)
    state = TrainingState(model, optimizer, Linear(0.1, 0.0, 300))
    fit(state, ImageBatches(digits, 64, seed=1), classification_loss, FitPlan(num_steps=300))
    # SGD at its usual rate of 0.1 finds 96.9 percent.
    assert evaluate(model, digits, digits.test).accuracy > 0.94
    assert max(optimizer.feasibility().values()) <= 1


def test_retraction_shrinks_rates_when_losses_rise_and_keeps_them_in_bounds():
    optimizer = FrankWolfe(mlp(), region="l2", lr=0.5)
    retraction = Retraction(optimizer, 0.5)
    assert [retraction.update(1.0) for _ in range(10)] == [1.0] * 10
    assert retraction.update(2.0) == pytest.approx(0.7)
    assert retraction.update(0.0) == pytest.approx(0.7)  # both means are 1
    assert retraction.update(0.0) == pytest.approx(0.7 * 1.0638)
    for _ in range(9):
        retraction.update(0.0)
    scale = retraction.update(0.0)
    assert scale <= 2.0 and retraction.update(0.0) == scale  # all equal: nothing changes
    for loss in range(400):
        scale = retraction.update(float(loss))
    assert scale == pytest.approx(1e-5 / 0.5)
    for loss in range(400, 0, -1):
        scale = retraction.update(float(loss))
    assert scale == 2.0
    assert [group.get("lr_scale") for group in optimizer.param_groups] == [
        2.0,
        pytest.approx(0.002),
    ]
    again = Retraction(optimizer, 0.5)
    again.load_state_dict(retraction.state_dict())
    assert again.losses == retraction.losses
    for rate, words in ((0.0, "lies in"), (2.0, "lies in")):
        with pytest.raises(InputError, match=words):
            Retraction(optimizer, rate)
    with pytest.raises(InputError, match="finite"):
        retraction.update(float("nan"))
    with pytest.raises(InputError, match="no group"):
        Retraction(torch.optim.SGD(mlp().parameters(), lr=0.1), 0.1)


def test_a_schedule_and_a_retraction_work_together():
    model = mlp()
    optimizer = FrankWolfe(model, region="l2", lr=0.4)
    retraction = Retraction(optimizer, 0.4)
    for loss in range(10):
        retraction.update(float(loss))
    state = TrainingState(model, optimizer, Constant(0.4))
    train(model, optimizer, 1)
    state.step_optimizer(0.4)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.4 * 0.7)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 8)
        self.inner = nn.Sequential(nn.Conv1d(8, 8, 3, groups=8, padding=1), nn.Conv1d(8, 12, 1))
        self.norm = nn.LayerNorm(12)
        self.hidden = nn.Linear(12, 8)
        self.tied = nn.Linear(8, 20, bias=False)
        self.tied.weight = self.embedding.weight
        self.scale = nn.Parameter(torch.ones(3))
        self.frozen = nn.Linear(5, 5)
        self.frozen.requires_grad_(False)
        self.head = nn.Linear(20, 3)

    def forward(self, tokens):
        x = self.inner(self.embedding(tokens).mT).mT.mean(1)
        return self.head(self.tied(self.hidden(self.norm(x)))) * self.scale


def test_weights_are_routed_by_what_they_are():
    model = Network()
    before = copy.deepcopy(model.state_dict())
    optimizer = FrankWolfe(model, region="spectral")
    assert set(optimizer.feasibility()) == {"inner.1.weight", "hidden.weight"}
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    moved = {name: value.clone() for name, value in model.named_parameters()}
    model(torch.randint(0, 20, (6, 5))).square().sum().backward()
    optimizer.step()
    same = {n for n, value in model.named_parameters() if torch.equal(value, moved[n])}
    assert same == {"frozen.weight", "frozen.bias"}  # whatever a parameter is called


def test_constrained_and_ordinary_weights_share_one_scheduler():
    model = mlp()
    optimizer = FrankWolfe(model, lr=0.2, others_lr=0.02)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    train(model, optimizer, 1)
    scheduler.step()
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.01]
    assert optimizer.param_groups[1]["lr_scale"] == pytest.approx(0.1)


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_ordinary_weights_move_as_with_pytorch(kind):
    first, second = weights((4, 5), (6,)), weights((4, 5), (6,))
    ours = FrankWolfe(first, region=None, others=kind, others_lr=0.01, others_weight_decay=0.1)
    theirs = (
        torch.optim.AdamW(second, lr=0.01, weight_decay=0.1, fused=True)
        if kind == "adamw"
        else torch.optim.SGD(second, lr=0.01, momentum=0.9, weight_decay=0.1, fused=True)
    )
    for step in range(5):
        feed(first, step)
        feed(second, step)
        ours.step()
        theirs.step()
    for x, y in zip(first, second, strict=True):
        assert torch.equal(x, y)


def test_groups_without_a_region_may_use_the_names_of_pytorch():
    x, y = weights((4, 5), (6,))
    ordinary = {"params": [y], "region": None, "weight_decay": 0.2, "betas": (0.8, 0.9)}
    optimizer = FrankWolfe([{"params": [x]}, ordinary])
    assert optimizer.param_groups[1]["weight_decay"] == 0.2
    assert optimizer.param_groups[1]["betas"] == (0.8, 0.9)


@pytest.mark.parametrize("name", ["l1", "l2", "linf", "k_sparse", "k_support", "group_k_support"])
def test_pruned_weights_stay_zero(name):
    model = mlp()
    masks = {"0.weight": torch.rand(16, 12, generator=torch.Generator().manual_seed(0)) < 0.3}
    optimizer = FrankWolfe(model, rescaling="none", lr=0.01, **options(name))
    train(model, optimizer, 2)
    held = hold_masks(model, masks, optimizer)
    train(model, optimizer, 4)
    assert not model[0].weight[~masks["0.weight"]].any()
    held.release()
    train(model, optimizer, 2)
    assert model[0].weight[~masks["0.weight"]].any() or name == "l1"


def test_a_gap_changes_nothing_and_falls_in_training():
    model = nn.Sequential(nn.Linear(12, 4))
    optimizer = FrankWolfe(model, region="l2", radius=2.0)
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randn(64, 12, generator=generator) for _ in range(3)]

    def loss(network, x):
        return nn.functional.cross_entropy(network(x), x[:, :4].argmax(1))

    train(model, optimizer, 1)
    grads = [p.grad.clone() for p in model.parameters()]
    before = copy.deepcopy(model.state_dict())
    first = optimizer.gap(loss, batches)
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), grads, strict=True))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert first.weights == {"0.weight": first.total} and first.total > 0
    train(model, optimizer, 300, first=1)
    assert optimizer.gap(loss, batches).total < first.total / 2
    with pytest.raises(InputError, match="at least one batch"):
        optimizer.gap(loss, [])


def test_blocks_of_a_fused_weight_are_regions_of_their_own():
    [x] = weights((12, 5))
    group = {
        "params": [("qkv", x)],
        "region": "spectral",
        "radius": 1.0,
        "layout": Layout("matrix", 3),
    }
    optimizer = FrankWolfe([group], preset="sfw", rescaling="none", lr=1.0)
    feed([x], 0)
    optimizer.step()
    for block in x.detach().split(4):
        torch.testing.assert_close(torch.linalg.svdvals(block), torch.ones(4), atol=1e-3, rtol=0)


def test_weights_outside_are_named_and_brought_inside():
    model = mlp()
    optimizer = FrankWolfe(model, region="spectral", radius=0.1)
    sizes = optimizer.enter()
    assert sizes and min(sizes.values()) > 1
    assert max(optimizer.feasibility().values()) <= 1 + 1e-6


def test_maximize_closure_and_gradient_scaler():
    first, second = weights((4, 5)), weights((4, 5))
    up = FrankWolfe(first, region="l2", radius=1.0, maximize=True)
    down = FrankWolfe(second, region="l2", radius=1.0)

    def closure():
        down.zero_grad()
        value = second[0].square().sum()
        value.backward()
        return value

    assert float(down.step(closure)) > 0
    first[0].grad = -second[0].grad.clone()
    up.step()
    torch.testing.assert_close(first[0], second[0])
    model = mlp()
    optimizer = FrankWolfe(model)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    scaler.scale(model(torch.ones(2, 12)).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert all(state["step"] == 1 for state in optimizer.state.values())


@pytest.mark.parametrize("name", ["l2", "spectral", "spectral_k_support"])
def test_schedule_free_iterates_and_means_stay_feasible_and_resume(name):
    model = mlp()
    optimizer = FrankWolfe(
        model, rescaling="none", lr=0.2, width=3.0, oracle="auto", **options(name)
    )
    optimizer.enter()
    free = ScheduleFree(optimizer)
    assert free.param_groups is optimizer.param_groups
    for step in range(40):
        train(model, free, 1, first=step)
        assert max(optimizer.feasibility().values()) <= 1 + 1e-5
        if step == 20:
            kept = copy.deepcopy([model.state_dict(), free.state_dict()])
    free.eval()
    assert max(optimizer.feasibility().values()) <= 1 + 1e-5
    averaged = [p for group in free.param_groups for p in group["params"]]
    means = free.state_dict()["means"]
    assert all(torch.equal(p, mean) for p, mean in zip(averaged, means, strict=True))
    with pytest.raises(InputError, match="call train"):
        free.step()
    again = mlp()
    resumed = ScheduleFree(
        FrankWolfe(again, rescaling="none", lr=0.2, width=3.0, oracle="auto", **options(name))
    )
    again.load_state_dict(kept[0])
    resumed.load_state_dict(kept[1])
    for step in range(21, 40):
        train(again, resumed, 1, first=step)
    resumed.eval()
    assert all(
        torch.equal(p, q) for p, q in zip(model.parameters(), again.parameters(), strict=True)
    )


SHARED = ({"region": "spectral", "lr": 0.3}, {"region": "nuclear", "preset": "adamsfw", "lr": 0.05})


def shared_training(folder, device, rank):
    """Of one process: its half of every batch, gradients averaged."""
    del device
    for number, settings in enumerate(SHARED):
        model = mlp()
        optimizer = FrankWolfe(model, **settings)
        parallel = nn.parallel.DistributedDataParallel(model)
        for step in range(6):
            generator = torch.Generator().manual_seed(step)
            x = torch.randn(32, 12, generator=generator)
            x = x[rank::2]
            optimizer.zero_grad()
            nn.functional.cross_entropy(parallel(x), x[:, :4].argmax(1)).backward()
            optimizer.step()
        squares = [each["largest"] for each in optimizer.state.values() if "largest" in each]
        torch.save([model.state_dict(), squares], f"{folder}/{number}-{rank}.pt")


def test_two_processes_share_the_vertices_and_end_where_one_does(tmp_path):
    run_processes(shared_training, 2, torch.device("cpu"), str(tmp_path))
    for number, settings in enumerate(SHARED):
        first, second = (torch.load(tmp_path / f"{number}-{rank}.pt") for rank in (0, 1))
        assert all(map(torch.equal, first[1], second[1])) and len(first[1]) == 2 * number
        model = mlp()
        train(model, FrankWolfe(model, **settings), 6)
        for name, value in model.state_dict().items():
            assert torch.equal(first[0][name], second[0][name])
            torch.testing.assert_close(first[0][name], value, atol=1e-4, rtol=1e-3)


def test_a_radius_from_initialization_has_the_width_that_is_asked_for():
    layer = nn.Linear(300, 200)
    optimizer = FrankWolfe(layer, region="l2", width=10.0)
    assert optimizer.feasibility()["weight"] == pytest.approx(0.1, rel=0.02)
