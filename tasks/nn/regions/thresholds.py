"""Projections that cut entries off at a threshold, found from sorted entries and their sums.

    simplex     {x >= 0, sum x = 1}:              x_i = max(y_i - t, 0)
    capped      {0 <= x <= c, sum x = s}:         x_i = clip(y_i - t, 0, c)

The sums of y_i over {y_i > t} are read off prefix sums of the sorted entries, so that a root finder
pays O(log n) per evaluation after one sort.  Entries and thresholds are counted from an entry near
the threshold, and sums begin there: points may be 1e200 times too large.  It works in NumPy, one
point at a time: Frank-Wolfe does not project.
"""

from __future__ import annotations

import math
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
    """Numbers (n,) in decreasing order, less one of them, with sums of neighbours.

    Parameters
    ----------
    numbers : ndarray (n,)
    place : int
        The `origin`, from which all are counted, is at this place of the order.
    """

    def __init__(self, numbers: np.ndarray, place: int) -> None:
        values = np.sort(numbers)[::-1]
        self.origin = float(values[place])
        ranked = values - self.origin
        self._ascending = -ranked
        before = -np.cumsum(ranked[:place][::-1])[::-1]
        self._sums = np.concatenate([before, np.zeros(1), np.cumsum(ranked[place:])])

    def number_above(self, threshold: float) -> int:
        """Entries above origin + threshold."""
        return int(np.searchsorted(self._ascending, -threshold))

    def capped(self, threshold: float, cap: float) -> float:
        """sum clip(y_i - origin - threshold, 0, cap)."""
        full, above = self.number_above(threshold + cap), self.number_above(threshold)
        between = self._sums[above] - self._sums[full] - (above - full) * threshold
        return float(full * cap + between)


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a monotone function changes its sign in [low, high]; an end if it does not."""
    at_low, at_high = function(low), function(high)
    if at_low == 0 or at_low * at_high > 0:
        return low if abs(at_low) <= abs(at_high) else high
    found = brentq(function, low, high, xtol=1e-300, rtol=8.9e-16, maxiter=1000)
    return float(found)  # pyrefly: ignore[bad-argument-type] - full_output is off


def onto_capped_simplex(point: np.ndarray, total: float, cap: float = 1.0) -> np.ndarray:
    """Nearest point of {0 <= x <= cap, sum x = total}, 0 <= total <= cap n."""
    # The k-th largest entry with k caps >= total is above the threshold by at most a cap.
    place = min(max(math.ceil(total / cap), 1), len(point)) - 1
    ranked = Ranked(point, place)
    threshold = root(lambda t: ranked.capped(t, cap) - total, -cap, 0.0)
    return np.clip(point - ranked.origin - threshold, 0, cap)


def onto_capped_ball(magnitudes: np.ndarray, total: float, cap: float = 1.0) -> np.ndarray:
    """Nearest point of {0 <= x <= cap, sum x <= total} to magnitudes."""
    if np.minimum(magnitudes, cap).sum() <= total:
        return np.minimum(magnitudes, cap)
    return onto_capped_simplex(magnitudes, total, cap)
