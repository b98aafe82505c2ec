"""Training of the scorer: examples, batches, loss, logits.

The loss is the cross entropy of the candidates, a mean over each polynomial first, plus that of the
least probable monomial of the known basis: one missing monomial costs the proof, one too many only
time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from tasks.lattice import positions
from tasks.nn import Cosine, Schedule, warmed_up
from tasks.sos.prediction.config import PredictorConfig
from tasks.sos.prediction.examples import Example
from tasks.sos.prediction.graphs import GramGraph, batch_graphs, gram_graph
from tasks.sos.prediction.network import GraphTensors, as_tensors
from tasks.sos.prediction.sources import Purpose, source

__all__ = [
    "LabeledGraph",
    "TrainingBatch",
    "basis_loss",
    "draw_graphs",
    "joined",
    "labeled",
    "logits_of",
    "rate_schedule",
]

_WARM_UP = 0.05
_HARDEST = 0.1
"""Weight of the least probable monomial of the known basis."""


@dataclass(frozen=True, eq=False)
class LabeledGraph:
    """An example, its graph, and which candidates are in the known basis."""

    example: Example
    graph: GramGraph
    labels: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TrainingBatch:
    """Graphs side by side, and the labels (N,) of their candidates as 0 and 1."""

    graph: GraphTensors
    labels: Tensor

    def to(self, device: torch.device) -> TrainingBatch:
        """The same on another device."""
        return TrainingBatch(self.graph.to(device), self.labels.to(device))


def labeled(example: Example) -> LabeledGraph:
    """Build the graph of an example and mark its basis."""
    graph = gram_graph(example.exponents, example.coefficients)
    return LabeledGraph(example, graph, positions(graph.monomials, example.basis) >= 0)


def joined(graphs: Sequence[LabeledGraph]) -> TrainingBatch:
    """One batch."""
    labels = np.concatenate([each.labels for each in graphs]).astype(np.float32)
    batch = batch_graphs([each.graph for each in graphs])
    return TrainingBatch(as_tensors(batch), torch.from_numpy(labels))


def draw_graphs(
    config: PredictorConfig, purpose: Purpose, start: int, count: int, *, stride: int = 1
) -> list[LabeledGraph]:
    """Up to `count` examples start, start + stride, .. of a purpose, as many as there are."""
    given = source(config)
    end = given.available(purpose, start + stride * count)
    numbers = range(start, end, stride)[:count]
    return [labeled(given.example(purpose, number)) for number in numbers]


def rate_schedule(config: PredictorConfig) -> Schedule:
    """A warm-up, then a cosine down to a hundredth."""
    warm_up = max(round(_WARM_UP * config.steps), 1)
    cosine = Cosine(
        config.learning_rate, config.learning_rate / 100, max(config.steps - warm_up, 1)
    )
    return warmed_up(cosine, _WARM_UP, config.steps)


def basis_loss(model: nn.Module, batch: TrainingBatch) -> Tensor:
    """Mean loss of the polynomials of a batch."""
    owner, count = batch.graph.candidate_graph, batch.graph.num_graphs
    logits = model(batch.graph).float()
    losses = binary_cross_entropy_with_logits(logits, batch.labels, reduction="none")
    zeros = losses.new_zeros(count)
    sizes = zeros.index_add(0, owner, torch.ones_like(losses)).clamp(min=1)
    means = zeros.index_add(0, owner, losses) / sizes
    hardest = zeros.scatter_reduce(0, owner, losses * batch.labels, "amax")
    return (means + _HARDEST * hardest).mean()


@torch.inference_mode()
def logits_of(
    model: nn.Module, graphs: Sequence[LabeledGraph], device: torch.device, *, batch: int = 64
) -> list[NDArray[np.float32]]:
    """Logits of the candidates of every graph."""
    model.eval()
    found: list[NDArray[np.float32]] = []
    for start in range(0, len(graphs), batch):
        part = graphs[start : start + batch]
        values = model(joined(part).to(device).graph).float().cpu().numpy()
        ends = np.cumsum([each.graph.num_candidates for each in part])
        found += np.split(values, ends[:-1])
    return found
