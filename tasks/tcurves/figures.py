"""Pictures: T-curves, trees of ovals, histograms of schemes, coverage matrices, discovery curves.

>>> from tasks.lattice import honeycomb
>>> from tasks.tcurves import harnack_signs
>>> figure = draw_curve(honeycomb(6), harnack_signs(6))
>>> [axes.get_gid() for axes in figure.axes]
['plane', 'tree']
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from numpy.typing import ArrayLike

from tasks.lattice import Triangulation
from tasks.records.figures import HEIGHT, add_legend, entry, new_figure
from tasks.records.palette import GRAY, INK, TEXT
from tasks.records.pictures import save_figure
from tasks.tcurves._charts import Bar, Coverage, coverage, histogram_bars, with_headings
from tasks.tcurves._colors import PSEUDO_LINE_COLOR, oval_color, region_color
from tasks.tcurves._discovery import describe_discovery, discovery, plot_discovery
from tasks.tcurves._drawing import Component, Drawing, drawing, math_notation, oval_tree
from tasks.tcurves._picture import plot_boundary, plot_signs, plot_tree
from tasks.tcurves._plots import (
    count_ovals_in_words,
    grouped,
    plot_bars,
    plot_coverage,
    plot_coverage_by_ovals,
    plot_swarm,
)
from tasks.tcurves.restrictions import is_maximal
from tasks.tcurves.schemes import Scheme

__all__ = [
    "draw_coverage",
    "draw_curve",
    "draw_discovery",
    "draw_histogram",
    "draw_tree",
    "save_figure",
]

_MOST_LINES = 150
"""Lines of a histogram, headings included, that are legible in three columns."""

_MOST_CELLS = 180
"""Schemes of a coverage matrix that are legible one by one."""


# --- one curve ----------------------------------------------------------------------------------


def draw_curve(
    triangulation: Triangulation, witness: int | ArrayLike, *, title: str = ""
) -> Figure:
    """Draw the T-curve of a triangulation and a sign vector, and its tree of ovals.

    The square |x| + |y| <= d shows the four reflected copies of the triangulation; opposite points
    of its boundary are one point of RP^2, as the arrows tell.  Regions are tinted by depth.  In the
    tree, nodes are regions and edges are ovals.

    Parameters
    ----------
    triangulation : Triangulation
        Degree 1..60.
    witness : int or array of 0 and 1, shape (n,)
        Signs, as accepted by `tasks.tcurves.as_signs`.
    title : str
        Second line of the heading; by default the triangulation's name and the curve's numbers.
    """
    picture = drawing(triangulation, witness)
    figure = new_figure()
    notation = math_notation(picture.scheme)
    _write_notation(figure, notation, (0.03, 0.945), _title_size(notation))
    heading = title or _describe(triangulation, picture.scheme)
    figure.text(0.03, 0.895, heading, fontsize=11, color=TEXT, parse_math=False)
    plane = figure.add_axes((0.01, 0.01, 0.70, 0.87), gid="plane")
    _draw_plane(plane, picture, triangulation.degree)
    plot_tree(figure.add_axes((0.735, 0.30, 0.245, 0.58), gid="tree"), picture.scheme)
    _draw_legend(figure, picture)
    return figure


def _write_notation(figure: Figure, notation: str, place: tuple[float, float], size: float) -> None:
    """Write Viro notation, given as mathtext."""
    figure.text(*place, notation, fontsize=size, color=INK, va="center", math_fontfamily="stix")


def _title_size(notation: str) -> float:
    """Shrink the font of long notation, to fit the width of the figure."""
    letters = len(notation.replace("\\langle", "").replace("\\rangle", "").replace("\\sqcup", ""))
    return min(26.0, 26.0 * 42 / max(letters, 1))


def _describe(triangulation: Triangulation, scheme: Scheme) -> str:
    """Say what a picture shows."""
    ovals = count_ovals_in_words(scheme.ovals)
    if scheme.pseudo_line:
        ovals = f"{ovals} and J" if scheme.ovals else "J alone"
    parts = [triangulation.name, f"degree {triangulation.degree}", ovals]
    if is_maximal(scheme, triangulation.degree):
        parts.append("M-curve")
    return "  ·  ".join(parts)


def _draw_plane(axes: Axes, picture: Drawing, degree: int) -> None:
    """Draw regions, triangulation, curve and signs in the square."""
    margin = 1.045 * degree
    axes.set(xlim=(-margin, margin), ylim=(-margin, margin), aspect="equal")
    axes.set_axis_off()
    fine = min(1.0, 8 / degree) if degree > 8 else min(1.6, (8 / degree) ** 0.35)
    axes.add_collection(
        PolyCollection(
            [polygon for _, polygon in picture.cells],
            facecolors=[region_color(depth) for depth, _ in picture.cells],
            edgecolors="face",
            linewidths=0.5,
            gid="regions",
            zorder=1,
        )
    )
    axes.add_collection(
        LineCollection(
            list(picture.edges), colors="#C3C8CF", linewidths=0.7 * fine, gid="edges", zorder=2
        )
    )
    plot_boundary(axes, degree)
    for number, component in enumerate(picture.components):
        _draw_component(axes, component, number, 3.4 * fine)
    plot_signs(axes, picture, 4.2 * fine)


def _draw_component(axes: Axes, component: Component, number: int, width: float) -> None:
    """Draw one oval, or J, as one patch with all its pieces."""
    outline = Outline.make_compound_path(
        *(Outline(path, closed=bool((path[0] == path[-1]).all())) for path in component.paths)
    )
    name = f"oval-{number}" if component.depth else "J"
    for color, share, gid in (("white", 1.75, None), (oval_color(component.depth), 1.0, name)):
        axes.add_patch(
            PathPatch(
                outline,
                facecolor="none",
                edgecolor=color,
                linewidth=width * share,
                joinstyle="round",
                capstyle="round" if gid else "butt",
                gid=gid,
                zorder=5 if gid else 4,
            )
        )


def _draw_legend(figure: Figure, picture: Drawing) -> None:
    """Explain colors and markers."""
    depths = sorted({component.depth for component in picture.components})
    handles = [
        entry(_label(depth), ls="-", color=oval_color(depth), lw=3.4, solid_capstyle="round")
        for depth in depths
    ]
    root = PSEUDO_LINE_COLOR if picture.scheme.pseudo_line else INK
    handles += [
        entry("root region", marker="s", ms=6, mfc="white", mec=root, mew=1.2),
        entry("sign +", marker="o", ms=6, mfc=INK, mec=INK, mew=1.2),
        entry("sign −", marker="o", ms=6, mfc="white", mec=INK, mew=1.2),
        entry("glued to the opposite side", color=GRAY, lw=1.3, ls=(0, (4, 2))),
    ]
    place = {"loc": "upper left", "bbox_to_anchor": (0.755, 0.275)}
    add_legend(figure, handles, fontsize=10.5, handlelength=2.0, labelspacing=0.55, **place)


def _label(depth: int) -> str:
    """Name the ovals of a depth."""
    return (
        f"oval of depth {depth} ({'odd' if depth % 2 == 0 else 'even'})"
        if depth
        else "pseudo-line J"
    )


def draw_tree(scheme: Scheme | str) -> Figure:
    """Draw the tree of regions of a scheme: nodes are regions, edges are ovals, the root a square.

    Parameters
    ----------
    scheme : Scheme or str
        A scheme, or its Viro notation.

    Raises
    ------
    InputError
        If the text is not Viro notation.
    """
    drawn = Scheme.parse(scheme) if isinstance(scheme, str) else scheme
    leaves = max(node.place for node in oval_tree(drawn.forest)) + 1
    height = 1.4 + 0.3 * max(leaves, 3)
    figure = new_figure(6.0, height)
    notation = math_notation(drawn)
    size = 0.56 * _title_size(notation) + 4
    _write_notation(figure, notation, (0.05, 1 - 0.45 / height), size)
    box = (0.05, 0.1 / height, 0.9, 1 - 1.2 / height)
    plot_tree(figure.add_axes(box, gid="tree"), drawn, room=leaves)
    return figure


# --- charts -------------------------------------------------------------------------------------


def draw_histogram(histogram: pa.Table, *, title: str = "") -> Figure:
    """Draw how many sign classes of one triangulation have each scheme.

    Up to about 130 schemes get a bar each, grouped by number of ovals.  More are drawn as dots,
    count against number of ovals, beside the pyramid of p - n against number of ovals.

    Parameters
    ----------
    histogram : pa.Table
        Rows of one triangulation with the columns triangulation, scheme, count, is_maximal; counts
        may be null.
    title : str
        Heading; by default the triangulation's name and totals.

    Raises
    ------
    InputError
        If a column is missing, there are no rows, or rows of several triangulations.
    """
    name, bars = histogram_bars(histogram)
    lines = with_headings(bars)
    figure = new_figure()
    if len(lines) > _MOST_LINES:
        plot_swarm(figure, bars)
    else:
        plot_bars(figure, lines, max_height=HEIGHT)
    _write_heading(figure, title or _total(name, bars))
    return figure


def _total(name: str, bars: Sequence[Bar]) -> str:
    """Say what a histogram shows."""
    parts = [name, f"{len(bars)} real scheme{'' if len(bars) == 1 else 's'}"]
    counts = [bar.count for bar in bars if bar.count is not None]
    if counts:
        parts.append(f"{grouped(sum(counts))} sign class{'' if sum(counts) == 1 else 'es'}")
    else:
        parts.append("sign classes not counted")
    return "  ·  ".join(parts)


def draw_coverage(histogram: pa.Table, known: Sequence[str]) -> Figure:
    """Draw which triangulation reaches which scheme, and their union.

    Schemes are the known and the reached ones, by number of ovals, in bands below one another;
    reached schemes that are not known are vermilion.  With more than 180 schemes, a cell stands for
    all schemes of one number of ovals.  Of more than 60 triangulations, those that reach most are
    shown, but all enter the union.

    Parameters
    ----------
    histogram : pa.Table
        Rows of any number of triangulations of one degree, columns as in `draw_histogram`.
    known : sequence of str
        Schemes in Viro notation to compare with, for example all of that degree; may be empty.

    Raises
    ------
    InputError
        If a column is missing, there are no rows, or a scheme is not Viro notation.
    """
    matrix = coverage(histogram, known)
    figure = new_figure()
    plot = plot_coverage if len(matrix.schemes) <= _MOST_CELLS else plot_coverage_by_ovals
    plot(figure, matrix)
    _write_heading(figure, _reached(matrix, len(known)))
    return figure


def _reached(matrix: Coverage, num_known: int) -> str:
    """Say how many schemes are reached."""
    if num_known == 0:
        return f"{len(matrix.schemes)} schemes reached"
    known = int((matrix.union & matrix.is_known).sum())
    others = int((~matrix.is_known).sum())
    heading = f"{known} of {int(matrix.is_known.sum())} known schemes reached"
    return heading + (f"  ·  {others} other{'' if others == 1 else 's'}" if others else "")


def draw_discovery(archive: pa.Table, *, num_known: int = 0, num_candidates: int = 0) -> Figure:
    """Draw how a hunt found its schemes: their number, and their ovals, against candidates tried.

    Blue are known schemes, vermilion known M-curves, orange all others; the dashed line tells how
    many are known.  Without a list of known schemes, all are drawn in the colors of known ones.

    Parameters
    ----------
    archive : pa.Table
        Columns candidates, ovals, is_maximal, is_known, is_first of the archive of a hunt.
    num_known : int
        Length of the list of known schemes; 0 if there is none.
    num_candidates : int
        Candidates tried up to now; by default those of the last row.

    Raises
    ------
    InputError
        If a column is missing, or nothing was found yet.
    """
    found = discovery(archive, num_candidates, num_known=num_known)
    figure = new_figure()
    upper = figure.add_axes((0.075, 0.40, 0.90, 0.49), gid="counts")
    lower = figure.add_axes((0.075, 0.09, 0.90, 0.27), gid="ovals")
    plot_discovery(upper, lower, found, num_known)
    _write_heading(figure, describe_discovery(found, num_known))
    return figure


def _write_heading(figure: Figure, heading: str) -> None:
    """Write a heading near the upper left corner; its text is not read as mathematics."""
    width, height = figure.get_size_inches()
    figure.text(
        0.35 / width,
        1 - 0.45 / height,
        heading,
        fontsize=15,
        color=INK,
        va="center",
        parse_math=False,
    )
