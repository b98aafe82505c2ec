"""The best weights for a mask: the exact minimum of the layer's error.

For a row w with kept inputs S the minimum of (w - v) G (w - v)' over v with v = 0 outside S solves

    G_SS v_S = (w G)_S,    that is    G_SS (v - w)_S = ((w - M w) G)_S,

and the second system, for the change of the weights under their mask M, is the one that is solved.
Rows are solved in batches: factors of G_SS in single precision are the preconditioner of conjugate
gradients in double precision, which need a few products of the rows with G.  Where G_SS has no
factor its diagonal is raised until there is one; the system is consistent all the same, and what is
found is a minimum.  Rows that keep more than `FACTOR_WIDTH` inputs take the diagonal of G in place
of factors.

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
from tasks.pruning.language.layers.preconditioners import (
    FACTOR_WIDTH,
    Factors,
    ScaledGram,
    batches_of,
)

__all__ = ["Solution", "best_weights"]

TOLERANCE = 1e-7
"""Of the gradient on the kept weights, over |(w G)_S|."""
MAX_STEPS = 200
_REFRESH = 20


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
    factor_width: int = FACTOR_WIDTH,
) -> Solution:
    """Weights outside of whose mask everything is zero, and that give the least error.

    Where several do, for fewer tokens than inputs say, they are near the weights as they were: what
    is solved for is their change.

    Parameters
    ----------
    weight : Tensor (rows, inputs)
    mask : bool Tensor (rows, inputs)
    gram : Gram
        Of the inputs.
    tolerance, max_steps : float, int
        When the iteration ends.
    factor_width : int
        Rows that keep more inputs are solved without factors.
    """
    scaled, weight = ScaledGram.of(gram.matrix), weight.detach().double()
    found = weight.masked_fill(~mask, 0.0)
    wanted = ((weight - found) @ gram.matrix).masked_fill_(~mask, 0.0)
    scale = (weight @ gram.matrix).masked_fill_(~mask, 0.0).norm(dim=1)
    residual, steps, num_raised = 0.0, 0, 0
    for rows in batches_of(mask, factor_width):
        factors = scaled.factors(mask[rows], factor_width)
        start = _Start(wanted[rows], ~mask[rows], scale[rows])
        part = _iterated(start, gram, factors, tolerance, max_steps)
        found[rows] += part.weight
        residual, steps = max(residual, part.residual), max(steps, part.steps)
        num_raised += part.num_raised
    return Solution(found, residual, steps, num_raised)


@dataclass(frozen=True, eq=False)
class _Start:
    """Right-hand sides of some rows, what is zero in them, and what gradients are relative to."""

    wanted: Tensor
    gone: Tensor
    scale: Tensor


def _iterated(
    start: _Start, gram: Gram, factors: Factors, tolerance: float, max_steps: int
) -> Solution:
    """Conjugate gradients on some rows, which keep their iterate of the least gradient."""
    wanted, gone = start.wanted, start.gone
    matrix, found, residual = gram.matrix, factors.solve(wanted), wanted
    scale = start.scale.clamp(min=torch.finfo(torch.float64).tiny)
    best, least = found, torch.full_like(scale, torch.inf)
    direction, energy, steps = torch.zeros_like(wanted), None, 0
    for steps in range(max_steps + 1):
        if steps % _REFRESH == 0:  # sums of updates lose digits
            residual = wanted - (found @ matrix).masked_fill_(gone, 0.0)
        sizes = residual.norm(dim=1) / scale
        better = sizes < least
        best = torch.where(better[:, None], found, best)
        least = torch.where(better, sizes, least)
        if steps == max_steps or not bool((least > tolerance).any()):
            break
        preconditioned = factors.solve(residual)
        product = (residual * preconditioned).sum(dim=1)
        share = torch.zeros_like(product) if energy is None else _ratio(product, energy)
        direction = preconditioned + share[:, None] * direction
        curved = (direction @ matrix).masked_fill_(gone, 0.0)
        length = _ratio(product, (direction * curved).sum(dim=1))
        found = found + length[:, None] * direction
        residual = residual - length[:, None] * curved
        energy = product
    return Solution(best, float(least.max()), steps, factors.num_raised)


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    """0 where nothing is left to divide by."""
    return torch.where(below > 0, above / below.clamp(min=torch.finfo(below.dtype).tiny), 0.0)
