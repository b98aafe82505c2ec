"""What can be trained: the scorer, and the autoregressive baseline.

Batch t of a training is a function of (seed, t) alone, and a checkpoint holds all else: a training
that was killed goes on to the weights it would have had, on the CPU bit for bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from multiprocessing import get_context
from typing import Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tasks.nn import TrainingState, seeded_generator
from tasks.records import derive_seed
from tasks.sos.prediction.autoregressive import MonomialTransformer
from tasks.sos.prediction.config import TrainConfig
from tasks.sos.prediction.evaluation import Calibration, calibrate
from tasks.sos.prediction.examples import Example
from tasks.sos.prediction.network import BasisScorer
from tasks.sos.prediction.sequences import (
    SequenceBatch,
    sequence_loss,
    sequence_parts,
    written_logits,
)
from tasks.sos.prediction.sources import source
from tasks.sos.prediction.training import (
    LabeledGraph,
    TrainingBatch,
    basis_loss,
    draw_graphs,
    joined,
    logits_of,
    rate_schedule,
)

__all__ = ["Learner", "TrainingBatches", "learner", "new_state"]

Logits = list[NDArray[np.float32]]
_WEIGHT_DECAY = 0.01


class Learner(Protocol):
    """A kind of model with its batches and its loss."""

    def new_model(self) -> nn.Module:
        """Untrained, from PyTorch's default random numbers."""
        ...

    def drawn(self, start: int, count: int, stride: int) -> Sequence[Any]:
        """Examples start, start + stride, .. of the training."""
        ...

    def batch(self, examples: Sequence[Any], device: torch.device) -> Any:
        """What the loss takes: of examples of the training, or of graphs."""
        ...

    def loss(self, model: nn.Module, batch: Any) -> Tensor:
        """Mean loss of a batch."""
        ...

    def logits(
        self, model: nn.Module, graphs: Sequence[LabeledGraph], device: torch.device
    ) -> Logits:
        """For every graph the logits of its candidates."""
        ...

    def calibrated(
        self, model: nn.Module, graphs: Sequence[LabeledGraph], device: torch.device
    ) -> Calibration:
        """Temperature and threshold from held-out graphs."""
        ...


class ScorerLearner:
    """The scorer of candidates."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config

    def new_model(self) -> nn.Module:
        """A scorer of the size asked for."""
        return BasisScorer(width=self.config.width, rounds=self.config.rounds)

    def drawn(self, start: int, count: int, stride: int) -> list[LabeledGraph]:
        """Graphs."""
        return draw_graphs(self.config, "training", start, count, stride=stride)

    def batch(self, examples: Sequence[LabeledGraph], device: torch.device) -> TrainingBatch:
        """Graphs side by side."""
        return joined(examples).to(device)

    def loss(self, model: nn.Module, batch: TrainingBatch) -> Tensor:
        """Cross entropy of the candidates."""
        return basis_loss(model, batch)

    def logits(
        self, model: nn.Module, graphs: Sequence[LabeledGraph], device: torch.device
    ) -> Logits:
        """From one forward pass per 64 graphs."""
        return logits_of(model, graphs, device)

    def calibrated(
        self, model: nn.Module, graphs: Sequence[LabeledGraph], device: torch.device
    ) -> Calibration:
        """A fitted temperature and a conformal threshold."""
        return calibrate(self.logits(model, graphs, device), graphs, alpha=self.config.alpha)


class SequenceLearner:
    """The autoregressive baseline; its probabilities say only what was written."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.bounds = {
            "num_variables": config.max_variables,
            "max_exponent": 2 * config.max_half_degree + 2,
        }

    def new_model(self) -> nn.Module:
        """An encoder-decoder of the size asked for."""
        config = self.config
        return MonomialTransformer(
            **self.bounds, width=config.width, heads=config.heads, layers=config.rounds
        )

    def drawn(self, start: int, count: int, stride: int) -> list[Example]:
        """Examples as they are: their graphs would take longer than the step."""
        given = source(self.config)
        return [given.example("training", start + k * stride) for k in range(count)]

    def batch(
        self, examples: Sequence[Example | LabeledGraph], device: torch.device
    ) -> list[SequenceBatch]:
        """Padded sequences."""
        plain = [each.example if isinstance(each, LabeledGraph) else each for each in examples]
        return [part.to(device) for part in sequence_parts(plain, **self.bounds)]

    def loss(self, model: nn.Module, batch: Sequence[SequenceBatch]) -> Tensor:
        """Cross entropy of the next monomials."""
        return sequence_loss(cast(MonomialTransformer, model), batch)

    def logits(
        self, model: nn.Module, graphs: Sequence[LabeledGraph], device: torch.device
    ) -> Logits:
        """From greedy decoding."""
        model.eval()
        return written_logits(cast(MonomialTransformer, model), graphs)

    def calibrated(
        self, model: nn.Module, graphs: Sequence[LabeledGraph], device: torch.device
    ) -> Calibration:
        """Nothing to fit: the basis is what was written."""
        return Calibration(1.0, 0.5)


def learner(config: TrainConfig) -> Learner:
    """What a config asks for."""
    return ScorerLearner(config) if config.model == "scorer" else SequenceLearner(config)


def new_state(config: TrainConfig, device: torch.device) -> TrainingState:
    """Untrained weights from the seed, and their optimizer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed, "sos-train", "weights"))
        model = learner(config).new_model()
    model.to(device)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.rate, betas=(0.9, 0.98), weight_decay=_WEIGHT_DECAY
    )
    generator = seeded_generator(derive_seed(config.seed, "sos-train", "steps"))
    return TrainingState(model, optimizer, rate_schedule(config), generator=generator)


@dataclass(frozen=True)
class TrainingBatches:
    """The share of one process of the batches of a training; a run has no others."""

    config: TrainConfig = field(repr=False)
    device: torch.device = field(repr=False)
    rank: int = field(default=0, repr=False)

    def at(self, step: int) -> Generator[Any]:
        """Batches from a step on, without end."""
        kind, loaders = learner(self.config), self.config.loaders
        if not loaders:
            yield from (kind.batch(self._drawn(k), self.device) for k in count(step))
            return
        with ProcessPoolExecutor(loaders, mp_context=get_context("spawn")) as pool:
            ahead = deque(pool.submit(self._drawn, step + k) for k in range(2 * loaders))
            for following in count(step + len(ahead)):
                graphs = ahead.popleft().result()
                ahead.append(pool.submit(self._drawn, following))
                yield kind.batch(graphs, self.device)

    def _drawn(self, step: int) -> Sequence[Any]:
        """Every so many of the examples of a batch."""
        size, processes = self.config.batch, self.config.processes
        return learner(self.config).drawn(step * size + self.rank, size // processes, processes)
