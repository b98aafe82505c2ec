"""Projections that cut entries off at a threshold, found from sorted entries and their sums.

    simplex     {x >= 0, sum x = 1}:              x_i = max(y_i - t, 0)
    capped      {0 <= x <= c, sum x = s}:         x_i = clip(y_i - t, 0, c)

The sums of y_i over {y_i > t} are read off prefix sums of the sorted entries, so that a root finder
pays O(log n) per evaluation after one sort.  It works in NumPy, one point at a time: Frank-Wolfe
does not project.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import brentq
from torch import Tensor


def onto_simplex(point: Tensor) -> Tensor:
    """Nearest points (..., n) of the simplex {x >= 0, sum x = 1} (Held, Wolfe, Crowder 1974)."""
    values = point.sort(dim=-1, descending=True).values
    # Relative to the largest entry: nothing is lost for entries that are large but close.
    values = values - values[..., :1]
    counts = torch.arange(1, values.shape[-1] + 1, device=point.device, dtype=point.dtype)
    thresholds = (values.cumsum(-1) - 1) / counts
    number = (values > thresholds).sum(-1, keepdim=True).clamp(min=1)
    threshold = thresholds.gather(-1, number - 1)
    return (point - point.amax(-1, keepdim=True) - threshold).clamp(min=0)


class Ranked:
    """Magnitudes y (n,), sorted, with prefix sums of 1, y and y^2."""

    def __init__(self, magnitudes: np.ndarray) -> None:
        self.values = np.sort(magnitudes)[::-1]
        self._ascending = -self.values
        zero = np.zeros(1)
        self._sums = np.concatenate([zero, np.cumsum(self.values)])
        self._squares = np.concatenate([zero, np.cumsum(self.values**2)])

    def above(self, threshold: float) -> tuple[int, float, float]:
        """Number, sum and sum of squares of the entries > threshold."""
        number = int(np.searchsorted(self._ascending, -threshold))
        return number, float(self._sums[number]), float(self._squares[number])

    def excess(self, threshold: float) -> float:
        """sum max(y_i - threshold, 0)."""
        number, total, _ = self.above(threshold)
        return total - number * threshold

    def capped(self, threshold: float, cap: float) -> float:
        """sum clip(y_i - threshold, 0, cap)."""
        return self.excess(threshold) - self.excess(threshold + cap)


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a monotone function changes its sign in [low, high]; an end if it does not."""
    at_low, at_high = function(low), function(high)
    if at_low == 0 or at_low * at_high > 0:
        return low if abs(at_low) <= abs(at_high) else high
    found = brentq(function, low, high, xtol=1e-300, rtol=8.9e-16, maxiter=1000)
    return float(found)  # pyrefly: ignore[bad-argument-type] - full_output is off


def onto_capped_simplex(point: np.ndarray, total: float, cap: float = 1.0) -> np.ndarray:
    """Nearest point of {0 <= x <= cap, sum x = total}, 0 <= total <= cap n."""
    ranked = Ranked(point)
    low, high = float(point.min()) - cap, float(point.max())
    threshold = root(lambda t: ranked.capped(t, cap) - total, low, high)
    return np.clip(point - threshold, 0, cap)


def onto_capped_ball(magnitudes: np.ndarray, total: float, cap: float = 1.0) -> np.ndarray:
    """Nearest point of {0 <= x <= cap, sum x <= total} to magnitudes."""
    if np.minimum(magnitudes, cap).sum() <= total:
        return np.minimum(magnitudes, cap)
    return onto_capped_simplex(magnitudes, total, cap)
