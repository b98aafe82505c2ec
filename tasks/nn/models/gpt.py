"""A small GPT: a transformer that predicts the next token.

Blocks x <- x + attention(norm(x)), x <- x + mlp(norm(x)), with LayerNorm without bias, causal
attention, GELU and linear layers without bias; learned positions; the last layer is the embedding.
Queries, keys and values are layers of their own, so that each is a matrix to a matrix region.
Weights are N(0, 0.02), those that end a branch over sqrt(2 depth).

References
----------
Radford et al., Language models are unsupervised multitask learners, 2019, section 2.3.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from tasks.records import InputError

_SCALE = 0.02


class Attention(nn.Module):
    """Causal attention with several heads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.output = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, W) to (B, T, W)."""
        parts = (layer(x) for layer in (self.query, self.key, self.value))
        heads = [part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts]
        found = scaled_dot_product_attention(*heads, is_causal=True)
        return self.output(found.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention, then a perceptron with four times the width."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(width, bias=False) for _ in range(2))
        self.attention = Attention(width, heads)
        self.widen = nn.Linear(width, 4 * width, bias=False)
        self.narrow = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, W) to (B, T, W)."""
        x = x + self.attention(self.norm1(x))
        return x + self.narrow(gelu(self.widen(self.norm2(x))))


class GPT(nn.Module):
    """Transformer over tokens 0..num_tokens - 1.

    Parameters
    ----------
    num_tokens, context : int
        Tokens, and the most that it looks at.
    width, depth, heads : int

    Raises
    ------
    InputError
        If the heads do not divide the width.
    """

    def __init__(
        self, num_tokens: int, context: int, *, width: int = 128, depth: int = 4, heads: int = 4
    ) -> None:
        super().__init__()
        if width % heads:
            raise InputError(f"{heads} heads do not divide a width of {width}")
        self.context = context
        self.tokens = nn.Embedding(num_tokens, width)
        self.places = nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, bias=False)
        self.head = nn.Linear(width, num_tokens, bias=False)
        self.head.weight = self.tokens.weight
        self._draw_weights(depth)

    def _draw_weights(self, depth: int) -> None:
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                ends = name.endswith(("output.weight", "narrow.weight"))
                nn.init.normal_(weight, std=_SCALE / math.sqrt(2 * depth) if ends else _SCALE)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, T), T at most the context, to logits (B, T, num_tokens) of the next ones."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.tokens(tokens) + self.places(places)
        return self.head(self.norm(self.blocks(x)))


def build_gpt(num_tokens: int, context: int, *, seed: int = 0) -> GPT:
    """GPT of width 128 with four blocks and weights drawn from `seed`, on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return GPT(num_tokens, context)
