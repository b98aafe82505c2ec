"""What trials amount to: rates with intervals, sizes, times, by cell and method.

Times of a method are compared instance by instance with those of the reference on the same
polynomials; a trial that was stopped counts with its limit, so that a ratio with stopped trials of
the reference is a lower bound.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tasks.sos.benchmarking.schema import OUT_OF_RANGE
from tasks.sos.prediction.metrics import wilson_interval
from tasks.sos.verdict import Verdict

REFERENCE = "newton"

Seconds = Mapping[tuple[str, str, int], Mapping[str, float]]
"""Seconds by stage of a trial: (method, cell, instance)."""


@dataclass(frozen=True)
class Rate:
    """A share with its 95 % interval (Wilson)."""

    successes: int
    count: int

    @property
    def share(self) -> float:
        """The share itself."""
        return self.successes / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """Its interval."""
        return wilson_interval(self.successes, self.count)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{100 * self.share:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


@dataclass(frozen=True)
class Line:
    """One method in one cell.

    Attributes
    ----------
    cell, method : str
    decided : Rate
        Exact verdicts.
    wrong : int
        Exact verdicts that contradict what is known; ought to be 0.
    first_try : Rate
        Exact verdicts with the first basis.
    first_size, last_size : float
        Mean sizes of the first and of the last basis.
    planted_size : float
        Mean size of the planted basis, NaN if there is none.
    num_bases : float
        Mean number of bases.
    seconds : float
        Mean time of a trial.
    speed_up : float
        Sum of the reference's seconds over that of this method; NaN without the reference.
    num_stopped : int
        Trials that ran into a limit.
    stages : dict of str to float
        Mean seconds by stage.
    num_orders : float
        Mean number of orders of the variables in which a basis was written; NaN for other methods.
    beyond : tuple of str
        In what the polynomials are beyond the training of the method's model.
    num_out_of_range : int
        Polynomials that the model cannot read.
    """

    cell: str
    method: str
    decided: Rate
    wrong: int
    first_try: Rate
    first_size: float
    last_size: float
    planted_size: float
    num_bases: float
    seconds: float
    speed_up: float
    num_stopped: int
    stages: dict[str, float] = field(default_factory=dict)
    num_orders: float = float("nan")
    beyond: tuple[str, ...] = ()
    num_out_of_range: int = 0


def summarize(
    rows: Iterable[Mapping[str, Any]], seconds: Seconds, methods: Sequence[str]
) -> list[Line]:
    """One line per cell and method, cells in the order of the rows.

    Parameters
    ----------
    rows : iterable of mappings
        Of `TRIALS_SCHEMA`.
    seconds : Seconds
    methods : sequence of str
        In this order.
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["cell"], row["method"]].append(row)
    cells = dict.fromkeys(cell for cell, _ in groups)
    return [
        _line(cell, method, groups[cell, method], seconds)
        for cell in cells
        for method in methods
        if (cell, method) in groups
    ]


def _line(cell: str, method: str, rows: Sequence[Mapping[str, Any]], seconds: Seconds) -> Line:
    verdicts = [None if row["verdict"] is None else Verdict(row["verdict"]) for row in rows]
    exact = [verdict is not None and verdict.is_exact for verdict in verdicts]
    wrong = sum(
        is_exact and row["is_sos"] is not None and row["is_sos"] != (verdict is Verdict.PROVED)
        for is_exact, verdict, row in zip(exact, verdicts, rows, strict=True)
    )
    spent = [seconds.get((method, cell, row["instance"]), {}) for row in rows]
    totals = np.array([sum(stages.values()) for stages in spent])
    reference = [seconds.get((REFERENCE, cell, row["instance"]), {}) for row in rows]
    compared = sum(sum(stages.values()) for stages in reference)
    has_reference = all(reference) and totals.sum() > 0
    return Line(
        cell,
        method,
        decided=Rate(sum(exact), len(rows)),
        wrong=wrong,
        first_try=Rate(sum(bool(row["first_try"]) for row in rows), len(rows)),
        first_size=_mean(rows, "first_size"),
        last_size=_mean(rows, "basis_size"),
        planted_size=_mean(rows, "planted_size"),
        num_bases=_mean(rows, "num_attempts"),
        seconds=float(totals.mean()),
        speed_up=float(compared / totals.sum()) if has_reference else float("nan"),
        num_stopped=sum(row["verdict"] is None for row in rows),
        stages=_stages(spent),
        num_orders=_mean(rows, "num_orders"),
        beyond=tuple(dict.fromkeys(part for row in rows for part in row["beyond"] or ())),
        num_out_of_range=sum(OUT_OF_RANGE in (row["beyond"] or ()) for row in rows),
    )


def _mean(rows: Sequence[Mapping[str, Any]], column: str) -> float:
    values = [row[column] for row in rows if row[column] is not None]
    return float(np.mean(values)) if values else float("nan")


def _stages(spent: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for stages in spent for name in stages)
    return {name: sum(s.get(name, 0.0) for s in spent) / len(spent) for name in names}
