"""Layers of low rank as two smaller ones.

The weight of a linear layer (c_out, c_in), or of a convolution (c_out, c_in, kh, kw), as a matrix
c_out x (c_in kh kw), is replaced by its best approximation of rank r: a linear layer to r outputs
and one from there; or a convolution to r channels, with stride, padding, dilation and groups of the
first, and one of size 1 behind it.  Every group of channels is a matrix of its own.  Both parts get
the roots of the singular values, so that neither is small against the other.

References
----------
Zimmer, Spiegel, Pokutta, arXiv:2205.11921, section 3.2; Eckart, Young 1936.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from tasks.records import InputError

Layer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
KINDS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class TwoLayers(nn.Sequential):
    """A layer of low rank as two.

    Modules that read the weight of a layer in place of calling it get the product.
    """

    @property
    def weight(self) -> Tensor:
        """Of the layer that the two stand for, (c_out, c_in, ...)."""
        first, second = (cast(Layer, layer) for layer in self)
        groups, rows = getattr(second, "groups", 1), second.weight.shape[0]
        outer = second.weight.reshape(groups, rows // groups, -1)
        inner = first.weight.reshape(groups, outer.shape[2], -1)
        return (outer @ inner).reshape(rows, *first.weight.shape[1:])

    @property
    def bias(self) -> Tensor | None:
        """Of the second layer."""
        return cast(Layer, self[1]).bias


def matrices(layer: Layer) -> Tensor:
    """The weight as matrices (groups, c_out / groups, inputs), a view."""
    return layer.weight.detach().reshape(getattr(layer, "groups", 1), -1, layer.weight[0].numel())


def full_rank(layer: Layer) -> int:
    """Of every group: min(c_out / groups, c_in kh kw / groups)."""
    return min(matrices(layer).shape[1:])


@torch.no_grad()
def truncated(layer: Layer, rank: int) -> Tensor:
    """The nearest weight of rank at most `rank` in every group, of the shape of the layer's.

    Raises
    ------
    InputError
        If the rank is out of its range.
    """
    outer, inner = _factors(layer, rank)
    return (outer @ inner).reshape(layer.weight.shape).to(layer.weight.dtype)


@torch.no_grad()
def decomposed(layer: Layer, rank: int) -> TwoLayers:
    """Two layers that compute what the layer does with a weight of rank at most `rank`.

    Parameters
    ----------
    layer : Linear, Conv1d, Conv2d or Conv3d
        It is left as it is.
    rank : int
        Of every group, in 1..min(c_out / groups, c_in kh kw / groups).

    Raises
    ------
    InputError
        If the rank is out of its range.
    """
    outer, inner = _factors(layer, rank)
    first, second = _empty(layer, rank)
    first.weight.copy_(inner.reshape(first.weight.shape))
    second.weight.copy_(outer.reshape(second.weight.shape))
    if layer.bias is not None:
        cast(Tensor, second.bias).copy_(layer.bias)
    for part, whole in ((first, layer), (second, layer)):
        part.weight.requires_grad_(whole.weight.requires_grad)
    return TwoLayers(first, second).train(layer.training)


def _factors(layer: Layer, rank: int) -> tuple[Tensor, Tensor]:
    """(groups, m, r) and (groups, r, n) in float64, whose product is nearest to the weight."""
    full = full_rank(layer)
    if not 1 <= rank <= full:
        kind = type(layer).__name__
        raise InputError(f"the rank of a {kind} with full rank {full} is in 1..{full}, not {rank}")
    left, values, right = torch.linalg.svd(matrices(layer).double(), full_matrices=False)
    roots = values[:, :rank].sqrt()
    return left[:, :, :rank] * roots[:, None, :], roots[:, :, None] * right[:, :rank]


def _empty(layer: Layer, rank: int) -> tuple[Any, Any]:
    """The two layers, before their weights are known."""
    options: dict[str, Any] = {"dtype": layer.weight.dtype, "device": layer.weight.device}
    has_bias = layer.bias is not None
    if isinstance(layer, nn.Linear):
        return (
            nn.Linear(layer.in_features, rank, bias=False, **options),
            nn.Linear(rank, layer.out_features, bias=has_bias, **options),
        )
    kind, groups = cast(Any, type(layer)), layer.groups
    first = kind(
        layer.in_channels,
        groups * rank,
        layer.kernel_size,
        layer.stride,
        layer.padding,
        layer.dilation,
        groups,
        bias=False,
        padding_mode=layer.padding_mode,
        **options,
    )
    second = kind(groups * rank, layer.out_channels, 1, groups=groups, bias=has_bias, **options)
    return first, second
