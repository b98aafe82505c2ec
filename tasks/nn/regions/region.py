"""A region: a compact convex set C that weights are kept in, and what Frank-Wolfe asks of it.

    extreme_point(g)   a vertex v of C with <v, g> = min over C
    support(g)         -min over C of <., g>, so that <extreme_point(g), g> = -support(g); for a
                       symmetric C it is the support function, which is the dual norm
    gauge(x)           the least t >= 0 with x in t C: at most 1 inside, 1 on the boundary
    diameter(shape)    the largest Euclidean distance of two points
    project(x)         the point of C nearest to x
    sample(shape)      some point of C

A region of vectors acts on the last dimension of a tensor, one of matrices on the last two, and all
dimensions before them count single points (a batch).  Sets without interior (a simplex) have no
gauge; there it is 1 for their points, and 1 + the largest violation of an equation or inequality,
relative to the radius, for others.

Directions are divided by their largest entry first: neither 1e-30 nor 1e30 loses anything.
Half precision is computed in float32 and rounded once, which may leave the region by as much: in
bfloat16 by a factor 1 + 2^-8, times sqrt(min(m, n)) for matrices.  Gauges, supports and projections
are computed in float64.  Ties give one vertex, the same for the same direction.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from tasks.records import InputError

NUM_SAMPLED = 3
"""Vertices whose mean a sampled point is."""


@dataclass(frozen=True)
class Region(ABC):
    """A compact convex set.

    Attributes
    ----------
    radius : float
        Its scale, positive: all sizes are proportional to it.
    at_zero : {"vertex", "zero"}
        What a zero direction gives: some vertex, or 0, which keeps pruned weights at 0 if all of a
        weight is pruned.
    """

    radius: float = 1.0
    at_zero: Literal["vertex", "zero"] = "vertex"

    name: ClassVar[str]
    event_dims: ClassVar[int] = 1
    has_gauge: ClassVar[bool] = True
    contains_zero: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not (math.isfinite(self.radius) and self.radius > 0):
            raise InputError(f"the radius of a region is positive and finite, not {self.radius}")
        if self.at_zero not in ("vertex", "zero"):
            raise InputError(f'at_zero must be "vertex" or "zero", not {self.at_zero!r}')
        if self.at_zero == "zero" and not self.contains_zero:
            raise InputError(f'at_zero="zero" needs a region that contains 0; {self.name} does not')

    def as_data(self) -> dict[str, Any]:
        """Name and settings as plain data, from which `region_of_data` makes it again."""
        return {"name": self.name, **asdict(self)}

    def check_shape(self, shape: Sequence[int]) -> None:
        """Refuse a shape on which this region is not defined.

        Raises
        ------
        InputError
        """
        if len(shape) < self.event_dims:
            kind = "matrices" if self.event_dims == 2 else "vectors"
            raise InputError(f"{self.name} is a region of {kind}; the shape is {tuple(shape)}")
        if math.prod(shape[-self.event_dims :]) == 0:
            raise InputError(f"{self.name} of the empty shape {tuple(shape)}")

    def extreme_point(self, direction: Tensor) -> Tensor:
        """A vertex (...) with the least inner product with `direction` (...), of its dtype."""
        self.check_shape(direction.shape)
        scaled, size = self._scaled(direction, working_type(direction))
        vertex = self.radius * self._vertex(scaled)
        if self.at_zero == "zero":
            vertex = torch.where(size > 0, vertex, torch.zeros_like(vertex))
        return vertex.to(direction.dtype)

    def support(self, direction: Tensor) -> Tensor:
        """-min over the region of <., direction>, float64, one per point of the batch."""
        self.check_shape(direction.shape)
        scaled, size = self._scaled(direction, torch.float64)
        return self.radius * self._support(scaled) * self._without_event(size)

    def gauge(self, point: Tensor) -> Tensor:
        """Least t with `point` in t C, float64, one per point of the batch."""
        self.check_shape(point.shape)
        return self._gauge(point.to(torch.float64) / self.radius)

    def project(self, point: Tensor) -> Tensor:
        """Nearest point of the region, of the same dtype."""
        self.check_shape(point.shape)
        inside = self._project(point.to(torch.float64) / self.radius)
        return (self.radius * inside).to(point.dtype)

    def enter(self, point: Tensor) -> Tensor:
        """`point` if it is inside; else where its ray leaves the region, or the nearest point."""
        if not self.has_gauge:
            return self.project(point)
        size = self._with_event(self.gauge(point)).clamp(min=1)
        return (point.to(torch.float64) / size).to(point.dtype)

    def sample(
        self,
        shape: Sequence[int],
        *,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> Tensor:
        """Random points: means, with random weights, of the vertices of random directions."""
        directions = torch.randn(NUM_SAMPLED, *shape, generator=generator, dtype=torch.float64)
        vertices = self.extreme_point(directions)
        batch = shape[: len(shape) - self.event_dims]
        weights = torch.rand(NUM_SAMPLED, *batch, generator=generator, dtype=torch.float64)
        weights = self._with_event(weights / weights.sum(0))
        return (weights * vertices).sum(0).to(dtype)

    def diameter(self, shape: Sequence[int]) -> float:
        """Largest Euclidean distance of two points; of a batch, of two points of one member."""
        self.check_shape(shape)
        return self.radius * self._diameter(shape)

    # What follows is about the region of radius 1.

    @abstractmethod
    def _diameter(self, shape: Sequence[int]) -> float: ...

    @abstractmethod
    def _vertex(self, direction: Tensor) -> Tensor:
        """Extreme point for a direction whose largest entry is ±1, or which is 0."""

    def _support(self, direction: Tensor) -> Tensor:
        """Of such a direction, in float64."""
        events = tuple(range(-self.event_dims, 0))
        return -(self._vertex(direction) * direction).sum(events)

    @abstractmethod
    def _gauge(self, point: Tensor) -> Tensor:
        """In float64."""

    @abstractmethod
    def _project(self, point: Tensor) -> Tensor:
        """In float64."""

    def _scaled(self, direction: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The direction over its largest entry, and that entry, both broadcastable."""
        given = direction.to(dtype)
        size = given.abs().amax(dim=tuple(range(-self.event_dims, 0)), keepdim=True)
        return given / torch.where(size > 0, size, torch.ones_like(size)), size

    def _with_event(self, value: Tensor) -> Tensor:
        return value.reshape(*value.shape, *[1] * self.event_dims)

    def _without_event(self, value: Tensor) -> Tensor:
        return value.reshape(value.shape[: value.dim() - self.event_dims])

    def _each(self, point: Tensor, project: Callable[[np.ndarray], np.ndarray]) -> Tensor:
        """Apply a function of one NumPy point to all points of a batch."""
        given = point.detach().cpu().numpy()
        flat = given.reshape(-1, *given.shape[given.ndim - self.event_dims :])
        found = np.stack([project(each) for each in flat]) if len(flat) else flat
        return torch.from_numpy(found.reshape(given.shape)).to(point.device)


def signs(values: Tensor) -> Tensor:
    """±1, and 1 for 0: a vertex has no zero where it may be large."""
    return torch.where(values < 0, -torch.ones_like(values), torch.ones_like(values))


def scaled_norm(values: Tensor, p: float) -> Tensor:
    """p-norms (...) of (..., n), without overflow or underflow."""
    size = values.abs().amax(-1, keepdim=True)
    inside = values / torch.where(size > 0, size, torch.ones_like(size))
    return inside.norm(p, dim=-1) * size[..., 0]


def check_count(what: str, count: int, size: int | None = None) -> None:
    """Refuse a number of entries, groups or singular values that is not in 1..size.

    Raises
    ------
    InputError
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InputError(f"{what} is a whole number from 1 on, not {count!r}")
    if size is not None and count > size:
        raise InputError(f"{what} is {count}, but there are only {size}")


def working_type(values: Tensor) -> torch.dtype:
    """The precision in which vertices are computed.

    Raises
    ------
    InputError
        For other than real floating-point numbers.
    """
    if not values.is_floating_point():
        raise InputError(f"a region acts on real floating-point numbers, not {values.dtype}")
    return values.dtype if values.dtype in (torch.float32, torch.float64) else torch.float32
