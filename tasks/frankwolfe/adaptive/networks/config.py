"""Config of the study `adaptive-networks`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from tasks.frankwolfe.config import RegionName
from tasks.nn.config import MAX_EPOCHS, ImageTrainingConfig

__all__ = ["METHODS", "REDUCED", "RIVALS", "AdaptiveNetworksConfig", "Method"]

Method = Literal[
    "sgd", "adamw", "sfw", "momentum_sfw", "adasfw", "adamsfw", "svrf", "spider"
]  # fmt: skip
RIVALS = ("sgd", "adamw")
"""Methods without a region."""
METHODS = ("sfw", "momentum_sfw", "adasfw", "adamsfw", "svrf", "spider")
"""Methods with one."""
REDUCED = ("svrf", "spider")
"""Methods whose gradients need passes over all training examples."""


class AdaptiveNetworksConfig(ImageTrainingConfig):
    """Estimates of gradients and adaptive steps over one region, at equal numbers of gradients."""

    methods: tuple[Method, ...] = Field(default=(*RIVALS, *METHODS), min_length=1)
    """What is compared: SGD and AdamW without a region; Frank-Wolfe with plain gradients (sfw) and
    with momentum, in an adaptive metric (adasfw, adamsfw), and with gradients of less variance
    (svrf, spider)."""

    region: RegionName = "linf"
    """Region of the weights of hidden layers; everything else is trained with AdamW."""

    width: float = Field(default=10.0, gt=0.0, le=1e6)
    """Size of the region: its diameter over that which initialization needs."""

    share: float = Field(default=0.1, gt=0.0, lt=1.0)
    """Share of entries, filters or singular values of a vertex, for regions that have a k."""

    rate_factors: tuple[float, ...] = Field(
        default=(0.3, 1.0, 3.0, 10.0, 30.0), min_length=1, max_length=20
    )
    """Rates to choose from, as multiples: of learning_rate for SGD and Frank-Wolfe, of ten times it
    with momentum, which is a mean of gradients, of a tenth of it for adasfw, of a hundredth of it
    for AdamW and adamsfw."""

    inner_steps: int = Field(default=2, ge=1, le=100)
    """Extreme points of a step of adasfw and adamsfw."""

    epochs: float = Field(default=10.0, gt=0.0, le=MAX_EPOCHS)
    """Gradients of single examples that every training may take, over the number of training
    examples. Methods that take two for an example, or passes over all, take fewer steps. Rates are
    linear after 5 percent warm-up."""

    snapshot_epochs: float = Field(default=1.0, gt=0.0, le=MAX_EPOCHS)
    """Steps of svrf and spider from one gradient of all examples to the next, as epochs of
    batches."""

    pad: int = Field(default=0, ge=0, le=16)
    """Width of the border for random crops of training images, in pixels. svrf and spider need
    images that stay as they are: 0."""

    gap_images: int = Field(default=500, ge=1)
    """Training images on which the gap is measured."""

    @model_validator(mode="after")
    def _choices(self) -> Self:
        if any(not 0 < value < float("inf") for value in self.rate_factors):
            raise ValueError(f"rate_factors {list(self.rate_factors)} must be positive and finite")
        # Keys of items have six digits.
        if len({f"{value:g}" for value in self.rate_factors}) < len(self.rate_factors):
            raise ValueError(f"rate_factors {list(self.rate_factors)} has a value twice")
        if len(set(self.methods)) < len(self.methods):
            raise ValueError("methods has a name twice")
        return self

    @model_validator(mode="after")
    def _finite_sum(self) -> Self:
        reduced = [name for name in self.methods if name in REDUCED]
        if reduced and (self.pad or self.flip):
            raise ValueError(
                f"{reduced[0]} needs a finite sum: training images that are changed at random have "
                "none; set pad=0 and flip=false, or leave the method out"
            )
        return self
