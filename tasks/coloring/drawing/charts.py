"""Charts of studies of colorings: conflicts over a distance, penalties of grids, progress.

Rows are plain mappings; fractions are drawn in percent.  matplotlib is imported by figures only;
these functions see its axes as plain objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, cycle
from typing import Any, TypeAlias

from tasks.coloring.drawing._colors import fill_of
from tasks.coloring.drawing._key import write_heading
from tasks.coloring.drawing.scenes import percent
from tasks.records import InputError
from tasks.records.figures import WIDTH, lighten, new_figure
from tasks.records.palette import CYCLE, GRAY, INK, TEXT

__all__ = ["Row", "draw_intervals", "draw_penalties", "draw_progress", "draw_searches"]

Axes: TypeAlias = Any
Figure: TypeAlias = Any
Row = Mapping[str, Any]

_ACROSS = 0.60
"""Width of panels; names stand beside them."""


_CHART = (0.075, 0.11, 0.60, 0.76)


def draw_intervals(
    conflicts: Sequence[Row],
    certified: Sequence[Row],
    *,
    measure: str = "points in conflict, %",
    title: str = "",
) -> Figure:
    """Draw how much conflict is left over a distance d, and the intervals that are certified.

    Parameters
    ----------
    conflicts : sequence of rows
        With `series` (text), `distance`, and `conflict`, a fraction: 0 is drawn on the lower edge.
    certified : sequence of rows
        With `label` (text), `low`, `high`, and `removed`, a fraction: one bar for each.
    measure : str
        What `conflict` counts, in percent.
    title : str

    Raises
    ------
    InputError
        If there are no rows at all, or a column is missing.
    """
    figure = new_figure(WIDTH, 3.4 + 0.3 * len(certified) + 1.6 * bool(conflicts))
    _plot_intervals(figure, conflicts, certified, measure)
    write_heading(figure, title or "conflict over the distance d, and certified intervals", "")
    return figure


def draw_penalties(
    rows: Sequence[Row], *, records: Mapping[str, float] | None = None, title: str = ""
) -> Figure:
    """Draw the removed fraction against the number of cells, a line for each coloring.

    Parameters
    ----------
    rows : sequence of rows
        With `series` (text), `num_cells`, and `removed`, a fraction.
    records : mapping from names to fractions, optional
        Drawn as levels to compare with.
    title : str

    Raises
    ------
    InputError
        If there are no rows, or a column is missing.
    """
    figure = new_figure(WIDTH, 6.0)
    _plot_penalties(figure.add_axes(_CHART), rows, records or {})
    write_heading(figure, title or "removed fraction by the fineness of the grid", "")
    return figure


def draw_progress(
    rows: Sequence[Row], *, records: Mapping[str, float] | None = None, title: str = ""
) -> Figure:
    """Draw the smallest certified removed fraction up to now over the seconds of all calls.

    As `draw_penalties`, of rows with `seconds` in place of `num_cells`.
    """
    figure = new_figure(WIDTH, 6.0)
    _plot_progress(figure.add_axes(_CHART), rows, records or {})
    write_heading(figure, title or "smallest removed fraction by time", "")
    return figure


def draw_searches(
    rows: Sequence[Row], *, records: Mapping[str, float] | None = None, title: str = ""
) -> Figure:
    """Draw what searches found: points in conflict against removed points, before any repair.

    Parameters
    ----------
    rows : sequence of rows
        With `series` (text), `removed` and `conflict`, fractions: one dot for each.
    records : mapping from names to fractions, optional
        Removed fractions to compare with.
    title : str

    Raises
    ------
    InputError
        If there are no rows, or a column is missing.
    """
    figure = new_figure(WIDTH, 6.0)
    _plot_searches(figure.add_axes(_CHART), rows, records or {})
    write_heading(figure, title or "what searches found, before any repair", "")
    return figure


# --- panels --------------------------------------------------------------------------------------


def _plot_intervals(
    figure: Figure, conflicts: Sequence[Row], certified: Sequence[Row], measure: str
) -> None:
    """Draw curves of conflict above bars of certified intervals, over the same distances."""
    _check(conflicts, "series", "distance", "conflict")
    _check(certified, "label", "low", "high", "removed")
    if not conflicts and not certified:
        raise InputError("a chart of distances needs one row or more; none was given")
    high = float(figure.get_size_inches()[1])
    low, bars = 0.62, 0.3 * len(certified) + 0.15
    curves = high - 0.85 - low - (bars + 0.25 if certified else 0)
    panels = []
    if certified:
        panels.append(figure.add_axes((0.075, low / high, _ACROSS, bars / high), gid="certified"))
        _plot_bars(panels[0], certified)
        low += bars + 0.25
    if conflicts:
        panels.append(figure.add_axes((0.075, low / high, _ACROSS, curves / high), gid="conflicts"))
        _plot_conflicts(panels[-1], conflicts, measure)
    values = [row["distance"] for row in conflicts]
    values += [row[bound] for row in certified for bound in ("low", "high")]
    margin = 0.02 * (max(values) - min(values) or 1)
    for axes in panels:
        axes.set_xlim(min(values) - margin, max(values) + margin)
        axes.tick_params(labelbottom=axes is panels[0])
    panels[0].set_xlabel("distance d", fontsize=10.5, color=TEXT)


def _plot_bars(axes: Axes, certified: Sequence[Row]) -> None:
    lighten(axes, grid="x")
    for place, row in enumerate(certified):
        width = row["high"] - row["low"]
        color = fill_of(0 if not row["removed"] else 1)
        axes.barh(place, width, left=row["low"], height=0.62, color=color)
        axes.plot([row["low"], row["high"]], [place, place], "|", color=INK, ms=11, mew=1.4)
        removed = "nothing removed" if not row["removed"] else f"{percent(row['removed'])} removed"
        text = f"{row['label']}: {removed}"
        style = {"va": "center", "fontsize": 9.5, "color": TEXT, "parse_math": False}
        beside = ("axes fraction", "data")
        axes.annotate(text, (1.015, place), xycoords=beside, annotation_clip=False, **style)
    axes.set(ylim=(len(certified) - 0.5, -0.5), yticks=[])


def _plot_conflicts(axes: Axes, conflicts: Sequence[Row], measure: str) -> None:
    lighten(axes, y=measure)
    floor = _floor(row["conflict"] for row in conflicts)
    for name, color, own in _series(conflicts, "distance"):
        x, y = [row["distance"] for row in own], [row["conflict"] for row in own]
        axes.plot(x, _on_floor(y, floor), color=color, lw=1.8, label=name)
        zeros = [distance for distance, conflict in zip(x, y, strict=True) if not conflict]
        axes.plot(zeros, [floor] * len(zeros), "o", color=color, ms=4.5)
    _scale(axes, floor)
    axes.legend(**_BESIDE)


def _plot_penalties(axes: Axes, rows: Sequence[Row], records: Mapping[str, float]) -> None:
    """Draw the removed fraction against the number of cells."""
    _check(rows, "series", "num_cells", "removed", needed=True)
    lighten(axes, "cells of the period", "removed, %")
    floor = _floor(row["removed"] for row in rows)
    for name, color, own in _series(rows, "num_cells"):
        values = _on_floor([row["removed"] for row in own], floor)
        x = [row["num_cells"] for row in own]
        axes.plot(x, values, "o-", color=color, lw=1.8, ms=5, label=name)
    _plot_records(axes, records)
    _scale_across(axes, [row["num_cells"] for row in rows])
    _scale(axes, floor)
    axes.legend(**_BESIDE)


def _plot_progress(axes: Axes, rows: Sequence[Row], records: Mapping[str, float]) -> None:
    """Draw the smallest removed fraction up to each time, as steps."""
    _check(rows, "series", "seconds", "removed", needed=True)
    lighten(axes, "seconds of all calls together", "removed, %")
    floor = _floor(row["removed"] for row in rows)
    end = max(row["seconds"] for row in rows)
    for name, color, own in _series(rows, "seconds"):
        values = _on_floor([row["removed"] for row in own], floor)
        x, least = [row["seconds"] for row in own], list(accumulate(values, min))
        style = {"where": "post", "color": color, "lw": 1.8, "label": name}
        axes.step([*x, end], [*least, least[-1]], **style)
        axes.plot(x, values, "o", color=color, ms=4, alpha=0.5)
    _plot_records(axes, records)
    _scale_across(axes, [row["seconds"] for row in rows])
    _scale(axes, floor)
    axes.legend(**_BESIDE)


def _plot_searches(axes: Axes, rows: Sequence[Row], records: Mapping[str, float]) -> None:
    """Draw a dot for each search."""
    _check(rows, "series", "removed", "conflict", needed=True)
    lighten(axes, "removed, %", "points in conflict, %")
    floor = _floor(row["conflict"] for row in rows)
    for name, color, own in _series(rows, "removed"):
        x = [100 * row["removed"] for row in own]
        y = _on_floor([row["conflict"] for row in own], floor)
        style = {"ms": 5, "mew": 0, "alpha": 0.55, "color": color}
        axes.plot(x, y, "o", label=name, **style)
    _plot_records(axes, records, is_upright=True)
    _scale(axes, floor)
    axes.legend(**_BESIDE)


# --- what they share ----------------------------------------------------------------------------

_BESIDE = {
    "frameon": False,
    "fontsize": 9.5,
    "labelcolor": INK,
    "loc": "upper left",
    "bbox_to_anchor": (1.01, 1.02),
    "borderaxespad": 0,
}


def _check(rows: Sequence[Row], *columns: str, needed: bool = False) -> None:
    if needed and not rows:
        raise InputError("a chart needs one row or more; none was given")
    missing = sorted({name for row in rows for name in columns if name not in row})
    if missing:
        raise InputError(
            f"rows of this chart need {', '.join(columns)}; missing: {', '.join(missing)}"
        )


def _series(rows: Sequence[Row], by: str) -> Iterator[tuple[str, str, list[Row]]]:
    """Name, color and sorted rows of each line, in the order of first rows."""
    for k, name in enumerate(dict.fromkeys(row["series"] for row in rows)):
        own = [row for row in rows if row["series"] == name]
        yield str(name), CYCLE[k % len(CYCLE)], sorted(own, key=lambda row: row[by])


def _floor(fractions: Iterable[float]) -> float:
    """Where 0 is drawn, in percent: below everything else."""
    return 100 * min((share for share in fractions if share > 0), default=0.01) / 2


def _on_floor(fractions: Sequence[float], floor: float) -> list[float]:
    return [100 * share if share else floor for share in fractions]


def _scale(axes: Axes, floor: float) -> None:
    """Use a logarithmic scale if values differ much or are 0, with ticks that people read."""
    low, high = axes.dataLim.intervaly
    if high < 4 * low and low > floor:
        return
    axes.set_yscale("log")
    ticks = [m * 10.0**k for k in range(-6, 3) for m in (1, 2, 5)]
    shown = [tick for tick in ticks if max(low / 1.3, 1.5 * floor) <= tick <= 1.3 * high]
    if len(shown) > 9:
        shown = [tick for tick in shown if f"{tick:e}".startswith("1")]
    shown = shown or [high]
    names = [f"{tick:.3g}" for tick in shown]
    if low <= floor:
        shown, names = [floor, *shown], ["0", *names]
    axes.set_yticks(shown, names)
    axes.minorticks_off()


def _scale_across(axes: Axes, values: Sequence[float]) -> None:
    """Use a logarithmic scale if positive values differ much, or begin at 0 if they differ little.

    Ticks are plain numbers, or seconds.
    """
    low, high = min(values), max(values)
    if low <= 0 or high < 3 * low:
        axes.set_xlim(0, 1.05 * high or 1.0)
        return
    axes.set_xscale("log")
    steps = (1, 2, 5) if high < 3000 * low else (1,)
    ticks = [m * 10.0**k for k in range(-3, 13) for m in steps]
    shown = [tick for tick in ticks if low / 1.5 <= tick <= 1.5 * high]
    axes.set_xticks(shown, [f"{tick:,.10g}" for tick in shown])
    axes.set_xlim(low / 1.2, 1.2 * high)
    axes.minorticks_off()


def _plot_records(axes: Axes, records: Mapping[str, float], *, is_upright: bool = False) -> None:
    """Draw fractions to compare with as dashed lines, and list them in the legend."""
    draw = axes.axvline if is_upright else axes.axhline
    for (name, share), dashes in zip(records.items(), cycle(_DASHES), strict=False):
        label = f"{name}, {percent(share)}"
        draw(100 * share, color=GRAY, lw=1.2, ls=(0, dashes), zorder=1, label=label)


_DASHES = ((5, 3), (1, 1.5), (6, 2, 1, 2))
