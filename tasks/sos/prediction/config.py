"""Configuration of a training run."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from gpu.backend import Device
from tasks.records.config import FrozenConfig
from tasks.sos.sampling.cells import SUMS_OF_SQUARES, Family


class PredictorConfig(FrozenConfig):
    """What the scorer learns from, its size, and how it is trained."""

    model: Literal["scorer", "autoregressive"] = "scorer"
    """scorer: one logit per candidate monomial; autoregressive: the published encoder-decoder,
    which writes a basis monomial by monomial, as a baseline."""

    shards: tuple[str, ...] = ()
    """Where to read polynomials: Arrow files of the flow sos-dataset, or folders of its runs; empty
    to draw them on the fly. Training reads the split train, the rest validation and test."""

    families: tuple[Family, ...] = Field(default=SUMS_OF_SQUARES, min_length=1)
    """Families to learn from, all of sums of squares; on the fly they take turns."""

    max_variables: int = Field(default=16, ge=2, le=30)
    """Largest number of variables of the examples."""

    max_half_degree: int = Field(default=10, ge=2, le=20)
    """Largest half degree of the examples."""

    max_size: int = Field(default=60, ge=5, le=100)
    """Largest size of the planted bases, about."""

    width: int = Field(default=64, ge=4, le=1024)
    """Size of the states of the network."""

    rounds: int = Field(default=4, ge=1, le=32)
    """Rounds of messages; of the baseline layers of encoder and decoder."""

    heads: int = Field(default=4, ge=1, le=64)
    """Heads of the attention of the baseline; they divide the width."""

    steps: int = Field(default=1000, ge=1, le=10_000_000)
    """Steps of the optimizer."""

    batch_size: int = Field(default=32, ge=1, le=65_536)
    """Polynomials per step."""

    learning_rate: float = Field(default=2e-3, gt=0.0, le=1.0)
    """Largest learning rate; it rises over 5 percent of the steps and falls along a cosine."""

    clip: float = Field(default=1.0, gt=0.0)
    """Largest norm of a gradient."""

    checkpoint_steps: int = Field(default=100, ge=1)
    """Steps between two checkpoints; each ends with a row of the curve."""

    validation: int = Field(default=240, ge=1, le=1_000_000)
    """Held-out polynomials of a row of the curve."""

    calibration: int = Field(default=1200, ge=20, le=1_000_000)
    """Held-out polynomials of the temperature and the threshold, at least 1 / alpha - 1."""

    test: int = Field(default=1200, ge=1, le=1_000_000)
    """Held-out polynomials of the final numbers."""

    alpha: float = Field(default=0.005, gt=0.0, lt=1.0)
    """The known basis is within the prediction with probability 1 - alpha at least."""

    device: Device = "auto"
    """Where the training runs; on the CPU it repeats bit for bit."""

    processes: int = Field(default=1, ge=1, le=1024)
    """Processes that share every batch and average their gradients, each on a GPU of its own if the
    device is one."""

    loaders: int = Field(default=0, ge=0, le=256)
    """Further processes that prepare batches ahead; 0 prepares them in between."""

    mixed_precision: bool = False
    """Forward pass in bfloat16."""

    seed: int = Field(default=0, ge=0, le=2**62)
    """Root of the weights and of all examples."""

    def calibrates_with(self, count: int) -> bool:
        """Whether so many held-out polynomials have a threshold above 0 for alpha."""
        return self.model == "autoregressive" or self.alpha * (count + 1) >= 1

    @model_validator(mode="after")
    def _has_a_threshold(self) -> Self:
        if not self.calibrates_with(self.calibration):
            raise ValueError(
                f"calibration {self.calibration} is too small for alpha {self.alpha:g}: "
                f"it must be at least 1 / alpha - 1 = {1 / self.alpha - 1:.10g}"
            )
        return self

    @model_validator(mode="after")
    def _has_bases(self) -> Self:
        others = [family for family in self.families if family not in SUMS_OF_SQUARES]
        if others:
            raise ValueError(
                f"families {', '.join(others)}: no sums of squares, so there is no basis to learn; "
                f"allowed are {', '.join(SUMS_OF_SQUARES)}"
            )
        return self

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.batch_size % self.processes:
            raise ValueError(
                f"batch_size {self.batch_size} must be a multiple of processes {self.processes}"
            )
        if self.model == "autoregressive" and self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}")
        return self
