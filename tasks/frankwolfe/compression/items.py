"""Items of the study `compression-aware`: one training, one compression, one check."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from tasks.frankwolfe.compression.config import CompressionConfig, Kind
from tasks.frankwolfe.items import CHOICE

__all__ = [
    "IMP",
    "CompressionCheck",
    "CompressionWork",
    "Trial",
    "compressions",
    "is_penalty",
    "methods",
    "own_kinds",
    "region_of",
    "trials",
]

IMP = "imp"
PLAIN = "_plain"
"""End of the names of methods without gradient rescaling."""
_PENALTIES = ("group_penalty", "nuclear_penalty", "nuclear_prox")
_WITH_SHARE = (
    "group_k_support", "k_support", "k_sparse", "spectral_k_support", "spectral_k_sparse"
)  # fmt: skip
_PURPOSES: dict[str, tuple[Kind, ...]] = {
    "group_k_support": ("filters", "both"),
    "group_penalty": ("filters", "both"),
    "k_support": ("weights",),
    "k_sparse": ("weights",),
    "spectral_k_support": ("low_rank", "both"),
    "spectral_k_sparse": ("low_rank", "both"),
    "nuclear": ("low_rank", "both"),
    "nuclear_penalty": ("low_rank", "both"),
    "nuclear_prox": ("low_rank", "both"),
}


@dataclass(frozen=True)
class Trial:
    """One training.

    Attributes
    ----------
    config : CompressionConfig
    method : str
        A region, a region without gradient rescaling, or a rival.
    width, share : float
        Of the region; 0 for rivals.
    penalty : float
        Strength, or weight decay to choose; 0 for that of the config, or none.
    factor : float
        Of the rate.
    replicate : int
    """

    config: CompressionConfig
    method: str
    width: float = 0.0
    share: float = 0.0
    penalty: float = 0.0
    factor: float = 1.0
    replicate: int = CHOICE

    @property
    def region(self) -> str:
        """Name of its region; empty for rivals."""
        return region_of(self.method, self.config)

    @property
    def is_plain(self) -> bool:
        """Whether the steps are not rescaled."""
        return self.method.endswith(PLAIN)

    @property
    def key(self) -> str:
        """Of its item."""
        if self.replicate != CHOICE:
            return f"{self.method}-{self.replicate}"
        sizes = (("w", self.width), ("k", self.share), ("l", self.penalty), ("x", self.factor))
        parts = [f"{letter}{value:g}" for letter, value in sizes if value]
        return "-".join(("choose", self.method, *parts))


@dataclass(frozen=True)
class CompressionWork:
    """A trained network, compressed to one ratio.

    Attributes
    ----------
    config : CompressionConfig
    method : str
    replicate : int
    kind : Kind
    ratio : float
    """

    config: CompressionConfig
    method: str
    replicate: int
    kind: Kind
    ratio: float

    @property
    def training(self) -> str:
        """Key of the training."""
        return f"{self.method}-{self.replicate}"

    @property
    def key(self) -> str:
        """Of its item."""
        return f"{self.training}.{self.kind}-{self.ratio:g}"


@dataclass(frozen=True)
class CompressionCheck:
    """A compression to be checked from files."""

    work: CompressionWork

    @property
    def key(self) -> str:
        """Of its item."""
        return self.work.key


def methods(config: CompressionConfig) -> tuple[str, ...]:
    """All methods, in the order in which they are shown."""
    return (*config.rivals, *config.regions, *(f"{name}{PLAIN}" for name in config.plain))


def region_of(method: str, config: CompressionConfig) -> str:
    """Region of a method; empty for rivals."""
    return "" if method in config.rivals else method.removesuffix(PLAIN)


def is_penalty(method: str) -> bool:
    """Whether a method has a strength."""
    return method in _PENALTIES


def own_kinds(method: str, config: CompressionConfig) -> Sequence[Kind]:
    """The compressions by which the settings of a method are chosen: those that it is for."""
    purposes = _PURPOSES.get(method.removesuffix(PLAIN), ())
    return [kind for kind in config.kinds if kind in purposes] or config.kinds


def trials(config: CompressionConfig, method: str) -> list[Trial]:
    """All settings of a method."""
    region = region_of(method, config)
    widths = config.widths if region else (0.0,)
    shares = config.shares if region in _WITH_SHARE else (0.0,)
    decays = config.weight_decays or (0.0,)
    penalties = config.penalties if is_penalty(method) else (0.0,) if region else decays
    grid = product(widths, shares, penalties, config.rate_factors)
    return [Trial(config, method, *values) for values in grid]


def compressions(config: CompressionConfig) -> Iterator[CompressionWork]:
    """All compressions of all networks."""
    for method in methods(config):
        for replicate in range(config.seeds):
            work = CompressionWork(config, method, replicate, config.kinds[0], config.ratios[0])
            for kind, ratio in product(config.kinds, config.ratios):
                yield replace(work, kind=kind, ratio=ratio)
