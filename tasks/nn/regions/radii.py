"""How large a region a weight needs: in closed form, without drawing or changing a weight.

A region has the diameter D = 2 w E|theta|, where theta is the weight as it is drawn at
initialization and w a width factor.  Root mean squares stand for the expectation, from which they
differ by less than one part in n for n entries:

    uniform on [-a, a]                        a sqrt(n / 3)
    weight of a linear layer or convolution   sqrt(c_out / 3)           (PyTorch's default)
    its bias                                  sqrt(c_out / (3 fan_in))
    Glorot's uniform                          sqrt(2 n / (fan_in + fan_out))
    He's normal                               sqrt(2 n / fan)
    weight of a normalization, which is 1     sqrt(n)
    embedding, N(0, 1)                        sqrt(n)

References
----------
arXiv:2010.07243, section 3 (D = 2 w E|theta|).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

from torch import Tensor, nn

from tasks.nn.regions.layouts import Layout
from tasks.nn.regions.region import Region
from tasks.records import InputError

Initialization = Literal["default", "glorot", "he"]


def expected_norm(
    weight: Tensor, module: nn.Module | None = None, initialization: Initialization = "default"
) -> float:
    """Root mean square of the norm of a weight at initialization.

    Parameters
    ----------
    weight : Tensor
        Its shape counts, not its values.
    module : torch.nn.Module, optional
        The module that owns it, as its weight or bias.
    initialization : {"default", "glorot", "he"}
        Of matrices and convolutions; "default" is what PyTorch's modules do.
    """
    if initialization not in get_args(Initialization):
        known = ", ".join(get_args(Initialization))
        raise InputError(f"no initialization {initialization!r}; known are {known}")
    size = weight.numel()
    if isinstance(module, nn.Embedding | nn.EmbeddingBag):
        return math.sqrt(size)
    if weight.dim() < 2:
        owner = getattr(module, "weight", None)
        if isinstance(owner, Tensor) and owner.dim() > 1 and owner is not weight:
            return math.sqrt(size / (3 * _fan_in(owner.shape)))
        return math.sqrt(size)
    fan_in, fan_out = _fan_in(weight.shape), size / weight.shape[1]
    if initialization == "glorot":
        return math.sqrt(2 * size / (fan_in + fan_out))
    # He's mode is fan_in, as PyTorch's default is.
    return math.sqrt(2 * size / fan_in if initialization == "he" else size / (3 * fan_in))


def with_radius(
    region: Region, layout: Layout, shape: Sequence[int], norm: float, width: float
) -> Region:
    """The region whose diameter is 2 `width` times a norm of the whole weight.

    Of several points (blocks, experts, rows) each has its share of the norm, norm / sqrt(count).
    """
    if not (math.isfinite(width) and width > 0):
        raise InputError(f"the width factor of a region is positive and finite, not {width}")
    points = layout.shape(shape)
    batch = points[: len(points) - region.event_dims]
    unit = replace(region, radius=1.0).diameter(points)
    if unit == 0:
        raise InputError(f"{region.name} is a single point for a weight of shape {tuple(shape)}")
    return replace(region, radius=2 * width * norm / math.sqrt(math.prod(batch)) / unit)


def _fan_in(shape: Sequence[int]) -> int:
    return math.prod(shape[1:])
