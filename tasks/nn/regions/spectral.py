"""Regions of matrices that depend on the singular values alone.

With s the singular values of X, in decreasing order, each is a region of vectors applied to s:

    nuclear              l1          sum s_i <= r, vertices r u v' of rank 1
    spectral             linf        s_1 <= r, vertices r U V', the polar factors (Muon's steps)
    spectral_k_sparse    k_sparse    s_1 <= r and sum s_i <= k r
    spectral_k_support   k_support   the hull of matrices of rank <= k with Frobenius norm <= r

von Neumann's trace inequality: the vertex for G = U diag(s) V' is U diag(v(s)) V' with v the vertex
for s, and support, gauge and projection are those of s (Lewis 1995).

Matrices are the last two dimensions (m, n) of a tensor.  Everything here is exact, from a singular
value decomposition; `gpu.polar` and `gpu.power` have the iterations that the optimizer uses.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from tasks.nn.regions.norm_balls import L1Ball, LinfBall
from tasks.nn.regions.region import Region
from tasks.nn.regions.sparse_norms import KSparsePolytope, KSupportNormBall, WithCount


class _OfSingularValues(Region):
    """A region of vectors, applied to singular values."""

    event_dims: ClassVar[int] = 2

    @abstractmethod
    def _of_values(self) -> Region:
        """The region of vectors, of radius 1."""

    def _diameter(self, shape: Sequence[int]) -> float:
        return self._of_values().diameter([min(shape[-2:])])

    def _vertex(self, direction: Tensor) -> Tensor:
        left, values, right = torch.linalg.svd(direction, full_matrices=False)
        return (left * self._of_values().extreme_point(values)[..., None, :]) @ right

    def _support(self, direction: Tensor) -> Tensor:
        return self._of_values().support(torch.linalg.svdvals(direction))

    def _gauge(self, point: Tensor) -> Tensor:
        return self._of_values().gauge(torch.linalg.svdvals(point))

    def _project(self, point: Tensor) -> Tensor:
        left, values, right = torch.linalg.svd(point, full_matrices=False)
        return (left * self._of_values().project(values)[..., None, :]) @ right


@dataclass(frozen=True)
class NuclearNormBall(_OfSingularValues):
    """Matrices whose singular values have at most the sum r: a convex form of low rank."""

    name: ClassVar[str] = "nuclear"

    def _of_values(self) -> Region:
        return L1Ball()


@dataclass(frozen=True)
class SpectralNormBall(_OfSingularValues):
    """Matrices that lengthen no vector by more than r."""

    name: ClassVar[str] = "spectral"

    def _of_values(self) -> Region:
        return LinfBall()


class _OfManyValues(_OfSingularValues, WithCount):
    def _num_entries(self, shape: Sequence[int]) -> int:
        return min(shape[-2:])


@dataclass(frozen=True)
class SpectralKSparsePolytope(_OfManyValues):
    """The spectral ball of radius r within the nuclear ball of radius k r."""

    name: ClassVar[str] = "spectral_k_sparse"

    def _of_values(self) -> Region:
        return KSparsePolytope(k=self.k)


@dataclass(frozen=True)
class SpectralKSupportNormBall(_OfManyValues):
    """The hull of the matrices of rank at most k and Frobenius norm at most r."""

    name: ClassVar[str] = "spectral_k_support"

    def _of_values(self) -> Region:
        return KSupportNormBall(k=self.k)
