"""The rows that a table of `sparse-soup` compares, by the names of its methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tasks.nn.yardstick import ACCURACY, Yardstick
from tasks.records import Status

__all__ = ["best_row", "soup_methods"]

Row = Mapping[str, Any]


def soup_methods(
    rows: Sequence[Row], phase: int, *, vary: str, by: Yardstick = ACCURACY
) -> dict[str, list[Row]]:
    """Name in the table -> rows of a phase, methods in the order of the table.

    ``imp`` are the lines without a soup: all of them if they differ in the seed only, else the one
    with the given settings.  In phase 1 these are the members, which have the same history there.
    The best member is the one that is best on validation data.
    """
    good = [r for r in rows if r["status"] == Status.OK and r["phase"] == phase]
    of = _grouped(good, lambda row: row["method"])
    chains = of.get("imp", []) if phase > 1 else of.get("member", [])
    if vary != "seed":
        chains = [row for row in chains if row["member"] == 0]
    members = of.get("member", [])
    named = {
        "pruned": of.get("pruned", []),
        "IMP": chains,
        "IMP, m-fold": of.get("long", []),
        "IMP-RePrune": of.get("reprune", []),
        "mean member": members,
        "best member": [_best(part, by) for part in _grouped(members, _replicate).values()],
        "soup": of.get("soup", []),
        "ensemble": of.get("ensemble", []),
    }
    return {name: part for name, part in named.items() if part}


def best_row(rows: Sequence[Row], by: Yardstick) -> Row | None:
    """The retrained or merged model with a file that is best on validation data, if any.

    Of several sparsities only the largest counts.
    """
    good = [r for r in rows if r["status"] == Status.OK and r["checkpoint"]]
    done = [row for row in good if row["method"] not in ("dense", "pruned")]
    if not done:
        return None
    most = max(row["target"] for row in done)
    return max((row for row in done if row["target"] == most), key=by.quality)


def _grouped(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    found: dict[Any, list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def _replicate(row: Row) -> int:
    return row["replicate"]


def _best(rows: Sequence[Row], by: Yardstick) -> Row:
    return max(rows, key=lambda row: (by.quality(row), -row["member"]))
