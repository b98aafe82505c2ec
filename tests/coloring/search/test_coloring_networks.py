"""Networks and the sampled loss, as published."""

import math

import numpy as np
import pytest
import torch

from tasks.coloring import parse_distances
from tasks.coloring.certificates.norms import Euclidean, PNorm, PolygonalNorm
from tasks.coloring.search.measures import lengths
from tasks.coloring.search.networks import (
    ColoringNetwork,
    NetworkSettings,
    conflict_rates,
    grid_logits,
    train_networks,
)
from tasks.coloring.search.sampled import SampledLoss, Samples, Triangle
from tasks.coloring.search.spectral import spectral_loss
from tasks.nn import FitStatus
from tasks.records import InputError

LATTICE = np.array([[1.7, 0.2], [-0.6, 1.9]])
VANILLA = parse_distances(None, 3)


def network(seed=0, channels=3, **settings):
    torch.manual_seed(seed)
    return ColoringNetwork(2, channels, **settings)


def samples(seed=0, forbidden=VANILLA, **settings):
    return Samples(seed, forbidden, **{"anchors": 64, "directions": 4, **settings})


def by_hand(model, batch, k, weight):
    """Aggregates of every anchor, one direction after the other."""
    x, u, r, _ = batch
    p = torch.softmax(model(x), -1)
    values = []
    for j in range(u.shape[1]):
        each = 0.0
        for color in range(k):
            y = x + r[:, min(j, r.shape[1] - 1), color, None] * u[:, j]
            each = each + p[:, color] * torch.softmax(model(y), -1)[:, color]
        values.append(each)
    return weight(torch.stack(values, -1))


@pytest.mark.parametrize("is_log", [False, True])
@pytest.mark.parametrize(
    ("aggregation", "weight"),
    [
        ("mean", lambda q: q.mean(-1)),
        ("max", lambda q: q.max(-1).values),
        ("softmax", lambda q: (q * (q * 5).exp()).sum(-1) / (q * 5).exp().sum(-1)),
    ],
)
def test_the_sampled_loss_is_its_definition(aggregation, weight, is_log):
    forbidden = parse_distances(["1", "0.4-0.6", "1"], 3)
    model, batch = network(channels=4), next(samples(forbidden=forbidden).at(3))
    loss = SampledLoss(forbidden, 0.1, aggregation=aggregation, is_log=is_log)
    assert loss.groups() == [[0, 2], [1]]
    value, terms = loss(model, batch)
    aggregate = by_hand(model, batch, 3, weight)
    each = -torch.log(1 - aggregate) if is_log else aggregate
    removed = torch.softmax(model(batch[0]), -1)[:, 3].mean()
    torch.testing.assert_close(value, each.mean() + 0.1 * removed)
    torch.testing.assert_close(terms["removed"], removed)


def test_samples_and_spectral_loss_agree_within_four_standard_errors():
    model = network(channels=4, lattice=LATTICE, degree=2).double()
    drawn = samples(anchors=60_000, directions=1, side=40.0)
    x, u, r, side = (each.double() for each in next(drawn.at(0)))
    # Uniform on the torus: the box is much larger, but not a multiple of it.
    x = torch.from_numpy(np.random.default_rng(0).random(x.shape) @ LATTICE)
    loss = SampledLoss(VANILLA, aggregation="mean")
    with torch.no_grad():
        q = loss._conflicts(model, torch.softmax(model(x), -1)[:, None, :3], (x, u, r, side))
    logits = grid_logits(model.float(), LATTICE, (48, 48))
    exact = spectral_loss(
        torch.softmax(torch.from_numpy(logits).double(), 0), torch.from_numpy(LATTICE), VANILLA
    )
    error = float(q.std()) / math.sqrt(len(x))
    assert abs(float(q.mean()) - exact.item()) < 4 * error
    assert 4 * error < 0.02 * exact.item()


def test_the_network_of_a_torus_is_periodic():
    model = network(lattice=LATTICE).double()
    x = torch.randn(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    shift = torch.from_numpy(3 * LATTICE[0] - 2 * LATTICE[1])
    torch.testing.assert_close(model(x + shift), model(x), atol=1e-4, rtol=0)
    assert model.features.count == 48


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (0.5, 0.9), (1.3, 0.6)])
def test_triangles_have_their_sides(a, b):
    u = torch.tensor([[0.6, 0.8], [1.0, 0.0]], dtype=torch.float64)
    for side in (1.0, -1.0):
        third = Triangle(a, b).third(u, torch.full((2,), side))
        np.testing.assert_allclose(third.norm(dim=-1), b, atol=1e-12)
        np.testing.assert_allclose((third - u).norm(dim=-1), a, atol=1e-12)


def test_the_loss_of_triangles_is_the_product_over_the_vertices():
    model, batch = network(channels=2), next(samples(forbidden=parse_distances(None, 2)).at(0))
    triangle = Triangle(0.8, 0.7)
    loss = SampledLoss(parse_distances(None, 2), aggregation="mean", triangle=triangle)
    x, u, _, side = batch
    corners = x[:, None].expand_as(u), x[:, None] + u, x[:, None] + triangle.third(u, side)
    p = [torch.softmax(model(corner), -1) for corner in corners]
    expected = (p[0] * p[1] * p[2]).sum(-1).mean()
    torch.testing.assert_close(loss(model, batch)[0], expected)


@pytest.mark.parametrize(
    "norm", [Euclidean(), PNorm.of("3"), PolygonalNorm.maximum(), PolygonalNorm.diamond()]
)
def test_directions_are_on_the_unit_sphere_of_the_norm(norm):
    _, u, r, side = next(samples(norm=norm).at(0))
    found = [norm.length(v) for v in u.reshape(-1, 2).double().tolist()]
    np.testing.assert_allclose(found, 1.0, atol=1e-6)
    np.testing.assert_allclose(lengths(norm, u.double()), 1.0, atol=1e-6)
    assert r.min() == r.max() == 1.0
    assert set(side.unique().tolist()) == {-1.0, 1.0}


def test_samples_depend_on_seed_and_step_only_and_keep_their_bounds():
    forbidden = parse_distances(["1", "0.4-0.6"], 2)
    first, again = samples(5, forbidden), samples(5, forbidden).at(2)
    stream = first.at(0)
    batches = [next(stream) for _ in range(4)]
    assert all(torch.equal(a, b) for a, b in zip(batches[2], next(again), strict=True))
    assert not torch.equal(batches[0][0], batches[1][0])
    x, _, r, _ = batches[0]
    assert x.abs().max() <= 3.0
    assert r[..., 1].min() >= 0.4
    assert r[..., 1].max() <= 0.6
    space = next(samples(0, VANILLA, dimension=5).at(0))
    assert space[0].shape == (64, 5)


def test_a_family_is_told_the_distances_it_is_judged_by():
    forbidden = parse_distances(["1", "0.4-0.6"], 2)
    model = network(channels=2, num_distances=2)
    batch = next(samples(0, forbidden, is_family=True).at(0))
    x, u, r, _ = batch
    assert r.shape == (64, 1, 2)
    loss = SampledLoss(forbidden, aggregation="mean", is_family=True)
    p, expected = torch.softmax(model(x, r[:, 0]), -1), 0.0
    for color in range(2):
        y, told = x[:, None] + r[..., color, None] * u, r.expand(64, 4, 2)
        expected = expected + p[:, None, color] * torch.softmax(model(y, told), -1)[..., color]
    torch.testing.assert_close(loss(model, batch)[0], expected.mean())
    assert grid_logits(model, LATTICE, (4, 5), [1.0, 0.5]).shape == (2, 4, 5)
    assert len(conflict_rates(model, samples(0, forbidden, is_family=True), 2)) == 2


def test_networks_trained_together_do_what_each_does_alone_and_learn(tmp_path):
    settings = NetworkSettings(num_steps=60, rate=3e-3, curve_steps=20, checkpoint_steps=25)
    loss, drawn = SampledLoss(VANILLA, 0.05), [samples(seed) for seed in range(3)]
    together = [network(seed, 4) for seed in range(3)]
    fits = train_networks(together, drawn, loss, settings, checkpoint=tmp_path / "networks")
    alone = network(1, 4)
    (own,) = train_networks([alone], drawn[1:2], loss, settings)
    for name, value in alone.state_dict().items():
        torch.testing.assert_close(together[1].state_dict()[name], value, atol=1e-4, rtol=0)
    assert [fit.status for fit in fits] == [FitStatus.FINISHED] * 3
    assert [point.step for point in own.curve] == [20, 40, 60]
    assert all(fit.curve[-1].loss < fit.curve[0].loss for fit in fits)
    again = [network(seed, 4) for seed in range(3)]
    assert train_networks(again, drawn, loss, settings, checkpoint=tmp_path / "networks") == fits
    assert torch.equal(again[2].head.weight, together[2].head.weight)


class Stripes(torch.nn.Module):
    """Two colors in turn, in stripes of width 1."""

    def forward(self, x):
        color = (x[..., :1] // 1.0) % 2
        return torch.cat([1 - color, color], dim=-1)


def test_rates_of_conflicts_are_those_of_the_likeliest_colors():
    drawn = samples(anchors=4000, directions=8, forbidden=parse_distances(None, 2))
    points, pairs = conflict_rates(Stripes(), drawn, 2)
    # A conflict iff |x + cos a| stays in [0, 1); its chance is 1 - 2/pi.
    assert pairs == pytest.approx(1 - 2 / math.pi, abs=0.02)
    assert points > pairs
    # Triangles of width at most 1 in all directions: 1 - their mean width, which is perimeter / pi.
    points, triangles = conflict_rates(Stripes(), drawn, 2, triangle=Triangle(0.8, 0.7))
    assert triangles == pytest.approx(1 - 2.5 / math.pi, abs=0.02)
    assert points > triangles


def test_points_without_a_color_are_in_no_conflict():
    one = samples(anchors=4000, directions=8, forbidden=parse_distances(None, 1))
    _, pairs = conflict_rates(Stripes(), one, 1)
    assert pairs == pytest.approx((1 - 2 / math.pi) / 2, abs=0.02)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Triangle(0.3, 0.5), "does not exist"),
        (lambda: samples(forbidden=parse_distances("0.5,1", 2)), "one interval"),
        (lambda: samples(norm=PolygonalNorm.maximum(), dimension=3), "for the plane"),
        (lambda: train_networks([], [], SampledLoss(VANILLA), NetworkSettings()), "0 networks"),
    ],
)
def test_wrong_use_of_samples_is_named(make, match):
    with pytest.raises(InputError, match=match):
        make()
