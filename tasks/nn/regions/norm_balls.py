"""Balls of the p-norms, and boxes.

l1     {x : sum |x_i| <= r}
l2     {x : sqrt(sum x_i^2) <= r}
linf   {x : max |x_i| <= r}
lp     {x : (sum |x_i|^p)^(1/p) <= r}, 1 < p < inf, with the dual exponent q = p / (p - 1)
box    {x : r l <= x_i <= r u}
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from tasks.nn.regions.region import Region, scaled_norm, signs
from tasks.nn.regions.thresholds import onto_simplex, root
from tasks.records import InputError


@dataclass(frozen=True)
class L1Ball(Region):
    """Vertices ±r e_i: one weight at a time."""

    name: ClassVar[str] = "l1"

    def _diameter(self, shape: Sequence[int]) -> float:
        return 2.0

    def _vertex(self, direction: Tensor) -> Tensor:
        largest = direction.abs().argmax(-1, keepdim=True)
        value = -signs(direction.gather(-1, largest))
        return torch.zeros_like(direction).scatter_(-1, largest, value)

    def _support(self, direction: Tensor) -> Tensor:
        return direction.abs().amax(-1)

    def _gauge(self, point: Tensor) -> Tensor:
        return point.abs().sum(-1)

    def _project(self, point: Tensor) -> Tensor:
        nearest = torch.copysign(onto_simplex(point.abs()), point)
        return torch.where(self._with_event(self._gauge(point) <= 1), point, nearest)


@dataclass(frozen=True)
class L2Ball(Region):
    """Every point of the sphere is a vertex."""

    name: ClassVar[str] = "l2"

    def _diameter(self, shape: Sequence[int]) -> float:
        return 2.0

    def _vertex(self, direction: Tensor) -> Tensor:
        length = direction.norm(dim=-1, keepdim=True)
        return torch.where(length > 0, -direction / length, first_vector(direction))

    def _support(self, direction: Tensor) -> Tensor:
        return direction.norm(dim=-1)

    def _gauge(self, point: Tensor) -> Tensor:
        return scaled_norm(point, 2)

    def _project(self, point: Tensor) -> Tensor:
        return point / self._with_event(self._gauge(point)).clamp(min=1)


@dataclass(frozen=True)
class LinfBall(Region):
    """Vertices ±r in every entry: signed steps."""

    name: ClassVar[str] = "linf"

    def _diameter(self, shape: Sequence[int]) -> float:
        return 2 * math.sqrt(shape[-1])

    def _vertex(self, direction: Tensor) -> Tensor:
        return -signs(direction)

    def _support(self, direction: Tensor) -> Tensor:
        return direction.abs().sum(-1)

    def _gauge(self, point: Tensor) -> Tensor:
        return point.abs().amax(-1)

    def _project(self, point: Tensor) -> Tensor:
        return point.clamp(-1, 1)


@dataclass(frozen=True)
class LpBall(Region):
    """Between the three others.

    Attributes
    ----------
    p : float
        Exponent, 1 < p < inf.
    """

    p: float = 2.0

    name: ClassVar[str] = "lp"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.p) and self.p > 1):
            raise InputError(f"the exponent p of lp is in (1, inf), not {self.p}")

    @property
    def q(self) -> float:
        """The dual exponent."""
        return self.p / (self.p - 1)

    def _diameter(self, shape: Sequence[int]) -> float:
        return 2 * shape[-1] ** max(0.0, 0.5 - 1 / self.p)

    def _vertex(self, direction: Tensor) -> Tensor:
        length = scaled_norm(direction, self.q)[..., None]
        found = -signs(direction) * (direction.abs() / length) ** (self.q - 1)
        return torch.where(length > 0, found, first_vector(direction))

    def _support(self, direction: Tensor) -> Tensor:
        return scaled_norm(direction, self.q)

    def _gauge(self, point: Tensor) -> Tensor:
        return scaled_norm(point, self.p)

    def _project(self, point: Tensor) -> Tensor:
        nearest = self._each(point, self._nearest)
        return torch.where(self._with_event(self._gauge(point) <= 1), point, nearest)

    def _nearest(self, point: np.ndarray) -> np.ndarray:
        """The x with x_i + lambda x_i^(p-1) = |y_i| whose norm is 1; y itself inside the ball."""
        given = np.abs(point)

        def excess(logarithm: float) -> float:
            return _log_norm(_solve_powers(given, math.exp(logarithm), self.p - 1), self.p)

        if _log_norm(given, self.p) <= 0:
            return point
        # At lambda = |y|_q no x of norm 1 is too large: lambda |x^(p-1)|_q <= |y|_q.
        high = _log_norm(given, self.q)
        low = high - 1
        while excess(low) < 0:
            low -= 2 * (high - low)
        multiplier = math.exp(root(excess, low, high + 1))
        found = _solve_powers(given, multiplier, self.p - 1)
        return np.copysign(found / math.exp(_log_norm(found, self.p)), point)


@dataclass(frozen=True)
class Box(Region):
    """Entries between two bounds.

    Attributes
    ----------
    lower, upper : float
        Finite, lower < upper; both are multiplied by the radius.
    """

    lower: float = -1.0
    upper: float = 1.0

    name: ClassVar[str] = "box"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.upper - self.lower) and self.lower < self.upper):
            raise InputError(f"a box needs finite lower < upper, not {self.lower} and {self.upper}")
        if self.at_zero == "zero" and not self.lower <= 0 <= self.upper:
            raise InputError('at_zero="zero" needs a region that contains 0; this box does not')

    def _diameter(self, shape: Sequence[int]) -> float:
        return (self.upper - self.lower) * math.sqrt(shape[-1])

    def _vertex(self, direction: Tensor) -> Tensor:
        high = torch.full_like(direction, self.upper)
        return torch.where(direction < 0, high, torch.full_like(direction, self.lower))

    def _gauge(self, point: Tensor) -> Tensor:
        """Around the middle of the box, in place of 0, which may lie outside."""
        middle, half = (self.upper + self.lower) / 2, (self.upper - self.lower) / 2
        return (point - middle).abs().amax(-1) / half

    def _project(self, point: Tensor) -> Tensor:
        return point.clamp(self.lower, self.upper)

    def enter(self, point: Tensor) -> Tensor:
        """The nearest point: rays from 0 may miss the box."""
        return self.project(point)


def first_vector(like: Tensor) -> Tensor:
    """The first unit vector, which stands for all vertices where the direction is 0."""
    found = torch.zeros_like(like)
    found[..., 0] = 1
    return found


def _log_norm(values: np.ndarray, p: float) -> float:
    """Logarithm of the p-norm of magnitudes (n,), without overflow."""
    with np.errstate(divide="ignore"):
        logarithms = np.log(values)
    largest = logarithms.max()
    if not np.isfinite(largest):
        return float(largest)
    return float(largest + np.log(np.exp(p * (logarithms - largest)).sum()) / p)


def _solve_powers(given: np.ndarray, multiplier: float, power: float) -> np.ndarray:
    """x >= 0 with x + multiplier x^power = given, by Newton's method kept in a bracket."""
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        x = np.minimum(given, (given / multiplier) ** (1 / power))
        low, high = np.zeros_like(given), x.copy()
        for _ in range(200):
            value = x + multiplier * x**power - given
            low, high = np.where(value < 0, x, low), np.where(value > 0, x, high)
            step = x - value / (1 + multiplier * power * x ** (power - 1))
            new = np.where((step > low) & (step < high), step, (low + high) / 2)
            new = np.where(value == 0, x, new)
            if np.all(np.abs(new - x) <= 1e-16 * x):
                break
            x = new
    return new
