"""Pictures of runs of `frank-wolfe`: how good, how far, what was learned, what is certain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tasks.nn.statistics import interval, per_replicate
from tasks.nn.yardstick import ACCURACY, Yardstick, yardstick_of
from tasks.records import Status, Stored
from tasks.records.figures import lighten, new_figure
from tasks.records.palette import CYCLE, GRAY, INK, PALE, TEXT

__all__ = ["draw_accuracies", "draw_certified", "draw_curves", "draw_filters", "draw_learned"]

Row = Mapping[str, Any]
NUM_FILTERS = 16
_STYLES = ("-", "--", ":")


def draw_accuracies(stored: Stored, order: Sequence[str]) -> Figure:
    """Test accuracy, of text the loss, of every method with its 95 % interval and repetitions."""
    by = yardstick_of(stored.settings)
    rows = [r for r in _finals(stored.rows("models")) if r["status"] == Status.OK]
    names = [name for name in order if any(row["method"] == name for row in rows)]
    regions = stored.settings["regions"]
    figure = new_figure(9.0, 0.45 * len(names) + 1.6)
    axes = figure.subplots()
    lighten(axes, f"{by.label} on test data, {by.measured_in}", grid="x")
    for place, name in enumerate(names):
        own = per_replicate([row for row in rows if row["method"] == name], by.column)
        values = [by.scale * value for value in own.values()]
        found = interval(values)
        color = CYCLE[0] if name in regions else GRAY
        axes.plot(values, [place] * len(values), "o", color=color, ms=4, alpha=0.4)
        axes.errorbar(found.mean, place, xerr=found.half, fmt="D", color=color, ms=6, capsize=4)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    if rows:
        _cut_tails(
            axes, [by.scale * row[by.column] for row in rows if row[by.column] is not None], by
        )
    figure.tight_layout()
    return figure


def draw_curves(stored: Stored, order: Sequence[str]) -> Figure:
    """Loss, gap and gauge of the first repetition against steps."""
    rows = [row for row in stored.rows("curve") if row["replicate"] == 0]
    figure = new_figure(14.0, 4.6)
    panels = figure.subplots(1, 3)
    titles = ("loss of a batch", "Frank-Wolfe gap", "largest gauge (1 is the boundary)")
    for axes, title, column in zip(panels, titles, ("train_loss", "gap", "gauge"), strict=True):
        lighten(axes, "step", title=title, size=9)
        for name in order:
            part = [r for r in rows if r["method"] == name and r[column] is not None]
            if part:
                values = (
                    _smooth([r[column] for r in part])
                    if column == "train_loss"
                    else [r[column] for r in part]
                )
                axes.plot([r["step"] for r in part], values, label=name, **_look(order, name))
        if column == "train_loss":
            _scale_losses(axes)
        elif column == "gap":
            axes.set_yscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return _with_legend(figure, panels[0])


def draw_learned(stored: Stored, order: Sequence[str]) -> Figure:
    """Zeros and stable ranks by weight, and spectra of the second weight."""
    rows = _finals(stored.rows("layers"))
    names = [name for name in order if any(row["method"] == name for row in rows)]
    numbers = sorted({row["number"] for row in rows})
    figure = new_figure(14.0, 4.8)
    panels = figure.subplots(1, 3)
    lighten(panels[0], "weight, from the input", title="percent of zeros", size=9)
    lighten(panels[1], "weight, from the input", title="stable rank", size=9)
    middle = numbers[len(numbers) // 2] if numbers else 0
    title = f"singular values of weight {middle + 1} over the largest"
    lighten(panels[2], "number", title=title, size=9)
    for name in names:
        own = [row for row in rows if row["method"] == name]
        for axes, column, scale in ((panels[0], "zeros", 100), (panels[1], "stable_rank", 1)):
            means = [np.mean([r[column] for r in own if r["number"] == n]) for n in numbers]
            places = [n + 1 for n in numbers]
            axes.plot(
                places,
                [scale * m for m in means],
                marker="o",
                ms=4,
                label=name,
                **_look(order, name),
            )
        spectra = [r["spectrum"] for r in own if r["number"] == middle]
        if spectra:
            mean = np.mean(spectra, axis=0)
            panels[2].plot(range(1, len(mean) + 1), mean, **_look(order, name))
    for axes in panels[:2]:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[2].set_yscale("log")
    least = min((min(r["spectrum"]) for r in rows if r["number"] == middle), default=1e-3)
    panels[2].set_ylim(bottom=max(1e-3, 0.8 * least))
    return _with_legend(figure, panels[0])


def draw_filters(stored: Stored, order: Sequence[str]) -> Figure:
    """Filters of the first weight, the largest ones of the first repetition, method by method.

    Each is scaled by its own largest entry: white is 0, blue positive, red negative.
    """
    rows = stored.rows("filters")
    names = [name for name in order if any(row["method"] == name for row in rows)]
    each = {
        name: sorted(
            (_picture(row) for row in rows if row["method"] == name),
            key=lambda picture: -float(np.linalg.norm(picture)),
        )[:NUM_FILTERS]
        for name in names
    }
    count = max(map(len, each.values()), default=1)
    figure = new_figure(0.62 * count + 1.6, 0.62 * len(names) + 0.5)
    panels = figure.subplots(len(names), count, squeeze=False)
    for line, name in zip(panels, names, strict=True):
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10, color=TEXT)
        for axes, picture in zip_longest(line, each[name]):
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_color(PALE)
            if picture is None:
                axes.set_visible(False)
                continue
            scale = max(float(np.abs(picture).max()), 1e-30)
            axes.imshow(picture, cmap="RdBu", vmin=-scale, vmax=scale, interpolation="nearest")
    figure.subplots_adjust(
        left=1.5 / figure.get_figwidth(), right=0.99, top=0.96, bottom=0.02, wspace=0.1, hspace=0.1
    )
    return figure


def _picture(row: Row) -> np.ndarray:
    """(H, W): the mean over the channels."""
    return np.reshape(row["values"], row["shape"]).mean(axis=0)


def draw_certified(stored: Stored, order: Sequence[str]) -> Figure:
    """Certified accuracy against the radius, from the clean accuracy on."""
    rows = stored.rows("certified")
    clean = {
        (row["method"], row["replicate"]): row["accuracy"]
        for row in _finals(stored.rows("models"))
        if row["status"] == Status.OK
    }
    figure = new_figure(9.0, 5.0)
    axes = figure.subplots()
    lighten(axes, "Euclidean radius, images from 0 to 1", "certified accuracy, percent")
    for name in order:
        own = [row for row in rows if row["method"] == name]
        radii = sorted({row["radius"] for row in own})
        if not radii:
            continue
        start = [value for (method, _), value in clean.items() if method == name]
        means = [np.mean([r["accuracy"] for r in own if r["radius"] == x]) for x in radii]
        values = [100 * v for v in (np.mean(start), *means)]
        axes.plot([0.0, *radii], values, marker="o", ms=4, label=name, **_look(order, name))
    axes.set_ylim(-2, 102)
    axes.legend(frameon=False, fontsize=9)
    figure.tight_layout()
    return figure


def _with_legend(figure: Figure, axes: Axes) -> Figure:
    """A row of panels above the legend of the first one."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="lower center", ncols=6, frameon=False, fontsize=9)
    figure.subplots_adjust(left=0.05, right=0.98, top=0.92, bottom=0.25, wspace=0.2)
    return figure


def _finals(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["replicate"] >= 0]


def _look(order: Sequence[str], name: str) -> dict[str, Any]:
    """A method looks the same in all panels."""
    place = list(order).index(name)
    return {"color": (*CYCLE, INK)[place % 7], "ls": _STYLES[place // 7 % 3], "lw": 1.6}


def _smooth(values: Sequence[float], window: int = 5) -> list[float]:
    """Running means: losses of single batches are noisy."""
    return [float(np.mean(values[max(0, i - window + 1) : i + 1])) for i in range(len(values))]


def _cut_tails(axes: Axes, found: Sequence[float], by: Yardstick) -> None:
    """Begin, of losses end, near the values, not at a method that has failed."""
    values = np.array(found)
    low, high = values.min(), values.max()
    if by is ACCURACY:
        axes.set_xlim(max(low - 1, np.median(values) - 20), min(high + 1, 100.5))
    else:
        most = 3 * np.median(values)
        margin = 0.05 * (min(high, most) - low) + 1e-3
        axes.set_xlim(low - margin, min(high, most) + margin)


def _scale_losses(axes: Axes) -> None:
    """Logarithmic where losses differ by more than a factor of 10."""
    drawn = [value for line in axes.lines for value in np.asarray(line.get_ydata()) if value > 0]
    if drawn and max(drawn) > 10 * min(drawn):
        axes.set_yscale("log")
