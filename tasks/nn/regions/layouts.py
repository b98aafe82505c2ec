"""How a weight of a network becomes the points that a region constrains.

    whole      all entries are one vector
    rows       (c, rest): a vector, or a group, per row; of a convolution per filter
    matrix     the last two dimensions are a matrix, and those before them a batch (experts)
    filters    (c_out, c_in kh kw): the matrix of a convolution

A fused weight (queries, keys and values; heads) is cut along its first dimension into blocks of
equal size, each a point of its own.  A transposed convolution stores its outputs second; they are
brought to the front.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from tasks.nn.regions.region import Region
from tasks.records import InputError

Kind = Literal["whole", "rows", "matrix", "filters"]
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True)
class Layout:
    """A view of a weight as a batch of points.

    Attributes
    ----------
    kind : {"whole", "rows", "matrix", "filters"}
    blocks : int
        Parts of the first dimension, for matrices and rows.
    transposed : bool
        Whether the second dimension counts the outputs.
    """

    kind: Kind = "whole"
    blocks: int = 1
    transposed: bool = False

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise InputError(f"no layout {self.kind!r}; known are {', '.join(get_args(Kind))}")
        if isinstance(self.blocks, bool) or not isinstance(self.blocks, int) or self.blocks < 1:
            raise InputError(f"blocks is a whole number from 1 on, not {self.blocks!r}")
        if self.kind == "whole" and self.blocks > 1:
            raise InputError("layout whole is one point; rows and matrices have blocks")

    def shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Of the points of a weight of this shape, the batch first.

        Raises
        ------
        InputError
            If the weight has too few dimensions, or the blocks do not divide its first one.
        """
        return tuple(self.points(torch.empty(tuple(shape), device="meta")).shape)

    def points(self, weight: Tensor) -> Tensor:
        """The weight as points; a view where memory allows it."""
        if self.kind == "whole":
            return weight.reshape(-1)
        needed = 2 if self.kind == "matrix" or self.transposed else 1
        if weight.dim() < max(needed, 1) or (self.kind == "filters" and weight.dim() < 2):
            raise InputError(
                f"a weight of shape {tuple(weight.shape)} cannot be laid out as {self.kind}"
            )
        given = weight.transpose(0, 1) if self.transposed else weight
        if len(given) % self.blocks:
            raise InputError(
                f"{self.blocks} blocks do not divide the first dimension of a weight of shape "
                f"{tuple(given.shape)}"
            )
        if self.kind == "matrix":
            cut = given.reshape(self.blocks, len(given) // self.blocks, *given.shape[1:])
            is_cut = self.blocks > 1 and given.dim() == 2
            if self.blocks > 1 and given.dim() != 2:
                raise InputError(
                    f"only (m, n) weights are cut into blocks, not {tuple(given.shape)}"
                )
            return cut if is_cut else given
        flat = given.reshape(len(given), -1)
        return flat if self.blocks == 1 else flat.reshape(self.blocks, -1, flat.shape[-1])

    def weight(self, points: Tensor, shape: Sequence[int]) -> Tensor:
        """The inverse of `points`, for a weight of this shape."""
        if not self.transposed or self.kind == "whole":
            return points.reshape(tuple(shape))
        first = (shape[1], shape[0], *shape[2:])
        return points.reshape(first).transpose(0, 1)


def layout_of(region: Region, weight: Tensor, module: nn.Module | None = None) -> Layout:
    """The usual layout of a weight for a region, by the module that owns it.

    Vector regions take the whole weight, group norms its filters, matrix regions the weight of a
    convolution as (c_out, rest) and everything else by its last two dimensions.
    """
    transposed = isinstance(module, TRANSPOSED)
    if region.event_dims == 1:
        return Layout("whole")
    if region.name == "group_k_support":
        return Layout("rows", transposed=transposed)
    if isinstance(module, CONVOLUTIONS) or transposed or (module is None and weight.dim() > 3):
        return Layout("filters", transposed=transposed)
    return Layout("matrix")
