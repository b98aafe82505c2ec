"""Adapters of low rank: a frozen matrix W with a mask M and a trained product of two thin ones.

For a layer with d inputs and e outputs, A is (r, d), B is (e, r) and c = alpha / r:

    kind         forward           start                     merged            zeros
    lora         W + c BA          A Kaiming, B = 0          W + c BA          are lost
    lora-prune   W + c BA          A Kaiming, B = 0          W + c M*(BA)      are kept
    masklora     W + c M*(BA)      A Kaiming, B = 0          the same          are kept
    scalelora    W * (BA)          1 / sqrt(r) everywhere    the same          are kept
    spp          W + c W*(BA)      A Kaiming, B = 0          the same          are kept

The mask is explicit: W is set to zero outside of it when the adapter is attached.

What is kept for the backward pass is x, W, M, A and B.  The effective weight is computed again
there: that costs r (d e) multiplications, as against n (d e) of a product with n tokens, while to
keep it would take as many bytes as the weights.  The first two kinds never form it and compute
x A' B'.  A and B are float32; the effective weight is formed in float32 from a W in half precision,
and rounded once, as it is in the merged weight.

References
----------
Hu et al., LoRA, arXiv:2106.09685.
Zimmer et al., PERP, arXiv:2312.15230, section 2 (LoRA-Prune, ScaleLoRA, MaskLoRA).
Lu et al., SPP, arXiv:2405.16057, equation 4.
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding, linear

from tasks.pruning.language.layers.layouts import is_transposed
from tasks.pruning.language.methods import ADAPTERS
from tasks.records import InputError

__all__ = ["LowRank", "LowRankEmbedding", "effective_weight"]


def effective_weight(
    kind: str, weight: Tensor, mask: Tensor | None, A: Tensor, B: Tensor, scale: float
) -> Tensor:
    """What a layer multiplies with, once its adapter is merged.

    Parameters
    ----------
    kind : one of `ADAPTERS`
        Only ``lora`` ignores the mask.
    weight : Tensor (outputs, inputs)
        Zero outside the mask.  A transposed layer hands over B' and A' for A and B, and the result
        is transposed too.
    mask : bool Tensor (outputs, inputs) or None
        None keeps everything.
    A, B : Tensor (r, inputs), (outputs, r)
    scale : float
        c; not used by ``scalelora``.

    Returns
    -------
    Tensor (outputs, inputs)
        In float32 or the wider type of W; zeros outside the mask may be negative.
    """
    wide = weight.to(torch.promote_types(weight.dtype, A.dtype))
    A, B = A.to(wide.dtype), B.to(wide.dtype)
    if kind == "scalelora":
        return (B @ A).mul_(wide)
    if kind == "spp":
        return torch.addcmul(wide, wide, B @ A, value=scale)
    found = torch.addmm(wide, B, A, alpha=scale)
    # A float times a small integer is three times as fast as times a boolean.
    return found if kind == "lora" or mask is None else found.mul_(mask.view(torch.int8))


class _Product(torch.autograd.Function):
    """x times the effective weight of masklora, scalelora or spp, plus a bias."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        A: Tensor,
        B: Tensor,
        weight: Tensor,
        mask: Tensor | None,
        bias: Tensor | None,
        layer: LowRank,
    ) -> Tensor:
        ctx.save_for_backward(x, A, B, weight, mask)
        ctx.layer = layer
        with torch.autocast(x.device.type, enabled=False):
            return linear(x, layer.matrix(weight, mask, A, B).to(x.dtype), bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Any) -> Any:  # pyrefly: ignore[bad-override]
        x, A, B, weight, mask = ctx.saved_tensors
        given, layer = grad_outputs[0], ctx.layer
        of_x, of_A, of_B, of_bias = None, None, None, None
        needs = ctx.needs_input_grad
        with torch.autocast(x.device.type, enabled=False):
            rows = given.reshape(-1, given.shape[-1])
            if needs[0]:
                of_x = given @ layer.matrix(weight, mask, A, B).to(given.dtype)
            if needs[1] or needs[2]:
                of_A, of_B = layer.gradients(rows, x.reshape(-1, x.shape[-1]), A, B, weight, mask)
            if needs[5]:
                of_bias = rows.sum(dim=0)
        return of_x, of_A, of_B, None, None, of_bias, None


class LowRank(nn.Module):
    """A layer with an adapter, in the place of an `nn.Linear` or a ``Conv1D``.

    Attributes
    ----------
    weight, bias : Parameter
        Those of the layer; the weight is to be frozen (`freeze`).
    A, B : Parameter (r, inputs), (outputs, r)
        float32.
    mask : bool Tensor of the stored shape, or None
        Not a buffer: it does not change, and a training copies what may.
    is_merged : bool
        Whether the forward pass takes the merged weight, rounded to the type of W.
    """

    def __init__(
        self,
        plain: nn.Module,
        kind: str,
        mask: Tensor | None,
        *,
        rank: int,
        alpha: float,
        generator: torch.Generator,
        name: str = "the layer",
    ) -> None:
        super().__init__()
        self.kind, self.is_merged = kind, False
        self.scale = alpha / rank if rank else 0.0
        self.is_transposed = bool(is_transposed(plain))
        self.weight = cast("nn.Parameter", plain.weight)
        self.bias = cast("nn.Parameter | None", plain.bias)
        shape = tuple(reversed(self.weight.shape)) if self.is_transposed else self.weight.shape
        self.out_features, self.in_features = shape
        _check(name, kind, rank, alpha, min(shape))
        A, B = _start(kind, rank, self.in_features, self.out_features, generator)
        self.A = nn.Parameter(A.to(self.weight.device))
        self.B = nn.Parameter(B.to(self.weight.device))
        self.mask = None if mask is None else _fitting(name, mask, self.weight)

    def freeze(self) -> None:
        """Freeze the weight, and set it to zero outside the mask, in place."""
        self.weight.requires_grad_(False)
        if self.mask is not None:
            self.weight.masked_fill_(~self.mask, 0.0)

    def _apply(self, fn: Any, recurse: bool = True) -> LowRank:
        super()._apply(fn, recurse)
        self.mask = None if self.mask is None else self.mask.to(self.weight.device)
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (..., e) of inputs (..., d), in the type of x or that of autocast."""
        if self.is_merged:
            return linear(x, self._turned(self.merged()), self.bias)
        if self.kind in ("lora", "lora-prune"):
            return self._beside(x)
        device = x.device.type
        if torch.is_autocast_enabled(device):
            x = x.to(torch.get_autocast_dtype(device))
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return _Product.apply(x, self.A, self.B, self.weight, self.mask, bias, self)

    def merged(self) -> Tensor:
        """The weight with the adapter in it, of the stored shape and type, rounded once.

        Zeros of the mask are +0; of ``lora`` alone they are lost.
        """
        with torch.no_grad(), torch.autocast(self.weight.device.type, enabled=False):
            found = self._turned(self.matrix(self.weight, self.mask, self.A, self.B))
            found = found.to(self.weight.dtype)
            if self.mask is None or self.kind == "lora":
                return found
            return found.masked_fill_(~self.mask, 0.0)

    def matrix(self, weight: Tensor, mask: Tensor | None, A: Tensor, B: Tensor) -> Tensor:
        """Effective weight (outputs, inputs); of a transposed layer a view."""
        if self.is_transposed:
            return effective_weight(self.kind, weight, mask, B.t(), A.t(), self.scale).t()
        return effective_weight(self.kind, weight, mask, A, B, self.scale)

    def gradients(
        self, g: Tensor, x: Tensor, A: Tensor, B: Tensor, weight: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Of A and B, from those of the outputs, (tokens, e), and the inputs (tokens, d)."""
        of_weight = (x.t() @ g if self.is_transposed else g.t() @ x).to(A.dtype)
        if self.kind != "masklora":
            of_weight.mul_(weight)
        elif mask is not None:
            of_weight.mul_(mask.view(torch.int8))
        of_weight = self._turned(of_weight)
        scale = 1.0 if self.kind == "scalelora" else self.scale
        return (B.t() @ of_weight).mul_(scale), (of_weight @ A.t()).mul_(scale)

    def _beside(self, x: Tensor) -> Tensor:
        outputs = linear(x, self._turned(self.weight), self.bias)
        narrow = x if torch.is_autocast_enabled(x.device.type) else x.to(self.A.dtype)
        more = linear(linear(narrow, self.A), self.B)
        return torch.add(outputs, more.to(outputs.dtype), alpha=self.scale)

    def _turned(self, matrix: Tensor) -> Tensor:
        return matrix.t() if self.is_transposed else matrix


class LowRankEmbedding(nn.Module):
    """An embedding whose matrix is that of a layer with an adapter: a tied head's."""

    def __init__(self, plain: nn.Embedding, head: LowRank) -> None:
        super().__init__()
        self.weight, self.head = plain.weight, head
        self.padding_idx = plain.padding_idx
        self.num_embeddings, self.embedding_dim = plain.weight.shape

    def forward(self, ids: Tensor) -> Tensor:
        """Embeddings (..., d) of numbers (...)."""
        head = self.head
        weight = head.merged() if head.is_merged else self.weight
        found = embedding(ids, weight, self.padding_idx)
        if head.is_merged:
            return found
        more = linear(embedding(ids, head.B), head.A.t())
        return torch.add(found, more.to(found.dtype), alpha=head.scale)


def _start(
    kind: str, rank: int, inputs: int, outputs: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A and B, drawn on the CPU: the same on every device."""
    if kind == "scalelora":
        entry = 1 / math.sqrt(rank)
        return torch.full((rank, inputs), entry), torch.full((outputs, rank), entry)
    A = nn.init.kaiming_uniform_(torch.empty(rank, inputs), a=math.sqrt(5), generator=generator)
    return A, torch.zeros(outputs, rank)


def _check(name: str, kind: str, rank: int, alpha: float, largest: int) -> None:
    if kind not in ADAPTERS:
        raise InputError(f"no adapter is called {kind!r}; known are {', '.join(ADAPTERS)}")
    if not 1 <= rank <= largest:
        raise InputError(
            f"an adapter of rank {rank} for {name}, whose smaller side is {largest}: take a rank "
            f"in 1..{largest}"
        )
    if not (math.isfinite(alpha) and alpha > 0):
        raise InputError(f"alpha is {alpha}; give a positive number, such as twice the rank")


def _fitting(name: str, mask: Tensor, weight: Tensor) -> Tensor:
    if mask.dtype != torch.bool or mask.shape != weight.shape:
        raise InputError(
            f"the mask of {name} has type {mask.dtype} and shape {tuple(mask.shape)}; wanted is "
            f"torch.bool {tuple(weight.shape)}"
        )
    return mask.to(weight.device).contiguous()
