"""By what methods are compared: accuracy, on text loss, of numbers R^2."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.nn.config import TEXTS
from tasks.nn.statistics import Difference, Interval, difference, interval, per_replicate

__all__ = ["ACCURACY", "LOSS", "R2", "Yardstick", "yardstick_of"]

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Yardstick:
    """A measure of models.

    Attributes
    ----------
    column, validation : str
        Of ``models``: on test data, and on validation data.
    label : str
        The measure as people call it.
    sign : int
        1 if more is better, else -1.
    scale, digits : int
        Of values as they are shown, and their decimals.
    better, close : str
        What is said of a method that is better than another, and that is as good.
    match : float
        Largest difference of methods that are as good.
    unit : str
        Of differences.
    measured_in : str
        Unit of values.
    """

    column: str
    validation: str
    label: str
    sign: int
    scale: int
    digits: int
    better: str
    close: str
    match: float
    unit: str
    measured_in: str

    def favorite(self, methods: Mapping[str, Sequence[Row]], names: Iterable[str]) -> str:
        """The best of some methods by validation data, so that the test data decide nothing."""
        known = [name for name in names if name in methods]

        def quality(name: str) -> float:
            return self.sign * interval(per_replicate(methods[name], self.validation).values()).mean

        return max(known, key=quality, default="")

    def quality(self, row: Row) -> float:
        """Of a model on validation data; a loss that is not finite is worst."""
        value = row[self.validation]
        return -math.inf if value is None else self.sign * value

    def difference(self, first: Iterable[Row], second: Iterable[Row]) -> Difference | None:
        """By how much the first is better, paired by repetition."""
        one, other = (per_replicate(rows, self.column) for rows in (first, second))
        return difference(one, other) if self.sign > 0 else difference(other, one)

    def mean(self, rows: Iterable[Row]) -> str:
        """Mean with its interval: percent, or nats."""
        return self._shown(interval(per_replicate(rows, self.column).values()))

    def plain(self, found: Difference) -> str:
        """A difference with its interval; above 0 if the first is better."""
        return self._shown(found.interval, sign="+")

    def _shown(self, found: Interval, sign: str = "") -> str:
        half = None if found.half is None else self.scale * found.half
        return Interval(self.scale * found.mean, half, found.count).plain(self.digits, sign)

    def text(self, found: Difference) -> str:
        """A difference with its interval and unit."""
        return f"{self.plain(found)} {self.unit}"

    def matches(self, found: Difference) -> str:
        """Whether a difference is small for sure."""
        mean, half = found.interval.mean, found.interval.half
        if half is None:
            return "not settled"
        if abs(mean) + half <= self.match:
            return "holds"
        return "does not hold" if mean + half < -self.match else "not settled"


ACCURACY = Yardstick(
    column="accuracy",
    validation="validation_accuracy",
    label="accuracy",
    sign=1,
    scale=100,
    digits=2,
    better="is more accurate than",
    close="to half a point",
    match=0.005,
    unit="points",
    measured_in="%",
)
LOSS = Yardstick(
    column="loss",
    validation="validation_loss",
    label="loss",
    sign=-1,
    scale=1,
    digits=3,
    better="has less loss than",
    close="to 0.01 nats",
    match=0.01,
    unit="nats",
    measured_in="nats",
)

R2 = Yardstick(
    column="r2",
    validation="validation_r2",
    label="R²",
    sign=1,
    scale=100,
    digits=2,
    better="explains more than",
    close="to half a point",
    match=0.005,
    unit="points",
    measured_in="% of the variance",
)


def yardstick_of(settings: Mapping[str, Any]) -> Yardstick:
    """That of the data and the task of a run."""
    if settings.get("task") == "regression":
        return R2
    return LOSS if settings["dataset"] in TEXTS else ACCURACY
