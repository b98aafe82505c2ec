"""Heading and key of a picture of a coloring: colors and what they avoid, marks, a bar.

matplotlib is imported by `figures` only; these functions see its axes as plain objects. Their
coordinates are points on paper, from the upper left corner.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tasks.coloring.certificates.distances import Forbidden, Interval
from tasks.coloring.drawing._colors import NUM_PLAIN, REMOVED_COLOR, fill_of, ink_of
from tasks.coloring.drawing.scenes import Scene, in_words, kinds_of, percent
from tasks.records.palette import INK, TEXT
from tasks.records.report import counted

Axes: TypeAlias = Any
Figure: TypeAlias = Any

_LINE, _SWATCH, _PER_ROW = 19.0, 15.0, 8
_LENGTHS = (1000, 500, 200, 100, 50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001)
_SHAPES = {
    "circle": np.array([(np.cos(t), np.sin(t)) for t in np.linspace(0, 2 * np.pi, 40)]) * 6 + 7,
    "parallelogram": np.array([(-1, 2), (10, 2), (15, 12), (4, 12), (-1, 2)]),
    "dot": np.array([(7.0, 7.0)]),
}


def write_heading(figure: Figure, title: str, facts: str) -> None:
    """Write two lines near the upper left corner, not read as mathematics."""
    top = float(figure.get_size_inches()[1])
    plain: dict[str, Any] = {"parse_math": False, "va": "center"}
    figure.text(0.03, 1 - 0.36 / top, title, fontsize=16, color=INK, **plain)
    figure.text(0.03, 1 - 0.66 / top, facts, fontsize=10.5, color=TEXT, **plain)


def plot_key(axes: Axes, scene: Scene, size: tuple[float, float], points_per_unit: float) -> None:
    """Draw the key of a scene on axes of so many points."""
    axes.set(xlim=(0, size[0]), ylim=(-size[1], 0))
    axes.set_axis_off()
    place, lowest = -_SWATCH, 7 * _LINE - size[1]
    kinds = list(kinds_of(scene.forbidden).items())
    for number, (kind, colors) in enumerate(kinds):
        if place - 2 * _LINE < lowest:
            _write(axes, 0, place, f"and {counted(len(kinds) - number, 'more type')}")
            place -= 1.6 * _LINE
            break
        place = _plot_swatches(axes, colors, place, max(1, int((place - lowest) / _LINE) - 1))
        _write(axes, 0, place, _avoided(kind, colors))
        place -= 1.6 * _LINE
    for fill, text in _areas(scene):
        _plot_square(axes, 0, place, fill)
        _write(axes, 24, place, text)
        place -= _LINE
    for shape, text in (("circle", "forbidden from the dot"), ("parallelogram", "one period")):
        _plot_shape(axes, shape, place)
        _write(axes, 24, place, text)
        place -= _LINE
    _plot_bar(axes, size, points_per_unit)


def plot_row(axes: Axes, forbidden: Forbidden, removed: float, size: tuple[float, float]) -> None:
    """Draw the swatches of colors, with what they avoid, side by side below slices of space."""
    axes.set(xlim=(0, size[0]), ylim=(-size[1], 0))
    axes.set_axis_off()
    x = 0.0
    kinds = list(kinds_of(forbidden).items())
    for kind, colors in kinds[:4]:
        end = _plot_swatches(axes, colors, -_SWATCH, 2, x)
        _write(axes, x, end, _avoided(kind, colors))
        x += max(min(len(colors), _PER_ROW) * (_SWATCH + 5), 110) + 24
    _plot_shape(axes, "circle", -_SWATCH, x)
    _write(axes, x + 24, -_SWATCH, "forbidden from the dot")
    if removed:
        _plot_square(axes, x, -_SWATCH - _LINE, REMOVED_COLOR)
        _write(axes, x + 24, -_SWATCH - _LINE, "removed")


def _areas(scene: Scene) -> list[tuple[str, str]]:
    found = [(REMOVED_COLOR, f"removed, {percent(scene.removed)}")] if scene.removed else []
    if scene.marked:
        found.append(("white", f"in conflict, {percent(scene.conflicting)}"))
    return found


def _avoided(kind: Sequence[Interval], colors: Sequence[int]) -> str:
    if len(colors) == 1:
        return f"avoids distance {in_words(kind)}"
    number = f"{len(colors)} colors " * (len(colors) > NUM_PLAIN)
    return f"{number}avoid distance {in_words(kind)}"


def _plot_swatches(
    axes: Axes, colors: Sequence[int], place: float, most_rows: int, x: float = 0.0
) -> float:
    """Draw squares of colors in rows, or of the first ones and how many more there are; return
    where the next line is."""
    is_cut = len(colors) > most_rows * _PER_ROW
    shown = colors[: max(1, most_rows - is_cut) * _PER_ROW]
    for k, color in enumerate(shown):
        row, column = divmod(k, _PER_ROW)
        left, y = x + column * (_SWATCH + 5), place - row * _LINE
        _plot_square(axes, left, y, fill_of(color))
        if colors[-1] >= NUM_PLAIN:
            style = {"ha": "center", "va": "center", "fontsize": 7, "color": ink_of(fill_of(color))}
            axes.text(left + 7, y + 6.5, str(color), **style)
    end = place - _LINE * ((len(shown) - 1) // _PER_ROW + 1)
    if len(shown) < len(colors):
        _write(axes, x, end, f"and {len(colors) - len(shown)} more")
        end -= _LINE
    return end


def _plot_square(axes: Axes, x: float, y: float, fill: str) -> None:
    corners = np.array([(x, y), (x + 14, y), (x + 14, y + 14), (x, y + 14)])
    edge = INK if fill == "white" else fill
    axes.fill(*corners.T, facecolor=fill, edgecolor=edge, lw=0.9)


def _plot_shape(axes: Axes, shape: str, y: float, x: float = 0.0) -> None:
    dashes = "-" if shape == "circle" else (0, (4, 1.5))
    axes.plot(*(_SHAPES[shape] + (x, y)).T, color=INK, lw=1.3, ls=dashes)
    if shape == "circle":
        axes.plot(*(_SHAPES["dot"] + (x, y)).T, "o", color=INK, ms=2.5, mew=0)


def _write(axes: Axes, x: float, y: float, text: str) -> None:
    axes.text(x, y + 6.5, text, fontsize=10, color=TEXT, va="center", parse_math=False)


def _plot_bar(axes: Axes, size: tuple[float, float], points_per_unit: float) -> None:
    """Draw a bar of length 1, or of the next round length that fits."""
    lengths = [length for length in _LENGTHS if length * points_per_unit <= size[0]]
    length = 1 if 1 in lengths and points_per_unit > 15 else lengths[0]
    end, y = length * points_per_unit, 4 - size[1]
    axes.plot([0, 0, end, end], [y + 5, y, y, y + 5], color=INK, lw=1.3, solid_joinstyle="miter",
              gid="bar")  # fmt: skip
    axes.text(end / 2, y + 4, f"{length:g}", ha="center", va="bottom", fontsize=10, color=TEXT)
