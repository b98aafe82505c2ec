"""The distances that a pair of tiles realises, for people: measured by exact decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from tasks.coloring.checker.bodies import Body
from tasks.coloring.checker.norms import Norm
from tasks.coloring.checker.numbers import Number, approximate, root_bounds
from tasks.coloring.checker.offsets import Setting
from tasks.coloring.checker.statements import Interval
from tasks.coloring.checker.vectors import combination
from tasks.coloring.checker.walks import Offset

T = TypeVar("T")

STEPS = 46
"""Bisections; of a distance up to twice the forbidden one about 13 digits are right."""


@dataclass(frozen=True)
class Ruler:
    """Measures by asking whether distances are exceeded.

    Attributes
    ----------
    norm
        What asks.
    scale
        The factor by which vectors were multiplied.
    unit
        About the forbidden distance.
    """

    norm: Norm
    scale: int
    unit: Fraction

    @classmethod
    def of(cls, interval: Interval, norm: Norm, scale: int) -> Ruler:
        """A ruler for distances near an interval."""
        return cls(norm, scale, root_bounds(interval.high.square)[1])

    def _threshold(self, t: Fraction) -> Number:
        distance = t * self.scale
        return distance * distance if self.norm.takes_squares else distance

    def largest(self, items: Iterable[T], is_longer: Callable[[T, Number], bool]) -> Fraction:
        """The supremum of the t for which an item is longer than t."""
        best = Fraction(0)
        for item in items:
            if is_longer(item, self._threshold(best)):
                low, high = best, max(self.unit, 2 * best)
                while is_longer(item, self._threshold(high)):
                    low, high = high, 2 * high
                best = self._bisect(
                    low, high, lambda t, x=item: not is_longer(x, self._threshold(t))
                )
        return best

    def least(self, items: Iterable[T], is_shorter: Callable[[T, Number], bool]) -> Fraction:
        """The infimum of the t for which an item is shorter than t; it is below some unit."""
        best = 2 * self.unit
        for item in items:
            if is_shorter(item, self._threshold(best)):
                best = self._bisect(
                    Fraction(0), best, lambda t, x=item: is_shorter(x, self._threshold(t))
                )
        return best

    def _bisect(self, low: Fraction, high: Fraction, holds: Callable[[Fraction], bool]) -> Fraction:
        """Where it begins to hold between low and high, about."""
        for _ in range(STEPS):
            middle = (low + high) / 2
            low, high = (low, middle) if holds(middle) else (middle, high)
        return low if low else Fraction(0)


def body_span_text(setting: Setting, scale: int, offset: Offset, interval: Interval) -> str:
    """The distances between two bodies of a setting, and what was forbidden."""
    ruler = Ruler.of(interval, setting.norm, scale)
    center = combination(offset, setting.vectors)

    def exceeds(body: Body, distance: Number) -> bool:
        return body.can_exceed(center, distance, setting.norm, is_closed=False)

    def reaches(body: Body, distance: Number) -> bool:
        return body.can_reach(center, distance, setting.norm, is_closed=False)

    least, largest = ruler.least([setting.body], reaches), ruler.largest([setting.body], exceeds)
    return span_text(least, largest, interval)


def span_text(least: Fraction, largest: Fraction, interval: Interval) -> str:
    """What a pair realises and what was forbidden."""
    low, high = (f"{float(x):.12g}" for x in (least, largest))
    return f"distances from {low} to {high}, forbidden {interval}"


def percent(fraction: Number) -> str:
    """A fraction in percent for people."""
    value = 100 * approximate(fraction)
    return f"{value:.4f}" if value == 0 or value >= 0.01 else f"{value:.3g}"


def counted(colors: int) -> str:
    """A number of colors for people."""
    return f"{colors} color{'s' * (colors != 1)}"
