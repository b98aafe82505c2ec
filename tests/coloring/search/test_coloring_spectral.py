"""The spectral loss: equal to quadrature, to samples, and differentiable."""

import math

import numpy as np
import pytest
import torch
from scipy.special import j0, j1

from tasks.coloring import parse_distances
from tasks.coloring.certificates.norms import Euclidean, PNorm, PolygonalNorm
from tasks.coloring.search.measures import Ring, radial_table
from tasks.coloring.search.spectral import Conflict, spectral_loss
from tasks.coloring.search.waves import Waves
from tasks.records import InputError

OBLIQUE = ((1.7, 0.2), (-0.6, 1.9))
SPACE = ((1.5, 0.1, 0.0), (-0.3, 1.4, 0.2), (0.1, -0.2, 1.8))


class Polynomial:
    """A real trigonometric polynomial of low degree on a torus, for every channel."""

    def __init__(self, lattice, channels, degree, seed=0):
        self.lattice, n = np.array(lattice), len(lattice)
        rng = np.random.default_rng(seed)
        axes = [np.arange(-degree, degree + 1)] * n
        self.f = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, n)
        self.c = rng.normal(size=(2, channels, len(self.f))) / len(self.f)

    def at(self, x):
        """(channels, ...) at points (..., n)."""
        phase = 2 * np.pi * x @ np.linalg.inv(self.lattice) @ self.f.T
        return np.moveaxis(np.cos(phase) @ self.c[0].T + np.sin(phase) @ self.c[1].T, -1, 0)

    def grid(self, shape):
        t = np.stack(np.meshgrid(*[np.arange(s) / s for s in shape], indexing="ij"), -1)
        return t @ self.lattice

    def tensor(self, shape):
        return torch.tensor(self.at(self.grid(shape)))


def radii(low, high, margin, count=12):
    if low == high and not margin:
        return [low], [1.0]
    nodes, weights = np.polynomial.legendre.leggauss(count)
    low, high = low * (1 - margin), high * (1 + margin)
    return (low + high) / 2 + (high - low) / 2 * nodes, weights / 2


def circle(count=256):
    angles = 2 * np.pi * (np.arange(count) + 0.5) / count
    return np.stack([np.cos(angles), np.sin(angles)], -1), np.full(count, 1 / count)


def sphere(count=24):
    nodes, weights = np.polynomial.legendre.leggauss(count)
    angles = 2 * np.pi * np.arange(2 * count) / (2 * count)
    z, a = np.meshgrid(nodes, angles, indexing="ij")
    flat = np.sqrt(1 - z**2)
    points = np.stack([flat * np.cos(a), flat * np.sin(a), z], -1).reshape(-1, 3)
    return points, np.repeat(weights / (4 * count), 2 * count)


def by_quadrature(function, shape, intervals, margin, directions):
    """Mean over a grid that integrates products exactly, over radii and directions."""
    x, (u, shares) = function.grid(shape), directions
    p, total = function.at(x), 0.0
    for color, (low, high) in enumerate(intervals):
        for radius, weight in zip(*radii(low, high, margin), strict=True):
            for direction, share in zip(u, shares, strict=True):
                partner = function.at(x + radius * direction)[color]
                total += weight * share * (p[color] * partner).mean()
    return total


@pytest.mark.parametrize(
    ("distances", "margin"), [(None, 0.0), (["1", "0.354-0.553"], 0.0), (["0.7", "1"], 0.1)]
)
def test_the_loss_in_the_plane_is_what_quadrature_gives(distances, margin):
    function, forbidden = Polynomial(OBLIQUE, 3, 2), parse_distances(distances, 2)
    lattice = torch.tensor(OBLIQUE, dtype=torch.float64)
    intervals = [each[0].floats for each in forbidden.intervals]
    expected = by_quadrature(function, (5, 6), intervals, margin, circle(64))
    for shape in ((5, 6), (8, 7), (16, 12)):
        found = spectral_loss(function.tensor(shape), lattice, forbidden, margin=margin)
        assert found.item() == pytest.approx(expected, abs=1e-10)


def test_the_loss_in_space_is_what_quadrature_gives():
    function, forbidden = Polynomial(SPACE, 2, 1), parse_distances(["1", "0.6-0.8"], 2)
    lattice = torch.tensor(SPACE, dtype=torch.float64)
    expected = by_quadrature(function, (3, 3, 3), [(1, 1), (0.6, 0.8)], 0.05, sphere(12))
    found = spectral_loss(function.tensor((4, 6, 5)), lattice, forbidden, margin=0.05)
    assert found.item() == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(
    "norm", [PNorm.of("3"), PNorm.of("3/2"), PolygonalNorm.maximum(), PolygonalNorm.diamond()]
)
def test_the_loss_of_other_norms_is_what_quadrature_gives(norm):
    function, lattice = Polynomial(OBLIQUE, 1, 1), torch.tensor(OBLIQUE, dtype=torch.float64)
    # On arcs between the corners of spheres: a rule over the circle would converge slowly.
    nodes, weights = np.polynomial.legendre.leggauss(40)
    angles = np.concatenate([(2 * j + 1 + nodes) * math.pi / 8 for j in range(8)])
    u = np.stack([np.cos(angles), np.sin(angles)], -1)
    u = u / np.array([[norm.length(v)] for v in u])
    directions = u, np.tile(weights / 16, 8)
    expected = by_quadrature(function, (3, 3), [(0.8, 0.9)], 0.0, directions)
    found = spectral_loss(
        function.tensor((6, 4)), lattice, parse_distances("0.8-0.9", 1), norm=norm
    )
    assert found.item() == pytest.approx(expected, abs=1e-9)


def test_the_p_norm_of_two_is_the_euclidean_norm():
    function, lattice = Polynomial(OBLIQUE, 2, 3), torch.tensor(OBLIQUE, dtype=torch.float64)
    forbidden, p = parse_distances(["1", "0.5-0.6"], 2), function.tensor((12, 10))
    found, expected = (
        spectral_loss(p, lattice, forbidden, norm=norm, margin=0.02)
        for norm in (PNorm.of(2), Euclidean())
    )
    torch.testing.assert_close(found, expected, atol=1e-11, rtol=0)


def test_random_samples_agree_within_four_standard_errors():
    rng, k = np.random.default_rng(7), 3
    lattice = np.array(OBLIQUE)
    function = Polynomial(OBLIQUE, k + 1, 3, seed=1)

    def p(x):
        weights = np.exp(40 * function.at(x))
        return weights[:k] / weights.sum(0)

    count = 100_000
    x = rng.random((count, 2)) @ lattice
    angles, r = 2 * np.pi * rng.random(count), rng.uniform(0.95, 1.05, count)
    y = x + r[:, None] * np.stack([np.cos(angles), np.sin(angles)], -1)
    samples = (p(x) * p(y)).sum(0)
    fine = torch.tensor(p(function.grid((64, 64))))
    found = spectral_loss(fine, torch.tensor(lattice), parse_distances(None, k), margin=0.05).item()
    assert abs(samples.mean() - found) < 4 * samples.std() / math.sqrt(count)
    assert 4 * samples.std() / math.sqrt(count) < 0.03 * found


@pytest.mark.parametrize("norm", [Euclidean(), PolygonalNorm.maximum()])
@pytest.mark.parametrize("distances", [None, ["1", "0.4-0.6,1.2"]])
def test_gradients_in_probabilities_and_lattice_are_those_of_differences(norm, distances):
    forbidden = parse_distances(distances, 2)
    p = torch.rand(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    lattices = torch.tensor([OBLIQUE, ((1.1, 0.0), (0.4, 1.3))], dtype=torch.float64)

    def loss(p, lattices):
        return spectral_loss(p, lattices, forbidden, margin=0.1, norm=norm)

    inputs = p.requires_grad_(), lattices.requires_grad_()
    assert torch.autograd.gradcheck(loss, inputs, atol=1e-7, fast_mode=True)


def test_gradients_in_space_are_those_of_differences():
    p = torch.rand(2, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    lattice, forbidden = torch.tensor(SPACE, dtype=torch.float64), parse_distances("1", 2)
    inputs = p.requires_grad_(), lattice.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda p, v: spectral_loss(p, v, forbidden), inputs, atol=1e-7, fast_mode=True
    )


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 2, 5)])
def test_gradients_in_weights_are_those_of_differences(shape):
    generator = torch.Generator().manual_seed(0)
    half = math.prod(shape[:-1]) * (shape[-1] // 2 + 1)
    for columns in (1, 2):
        p = torch.rand(2, 3, *shape, dtype=torch.float64, generator=generator).requires_grad_()
        # Real and imaginary parts have one weight: the table of a real transform repeats itself.
        weights = torch.rand(2, columns, 2 * half, dtype=torch.float64, generator=generator)
        weights.requires_grad_()
        assert torch.autograd.gradcheck(
            lambda p, w: Conflict.apply(p, w, 2), (p, weights), fast_mode=True
        )


@pytest.mark.parametrize("width", [0.0, 0.05, 0.3])
def test_tables_are_means_of_bessel_functions_and_begin_as_longer_ones_do(width):
    device = torch.device("cpu")
    short, long = (radial_table(width, 2, last, device) for last in (2, 4))
    assert torch.equal(long.cubics[: len(short.cubics) - 1], short.cubics[:-1])
    t = torch.rand(500, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 16
    r, weights = radii(1 - width, 1 + width, 0.0, count=60)
    expected = sum(w * j0(2 * np.pi * x * t.numpy()) for x, w in zip(r, weights, strict=True))
    np.testing.assert_allclose(long.at(t)[0], expected, atol=1e-10)
    slopes = [
        w * -2 * np.pi * x * j1(2 * np.pi * x * t.numpy()) for x, w in zip(r, weights, strict=True)
    ]
    np.testing.assert_allclose(long.at(t)[1], sum(slopes), atol=1e-6)
    assert Ring.of(0.9, 1.1, 0.0) == Ring(1.0, 0.1)


def test_a_constant_coloring_conflicts_with_itself_everywhere():
    p = torch.full((2, 6, 6), 0.5, dtype=torch.float64)
    lattice = torch.eye(2, dtype=torch.float64)
    assert spectral_loss(p, lattice, parse_distances("1", 2)).item() == pytest.approx(0.5)
    several = spectral_loss(p, lattice, parse_distances("0.4,1,2-3", 2)).item()
    assert several == pytest.approx(1.5)


def test_margins_and_dimensions_out_of_range_are_refused():
    forbidden = parse_distances("1", 1)
    with pytest.raises(InputError, match=r"a number in \[0, 1\)"):
        Waves([forbidden], margin=1.0)
    with pytest.raises(InputError, match="for the plane"):
        spectral_loss(
            torch.ones(1, 4, 4, 4, dtype=torch.float64),
            torch.eye(3, dtype=torch.float64),
            forbidden,
            norm=PolygonalNorm.maximum(),
        )
