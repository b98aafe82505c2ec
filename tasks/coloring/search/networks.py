"""Networks that color points, as published: sine layers on a box, Fourier features on a torus.

A layer is y -> sin(omega (W y + b)).  The first one has omega = 6, weights uniform in +-1/n and
so a bandwidth of some oscillations per unit; the others omega = 1 and weights uniform in
+-sqrt(6 / width).  On a torus the inputs are cos and sin of 2 pi f.(x V^-1), for integer f up to
their sign, so the coloring is periodic and smooth across the seam.  A network of a family is told
the forbidden distances of all colors, too.

References
----------
Sitzmann, Martel, Bergman, Lindell, Wetzstein, Implicit neural representations with periodic
activation functions, arXiv:2006.09661: the initialization.  arXiv:2501.18527: 4 layers of 32.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gpu.backend import one_thread
from tasks.coloring.search.sampled import SampledLoss, Samples, Triangle
from tasks.nn import (
    Fit,
    FitPlan,
    Linear,
    Stack,
    StackedAdamW,
    StackedBatches,
    StackedState,
    fit,
    tensors_digest,
    warmed_up,
)
from tasks.records import InputError, fingerprint


class ColoringNetwork(nn.Module):
    """Logits of points of R^n.

    Parameters
    ----------
    dimension : int
    num_channels : int
        Colors, and one more if points may be removed.
    num_distances : int
        Distances that it is told; 0 unless it is for a family.
    lattice : array float64 (n, n), optional
        Rows are the periods of a torus; None for a box.
    degree : int
        Of the Fourier features: largest entry of f.
    width, depth : int
        Of the hidden layers.
    frequency : float
        omega of the first layer; on a torus 1, as the features oscillate by themselves.
    """

    def __init__(
        self,
        dimension: int,
        num_channels: int,
        *,
        num_distances: int = 0,
        lattice: NDArray[np.float64] | None = None,
        degree: int = 3,
        width: int = 32,
        depth: int = 4,
        frequency: float = 6.0,
    ) -> None:
        super().__init__()
        periodic = None if lattice is None else TorusFeatures(lattice, degree)
        self.features = nn.Identity() if periodic is None else periodic
        count = dimension if periodic is None else periodic.count
        self.frequency = frequency if lattice is None else 1.0
        sizes = [count + num_distances, *[width] * depth]
        hidden = [nn.Linear(*pair) for pair in pairwise(sizes)]
        self.layers, self.head = nn.ModuleList(hidden), nn.Linear(width, num_channels)
        for number, layer in enumerate([*hidden, self.head]):
            bound = math.sqrt(6 / layer.in_features) if number else 1 / dimension
            nn.init.uniform_(layer.weight, -bound, bound)

    def forward(self, x: Tensor, distances: Tensor | None = None) -> Tensor:
        """Logits (..., C) of points (..., n), with distances (..., k) for a family."""
        y = self.features(x)
        if distances is not None:
            y = torch.cat([y, distances], dim=-1)
        for number, layer in enumerate(self.layers):
            y = torch.sin(layer(y) if number else self.frequency * layer(y))
        return self.head(y)


class TorusFeatures(nn.Module):
    """cos and sin of 2 pi f.(x V^-1), for all f != 0 with entries up to a degree, up to sign."""

    def __init__(self, lattice: NDArray[np.float64], degree: int) -> None:
        super().__init__()
        n = len(lattice)
        axes = [torch.arange(-degree, degree + 1)] * n
        f = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, n)
        # One of f and -f: they are listed symmetrically around 0.
        waves = torch.linalg.inv(torch.as_tensor(lattice)) @ f[len(f) // 2 + 1 :].T.double()
        self.register_buffer("waves", (2 * torch.pi * waves).float())
        self.count = 2 * self.waves.shape[1]

    def forward(self, x: Tensor) -> Tensor:
        """Features (..., 2 q)."""
        phases = x @ self.waves.to(x)
        return torch.cat([phases.cos(), phases.sin()], dim=-1)


@dataclass(frozen=True)
class NetworkSettings:
    """How networks are trained: AdamW with a warm-up and a linear decay.

    Attributes
    ----------
    num_steps : int
    rate : float
    warm_up : float
        Share of the steps.
    weight_decay : float
    clip : float or None
    curve_steps, checkpoint_steps : int
    """

    num_steps: int = 10_000
    rate: float = 1e-3
    warm_up: float = 0.05
    weight_decay: float = 0.01
    clip: float | None = 1.0
    curve_steps: int = 500
    checkpoint_steps: int = 2000


def train_networks(
    networks: Sequence[ColoringNetwork],
    samples: Sequence[Samples],
    loss: SampledLoss,
    settings: NetworkSettings,
    *,
    checkpoint: str | Path | None = None,
    device: str | torch.device = "cpu",
) -> list[Fit]:
    """Train networks of one architecture together, in place.

    Parameters
    ----------
    networks : sequence of ColoringNetwork
    samples : sequence of Samples
        Of each network, with batches of one shape.
    loss : SampledLoss
    settings : NetworkSettings
    checkpoint : path or URI, optional
        A training that was killed continues from it.
    device : str or torch.device

    Returns
    -------
    list of Fit
        With the curve and the status of each.
    """
    if not networks or len(networks) != len(samples):
        raise InputError(
            f"{len(networks)} networks and {len(samples)} samples: give one sample for each network"
        )
    digests = [tensors_digest(network.state_dict()) for network in networks]
    stack = _stacked(networks).to(device)
    schedule = warmed_up(
        Linear(settings.rate, 0.0, settings.num_steps), settings.warm_up, settings.num_steps
    )
    state = StackedState(stack, StackedAdamW(stack, weight_decays=settings.weight_decay), schedule)
    plan = FitPlan(
        settings.num_steps,
        clip=settings.clip,
        checkpoint=checkpoint,
        origin=fingerprint([repr([loss, settings, *samples]), digests]),
        curve_steps=settings.curve_steps,
        checkpoint_steps=settings.checkpoint_steps,
    )
    with one_thread():
        whole = fit(state, _OnDevice(StackedBatches(tuple(samples)), str(device)), loss, plan)
    fits = []
    for number, network in enumerate(networks):
        network.load_state_dict(stack.member(number))
        found = state.outcome(number, whole)
        curve = tuple(replace(point, member=0) for point in found.curve)
        fits.append(replace(found, curve=curve))
    return fits


@torch.no_grad()
def grid_logits(
    network: ColoringNetwork,
    lattice: NDArray[np.float64],
    shape: tuple[int, ...],
    distances: Sequence[float] = (),
) -> NDArray[np.float32]:
    """Logits (C, s_1, ..., s_n) at the points sum_a (i_a / s_a) v_a; of a family at distances."""
    axes = [torch.arange(size) / size for size in shape]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).double()
    x = (points @ torch.from_numpy(lattice)).float()
    told = torch.tensor(distances).expand(*shape, len(distances)) if distances else None
    return network(x, told).movedim(-1, 0).contiguous().numpy()


@torch.no_grad()
def conflict_rates(
    network: ColoringNetwork,
    samples: Samples,
    num_colors: int,
    *,
    step: int = 0,
    triangle: Triangle | None = None,
) -> tuple[float, float]:
    """Of the likeliest colors: the share of points in a conflict, and that of pairs.

    A point is in a conflict if one of its partners in the sampled directions is; points without a
    color are in none.  With a triangle, a conflict is one whose vertices have one color, and the
    second share is that of triangles.
    """
    x, u, r, side = next(samples.at(step))
    told = (r[:, 0],) if samples.is_family else ()
    spread = tuple(each[:, None].expand(*u.shape[:2], -1) for each in told)
    colors = network(x, *told).argmax(dim=-1)
    if triangle is None:
        own = r.expand(*u.shape[:2], -1).gather(2, _known(colors, num_colors, u.shape[1]))
        ends = [own * u]
    else:
        ends = [u, triangle.third(u, side)]
    is_conflict = (colors < num_colors)[:, None].expand(u.shape[:2])
    for end in ends:
        partners = network(x[:, None] + end, *spread).argmax(dim=-1)
        is_conflict = is_conflict & (partners == colors[:, None])
    return float(is_conflict.any(dim=1).float().mean()), float(is_conflict.float().mean())


def _known(colors: Tensor, num_colors: int, directions: int) -> Tensor:
    return colors.clamp(max=num_colors - 1)[:, None, None].expand(-1, directions, 1)


@dataclass(frozen=True)
class _OnDevice:
    """Batches, moved to a device."""

    batches: StackedBatches
    device: str

    def at(self, step: int) -> Generator[Any]:
        for batch in self.batches.at(step):
            yield tuple(tensor.to(self.device) for tensor in batch)


@torch.no_grad()
def _stacked(networks: Sequence[ColoringNetwork]) -> Stack:
    """A stack that begins with these networks."""
    stack = Stack(networks[0], len(networks))
    for name, tensor in stack.members.state_dict().items():
        for number, network in enumerate(networks):
            tensor[number].copy_(network.state_dict()[name])
    return stack
