"""Config of the study `compression-aware`."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from tasks.nn.config import ImageTrainingConfig

__all__ = ["CompressionConfig", "Kind", "Ranking", "Rival", "StructuredRegion"]

StructuredRegion = Literal[
    "group_k_support",
    "k_support",
    "k_sparse",
    "spectral_k_support",
    "spectral_k_sparse",
    "nuclear",
    "l2",
]
Rival = Literal["sgd_decay", "group_penalty", "nuclear_penalty", "nuclear_prox", "imp"]
Kind = Literal["filters", "low_rank", "both", "weights"]
Ranking = Literal["share", "energy", "budget"]


class CompressionConfig(ImageTrainingConfig):
    """Networks that are trained once, by several methods, and compressed to every ratio."""

    regions: tuple[StructuredRegion, ...] = Field(
        default=("group_k_support", "spectral_k_support", "nuclear"), min_length=1
    )
    """Regions of the weights of hidden layers; everything else is kept in L2 balls."""

    plain: tuple[StructuredRegion, ...] = ()
    """Regions that are tried without gradient rescaling, too: steps are shares of the way."""

    rivals: tuple[Rival, ...] = (
        "sgd_decay",
        "group_penalty",
        "nuclear_penalty",
        "nuclear_prox",
        "imp",
    )
    """Methods without regions: SGD with weight decay; with a penalty on the norms of filters, or on
    nuclear norms; with the proximal step of the latter; and pruning with retraining (IMP, one
    cycle), once for every ratio, with as many steps in all."""

    kinds: tuple[Kind, ...] = Field(default=("filters", "low_rank"), min_length=1)
    """Compressions: whole filters are cut out, layers become two of low rank, both, or single
    weights go."""

    ratios: tuple[float, ...] = Field(
        default=(0.9, 0.7, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05), min_length=1, max_length=100
    )
    """What stays: of the filters, ranks or weights, in (0, 1]."""

    ranking: Ranking = "share"
    """What a ratio is of ranks: the same share in every layer, the share of the squared singular
    values, or that of the multiplications, shared out among layers."""

    by_layer: bool = False
    """Whether every layer keeps the same share of its single weights."""

    widths: tuple[float, ...] = Field(default=(10.0, 30.0), min_length=1, max_length=20)
    """Sizes of regions to choose from: diameters over that which initialization needs."""

    shares: tuple[float, ...] = Field(default=(0.1, 0.3), min_length=1, max_length=20)
    """Shares of filters, singular values or weights that a vertex has, to choose from."""

    penalties: tuple[float, ...] = Field(default=(1e-4, 1e-3, 1e-2), min_length=1, max_length=20)
    """Strengths of penalties to choose from."""

    weight_decays: tuple[float, ...] = Field(default=(), max_length=20)
    """Weight decays of sgd_decay and imp to choose from; none for weight_decay alone, which the
    penalties have."""

    rate_factors: tuple[float, ...] = Field(default=(1.0, 3.0), min_length=1, max_length=20)
    """Rates to choose from, as multiples: of learning_rate for SGD, of ten times it for regions,
    whose momentum is a mean of gradients, of a tenth of it without gradient rescaling."""

    lmo_delay: float = Field(default=0.0, ge=0.0)
    """Epochs at the beginning in which k counts everything, so that regions are balls; less than
    epochs."""

    retrain_share: float = Field(default=0.25, gt=0.0, lt=1.0)
    """Share of the steps that pruning with retraining takes after its pruning."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for name in ("widths", "penalties", "weight_decays", "rate_factors"):
            values = getattr(self, name)
            if any(not 0 < value < math.inf for value in values):
                raise ValueError(f"{name} {list(values)} must be positive and finite")
        if any(not 0 < share < 1 for share in self.shares):
            raise ValueError(f"shares {list(self.shares)} must lie between 0 and 1")
        if any(not 0 < ratio <= 1 for ratio in self.ratios):
            raise ValueError(f"ratios {list(self.ratios)} are what stays: in (0, 1]")
        for name in ("widths", "shares", "penalties", "weight_decays", "rate_factors", "ratios"):
            values = getattr(self, name)
            if len({f"{value:g}" for value in values}) < len(values):  # keys have six digits
                raise ValueError(f"{name} {list(values)} has a value twice, to six digits")
        for name in ("regions", "plain", "rivals", "kinds"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise ValueError(f"{name} has a name twice")
        if self.lmo_delay and not self.lmo_delay < self.epochs:
            raise ValueError(
                f"lmo_delay {self.lmo_delay:g} is beyond the training of {self.epochs:g} epochs"
            )
        return self
