"""The sampled loss: conflicts of a network at random points and directions, as published.

For anchors x, directions u and distances r_c of the colors,

    q(x, u) = sum_c p_c(x) p_c(x + r_c u)                            pairs,
    q(x, u) = sum_c p_c(x) p_c(x + u) p_c(x + b T u)                 triangles with sides 1, a, b,

where T turns by the angle between the sides 1 and b, either way.  Over the directions of an anchor
q is aggregated: its mean, its maximum, or its mean with the weights softmax(q / temperature).  The
loss is the mean over anchors of the aggregate, or of -log(1 - aggregate), plus lambda times the
mean share removed.

References
----------
arXiv:2501.18527, section 3 and appendix: 2048 anchors, 8 directions, softmax weights.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from tasks.coloring.certificates.distances import Forbidden
from tasks.coloring.certificates.norms import Euclidean, Norm
from tasks.coloring.search.measures import lengths
from tasks.nn import seeded_generator
from tasks.records import InputError, derive_seed

Aggregation = Literal["mean", "max", "softmax"]
_CERTAIN = 1 - 1e-6


@dataclass(frozen=True)
class Triangle:
    """Triangles with sides 1, a and b, that no color may hold.

    Raises
    ------
    InputError
        If no such triangle exists.
    """

    a: float
    b: float

    def __post_init__(self) -> None:
        if not (abs(self.a - self.b) < 1 < self.a + self.b):
            raise InputError(
                f"a triangle with sides 1, {self.a:g} and {self.b:g} does not exist: "
                "each side must be shorter than the two others together"
            )

    def third(self, u: Tensor, side: Tensor) -> Tensor:
        """b T u of directions u (..., 2), turned to the side +1 or -1 (...)."""
        cosine = (1 + self.b**2 - self.a**2) / (2 * self.b)
        sine = math.sqrt(1 - cosine**2) * side
        x, y = u.unbind(-1)
        return self.b * torch.stack([cosine * x - sine * y, sine * x + cosine * y], dim=-1)


@dataclass(frozen=True)
class Samples:
    """Random batches of one member: a function of the seed and the number of the step.

    Attributes
    ----------
    seed : int
    forbidden : Forbidden
        Of each color one interval, in which distances are uniform.
    dimension : int
    anchors, directions : int
    side : float
        Of the box of anchors, around 0.
    is_family : bool
        One draw of distances for all directions of an anchor, which the network is told.
    norm : Norm
        Whose unit sphere the directions are on.

    Raises
    ------
    InputError
        If a color forbids several intervals.
    """

    seed: int
    forbidden: Forbidden
    dimension: int = 2
    anchors: int = 2048
    directions: int = 8
    side: float = 6.0
    is_family: bool = False
    norm: Norm = field(default_factory=Euclidean)

    def __post_init__(self) -> None:
        if any(len(intervals) != 1 for intervals in self.forbidden.intervals):
            raise InputError("the sampled loss takes one interval of distances for each color")
        if not isinstance(self.norm, Euclidean):
            self.norm.check_dimension(self.dimension)

    def at(self, step: int) -> Generator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Batches from a step on.

        Anchors (a, n), directions (a, d, n), distances (a, d or 1, k) and sides +-1 (a, d).
        """
        while True:
            yield self._batch(seeded_generator(derive_seed(self.seed, "samples", step)))
            step += 1

    def _batch(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        a, d = self.anchors, self.directions
        x = self.side * (torch.rand(a, self.dimension, generator=generator) - 0.5)
        u = torch.randn(a, d, self.dimension, generator=generator)
        u = u / torch.linalg.vector_norm(u, dim=-1, keepdim=True)
        u = u / lengths(self.norm, u)[..., None]
        bounds = torch.tensor([each[0].floats for each in self.forbidden.intervals])
        shares = torch.rand(a, 1 if self.is_family else d, len(bounds), generator=generator)
        if len(set(self.forbidden.intervals)) == 1 and not self.is_family:
            shares = shares[..., :1].expand_as(shares)
        r = bounds[:, 0] + (bounds[:, 1] - bounds[:, 0]) * shares
        return x, u, r, torch.randint(2, (a, d), generator=generator) * 2.0 - 1.0


@dataclass(frozen=True)
class SampledLoss:
    """The loss of one network on one batch; `tasks.nn.Stack` makes it that of many.

    Attributes
    ----------
    forbidden : Forbidden
    penalty : float
        lambda; the network has a channel more than colors if it is positive.
    aggregation : str
        "mean", "max" or "softmax".
    temperature : float
        Weights are softmax(temperature q).
    is_log : bool
        -log(1 - q) in place of q.
    is_family : bool
        The network is called with points and distances.
    triangle : Triangle or None
        Triangles in place of pairs.
    """

    forbidden: Forbidden
    penalty: float = 0.0
    aggregation: Aggregation = "softmax"
    temperature: float = 5.0
    is_log: bool = False
    is_family: bool = False
    triangle: Triangle | None = None

    def __call__(self, model: nn.Module, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss (), and as terms the mean conflict and the share removed."""
        x, _, r, _ = batch
        k = self.forbidden.num_colors
        p = self._probabilities(model, x, r[:, 0])
        q = self._conflicts(model, p[:, None, :k], batch)
        aggregate = self._aggregate(q)
        if self.is_log:
            aggregate = -torch.log1p(-aggregate.clamp(max=_CERTAIN))
        removed = p[:, k:].sum(dim=-1).mean()
        loss = aggregate.mean() + self.penalty * removed
        return loss, {"conflict": q.mean(), "removed": removed}

    def _probabilities(self, model: nn.Module, x: Tensor, r: Tensor) -> Tensor:
        return torch.softmax(model(x, r) if self.is_family else model(x), dim=-1)

    def _conflicts(self, model: nn.Module, p: Tensor, batch: Any) -> Tensor:
        """q (a, d) for p (a, 1, k) at the anchors."""
        x, u, r, side = batch
        if self.triangle is not None:
            ends = [x[:, None] + u, x[:, None] + self.triangle.third(u, side)]
            second, third = (self._partners(model, y, r)[..., : p.shape[-1]] for y in ends)
            return (p * second * third).sum(dim=-1)
        found = torch.zeros_like(u[..., 0])
        for colors in self.groups():
            y = x[:, None] + r[..., colors[:1]] * u
            partners = self._partners(model, y, r)
            found = found + (p[..., colors] * partners[..., colors]).sum(dim=-1)
        return found

    def _partners(self, model: nn.Module, y: Tensor, r: Tensor) -> Tensor:
        a, d, n = y.shape
        distances = r.expand(a, d, r.shape[-1]).reshape(a * d, -1)
        return self._probabilities(model, y.reshape(a * d, n), distances).reshape(a, d, -1)

    def groups(self) -> list[list[int]]:
        """Colors that share their distances."""
        if self.is_family:
            return [[color] for color in range(self.forbidden.num_colors)]
        found: dict[Any, list[int]] = {}
        for color, intervals in enumerate(self.forbidden.intervals):
            found.setdefault(intervals, []).append(color)
        return list(found.values())

    def _aggregate(self, q: Tensor) -> Tensor:
        if self.aggregation == "max":
            return q.amax(dim=-1)
        if self.aggregation == "mean":
            return q.mean(dim=-1)
        return (torch.softmax(self.temperature * q, dim=-1) * q).sum(dim=-1)
