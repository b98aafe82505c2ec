"""Leading singular subspaces of stacks of matrices, followed from step to step.

One round of block power iteration (orthogonal iteration) for X (..., m, n) costs two products:

    Y = X W',  Q R = Y  (m, b),  C = Q' X  (b, n),  turn Q and C to the singular vectors of C.

Q C is then nearly the best approximation of X of rank b.  The next matrix of a training has nearly
the same leading singular vectors, so the rows of C are the next W and one round is enough.  A start
may be orthogonal to a vector that has just become the leading one, and no round could find it: one
row more than is wanted is drawn at random in every round.  Vertices made of the result are feasible
however good it is: a late answer costs value only.

Matrices of any size are read as they are; the small factors are scaled instead.

References
----------
Halko, Martinsson, Tropp, arXiv:0909.4061, algorithm 4.4 (one pass of subspace iteration).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

FEW = 3
"""Up to so many rows are multiplied one by one on the CPU, where that is several times as fast."""


@dataclass(frozen=True)
class Leading:
    """Leading singular vectors: X is near left @ rows, times the largest entry of X.

    Attributes
    ----------
    left : Tensor (..., m, k)
        Left singular vectors, orthonormal columns.
    rows : Tensor (..., k, n)
        left' X over its largest entry: right singular vectors times singular values, in decreasing
        order; the next round starts from them.
    """

    left: Tensor
    rows: Tensor


def leading(matrices: Tensor, start: Tensor, extra: Tensor, rounds: int = 1) -> Leading:
    """Leading singular vectors, after some rounds.

    Parameters
    ----------
    matrices : Tensor (..., m, n)
        float32 or float64.
    start : Tensor (..., k, n)
        `Leading.rows` of similar matrices, or random; k <= min(m, n).
    extra : Tensor (..., e, n)
        Random rows.
    rounds : int
        At least 1.
    """
    rank = start.shape[-2]
    # Without a copy of the magnitudes.
    ends = (-2, -1)
    size = torch.maximum(matrices.amax(ends, keepdim=True), -matrices.amin(ends, keepdim=True))
    # Denormals count as 0: their inverse might be infinite.
    tiny = torch.finfo(size.dtype).tiny
    scale = torch.where(size > tiny, 1 / size.clamp(min=tiny), torch.zeros_like(size))
    rows = torch.cat([start, extra], dim=-2)[..., : min(matrices.shape[-2:]), :]
    basis, rows = _round(matrices, rows, scale)
    for _ in range(rounds - 1):
        basis, rows = _round(matrices, rows, scale)
    # The left singular vectors of C (b, n), from its small Gram matrix (b, b).
    turn = torch.linalg.eigh(rows @ rows.mT).eigenvectors.flip(-1)[..., :rank]
    return Leading(basis @ turn, turn.mT @ rows)


def _round(matrices: Tensor, rows: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    basis = torch.linalg.qr(_times(rows * scale, matrices.mT).mT).Q
    return basis, _times(basis.mT * scale, matrices)


def inner(left: Tensor, right: Tensor, matrices: Tensor) -> Tensor:
    """<left right, X> (...) for left (..., m, k) and right (..., k, n)."""
    return (_times(left.mT, matrices) * right).sum((-2, -1))


def _times(rows: Tensor, matrices: Tensor) -> Tensor:
    """W X for W (..., b, m)."""
    if rows.device.type != "cpu" or rows.shape[-2] > FEW or matrices.dim() > 2 or rows.dim() > 2:
        return rows @ matrices
    return torch.stack([matrices.mT @ row for row in rows])
