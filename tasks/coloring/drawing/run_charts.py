"""What charts of a stored run show, as plain rows: searches, refinements, progress, distances."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from tasks.coloring.certificates.distances import Interval
from tasks.coloring.certified import Row, certified_rows
from tasks.coloring.items import START
from tasks.coloring.problem import problem_of
from tasks.records import EXECUTION_TABLE, Status, Stored

__all__ = [
    "distance_rows",
    "interval_rows",
    "is_sweep",
    "progress_rows",
    "refinement_rows",
    "search_rows",
    "sweeps_of",
]

_MOST_SERIES = 8
_MOST_BARS = 12
_LONG = 1.5
"""The last coloring is so many times later than the first, or their progress is not drawn."""


def search_rows(runs: Sequence[Row]) -> list[dict[str, Any]]:
    """A row for each search that came to the finest grid, a series for each penalty."""
    good = [row for row in runs if row["point_rate"] is not None and row["run"] != START]
    finest = max((prod(row["grid"]) for row in good), default=0)
    return [
        {
            "series": f"penalty {row['penalty']:g}",
            "removed": row["removed_percent"] / 100,
            "conflict": row["point_rate"],
        }
        for row in sorted(good, key=lambda row: row["penalty"])
        if prod(row["grid"]) == finest
    ]


def refinement_rows(stored: Stored) -> list[dict[str, Any]]:
    """Removed fractions of cells by their number, for searches whose cells were refined.

    Those of the best are shown. Empty if nothing was refined.
    """
    rows = [row for row in certified_rows(stored) if row["form"] == "cells"]
    by_run: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["removed_percent"]):
        by_run.setdefault((row["problem"], row["run"]), []).append(row)
    refined = [own for own in by_run.values() if len({row["tiles"] for row in own}) > 1]
    several = len({row["problem"] for row in rows}) > 1
    names = _starts(stored)
    return [
        {
            "series": f"{problem_of(row).words}, " * several + names.get(row["run"], row["run"]),
            "num_cells": row["tiles"],
            "removed": row["removed_percent"] / 100,
        }
        for own in refined[:_MOST_SERIES]
        for row in own
    ]


def _starts(stored: Stored) -> dict[str, str]:
    """Searches by their keys, in words."""
    found = {START: "given coloring"}
    for row in stored.rows("runs"):
        if row["start"] is not None:
            found[row["run"]] = f"search {row['start']}, penalty {row['penalty']:g}"
    return found


def progress_rows(stored: Stored) -> list[dict[str, Any]]:
    """Certified removed fractions by the seconds of all calls that had ended by then.

    Empty if they are all of about one time, if nothing is ever removed, and for sweeps.
    """
    rows = [] if is_sweep(stored) else certified_rows(stored)
    seconds = _seconds_up_to(stored)
    several = len({row["problem"] for row in rows}) > 1
    found = [
        {
            "series": problem_of(row).words if several else row["form"],
            "seconds": seconds[row["item"]],
            "removed": row["removed_percent"] / 100,
        }
        for row in rows
        if row["item"] in seconds
    ]
    shown = list(dict.fromkeys(row["series"] for row in found))[:_MOST_SERIES]
    found = [row for row in found if row["series"] in shown]
    times = [row["seconds"] for row in found]
    is_short = not found or max(times) < _LONG * min(times)
    return found if not is_short and any(row["removed"] for row in found) else []


def _seconds_up_to(stored: Stored) -> dict[str, float]:
    """Item -> seconds of all searches and constructions up to its end."""
    own = {row["item"] for table in ("runs", "constructions") for row in stored.rows(table)}
    rows = stored.run.read(EXECUTION_TABLE).select(["item", "started_at", "seconds"]).to_pylist()
    rows.sort(key=lambda row: row["started_at"].timestamp() + row["seconds"])
    total, found = 0.0, {}
    for row in rows:
        key = row["item"]
        item = key if key in own else key.partition(".")[2]  # behind the name of a later stage
        if item in own:
            total += row["seconds"]
            found[item] = total
    return found


# --- sweeps -------------------------------------------------------------------------------------


def is_sweep(stored: Stored) -> bool:
    """Whether there are problems that differ in one distance of the last color only."""
    return any(len({row["problem"] for row in own}) > 1 for own in _sweeps(stored.rows("runs")))


def sweeps_of(rows: Sequence[Row]) -> list[list[Row]]:
    """Of certified colorings the best for each distance of the last color, by that distance.

    One list for each number of colors; all other colors forbid the same.
    """
    found = []
    for own in _sweeps(rows):
        best: dict[float, Row] = {}
        for row in sorted(own, key=lambda row: row["removed_percent"]):
            best.setdefault(_distance(row), row)
        found.append([best[distance] for distance in sorted(best)])
    return found


def distance_rows(stored: Stored) -> list[dict[str, Any]]:
    """By the distance of the last color: what the best search and the best coloring leave.

    Of a search these are points that are removed or in conflict, of a certified coloring those that
    are removed.
    """
    least: dict[tuple[str, float], float] = {}
    for own in _sweeps(stored.rows("runs")):
        for row in own:
            if row["point_rate"] is not None:
                key = f"{row['num_colors']} colors, best search on its grid", _distance(row)
                left = row["removed_percent"] / 100 + row["point_rate"]
                least[key] = min(least.get(key, left), left)
    for own in sweeps_of(certified_rows(stored)):
        for row in own:
            key = f"{row['num_colors']} colors, certified", _distance(row)
            least[key] = row["removed_percent"] / 100
    return [{"series": s, "distance": d, "conflict": left} for (s, d), left in least.items()]


def interval_rows(stored: Stored) -> list[dict[str, Any]]:
    """Intervals that the last color of a certified coloring avoids, one for each distance.

    Of many those of colorings that remove least.
    """
    sweeps = sweeps_of(certified_rows(stored))
    rows = [row for own in sweeps for row in own]
    chosen = sorted(rows, key=lambda row: row["removed_percent"])[:_MOST_BARS]
    return [_bar(row, len(sweeps) > 1) for row in rows if row in chosen]


def _bar(row: Row, several: bool) -> dict[str, Any]:
    colors = f"{row['num_colors']} colors, " * several
    low, high = Interval.parse(row["allowed"][-1]).floats
    label = f"{colors}d = {row['distances'][-1]}"
    return {"label": label, "low": low, "high": high, "removed": row["removed_percent"] / 100}


def _sweeps(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows that are ok, together where only the distance of the last color differs."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        *others, last = row["distances"]
        if row["status"] == Status.OK and "," not in last and "-" not in last:
            groups.setdefault((tuple(others), row["dimension"], row["norm"]), []).append(row)
    return list(groups.values())


def _distance(row: Row) -> float:
    return float(problem_of(row).forbidden.intervals[-1][0].low)
