"""Items of the study `adaptive-networks`: one training, and how many gradients it takes."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.frankwolfe.adaptive.networks.config import REDUCED, RIVALS, AdaptiveNetworksConfig
from tasks.frankwolfe.items import CHOICE

__all__ = ["CHOICE", "Cost", "NetworkTrial", "trials"]


@dataclass(frozen=True)
class NetworkTrial:
    """One training.

    Attributes
    ----------
    config : AdaptiveNetworksConfig
    method : str
    factor : float
        Of the rate; 0 if it is not chosen yet.
    replicate : int
    """

    config: AdaptiveNetworksConfig
    method: str
    factor: float = 0.0
    replicate: int = CHOICE

    @property
    def is_region(self) -> bool:
        """Whether the method constrains weights."""
        return self.method not in RIVALS

    @property
    def is_reduced(self) -> bool:
        """Whether its gradients need passes over all examples."""
        return self.method in REDUCED

    @property
    def key(self) -> str:
        """Of its item."""
        if self.replicate != CHOICE:
            return f"{self.method}-{self.replicate}"
        return f"choose-{self.method}-x{self.factor:g}"


@dataclass(frozen=True)
class Cost:
    """Gradients of single examples that steps take.

    Attributes
    ----------
    batch, whole : int
        Examples of a batch, and all training examples.
    period : int
        Steps from one pass over all examples to the next; 0 without such passes.
    """

    batch: int
    whole: int
    period: int = 0

    def snapshots(self, steps: int) -> int:
        """Passes within the first steps."""
        return -(-steps // self.period) if self.period else 0

    def after(self, steps: int) -> int:
        """Gradients that the first steps take: between two passes two for every example.

        >>> Cost(batch=10, whole=100).after(7), Cost(10, 100, period=5).after(7)
        (70, 300)
        """
        passes = self.snapshots(steps)
        return passes * self.whole + (steps - passes) * self.batch * (2 if self.period else 1)

    def steps_within(self, budget: float) -> int:
        """The most steps with so many gradients, at least one."""
        low, high = 1, max(int(budget) // self.batch, 1) + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.after(middle) <= budget else (low, middle)
        return low


def trials(config: AdaptiveNetworksConfig, method: str) -> list[NetworkTrial]:
    """All rates of a method."""
    return [NetworkTrial(config, method, factor) for factor in config.rate_factors]
