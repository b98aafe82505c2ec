"""The census charts, drawn into a figure that is handed in.

matplotlib is imported by `tasks.tcurves.figures` only; these functions see its figures and axes as
plain objects.  Places and sizes are in inches (`Figure` is measured in fractions of itself).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tasks.records.palette import GRAY, INK, PALE, TEXT
from tasks.tcurves._charts import Bar, Coverage, Heading, by_ovals, in_columns, swarm
from tasks.tcurves._colors import MAXIMAL_COLOR, OVAL_COLORS, tint
from tasks.tcurves._drawing import math_notation
from tasks.tcurves.schemes import Scheme

Axes: TypeAlias = Any
Figure: TypeAlias = Any

_MARGIN, _HEADING = 0.35, 0.85  # left and right of everything; above everything
_MOST_PER_BAND = 46
_NEW_COLOR = OVAL_COLORS[1]
_BLUE = OVAL_COLORS[0]


def count_ovals_in_words(number: int) -> str:
    """Return "no ovals", "1 oval", "2 ovals", ..."""
    return f"{number or 'no'} oval{'' if number == 1 else 's'}"


def grouped(number: int) -> str:
    """Write a number with thin spaces between groups of three digits."""
    return f"{number:,}".replace(",", "\u2009")


def _add_axes(figure: Figure, box: tuple[float, float, float, float], name: str) -> Axes:
    """Add axes at (left, top, width, height) in inches, top measured downward."""
    width, height = figure.get_size_inches()
    left, top, wide, high = box
    return figure.add_axes(
        (left / width, 1 - (top + high) / height, wide / width, high / height), gid=name
    )


def _text_inches(schemes: Sequence[Scheme], font: float) -> float:
    """Estimate the width of the longest notation; a character is about half as wide as high."""
    return max(len(str(scheme)) for scheme in schemes) * 0.54 * font / 72


# --- bars ---------------------------------------------------------------------------------------


def plot_bars(figure: Figure, lines: Sequence[Bar | Heading], *, max_height: float) -> None:
    """Draw one bar per scheme in one to three columns; sets the figure's height."""
    columns = in_columns(lines, 1 + (len(lines) > 30) + (len(lines) > 70))
    most = max(len(column) for column in columns)
    height = min(max_height, _HEADING + 0.6 + 0.26 * most)
    figure.set_size_inches(figure.get_size_inches()[0], height)
    font = min(9.5, 310 / most)
    bars = [line for line in lines if isinstance(line, Bar)]
    counts = [bar.count for bar in bars if bar.count is not None]
    width = (figure.get_size_inches()[0] - 2 * _MARGIN) / len(columns)
    label = min(_text_inches([bar.scheme for bar in bars], font) + 0.12, 0.6 * width)
    number = 0.075 * font + 0.05 if counts else 0.0
    top = 10.0 ** math.ceil(math.log10(max([*counts, 9]) + 1))
    for i, column in enumerate(columns):
        left = _MARGIN + i * width + label
        box = (left, _HEADING + 0.35, width - label - number - 0.1, height - _HEADING - 0.5)
        axes = _add_axes(figure, box, f"column-{i}")
        axes.set(xscale="log", xlim=(0.7, top), ylim=(most - 0.3, -0.7))
        _style_bars(axes, bool(counts))
        _plot_column(axes, column, bars[0].scheme.ovals, font)


def _style_bars(axes: Axes, counted: bool) -> None:
    """Put a light logarithmic scale above the bars."""
    axes.spines[:].set_visible(False)
    axes.tick_params(axis="y", length=0, labelleft=False)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.tick_params(axis="x", which="both", length=0, labelsize=8.5, labelcolor=TEXT)
    axes.tick_params(axis="x", which="minor" if counted else "both", labeltop=False)
    axes.set_axisbelow(True)
    if counted:
        axes.set_xlabel("sign classes", fontsize=9, color=TEXT, labelpad=3)
        axes.grid(axis="x", color=PALE, lw=0.8)


def _plot_column(axes: Axes, column: Sequence[Bar | Heading], most_ovals: int, font: float) -> None:
    """Draw the lines of one column; y counts lines from the top."""
    for y, line in enumerate(column):
        if isinstance(line, Heading):
            _plot_heading(axes, y, line, font)
            continue
        shade = tint(_BLUE, 0.45 + 0.55 * line.scheme.ovals / max(most_ovals, 1))
        axes.annotate(
            math_notation(line.scheme),
            (0, y),
            (-5, 0),
            textcoords="offset points",
            xycoords=axes.get_yaxis_transform(),
            fontsize=font + 0.8,
            color=INK,
            ha="right",
            va="center_baseline",
            math_fontfamily="stix",
            annotation_clip=False,
        )
        _plot_bar(axes, y, line.count, MAXIMAL_COLOR if line.is_maximal else shade, font - 1)


def _plot_heading(axes: Axes, y: int, heading: Heading, font: float) -> None:
    """Write the number of ovals of the bars below."""
    text = count_ovals_in_words(heading.ovals) + (" (M-curves)" if heading.is_maximal else "")
    axes.text(
        0.0,
        y + 0.1,
        text,
        fontsize=font,
        color=MAXIMAL_COLOR if heading.is_maximal else TEXT,
        va="center",
        weight="bold",
        transform=axes.get_yaxis_transform(),
    )


def _plot_bar(axes: Axes, y: int, count: int | None, color: str, font: float) -> None:
    """Draw a bar from the left end of the scale and write its count; a dot if it is unknown."""
    left = axes.get_xlim()[0]
    if count is None:
        axes.plot(0.03, y, "o", ms=0.6 * font, color=color, transform=axes.get_yaxis_transform())
        return
    axes.barh(y, count - left, left=left, height=0.72, color=color)
    axes.annotate(
        grouped(count),
        (count, y),
        (3, 0),
        textcoords="offset points",
        fontsize=font,
        color=TEXT,
        va="center_baseline",
        annotation_clip=False,
    )


# --- dots and pyramid ---------------------------------------------------------------------------


def plot_swarm(figure: Figure, bars: Sequence[Bar]) -> None:
    """Draw one dot per scheme if there are counts, and the pyramid of p - n against ovals."""
    width, height = figure.get_size_inches()
    high = height - _HEADING - 1.1
    if any(bar.count is not None for bar in bars):
        half = width / 2 - 1.15
        _plot_dots(_add_axes(figure, (0.8, _HEADING + 0.4, half, high), "dots"), bars)
        box = (width / 2 + 0.8, _HEADING + 0.4, half, high)
        _plot_pyramid(_add_axes(figure, box, "pyramid"), bars)
    else:
        _plot_pyramid(_add_axes(figure, (2.0, _HEADING + 0.4, width - 4, high), "pyramid"), bars)
    if any(bar.is_maximal for bar in bars):
        figure.text(
            1 - _MARGIN / width,
            1 - (_HEADING + 0.28) / height,
            "M-curves",
            fontsize=11,
            color=MAXIMAL_COLOR,
            weight="bold",
            ha="right",
        )


def _style_plane(axes: Axes, x: str, what: str, most_ovals: int) -> None:
    """Label a plot whose vertical axis is the number of ovals."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRAY)
    axes.tick_params(which="both", colors=GRAY, labelcolor=TEXT, labelsize=9.5)
    axes.set_xlabel(x, fontsize=11, color=INK)
    axes.set_ylabel("ovals", fontsize=11, color=INK)
    axes.set_title(what, fontsize=11, color=TEXT, loc="left")
    step = 1 + most_ovals // 25
    axes.set(ylim=(-1, most_ovals + 1), yticks=range(0, most_ovals + 1, step))
    axes.set_axisbelow(True)


def _plot_dots(axes: Axes, bars: Sequence[Bar]) -> None:
    """Draw a dot per scheme: number of ovals upward, sign classes to the right."""
    most_ovals = bars[0].scheme.ovals
    axes.set(xscale="log")
    _style_plane(axes, "sign classes", "one dot per scheme", most_ovals)
    axes.grid(axis="y", color=PALE, lw=0.6)
    known = [(bar.scheme.ovals, bar.count, bar) for bar in bars if bar.count is not None]
    span = math.log10(max(count for _, count, _ in known) / min(count for _, count, _ in known) + 1)
    size = 72 * axes.get_window_extent().height / axes.figure.dpi / (most_ovals + 2) / 5.2
    for ovals, group in groupby(known, key=lambda entry: entry[0]):
        members = [(count, bar) for _, count, bar in group]
        counts = np.array([count for count, _ in members], dtype=np.float64)
        shifts = swarm(np.log10(counts), diameter=span / 75, step=0.18, reach=0.4)
        color = MAXIMAL_COLOR if members[0][1].is_maximal else _BLUE
        axes.plot(counts, ovals + shifts, ls="none", marker="o", ms=size, mfc=color, mec="none")


def _plot_pyramid(axes: Axes, bars: Sequence[Bar]) -> None:
    """Draw the number of schemes for every p - n and number of ovals."""
    _style_plane(axes, "$p - n$", "number of schemes", bars[0].scheme.ovals)
    cells: dict[tuple[int, int], list[Bar]] = {}
    for bar in bars:
        cells.setdefault((bar.scheme.p - bar.scheme.n, bar.scheme.ovals), []).append(bar)
    most = max(len(members) for members in cells.values())
    for (x, y), members in sorted(cells.items()):
        share = len(members) / most
        base = MAXIMAL_COLOR if members[0].is_maximal else _BLUE
        strength = 1.0 if members[0].is_maximal else 0.15 + 0.75 * share
        axes.bar(
            x, 1, width=2, bottom=y - 0.5, color=tint(base, strength), edgecolor="white", lw=1.2
        )
        _write_in_cell(axes, x, y, str(len(members)), dark=strength > 0.55)
    columns = [x for x, _ in cells]
    axes.set(xlim=(min(columns) - 2, max(columns) + 2))


def _write_in_cell(axes: Axes, x: float, y: float, text: str, *, dark: bool) -> None:
    """Write a small number in the middle of a colored cell."""
    axes.text(
        x, y, text, fontsize=7.5, ha="center", va="center_baseline", color="white" if dark else INK
    )


# --- coverage -----------------------------------------------------------------------------------


def plot_coverage(figure: Figure, matrix: Coverage) -> None:
    """Draw a cell per triangulation and scheme in bands; sets the figure's height."""
    num_rows, num_schemes = matrix.reached.shape
    num_bands = math.ceil(num_schemes / _MOST_PER_BAND)
    length = math.ceil(num_schemes / num_bands)
    width = figure.get_size_inches()[0]
    left = _MARGIN + 0.1 + 0.085 * max(len(label) for label in _row_labels(matrix))
    cell = min(0.3, (width - left - _MARGIN) / length)
    label = _text_inches(matrix.schemes, 8.5) + 0.1
    band = 0.35 + (num_rows + 1.25) * cell + label
    figure.set_size_inches(width, _HEADING + num_bands * band + 0.1)
    for i in range(num_bands):
        part = slice(i * length, min((i + 1) * length, num_schemes))
        box = (
            left,
            _HEADING + i * band + 0.25,
            (part.stop - part.start) * cell,
            (num_rows + 1.25) * cell,
        )
        axes = _add_axes(figure, box, f"band-{i}")
        _plot_band(axes, matrix, part)


def _row_labels(matrix: Coverage) -> list[str]:
    """Name the rows and count what they reach."""
    union = int(matrix.union.sum())
    rows = zip(matrix.names, matrix.reached.sum(axis=1).tolist(), strict=True)
    return [*(f"{name}  {count}" for name, count in rows), f"union  {union}"]


def _plot_band(axes: Axes, matrix: Coverage, part: slice) -> None:
    """Draw the cells of some schemes; the union stands a little below the rows."""
    schemes, is_known = matrix.schemes[part], matrix.is_known[part]
    rows = [*matrix.reached[:, part], matrix.union[part]]
    places = [*range(len(rows) - 1), len(rows) - 0.75]
    for y, row in zip(places, rows, strict=True):
        reached_color = INK if y == places[-1] else _BLUE
        colors = [
            (reached_color if known else _NEW_COLOR) if reached else PALE
            for reached, known in zip(row.tolist(), is_known.tolist(), strict=True)
        ]
        axes.bar(range(len(row)), 0.86, width=0.86, bottom=y - 0.43, color=colors)
    axes.set(xlim=(-0.5, len(schemes) - 0.5), ylim=(places[-1] + 0.5, -0.5))
    _label_band(axes, matrix, places)
    _label_schemes(axes, schemes, matrix.union[part])


def _label_band(axes: Axes, matrix: Coverage, places: Sequence[float]) -> None:
    """Write the names of the rows; user text is not read as mathematics."""
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_yticks(places, _row_labels(matrix), fontsize=9, color=INK, parse_math=False)


def _label_schemes(axes: Axes, schemes: Sequence[Scheme], union: NDArray[np.bool_]) -> None:
    """Write notation below the cells, gray if not reached, and the number of ovals above."""
    texts = [math_notation(scheme) for scheme in schemes]
    axes.set_xticks(range(len(schemes)), texts, fontsize=8.5, rotation=90, math_fontfamily="stix")
    for text, reached in zip(axes.get_xticklabels(), union.tolist(), strict=True):
        text.set_color(INK if reached else GRAY)
    begin = 0
    for ovals, group in groupby(schemes, key=lambda scheme: scheme.ovals):
        size = len(list(group))
        axes.plot(
            [begin - 0.4, begin + size - 0.6], [-0.62, -0.62], color=GRAY, lw=0.9, clip_on=False
        )
        axes.text(
            begin - 0.4,
            -0.78,
            count_ovals_in_words(ovals) if size > 2 else str(ovals),
            fontsize=8,
            color=TEXT,
            va="bottom",
        )
        begin += size


def plot_coverage_by_ovals(figure: Figure, matrix: Coverage) -> None:
    """Draw a cell per triangulation and number of ovals; sets the figure's height."""
    ovals, totals, reached = by_ovals(matrix)
    labels = [*_row_labels(matrix), f"known or reached  {len(matrix.schemes)}"]
    rows = [*reached, totals]
    width = figure.get_size_inches()[0]
    left = _MARGIN + 0.1 + 0.085 * max(len(label) for label in labels)
    cell = min(0.42, (width - left - _MARGIN) / len(ovals))
    figure.set_size_inches(width, _HEADING + 0.9 + 0.32 * len(rows))
    axes = _add_axes(
        figure, (left, _HEADING + 0.1, cell * len(ovals), 0.32 * len(rows)), "by-ovals"
    )
    for y, row in enumerate(rows):
        is_total = y == len(rows) - 1
        shares = np.zeros(len(ovals)) if is_total else row / totals
        colors = [tint(_BLUE, 0.85 * share) if share else PALE for share in shares.tolist()]
        axes.bar(range(len(ovals)), 0.9, width=0.94, bottom=y - 0.45, color=colors)
        for x, value in enumerate(row.tolist()):
            if value:
                _write_in_cell(axes, x, y, str(value), dark=bool(shares[x] > 0.6))
    axes.set(xlim=(-0.5, len(ovals) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_yticks(range(len(rows)), labels, fontsize=9, color=INK, parse_math=False)
    axes.set_xticks(range(len(ovals)), [str(number) for number in ovals], fontsize=9, color=INK)
    axes.set_xlabel("ovals", fontsize=10, color=TEXT)
