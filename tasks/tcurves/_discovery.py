"""The discovery curve of a hunt: what it shows, and its drawing into a figure that is handed in.

matplotlib is imported by `tasks.tcurves.figures` only; figures and axes are plain objects here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.records import InputError
from tasks.records.palette import GRAY, INK, PALE, TEXT
from tasks.tcurves._colors import MAXIMAL_COLOR, OVAL_COLORS, tint
from tasks.tcurves._plots import grouped

Axes: TypeAlias = Any
Figure: TypeAlias = Any

_BLUE, _NEW = OVAL_COLORS[0], OVAL_COLORS[3]
_COLUMNS = ("candidates", "ovals", "is_maximal", "is_known", "is_first")


@dataclass(frozen=True)
class Discovery:
    """The first finds of a hunt, in their order; m of them."""

    candidates: NDArray[np.int64]
    """(m,): candidates tried when the scheme was found, to the end of that round."""
    ovals: NDArray[np.int64]
    """(m,)."""
    is_maximal: NDArray[np.bool_]
    """(m,)."""
    is_known: NDArray[np.bool_]
    """(m,): on the list of known schemes; all True if there is no list."""
    has_list: bool
    """Whether there is a list of known schemes, found or not."""
    num_candidates: int
    """Candidates tried up to now."""

    def counts(self, *, known: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Count known schemes, or all, as a step function: places and values up to now."""
        chosen = self.is_known if known else np.ones_like(self.is_known)
        values = np.cumsum(chosen)
        places = np.append(self.candidates, self.num_candidates)
        return places, np.append(values, values[-1])


def discovery(archive: pa.Table, num_candidates: int, *, num_known: int) -> Discovery:
    """Read the table of a hunt's archive; with `num_known` 0 there is no list of known schemes.

    Raises
    ------
    InputError
        If a column is missing, or nothing was found yet.
    """
    missing = [name for name in _COLUMNS if name not in archive.column_names]
    if missing:
        raise InputError(f"an archive needs the columns {', '.join(_COLUMNS)}; missing: {missing}")
    rows = [row for row in archive.select(list(_COLUMNS)).to_pylist() if row["is_first"]]
    if not rows:
        raise InputError("the archive has no schemes; there is nothing to draw")
    rows.sort(key=lambda row: row["candidates"])
    candidates, ovals, maximal, known = (
        np.array([row[name] for row in rows]) for name in _COLUMNS[:4]
    )
    known, total = known.astype(bool), max(num_candidates, int(candidates[-1]))
    has_list = num_known > 0
    return Discovery(
        candidates, ovals, maximal.astype(bool), known | (not has_list), has_list, total
    )


def plot_discovery(upper: Axes, lower: Axes, found: Discovery, num_known: int) -> None:
    """Draw the number of schemes against candidates above, their numbers of ovals below."""
    limits = (0.9, max(found.num_candidates * 1.12, 10))
    for axes in (upper, lower):
        axes.set(xscale="log", xlim=limits)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(GRAY)
        axes.tick_params(which="both", colors=GRAY, labelcolor=TEXT, labelsize=9.5)
        axes.grid(axis="x", color=PALE, lw=0.8)
        axes.set_axisbelow(True)
    _plot_counts(upper, found, num_known)
    _plot_ovals(lower, found)
    _plot_legend(upper, found)
    upper.tick_params(axis="x", labelbottom=False)
    lower.set_xlabel("candidates whose census was taken", fontsize=11, color=INK)


def _plot_legend(axes: Axes, found: Discovery) -> None:
    """Explain the colors that occur, above the plot."""
    known, maximal = found.is_known, found.is_known & found.is_maximal
    word = "known" if found.has_list else "found"
    for color, label, is_used in (
        (_BLUE, word, known.any()),
        (MAXIMAL_COLOR, f"{word} M-curve", maximal.any()),
        (_NEW, "not on the list", not known.all()),
    ):
        if is_used:
            axes.plot([], [], "o", ms=7, mfc=color, mec="none", label=label)
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncol=3,
        frameon=False,
        fontsize=10.5,
        labelcolor=INK,
        columnspacing=1.4,
        handletextpad=0.2,
        borderaxespad=0.2,
    )


def describe_discovery(found: Discovery, num_known: int) -> str:
    """Say what a hunt found."""
    known, others = int(found.is_known.sum()), int((~found.is_known).sum())
    if num_known:
        heading = f"{known} of {num_known} known schemes"
        heading += f"  ·  {others} not on the list" if others else ""
    else:
        heading = f"{len(found.ovals)} schemes"
    return f"{heading}  ·  {grouped(found.num_candidates)} candidates"


def _plot_counts(axes: Axes, found: Discovery, num_known: int) -> None:
    """Draw steps for the known schemes and, on top of them, for all if others were found."""
    places, known = found.counts(known=True)
    _, everything = found.counts(known=False)
    start = np.maximum(np.concatenate([[0.9], places]), 0.9)
    lower = np.concatenate([[0], known])
    upper = np.concatenate([[0], everything])
    axes.fill_between(start, lower, step="post", color=tint(_BLUE, 0.18), lw=0)
    axes.fill_between(
        start, lower, upper, step="post", color=tint(_NEW, 0.35), lw=0, gid="new-area"
    )
    axes.step(start, lower, where="post", color=_BLUE, lw=2.2, gid="known")
    if num_known:
        axes.axhline(num_known, color=INK, lw=1.1, ls=(0, (5, 3)), gid="all-known")
        axes.annotate(
            f"{num_known} known",
            (0.0, num_known),
            (4, 4),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            fontsize=10,
            color=INK,
        )
    num_new = int(everything[-1] - known[-1])
    if num_new:
        axes.step(start, upper, where="post", color=_NEW, lw=2.2, gid="all")
    top = max(num_known, int(everything[-1]))
    axes.set(ylim=(0, 1.12 * top))
    axes.set_ylabel("schemes found", fontsize=11, color=INK)


def _disks(found: Discovery) -> Iterator[tuple[int, int, int, str]]:
    """List disks as candidates, ovals, number and color, in the order of drawing.

    Places with schemes that are not on the list come last, larger disks before smaller ones.
    """
    groups: dict[tuple[int, int], Counter[str]] = {}
    columns = (found.candidates, found.ovals, found.is_maximal, found.is_known)
    for x, y, is_maximal, is_known in zip(*(c.tolist() for c in columns), strict=True):
        color = _NEW if not is_known else MAXIMAL_COLOR if is_maximal else _BLUE
        groups.setdefault((x, y), Counter())[color] += 1
    order = sorted((_NEW in colors, -colors.total(), place) for place, colors in groups.items())
    for _, _, (x, y) in order:
        colors = groups[x, y]
        number = colors.total()
        for color, count in sorted(colors.items(), key=lambda e: (-e[1], e[0] == _NEW)):
            yield x, y, number, color
            number -= count


def _plot_ovals(axes: Axes, found: Discovery) -> None:
    """Draw a disk for the first finds at each place and number of ovals, its area their number.

    Where some are known and some are not, the smaller group is a disk within the disk of all.
    """
    for x, y, number, color in _disks(found):
        axes.plot(
            max(x, 1), y, "o", ms=4.2 * number**0.5, mfc=color, mec="white", mew=0.7, alpha=0.9
        )
    most = int(found.ovals.max())
    step = 1 + most // 12
    axes.set(ylim=(-0.8, most + 0.9), yticks=range(0, most + 1, step))
    axes.set_ylabel("ovals of first finds", fontsize=11, color=INK)
