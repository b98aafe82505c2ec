"""Charts of sizes and times, drawn into axes that are handed in as plain objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any, TypeAlias

from tasks.records.palette import GRAY, INK, PALE, TEXT
from tasks.sos._colors import RULE_COLORS, STAGE_COLORS, VERDICT_COLORS
from tasks.sos.verdict import Verdict

Axes: TypeAlias = Any
Row = Mapping[str, Any]

MAX_ROWS = 60
"""Polynomials of one chart."""
LEAST_SECONDS = 1e-4
"""What took less is drawn as this."""
SHOWN_STAGES = ("basis", "solve", "prove", "refute", "check")

_RULES = {
    "even-sqrt": {"marker": "D", "ms": 6.0, "mfc": RULE_COLORS["even-sqrt"], "mec": "white"},
    "newton": {"marker": "s", "ms": 6.2, "mfc": RULE_COLORS["newton"], "mec": "white"},
}
_FULL = {"marker": "o", "ms": 6.2, "mfc": "white", "mec": GRAY, "mew": 1.2}
_BLOCK = {"marker": "|", "ms": 9.0, "mec": INK, "mew": 2.0}
_TOTAL = {"marker": "|", "ms": 10.0, "mec": INK, "mew": 2.0}


@dataclass(frozen=True)
class Legend:
    """Labels and styles of the symbols."""

    sizes: list[tuple[str, dict[str, Any]]]
    stages: list[tuple[str, dict[str, Any]]]


def legend_entries() -> Legend:
    """All symbols of both charts."""
    sizes = [("all", _FULL), ("half Newton", _RULES["newton"])]
    sizes += [("even square roots", _RULES["even-sqrt"]), ("largest block", _BLOCK)]
    stages = [(stage, _stage_style(stage)) for stage in SHOWN_STAGES]
    return Legend([(k, dict(v)) for k, v in sizes], [*stages, ("total", dict(_TOTAL))])


def _stage_style(stage: str) -> dict[str, Any]:
    return {"marker": "o", "ms": 6.0, "mfc": STAGE_COLORS[stage], "mec": "white", "mew": 0.6}


def total_seconds(row: Row) -> float:
    """Seconds of all stages but the check."""
    return sum(value for stage, value in row["stages"].items() if stage != "check")


def full_size(row: Row) -> int:
    """Number of all monomials of half the degree."""
    return comb(row["num_variables"] + row["degree"] // 2, row["num_variables"])


def chosen_rows(rows: Sequence[Row]) -> list[Row]:
    """At most `MAX_ROWS` rows, those that took longest, by the number of all monomials."""
    longest = sorted(rows, key=lambda row: (-total_seconds(row), row["name"]))[:MAX_ROWS]
    return sorted(longest, key=lambda row: (full_size(row), row["basis_size"], row["name"]))


def describe_choice(total: int, shown: int, most: int) -> str:
    """Say what the charts show."""
    if shown < total:
        return f"Sizes and times of the {most} slowest of {total:,} polynomials"
    return f"Sizes and times of {total} polynomial{'' if total == 1 else 's'}"


def plot_sizes(axes: Axes, rows: Sequence[Row], attempts: Sequence[Row]) -> None:
    """Draw the sizes of bases and of the largest block; one line per polynomial, from below."""
    by_name: dict[str, list[Row]] = {}
    for attempt in attempts:
        by_name.setdefault(attempt["name"], []).append(attempt)
    for y, row in enumerate(rows):
        full, largest = full_size(row), max(row["block_sizes"])
        axes.plot([largest, full], [y, y], color=PALE, lw=2.2, zorder=1, solid_capstyle="round")
        _mark(axes, full, y, _FULL, 2)
        for attempt in by_name.get(row["name"], ()):
            style = _RULES.get(attempt["basis"])
            if style is not None and attempt["basis_size"]:
                _mark(axes, attempt["basis_size"], y, style, 4 if style["marker"] == "D" else 3)
        _mark(axes, largest, y, _BLOCK, 5)
    axes.set_xscale("log")
    _style(axes, rows, "monomials")
    axes.set_yticks(range(len(rows)), [_short(row["name"]) for row in rows], fontsize=9.5)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set(color=VERDICT_COLORS[Verdict(row["verdict"])], parse_math=False)


def plot_seconds(axes: Axes, rows: Sequence[Row]) -> None:
    """Draw the seconds of the stages of every polynomial, and their sum."""
    for y, row in enumerate(rows):
        spent = {
            s: max(row["stages"][s], LEAST_SECONDS) for s in SHOWN_STAGES if s in row["stages"]
        }
        if not spent:
            continue
        total = max(total_seconds(row), LEAST_SECONDS)
        ends = [min(spent.values()), max(total, *spent.values())]
        axes.plot(ends, [y, y], color=PALE, lw=2.2, zorder=1, solid_capstyle="round")
        for stage, seconds in spent.items():
            _mark(axes, seconds, y, _stage_style(stage), 3)
        _mark(axes, total, y, _TOTAL, 4)
    axes.set_xscale("log")
    _style(axes, rows, "seconds")
    axes.set_yticks([])


def _mark(axes: Axes, x: float, y: int, style: Mapping[str, Any], zorder: int) -> None:
    axes.plot([x], [y], ls="none", zorder=zorder, **style)


def _style(axes: Axes, rows: Sequence[Row], label: str) -> None:
    """A light logarithmic scale, no frame."""
    axes.set_ylim(-0.8, max(len(rows), 6) - 0.2)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=9.5, labelcolor=TEXT)
    axes.tick_params(axis="x", which="minor", length=0, labelbottom=False)
    axes.grid(axis="x", color=PALE, lw=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel(label, fontsize=10.5, color=TEXT)


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"
