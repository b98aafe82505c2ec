"""What trials amount to: rates with intervals, sizes, times, by cell and method.

Times of a method are compared with those of the reference on the same polynomials; a trial that
was stopped counts with its limit, so that a ratio with stopped trials of the reference is a lower
bound. Trials whose time is not stored are left out.

Sizes are means over the *sized* polynomials of a cell: those of which every method has a last
basis, where a method that has one for no polynomial of the cell is not asked. So a method that is
stopped on the large ones does not look small for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
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
        Mean sizes of the first and of the last basis, over the sized polynomials.
    planted_size : float
        The same for the planted basis; NaN if there is none.
    num_bases : float
        Mean number of different bases of a finished trial.
    seconds : float
        Mean time of a trial that has one.
    speed_up : float
        Sum of the reference's seconds over that of this method, on the polynomials for which both
        have a time; NaN if there is none.
    num_stopped : int
        Trials that were not finished: they ran into a limit, crashed, or their batch failed.
    stages : dict of str to float
        Mean seconds by stage, of the trials that have a time.
    num_orders : float
        Mean number of orders of the variables in which a basis was written; NaN for other methods.
    beyond : tuple of str
        In what the polynomials are beyond the training of the method's model.
    num_out_of_range : int
        Polynomials that the model cannot read.
    num_sized : int
        Sized polynomials, or 0 if the method has no basis of any.
    num_untimed : int
        Trials without a time.
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
    num_sized: int = 0
    num_untimed: int = 0


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
    groups: dict[str, dict[str, list[Mapping[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        groups[row["cell"]][row["method"]].append(row)
    return [
        _line(cell, method, by_method[method], seconds, _sized(by_method))
        for cell, by_method in groups.items()
        for method in methods
        if method in by_method
    ]


def _sized(by_method: Mapping[str, Sequence[Mapping[str, Any]]]) -> set[int]:
    """Instances of which every method has a last basis that has one of any."""
    known = (
        {row["instance"] for row in rows if row["basis_size"] is not None}
        for rows in by_method.values()
    )
    asked = [instances for instances in known if instances]
    return set.intersection(*asked) if asked else set()


def _line(
    cell: str,
    method: str,
    rows: Sequence[Mapping[str, Any]],
    seconds: Seconds,
    sized: Collection[int],
) -> Line:
    verdicts = [None if row["verdict"] is None else Verdict(row["verdict"]) for row in rows]
    exact = [verdict is not None and verdict.is_exact for verdict in verdicts]
    wrong = sum(
        is_exact and row["is_sos"] is not None and row["is_sos"] != (verdict is Verdict.PROVED)
        for is_exact, verdict, row in zip(exact, verdicts, rows, strict=True)
    )
    same = [row for row in rows if row["instance"] in sized and row["basis_size"] is not None]
    return Line(
        cell,
        method,
        decided=Rate(sum(exact), len(rows)),
        wrong=wrong,
        first_try=Rate(sum(bool(row["first_try"]) for row in rows), len(rows)),
        first_size=_mean(same, "first_size"),
        last_size=_mean(same, "basis_size"),
        planted_size=_mean(same, "planted_size"),
        num_bases=_mean(rows, "num_attempts"),
        num_stopped=sum(row["verdict"] is None for row in rows),
        num_orders=_mean(rows, "num_orders"),
        beyond=tuple(dict.fromkeys(part for row in rows for part in row["beyond"] or ())),
        num_out_of_range=sum(OUT_OF_RANGE in (row["beyond"] or ()) for row in rows),
        num_sized=len(same),
        **_times(cell, method, rows, seconds),
    )


def _times(
    cell: str, method: str, rows: Sequence[Mapping[str, Any]], seconds: Seconds
) -> dict[str, Any]:
    """What a line says of times."""
    nothing: Mapping[str, float] = {}
    mine = [seconds.get((method, cell, row["instance"]), nothing) for row in rows]
    reference = [seconds.get((REFERENCE, cell, row["instance"]), nothing) for row in rows]
    spent = [stages for stages in mine if stages]
    both = [(_total(a), _total(b)) for a, b in zip(mine, reference, strict=True) if a and b]
    compared = sum(own for own, _ in both)
    names = dict.fromkeys(name for stages in spent for name in stages)
    return {
        "seconds": float(np.mean([*map(_total, spent)])) if spent else float("nan"),
        "speed_up": sum(other for _, other in both) / compared if compared else float("nan"),
        "stages": {name: sum(s.get(name, 0.0) for s in spent) / len(spent) for name in names},
        "num_untimed": len(rows) - len(spent),
    }


def _total(stages: Mapping[str, float]) -> float:
    return sum(stages.values())


def _mean(rows: Sequence[Mapping[str, Any]], column: str) -> float:
    values = [row[column] for row in rows if row[column] is not None]
    return float(np.mean(values)) if values else float("nan")
