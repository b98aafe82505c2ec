"""What a run of `compression-aware` has found, arranged for its report and its pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.stats import rankdata

from tasks.frankwolfe.compression.items import PLAIN
from tasks.nn.statistics import Difference, difference, per_replicate
from tasks.nn.yardstick import Yardstick, yardstick_of
from tasks.records import Status, Stored

__all__ = ["Results", "Row", "concordance"]

Row = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Results:
    """Rows of a run by method, kind and ratio."""

    stored: Stored

    @property
    def settings(self) -> Mapping[str, Any]:
        """Those of the run."""
        return self.stored.settings

    @property
    def by(self) -> Yardstick:
        """By what models are compared."""
        return yardstick_of(self.settings)

    @property
    def methods(self) -> list[str]:
        """All methods, in the order in which they are shown."""
        plain = [f"{name}{PLAIN}" for name in self.settings["plain"]]
        return [*self.settings["rivals"], *self.settings["regions"], *plain]

    @cached_property
    def dense(self) -> dict[str, list[Row]]:
        """Method -> rows of its networks before compression."""
        found: dict[str, list[Row]] = {}
        for row in self.stored.rows("models"):
            if row["replicate"] >= 0 and row["status"] == Status.OK:
                found.setdefault(row["method"], []).append(row)
        return found

    @cached_property
    def compressed(self) -> dict[tuple[str, str, float], list[Row]]:
        """(method, kind, ratio) -> rows."""
        found: dict[tuple[str, str, float], list[Row]] = {}
        for row in self.stored.rows("compressed"):
            if row["status"] == Status.OK:
                found.setdefault((row["method"], row["kind"], row["ratio"]), []).append(row)
        return found

    def rows(self, method: str, kind: str, ratio: float) -> list[Row]:
        """Of the compressed models."""
        return self.compressed.get((method, kind, ratio), [])

    def ratios(self, kind: str) -> list[float]:
        """Those of which there are models, falling."""
        return sorted({r for _, k, r in self.compressed if k == kind}, reverse=True)

    def names(self, kind: str) -> list[str]:
        """Methods of which there are compressed models."""
        known = {method for method, k, _ in self.compressed if k == kind}
        return [name for name in self.methods if name in known]

    def difference(self, kind: str, ratio: float, first: str, second: str) -> Difference | None:
        """By how much the first method is better at a ratio, paired by repetition."""
        return self.by.difference(self.rows(first, kind, ratio), self.rows(second, kind, ratio))

    def over_all(self, kind: str, first: str, second: str) -> Difference | None:
        """The same for the means over the ratios that a repetition has of both methods."""
        one, other = (self._by_ratio(kind, name) for name in (first, second))
        means: tuple[dict[int, float], dict[int, float]] = ({}, {})
        for replicate in one.keys() & other.keys():
            common = sorted(one[replicate].keys() & other[replicate].keys())
            for found, values in zip(means, (one[replicate], other[replicate]), strict=True):
                if common:
                    found[replicate] = sum(values[ratio] for ratio in common) / len(common)
        return difference(*means) if self.by.sign > 0 else difference(means[1], means[0])

    def _by_ratio(self, kind: str, method: str) -> dict[int, dict[float, float]]:
        """Repetition -> ratio -> quality."""
        found: dict[int, dict[float, float]] = {}
        for ratio in self.ratios(kind):
            own = per_replicate(self.rows(method, kind, ratio), self.by.column)
            for replicate, value in own.items():
                found.setdefault(replicate, {})[ratio] = value
        return found

    def favorite(self, kind: str, names: Sequence[str]) -> str:
        """The method whose models are best on validation data, over all ratios."""

        def quality(name: str) -> float:
            rows = [row for ratio in self.ratios(kind) for row in self.rows(name, kind, ratio)]
            values = [row[self.by.validation] for row in rows]
            return float(np.mean([v for v in values if v is not None] or [-np.inf]))

        return max((n for n in names if n in self.names(kind)), key=quality, default="")

    def rankings(self, kind: str) -> Iterator[tuple[float, np.ndarray]]:
        """Ratio, and qualities (repetitions, methods) where every repetition has every method."""
        names = self.names(kind)
        for ratio in self.ratios(kind):
            values = [per_replicate(self.rows(n, kind, ratio), self.by.column) for n in names]
            common = sorted(set.intersection(*map(set, values))) if values else []
            if len(common) > 1 and len(names) > 1:
                yield ratio, np.array([[own[r] for own in values] for r in common])

    def seconds(self) -> dict[str, float]:
        """Method -> mean seconds of its trainings, choices not included."""
        by_item = self.stored.seconds()
        found: dict[str, list[float]] = {}
        for method, rows in self.dense.items():
            own = [by_item[row["item"]] for row in rows if row["item"] in by_item]
            if own:
                found[method] = own
        return {method: sum(values) / len(values) for method, values in found.items()}


def concordance(values: np.ndarray) -> float:
    """Kendall's W of rankings (judges, objects): 1 if all agree, 0 if they have nothing in common.

    Equal values share their ranks.

    Examples
    --------
    >>> import numpy as np
    >>> concordance(np.array([[1.0, 2.0, 3.0], [0.1, 0.2, 0.3]]))
    1.0
    """
    ranks = rankdata(values, axis=1)
    judges, objects = ranks.shape
    spread = float(((ranks.sum(0) - judges * (objects + 1) / 2) ** 2).sum())
    ties = sum(
        float((c**3 - c).sum()) for c in (np.unique(r, return_counts=True)[1] for r in ranks)
    )
    largest = judges**2 * (objects**3 - objects) - judges * ties
    return 12 * spread / largest if largest else 1.0
