"""Convolutions of low rank as two smaller ones.

The weight of a convolution (c_out, c_in, kh, kw), as a matrix c_out x (c_in kh kw), is replaced by
its best approximation of rank r, which is a convolution to r channels followed by one of 1 x 1:
stride, padding, dilation and groups are those of the first.  Every group of channels is a matrix of
its own.

References
----------
Zimmer, Spiegel, Pokutta, arXiv:2205.11921, section 3.2; Eckart, Young 1936.
"""

from __future__ import annotations

import torch
from torch import nn

from tasks.records import InputError


@torch.no_grad()
def decomposed(layer: nn.Conv2d, rank: int) -> nn.Sequential:
    """Two convolutions that compute what the layer does with a weight of rank at most `rank`.

    Parameters
    ----------
    layer : Conv2d
        It is left as it is.
    rank : int
        Of every group, in 1..min(c_out / groups, c_in kh kw / groups).

    Raises
    ------
    InputError
        If the rank is out of its range.
    """
    weight, groups = layer.weight, layer.groups
    matrices = weight.reshape(groups, weight.shape[0] // groups, -1)
    full = min(matrices.shape[1:])
    if not 1 <= rank <= full:
        raise InputError(f"the rank of a convolution with full rank {full} is in 1..{full}")
    left, values, right = torch.linalg.svd(matrices.double(), full_matrices=False)
    size, stride, padding = layer.kernel_size, layer.stride, layer.padding
    options = {"dtype": weight.dtype, "device": weight.device}
    first = nn.Conv2d(
        layer.in_channels,
        groups * rank,
        size,  # pyrefly: ignore[bad-argument-type] - pairs
        stride,  # pyrefly: ignore[bad-argument-type]
        padding,  # pyrefly: ignore[bad-argument-type]
        layer.dilation,  # pyrefly: ignore[bad-argument-type]
        groups,
        bias=False,
        padding_mode=layer.padding_mode,
        **options,
    )
    second = nn.Conv2d(
        groups * rank,
        layer.out_channels,
        1,
        groups=groups,
        bias=layer.bias is not None,
        **options,
    )
    first.weight.copy_(right[:, :rank].reshape(first.weight.shape))
    outer = left[:, :, :rank] * values[:, None, :rank]
    second.weight.copy_(outer.reshape(second.weight.shape))
    if layer.bias is not None and second.bias is not None:
        second.bias.copy_(layer.bias)
    return nn.Sequential(first, second)
