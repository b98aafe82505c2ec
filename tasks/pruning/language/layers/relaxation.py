"""Masks by relaxation: Frank-Wolfe on the hull of all masks, rounded, with a lower bound.

With the weights as they are the error of a mask m of a row is

    f(m) = (w (1 - m)) G (w (1 - m))',

convex in m.  Where G - diag(d) is positive semidefinite for some d >= 0,

    f(m) = (w (1 - m)) (G - diag(d)) (w (1 - m))' + sum_j d_j w_j^2 (1 - m_j)

for every mask, since (1 - m_j)^2 = 1 - m_j there, and in between the right side is larger and still
convex: it is what is minimized.

The hull of the masks with k ones is {0 <= m <= 1, sum m = k}, for n:m one such set for each group;
its best vertex for a gradient is the mask of the largest entries of -gradient.  At any m of the
hull

    f(m) - max over masks v of <f'(m), m - v>   <=   f(any mask),

so every step gives a lower bound on the error of every mask.  Rows are independent.

The more of the diagonal can be split off, the better the bound.

References
----------
Jaggi, Revisiting Frank-Wolfe, ICML 2013 (the gap).
Roux, Zimmer, d'Aspremont, Pokutta, arXiv:2510.13713 (masks by relaxation and rounding).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.pruning.language.layers.gram import Gram, row_errors
from tasks.pruning.language.layers.patterns import Pattern

__all__ = ["Relaxed", "relaxed_mask", "split_diagonal"]

STEPS = 100
ROUNDS, _SHARE = 3, 0.95


@dataclass(frozen=True, eq=False)
class Relaxed:
    """A mask with what is certain about all masks.

    Attributes
    ----------
    mask : bool Tensor (rows, inputs)
        The best that was seen, the given one included.
    errors, lower_bounds : float64 Tensor (rows,)
        Of the mask, and of every mask of this pattern, row by row.
    """

    mask: Tensor
    errors: Tensor
    lower_bounds: Tensor


def relaxed_mask(
    weight: Tensor, start: Tensor, gram: Gram, pattern: Pattern, *, steps: int = STEPS
) -> Relaxed:
    """Improve a mask that compares weights row by row.

    Parameters
    ----------
    weight : Tensor (rows, inputs)
    start : bool Tensor (rows, inputs)
        A mask of the pattern.
    steps : int
        Of Frank-Wolfe, each a product of all rows with G.
    """
    w = weight.detach().double()
    diagonal = split_diagonal(gram)
    matrix = gram.matrix - torch.diag(diagonal)
    linear = w.square() * diagonal
    point = start.double()
    left = w * (1 - point)
    product = left @ matrix
    best, errors = start, row_errors(w, w * start, gram)
    bounds = torch.zeros_like(errors)
    for step in range(steps):
        slope = w * product + linear / 2  # minus half of the gradient
        vertex = pattern.largest(slope)
        step_to = vertex.double() - point
        gap = 2 * (slope * step_to).sum(dim=1)
        value = (left * product).sum(dim=1) + (linear * (1 - point)).sum(dim=1)
        bounds = torch.maximum(bounds, value - gap)
        moved = -w * step_to
        curved = moved @ matrix
        curvature = (moved * curved).sum(dim=1)
        length = torch.where(
            curvature > 0, gap / (2 * curvature.clamp(min=torch.finfo(gap.dtype).tiny)), 1.0
        ).clamp(0, 1)
        point = point + length[:, None] * step_to
        left = left + length[:, None] * moved
        product = product + length[:, None] * curved
        if step % 10 == 9 or step == steps - 1:
            # Ties of the relaxed mask are settled by the gradient.
            rounded = pattern.largest(point + 1e-9 * torch.tanh(slope))
            found = row_errors(w, w * rounded, gram)
            better = found < errors
            best = torch.where(better[:, None], rounded, best)
            errors = torch.where(better, found, errors)
    return Relaxed(best, errors, torch.minimum(bounds, errors))


def split_diagonal(gram: Gram, *, rounds: int = ROUNDS) -> Tensor:
    """A diagonal d >= 0 (d,) for which G - diag(d) is positive semidefinite.

    By itself an entry could grow by s_j = 1 / ((G - diag(d))^-1)_jj; all together grow by c s with
    the largest c that leaves a semidefinite matrix, a few times.  A singular G leaves nothing.
    """
    matrix = gram.matrix
    size = matrix.diagonal().clamp(min=0).sqrt()
    size = torch.where(size > 0, size, 1.0)
    scaled = matrix / size / size[:, None]
    found = torch.zeros_like(size)
    for _ in range(rounds):
        rest = scaled - torch.diag(found)
        lower, failed = torch.linalg.cholesky_ex(rest)
        if int(failed):
            break
        steps = 1 / torch.cholesky_inverse(lower).diagonal()
        root = steps.sqrt()
        share = float(torch.linalg.eigvalsh(rest / root / root[:, None])[0])
        found = found + _SHARE * max(share, 0.0) * steps
    return found * size.square()
