"""The network that scores candidates: message passing on the Gram graph, equivariant by design.

With states h_b of candidates and h_s of terms, a round makes for every pair e = {b, b'} with
b + b' = s

    z_e = gelu(A h_b + A h_b' + C h_s + E f_e),    α_e = softmax over the pairs of s of g·z_e,
    h_s += U[h_s, Σ_{e of s} α_e z_e, global],
    h_b += V[h_b, arcsinh Σ_{e with b} α_e z_e, mean of z_e over e with b, global].

α says by which pairs a term is explained; all pairs of a term compete. Every sum runs over
variables, pairs or nodes, hence the logits are equivariant under permutations of variables, terms
and candidates. One forward pass gives the logits of all candidates.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from tasks.sos.prediction.graphs import (
    CANDIDATE_FEATURES,
    ENTRY_FEATURES,
    PAIR_FEATURES,
    TERM_FEATURES,
    GramGraph,
)

__all__ = ["BasisScorer", "GraphTensors", "as_tensors"]

_MAX_SCORE = 6.0
"""Of the attention: its exponentials need no shift."""


@dataclass(frozen=True, eq=False)
class GraphTensors:
    """The arrays of a `GramGraph` that the network reads, on one device."""

    terms: Tensor
    candidates: Tensor
    pairs: Tensor
    first: Tensor
    second: Tensor
    term: Tensor
    term_entries: Tensor
    candidate_entries: Tensor
    term_owner: Tensor
    candidate_owner: Tensor
    term_graph: Tensor
    candidate_graph: Tensor
    num_graphs: int

    def to(self, device: torch.device | str) -> GraphTensors:
        """The same on another device."""
        moved = {name: getattr(self, name).to(device) for name in _ARRAYS}
        return GraphTensors(**moved, num_graphs=self.num_graphs)


_ARRAYS = tuple(f.name for f in fields(GraphTensors) if f.name != "num_graphs")


def as_tensors(graph: GramGraph) -> GraphTensors:
    """Share the arrays of a graph with PyTorch."""
    shared = {name: torch.from_numpy(getattr(graph, name)) for name in _ARRAYS}
    return GraphTensors(**shared, num_graphs=graph.num_graphs)


class BasisScorer(nn.Module):
    """Logits of candidates.

    Parameters
    ----------
    width : int
        Size of the states.
    rounds : int
        Rounds of messages.
    """

    def __init__(self, *, width: int = 64, rounds: int = 4) -> None:
        super().__init__()
        self.width = width
        inner = width // 2
        self.term_entry = _perceptron(ENTRY_FEATURES, inner, inner)
        self.candidate_entry = _perceptron(ENTRY_FEATURES, inner, inner)
        self.term_input = _perceptron(TERM_FEATURES + inner, width, width)
        self.candidate_input = _perceptron(CANDIDATE_FEATURES + inner, width, width)
        self.rounds = nn.ModuleList(_Round(width) for _ in range(rounds))
        self.norm = nn.LayerNorm(width)
        self.output = _perceptron(width, width, 1)

    def forward(self, graph: GraphTensors) -> Tensor:
        """Logits (N,) of all candidates."""
        terms = self.term_input(
            _joined(graph.terms, self.term_entry(graph.term_entries), graph.term_owner)
        )
        candidates = self.candidate_input(
            _joined(
                graph.candidates,
                self.candidate_entry(graph.candidate_entries),
                graph.candidate_owner,
            )
        )
        for each in self.rounds:
            terms, candidates = each(terms, candidates, graph)
        return self.output(self.norm(candidates)).squeeze(-1)


class _Round(nn.Module):
    """One round of messages."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.term_norm = nn.LayerNorm(width)
        self.candidate_norm = nn.LayerNorm(width)
        self.from_candidate = nn.Linear(width, width, bias=False)
        self.from_term = nn.Linear(width, width)
        self.from_pair = nn.Linear(PAIR_FEATURES, width, bias=False)
        self.score = nn.Linear(width, 1)
        self.to_term = _perceptron(4 * width, width, width)
        self.to_candidate = _perceptron(5 * width, width, width)

    def forward(
        self, terms: Tensor, candidates: Tensor, graph: GraphTensors
    ) -> tuple[Tensor, Tensor]:
        """New states of terms and candidates."""
        s, b = self.term_norm(terms), self.candidate_norm(candidates)
        sent = self.from_candidate(b)
        mixed = sent[graph.first] + sent[graph.second] + self.from_term(s)[graph.term]
        messages = gelu(mixed + self.from_pair(graph.pairs))
        shares = torch.exp(_MAX_SCORE * torch.tanh(self.score(messages) / _MAX_SCORE))
        totals = _summed(shares, graph.term, len(terms))
        weighted = messages * (shares / totals[graph.term])
        means_s = _group_mean(s, graph.term_graph, graph.num_graphs)
        means_b = _group_mean(b, graph.candidate_graph, graph.num_graphs)
        explained = _summed(weighted, graph.term, len(terms))
        inputs = [s, explained, means_s[graph.term_graph], means_b[graph.term_graph]]
        terms = terms + self.to_term(torch.cat(inputs, dim=1))
        gathered = _ends(weighted, graph, len(b))
        degrees = _ends(torch.ones_like(shares), graph, len(b)).clamp(min=1)
        average = _ends(messages, graph, len(b)) / degrees
        places = graph.candidate_graph
        inputs = [b, torch.arcsinh(gathered), average, means_s[places], means_b[places]]
        return terms, candidates + self.to_candidate(torch.cat(inputs, dim=1))


def _perceptron(inputs: int, inner: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, inner), nn.GELU(), nn.Linear(inner, outputs))


def _joined(features: Tensor, entries: Tensor, owner: Tensor) -> Tensor:
    """Features beside the sum of what the entries of each row give."""
    return torch.cat([features, _summed(entries, owner, len(features))], dim=1)


def _summed(values: Tensor, owner: Tensor, size: int) -> Tensor:
    """Sums (size, ...) of the values of each owner."""
    return values.new_zeros((size, values.shape[1])).index_add(0, owner, values)


def _ends(values: Tensor, graph: GraphTensors, size: int) -> Tensor:
    """Sums over the pairs of each candidate; a pair {b, b} counts twice."""
    return _summed(values, graph.first, size).index_add(0, graph.second, values)


def _group_mean(values: Tensor, owner: Tensor, size: int) -> Tensor:
    ones = values.new_ones((len(values), 1))
    return _summed(values, owner, size) / _summed(ones, owner, size).clamp(min=1)
