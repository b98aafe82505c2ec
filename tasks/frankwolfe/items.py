"""Items of the study `frank-wolfe`: one training, one model to be read again."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.frankwolfe.config import FrankWolfeConfig
from tasks.nn.config import TrainingSettings

__all__ = ["CHOICE", "ModelCheck", "Trial", "trials"]

CHOICE = -1
"""Number of the repetition by which sizes and rates are chosen."""


@dataclass(frozen=True)
class Trial:
    """One training.

    Attributes
    ----------
    config : FrankWolfeConfig
    method : str
        A region or a rival.
    width, factor : float
        Of the region (0 for rivals) and of the rate; 0 if they are not chosen yet.
    replicate : int
    """

    config: FrankWolfeConfig
    method: str
    width: float = 0.0
    factor: float = 0.0
    replicate: int = CHOICE

    @property
    def is_region(self) -> bool:
        """Whether the method constrains weights."""
        return self.method in self.config.regions

    @property
    def key(self) -> str:
        """Of its item."""
        if self.replicate != CHOICE:
            return f"{self.method}-{self.replicate}"
        size = f"w{self.width:g}-" if self.is_region else ""
        return f"choose-{self.method}-{size}x{self.factor:g}"


@dataclass(frozen=True)
class ModelCheck:
    """A model to be read again."""

    key: str
    config: TrainingSettings


def trials(config: FrankWolfeConfig, method: str) -> list[Trial]:
    """All sizes and rates of a method."""
    widths = config.widths if method in config.regions else (0.0,)
    return [Trial(config, method, w, f) for w in widths for f in config.rate_factors]
