"""Approximate inverses of G_SS for the kept inputs S of some rows, in single precision.

G is scaled to diagonal 1 before.  On the CPU rows are factored one after another in the cache
(`gpu.row_factors`), elsewhere in batches of squares padded with the identity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from gpu.row_factors import RowFactors, factor_rows

__all__ = ["FACTOR_WIDTH", "Factors", "ScaledGram", "batches_of"]

FACTOR_WIDTH = 8192
_BATCH_BYTES = {"cpu": 2**24, "cuda": 2**31}
"""Of the factors at a time."""
JITTER, GROWTH, MAX_RAISES = 1e-6, 10.0, 8


class Factors(Protocol):
    """An approximate inverse for each of some rows.

    Attributes
    ----------
    num_raised : int
        Rows whose diagonal had to be raised further than that of all.
    """

    @property
    def num_raised(self) -> int:
        """As above."""
        ...

    def solve(self, right: Tensor) -> Tensor:
        """For float64 right-hand sides (rows, d) that are zero outside of S; so is the result."""
        ...


def batches_of(mask: Tensor, factor_width: int = FACTOR_WIDTH) -> Iterator[Tensor]:
    """Rows whose factors are in memory together, those that keep as many inputs side by side."""
    counts = mask.sum(dim=1)
    order = counts.argsort(stable=True)
    width = max(int(counts.max()) if len(counts) else 0, 1)
    width = width if width <= factor_width else 1
    limit = _BATCH_BYTES.get(mask.device.type, _BATCH_BYTES["cpu"])
    yield from order.split(max(limit // (4 * width * width), 1)) if len(order) else ()


@dataclass(frozen=True, eq=False)
class ScaledGram:
    """G with diagonal 1 in single precision; where an input is always zero 1, too.

    Attributes
    ----------
    matrix : float32 Tensor (d, d)
    scale : float64 Tensor (d,)
        Square roots of the diagonal of G.
    """

    matrix: Tensor
    scale: Tensor

    @classmethod
    def of(cls, matrix: Tensor) -> ScaledGram:
        """Of a Gram matrix (d, d)."""
        scale = matrix.diagonal().clamp(min=0).sqrt()
        scale = torch.where(scale > 0, scale, 1.0)
        scaled = (matrix / scale / scale[:, None]).float()
        scaled.diagonal().fill_(1.0)
        return cls(scaled, scale)

    def factors(self, mask: Tensor, factor_width: int = FACTOR_WIDTH) -> Factors:
        """For the rows of a mask (rows, d)."""
        if int(mask.sum(dim=1).max()) > factor_width:
            return _Diagonal(self.scale)
        if mask.device.type == "cpu":
            found = factor_rows(
                self.matrix.numpy(), mask.numpy(), jitter=JITTER, growth=GROWTH,
                max_raises=MAX_RAISES,
            )  # fmt: skip
            return _OneByOne(self.scale, found)
        return BatchFactors.of(self, mask)


@dataclass(frozen=True, eq=False)
class _Diagonal:
    scale: Tensor
    num_raised: int = 0

    def solve(self, right: Tensor) -> Tensor:
        return right / self.scale.square()


@dataclass(frozen=True, eq=False)
class _OneByOne:
    scale: Tensor
    factors: RowFactors

    @property
    def num_raised(self) -> int:
        return self.factors.num_raised

    def solve(self, right: Tensor) -> Tensor:
        return torch.from_numpy(self.factors.solve((right / self.scale).numpy())) / self.scale


@dataclass(frozen=True, eq=False)
class BatchFactors:
    """Factors of all rows in one tensor.

    Attributes
    ----------
    scale : float64 Tensor (d,)
    places, is_used : int64 and bool Tensor (rows, width)
        S, padded, and what is not padding.
    lower : float32 Tensor (rows, width, width)
    num_raised : int
    """

    scale: Tensor
    places: Tensor
    is_used: Tensor
    lower: Tensor = field(repr=False)
    num_raised: int

    @classmethod
    def of(cls, gram: ScaledGram, mask: Tensor) -> BatchFactors:
        """For the rows of a mask (rows, d)."""
        places, is_used = _places(mask)
        blocks = gram.matrix[places[:, :, None], places[:, None, :]]
        blocks *= is_used[:, :, None] & is_used[:, None, :]
        diagonal = blocks.diagonal(dim1=1, dim2=2)
        diagonal[~is_used] = 1.0
        diagonal += JITTER
        lower, info = torch.linalg.cholesky_ex(blocks)
        num_raised, jitter = int((info > 0).sum()), JITTER
        for _ in range(MAX_RAISES):
            failed = info > 0
            if not bool(failed.any()):
                break
            jitter *= GROWTH
            raised = blocks[failed]
            raised.diagonal(dim1=1, dim2=2).add_(jitter)
            lower[failed], info[failed] = torch.linalg.cholesky_ex(raised)
        return cls(gram.scale, places, is_used, lower, num_raised)

    def solve(self, right: Tensor) -> Tensor:
        """For right-hand sides (rows, d), each scaled to length 1 before."""
        sides = (right / self.scale).gather(1, self.places) * self.is_used
        sizes = sides.norm(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)
        solved = torch.cholesky_solve((sides / sizes).float()[:, :, None], self.lower)[:, :, 0]
        values = torch.where(self.is_used, solved * sizes, 0.0)
        return torch.zeros_like(right).scatter_add_(1, self.places, values) / self.scale


def _places(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Kept inputs of each row, padded with input 0, and which of them are not padding."""
    counts = mask.sum(dim=1)
    width = max(int(counts.max()), 1)
    order = (~mask).to(torch.int8).argsort(dim=1, stable=True)[:, :width]
    is_used = torch.arange(width, device=mask.device) < counts[:, None]
    return order.masked_fill(~is_used, 0), is_used
