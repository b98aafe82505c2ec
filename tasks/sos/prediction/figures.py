"""Pictures of a training: its curves, and the methods side by side by family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tasks.records import InputError
from tasks.records.figures import lighten, new_figure
from tasks.records.palette import BLUE, GRAY, INK, ORANGE, PALE, TEXT

__all__ = ["draw_training"]

Row = Mapping[str, Any]

_STYLES = {
    "predicted": {"marker": "o", "mfc": BLUE, "offset": 0.14},
    "even-sqrt": {"marker": "D", "mfc": ORANGE, "offset": -0.14},
}


def draw_training(curve: Sequence[Row], scores: Sequence[Row]) -> Figure:
    """Draw loss and held-out coverage over the steps, coverage and basis ratio by family.

    Parameters
    ----------
    curve, scores : sequences of mappings
        Rows of `CURVE_SCHEMA` and `SCORES_SCHEMA`.

    Raises
    ------
    InputError
        If the curve is empty.
    """
    if not curve:
        raise InputError("a training without a curve cannot be drawn")
    figure = new_figure()
    figure.text(0.06, 0.93, "Predicted bases", fontsize=17, color=INK, weight="bold")
    _draw_loss(figure.add_axes((0.09, 0.62, 0.38, 0.26)), curve)
    _draw_quality(figure.add_axes((0.58, 0.62, 0.38, 0.26)), curve)
    if scores:
        left, right = (
            figure.add_axes((0.20, 0.08, 0.34, 0.42)),
            figure.add_axes((0.60, 0.08, 0.36, 0.42)),
        )
        _draw_families(left, scores, "coverage", "known basis within the repaired one")
        _draw_families(right, scores, "ratio", "size over that of the known basis")
        right.set_yticks([])
        _draw_legend(figure)
    return figure


def _draw_loss(axes: Axes, curve: Sequence[Row]) -> None:
    steps = [row["step"] for row in curve]
    axes.plot(steps, [row["loss"] for row in curve], color=GRAY, label="training")
    axes.plot(steps, [row["validation_loss"] for row in curve], color=BLUE, label="held out")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, labelcolor=TEXT)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    lighten(axes, "step", "loss")


def _draw_quality(axes: Axes, curve: Sequence[Row]) -> None:
    steps = [row["step"] for row in curve]
    for name, color in (("coverage", BLUE), ("precision", ORANGE)):
        axes.plot(steps, [row[name] for row in curve], color=color, label=name)
    axes.legend(frameon=False, labelcolor=TEXT, loc="lower right")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    lighten(axes, "step", "at probability 1/2")


def _draw_families(axes: Axes, scores: Sequence[Row], name: str, label: str) -> None:
    """One line per family, all of them together at the bottom."""
    families = list(dict.fromkeys(row["family"] for row in scores))[::-1]
    for row in scores:
        style = _STYLES[row["method"]]
        y = families.index(row["family"]) + style["offset"]
        low, high = _interval(row, name)
        axes.plot([low, high], [y, y], color=PALE, lw=3, zorder=1, solid_capstyle="round")
        look = {"marker": style["marker"], "mfc": style["mfc"], "mec": "white"}
        axes.plot([row[name]], [y], ls="none", ms=7, zorder=2, **look)
    axes.set_yticks(range(len(families)), families)
    axes.set_ylim(-0.6, len(families) - 0.4)
    lighten(axes, label)


def _interval(row: Row, name: str) -> tuple[float, float]:
    if name == "coverage":
        return row["coverage_low"], row["coverage_high"]
    return row["ratio"] - row["ratio_error"], row["ratio"] + row["ratio_error"]


def _draw_legend(figure: Figure) -> None:
    for x, (method, style) in zip((0.20, 0.34), _STYLES.items(), strict=True):
        figure.text(x, 0.53, f"● {method}", color=style["mfc"], fontsize=10.5)
