"""The published baseline: an encoder-decoder that writes a basis monomial by monomial.

One position per monomial. A term c x^a is embedded as

    MLP(sign c, log |c|) + Σ_i E[i, a_i],

E a table over variables and exponents, a basis element as the second summand alone; sines and
cosines of the position are added. E is learned; it starts as sines and cosines too. The encoder
reads the terms and the decoder writes the basis, both in graded lexicographic order. At each
position the head gives, for every variable, logits over exponents, and one logit for the end.

The decoder keeps the keys and values of what was written (a *KV cache*): m monomials for T terms
cost O(m² + m T) inner products per layer instead of O(m³ + m² T). Coefficients are given in
training and in use. Unlike the scorer it depends on the order of the variables, see
`tasks.sos.prediction.decoding`.

References
----------
N. Pelleriti et al., Neural sum-of-squares, arXiv:2510.13444, sections on embedding and inference.
Monomial embedding: arXiv:2505.23696.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log, pi

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

__all__ = ["Memory", "MonomialTransformer"]

_LONGEST_WAVE = 10_000.0
_WAVE = 0.3
"""Height of the waves: that of the tables at the start."""


@dataclass
class Memory:
    """What decoding keeps from position to position.

    Attributes
    ----------
    crossed : list of (Tensor, Tensor)
        Keys and values (B, H, T, w) of the terms, one pair per layer.
    written : list of (Tensor, Tensor)
        Keys and values (B, H, t, w) of what was written.
    mask : Tensor (B, 1, 1, T), bool
        Which terms are there.
    """

    crossed: list[tuple[Tensor, Tensor]]
    mask: Tensor
    written: list[tuple[Tensor, Tensor]] = field(default_factory=list)


class MonomialTransformer(nn.Module):
    """Encoder-decoder over monomials in at most n variables with exponents up to a bound.

    Parameters
    ----------
    num_variables, max_exponent : int
        Of the terms; polynomials in fewer variables are filled up with zeros.
    width, heads, layers : int
        Of encoder and decoder alike.
    """

    def __init__(
        self, num_variables: int, max_exponent: int, *, width: int, heads: int, layers: int
    ) -> None:
        super().__init__()
        self.num_variables, self.max_exponent = num_variables, max_exponent
        self.width, self.heads = width, heads
        self.table = nn.Parameter(_starting_table(num_variables, max_exponent, width))
        self.coefficient = nn.Sequential(nn.Linear(2, width), nn.GELU(), nn.Linear(width, width))
        self.begin = nn.Parameter(torch.randn(width) * 0.3)
        layer = nn.TransformerEncoderLayer(
            width,
            heads,
            2 * width,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.encoder_norm = nn.LayerNorm(width)
        self.decoder = nn.ModuleList(_DecoderLayer(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_variables * (max_exponent + 1))
        self.end = nn.Linear(width, 1)

    def monomials(self, exponents: Tensor) -> Tensor:
        """Embeddings (B, m, w) of exponents (B, m, n)."""
        variables = torch.arange(exponents.shape[2], device=exponents.device)
        return self.table[variables, exponents].sum(dim=2)

    def encode(self, exponents: Tensor, numbers: Tensor, present: Tensor) -> Memory:
        """Read terms: exponents (B, T, n), signs and logarithms (B, T, 2), which are there."""
        terms = self.monomials(exponents) + self.coefficient(numbers)
        terms = terms + _waves(0, terms)
        states = self.encoder_norm(self.encoder(terms, src_key_padding_mask=~present))
        crossed = [layer.cross_pair(states) for layer in self.decoder]  # type: ignore[union-attr]
        return Memory(crossed, present[:, None, None, :])

    def decode(self, inputs: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Logits at the next positions.

        Parameters
        ----------
        inputs : Tensor (B, t, w)
            Embeddings of positions that follow those in the memory, which grows by them.
        memory : Memory

        Returns
        -------
        exponents : Tensor (B, t, n, D + 1)
        end : Tensor (B, t)
        """
        start = memory.written[0][0].shape[2] if memory.written else 0
        states, written = inputs + _waves(start, inputs), []
        for k, layer in enumerate(self.decoder):
            before = memory.written[k] if memory.written else None
            states, pair = layer(states, before, memory.crossed[k], memory.mask)
            written.append(pair)
        memory.written = written
        states = self.norm(states)
        logits = self.head(states).unflatten(2, (self.num_variables, self.max_exponent + 1))
        return logits, self.end(states).squeeze(2)

    def started(self, basis: Tensor) -> Tensor:
        """Embeddings (B, m + 1, w) of the begin and a basis (B, m, n)."""
        begin = self.begin.expand(len(basis), 1, self.width)
        return torch.cat([begin, self.monomials(basis)], dim=1)


class _DecoderLayer(nn.Module):
    """Attention to what was written, attention to the terms, a perceptron."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.own = nn.Linear(width, 3 * width)
        self.own_output = nn.Linear(width, width)
        self.query = nn.Linear(width, width)
        self.cross = nn.Linear(width, 2 * width)
        self.cross_output = nn.Linear(width, width)
        self.inner = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def cross_pair(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of the terms."""
        keys, values = self.cross(states).chunk(2, dim=2)
        return self._split(keys), self._split(values)

    def forward(
        self,
        states: Tensor,
        before: tuple[Tensor, Tensor] | None,
        crossed: tuple[Tensor, Tensor],
        mask: Tensor,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """New states, and the keys and values of all positions so far."""
        query, keys, values = map(self._split, self.own(self.norms[0](states)).chunk(3, dim=2))
        if before is not None:
            keys, values = torch.cat([before[0], keys], 2), torch.cat([before[1], values], 2)
        new, total = query.shape[2], keys.shape[2]
        past = torch.ones(new, total, dtype=torch.bool, device=states.device).tril(total - new)
        found = scaled_dot_product_attention(query, keys, values, attn_mask=past)
        states = states + self.own_output(_merged(found))
        query = self._split(self.query(self.norms[1](states)))
        found = scaled_dot_product_attention(query, *crossed, attn_mask=mask)
        states = states + self.cross_output(_merged(found))
        return states + self.inner(self.norms[2](states)), (keys, values)

    def _split(self, values: Tensor) -> Tensor:
        """(B, t, w) -> (B, H, t, w / H)."""
        return values.unflatten(2, (self.heads, -1)).transpose(1, 2)


def _starting_table(num_variables: int, max_exponent: int, width: int) -> Tensor:
    """E (n, D + 1, w) before training: exp(i π a / 2^k) - 1 for k = 0, 1, .., turned at random.

    The first frequency says whether an exponent is even, and neighboring ones relate b to 2b.
    """
    count = max(max_exponent, 1).bit_length() + 1
    angles = torch.arange(max_exponent + 1.0)[:, None] * (pi / 2.0 ** torch.arange(count))
    features = torch.cat([angles.cos() - 1, angles.sin()], dim=1)
    turn = torch.empty(num_variables * 2 * count, width)
    nn.init.orthogonal_(turn)
    return torch.einsum("af,nfw->naw", features, turn.unflatten(0, (num_variables, -1)))


def _merged(values: Tensor) -> Tensor:
    return values.transpose(1, 2).flatten(2)


def _waves(start: int, like: Tensor) -> Tensor:
    """Sines and cosines (t, w) of the positions start, start + 1, .. of embeddings (B, t, w)."""
    count, width = like.shape[1:]
    places = torch.arange(start, start + count, device=like.device, dtype=torch.float32)
    powers = torch.arange((width + 1) // 2, device=like.device, dtype=torch.float32)
    angles = places[:, None] * torch.exp(powers * (-2 * log(_LONGEST_WAVE) / width))
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width] * _WAVE
