"""Configuration of the chain from a data set to a benchmark of the model trained on it."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from tasks.records.config import FrozenConfig
from tasks.sos.benchmarking.config import BenchmarkConfig
from tasks.sos.prediction.config import PredictorConfig
from tasks.sos.sampling.datasets import DatasetConfig


class NeuralSosConfig(FrozenConfig):
    """What to draw, how to train on it, and how to benchmark the model."""

    dataset: DatasetConfig = Field(default=DatasetConfig())
    """Polynomials to learn from."""

    train: PredictorConfig = Field(default=PredictorConfig(families=DatasetConfig().families))
    """The training; its shards are those of the data set, its families among those drawn there."""

    benchmark: BenchmarkConfig = Field(default=BenchmarkConfig(seed=1))
    """The benchmark; its scorer is the model of the training. Its seed differs from that of the
    data set: with the same one it would be of the polynomials that were learned from."""

    @model_validator(mode="after")
    def _scores_a_scorer(self) -> Self:
        if self.train.model != "scorer":
            raise ValueError(
                f"train.model is {self.train.model}; the benchmark takes a scorer: set it to scorer"
            )
        return self

    @model_validator(mode="after")
    def _learns_what_is_drawn(self) -> Self:
        drawn = self.dataset.families
        if others := [family for family in self.train.families if family not in drawn]:
            raise ValueError(
                f"train.families {', '.join(others)}: not in the data set; "
                f"allowed are those of dataset.families: {', '.join(drawn)}"
            )
        return self

    @model_validator(mode="after")
    def _benchmarks_others(self) -> Self:
        if self.benchmark.seed == self.dataset.seed:
            raise ValueError(
                f"benchmark.seed and dataset.seed are both {self.dataset.seed}: the benchmark "
                "would be of the polynomials that were learned from; set another seed for one"
            )
        return self
