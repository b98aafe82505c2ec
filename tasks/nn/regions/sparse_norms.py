"""Regions whose vertices have few entries, or few groups.

With |x|_(k) the sum of the k largest magnitudes (vector k-norm) and |x|_[k] the Euclidean norm of
the k largest:

    k_sparse           {x : max |x_i| <= r, sum |x_i| <= k r}, vertices with k entries ±r
    k_norm             {x : |x|_(k) <= r}, the hull of the l1 ball of radius r and the cube of r / k
    k_support          the hull of {x : at most k entries, |x|_2 <= r}; its dual norm is |.|_[k]
    group_k_support    the same for the norms of the rows of a matrix (groups of weights)

k = 1 of k_sparse, k_norm and k_support is linf or l1 (k_norm), and k = n the other or l2.

References
----------
arXiv:2010.07243, section 2; Argyriou, Foygel, Srebro, arXiv:1204.5043, Proposition 2.1 (k-support
norm); McDonald, Pontil, Stamos, arXiv:1512.08204 (its form as a minimum, used for projections).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from gpu.largest import largest_entries
from tasks.nn.regions.norm_balls import first_vector
from tasks.nn.regions.region import Region, check_count, scaled_norm, signs
from tasks.nn.regions.thresholds import Ranked, onto_capped_ball, root

NOTHING = 1e-60
"""Relative sizes that change no digit of a result."""


@dataclass(frozen=True)
class WithCount(Region):
    """A region with a number k of entries, 1 <= k <= n.

    Attributes
    ----------
    k : int
    """

    k: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count(f"k of {self.name}", self.k)

    def check_shape(self, shape: Sequence[int]) -> None:
        """Refuse shapes on which this is not defined, or of fewer than k entries."""
        super().check_shape(shape)
        check_count(f"k of {self.name}", self.k, self._num_entries(shape))

    def _num_entries(self, shape: Sequence[int]) -> int:
        """What k counts."""
        return shape[-1]


@dataclass(frozen=True)
class KSparsePolytope(WithCount):
    """The l1 ball of radius k r within the cube of radius r."""

    name: ClassVar[str] = "k_sparse"

    def _diameter(self, shape: Sequence[int]) -> float:
        return 2 * math.sqrt(self.k)

    def _vertex(self, direction: Tensor) -> Tensor:
        return torch.where(largest_entries(direction, self.k), -signs(direction), 0.0)

    def _support(self, direction: Tensor) -> Tensor:
        return sum_of_largest(direction, self.k)

    def _gauge(self, point: Tensor) -> Tensor:
        return torch.maximum(point.abs().amax(-1), point.abs().sum(-1) / self.k)

    def _project(self, point: Tensor) -> Tensor:
        return self._each(
            point, lambda y: np.copysign(onto_capped_ball(np.abs(y), float(self.k)), y)
        )


@dataclass(frozen=True)
class KNormBall(WithCount):
    """The hull of the l1 ball of radius r and the cube of radius r / k."""

    name: ClassVar[str] = "k_norm"

    def _diameter(self, shape: Sequence[int]) -> float:
        return 2 * max(1.0, math.sqrt(shape[-1]) / self.k)

    def _vertex(self, direction: Tensor) -> Tensor:
        largest = direction.abs().argmax(-1, keepdim=True)
        single = torch.zeros_like(direction)
        single.scatter_(-1, largest, -signs(direction.gather(-1, largest)))
        is_single = direction.abs().sum(-1, keepdim=True) <= self.k
        return torch.where(is_single, single, -signs(direction) / self.k)

    def _support(self, direction: Tensor) -> Tensor:
        return torch.maximum(direction.abs().amax(-1), direction.abs().sum(-1) / self.k)

    def _gauge(self, point: Tensor) -> Tensor:
        return sum_of_largest(point, self.k)

    def _project(self, point: Tensor) -> Tensor:
        return self._each(point, self._nearest)

    def _nearest(self, point: np.ndarray) -> np.ndarray:
        return np.copysign(onto_k_norm_ball(np.abs(point), self.k), point)


@dataclass(frozen=True)
class KSupportNormBall(WithCount):
    """The hull of all vectors with at most k entries and Euclidean norm at most r."""

    name: ClassVar[str] = "k_support"

    def _diameter(self, shape: Sequence[int]) -> float:
        return 2.0

    def _vertex(self, direction: Tensor) -> Tensor:
        kept = torch.where(largest_entries(direction, self.k), direction, 0.0)
        length = kept.norm(dim=-1, keepdim=True)
        return torch.where(length > 0, -kept / length, first_vector(direction))

    def _support(self, direction: Tensor) -> Tensor:
        return norm_of_largest(direction, self.k)

    def _gauge(self, point: Tensor) -> Tensor:
        return k_support_norm(point, self.k)

    def _project(self, point: Tensor) -> Tensor:
        return self._each(point, self._nearest)

    def _nearest(self, point: np.ndarray) -> np.ndarray:
        return np.copysign(onto_k_support_ball(np.abs(point), self.k), point)


@dataclass(frozen=True)
class GroupKSupportNormBall(WithCount):
    """The k-support ball of the norms of groups, the rows of (groups, entries): whole filters."""

    name: ClassVar[str] = "group_k_support"
    event_dims: ClassVar[int] = 2

    def _num_entries(self, shape: Sequence[int]) -> int:
        return shape[-2]

    def _diameter(self, shape: Sequence[int]) -> float:
        return 2.0

    def _vertex(self, direction: Tensor) -> Tensor:
        norms = scaled_norm(direction, 2)
        kept = torch.where(largest_entries(norms, self.k)[..., None], direction, 0.0)
        flat = kept.flatten(-2)
        length = flat.norm(dim=-1, keepdim=True)
        found = torch.where(length > 0, -flat / length, first_vector(flat))
        return found.reshape(direction.shape)

    def _support(self, direction: Tensor) -> Tensor:
        return norm_of_largest(scaled_norm(direction, 2), self.k)

    def _gauge(self, point: Tensor) -> Tensor:
        return k_support_norm(scaled_norm(point, 2), self.k)

    def _project(self, point: Tensor) -> Tensor:
        return self._each(point, self._nearest)

    def _nearest(self, point: np.ndarray) -> np.ndarray:
        norms = scaled_norm(torch.from_numpy(point), 2).numpy()
        nearest = onto_k_support_ball(norms, self.k)
        return point * np.divide(nearest, norms, out=np.zeros_like(norms), where=norms > 0)[:, None]


def sum_of_largest(values: Tensor, count: int) -> Tensor:
    """Sum (...) of the `count` largest magnitudes of (..., n)."""
    return values.abs().topk(count, dim=-1).values.sum(-1)


def norm_of_largest(values: Tensor, count: int) -> Tensor:
    """Euclidean norm (...) of the `count` largest magnitudes of (..., n)."""
    return scaled_norm(values.abs().topk(count, dim=-1).values, 2)


def k_support_norm(values: Tensor, count: int) -> Tensor:
    """k-support norms (...) of (..., n), in float64.

    With z sorted downwards and T_l = sum of z_i over i >= k - l,

        |z|^2 = min over l in 0..k-1 with T_l / (l + 1) >= z_(k-l) of
                sum of z_i^2 over i < k - l, plus T_l^2 / (l + 1):

    each such l is a feasible point of the minimum over eta that defines the norm, the l of
    Proposition 2.1 is one of them, and l = 0 always is, so that rounding finds no empty set.
    """
    size = values.abs().amax(-1, keepdim=True)
    z = (values.abs() / torch.where(size > 0, size, torch.ones_like(size))).double()
    z = z.sort(dim=-1, descending=True).values
    first = z[..., :count]
    # Column j is l = k - 1 - j: tails from j on, heads before j.
    tails = z[..., count:].sum(-1, keepdim=True) + first.flip(-1).cumsum(-1).flip(-1)
    heads = first.square().cumsum(-1) - first.square()
    lengths = torch.arange(count, 0, -1, device=z.device, dtype=z.dtype)
    squares = heads.clamp(min=0) + tails.square() / lengths
    is_feasible = tails / lengths >= first
    is_feasible[..., -1] = True
    found = torch.where(is_feasible, squares, torch.full_like(squares, torch.inf)).amin(-1)
    return found.sqrt() * size[..., 0]


def onto_k_norm_ball(magnitudes: np.ndarray, count: int) -> np.ndarray:
    """Nearest point of {sum of the k largest <= 1} to magnitudes (n,).

    y - z, with z the nearest point to y of m {|z|_inf <= 1, |z|_1 <= k} (Moreau), has entries
    max(min(y_i, c), y_i - m), where c > 0 only if |z|_1 = k m.  With y_1 the largest entry and
    p = y_1 - m everything is said by gaps y_1 - y_i: however large y is, the result is the nearest
    point to one that differs from y by rounding.
    """
    values = np.sort(magnitudes)[::-1]
    top, tail = values[:count], values[count:]
    if top.sum() <= 1:
        return magnitudes
    gaps = top[0] - top
    ranked = Ranked(tail, len(tail) - 1) if len(tail) else None

    def excess(p: float, c: float) -> float:
        """k m - |z|_1, increasing in c."""
        cap = top[0] - p
        rest = ranked.capped(c - ranked.origin, cap) if ranked else 0.0
        return float(np.clip(gaps - p + c, 0, cap).sum()) - rest

    def level(p: float) -> float:
        """The least c >= 0 with |z|_1 <= k m."""
        return 0.0 if excess(p, 0.0) >= 0 else root(lambda c: excess(p, c), 0.0, float(top[0]))

    even = root(lambda c: float(np.minimum(top, c).sum()) - 1, 0.0, 1.0)
    if excess(even, even) <= 0:
        return np.minimum(magnitudes, even)

    def size(p: float) -> float:
        return float(np.maximum(np.minimum(top, level(p)), p - gaps).sum())

    p = root(lambda p: size(p) - 1, 0.0, min(1.0, float(top[0])))
    return np.maximum(np.minimum(magnitudes, level(p)), magnitudes - top[0] + p)


def onto_k_support_ball(magnitudes: np.ndarray, count: int) -> np.ndarray:
    """Nearest point of the unit ball of the k-support norm to magnitudes (n,).

    x_i = y_i q_i / (q_i + t) with q_i = clip(y_i - t, 0, w), where the threshold t >= 0 makes
    sum q_i = k w, and w makes the norm 1: sum x_i^2 w / q_i = 1.  (McDonald et al., with the
    multiplier t / w.)
    """
    largest = float(magnitudes.max())
    if not largest:
        return magnitudes
    # Beside the largest entry these are zeros, and a point farther away has the same nearest one.
    y = magnitudes / largest
    y = np.where(y < NOTHING, 0.0, y)
    norm = float(k_support_norm(torch.from_numpy(y), count))
    if norm * largest <= 1:
        return magnitudes
    if np.count_nonzero(y) <= count:
        return y / norm
    ranked = Ranked(y, count - 1)
    squares = np.concatenate([np.zeros(1), np.cumsum(np.sort(y)[::-1] ** 2)])
    highest, radius = ranked.origin, max(1 / largest, NOTHING)

    def threshold(w: float) -> float:
        """t - y_k, in [-min(w, y_k), 0]."""
        return root(lambda t: ranked.capped(t, w) - count * w, -min(w, highest), 0.0)

    def excess(logarithm: float) -> float:
        """Of the norm over the radius, as a logarithm."""
        w = math.exp(logarithm)
        below = threshold(w)
        full = ranked.number_above(below + w)
        # Entries with q = w give (y w / (w + t))^2 each, the others w q.
        rest = ranked.capped(below, w) / w - full
        inside = squares[full] / (w + highest + below) ** 2 + rest
        return logarithm + math.log(inside) / 2 - math.log(radius)

    lowest = math.log(radius) + math.log(highest / math.sqrt(2 * len(y))) - 1
    w = math.exp(root(excess, lowest, math.log(y.sum())))
    below = threshold(w)
    q = np.clip(y - highest - below, 0, w)
    whole = q + (highest + below)
    found = y / radius * np.divide(q, whole, out=np.zeros_like(q), where=whole > 0)
    return found / float(k_support_norm(torch.from_numpy(found), count))
