"""What a run has stored, and what is left to do: the one truth for resume.

An item is left to do while one of its parts is missing or damaged, and also while its stored status
is not ``ok``: running a flow again is how a failed item gets another try.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from flows import FlowEntry
from tasks.records import Run, RunIdentity, Status, Store

__all__ = ["Plan", "Problem", "find_problems", "items_left", "open_run", "stored_statuses"]


class PlanItem(Protocol):
    """One unit of work of a plan."""

    @property
    def key(self) -> str:
        """Names the item in the store."""
        ...


class Plan(Protocol):
    """What every field's plan has."""

    @property
    def identity(self) -> RunIdentity:
        """Identity of the run."""
        ...

    @property
    def items(self) -> Sequence[PlanItem]:
        """Items in planned order."""
        ...


@dataclass(frozen=True)
class Problem:
    """An item whose result cannot be used, and why."""

    item: str
    status: str
    reason: str

    def __str__(self) -> str:
        return f"{self.item}: {self.status}, {self.reason}"


def open_run(entry: FlowEntry, plan: Plan, store: str) -> Run:
    """Create or reopen the run of a plan; `store` is a folder or a URI, "" for the default.

    Raises
    ------
    StoreError
        The store cannot be written.
    """
    keys = [item.key for item in plan.items]
    opened = Store.open(store or None)
    return opened.open_run(plan.identity, entry.tables, keys, citations=entry.citations)


def stored_statuses(run: Run, table: str, key_column: str) -> dict[str, tuple[str, str]]:
    """Item -> (status, reason) of every item with an intact part in `table`.

    A table with several rows per item counts the first row that is not ok.
    """
    if not run.check([table]).parts:
        return {}
    rows = run.read(table, on_corrupt="skip")
    reasons = rows["reason"].to_pylist() if "reason" in rows.column_names else [""] * len(rows)
    found: dict[str, tuple[str, str]] = {}
    columns = (rows[key_column].to_pylist(), rows["status"].to_pylist(), reasons)
    for item, status, reason in zip(*columns, strict=True):
        if item not in found or found[item][0] == Status.OK:
            found[item] = (status, reason or "")
    return found


def items_left(
    run: Run, tables: Sequence[str], key_column: str, planned: Sequence[str] | None = None
) -> list[str]:
    """Items that are missing or damaged in `tables`, or stored there as not ok.

    Parameters
    ----------
    run : Run
    tables : sequence of str
    key_column : str
        Column of the tables that names the item.
    planned : sequence of str, optional
        The items that these tables should hold; those of the run by default.
    """
    planned = run.planned if planned is None else planned
    left = set(run.pending(planned, tables))
    for table in tables:
        statuses = stored_statuses(run, table, key_column)
        left.update(item for item, (status, _) in statuses.items() if status != Status.OK)
    return [item for item in planned if item in left]


def find_problems(
    run: Run, tables: Sequence[str], key_column: str, planned: Sequence[str] | None = None
) -> list[Problem]:
    """Why items are not ok, one problem per item, in planned order; arguments as `items_left`."""
    planned = run.planned if planned is None else planned
    problems: dict[str, Problem] = {}
    for table in reversed(tables):
        for item, (status, reason) in stored_statuses(run, table, key_column).items():
            if status != Status.OK:
                problems[item] = Problem(item, status, reason or f"see table {table}")
    for item in run.pending(planned, tables):
        problems.setdefault(item, Problem(item, "unfinished", "run the same command again"))
    return [problems[item] for item in planned if item in problems]
