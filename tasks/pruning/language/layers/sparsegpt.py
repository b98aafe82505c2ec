"""SparseGPT: prune column by column, and move what each column loses onto those behind it.

With U the upper Cholesky factor of the damped H^-1, H = G, columns j = 1..d in blocks of 128:

    saliency of w_ij       (w_ij / U_jj)^2, of the weights as they have become
    where w_ij is pruned   w_i,j: -= (w_ij / U_jj) U_j,j:

Masks are chosen block by block, over all rows or row by row; for n:m whenever a group begins.  An
input that is always zero loses its weights.  The damping is 1 % of the mean diagonal of H, and is
raised tenfold until there is a factor.

References
----------
Frantar and Alistarh, SparseGPT, arXiv:2301.00774, algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.pruning.language.layers.gram import Gram
from tasks.pruning.language.layers.patterns import Pattern
from tasks.records import InputError

__all__ = ["Compensated", "sparsegpt"]

BLOCK = 128
DAMPING, _GROWTH, _MAX_RAISES = 0.01, 10.0, 8


@dataclass(frozen=True, eq=False)
class Compensated:
    """A pruned layer whose other weights make up for the loss.

    Attributes
    ----------
    weight : float64 Tensor (rows, inputs)
    mask : bool Tensor (rows, inputs)
    damping : float
        Share of the mean diagonal that was added.
    """

    weight: Tensor
    mask: Tensor
    damping: float


def sparsegpt(
    weight: Tensor,
    gram: Gram,
    pattern: Pattern,
    *,
    mask: Tensor | None = None,
    by_matrix: bool = True,
    block: int = BLOCK,
) -> Compensated:
    """Choose a mask and compensate; or compensate for a given mask.

    Parameters
    ----------
    weight : Tensor (rows, inputs)
    mask : bool Tensor, optional
        What stays; chosen by default.
    by_matrix : bool
        Compare the weights of a block over all rows, as published, or row by row (no n:m).
    block : int
        Columns in a block.

    Raises
    ------
    InputError
        If no damping gives a factor.
    """
    w = weight.detach().double().clone()
    w[:, gram.is_dead] = 0.0
    upper, damping = _inverse_factor(gram)
    kept = torch.ones_like(w, dtype=torch.bool) if mask is None else mask.clone()
    width, taken = w.shape[1], 0
    block += -block % (pattern.group or 1)
    for first in range(0, width, block):
        end = min(first + block, width)
        if mask is None and not pattern.group:
            wanted = round(pattern.num_kept(width) * end / width)
            kept[:, first:end] = _chosen(
                w[:, first:end], upper[first:end, first:end], wanted - taken, by_matrix=by_matrix
            )
            taken = wanted
        lost = torch.zeros(len(w), end - first, dtype=w.dtype, device=w.device)
        for j in range(first, end):
            if mask is None and pattern.group and j % pattern.group == 0:
                group = slice(j, j + pattern.group)
                scores = (w[:, group] / upper.diagonal()[group]) ** 2
                kept[:, group] = pattern.largest(scores)
            share = torch.where(kept[:, j], 0.0, w[:, j] / upper[j, j])
            w[:, j:end] -= share[:, None] * upper[j, j:end]
            lost[:, j - first] = share
        w[:, end:] -= lost @ upper[first:end, end:]
    return Compensated(w.masked_fill(~kept, 0.0), kept, damping)


def _chosen(part: Tensor, upper: Tensor, count: int, *, by_matrix: bool) -> Tensor:
    """Mask of a block with `count` weights per row, or as many in all."""
    scores = (part / upper.diagonal()) ** 2
    flat = scores.reshape(1, -1) if by_matrix else scores
    number = count * len(part) if by_matrix else count
    order = flat.argsort(dim=1, descending=True, stable=True)[:, :number]
    return torch.zeros_like(flat, dtype=torch.bool).scatter_(1, order, True).view(part.shape)


def _inverse_factor(gram: Gram) -> tuple[Tensor, float]:
    """Upper factor U with U'U = H^-1 of the damped H, and the damping."""
    matrix = gram.matrix.clone()
    diagonal = matrix.diagonal()
    diagonal[gram.is_dead] = 1.0
    mean, damping = float(diagonal.mean()), DAMPING
    for _ in range(_MAX_RAISES):
        damped = matrix + damping * mean * torch.eye(len(matrix), dtype=matrix.dtype)
        lower, failed = torch.linalg.cholesky_ex(damped)
        if not int(failed):
            inverse = torch.cholesky_inverse(lower)
            upper, failed = torch.linalg.cholesky_ex(inverse, upper=True)
            if not int(failed):
                return upper, damping
        damping *= _GROWTH
    raise InputError(f"the Gram matrix has no factor, even with {damping:g} of its mean diagonal")
