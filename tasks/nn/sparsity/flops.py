"""Multiplications of one forward pass, dense and in theory with pruned weights left out.

A weight of a convolution, a linear layer or another matrix product multiplies once per output
position; products are counted in a real forward pass (nothing is assumed about padding or
strides).  With w_l weights, k_l of them kept and p_l positions per image,

    dense = sum_l w_l p_l,    sparse = sum_l k_l p_l,    theoretical speed-up = dense / sparse.

One multiplication with its addition counts as one; other conventions count two.  Normalizations,
activations, pooling, and products without a weight (queries times keys) are not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode

from tasks.nn.evaluation import evaluating
from tasks.nn.sparsity.graphs import Example, plain_attention
from tasks.nn.sparsity.masks import Masks, prunable_weights
from tasks.records import InputError

Products = Sequence[tuple[int, Tensor]]
"""Numbers of multiplications, and the tensors that may be their weight."""


@dataclass(frozen=True)
class Multiplications:
    """Multiplications per image.

    Attributes
    ----------
    dense, sparse : int
    """

    dense: int
    sparse: int

    @property
    def speed_up(self) -> float:
        """Theoretical speed-up."""
        return self.dense / self.sparse


def count_multiplications(
    model: nn.Module, shape: Example, masks: Masks | None = None
) -> Multiplications:
    """Multiplications of a model for one example; weights without a mask are dense.

    Parameters
    ----------
    shape : tuple of int, or Tensor
        Shape of one example without the batch, or a batch of which the first is taken.

    Raises
    ------
    InputError
        If the masks leave no multiplication.
    """
    positions = output_positions(model, shape)
    sizes = {name: w.numel() for name, w in model.named_parameters()}
    kept = {n: int(masks[n].sum()) if masks and n in masks else k for n, k in sizes.items()}
    dense, sparse = (sum(k[n] * positions[n] for n in positions) for k in (sizes, kept))
    if sparse == 0:
        raise InputError("no multiplication is left: all weights are pruned")
    return Multiplications(dense, sparse)


def output_positions(model: nn.Module, shape: Example) -> dict[str, int]:
    """How often each weight is used for one example, by parameter name."""
    prunable_weights(model)
    parameter = next(model.parameters())
    if isinstance(shape, Tensor):
        example = shape[:1].to(parameter.device)
    else:
        example = torch.zeros(1, *shape, device=parameter.device, dtype=parameter.dtype)
    # Normalization by the statistics of a batch needs two.
    number = 2 if any(_uses_batches(module) for module in model.modules()) else 1
    counting = _Counting(model)
    with plain_attention(), evaluating(model), torch.no_grad(), counting:
        model(torch.cat([example] * number))
    sizes = {name: number * w.numel() for name, w in model.named_parameters()}
    return {name: count // sizes[name] for name, count in counting.products.items()}


def _uses_batches(module: nn.Module) -> bool:
    return isinstance(module, _BatchNorm) and not module.track_running_stats


class _Counting(TorchDispatchMode):
    """Counts products with each parameter, which is known by its memory, also through views."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.names = {_memory(weight): name for name, weight in model.named_parameters()}
        self.products: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        count = _COUNTS.get(func.overloadpacket)
        if count is not None:
            for number, weight in count(args, output):
                name = self.names.get(_memory(weight))
                if name is not None:
                    self.products[name] += number
        return output


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _convolution(args: Sequence[Any], output: Tensor) -> Products:
    """Every weight meets each position of the side that it does not widen."""
    inputs, weight, is_transposed = args[0], args[1], args[6]
    side = inputs if is_transposed else output
    channels = side.shape[1] if side.dim() == weight.dim() else side.shape[0]
    return [(weight.numel() * (side.numel() // channels), weight)]


def _product(args: Sequence[Any], output: Tensor) -> Products:
    """Of the last two operands, the second of which is the weight mostly."""
    first, second = args[-2:]
    return [(output.numel() * first.shape[-1], weight) for weight in (second, first)]


def _recurrence(args: Sequence[Any], output: Any) -> Products:
    """A layer of an LSTM: weights of inputs and of the state meet every token."""
    inputs, *weights = args[:3]
    tokens = inputs.numel() // inputs.shape[-1]
    return [(weight.numel() * tokens, weight) for weight in weights]


_ATEN = torch.ops.aten
_COUNTS: Mapping[Any, Callable[[Sequence[Any], Any], Products]] = {
    _ATEN.convolution: _convolution,
    _ATEN.mkldnn_rnn_layer: _recurrence,
    **dict.fromkeys(
        (_ATEN.mm, _ATEN.bmm, _ATEN.mv, _ATEN.addmm, _ATEN.baddbmm, _ATEN.addmv), _product
    ),
}
