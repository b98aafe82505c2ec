"""What the rows of `perp` say: losses by repetition, what a method wins back, what it costs.

With n the mean negative log-likelihood on held-out text, of one repetition,

    lost        = n(pruned) - n(dense)
    habituation = max(n(dense) - n(dense retrained with as many tokens), 0)
    won back    = (n(pruned) - n(method) - habituation) / lost.

Habituation is what the training text alone brings; what a method gains beyond it is recovery.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tasks.nn.statistics import Interval, interval
from tasks.records import Status, Stored

__all__ = ["DENSE", "PRUNED", "RETRAINED", "Case", "Results", "best_sparse"]

DENSE, RETRAINED, PRUNED = "dense", "dense retrained", "pruned"
MEASURABLE = 0.02
"""Of what pruning costs, in nats per token; shares of less are noise."""
Row = Mapping[str, Any]
Values = dict[int, float]
"""Repetition -> value."""


@dataclass(frozen=True)
class Case:
    """A model pruned in one way."""

    model: str
    criterion: str
    pattern: str

    def __str__(self) -> str:
        return f"{self.model}, {self.criterion} {self.pattern}"


@dataclass(frozen=True, eq=False)
class Results:
    """Rows of a run, by case and method.

    Attributes
    ----------
    models, perplexities : sequence of Row
        Those that are ok.
    costs : mapping
        Key of an item -> (CPU seconds, peak bytes).
    """

    models: Sequence[Row]
    perplexities: Sequence[Row]
    costs: Mapping[str, Costs]

    @classmethod
    def of(cls, stored: Stored) -> Results:
        """What a run has stored."""
        good = [row for row in stored.rows("models") if row["status"] == Status.OK]
        read = [row for row in stored.rows("perplexities") if row["status"] == Status.OK]
        return cls(good, read, _costs(stored))

    @cached_property
    def cases(self) -> list[Case]:
        """In the order of the rows."""
        return list(dict.fromkeys(_case(row) for row in self.models if row["criterion"]))

    @cached_property
    def labels(self) -> list[str]:
        """Models, in the order of the rows."""
        return list(dict.fromkeys(row["model"] for row in self.models))

    def methods(self, case: Case) -> dict[str, list[Row]]:
        """Method -> its models, the pruned ones first."""
        found: dict[str, list[Row]] = {PRUNED: []}
        for row in self.models:
            if _case(row) == case:
                found.setdefault(row["method"], []).append(row)
        return {method: rows for method, rows in found.items() if rows}

    def dense(self, label: str) -> dict[str, list[Row]]:
        """The dense models, and the retrained ones."""
        own = [row for row in self.models if row["model"] == label and not row["criterion"]]
        parts = {
            DENSE: [row for row in own if row["method"] == DENSE],
            RETRAINED: [row for row in own if row["method"] != DENSE],
        }
        return {method: rows for method, rows in parts.items() if rows}

    def losses(self, rows: Iterable[Row], *, trained_on: bool = True) -> Values:
        """Repetition -> mean negative log-likelihood on one of the texts, over its branches."""
        items = {row["item"]: row["replicate"] for row in rows}
        found: dict[int, list[float]] = {}
        for row in self.perplexities:
            if row["item"] in items and row["is_trained_on"] == trained_on:
                found.setdefault(items[row["item"]], []).append(row["nll"])
        return {replicate: sum(each) / len(each) for replicate, each in found.items()}

    def lost(self, case: Case, *, trained_on: bool = True) -> Values:
        """What pruning costs."""
        dense = self._dense_losses(case.model, DENSE, trained_on)
        pruned = self.losses(self.methods(case).get(PRUNED, ()), trained_on=trained_on)
        return {r: n - d for r, n in pruned.items() if (d := _of(dense, r)) is not None}

    def won_back(self, case: Case, method: str, *, trained_on: bool = True) -> Values:
        """Share of the loss that a method wins back beyond habituation.

        Empty where pruning costs next to nothing, or no dense model was retrained.
        """
        methods = self.methods(case)
        pruned = self.losses(methods.get(PRUNED, ()), trained_on=trained_on)
        better = self.losses(methods.get(method, ()), trained_on=trained_on)
        dense, used = (
            self._dense_losses(case.model, name, trained_on) for name in (DENSE, RETRAINED)
        )
        found = {}
        for r, lost in self.lost(case, trained_on=trained_on).items():
            start, end = _of(dense, r), used.get(r)
            if r in better and lost > MEASURABLE and start is not None and end is not None:
                found[r] = (pruned[r] - better[r] - max(start - end, 0.0)) / lost
        return found

    def perplexity(self, rows: Iterable[Row], *, trained_on: bool = True) -> Interval:
        """Over the repetitions; of means of branches."""
        texts = self.losses(rows, trained_on=trained_on)
        return interval(_exponential(value) for value in texts.values())

    def cost(self, rows: Iterable[Row]) -> Costs:
        """Largest cost of some items."""
        found = [self.costs[row["item"]] for row in rows if row["item"] in self.costs]
        return Costs(
            max((each.cpu_seconds for each in found), default=0.0),
            max((each.peak_bytes for each in found), default=0),
        )

    def _dense_losses(self, label: str, name: str, trained_on: bool) -> Values:
        return self.losses(self.dense(label).get(name, ()), trained_on=trained_on)


@dataclass(frozen=True)
class Costs:
    """CPU seconds of a call, and the largest resident size of its process."""

    cpu_seconds: float
    peak_bytes: int


def _costs(stored: Stored) -> dict[str, Costs]:
    """Key of an item -> what it cost, of its last attempt."""
    cpu: dict[str, float] = {}
    peaks: dict[str, int] = {}
    for row in sorted(stored.run.read("execution").to_pylist(), key=lambda r: r["started_at"]):
        stage, _, key = row["item"].partition(".")
        if stage == "cpu":
            cpu[key] = row["seconds"]
        elif row["peak_rss_bytes"]:
            peaks[key if stage in _STAGES else row["item"]] = row["peak_rss_bytes"]
    return {key: Costs(seconds, peaks.get(key, 0)) for key, seconds in cpu.items()}


_STAGES = ("prune", "adapt", "merge")
_LARGEST = 700.0
"""Of an exponent in double precision, about."""


def _case(row: Row) -> Case:
    return Case(row["model"], row["criterion"], row["pattern"])


def _of(values: Values, replicate: int) -> float | None:
    """Of a repetition; a given model has one value for all."""
    if replicate in values:
        return values[replicate]
    return next(iter(values.values())) if len(values) == 1 else None


def _exponential(value: float) -> float:
    return math.exp(value) if value < _LARGEST else math.inf


def best_sparse(stored: Stored) -> Row | None:
    """The model with all its zeros that has the least loss on held-out text."""
    found = Results.of(stored)
    sparse = [row for row in found.models if row["criterion"] and not row["zeros_lost"]]
    losses = {row["item"]: found.losses([row]) for row in sparse}
    known = [row for row in sparse if losses[row["item"]]]
    return min(known, key=lambda row: min(losses[row["item"]].values()), default=None)
