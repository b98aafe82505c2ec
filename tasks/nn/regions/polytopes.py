"""Simplices and the hulls of permutations.

simplex          {x >= 0, sum x = r}
unit_simplex     {x >= 0, sum x <= r}
hypersimplex     {0 <= x <= r, sum x = k r}
permutahedron    the hull of all orders of w = r (1, (n-1)/n, ..., 1/n)
birkhoff         r times the doubly stochastic (n, n) matrices
spectraplex      {X symmetric, positive semidefinite, trace X = r}
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from scipy.optimize import isotonic_regression, linear_sum_assignment
from torch import Tensor

from tasks.nn.regions.region import Region
from tasks.nn.regions.sparse_norms import WithCount
from tasks.nn.regions.thresholds import onto_capped_simplex, onto_simplex
from tasks.records import InputError

LARGEST = 1e9
"""Beyond, float64 cannot tell the sums of rows and columns of a projection."""


@dataclass(frozen=True)
class Simplex(Region):
    """Nonnegative weights with a given sum."""

    name: ClassVar[str] = "simplex"
    has_gauge: ClassVar[bool] = False
    contains_zero: ClassVar[bool] = False

    def _diameter(self, shape: Sequence[int]) -> float:
        return math.sqrt(2) if shape[-1] > 1 else 0.0

    def _vertex(self, direction: Tensor) -> Tensor:
        lowest = direction.argmin(-1, keepdim=True)
        return torch.zeros_like(direction).scatter_(-1, lowest, 1.0)

    def _gauge(self, point: Tensor) -> Tensor:
        return _gauge_of(-point.amin(-1), (point.sum(-1) - 1).abs())

    def _project(self, point: Tensor) -> Tensor:
        return onto_simplex(point)


@dataclass(frozen=True)
class UnitSimplex(Region):
    """Nonnegative weights with at most a given sum."""

    name: ClassVar[str] = "unit_simplex"
    has_gauge: ClassVar[bool] = False

    def _diameter(self, shape: Sequence[int]) -> float:
        return math.sqrt(2) if shape[-1] > 1 else 1.0

    def _vertex(self, direction: Tensor) -> Tensor:
        lowest = direction.argmin(-1, keepdim=True)
        is_negative = (direction.gather(-1, lowest) < 0).to(direction.dtype)
        return torch.zeros_like(direction).scatter_(-1, lowest, is_negative)

    def _gauge(self, point: Tensor) -> Tensor:
        """The sum, of nonnegative points: 1 on the face away from 0."""
        violation = (-point).amax(-1)
        return torch.where(violation > 0, _gauge_of(violation, point.sum(-1) - 1), point.sum(-1))

    def _project(self, point: Tensor) -> Tensor:
        positive = point.clamp(min=0)
        return torch.where(positive.sum(-1, keepdim=True) <= 1, positive, onto_simplex(point))


@dataclass(frozen=True)
class Hypersimplex(WithCount):
    """Weights between 0 and r with sum k r: k of n, and all means of such choices."""

    name: ClassVar[str] = "hypersimplex"
    has_gauge: ClassVar[bool] = False
    contains_zero: ClassVar[bool] = False

    def _diameter(self, shape: Sequence[int]) -> float:
        return math.sqrt(2 * min(self.k, shape[-1] - self.k))

    def _vertex(self, direction: Tensor) -> Tensor:
        lowest = direction.topk(self.k, dim=-1, largest=False).indices
        return torch.zeros_like(direction).scatter_(-1, lowest, 1.0)

    def _gauge(self, point: Tensor) -> Tensor:
        outside = torch.maximum(-point.amin(-1), point.amax(-1) - 1)
        return _gauge_of(outside, (point.sum(-1) - self.k).abs())

    def _project(self, point: Tensor) -> Tensor:
        return self._each(point, lambda y: onto_capped_simplex(y, float(self.k)))


@dataclass(frozen=True)
class Permutahedron(Region):
    """The hull of all orders of equally spaced numbers."""

    name: ClassVar[str] = "permutahedron"
    has_gauge: ClassVar[bool] = False
    contains_zero: ClassVar[bool] = False

    def _diameter(self, shape: Sequence[int]) -> float:
        weights = _weights(shape[-1])
        return float((weights - weights.flip(-1)).norm())

    def _vertex(self, direction: Tensor) -> Tensor:
        order = direction.argsort(dim=-1, stable=True)
        weights = _weights(direction.shape[-1]).to(direction)
        return torch.empty_like(direction).scatter_(-1, order, weights.expand_as(direction))

    def _gauge(self, point: Tensor) -> Tensor:
        """Rado: the k largest entries have at most the sum of the k largest of w, for all k."""
        weights = _weights(point.shape[-1]).to(point)
        excess = (point.sort(dim=-1, descending=True).values - weights).cumsum(-1)
        return _gauge_of(excess.amax(-1), excess[..., -1].abs())

    def _project(self, point: Tensor) -> Tensor:
        return self._each(point, _onto_permutahedron)


class _OfSquares(Region):
    """A region of square matrices."""

    event_dims: ClassVar[int] = 2

    def check_shape(self, shape: Sequence[int]) -> None:
        """Refuse other shapes than square matrices."""
        super().check_shape(shape)
        if shape[-1] != shape[-2]:
            raise InputError(
                f"{self.name} is a region of square matrices; the shape is {tuple(shape)}"
            )


@dataclass(frozen=True)
class BirkhoffPolytope(_OfSquares):
    """Square matrices with nonnegative entries whose rows and columns have the sum r."""

    name: ClassVar[str] = "birkhoff"
    has_gauge: ClassVar[bool] = False
    contains_zero: ClassVar[bool] = False

    def _diameter(self, shape: Sequence[int]) -> float:
        return math.sqrt(2 * shape[-1]) if shape[-1] > 1 else 0.0

    def _vertex(self, direction: Tensor) -> Tensor:
        return self._each(direction, _assignment)

    def _gauge(self, point: Tensor) -> Tensor:
        sums = torch.maximum((point.sum(-1) - 1).abs().amax(-1), (point.sum(-2) - 1).abs().amax(-1))
        return _gauge_of(-point.amin((-2, -1)), sums)

    def _project(self, point: Tensor) -> Tensor:
        if not point.abs().amax() <= LARGEST:
            raise InputError(
                f"birkhoff projects points up to {LARGEST:g} times its radius, "
                f"not {float(point.abs().amax()):.3g}"
            )
        return self._each(point, _onto_doubly_stochastic)


@dataclass(frozen=True)
class Spectraplex(_OfSquares):
    """Symmetric positive semidefinite matrices with trace r.

    Directions and points that are not symmetric count as their symmetric parts.
    """

    name: ClassVar[str] = "spectraplex"
    has_gauge: ClassVar[bool] = False
    contains_zero: ClassVar[bool] = False

    def _diameter(self, shape: Sequence[int]) -> float:
        return math.sqrt(2) if shape[-1] > 1 else 0.0

    def _vertex(self, direction: Tensor) -> Tensor:
        lowest = torch.linalg.eigh(_symmetric(direction)).eigenvectors[..., :1]
        return lowest @ lowest.mT

    def _gauge(self, point: Tensor) -> Tensor:
        values = torch.linalg.eigvalsh(_symmetric(point))
        skew = (point - point.mT).abs().amax((-2, -1)) / 2
        return _gauge_of(torch.maximum(-values[..., 0], skew), (values.sum(-1) - 1).abs())

    def _project(self, point: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(_symmetric(point))
        return (vectors * onto_simplex(values)[..., None, :]) @ vectors.mT


def _gauge_of(*violations: Tensor) -> Tensor:
    """1 for a point of a set without interior, and more by its largest violation."""
    return 1 + torch.stack([*violations, torch.zeros_like(violations[0])]).amax(0)


def _weights(size: int) -> Tensor:
    return torch.arange(size, 0, -1, dtype=torch.float64) / size


def _symmetric(matrix: Tensor) -> Tensor:
    return (matrix + matrix.mT) / 2


def _onto_permutahedron(point: np.ndarray) -> np.ndarray:
    """y less the decreasing function nearest to y - w, both sorted (Lim, Wright 2016).

    Neighbours that are 2 apart are in no common block, so larger gaps count as 2: nothing is lost
    however large a point is.
    """
    order = np.argsort(-point, kind="stable")
    gaps = np.minimum(-np.diff(point[order]), 2.0)
    near = -np.concatenate([np.zeros(1), np.cumsum(gaps)])
    weights = np.arange(len(point), 0, -1) / len(point)
    found = np.empty_like(point)
    found[order] = near - isotonic_regression(near - weights, increasing=False).x
    return found


def _assignment(direction: np.ndarray) -> np.ndarray:
    rows, columns = linear_sum_assignment(direction)
    found = np.zeros_like(direction)
    found[rows, columns] = 1
    return found


def _onto_doubly_stochastic(point: np.ndarray) -> np.ndarray:
    """max(y + u 1' + 1 v', 0) with sums 1, by Newton's method on the dual (Li, Sun, Toh 2020).

    The dual function sum x^2 / 2 - sum u - sum v is convex and piecewise quadratic; its generalized
    Hessian counts the positive entries by row and column.
    """
    size = len(point)
    u, v = np.zeros(size), np.zeros(size)

    def primal(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return np.maximum(point + u[:, None] + v, 0)

    def value(u: np.ndarray, v: np.ndarray) -> float:
        return float((primal(u, v) ** 2).sum() / 2 - u.sum() - v.sum())

    # Begin where every row has a positive entry.
    u -= point.max(axis=1) - 1
    for _ in range(500):
        x = primal(u, v)
        gradient = np.concatenate([x.sum(1) - 1, x.sum(0) - 1])
        if np.abs(gradient).max() <= 1e-13 * size:
            break
        is_positive = (x > 0).astype(float)
        hessian = np.block(
            [
                [np.diag(is_positive.sum(1)), is_positive],
                [is_positive.T, np.diag(is_positive.sum(0))],
            ]
        )
        hessian += np.eye(2 * size) * min(1e-3, np.abs(gradient).max()) * 1e-3
        step = -np.linalg.solve(hessian, gradient)
        length, start, slope = 1.0, value(u, v), float(gradient @ step)
        while value(
            u + length * step[:size], v + length * step[size:]
        ) > start + 1e-4 * length * slope + 1e-15 * abs(start):
            length /= 2
            if length < 1e-12:
                break
        u, v = u + length * step[:size], v + length * step[size:]
    return primal(u, v)
