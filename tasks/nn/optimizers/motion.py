"""The way of weights to their vertices: how long it is, how steep, and a step along it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from gpu.power import inner
from tasks.nn.optimizers.oracles import RankOne
from tasks.nn.optimizers.settings import StepSettings

NEAR = 1e-4
"""Squared distances below this share of |x|^2 + |v|^2 have lost their digits."""


class Motion(Protocol):
    """The way of weights x (B, ...) to their vertices v."""

    def distance(self) -> Tensor:
        """|v - x| (B,)."""
        ...

    def descent(self, directions: Tensor) -> Tensor:
        """<d, x - v> (B,)."""
        ...

    def take(self, share: Tensor) -> None:
        """x <- x + s (v - x), in place."""
        ...


@dataclass(frozen=True)
class DenseMotion:
    """With v - x at hand."""

    x: Tensor
    away: Tensor

    def distance(self) -> Tensor:
        """See `Motion`."""
        return norms(self.away)

    def descent(self, directions: Tensor) -> Tensor:
        """See `Motion`."""
        return -torch.linalg.vecdot(directions.flatten(1), self.away.flatten(1))

    def take(self, share: Tensor) -> None:
        """See `Motion`."""
        self.x.addcmul_(self.away, share)


@dataclass(frozen=True)
class RankOneMotion:
    """Without forming v: |v - x|^2 = |x|^2 - 2 <x, v> + |v|^2."""

    x: Tensor
    vertex: RankOne

    def distance(self) -> Tensor:
        """See `Motion`."""
        ends = norms(self.x).square() + norms(self.vertex.left).square()
        squares = ends - 2 * self._inner(self.x)
        if self.x.device.type == "cpu" and bool((squares < NEAR * ends).any()):
            # The sum has lost its digits.
            return norms(self.vertex.left @ self.vertex.right - self.x)
        return squares.clamp(min=0).sqrt()

    def descent(self, directions: Tensor) -> Tensor:
        """See `Motion`."""
        whole = torch.linalg.vecdot(directions.flatten(1), self.x.flatten(1))
        return whole - self._inner(directions)

    def take(self, share: Tensor) -> None:
        """See `Motion`."""
        left, right = share * self.vertex.left, self.vertex.right
        if self.x.dim() == 3 and len(self.x) == 1 and self.x.device.type == "cpu":
            self.x[0].addr_(left[0, :, 0], right[0, 0], beta=float(1 - share))
        else:
            self.x.mul_(1 - share).addcmul_(left, right)

    def _inner(self, matrices: Tensor) -> Tensor:
        """<v, X>."""
        left, right = self.vertex.left, self.vertex.right
        if matrices.dim() == 3 and len(matrices) == 1:
            return inner(left[0], right[0], matrices[0])[None]
        return inner(left, right, matrices).flatten(1).sum(1)


def shares(
    motion: Motion,
    directions: Tensor,
    settings: StepSettings,
    rate: float | Tensor,
    diameters: Tensor,
) -> Tensor:
    """s (B, 1, ...) of every weight; of diameters (B,) where the rescaling looks at them."""
    if settings.rescaling == "none":
        factor = torch.ones(len(directions), dtype=directions.dtype, device=directions.device)
    elif settings.rescaling == "diameter":
        factor = 1 / diameters
    elif settings.rescaling == "fast_gradient":
        factor = norms(directions) / (diameters / 2)
    else:
        distance = motion.distance()
        safe = torch.where(distance > 0, distance, torch.ones_like(distance))
        if settings.rescaling == "gradient":
            factor = norms(directions) / safe
        else:
            factor = motion.descent(directions) / safe.square()
    share = factor * (rate * settings.rate_factor)
    return per_weight(share.clamp(0, settings.max_step), directions)


def per_weight(vector: Tensor, stack: Tensor) -> Tensor:
    """(B,) shaped like a stack (B, ...) of so many dimensions."""
    return vector.reshape(-1, *[1] * (stack.dim() - 1))


def norms(stack: Tensor) -> Tensor:
    """Euclidean norms (B,) of (B, ...)."""
    return stack.flatten(1).norm(dim=1)
