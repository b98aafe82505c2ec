"""Multiplications of one forward pass, dense and in theory with pruned weights left out.

A convolution or linear layer multiplies each of its weights once per output position; positions
are counted in a real forward pass (nothing is assumed about padding or strides).  With w_l weights,
k_l of them kept and p_l positions per image,

    dense = sum_l w_l p_l,    sparse = sum_l k_l p_l,    theoretical speed-up = dense / sparse.

One multiplication with its addition counts as one; other conventions count two.  Normalizations,
activations and pooling are not counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tasks.nn.evaluation import evaluating
from tasks.nn.sparsity.masks import Masks, prunable_weights
from tasks.records import InputError


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
    model: nn.Module, shape: tuple[int, ...], masks: Masks | None = None
) -> Multiplications:
    """Multiplications of a model for one image (C, H, W); layers without a mask are dense.

    Raises
    ------
    InputError
        If the masks leave no multiplication.
    """
    positions = output_positions(model, shape)
    sizes = {name: w.numel() for name, w in prunable_weights(model).items()}
    kept = {n: int(masks[n].sum()) if masks and n in masks else k for n, k in sizes.items()}
    dense, sparse = (sum(k[n] * positions[n] for n in positions) for k in (sizes, kept))
    if sparse == 0:
        raise InputError("no multiplication is left: all weights are pruned")
    return Multiplications(dense, sparse)


def output_positions(model: nn.Module, shape: tuple[int, ...]) -> dict[str, int]:
    """How often each prunable weight is used for one image, by parameter name."""
    positions: dict[str, int] = {}
    parameter = next(model.parameters())
    image = torch.zeros(1, *shape, device=parameter.device, dtype=parameter.dtype)
    with _counting(model, positions), evaluating(model), torch.no_grad():
        model(image)
    return positions


@contextmanager
def _counting(model: nn.Module, positions: dict[str, int]) -> Iterator[None]:
    names: Mapping[int, str] = {id(w): name for name, w in prunable_weights(model).items()}

    def count(module: nn.Module, _: object, output: Tensor) -> None:
        weight = module.get_parameter("weight")
        name = names[id(weight)]
        # Every entry of the output is one position of one of its channels.
        uses = output.numel() // weight.shape[0]
        positions[name] = positions.get(name, 0) + uses

    layers = [m for m in model.modules() if id(getattr(m, "weight", None)) in names]
    handles = [layer.register_forward_hook(count) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
