"""Pictures of runs of `perp`: recovery against what is trained, errors of layers, costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from tasks.pruning.language.results import DENSE, PRUNED, RETRAINED, Case, Results
from tasks.records import Stored
from tasks.records.figures import lighten, new_figure
from tasks.records.palette import BLUE, GRAY, GREEN, INK, ORANGE, PURPLE, SKY, TEXT, VERMILION

__all__ = ["draw_costs", "draw_layers", "draw_recovery"]

Row = Mapping[str, Any]
_COLORS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
_MAX_COLUMNS = 3
_HEIGHT, _LINE = 190.0, 10.0
"""Points: of a panel of the first picture without what is below and above it; of a line of text."""
_NAMES_PER_DECADE = 2
"""Names of methods that fit side by side."""


def draw_recovery(stored: Stored) -> Figure:
    """Perplexity on held-out text against the share of parameters that is trained, log-log.

    Lines: the dense model, the dense model retrained, and full retraining of the pruned one.
    """
    found = Results.of(stored)
    figure, panels = _panels(max(len(found.cases), 1), 4.4, 3.6)
    for axes, case in zip(panels, found.cases, strict=False):
        lighten(axes, "trained share of the parameters, %", "perplexity", title=str(case), size=8)
        methods, dense = found.methods(case), found.dense(case.model)
        trained = {m: r for m, r in methods.items() if r[0]["trained_share"] and m != "full"}
        lines = [
            (name, value, style)
            for name, rows, style in (
                ("dense", dense.get(DENSE, ()), "-"),
                ("dense retrained", dense.get(RETRAINED, ()), "--"),
                ("full retraining", methods.get("full", ()), "-."),
                ("pruned", methods.get(PRUNED, ()), ":"),
            )
            if (value := _perplexity(found, rows))
        ]
        for _, value, style in lines:
            axes.axhline(value, color=GRAY, ls=style, lw=1.2)
        points = []
        for k, (method, rows) in enumerate(trained.items()):
            interval = found.perplexity(rows)
            share = 100 * rows[0]["trained_share"]
            axes.errorbar(share, interval.mean, yerr=interval.half, fmt="o",
                          color=_COLORS[k % len(_COLORS)], ms=6, capsize=3)  # fmt: skip
            points.append((method, share, interval.mean))
        _logarithmic(axes, [share for _, share, _ in points])
        _name_lines(axes, lines)
        _name_points(axes, points)
    _say_nothing(panels, found.cases)
    figure.tight_layout()
    return figure


def draw_layers(stored: Stored) -> Figure:
    """Relative error of every layer: of the mask, of the best weights for it, and a lower bound."""
    rows = [row for row in stored.rows("layers") if row["method"] == "pruned"]
    cases = list(dict.fromkeys(Case(r["model"], r["criterion"], r["pattern"]) for r in rows))
    figure, panels = _panels(max(len(cases), 1), 4.4, 3.4)
    for axes, case in zip(panels, cases, strict=False):
        lighten(axes, "layer, in the order of the model", "relative error", title=str(case), size=8)
        own = [r for r in rows if Case(r["model"], r["criterion"], r["pattern"]) == case]
        own = [row for row in own if row["replicate"] == own[0]["replicate"]]
        for column, label, color, marker in (
            ("before", "mask", VERMILION, "o"),
            ("best_error", "mask, best weights", BLUE, "s"),
            ("lower_bound", "lower bound of all masks", GRAY, "_"),
        ):
            points = [(k, row[column]) for k, row in enumerate(own) if row[column]]
            if points:
                axes.plot(*zip(*points, strict=True), marker, color=color, label=label, ms=3.5)
        axes.set_yscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _say_nothing(panels, cases)
    _legend(figure, panels)
    return figure


def draw_costs(stored: Stored) -> Figure:
    """CPU seconds and the largest memory of every method, of each the largest of a repetition."""
    found = Results.of(stored)
    figure, panels = _panels(2, 5.2, 0.6 + 0.24 * max(_num_bars(found), 6))
    bars: list[tuple[str, float, float]] = []
    for case in found.cases:
        for method, part in found.methods(case).items():
            cost = found.cost(part)
            if cost.cpu_seconds:
                bars.append((f"{method} ({case})", cost.cpu_seconds, cost.peak_bytes / 2**30))
    for axes, label, place in zip(panels, ("CPU seconds", "largest memory, GiB"), (1, 2),
                                  strict=True):  # fmt: skip
        lighten(axes, label, grid="x", size=7)
        values = [bar[place] for bar in bars]
        axes.barh(range(len(bars)), values, color=BLUE if place == 1 else GREEN, height=0.62)
        axes.set_yticks(range(len(bars)), [bar[0] for bar in bars] if place == 1 else [])
        axes.set_ylim(len(bars) - 0.4, -0.6)
    _say_nothing(panels, bars)
    if bars:
        figure.tight_layout()
    return figure


def _num_bars(found: Results) -> int:
    return sum(len(found.methods(case)) for case in found.cases)


def _panels(count: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    columns = min(count, _MAX_COLUMNS)
    lines = -(-count // columns)
    figure = new_figure(width * columns + 0.4, height * lines + 0.4)
    found = figure.subplots(lines, columns, squeeze=False).reshape(-1)
    for axes in found[count:]:
        axes.set_visible(False)
    return figure, list(found[:count])


def _perplexity(found: Results, rows: Sequence[Row]) -> float | None:
    interval = found.perplexity(rows)
    return interval.mean if interval.count else None


def _name_lines(axes: Axes, lines: Sequence[tuple[str, float, str]]) -> None:
    """Names at the right end of horizontal lines, none over another."""
    for (name, value, _), rise in zip(lines, _rises(axes, [v for _, v, _ in lines]), strict=True):
        axes.annotate(name, (1, value), xycoords=("axes fraction", "data"), xytext=(0, 1 + rise),
                      textcoords="offset points", fontsize=7, color=TEXT, ha="right",
                      va="bottom")  # fmt: skip


def _name_points(axes: Axes, points: Sequence[tuple[str, float, float]]) -> None:
    """Names beside points; those of points that lie side by side are not over each other."""
    columns: dict[int, list[tuple[str, float, float]]] = {}
    for point in points:
        columns.setdefault(round(_NAMES_PER_DECADE * math.log10(point[1])), []).append(point)
    for column in columns.values():
        rises = _rises(axes, [value for _, _, value in column])
        for (name, share, value), rise in zip(column, rises, strict=True):
            axes.annotate(name, (share, value), xytext=(6, 4 + rise), fontsize=7.5,
                          textcoords="offset points", color=INK)  # fmt: skip


def _rises(axes: Axes, values: Sequence[float]) -> list[float]:
    """By how many points names at these heights go up, so that they do not overlap."""
    low, high = map(math.log, axes.get_ylim())
    places = [_HEIGHT * (math.log(value) - low) / (high - low) for value in values]
    found, last = [0.0] * len(places), -math.inf
    for k in sorted(range(len(places)), key=places.__getitem__):
        last = max(places[k], last + _LINE)
        found[k] = last - places[k]
    return found


def _logarithmic(axes: Axes, shares: Sequence[float]) -> None:
    axes.set_yscale("log")
    if shares:
        axes.set_xscale("log")
        axes.set_xlim(min(shares) / 2, max(shares) * 25)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    low, high = axes.get_ylim()
    between = FuncFormatter(lambda value, _: f"{value:g}") if high / low < 20 else NullFormatter()
    axes.yaxis.set_minor_formatter(between)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(which="minor", labelsize=7)


def _say_nothing(panels: Sequence[Axes], what: Sequence[object]) -> None:
    if not what:
        panels[0].set_axis_off()
        panels[0].text(0.5, 0.5, "nothing yet", ha="center", color=TEXT)


def _legend(figure: Figure, panels: Sequence[Axes]) -> None:
    found: dict[str, Any] = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        found = dict(zip(labels, handles, strict=True)) | found
    if found:
        figure.legend([*found.values()], [*found], loc="lower center", ncols=3, frameon=False,
                      fontsize=8)  # fmt: skip
    figure.tight_layout(rect=(0, 0.06, 1, 1))
