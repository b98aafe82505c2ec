"""All offsets of a coloring at which two translates of its body can hold a forbidden distance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from tasks.coloring.checker.bodies import Body
from tasks.coloring.checker.limits import MAX_DECISIONS, Budget, weight
from tasks.coloring.checker.numbers import common_denominator
from tasks.coloring.checker.offsets import Run, Setting
from tasks.coloring.checker.spans import body_span_text
from tasks.coloring.checker.statements import Interval, Statement
from tasks.coloring.checker.vectors import Vector, scaled_vector
from tasks.coloring.checker.walks import Offset


@dataclass(frozen=True)
class Search:
    """Runs of offsets by forbidden interval, half of them as in `Setting.conflict_runs`.

    Attributes
    ----------
    setting
        Vectors and body, times the scale.
    scale
        The common denominator of all numbers.
    runs
        By interval.
    """

    setting: Setting
    scale: int
    runs: dict[Interval, list[Run]]

    @classmethod
    def of(cls, statement: Statement, vectors: Sequence[Vector], body: Body) -> Search:
        """Find them all.

        Raises
        ------
        RefusedError
            If that takes too much work.
        """
        scale = common_denominator(chain(statement.bounds(), *vectors, body.numbers()))
        statement.norm.check_scale(scale)
        setting = Setting(
            vectors=[scaled_vector(w, scale) for w in vectors],
            body=body.scaled(scale),
            norm=statement.norm,
            is_closed=statement.is_closed,
        )
        budget = Budget(
            MAX_DECISIONS,
            "offsets near a forbidden distance",
            weight(scale, statement.surd, statement.norm.cost),
        )
        thresholds = statement.thresholds(scale)
        return cls(
            setting,
            scale,
            {each: setting.conflict_runs(*ends, budget) for each, ends in thresholds.items()},
        )

    def count(self) -> int:
        """How many offsets hold a distance of one of the intervals, each d and -d counted."""
        rows: dict[Offset, list[Run]] = {}
        for run in chain.from_iterable(self.runs.values()):
            rows.setdefault(run.prefix, []).append(run)
        return sum(_union(runs) * (2 if any(prefix) else 1) for prefix, runs in rows.items())

    def offset_of(
        self, residue: Offset, shape: Sequence[int], intervals: Iterable[Interval]
    ) -> tuple[Interval, Offset]:
        """An offset equal to the residue modulo the shape that holds a distance of an interval."""
        opposite = tuple(-x for x in residue)
        for interval in intervals:
            for run in self.runs[interval]:
                for wanted, sign in ((residue, 1), (opposite, -1)):
                    differences = (x - y for x, y in zip(wanted, run.prefix, strict=False))
                    last = run.first + (wanted[-1] - run.first) % shape[-1]
                    if last <= run.last and not any(
                        x % m for x, m in zip(differences, shape, strict=False)
                    ):
                        return interval, tuple(sign * x for x in (*run.prefix, last))
        raise AssertionError("a residue comes from an offset")

    def span_text(self, offset: Offset, interval: Interval) -> str:
        """The distances at an offset and what was forbidden, for people."""
        return body_span_text(self.setting, self.scale, offset, interval)


def _union(runs: Iterable[Run]) -> int:
    """How many integers lie in one of the runs of a row."""
    total, end = 0, None
    for run in sorted(runs, key=lambda run: run.first):
        first = run.first if end is None else max(run.first, end + 1)
        total += max(0, run.last - first + 1)
        end = run.last if end is None else max(end, run.last)
    return total
