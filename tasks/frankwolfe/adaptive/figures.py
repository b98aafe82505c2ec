"""Pictures of runs of `adaptive-frank-wolfe`: errors against work, and who wins where."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullLocator

from tasks.frankwolfe.adaptive.methods import METHODS
from tasks.frankwolfe.adaptive.results import MEASURES, Group, Results
from tasks.records.figures import add_legend, entry, lighten, new_figure
from tasks.records.palette import BLUE, GRAY, GREEN, INK, ORANGE, PALE, TEXT, VERMILION

__all__ = ["draw_errors", "draw_winners"]

LOOKS: dict[str, tuple[str, str]] = {
    "fw": (GRAY, "-"),
    "away": (GRAY, "--"),
    "pairwise": (GRAY, ":"),
    "sfw": (ORANGE, "-"),
    "msfw": (ORANGE, "--"),
    "orgfw": (ORANGE, ":"),
    "svrf": (BLUE, "-"),
    "spider": (BLUE, "--"),
    "csfw": (BLUE, ":"),
    "adasfw": (VERMILION, "-"),
    "adasvrf": (VERMILION, "--"),
    "adacsfw": (VERMILION, ":"),
    "adamsfw": (VERMILION, "-."),
    "adagrad": (GREEN, "-"),
    "amsgrad": (GREEN, "--"),
}
"""Color and line of every method: full gradients, stochastic, variance reduction, with a metric,
projected."""
LABELS = {
    "gradients": "passes over the terms",
    "oracles": "linear minimizations and projections",
    "seconds": "CPU seconds",
}
MARKS = {"gradients": "o", "oracles": "^", "seconds": "s"}
COLUMNS = 6
WORST = 4.0
"""Powers of ten behind the best from which cells are alike."""


def draw_errors(results: Results, measure: str) -> Figure:
    """Relative error against work, a panel for each problem; means of the repetitions."""
    problems = results.problems
    columns = min(COLUMNS, len(problems))
    lines = math.ceil(len(problems) / columns)
    figure = new_figure(max(2.9 * columns, 6.0), 2.7 * lines + 1.4)
    panels = figure.subplots(lines, columns, squeeze=False)
    for axes, problem in zip(panels.flat, problems, strict=False):
        _draw_panel(axes, results, problem, measure)
    for axes in panels.flat[len(problems) :]:
        axes.set_visible(False)
    for line in panels:
        line[0].set_ylabel("relative error", fontsize=9, color=TEXT)
    for number in range(columns):
        below = [line[number] for line in panels if line[number].get_visible()]
        below[-1].set_xlabel(LABELS[measure], fontsize=9, color=TEXT)
    handles = [entry(METHODS[m].label, **_look(m), lw=2) for m in results.methods]
    size = figure.get_size_inches()
    add_legend(figure, handles, loc="lower center", ncols=min(8, int(size[0] / 1.5)), fontsize=9.5)
    figure.subplots_adjust(
        left=0.7 / size[0],
        right=1 - 0.15 / size[0],
        top=1 - 0.42 / size[1],
        bottom=1.1 / size[1],
        wspace=0.28,
        hspace=0.38,
    )
    return figure


def _draw_panel(axes: Axes, results: Results, problem: str, measure: str) -> None:
    lighten(axes, title="", size=8)
    axes.set_title(_title(results, problem), loc="left", fontsize=8.5, color=TEXT)
    floor = results.floor(problem)
    scale = results.optima[problem]["num_terms"] if measure == "gradients" else 1
    for method in results.methods:
        own = results.curves.get((problem, method))
        if not own:
            continue
        work, errors = _mean_curve(list(own.values()), measure, floor)
        axes.plot(np.array(work) / scale, errors, lw=1.4, **_look(method))
    axes.set_xscale("log")
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, floor * 0.5), min(high, 30.0))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(numticks=6))
        axis.set_minor_locator(NullLocator())


def _title(results: Results, problem: str) -> str:
    row = results.optima[problem]
    data = row["data"].replace("_", " ")
    return f"{data}, {row['loss'].replace('_', ' ')}\n{row['region']}"


def _mean_curve(
    curves: Sequence[Sequence[Any]], measure: str, floor: float
) -> tuple[list[float], list[float]]:
    """Mean work and geometric mean of errors, point by point, from the first work on."""
    work, errors = [], []
    for number in range(1, min(map(len, curves))):
        points = [curve[number] for curve in curves]
        logs = [math.log(max(p["error"], floor)) for p in points if math.isfinite(p["error"])]
        spent = float(np.mean([p[measure] for p in points]))
        if logs and spent > 0:
            work.append(spent)
            errors.append(math.exp(sum(logs) / len(logs)))
    return work, errors


def _look(method: str) -> dict[str, Any]:
    color, line = LOOKS[method]
    return {"color": color, "ls": line}


def draw_winners(results: Results, groups: Sequence[Group]) -> Figure:
    """A cell for each method and problem: its error at equal gradients, and marks of winners."""
    blocks = [(group, results.of_group(group)) for group in groups]
    blocks = [(group, problems) for group, problems in blocks if problems]
    methods = results.methods
    places: dict[str, float] = {}
    place = 0.0
    for _, problems in blocks:
        for problem in problems:
            places[problem] = place
            place += 1
        place += 0.35
    figure = new_figure(0.62 * place + 2.0, 0.4 * len(methods) + 3.4)
    axes = figure.subplots()
    lighten(axes, grid="x")
    axes.grid(visible=False)
    for problem, x in places.items():
        _draw_column(axes, results, problem, x)
    axes.set_xlim(-0.55, place - 0.8)
    axes.set_ylim(len(methods) - 0.45, -1.3)
    axes.set_yticks(range(len(methods)), [METHODS[name].label for name in methods])
    axes.set_xticks(
        list(places.values()),
        [problem.replace("-", "\n").replace("_", " ") for problem in places],
        rotation=90,
        fontsize=8,
    )
    for group, problems in blocks:
        middle = (places[problems[0]] + places[problems[-1]]) / 2
        kind, scaling = group.title.split(", ")
        axes.text(
            middle, -0.62, f"{kind.split()[0]},\n{scaling}", ha="center", va="bottom", fontsize=9,
            color=INK,
        )  # fmt: skip
    handles = [
        entry(f"least error at equal {m}", marker=MARKS[m], color=INK, ms=6, mfc="none")
        for m in MEASURES
    ]
    add_legend(figure, handles, loc="lower left", ncols=1, fontsize=8.5)
    size = figure.get_size_inches()
    figure.subplots_adjust(
        left=1.35 / size[0], right=1 - 0.1 / size[0], top=1 - 0.1 / size[1], bottom=1.6 / size[1]
    )
    return figure


def _draw_column(axes: Axes, results: Results, problem: str, x: float) -> None:
    means = {name: results.mean(problem, name) for name in results.methods}
    best = min(value for value in means.values() if not math.isnan(value))
    winners = {measure: results.winner(problem, measure) for measure in MEASURES}
    for y, (name, value) in enumerate(means.items()):
        if math.isnan(value):
            axes.text(x, y, "–", ha="center", va="center", fontsize=8, color=GRAY)
            continue
        near = 1 - min((value - best) / WORST, 1.0)
        axes.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, color=_shade(near), lw=0))
        color = "white" if near > 0.6 else INK
        won = [measure for measure in MEASURES if winners[measure] == name]
        axes.text(
            x, y - (0.14 if won else 0), f"{value:.1f}".replace("-", "−"), ha="center",
            va="center", fontsize=8, color=color,
        )  # fmt: skip
        for number, measure in enumerate(won):
            offset = 0.24 * (number - (len(won) - 1) / 2)
            axes.plot(x + offset, y + 0.24, MARKS[measure], ms=3.6, mfc="none", mec=color, mew=1.0)


def _shade(near: float) -> tuple[float, ...]:
    """From pale to blue."""
    pale, blue = (np.array([int(c[k : k + 2], 16) / 255 for k in (1, 3, 5)]) for c in (PALE, BLUE))
    return tuple(float(v) for v in pale + near**1.5 * (blue - pale))
