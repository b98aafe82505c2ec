"""Rows of the study as its report and pictures read them: errors at equal work.

Work is gradients of single terms, calls of oracles (linear minimizations and projections), or CPU
seconds.  All methods of a problem are compared at the least work that a stochastic method of it did
in all, pairs at the work of the one that did less; of a curve the last point within that work
counts.  Errors are logarithms to base 10 of the relative error, which is known down to the gap of
the optimum.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tasks.frankwolfe.adaptive.methods import METHODS
from tasks.frankwolfe.adaptive.problems import error_scale
from tasks.nn.statistics import Difference, difference, interval
from tasks.records.status import Status
from tasks.records.stored import Stored

__all__ = ["MEASURES", "Group", "Results"]

Row = Mapping[str, Any]
Values = dict[int, float]
"""Repetition -> logarithm of an error."""
MEASURES = ("gradients", "oracles", "seconds")
"""Kinds of work."""
LEAST_FLOOR = 1e-10
"""Relative errors below this count as this."""


@dataclass(frozen=True)
class Group:
    """Problems of a kind.

    Attributes
    ----------
    title : str
    is_dear, is_badly_scaled : bool or None
        None for both.
    """

    title: str
    is_dear: bool | None = None
    is_badly_scaled: bool | None = None

    def has(self, row: Row) -> bool:
        """Whether a row of ``optima`` belongs to it."""
        return all(
            wanted is None or row[name] == wanted
            for name, wanted in (
                ("is_dear", self.is_dear),
                ("is_badly_scaled", self.is_badly_scaled),
            )
        )


@dataclass(frozen=True, eq=False)
class Results:
    """What a run has found.

    Attributes
    ----------
    optima : dict
        Problem -> its row.
    curves : dict
        (problem, method) -> repetition -> points, each with its seconds and oracles of all kinds.
    replicates : int
        Number of repetitions.
    """

    optima: dict[str, Row]
    curves: dict[tuple[str, str], dict[int, list[Row]]]
    replicates: int

    @classmethod
    def of(cls, stored: Stored) -> Results:
        """Of the good rows of a run; a failed descent counts with the start's error."""
        optima: dict[str, Row] = {
            r["problem"]: r for r in stored.rows("optima") if r["status"] == Status.OK
        }
        seconds = _seconds(stored)
        curves: dict[tuple[str, str], dict[int, list[Row]]] = {}
        for row in stored.rows("curve"):
            if row["problem"] not in optima:
                continue
            own = curves.setdefault((row["problem"], row["method"]), {})
            spent = seconds.get(f"{row['item']}.{row['number']}", math.nan)
            calls = row["oracles"] + row["projections"]
            error = math.inf if row["error"] is None else row["error"]
            point = {**row, "seconds": spent, "oracles": calls, "error": error}
            own.setdefault(row["replicate"], []).append(point)
        for own in curves.values():
            for points in own.values():
                points.sort(key=lambda point: point["number"])
        return cls(optima, curves, int(stored.settings["seeds"]))

    @cached_property
    def methods(self) -> list[str]:
        """Those that have a curve, in the order of `METHODS`."""
        found = {method for _, method in self.curves}
        return [name for name in METHODS if name in found]

    @cached_property
    def problems(self) -> list[str]:
        """Those that have an optimum and a curve: cheap before dear, well before badly scaled."""
        found = [name for name in self.optima if any(key[0] == name for key in self.curves)]

        def kind(name: str) -> tuple[bool, bool]:
            return self.optima[name]["is_dear"], self.optima[name]["is_badly_scaled"]

        return sorted(found, key=kind)

    def floor(self, problem: str) -> float:
        """Relative error down to which the optimum is known."""
        row = self.optima[problem]
        return max(LEAST_FLOOR, row["gap"] / error_scale(row["start_value"], row["value"]))

    def budget(self, problem: str, measure: str, methods: Iterable[str] = ()) -> float:
        """Least work that one of some methods did on a problem in all; by default of the
        stochastic ones, or of all without one."""
        totals = {
            method: max(points[-1][measure] for points in own.values())
            for (name, method), own in self.curves.items()
            if name == problem
        }
        # A descent that failed ends early, which is no reason to compare the others there.
        finite = {
            method
            for (name, method), own in self.curves.items()
            if name == problem
            and any(math.isfinite(points[-1]["error"]) for points in own.values())
        }
        totals = {m: work for m, work in totals.items() if m in finite} or totals
        wanted = [*methods] or [name for name in totals if METHODS[name].is_stochastic]
        return min([totals[name] for name in wanted if name in totals] or totals.values())

    def errors(
        self,
        problem: str,
        method: str,
        measure: str = "gradients",
        among: Iterable[str] = (),
    ) -> Values:
        """Repetition -> logarithm of the error at equal work, among some methods (see `budget`);
        what is not stochastic has the same for all."""
        limit = self.budget(problem, measure, among) * (1 + 1e-9)
        found = {
            replicate: self._log_error(problem, points, measure, limit)
            for replicate, points in self.curves.get((problem, method), {}).items()
        }
        if found and not METHODS[method].is_stochastic:
            return dict.fromkeys(range(self.replicates), next(iter(found.values())))
        return found

    def _log_error(self, problem: str, points: Sequence[Row], measure: str, limit: float) -> float:
        within = [point for point in points if point[measure] <= limit] or points[:1]
        # A point that is not finite is as bad as nothing.
        error = within[-1]["error"] if math.isfinite(within[-1]["error"]) else 1.0
        return math.log10(max(error, self.floor(problem)))

    def mean(self, problem: str, method: str, measure: str = "gradients") -> float:
        """Mean logarithm of the error; NaN where the method did not run."""
        return interval(self.errors(problem, method, measure).values()).mean

    def winner(self, problem: str, measure: str, methods: Iterable[str] = ()) -> str:
        """The method with the least mean; of equal ones the first."""
        means = {m: self.mean(problem, m, measure) for m in methods or self.methods}
        known = {name: value for name, value in means.items() if not math.isnan(value)}
        return min(known, key=known.__getitem__) if known else ""

    def lead(self, problem: str, one: str, other: str, measure: str) -> Difference | None:
        """By how many powers of ten the first method's error is smaller, paired by repetition, at
        the work of the one of the two that did less."""
        first, second = self._both(problem, one, other, measure)
        return difference(second, first)

    def _both(self, problem: str, one: str, other: str, measure: str) -> tuple[Values, Values]:
        first, second = (self.errors(problem, name, measure, (one, other)) for name in (one, other))
        return first, second

    def mean_lead(
        self, problems: Sequence[str], one: str, other: str, measure: str
    ) -> Difference | None:
        """The same as a mean over problems, which is taken within a repetition."""
        found = self.leads(problems, one, other, measure)
        return difference(found, dict.fromkeys(found, 0.0))

    def leads(self, problems: Sequence[str], one: str, other: str, measure: str) -> Values:
        """Repetition -> that mean."""
        leads: dict[int, list[float]] = {}
        for problem in problems:
            first, second = self._both(problem, one, other, measure)
            for replicate in first.keys() & second.keys():
                leads.setdefault(replicate, []).append(second[replicate] - first[replicate])
        return {r: sum(values) / len(values) for r, values in sorted(leads.items())}

    def of_group(self, group: Group) -> list[str]:
        """Problems of a group."""
        return [name for name in self.problems if group.has(self.optima[name])]


def _seconds(stored: Stored) -> dict[str, float]:
    """``KEY.NUMBER`` of a point -> CPU seconds up to it, of its last execution."""
    found = stored.seconds()
    return {
        name.removeprefix("point."): value
        for name, value in found.items()
        if name.startswith("point.")
    }
