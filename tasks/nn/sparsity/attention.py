"""Attention with several heads, of any number and any width of a head.

PyTorch's own layer takes the width of its input to be that of all heads together, so heads cannot
be cut out of it; this one reads all sizes off its weights.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, linear, scaled_dot_product_attention


class FewerHeads(nn.Module):
    """What is left of `torch.nn.MultiheadAttention` without some of its heads.

    Parameters are called as there.  It is called as there too, with inputs (T, N, E), (N, T, E) if
    `batch_first`, or (T, E).

    Parameters
    ----------
    whole : nn.MultiheadAttention
        Its weights may be smaller already: (3 H D, E) of inputs and (E', H D) of outputs, for H
        heads of width D.
    """

    _qkv_same_embed_dim = False
    """Tells `nn.TransformerEncoderLayer` not to use its fused kernel, which wants H D = E."""

    def __init__(self, whole: nn.MultiheadAttention) -> None:
        super().__init__()
        self.head_dim = whole.head_dim
        self.dropout, self.batch_first = whole.dropout, whole.batch_first
        self.embed_dim = whole.embed_dim
        self.in_proj_weight = whole.in_proj_weight
        self.in_proj_bias = whole.in_proj_bias
        self.out_proj = whole.out_proj
        self.train(whole.training)

    @property
    def num_heads(self) -> int:
        """Heads that are left."""
        return self.in_proj_weight.shape[0] // (3 * self.head_dim)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Outputs like the queries, and the weights of attention if asked for."""
        del is_causal  # A hint: the mask is given with it.
        is_single = query.dim() == 2
        inputs = [self._batched(x, is_single) for x in (query, key, value)]
        queries, keys, values = self._heads(inputs)
        shape = (*queries.shape[:3], keys.shape[2])
        mask = _merged(self._per_head(attn_mask, shape), key_padding_mask, queries)
        share = self.dropout if self.training else 0.0
        if need_weights:
            scores = queries @ keys.transpose(-2, -1) / math.sqrt(self.head_dim)
            weights = (scores if mask is None else scores + mask).softmax(-1)
            found = dropout(weights, share) @ values
        else:
            weights = None
            found = scaled_dot_product_attention(queries, keys, values, mask, share)
        joined = found.transpose(1, 2).flatten(2)
        output = self._unbatched(
            linear(joined, self.out_proj.weight, self.out_proj.bias), is_single
        )
        if weights is None:
            return output, None
        shown = weights.mean(1) if average_attn_weights else weights
        return output, shown[0] if is_single else shown

    def _heads(self, inputs: list[Tensor]) -> list[Tensor]:
        """Queries, keys and values (N, H, T, D)."""
        rows = self.in_proj_weight.chunk(3)
        biases = [None] * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        found = (linear(x, w, b) for x, w, b in zip(inputs, rows, biases, strict=True))
        return [x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2) for x in found]

    def _per_head(self, mask: Tensor | None, shape: tuple[int, ...]) -> Tensor | None:
        """A mask (T, S) or (N H, T, S) that broadcasts to (N, H, T, S)."""
        if mask is None or mask.dim() == 2:
            return mask
        if mask.shape[0] != shape[0] * shape[1]:
            raise ValueError(
                f"a mask of attention {tuple(mask.shape)} is not for {self.num_heads} heads: give "
                "(T, S), or one for each head that is left"
            )
        return mask.reshape(shape)

    def _batched(self, x: Tensor, is_single: bool) -> Tensor:
        if is_single:
            return x.unsqueeze(0)
        return x if self.batch_first else x.transpose(0, 1)

    def _unbatched(self, x: Tensor, is_single: bool) -> Tensor:
        if is_single:
            return x[0]
        return x if self.batch_first else x.transpose(0, 1)


def can_have_fewer(attention: nn.Module) -> bool:
    """Whether a module is attention of the kind that is replaced."""
    return (
        type(attention) is nn.MultiheadAttention
        and attention.in_proj_weight is not None
        and attention.bias_k is None
        and not attention.add_zero_attn
    )


def _merged(mask: Tensor | None, padding: Tensor | None, like: Tensor) -> Tensor | None:
    """What is added to scores: a mask, and a padding (N, S) of the keys."""
    if padding is not None:
        padding = _added(padding.reshape(like.shape[0], 1, 1, -1), like)
    if mask is None:
        return padding
    return _added(mask, like) if padding is None else _added(mask, like) + padding


def _added(mask: Tensor, like: Tensor) -> Tensor:
    if mask.dtype != torch.bool:
        return mask.to(like.dtype)
    return torch.zeros_like(mask, dtype=like.dtype).masked_fill_(mask, -math.inf)
