"""The rows that a table of `sparse-soup` compares, by the names of its methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tasks.records import Status

__all__ = ["soup_methods"]

Row = Mapping[str, Any]


def soup_methods(rows: Sequence[Row], phase: int, *, vary: str) -> dict[str, list[Row]]:
    """Name in the table -> rows of a phase, methods in the order of the table.

    ``imp`` are the lines without a soup: all of them if they differ in the seed only, else the one
    with the given settings.  In phase 1 these are the members, which have the same history there.
    The best member is the one with the largest validation accuracy.
    """
    good = [r for r in rows if r["status"] == Status.OK and r["phase"] == phase]
    by = _grouped(good, lambda row: row["method"])
    chains = by.get("imp", []) if phase > 1 else by.get("member", [])
    if vary != "seed":
        chains = [row for row in chains if row["member"] == 0]
    members = by.get("member", [])
    named = {
        "pruned": by.get("pruned", []),
        "IMP": chains,
        "IMP, m-fold": by.get("long", []),
        "IMP-RePrune": by.get("reprune", []),
        "mean member": members,
        "best member": [_best(part) for part in _grouped(members, _replicate).values()],
        "soup": by.get("soup", []),
        "ensemble": by.get("ensemble", []),
    }
    return {name: part for name, part in named.items() if part}


def _grouped(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    found: dict[Any, list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def _replicate(row: Row) -> int:
    return row["replicate"]


def _best(rows: Sequence[Row]) -> Row:
    return max(rows, key=lambda row: (row["validation_accuracy"], -row["member"]))
