"""Training of the autoregressive baseline: padded batches and teacher forcing.

The loss is the cross entropy of the exponents of every next monomial, a mean over variables, and
that of the end; a mean over positions. The polynomials of a batch are padded in *parts* of similar
length: most have few terms and some have hundreds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from tasks.lattice import positions
from tasks.sos.prediction.autoregressive import MonomialTransformer
from tasks.sos.prediction.decoding import greedy_bases, term_tensors
from tasks.sos.prediction.examples import Example
from tasks.sos.prediction.training import LabeledGraph

__all__ = ["SequenceBatch", "sequence_batch", "sequence_loss", "sequence_parts", "written_logits"]

_CERTAIN = 4.0
"""Logit of what was written, minus that of what was not."""
_PART = 4
"""Polynomials that are padded, or decoded, together."""


@dataclass(frozen=True, eq=False)
class SequenceBatch:
    """Terms and bases, padded.

    Attributes
    ----------
    exponents : int64 (B, T, n)
    numbers : float32 (B, T, 2)
    present : bool (B, T)
    basis : int64 (B, m, n)
    wanted : bool (B, m + 1)
        Positions that count: one per monomial and the end.
    ends : float32 (B, m + 1)
        1 at the end.
    """

    exponents: Tensor
    numbers: Tensor
    present: Tensor
    basis: Tensor
    wanted: Tensor
    ends: Tensor

    def to(self, device: torch.device) -> SequenceBatch:
        """The same on another device."""
        return SequenceBatch(*(value.to(device) for value in vars(self).values()))


def sequence_parts(
    examples: Sequence[Example], *, num_variables: int, max_exponent: int
) -> list[SequenceBatch]:
    """Pad some examples in parts, by number of terms, for a model with these bounds."""
    bounds = {"num_variables": num_variables, "max_exponent": max_exponent}
    found = sorted(examples, key=lambda example: len(example.exponents))
    return [sequence_batch(found[k : k + _PART], **bounds) for k in range(0, len(found), _PART)]


def sequence_batch(
    examples: Sequence[Example], *, num_variables: int, max_exponent: int
) -> SequenceBatch:
    """Pad some examples together."""
    bounds = {"num_variables": num_variables, "max_exponent": max_exponent}
    terms = [term_tensors(e.exponents, e.coefficients, **bounds) for e in examples]
    bases = [term_tensors(e.basis, np.ones(len(e.basis)), **bounds)[0] for e in examples]
    sizes = torch.tensor([len(basis) for basis in bases])
    counts = torch.tensor([len(rows) for rows, _ in terms])
    places = torch.arange(int(sizes.max()) + 1)
    pad = nn.utils.rnn.pad_sequence
    return SequenceBatch(
        pad([rows for rows, _ in terms], batch_first=True),
        pad([numbers for _, numbers in terms], batch_first=True),
        torch.arange(int(counts.max())) < counts[:, None],
        pad(bases, batch_first=True),
        places <= sizes[:, None],
        (places == sizes[:, None]).float(),
    )


def sequence_loss(model: MonomialTransformer, parts: Sequence[SequenceBatch]) -> Tensor:
    """Mean loss of the positions of all parts together."""
    sums = torch.stack([_sums(model, part) for part in parts]).sum(dim=0)
    variables = parts[0].basis.shape[2]
    counts = [
        variables * sum(part.wanted[:, 1:].sum() for part in parts),
        sum(part.wanted.sum() for part in parts),
    ]
    return sums[0] / counts[0] + sums[1] / counts[1]


def _sums(model: MonomialTransformer, batch: SequenceBatch) -> Tensor:
    """Summed losses (2,) of the exponents and of the ends."""
    memory = model.encode(batch.exponents, batch.numbers, batch.present)
    logits, ends = model.decode(model.started(batch.basis), memory)
    is_monomial = batch.wanted[:, 1:]
    exponents = cross_entropy(
        logits[:, :-1][is_monomial].flatten(0, 1).float(),
        batch.basis[is_monomial].flatten(),
        reduction="sum",
    )
    ending = binary_cross_entropy_with_logits(
        ends[batch.wanted].float(), batch.ends[batch.wanted], reduction="sum"
    )
    return torch.stack([exponents, ending])


def written_logits(
    model: MonomialTransformer, graphs: Sequence[LabeledGraph]
) -> list[NDArray[np.float32]]:
    """For every candidate whether it was written, as a logit."""
    found = []
    for start in range(0, len(graphs), _PART):
        part = graphs[start : start + _PART]
        terms = [(each.example.exponents, each.example.coefficients) for each in part]
        bases = greedy_bases(model, terms)
        for each, basis in zip(part, bases, strict=True):
            is_written = positions(each.graph.monomials, basis) >= 0
            found.append(np.where(is_written, _CERTAIN, -_CERTAIN).astype(np.float32))
    return found
