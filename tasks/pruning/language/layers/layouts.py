"""How weights of layers are stored: (outputs, inputs), or (inputs, outputs) as GPT-2 does."""

from __future__ import annotations

from torch import Tensor, nn

from tasks.nn.sparsity import input_axis

__all__ = ["is_transposed", "laid_flat", "laid_out"]


def is_transposed(module: nn.Module) -> bool | None:
    """Whether a layer stores (inputs, outputs); None unless it is a linear layer."""
    if isinstance(module, nn.Linear):
        return False
    return True if input_axis(module) == 0 else None


def laid_flat(tensor: Tensor, *, transposed: bool) -> Tensor:
    """A stored weight or mask as (outputs, inputs)."""
    return tensor.T if transposed else tensor


def laid_out(tensor: Tensor, *, transposed: bool) -> Tensor:
    """A weight or mask (outputs, inputs) as it is stored."""
    return tensor.T.contiguous() if transposed else tensor
