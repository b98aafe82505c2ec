"""Pictures of runs: accuracy against sparsity, against the length of retraining, distances.

>>> figure = draw_soup([], [], vary="seed")
>>> [axes.get_title(loc="left") for axes in figure.axes]
['accuracy', 'accuracy on corrupted images', 'distances within a soup']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tasks.nn.statistics import interval, per_replicate
from tasks.nn.yardstick import ACCURACY, Yardstick
from tasks.pruning.statistics import soup_methods
from tasks.records import Status
from tasks.records.figures import lighten, new_figure
from tasks.records.palette import CYCLE

__all__ = ["draw_imp", "draw_soup"]

Row = Mapping[str, Any]
_COLORS = (*CYCLE, "#000000", "#882255", "#999933")
_MARKERS = "osD^vPX<>*"
"""Their number has no factor in common with that of the colors: 90 different looks."""
_COLUMNS, _PANEL = 4, (6.0, 4.2)
"""Panels beside each other at most, and inches of one."""
_WEIGHTS = "percent of weights left"
_DRAWN = ("IMP", "IMP, m-fold", "IMP-RePrune", "mean member", "soup", "ensemble")


def draw_soup(
    models: Sequence[Row], distances: Sequence[Row], *, vary: str, by: Yardstick = ACCURACY
) -> Figure:
    """Accuracies against sparsity with 95 % intervals, and distances of members."""
    columns = {by.column: by.label}
    if by is ACCURACY:
        columns["ood_accuracy"] = "accuracy on corrupted images"
    figure = new_figure(14.0, 4.6)
    panels = figure.subplots(1, len(columns) + 1)
    for axes, (column, title) in zip(panels, columns.items(), strict=False):
        lighten(axes, _WEIGHTS, title=title, size=9)
        _draw_methods(axes, models, column, vary, by)
        _sparser_to_the_right(axes, models)
    lighten(panels[-1], "phase", title="distances within a soup", size=9)
    _draw_distances(panels[-1], distances)
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="lower center", ncols=6, frameon=False, fontsize=9)
    figure.subplots_adjust(left=0.05, right=0.98, top=0.92, bottom=0.22, wspace=0.2)
    return figure


def draw_imp(models: Sequence[Row], *, by: Yardstick = ACCURACY) -> Figure:
    """Accuracy with 95 % intervals: a panel per sparsity against the length of retraining.

    With several sparsities also a panel per length against the sparsity.  A method looks the same
    in all panels.
    """
    cells = [r for r in models if r["status"] == Status.OK and r["budget"] is not None]
    targets = sorted({row["target"] for row in cells}) or [0.0]
    budgets = sorted({row["budget"] for row in cells}) if len(targets) > 1 else []
    methods = list(dict.fromkeys(row["method"] for row in cells))
    figure, panels = _panels(len(targets), len(budgets))
    for axes, target in zip(panels, targets, strict=False):
        title = f"{by.label} at sparsity {target:g}"
        lighten(axes, "epochs of retraining", title=title, size=9)
        part = [row for row in cells if row["target"] == target]
        _draw_cells(axes, part, "budget", methods, by.column)
    for axes, budget in zip(panels[len(targets) :], budgets, strict=True):
        epochs = "1 epoch" if budget == 1 else f"{budget:g} epochs"
        lighten(axes, _WEIGHTS, title=f"{by.label} after {epochs} of retraining", size=9)
        part = [row for row in cells if row["budget"] == budget]
        _draw_cells(axes, part, "target", methods, by.column)
        _sparser_to_the_right(axes, cells)
    _add_legend(figure, panels, methods)
    return figure


def _panels(*counts: int) -> tuple[Figure, list[Axes]]:
    """Figure with so many panels of each kind, each kind from a new row on; a legend fits below."""
    columns = min(max(counts), _COLUMNS)
    rows = [-(-count // columns) for count in counts]
    width, height = _PANEL[0] * columns + 1, _PANEL[1] * sum(rows) + 0.8
    figure = new_figure(width, height)
    places = [columns * sum(rows[:kind]) + k for kind, n in enumerate(counts) for k in range(n)]
    panels = [figure.add_subplot(sum(rows), columns, place + 1) for place in places]
    figure.subplots_adjust(
        left=0.5 / width, right=1 - 0.2 / width, top=1 - 0.4 / height, bottom=1.3 / height,
        wspace=0.15, hspace=0.32,
    )  # fmt: skip
    return figure, panels


def _draw_cells(
    axes: Axes, part: Sequence[Row], place: str, methods: Sequence[str], column: str
) -> None:
    """A measure of each method against the column `place`: budget, or target sparsity."""
    for k, method in enumerate(methods):
        mine = [row for row in part if row["method"] == method]
        places = sorted({row[place] for row in mine})
        found = [
            interval(per_replicate([r for r in mine if r[place] == p], column).values())
            for p in places
        ]
        if places:
            x = _weights_left(places, k - (len(methods) - 1) / 2) if place == "target" else places
            _draw_line(axes, x, found, method, k)


def _weights_left(sparsities: Sequence[float], offset: float) -> list[float]:
    """Percent of the weights, moved apart a little, so that bars do not hide each other."""
    return [100 * (1 - s) * (1 + 0.03 * offset) for s in sparsities]


def _add_legend(figure: Figure, panels: Sequence[Axes], methods: Sequence[str]) -> None:
    """Every method once, whichever panels it is in."""
    found = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    handles = [found[method] for method in methods]
    if handles:
        figure.legend(handles, methods, loc="lower center", ncols=5, frameon=False, fontsize=9)


def _draw_methods(axes: Axes, models: Sequence[Row], column: str, vary: str, by: Yardstick) -> None:
    lines: dict[str, list[tuple[float, Any]]] = {}
    for phase in sorted({row["phase"] for row in models if row["phase"]}):
        for name, rows in soup_methods(models, phase, vary=vary, by=by).items():
            values = per_replicate(rows, column)
            if name in _DRAWN and values:
                sparsity = sum(row["sparsity"] for row in rows) / len(rows)
                lines.setdefault(name, []).append((sparsity, interval(values.values())))
    for k, name in enumerate(_DRAWN):
        if name in lines:
            sparsities, found = zip(*lines[name], strict=True)
            _draw_line(axes, _weights_left(sparsities, k - 2.5), found, name, k)


def _sparser_to_the_right(axes: Axes, models: Sequence[Row]) -> None:
    """Percent of the weights that are left, on a logarithmic scale."""
    targets = {row["target"] for row in models if row["target"]}
    left = sorted(float(f"{100 * (1 - target):.3g}") for target in targets)
    axes.set_xscale("log")
    axes.set_xticks(left, [f"{share:g}" for share in left], minor=False)
    axes.set_xticks([], minor=True)
    axes.invert_xaxis()


def _draw_line(
    axes: Axes, places: Sequence[float], found: Sequence[Any], label: str, k: int
) -> None:
    style = {"color": _COLORS[k % len(_COLORS)], "marker": _MARKERS[k % len(_MARKERS)]}
    bars = [each.half or 0.0 for each in found]
    means = [each.mean for each in found]
    axes.errorbar(places, means, yerr=bars, label=label, lw=1.4, ms=4, capsize=3, **style)


def _draw_distances(axes: Axes, distances: Sequence[Row]) -> None:
    for k, (name, is_soup) in enumerate((("between members", False), ("to the soup", True))):
        part = [row for row in distances if (row["second"] < 0) == is_soup]
        phases = sorted({row["phase"] for row in part})
        found = [
            interval(per_replicate([r for r in part if r["phase"] == p], "relative").values())
            for p in phases
        ]
        if phases:
            _draw_line(axes, phases, found, name, k)
            axes.set_xticks(phases)
    axes.set_ylim(bottom=0)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=9)
