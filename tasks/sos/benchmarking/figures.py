"""Pictures of a benchmark: sizes of bases, times and rates, by cell and method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite, log10

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, Locator, LogLocator, MaxNLocator, NullLocator

from tasks.records import InputError
from tasks.records.figures import lighten, new_figure
from tasks.records.palette import BLUE, GRAY, GREEN, INK, ORANGE, PALE, PURPLE, SKY, TEXT, VERMILION
from tasks.sos.benchmarking.summary import Line

__all__ = ["draw_benchmark"]

_WIDTH = 12.5
_CELL_INCHES, _METHOD_INCHES = 0.62, 0.1
_EDGE_INCHES, _TOP_INCHES, _ROW_INCHES = 1.9, 1.05, 0.27
_ROW = 7
"""Methods in a row of the legend."""
_MARKS = {
    "cascade": (BLUE, "o"),
    "predicted": (SKY, "o"),
    "autoregressive": (VERMILION, "o"),
    "autoregressive-1": (VERMILION, "x"),
    "even-sqrt": (ORANGE, "D"),
    "vertices": (PURPLE, "^"),
    "random": (GRAY, "v"),
    "newton": (INK, "s"),
    "term-sparsity": (GREEN, "P"),
    "chordal": (GREEN, "X"),
    "full": (VERMILION, "*"),
    "no-repair": (SKY, "x"),
}


def draw_benchmark(lines: Sequence[Line]) -> Figure:
    """Draw the mean size of the last basis, mean seconds and the share decided at first try.

    Bars are the 95 % intervals of the shares.

    Parameters
    ----------
    lines : sequence of Line

    Raises
    ------
    InputError
        If there are none.
    """
    if not lines:
        raise InputError("a benchmark without trials cannot be drawn")
    cells = list(dict.fromkeys(line.cell for line in lines))[::-1]
    methods = list(dict.fromkeys(line.method for line in lines))
    legend = _ROW_INCHES * ((len(methods) - 1) // _ROW)
    each = max(_CELL_INCHES, _METHOD_INCHES * (len(methods) + 1))
    height = _EDGE_INCHES + legend + each * len(cells)
    figure = new_figure(_WIDTH, height)
    bottom, top = 0.65 / height, 1.0 - (_TOP_INCHES + legend) / height
    panels = (
        (0.20, "monomials of the last basis", lambda line: line.last_size, True),
        (0.48, "seconds", lambda line: line.seconds, True),
        (0.76, "decided with the first basis", lambda line: line.first_try.share, False),
    )
    for k, (left, label, value, is_log) in enumerate(panels):
        axes = figure.add_axes((left, bottom, 0.22, top - bottom))
        lighten(axes, label, grid="x", size=9)
        _draw_values(axes, lines, cells, value, is_log=is_log)
        if not is_log:
            _draw_intervals(axes, lines, cells)
        axes.set_yticks(range(len(cells)), cells if k == 0 else [""] * len(cells))
    figure.text(0.02, 1 - 0.38 / height, "Bases side by side", fontsize=15, color=INK)
    for row, k in enumerate(range(0, len(methods), _ROW)):
        _draw_legend(figure, methods[k : k + _ROW], 1 - (0.8 + _ROW_INCHES * row) / height)
    return figure


def _draw_values(
    axes: Axes,
    lines: Sequence[Line],
    cells: Sequence[str],
    value: Callable[[Line], float],
    *,
    is_log: bool,
) -> None:
    methods = list(dict.fromkeys(line.method for line in lines))
    for line in lines:
        x = value(line)
        if isfinite(x) and (x > 0 or not is_log):
            color, marker = _MARKS.get(line.method, (GRAY, "."))
            y = _height(line, cells, methods)
            axes.plot([x], [y], ls="none", marker=marker, ms=6, color=color)
    if is_log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(_locator(*axes.get_xlim()))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.set_xlim(-0.04, 1.04)
    for y in range(1, len(cells)):
        axes.axhline(y - 0.5, color=PALE, lw=0.8)
    axes.set_ylim(-0.5, len(cells) - 0.5)


def _locator(low: float, high: float) -> Locator:
    """Where labels have room: at multiples of powers of ten, or evenly in a narrow range."""
    decades = log10(high / low)
    if decades < 0.3:
        return MaxNLocator(4)
    rules = ((0.8, (1, 1.5, 2, 3, 4, 6, 8)), (1.6, (1, 2, 5)), (2.8, (1, 3)))
    return LogLocator(subs=next((subs for limit, subs in rules if decades < limit), (1,)))


def _draw_intervals(axes: Axes, lines: Sequence[Line], cells: Sequence[str]) -> None:
    """95 % intervals of the rates."""
    methods = list(dict.fromkeys(line.method for line in lines))
    for line in lines:
        y = _height(line, cells, methods)
        color, _ = _MARKS.get(line.method, (GRAY, "."))
        axes.hlines(y, *line.first_try.interval, color=color, lw=1.2, alpha=0.6)


def _height(line: Line, cells: Sequence[str], methods: Sequence[str]) -> float:
    """Methods of a cell stand below each other."""
    offset = 0.32 - 0.64 * methods.index(line.method) / max(len(methods) - 1, 1)
    return cells.index(line.cell) + offset


def _draw_legend(figure: Figure, methods: Sequence[str], y: float) -> None:
    """One mark and name per method, in a row."""
    axes = figure.add_axes((0.0, y, 1.0, 1e-3))
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    step = 0.96 / _ROW
    for k, method in enumerate(methods):
        color, marker = _MARKS.get(method, (GRAY, "."))
        x = 0.03 + k * step
        axes.plot([x], [0.5], ls="none", marker=marker, ms=6, color=color, clip_on=False)
        axes.text(x + 0.009, 0.5, method, va="center", fontsize=9.5, color=TEXT)
