"""Leading singular subspaces of stacks of matrices, followed from step to step.

One round of block power iteration (orthogonal iteration) for X (..., m, n) with m <= n costs two
products with X:

    Y = X W,  Q R = Y  (m, b),  C = Q' X  (b, n),  rotate Q and C to the singular vectors of C.

Q Q' X is then nearly the best approximation of X of rank b.  The next matrix of a training has
nearly the same leading singular vectors, so the rows of C are the next W and one round is enough.
A start may be orthogonal to a vector that has just become the leading one, and no round could find
it: one column more than is wanted is drawn at random in every round.  Vertices made of
the result are feasible however good it is: a late answer costs value only.

References
----------
Halko, Martinsson, Tropp, arXiv:0909.4061, algorithm 4.4 (one pass of subspace iteration).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Leading:
    """Leading singular vectors: X is near left @ rows.

    Attributes
    ----------
    left : Tensor (..., m, k)
        Left singular vectors, orthonormal columns.
    rows : Tensor (..., k, n)
        left' X: right singular vectors times singular values, in decreasing order.
    """

    left: Tensor
    rows: Tensor

    @property
    def start(self) -> Tensor:
        """(..., n, k), from which the next round starts."""
        return self.rows.mT


def leading(matrices: Tensor, start: Tensor, extra: Tensor, rounds: int = 1) -> Leading:
    """Leading singular vectors, after some rounds.

    Parameters
    ----------
    matrices : Tensor (..., m, n)
        float32 or float64, entries of size about 1.
    start : Tensor (..., n, k)
        `Leading.start` of similar matrices, or random; k <= min(m, n).
    extra : Tensor (..., n, e)
        Random columns.
    rounds : int
        At least 1.
    """
    rank = start.shape[-1]
    columns = torch.cat([start, extra], dim=-1)[..., : min(matrices.shape[-2:])]
    basis = torch.linalg.qr(matrices @ columns).Q
    for _ in range(rounds - 1):
        basis = torch.linalg.qr(matrices @ (matrices.mT @ basis)).Q
    rows = basis.mT @ matrices
    # The left singular vectors of C (b, n), from its small Gram matrix (b, b).
    turn = torch.linalg.eigh(rows @ rows.mT).eigenvectors.flip(-1)[..., :rank]
    return Leading(basis @ turn, turn.mT @ rows)
