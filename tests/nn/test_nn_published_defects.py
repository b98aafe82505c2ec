"""What published code of Frank-Wolfe training gets wrong, defect by defect."""

import copy

import pytest
import torch
from torch import nn

from tasks.nn.models import build_model
from tasks.nn.optimizers import FrankWolfe
from tasks.nn.regions import REGIONS, region_by_name
from tasks.nn.sparsity.decomposition import decomposed
from tasks.records import InputError
from tests.nn.small_weights import RESCALINGS, feed, mlp, options, train, weights


def test_a_weight_without_a_gradient_shifts_no_constraint():
    first = weights((4, 6), (5, 7), (6, 8))
    optimizer = FrankWolfe(first, region="l2", radius=1.0)
    feed(first, 0)
    first[0].grad = None
    before = first[0].detach().clone()
    optimizer.step()
    assert torch.equal(first[0], before) and first[0] not in optimizer.state
    assert [tuple(optimizer.state[x]["momentum"].shape) for x in first[1:]] == [(5, 7), (6, 8)]


@pytest.mark.parametrize("name", sorted(REGIONS))
def test_building_regions_leaves_pretrained_weights_bit_for_bit(name):
    model = build_model("small-cnn", (1, 12, 12), 10, seed=3)
    square = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 2))
    model = square if name in ("birkhoff", "spectraplex") else model
    before, draws = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    p = {"region": region_by_name("lp", p=1.5)} if name == "lp" else {}
    FrankWolfe(model, **({**options(name), "k": 2} if "k_" in name else options(name)) | p)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), draws)


def test_the_k_support_norm_of_k_1_is_the_l1_norm_whatever_the_ties():
    ball = region_by_name("k_support", k=1)
    assert float(ball.gauge(torch.ones(5))) == 5
    assert float(ball.gauge(torch.tensor([1.0, 1.0, 0.0, -1.0, 1.0]))) == 4


def test_tied_groups_give_as_many_groups_as_allowed():
    v = region_by_name("group_k_support", k=2).extreme_point(torch.ones(6, 3))
    assert int((v != 0).any(-1).sum()) == 2


@pytest.mark.parametrize("p", [1.1, 1.5, 2.0, 3.0, 50.0])
def test_diameters_of_lp_balls_are_right_on_both_sides_of_2(p):
    ball = region_by_name("lp", p=p)
    ends = (torch.eye(9)[0], torch.ones(9)) if p != 2 else (torch.eye(9)[0],)
    longest = max(2 * float((end / ball.gauge(end)).norm()) for end in ends)
    assert ball.diameter((9,)) == pytest.approx(longest, rel=1e-6)


class OddNames(nn.Module):
    """Parameters that are called neither weight nor bias."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(12, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.temperature = nn.Parameter(torch.ones(()))
        self.query = nn.Parameter(torch.randn(1, 3, 8, generator=torch.manual_seed(0)))
        self.last = nn.Linear(8, 4)

    def forward(self, x):
        found, _ = self.attention(self.query.expand(len(x), -1, -1), *[self.layer(x)[:, None]] * 2)
        return self.last(found.mean(1) * self.temperature)


def test_parameters_of_any_name_are_trained():
    model = OddNames()
    before = copy.deepcopy(dict(model.named_parameters()))
    # One of them has no slope at first: softmax does not see what is added to all keys.
    train(model, FrankWolfe(model, region="l2"), 3)
    same = [name for name, p in model.named_parameters() if torch.equal(p, before[name])]
    assert not same


def test_constrained_and_ordinary_weights_are_trained_in_one_optimizer():
    model = mlp()
    before = copy.deepcopy(dict(model.named_parameters()))
    optimizer = FrankWolfe(model, region="linf")
    train(model, optimizer, 1)
    assert [group["kind"] for group in optimizer.param_groups] == ["frank_wolfe", "adamw"]
    assert not any(torch.equal(p, before[name]) for name, p in model.named_parameters())


def test_a_weight_that_is_its_vertex_stays_there():
    for rescaling in RESCALINGS:
        x = nn.Parameter(torch.tensor([-1.0, 0.0]))
        optimizer = FrankWolfe([x], region="l1", radius=1.0, preset="sfw", rescaling=rescaling)
        x.grad = torch.tensor([3.0, 0.0])
        optimizer.step()
        assert torch.equal(x, torch.tensor([-1.0, 0.0]))


def test_regions_are_part_of_the_state():
    model = mlp()
    optimizer = FrankWolfe(model, region="l2", radius=2.0)
    state = optimizer.state_dict()
    kept = [data["region"] for group in state["param_groups"] for data in group.get("regions", [])]
    assert [(each["name"], each["radius"]) for each in kept] == [("l2", 2.0)] * 2


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "settings",
    [{"dilation": 2, "padding": 2}, {"stride": 2}, {"padding": 1, "padding_mode": "circular"},
     {"stride": (1, 2), "padding": (0, 2), "dilation": (2, 1)}],
)  # fmt: skip
def test_a_decomposed_convolution_keeps_stride_padding_dilation_and_groups(groups, bias, settings):
    torch.manual_seed(0)
    layer = nn.Conv2d(4, 6, 3, groups=groups, bias=bias, **settings)
    x = torch.randn(2, 4, 11, 12)
    full = 6 // groups
    whole, less = decomposed(layer, full), decomposed(layer, full - 1)
    torch.testing.assert_close(whole(x), layer(x), rtol=1e-5, atol=1e-5)
    assert less(x).shape == layer(x).shape
    # What is lost is the smallest singular value of every group.
    matrices = layer.weight.detach().reshape(groups, full, -1)
    lost = torch.linalg.svdvals(matrices)[:, -1].square().sum().sqrt()
    outer, inner = less[1].weight.detach(), less[0].weight.detach()
    product = outer.reshape(groups, full, -1) @ inner.reshape(groups, full - 1, -1)
    assert float((product - matrices).norm()) == pytest.approx(float(lost), rel=1e-4)
    for rank in (0, full + 1):
        with pytest.raises(InputError, match=f"full rank {full} is in 1"):
            decomposed(layer, rank)
