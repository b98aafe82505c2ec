"""What the pictures of all fields share: their size, light axes, legends without a frame.

Figures are built with matplotlib's object interface, so they need no display and may be made in
any thread. `tasks.records.pictures.save_figure` writes them with the same bytes every time.
"""

from __future__ import annotations

from typing import Any

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tasks.records.palette import INK, PALE, TEXT

# Names in SVG files are hashes, salted by chance unless told otherwise.
rcParams["svg.hashsalt"] = "latticework"

WIDTH, HEIGHT = 32 / 3, 8.0
"""In inches: 1600 x 1200 pixels."""


def new_figure(width: float = WIDTH, height: float = HEIGHT) -> Figure:
    """An empty figure of so many inches."""
    return Figure(figsize=(width, height), dpi=150, facecolor="white")


def lighten(
    axes: Axes, x: str = "", y: str = "", *, title: str = "", grid: Any = "both", size: float = 9.5
) -> None:
    """Leave a light grid of axes, without frame and ticks, and label it.

    Parameters
    ----------
    axes : Axes
    x, y, title : str
        Labels, one point larger than the numbers.
    grid : str
        Which lines: x, y or both.
    size : float
        Of the numbers, in points.
    """
    axes.spines[:].set_visible(False)
    axes.tick_params(which="both", length=0, labelsize=size, labelcolor=TEXT)
    axes.grid(axis=grid, color=PALE, lw=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel(x, fontsize=size + 1, color=TEXT)
    axes.set_ylabel(y, fontsize=size + 1, color=TEXT)
    axes.set_title(title, loc="left", fontsize=11, color=TEXT)


def entry(label: str, **style: Any) -> Line2D:
    """A legend's entry: a marker, or a line if the style says so."""
    look: dict[str, Any] = {"ls": "none", "label": label} | style
    return Line2D([], [], **look)


def add_legend(figure: Any, handles: list[Line2D], **places: Any) -> None:
    """A legend without a frame."""
    style = {"frameon": False, "fontsize": 9.5, "labelcolor": INK, "borderaxespad": 0}
    figure.legend(handles=handles, **(style | places))
