"""What can be trained: the scorer, and the autoregressive baseline.

Batch t of a training is a function of (seed, t) alone, and a checkpoint holds all else: a training
that was killed goes on to the weights it would have had, on the CPU bit for bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from multiprocessing import get_context
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tasks.nn import TrainingState, seeded_generator
from tasks.records import derive_seed
from tasks.sos.prediction.autoregressive import MonomialTransformer
from tasks.sos.prediction.config import PredictorConfig
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
    basis_loss,
    draw_graphs,
    joined,
    logits_of,
    rate_schedule,
)

__all__ = ["Learner", "TrainingBatches", "learner", "new_state"]

Logits = list[NDArray[np.float32]]
_WEIGHT_DECAY = 0.01


@dataclass(frozen=True)
class Learner:
    """A kind of model with its batches and its loss.

    Attributes
    ----------
    new_model : callable () -> nn.Module
        Untrained, from PyTorch's default random numbers.
    drawn : callable (start, count, stride) -> sequence
        Examples start, start + stride, .. of the training.
    batch : callable (examples, device)
        What the loss takes: of examples of the training, or of graphs.
    loss : callable (model, batch) -> Tensor ()
    logits : callable (model, graphs, device) -> list of float32 array
        For every graph the logits of its candidates.
    calibrated : callable (model, graphs, device) -> Calibration
        Temperature and threshold from held-out graphs.
    """

    new_model: Callable[[], nn.Module]
    drawn: Callable[[int, int, int], Sequence[Any]]
    batch: Callable[[Sequence[Any], torch.device], Any]
    loss: Callable[[nn.Module, Any], Tensor]
    logits: Callable[[nn.Module, Sequence[LabeledGraph], torch.device], Logits]
    calibrated: Callable[[nn.Module, Sequence[LabeledGraph], torch.device], Calibration]


def _scorer(config: PredictorConfig) -> Learner:
    """The scorer of candidates, with a fitted temperature and a conformal threshold."""
    return Learner(
        new_model=lambda: BasisScorer(width=config.width, rounds=config.rounds),
        drawn=lambda start, number, stride: draw_graphs(
            config, "training", start, number, stride=stride
        ),
        batch=lambda examples, device: joined(examples).to(device),
        loss=basis_loss,
        logits=logits_of,
        calibrated=lambda model, graphs, device: calibrate(
            logits_of(model, graphs, device), graphs, alpha=config.alpha
        ),
    )


def _writer(config: PredictorConfig) -> Learner:
    """The autoregressive baseline; its probabilities say only what was written."""
    max_exponent = 2 * config.max_half_degree + 2
    bounds = {"num_variables": config.max_variables, "max_exponent": max_exponent}
    size = {"width": config.width, "heads": config.heads, "layers": config.rounds}

    def drawn(start: int, number: int, stride: int) -> list[Example]:
        # As they are: their graphs would take longer than the step.
        given = source(config)
        return [given.example("training", start + k * stride) for k in range(number)]

    def batch(
        examples: Sequence[Example | LabeledGraph], device: torch.device
    ) -> list[SequenceBatch]:
        plain = [each.example if isinstance(each, LabeledGraph) else each for each in examples]
        return [part.to(device) for part in sequence_parts(plain, **bounds)]

    def logits(model: nn.Module, graphs: Sequence[LabeledGraph], device: torch.device) -> Logits:
        model.eval()
        return written_logits(cast(MonomialTransformer, model), graphs)

    return Learner(
        new_model=lambda: MonomialTransformer(**bounds, **size),
        drawn=drawn,
        batch=batch,
        loss=lambda model, parts: sequence_loss(cast(MonomialTransformer, model), parts),
        logits=logits,
        calibrated=lambda model, graphs, device: Calibration(1.0, 0.5),
    )


def learner(config: PredictorConfig) -> Learner:
    """What a config asks for."""
    return _scorer(config) if config.model == "scorer" else _writer(config)


def new_state(config: PredictorConfig, device: torch.device) -> TrainingState:
    """Untrained weights from the seed, and their optimizer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed, "sos-train", "weights"))
        model = learner(config).new_model()
    model.to(device)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=_WEIGHT_DECAY
    )
    generator = seeded_generator(derive_seed(config.seed, "sos-train", "steps"))
    return TrainingState(model, optimizer, rate_schedule(config), generator=generator)


@dataclass(frozen=True)
class TrainingBatches:
    """The share of one process of the batches of a training; a run has no others."""

    config: PredictorConfig = field(repr=False)
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
        size, processes = self.config.batch_size, self.config.processes
        return learner(self.config).drawn(step * size + self.rank, size // processes, processes)
