"""What a training needs of its data, whatever the data are: images or text.

A bench knows the network before training, the batches, the schedule, and how good a model is.
`tasks.nn.benches.open_bench` gives that of a config.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tasks.nn.config import TrainingSettings
from tasks.nn.evaluation import Evaluation
from tasks.nn.fitting import Batches, FitPlan
from tasks.nn.objectives import CLASSIFICATION, Fitness, Objective
from tasks.nn.schedules import Linear, Schedule, warmed_up

__all__ = ["Bench", "Measures"]

WARM_UP = 0.05
"""Share of the dense training in which the rate rises."""


@dataclass(frozen=True)
class Measures:
    """How good a model is.

    Attributes
    ----------
    validation : Evaluation or Fitness
        For choices between models.
    test : Evaluation or Fitness
    ood_accuracy : float or None
        Mean over corruptions and severities; None if it was not measured.
    """

    validation: Evaluation | Fitness
    test: Evaluation | Fitness
    ood_accuracy: float | None = None

    @property
    def is_finite(self) -> bool:
        """Whether both losses are finite."""
        return math.isfinite(self.test.loss) and math.isfinite(self.validation.loss)

    def columns(self) -> dict[str, float | None]:
        """What tables of models hold of them."""
        return {
            **self.validation.columns("validation_"),
            **self.test.columns(),
            "ood_accuracy": self.ood_accuracy,
        }


@dataclass(frozen=True, eq=False)
class Bench(ABC):
    """A config with its data on a device.

    Attributes
    ----------
    config : TrainingSettings
    """

    config: TrainingSettings

    @property
    @abstractmethod
    def steps_per_epoch(self) -> int:
        """Whole batches of the training data."""

    @abstractmethod
    def new_model(self, replicate: int) -> nn.Module:
        """Network of a repetition before training."""

    @abstractmethod
    def batches(self, seed: int) -> Batches:
        """Training batches in an order of their own."""

    @abstractmethod
    def some_batch(self, count: int) -> tuple[Tensor, Tensor]:
        """The first training examples, at most so many, as one batch."""

    @abstractmethod
    def measure(self, model: nn.Module, *, corrupted: bool = True) -> Measures:
        """Measures on validation and test data, and on corrupted ones if wanted."""

    @abstractmethod
    def digest(self) -> str:
        """SHA-256 of all data, part by part."""

    @abstractmethod
    def recalibrate(self, model: nn.Module) -> None:
        """Re-estimate the statistics of normalization, where a network keeps any."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """How to make the network, and what its inputs and classes are, as plain data."""

    @property
    def objective(self) -> Objective:
        """What is to be learned."""
        return CLASSIFICATION

    @property
    def image_shape(self) -> Sequence[int] | None:
        """(C, H, W) of inputs that are images."""
        return None

    def num_steps(self, epochs: float) -> int:
        """Whole steps of a number of epochs, at least one."""
        return max(round(epochs * self.steps_per_epoch), 1)

    def dense_schedule(self, num_steps: int, rate: float | None = None) -> Schedule:
        """Rates of a training from scratch: linear to 0 after a warm-up.

        The largest is `rate`, by default that of the config.
        """
        rises = round(WARM_UP * num_steps)
        largest = self.config.learning_rate if rate is None else rate
        line = Linear(largest, 0.0, max(num_steps - rises, 1))
        return warmed_up(line, WARM_UP if rises else 0.0, num_steps)

    def fit_plan(
        self, num_steps: int, *, checkpoint: str | Path | None = None, origin: str = ""
    ) -> FitPlan:
        """Settings of the config; `origin` tells the checkpoints of other trainings apart."""
        return FitPlan(
            num_steps=num_steps,
            clip=self.config.clip,
            mixed_precision=self.config.mixed_precision,
            checkpoint=checkpoint,
            origin=origin,
            checkpoint_steps=self.config.checkpoint_steps,
        )
