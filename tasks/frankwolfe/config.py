"""Config of the study `frank-wolfe`."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from tasks.nn.config import TEXTS, ImageModel, Images, NetworkNames, Texts, TrainingSettings

__all__ = ["FrankWolfeConfig", "RegionName", "Rival"]

RegionName = Literal[
    "l1",
    "l2",
    "linf",
    "k_sparse",
    "k_norm",
    "k_support",
    "group_k_support",
    "nuclear",
    "spectral",
    "spectral_k_sparse",
    "spectral_k_support",
]
Rival = Literal["sgd", "sgd_decay", "adamw", "muon"]


class FrankWolfeConfig(TrainingSettings):
    """Regions and rivals, each with the size and rate that is best on validation data."""

    dataset: Literal[Images, Texts] = "digits"
    """What to learn from: images, or text, character by character. digits, synthetic and
    python-docs, the reference of Python, are there; textfolder is a folder of your own, given as
    data_folder; for the others the message about missing files says how to get them."""

    model: Annotated[str, NetworkNames(*get_args(ImageModel), "gpt")] = "small-cnn"
    """Network: a built-in one, or a function of your own that returns a torch.nn.Module,
    package.module:name or FILE.py:name, or timm:NAME where timm is installed. Of text it is gpt,
    with four blocks of width 128 and 0.8 million parameters."""

    context: int = Field(default=64, ge=1, le=4096)
    """Characters that a network of text looks at."""

    regions: tuple[RegionName, ...] = Field(
        default=("l2", "linf", "k_sparse", "k_support", "nuclear", "spectral"), min_length=1
    )
    """Regions of the weights of hidden layers; everything else is trained with AdamW."""

    rivals: tuple[Rival, ...] = ("sgd", "sgd_decay", "adamw", "muon")
    """Optimizers without constraints: SGD without and with weight decay, AdamW, Muon."""

    widths: tuple[float, ...] = Field(default=(3.0, 10.0, 30.0), min_length=1, max_length=20)
    """Sizes of regions to choose from: diameters over that which initialization needs."""

    rate_factors: tuple[float, ...] = Field(default=(0.3, 1.0, 3.0), min_length=1, max_length=20)
    """Rates to choose from, as multiples: of learning_rate for SGD, of ten times it for Frank-Wolfe
    with momentum, which is a mean of gradients, of a tenth of it for plain steps (scion), of a
    hundredth of it for AdamW, of a fifth of it for Muon."""

    share: float = Field(default=0.1, gt=0.0, lt=1.0)
    """Share of entries, filters or singular values of a vertex, for regions that have a k."""

    preset: Literal["sfw", "momentum_sfw", "scion"] = "momentum_sfw"
    """How Frank-Wolfe moves: with gradient rescaling, with momentum too, or with plain steps."""

    gap_images: int = Field(default=500, ge=1)
    """Training images, or windows of text, on which the gap is measured along the way."""

    certified_radii: tuple[float, ...] = (0.05, 0.1, 0.2, 0.3, 0.5)
    """Euclidean distances, of images with values from 0 to 1, at which accuracy is certified; for
    perceptrons."""

    @property
    def is_text(self) -> bool:
        """Whether the data are text, where losses tell more than accuracies."""
        return self.dataset in TEXTS and not self.data

    @model_validator(mode="after")
    def _network_of_data(self) -> Self:
        if self.is_text != (self.model == "gpt"):
            known = "the network of text is gpt" if self.is_text else "gpt learns from text alone"
            raise ValueError(f"{self.model} does not learn from {self.data_name}: {known}")
        if self.is_text and self.checkpoint:
            raise ValueError("a network of text starts from scratch: leave out checkpoint")
        return self

    @model_validator(mode="after")
    def _positive(self) -> Self:
        for name in ("widths", "rate_factors", "certified_radii"):
            values = getattr(self, name)
            if any(not 0 < value < float("inf") for value in values):
                raise ValueError(f"{name} {list(values)} must be positive and finite")
            # Keys of items have six digits.
            if len({f"{value:g}" for value in values}) < len(values):
                raise ValueError(f"{name} {list(values)} has a value twice, to six digits")
        for name in ("regions", "rivals"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise ValueError(f"{name} has a name twice")
        return self
