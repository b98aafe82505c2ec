"""Means over repetitions, with intervals, and paired differences between methods.

For n values with standard deviation s the 95 % interval is mean ± t s / sqrt(n), t the 97.5 %
quantile of Student's distribution with n - 1 degrees of freedom; a single value has none.
Differences are taken within a repetition (same network before training, same images), so what the
repetitions have in common cancels.  A claim *holds* here if the interval of its difference is above
0, it *does not hold* if the interval is below 0, and else it is *not settled*.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

__all__ = [
    "Difference",
    "Interval",
    "difference",
    "interval",
    "per_replicate",
]

Row = Mapping[str, Any]
Values = dict[int, float]
"""Repetition -> value."""


@dataclass(frozen=True)
class Interval:
    """A mean with the half width of its 95 % interval.

    Attributes
    ----------
    mean : float
    half : float or None
        None for a single value.
    count : int
    """

    mean: float
    half: float | None
    count: int

    def percent(self, digits: int = 2) -> str:
        """A share in percent with its interval.

        >>> Interval(0.5, 0.01, 3).percent(1)
        '50.0 ± 1.0'
        """
        return f"{100 * self.mean:.{digits}f}{self.half_percent(digits)}"

    def plain(self, digits: int = 3, sign: str = "") -> str:
        """The mean with its interval.

        >>> Interval(0.5, 0.01, 3).plain(sign="+")
        '+0.500 ± 0.010'
        """
        half = "" if self.half is None else f" ± {self.half:.{digits}f}"
        return f"{self.mean:{sign}.{digits}f}{half}"

    def half_percent(self, digits: int) -> str:
        """The half width as it stands behind a mean; empty for a single value."""
        return "" if self.half is None else f" ± {100 * self.half:.{digits}f}"


@dataclass(frozen=True)
class Difference:
    """A paired difference.

    Attributes
    ----------
    interval : Interval
    """

    interval: Interval

    @property
    def verdict(self) -> str:
        """Whether the difference is above 0."""
        mean, half = self.interval.mean, self.interval.half
        if half is None or abs(mean) <= half:
            return "not settled"
        return "holds" if mean > 0 else "does not hold"

    def points(self) -> str:
        """A difference of shares in percentage points with its interval.

        >>> Difference(Interval(0.001, None, 1)).points()
        '+0.10'
        """
        return f"{100 * self.interval.mean:+.2f}{self.interval.half_percent(2)}"


def interval(values: Iterable[float]) -> Interval:
    """Mean and 95 % interval.

    >>> interval([0.0, 2.0]).half
    12.706204736...
    """
    found = np.array(list(values), dtype=float)
    if len(found) < 2:
        return Interval(float(found.mean()) if len(found) else math.nan, None, len(found))
    quantile = float(student.ppf(0.975, len(found) - 1))
    half = quantile * float(found.std(ddof=1)) / math.sqrt(len(found))
    return Interval(float(found.mean()), half, len(found))


def difference(first: Values, second: Values) -> Difference | None:
    """`first` - `second` over the repetitions that both have; None without any."""
    common = sorted(first.keys() & second.keys())
    if not common:
        return None
    return Difference(interval(first[r] - second[r] for r in common))


def per_replicate(rows: Iterable[Row], column: str) -> Values:
    """Repetition -> mean of a column over its rows; rows without a value do not count."""
    found: dict[int, list[float]] = {}
    for row in rows:
        if row[column] is not None:
            found.setdefault(row["replicate"], []).append(row[column])
    return {replicate: sum(values) / len(values) for replicate, values in found.items()}
