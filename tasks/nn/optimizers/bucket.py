"""One Frank-Wolfe step of all weights of one shape and kind of region, in one stack."""

from __future__ import annotations

import math
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from tasks.nn.optimizers.oracles import vertices
from tasks.nn.optimizers.routing import Constrained
from tasks.nn.optimizers.settings import StepSettings


@dataclass(frozen=True)
class Member:
    """A weight that is about to move.

    Attributes
    ----------
    entry : Constrained
    points : tuple of int
        Shape of its points.
    gradient : Tensor
    state : mapping
        ``step``, and ``momentum`` and ``start`` where there are such.
    mask : Tensor or None
        In force on the weight.
    """

    entry: Constrained
    points: tuple[int, ...]
    gradient: Tensor
    state: MutableMapping[str, Any]
    mask: Tensor | None

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for weights that can be stacked."""
        weight, region = self.entry.weight, self.entry.region
        settings = {**region.as_data(), "radius": 1.0}
        kind = (*sorted(settings.items()), self.points, weight.dtype, weight.device)
        return (*kind, self.state["step"] == 0)


@dataclass
class Bucket:
    """Weights that are moved together.

    Attributes
    ----------
    settings : StepSettings
    members : list of Member
    """

    settings: StepSettings
    members: list[Member] = field(default_factory=list)

    def add(self, member: Member) -> None:
        """One more weight, of the same key."""
        self.members.append(member)

    def step(self, rate: float | Tensor) -> None:
        """Move all weights; a direction that is not finite moves none of its own."""
        self.move(self._directions(), rate)

    def move(self, given: Sequence[Tensor], rate: float | Tensor) -> None:
        """Move all weights by their directions."""
        weights = [member.entry.weight for member in self.members]
        directions = self._stack(given)
        x = self._stack([weight.detach() for weight in weights])
        vertex = self._vertices(directions, x)
        away = vertex - x
        moved = x + self._shares(directions, away, rate) * away
        moved = torch.where(self._sum(directions).isfinite(), moved, x)
        for member, points in zip(self.members, moved, strict=True):
            weight = member.entry.weight
            weight.copy_(member.entry.layout.weight(points, weight.shape))
            member.state["step"] += 1

    def _directions(self) -> list[Tensor]:
        """Gradients with momentum; the momenta are updated."""
        settings = self.settings
        gradients = [member.gradient for member in self.members]
        if settings.maximize:
            gradients = list(torch._foreach_neg(gradients))
        if "momentum" not in self.members[0].state:
            return list(torch._foreach_mul(gradients, settings.gain))
        momenta = found = [member.state["momentum"] for member in self.members]
        if settings.direction == "lion":
            found = list(torch._foreach_lerp(gradients, momenta, settings.interpolation))
        if settings.averaging == "ema":
            torch._foreach_lerp_(momenta, gradients, settings.gain)
        else:
            torch._foreach_mul_(momenta, settings.momentum)
            torch._foreach_add_(momenta, gradients, alpha=settings.gain)
        if settings.direction == "nesterov":
            found = list(torch._foreach_lerp(gradients, momenta, settings.momentum))
        return found

    def _stack(self, tensors: Sequence[Tensor]) -> Tensor:
        """Points (B, ...) in the precision of the computation."""
        first = tensors[0]
        dtype = torch.float64 if first.dtype == torch.float64 else torch.float32
        laid = [m.entry.layout.points(t) for m, t in zip(self.members, tensors, strict=True)]
        return torch.stack(laid).to(dtype)

    def _vertices(self, directions: Tensor, x: Tensor) -> Tensor:
        region, settings = self.members[0].entry.region, self.settings
        asked = directions - 2 * settings.nearest * x if settings.nearest else directions
        starts = [member.state["start"] for member in self.members if "start" in member.state]
        given = torch.stack(starts) if starts else None
        found = vertices(region, asked, given, settings.oracle, self.members[0].state["step"])
        if found.starts is not None:
            for member, start in zip(self.members, found.starts, strict=True):
                member.state["start"].copy_(start)
        radii = [member.entry.region.radius for member in self.members]
        vertex = found.points * self._like(torch.tensor(radii, dtype=x.dtype, device=x.device), x)
        masks = [member.mask for member in self.members]
        if any(mask is not None for mask in masks):
            kept = [
                torch.ones_like(m.entry.weight, dtype=torch.bool) if m.mask is None else m.mask
                for m in self.members
            ]
            vertex = vertex * self._stack(kept)
        return vertex

    def _shares(self, directions: Tensor, away: Tensor, rate: float | Tensor) -> Tensor:
        """s of every weight, shaped for the stack."""
        settings, rescaling = self.settings, self.settings.rescaling
        rate = rate * settings.rate_factor
        if rescaling == "none":
            return torch.as_tensor(rate, device=away.device).to(away).clamp(max=settings.max_step)
        if rescaling == "diameter":
            factor = 1 / self._diameters(away)
        else:
            distance, length = self._norm(away), self._norm(directions)
            safe = torch.where(distance > 0, distance, torch.ones_like(distance))
            if rescaling == "gradient":
                factor = length / safe
            elif rescaling == "fast_gradient":
                factor = length / (self._diameters(away) / 2)
            else:
                factor = -self._sum(directions * away) / safe.square()
        return (rate * factor).clamp(0, settings.max_step)

    def _diameters(self, like: Tensor) -> Tensor:
        sizes = []
        for member in self.members:
            region = member.entry.region
            batch = math.prod(member.points[: len(member.points) - region.event_dims])
            sizes.append(region.diameter(member.points) * math.sqrt(batch))
        return self._like(torch.tensor(sizes, dtype=like.dtype, device=like.device), like)

    def _norm(self, stack: Tensor) -> Tensor:
        return stack.flatten(1).norm(dim=1).reshape(-1, *[1] * (stack.dim() - 1))

    def _sum(self, stack: Tensor) -> Tensor:
        return stack.flatten(1).sum(1).reshape(-1, *[1] * (stack.dim() - 1))

    def _like(self, vector: Tensor, stack: Tensor) -> Tensor:
        return vector.reshape(-1, *[1] * (stack.dim() - 1))
