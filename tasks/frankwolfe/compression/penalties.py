"""Penalties that favor few filters or low ranks, and the proximal step of the latter.

For the weights W of hidden layers, of a convolution as matrices c_out x (c_in kh kw), one for each
group of channels:

    group norms      lambda sum_W sum_i |row i of W|               (SSL, arXiv:1608.03665)
    nuclear norms    lambda sum_W |W|_*                            (arXiv:2205.11921, "NUC")
    proximal step    W <- U max(S - rate lambda, 0) V^T            (the same, "NUC+"; it minimizes
                     rate lambda |X|_* + |X - W|^2 / 2 over X)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from tasks.nn.training import Found, Loss

__all__ = ["group_norms", "nuclear_norms", "penalized", "shrink_singular_values"]

Matrices = Callable[[], Sequence[Tensor]]
"""The weights as they are now, each (groups, m, n)."""


def group_norms(weights: Sequence[Tensor]) -> Tensor:
    """Sum of the norms of all rows.

    The slope of a row of zeros is 0, as is right for a filter that is gone.
    """
    return torch.stack([torch.linalg.vector_norm(w, dim=2).sum() for w in weights]).sum()


def nuclear_norms(weights: Sequence[Tensor]) -> Tensor:
    """Sum of all singular values."""
    norms = [torch.linalg.matrix_norm(weight, ord="nuc").sum() for weight in weights]
    return torch.stack(norms).sum()


def penalized(
    loss: Loss, penalty: Callable[[Sequence[Tensor]], Tensor], strength: float, weights: Matrices
) -> Loss:
    """A loss with a penalty."""

    def found(model: nn.Module, batch: object) -> Found:
        value = loss(model, batch)
        value, terms = value if isinstance(value, tuple) else (value, {})
        return value + strength * penalty(weights()), terms

    return found


@torch.no_grad()
def shrink_singular_values(weight: Tensor, threshold: float) -> Tensor:
    """The proximal step of the nuclear norms of (groups, m, n)."""
    left, values, right = torch.linalg.svd(weight, full_matrices=False)
    return (left * (values - threshold).clamp(min=0)[:, None, :]) @ right
