"""Statistics of the inputs of a layer: G = X'X, summed over batches of tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.records import InputError

__all__ = ["Gram", "gram_of", "row_errors"]


@dataclass(frozen=True, eq=False)
class Gram:
    """The Gram matrix of some inputs.

    Attributes
    ----------
    matrix : float64 Tensor (d, d)
        Sum of x x' over the tokens.
    num_tokens : int
    """

    matrix: Tensor
    num_tokens: int = 0

    @classmethod
    def zero(cls, size: int, device: torch.device | str = "cpu") -> Gram:
        """Of no inputs."""
        return cls(torch.zeros(size, size, dtype=torch.float64, device=device))

    def plus(self, inputs: Tensor) -> Gram:
        """With more inputs (..., d), which are multiplied in float32 at least.

        Raises
        ------
        InputError
            If an input is not finite.
        """
        rows = inputs.detach().flatten(0, -2)
        rows = rows if rows.dtype == torch.float64 else rows.float()
        product = rows.T @ rows
        if not bool(product.isfinite().all()):
            raise InputError("an input of the layer is not finite, or its square is not")
        return Gram(self.matrix + product.double(), self.num_tokens + len(rows))

    @property
    def norms(self) -> Tensor:
        """Euclidean norms (d,) of the columns of X, float64."""
        return self.matrix.diagonal().clamp(min=0).sqrt()

    @property
    def is_dead(self) -> Tensor:
        """Which inputs are always zero, bool (d,)."""
        return self.matrix.diagonal() == 0


def gram_of(inputs: Tensor) -> Gram:
    """Of one batch of inputs (..., d)."""
    return Gram.zero(inputs.shape[-1], inputs.device).plus(inputs)


def row_errors(weight: Tensor, other: Tensor, gram: Gram) -> Tensor:
    """|X (w - v)'|^2 for every row, float64 (rows,)."""
    gap = weight.detach().double() - other.detach().double()
    return ((gap @ gram.matrix) * gap).sum(dim=1).clamp(min=0)
