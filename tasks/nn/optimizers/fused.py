"""Steps of single weights on the CPU by the compiled passes of `gpu.fused_steps`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import get_blas_funcs
from torch import Tensor

from gpu import fused_steps as passes
from tasks.nn.optimizers.bucket import Bucket
from tasks.nn.optimizers.members import Member
from tasks.nn.optimizers.motion import NEAR
from tasks.nn.optimizers.settings import StepSettings
from tasks.nn.regions import Region

FUSED = ("l2", "linf", "k_sparse", "k_support")
_sum_of_magnitudes = get_blas_funcs("asum", dtype=np.float32)
TINY, HUGE = 1e-30, 1e30
"""Squares outside are not trusted in float32; the general step scales its directions first."""
Array = NDArray[np.float32]


def takes(member: Member, settings: StepSettings) -> bool:
    """Whether a weight can be moved here."""
    momentum = member.state.get("momentum")
    return (
        member.entry.region.name in FUSED
        and not settings.is_adaptive
        and settings.direction == "momentum"
        and settings.rescaling != "short"
        and not settings.nearest
        and lies_alike(member, [momentum])
    )


def lies_alike(member: Member, moments: Sequence[Tensor | None]) -> bool:
    """Whether a weight, its gradient and its moments are vectors of one order, without a mask."""
    weight, gradient = member.entry.weight, member.gradient
    return (
        # What PyTorch compiles it has to see.
        not torch.compiler.is_compiling()
        and member.entry.layout.kind == "whole"
        and weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and gradient.dtype == torch.float32
        and member.mask is None
        and _in_order(weight) is not None
        and gradient.stride() == weight.stride()
        and all(t is not None and t.stride() == weight.stride() for t in moments)
    )


def is_finite(tensor: Tensor) -> bool:
    """Whether all entries of a tensor on the CPU are finite."""
    flat = _in_order(tensor) if tensor.dtype == torch.float32 else None
    if flat is None or torch.compiler.is_compiling():
        return bool(tensor.isfinite().all())
    numbers = flat.numpy()
    # The sum of magnitudes reads memory twice as fast; of large numbers it overflows.
    return math.isfinite(_sum_of_magnitudes(numbers)) or passes.zero_if_finite(numbers) == 0


def step(member: Member, settings: StepSettings, rate: float | Tensor) -> None:
    """Move a weight."""
    weight, momentum = member.entry.weight, member.state["momentum"]
    x, m, g = (array(t) for t in (weight, momentum, member.gradient))
    gain = -settings.gain if settings.maximize else settings.gain
    vertex = _Vertex.after(member.entry.region, x, m, g, settings.momentum, gain)
    if vertex is None:
        Bucket(settings, [member]).move([momentum], rate)
        return
    share = np.float32(_share(vertex, member, settings, float(rate) * settings.rate_factor))
    vertex.move(x, m, share)
    torch.autograd.graph.increment_version(weight)
    member.state["step"] += 1


@dataclass(frozen=True)
class _Vertex:
    """Norms of a direction m, a weight x and their vertex v, which is w times a number.

    Attributes
    ----------
    length : float
        |m|.
    distance : float
        |v - x|.
    signs, along : float
        v = -signs sign m - along m, on all entries or on the largest ones.
    bound, ties : int
        The largest entries, and how many of the smallest ones of these; -1 for all.
    """

    length: float
    distance: float
    signs: float = 0.0
    along: float = 0.0
    bound: int = -1
    ties: int = -1

    @classmethod
    def after(
        cls, region: Region, x: Array, m: Array, g: Array, decay: float, gain: float
    ) -> _Vertex | None:
        """Update the momentum; None if the direction is 0, or its square is not a float."""
        given = (x, m, g, np.float32(decay), np.float32(gain))
        radius, size = region.radius, len(x)
        if region.name == "linf":
            mm, xx, xw = map(float, passes.momentum_for_linf(*given))
            return cls._of(mm, xx, radius * xw, radius**2 * size, signs=radius)
        if region.name == "l2":
            mm, xx, xw = map(float, passes.momentum_for_l2(*given))
            along = radius / math.sqrt(mm) if mm > TINY else 0.0
            return cls._of(mm, xx, along * xw, radius**2, along=along)
        count = region.k  # pyrefly: ignore[missing-attribute] - the two others have it
        mm, xx, histogram = passes.momentum_for_largest(*given)
        if not TINY < mm < HUGE:
            return None
        bound, ties, equals, top, xm, xs = passes.sums_of_largest(x, m, histogram, count)
        if not bound:
            return None  # fewer entries than k: which zeros are taken counts
        ties = ties if ties < equals else -1
        if region.name == "k_sparse":
            place = {"bound": bound, "ties": ties, "signs": radius}
            return cls._of(float(mm), float(xx), radius * float(xs), radius**2 * count, **place)
        along = radius / math.sqrt(top)
        place = {"bound": bound, "ties": ties, "along": along}
        return cls._of(float(mm), float(xx), along * float(xm), radius**2, **place)

    @classmethod
    def _of(cls, mm: float, xx: float, xw: float, vv: float, **more: float) -> _Vertex | None:
        # Near the vertex the sum cancels, and the general step forms the difference.
        squares = xx + 2 * xw + vv
        if not (TINY < mm < HUGE and xx < HUGE and vv < HUGE and squares > NEAR * (xx + vv)):
            return None
        if not more.get("along", 0.0) < HUGE:
            return None
        distance = math.sqrt(squares)
        return cls(math.sqrt(mm), distance, **more)  # pyrefly: ignore[bad-argument-type]

    def move(self, x: Array, m: Array, share: np.float32) -> None:
        """x + share (v - x)."""
        signs, along = np.float32(self.signs), np.float32(-self.along)
        if self.ties >= 0:
            passes.move_by_largest(x, m, self.bound, self.ties, share, signs, along)
        elif self.bound >= 0:
            passes.move_by_all_from(x, m, self.bound, share, signs, along)
        elif self.signs:
            passes.move_by_signs(x, m, share, signs)
        else:
            passes.move_along(x, m, np.float32(1) - share, share * along)


def _share(vertex: _Vertex, member: Member, settings: StepSettings, rate: float) -> float:
    region, rescaling = member.entry.region, settings.rescaling
    factor = 1.0
    if rescaling == "diameter":
        factor = 1 / region.diameter(member.points)
    elif rescaling == "gradient":
        factor = vertex.length / vertex.distance if vertex.distance else 0.0
    elif rescaling == "fast_gradient":
        factor = vertex.length / (region.diameter(member.points) / 2)
    return min(max(rate * factor, 0.0), settings.max_step)


def _in_order(tensor: Tensor) -> Tensor | None:
    """All entries in the order of memory, if they lie together."""
    if tensor.is_contiguous():
        return tensor.detach().view(-1)
    turned = tensor.detach().permute(sorted(range(tensor.dim()), key=lambda d: -tensor.stride(d)))
    return turned.view(-1) if turned.is_contiguous() else None


def array(tensor: Tensor) -> Array:
    """All entries in the order of memory."""
    flat = _in_order(tensor)
    if flat is None:
        raise ValueError("the entries do not lie together in memory")
    return flat.numpy()
