"""Pictures of runs of `adaptive-networks`: curves against gradients, and where they end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tasks.nn.statistics import interval, per_replicate
from tasks.nn.yardstick import yardstick_of
from tasks.records import Status, Stored
from tasks.records.figures import lighten, new_figure
from tasks.records.palette import CYCLE, GRAY, INK

__all__ = ["draw_curves", "draw_ends"]

Row = Mapping[str, Any]
TINY = 1e-12
"""Least loss that is drawn."""


def draw_curves(stored: Stored) -> Figure:
    """Loss and quality along the way: means over the repetitions, bands their 95 % intervals.

    Of losses these are means of logarithms.
    """
    rows = [row for row in stored.rows("curve") if row["replicate"] >= 0]
    by = yardstick_of(stored.settings)
    figure = new_figure(14.0, 5.4)
    panels = figure.subplots(1, 3)
    across = "gradients, in passes over the training examples"
    for axes, title, column, scale in (
        (panels[0], "loss on training images", "train_loss", 1.0),
        (panels[1], "loss on validation images", "validation_loss", 1.0),
        (panels[2], f"{by.label} on validation images, {by.measured_in}", "validation_quality",
         float(by.scale)),
    ):  # fmt: skip
        lighten(axes, across, title=title, size=9)
        for name in stored.settings["methods"]:
            _band(axes, name, rows, column, scale)
        _near_the_end(axes, 1.003 * by.scale if column == "validation_quality" else None)
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="lower center", ncols=8, frameon=False, fontsize=9)
    figure.subplots_adjust(left=0.05, right=0.98, top=0.92, bottom=0.2, wspace=0.2)
    return figure


def draw_ends(stored: Stored) -> Figure:
    """Quality on test data and loss on all training data, with intervals and repetitions."""
    by = yardstick_of(stored.settings)
    rows = [
        row for row in stored.rows("models") if row["replicate"] >= 0 and row["status"] == Status.OK
    ]
    names = [n for n in stored.settings["methods"] if any(row["method"] == n for row in rows)]
    figure = new_figure(12.0, 0.45 * len(names) + 1.7)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, column, scale, label in (
        (panels[0], by.column, by.scale, f"{by.label} on test data, {by.measured_in}"),
        (panels[1], "train_loss", 1, "loss on all training data"),
    ):
        lighten(axes, label, grid="x")
        for place, name in enumerate(names):
            own = per_replicate([row for row in rows if row["method"] == name], column)
            values = [scale * value for value in own.values()]
            found, color = interval(values), _look(name)["color"]
            axes.plot(values, [place] * len(values), "o", color=color, ms=4, alpha=0.4)
            axes.errorbar(found.mean, place, xerr=found.half, fmt="D", color=color, ms=6, capsize=4)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    if any(row["train_loss"] for row in rows):
        panels[1].set_xscale("log")
    figure.tight_layout()
    return figure


def _band(axes: Axes, name: str, rows: Sequence[Row], column: str, scale: float) -> None:
    """Mean and interval of a method, point by point."""
    points: dict[float, list[float]] = {}
    for row in rows:
        if row["method"] == name and row[column] is not None:
            points.setdefault(row["passes"], []).append(scale * row[column])
    if not points:
        return
    places = sorted(points)
    is_loss = column != "validation_quality"
    shown = np.log if is_loss else np.asarray
    found = [interval(shown(np.maximum(points[place], TINY))) for place in places]
    means = np.array([each.mean for each in found])
    halves = np.array([each.half or 0.0 for each in found])
    back = np.exp if is_loss else np.asarray
    look = _look(name)
    axes.plot(places, back(means), label=name, lw=1.6, **look)
    bounds = back(means - halves), back(means + halves)
    axes.fill_between(places, *bounds, color=look["color"], alpha=0.15, lw=0)


def _look(name: str) -> dict[str, Any]:
    """A method looks the same in all panels; what is alike has one line style."""
    looks = {
        "sgd": (GRAY, "-"),
        "adamw": (INK, "-"),
        "sfw": (CYCLE[0], "-"),
        "momentum_sfw": (CYCLE[1], "-"),
        "adasfw": (CYCLE[2], "-"),
        "adamsfw": (CYCLE[3], "-"),
        "svrf": (CYCLE[4], "--"),
        "spider": (CYCLE[5], "--"),
    }
    color, style = looks[name]
    return {"color": color, "ls": style}


def _near_the_end(axes: Axes, most: float | None) -> None:
    """Losses on a logarithmic axis; of qualities, at most so large, the part where methods end."""
    drawn = [np.asarray(line.get_ydata(), dtype=float) for line in axes.lines]
    if not drawn:
        return
    values = np.concatenate(drawn)
    if most is None:
        axes.set_yscale("log")
        axes.set_ylim(0.8 * values.min(), 1.2 * min(values.max(), 10 * np.median(values)))
        return
    ends = [line[-1] for line in drawn]
    low = min(ends) - 2 * (max(ends) - min(ends)) - 1
    axes.set_ylim(max(low, values.min() - 1), min(values.max() + 0.5, most))
