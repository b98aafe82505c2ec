"""Items of the study `adaptive-frank-wolfe`: an optimum, a choice of rates, a descent."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.frankwolfe.adaptive.config import AdaptiveConfig

__all__ = ["Descent", "Target"]


@dataclass(frozen=True)
class Target:
    """A problem whose optimum, or whose rates, are to be found.

    Attributes
    ----------
    config : AdaptiveConfig
    problem : str
    """

    config: AdaptiveConfig
    problem: str

    @property
    def key(self) -> str:
        """Of its item."""
        return self.problem


@dataclass(frozen=True)
class Descent:
    """One method on one problem, with batches of one repetition.

    Attributes
    ----------
    config : AdaptiveConfig
    problem, method : str
    replicate : int
    """

    config: AdaptiveConfig
    problem: str
    method: str
    replicate: int

    @property
    def key(self) -> str:
        """Of its item."""
        return f"{self.problem}-{self.method}-{self.replicate}"
