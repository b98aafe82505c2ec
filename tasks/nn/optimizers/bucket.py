"""One Frank-Wolfe step of all weights of one shape and kind of region, in one stack."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, distributed

from tasks.nn.optimizers import adaptive
from tasks.nn.optimizers.members import Member
from tasks.nn.optimizers.motion import (
    DenseMotion,
    Motion,
    RankOneMotion,
    per_weight,
    shares,
)
from tasks.nn.optimizers.oracles import RankOne, vertices
from tasks.nn.optimizers.settings import StepSettings
from tasks.nn.regions import Region
from tasks.nn.regions.region import working_type


@dataclass
class Bucket:
    """Weights that are moved together.

    Attributes
    ----------
    settings : StepSettings
    members : list of Member
    is_compiled : bool
        Whether PyTorch compiles the step, where the region is one of vectors.
    """

    settings: StepSettings
    members: list[Member] = field(default_factory=list)
    is_compiled: bool = False

    def add(self, member: Member) -> None:
        """One more weight, of the same key."""
        self.members.append(member)

    def step(self, rate: float | Tensor) -> None:
        """Move all weights, or leave that to the process that owns them."""
        directions = self._directions()
        if self.settings.is_adaptive:
            adaptive.see(self.members, self.settings)
        owner = self.members[0].owner
        if owner is None or owner == distributed.get_rank():
            self.move(directions, rate)
        else:
            for member in self.members:
                member.state["step"] += 1

    def share(self) -> None:
        """Hand what the owner has moved to all processes."""
        for member in self.members:
            if member.owner is not None:
                own = (member.state.get(name) for name in ("start", "precise"))
                for tensor in (member.entry.weight.detach(), *own):
                    if tensor is not None:
                        distributed.broadcast(tensor, member.owner)

    def move(self, moved_by: Sequence[Tensor], rate: float | Tensor) -> None:
        """Move all weights by their directions."""
        directions = self._stack(moved_by)
        x = self._stack([member.weight() for member in self.members])
        region, settings = replace(self.members[0].entry.region, radius=1.0), self.settings
        radii = torch.tensor(
            [member.entry.region.radius for member in self.members], dtype=x.dtype, device=x.device
        )
        if settings.is_adaptive:
            self._write(self._adapted(x, directions, radii, rate))
            return
        is_asked = settings.rescaling in ("diameter", "fast_gradient")
        diameters = self._diameters(x) if is_asked else radii
        if self.is_compiled and region.event_dims == 1:
            speed = torch.as_tensor(rate, dtype=x.dtype, device=x.device)
            given = (x, directions, radii, diameters, self._masks(), speed)
            step = _compiled_step(region, settings, tuple(x.shape))
            self._write(step(*given, region, settings))
            return
        vertex = self._vertices(directions, x, radii, self.members[0].state["step"])
        if isinstance(vertex, RankOne):
            motion: Motion = RankOneMotion(x, vertex)
        else:
            motion = DenseMotion(x, vertex.sub_(x))
        motion.take(shares(motion, directions, settings, rate, diameters))
        self._write(x)

    def _adapted(
        self, x: Tensor, directions: Tensor, radii: Tensor, rate: float | Tensor
    ) -> Tensor:
        """Where the inner steps end."""
        found = [adaptive.diagonal(m.state, self.settings) for m in self.members]
        taken = self.members[0].state["step"] * self.settings.inner_steps

        def vertex(towards: Tensor, inner: int) -> Tensor:
            v = self._vertices(towards, x, radii, taken + inner, adaptive.ROUNDS)
            return v.left @ v.right if isinstance(v, RankOne) else v

        pull = directions * (rate * self.settings.rate_factor)
        events = self.members[0].entry.region.event_dims
        return adaptive.inner_steps(x, pull, self._stack(found), vertex, self.settings, events)

    def _write(self, x: Tensor) -> None:
        for member, points in zip(self.members, x, strict=True):
            weight = member.entry.weight
            moved = member.entry.layout.weight(points, weight.shape)
            if "precise" in member.state:
                member.state["precise"].copy_(moved)
            if points.data_ptr() != weight.data_ptr():
                weight.copy_(moved)
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
        """Points (B, ...) in the precision of the computation; a view if B = 1, where possible."""
        laid = [m.entry.layout.points(t) for m, t in zip(self.members, tensors, strict=True)]
        stacked = laid[0][None] if len(laid) == 1 else torch.stack(laid)
        return stacked if stacked.dtype == torch.bool else stacked.to(working_type(stacked))

    def _vertices(
        self, directions: Tensor, x: Tensor, radii: Tensor, number: int, rounds: int = 1
    ) -> Tensor | RankOne:
        """Extreme points with their radii, the number-th ones; the memory is free for use."""
        region, settings = self.members[0].entry.region, self.settings
        starts = [member.state["start"] for member in self.members if "start" in member.state]
        given = torch.stack(starts) if starts else None
        asked = asked_for(directions, x, settings)
        found = vertices(region, asked, given, settings.oracle, number, rounds)
        if found.starts is not None:
            for member, start in zip(self.members, found.starts, strict=True):
                member.state["start"].copy_(start)
        sizes = per_weight(radii, x)
        if isinstance(found.points, RankOne):
            return RankOne(sizes * found.points.left, found.points.right)
        vertex, kept = found.points.mul_(sizes), self._masks()
        return vertex if kept is None else vertex.mul_(kept)

    def _masks(self) -> Tensor | None:
        """Those in force on the points; None without any."""
        if all(member.mask is None for member in self.members):
            return None
        kept = [
            torch.ones_like(m.entry.weight, dtype=torch.bool) if m.mask is None else m.mask
            for m in self.members
        ]
        return self._stack(kept)

    def _diameters(self, like: Tensor) -> Tensor:
        sizes = []
        for member in self.members:
            region = member.entry.region
            batch = math.prod(member.points[: len(member.points) - region.event_dims])
            sizes.append(region.diameter(member.points) * math.sqrt(batch))
        return torch.tensor(sizes, dtype=like.dtype, device=like.device)


def asked_for(directions: Tensor, x: Tensor, settings: StepSettings) -> Tensor:
    """Directions in which extreme points are looked for."""
    return directions - 2 * settings.nearest * x if settings.nearest else directions


def vector_step(
    x: Tensor,
    directions: Tensor,
    radii: Tensor,
    diameters: Tensor,
    masks: Tensor | None,
    rate: Tensor,
    region: Region,
    settings: StepSettings,
) -> Tensor:
    """Where weights x (B, ...) go; `region` is one of vectors, of radius 1.  It can be compiled."""
    vertex = region.extreme_point(asked_for(directions, x, settings)) * per_weight(radii, x)
    vertex = vertex if masks is None else vertex * masks
    motion = DenseMotion(x.clone(), vertex - x)
    motion.take(shares(motion, directions, settings, rate, diameters))
    return motion.x


@cache
def _compiled_step(*_: Any) -> Callable[..., Tensor]:
    """A compiled step for each kind of stack: PyTorch compiles a function for few kinds only."""
    code = vector_step.__code__.replace()
    return torch.compile(FunctionType(code, vector_step.__globals__), dynamic=False)
