"""Pictures of runs of `compression-aware`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from tasks.frankwolfe.compression.items import PLAIN
from tasks.frankwolfe.compression.results import Results, Row
from tasks.nn.statistics import interval, per_replicate
from tasks.records.figures import entry, lighten, new_figure
from tasks.records.palette import CYCLE, GRAY, INK

__all__ = ["draw_layers", "draw_ratios"]

_RIVALS = {"sgd_decay": INK, "imp": GRAY}


def draw_ratios(found: Results, kind: str) -> Figure:
    """Quality against the ratio with 95 % bands, before and after recalibration."""
    figure = new_figure(12.8, 5.6)
    before, after = figure.subplots(1, 2, sharey=True)
    by, names = found.by, found.names(kind)
    unit = f"{by.label} on test data, {by.measured_in}"
    lighten(before, "ratio that stays", unit, title="as compressed")
    lighten(after, "ratio that stays", title="normalization re-estimated")
    ratios = found.ratios(kind)
    for name in names:
        for axes, column in ((before, "uncalibrated"), (after, by.column)):
            _curve(axes, found, kind, name, column)
    dense = [row[by.column] for rows in found.dense.values() for row in rows]
    whole = [by.scale * value for value in dense if value is not None]
    for axes in (before, after):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(ratios))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticklabels([f"{ratio:g}" for ratio in ratios])
        axes.invert_xaxis()
    if whole and names:
        low = min(
            by.scale * _mean(found.rows(n, kind, r), by.column) for n in names for r in ratios
        )
        after.set_ylim(max(low - 5, -5), max(whole) + 2)
    handles = [entry(name, **_look(found, name), marker="o", ms=4) for name in names]
    figure.legend(handles=handles, loc="lower center", ncols=5, frameon=False, fontsize=9.5)
    rows = -(-len(names) // 5)
    figure.subplots_adjust(left=0.06, right=0.985, top=0.93, bottom=0.12 + 0.05 * rows, wspace=0.04)
    return figure


def _curve(axes: Axes, found: Results, kind: str, name: str, column: str) -> None:
    scale, points = found.by.scale, []
    for ratio in found.ratios(kind):
        values = per_replicate(found.rows(name, kind, ratio), column).values()
        if values:
            points.append((ratio, interval(values)))
    if not points:
        return
    x = [ratio for ratio, _ in points]
    mean = np.array([scale * each.mean for _, each in points])
    half = np.array([scale * (each.half or 0.0) for _, each in points])
    look = _look(found, name)
    axes.plot(x, mean, marker="o", ms=3.5, **look)
    axes.fill_between(x, mean - half, mean + half, color=look["color"], alpha=0.12, lw=0)


def draw_layers(found: Results) -> Figure:
    """Singular values and norms of filters of the hidden layers, over the largest, falling."""
    rows = found.stored.rows("layers")
    hidden = sorted({row["number"] for row in rows})[:-1] or [0]
    chosen = (
        hidden if len(hidden) <= 4 else [hidden[round(i * (len(hidden) - 1) / 3)] for i in range(4)]
    )
    names = [name for name in found.methods if any(row["method"] == name for row in rows)]
    figure = new_figure(3.4 * len(chosen) + 1.0, 6.4)
    panels = figure.subplots(2, len(chosen), squeeze=False)
    for column, number in enumerate(chosen):
        own = [row for row in rows if row["number"] == number]
        layer = own[0]["layer"] if own else ""
        for line, what, label in (
            (0, "spectrum", "singular value / largest"),
            (1, "filter_norms", "norm of filter / largest"),
        ):
            axes = panels[line][column]
            lighten(
                axes,
                "number",
                label if column == 0 else "",
                title=layer if line == 0 else "",
                size=9,
            )
            for name in names:
                _falling(axes, found, name, [r[what] for r in own if r["method"] == name])
            axes.set_ylim(-0.03, 1.05)
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    handles = [entry(name, **_look(found, name)) for name in names]
    figure.legend(handles=handles, loc="lower center", ncols=5, frameon=False, fontsize=9.5)
    bottom = 0.11 + 0.04 * -(-len(names) // 5)
    figure.subplots_adjust(left=0.07, right=0.985, top=0.94, bottom=bottom, wspace=0.2, hspace=0.32)
    return figure


def _falling(axes: Axes, found: Results, name: str, lists: Sequence[Sequence[float]]) -> None:
    if lists:
        mean = np.mean(np.array(lists), axis=0)
        axes.plot(range(1, len(mean) + 1), mean, **_look(found, name))


def _look(found: Results, name: str) -> dict[str, Any]:
    """A method looks the same in all pictures; without gradient rescaling its line is dotted."""
    base = name.removesuffix(PLAIN)
    bases = dict.fromkeys(method.removesuffix(PLAIN) for method in found.methods)
    others = [method for method in bases if method not in _RIVALS]
    color = _RIVALS.get(base) or CYCLE[others.index(base) % len(CYCLE)]
    style = ":" if name.endswith(PLAIN) else "--" if name in found.settings["rivals"] else "-"
    return {"color": color, "ls": style, "lw": 1.8}


def _mean(rows: Sequence[Row], column: str) -> float:
    values = [row[column] for row in rows if row[column] is not None]
    return float(np.mean(values)) if values else np.inf
