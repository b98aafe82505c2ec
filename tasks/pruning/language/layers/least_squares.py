"""The best weights for a mask: the exact minimum of the layer's error.

For a row w with kept inputs S the minimum of (w - v) G (w - v)' over v with v = 0 outside S solves

    G_SS v_S = (w G)_S.

All rows are solved at once: factors of G_SS in single precision, batch by batch, are the
preconditioner of conjugate gradients in double precision, which need a few products of all rows
with G.  Where G_SS has no factor its diagonal is raised until there is one; the system is
consistent all the same, and what is found is a minimum.

References
----------
Frantar and Alistarh, SparseGPT, arXiv:2301.00774, section 3.2 (exact reconstruction of a row, which
they find too expensive and approximate).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.pruning.language.layers.gram import Gram

__all__ = ["Solution", "best_weights"]

TOLERANCE = 1e-7
"""Of the gradient on the kept weights, over |(w G)_S|."""
MAX_STEPS = 200
_BATCH_BYTES = 2**27
_JITTER, _GROWTH, _MAX_RAISES = 1e-6, 10.0, 8


@dataclass(frozen=True, eq=False)
class Solution:
    """Weights for a mask.

    Attributes
    ----------
    weight : float64 Tensor (rows, inputs)
        Zero outside the mask.
    residual : float
        Largest relative gradient on the kept weights, over the rows.
    steps : int
        Of conjugate gradients.
    num_raised : int
        Rows whose factor needed a larger diagonal.
    """

    weight: Tensor
    residual: float
    steps: int
    num_raised: int


def best_weights(
    weight: Tensor,
    mask: Tensor,
    gram: Gram,
    *,
    tolerance: float = TOLERANCE,
    max_steps: int = MAX_STEPS,
) -> Solution:
    """Weights outside of whose mask everything is zero, and that give the least error.

    Parameters
    ----------
    weight : Tensor (rows, inputs)
    mask : bool Tensor (rows, inputs)
    gram : Gram
        Of the inputs.
    tolerance, max_steps : float, int
        When the iteration ends.
    """
    matrix = gram.matrix
    wanted = (weight.detach().double() @ matrix).masked_fill(~mask, 0.0)
    factors = _Factors(matrix, mask)
    found, residual = factors.solve(wanted), torch.zeros_like(wanted)
    scale = wanted.norm(dim=1).clamp(min=torch.finfo(torch.float64).tiny)
    direction, energy, steps, largest = residual, None, 0, 0.0
    best, least = found, torch.full_like(scale, torch.inf)
    for steps in range(max_steps + 1):
        if steps % 20 == 0:  # sums of updates lose digits
            residual = wanted - (found @ matrix).masked_fill(~mask, 0.0)
        sizes = residual.norm(dim=1) / scale
        better = sizes < least
        best = torch.where(better[:, None], found, best)
        least = torch.where(better, sizes, least)
        largest = float(least.max()) if len(least) else 0.0
        if largest <= tolerance or steps == max_steps:
            break
        preconditioned = factors.solve(residual)
        product = (residual * preconditioned).sum(dim=1)
        share = torch.zeros_like(product) if energy is None else _ratio(product, energy)
        direction = preconditioned + share[:, None] * direction
        curved = (direction @ matrix).masked_fill(~mask, 0.0)
        length = _ratio(product, (direction * curved).sum(dim=1))
        found = found + length[:, None] * direction
        residual = residual - length[:, None] * curved
        energy = product
    return Solution(best, largest, steps, factors.num_raised)


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    """0 where nothing is left to divide by."""
    return torch.where(below > 0, above / below.clamp(min=torch.finfo(below.dtype).tiny), 0.0)


class _Factors:
    """Cholesky factors of G_SS of all rows, in single precision, scaled to diagonal 1."""

    def __init__(self, matrix: Tensor, mask: Tensor) -> None:
        self.scale = matrix.diagonal().clamp(min=0).sqrt()
        self.scale = torch.where(self.scale > 0, self.scale, 1.0)
        scaled = (matrix / self.scale / self.scale[:, None]).float()
        scaled.diagonal().fill_(1.0)
        self.num_raised = 0
        counts = mask.sum(dim=1)
        order = counts.argsort()
        width = max(int(counts.max()) if len(counts) else 0, 1)
        self.parts: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        for rows in order.split(max(_BATCH_BYTES // (4 * width * width), 1)):
            places, is_used = _places(mask[rows])
            self.parts.append((rows, places, is_used, self._factor(scaled, places, is_used)))

    def _factor(self, scaled: Tensor, places: Tensor, is_used: Tensor) -> Tensor:
        blocks = scaled[places[:, :, None], places[:, None, :]]
        blocks *= is_used[:, :, None] & is_used[:, None, :]
        diagonal = blocks.diagonal(dim1=1, dim2=2)
        diagonal[~is_used] = 1.0
        diagonal += _JITTER
        factor, info = torch.linalg.cholesky_ex(blocks)
        jitter = _JITTER
        for _ in range(_MAX_RAISES):
            failed = info > 0
            if not bool(failed.any()):
                break
            self.num_raised += int(failed.sum()) if jitter == _JITTER else 0
            jitter *= _GROWTH
            raised = blocks[failed]
            raised.diagonal(dim1=1, dim2=2).add_(jitter)
            factor[failed], info[failed] = torch.linalg.cholesky_ex(raised)
        return factor

    def solve(self, right: Tensor) -> Tensor:
        """Approximate solutions for right-hand sides (rows, inputs) that are zero off the mask."""
        found = torch.zeros_like(right)
        for rows, places, is_used, factor in self.parts:
            sides = (right[rows] / self.scale).gather(1, places).float() * is_used
            sizes = sides.norm(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
            solved = torch.cholesky_solve((sides / sizes)[:, :, None], factor)[:, :, 0]
            values = torch.where(is_used, (solved * sizes).double(), 0.0)
            part = torch.zeros_like(right[rows]).scatter_add_(1, places, values)
            found[rows] = part / self.scale
        return found


def _places(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Kept inputs of each row, padded with input 0, and which of them are not padding."""
    counts = mask.sum(dim=1)
    width = max(int(counts.max()), 1)
    order = (~mask).to(torch.int8).argsort(dim=1, stable=True)[:, :width]
    is_used = torch.arange(width, device=mask.device) < counts[:, None]
    return order.masked_fill(~is_used, 0), is_used
