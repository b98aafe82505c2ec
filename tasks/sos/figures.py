"""Pictures: bases inside Newton polytopes, sizes and times of many polynomials.

>>> from tasks.sos import parse_polynomial
>>> figure = draw_basis(parse_polynomial("x^4*y^2 + x^2*y^4 - 3*x^2*y^2 + 1"), "newton")
>>> [axes.get_gid() for axes in figure.axes]
['polytope']
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import comb
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import Polygon
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MultipleLocator
from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection

from tasks.records import InputError
from tasks.records.figures import add_legend, entry, lighten, new_figure
from tasks.records.palette import (
    BLUE,
    GRAY,
    GREEN,
    INK,
    ORANGE,
    PALE,
    PURPLE,
    SKY,
    TEXT,
    VERMILION,
)
from tasks.sos._basis_picture import (
    BasisPicture,
    Points,
    basis_picture,
    math_monomial,
    math_variable,
    solid,
)
from tasks.sos.polynomials.polynomial import Polynomial
from tasks.sos.verdict import Verdict

__all__ = ["draw_basis", "draw_sizes"]

Row = Mapping[str, Any]
Style = Mapping[str, Any]

_VERDICTS = {
    Verdict.PROVED: GREEN,
    Verdict.NUMERICAL: ORANGE,
    Verdict.REFUTED_SOS: VERMILION,
    Verdict.NEGATIVE: PURPLE,
    Verdict.UNDECIDED: GRAY,
}


# --- one basis ----------------------------------------------------------------------------------

_MOST_LABELS = 24
_HALO = withStroke(linewidth=2.5, foreground="white")
_FACE, _EDGE, _FAINT = "#F1F4F7", "#AEB6BF", "#C9CED4"
_BLOCKS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION)
"""Colors of the blocks of the Gram matrix; they repeat."""
_BLOCK = {"marker": "o", "ms": 11, "mec": "white", "mew": 1.0, "zorder": 5}
_SUPPORT = {"marker": "o", "ms": 17, "mfc": "none", "mec": INK, "mew": 1.4, "zorder": 6}
_REMOVED = {"marker": "x", "ms": 9, "mec": VERMILION, "mew": 2.2, "zorder": 4}
_SPARE = {"marker": "o", "ms": 8, "mfc": "white", "mec": "#9AA2AB", "mew": 1.2, "zorder": 3}


def draw_basis(p: Polynomial, rule: str, *, name: str = "", verdict: str = "") -> Figure:
    """Draw the basis of a polynomial in 2 or 3 variables inside its Newton polytope.

    A monomial x^b of the basis stands at 2b, where its square is; its color is that of its block
    of the Gram matrix. Rings are terms of the polynomial. Forms in three variables are drawn in
    their plane.

    Parameters
    ----------
    p : Polynomial
    rule : str
        Rule of the basis: even-sqrt, newton, full.
    name, verdict : str
        For the heading.

    Raises
    ------
    InputError
        For another number of variables, or the polynomial 0.
    """
    picture = basis_picture(p, rule)
    figure = new_figure()
    _write_heading(figure, name or "Newton polytope", verdict, _describe(p, picture, rule))
    draw = _draw_plane if picture.support.shape[1] == 2 else _draw_space
    draw(figure, picture, p)
    handles = [entry("Newton polytope of p", ls="-", color=_EDGE, lw=1.6)]
    handles += [entry(label, **style) for _, label, points, style in _marks(picture) if len(points)]
    if (hidden := len(picture.chosen) - 6) > 0:
        handles[-hidden:] = [entry(f"... {len(picture.chosen)} blocks in all")]
    place = {"loc": "upper left", "bbox_to_anchor": (0.715, 0.86)}
    add_legend(figure, handles, fontsize=10.5, labelspacing=0.95, handlelength=1.6, **place)
    note = "A monomial of the basis is drawn\nat the exponent of its square."
    figure.text(0.722, 0.075, note, fontsize=9.5, color=TEXT, va="bottom", linespacing=1.4)
    return figure


def _write_heading(figure: Figure, name: str, verdict: str, line: str) -> None:
    """Name and verdict in the first line, sizes in the second; no mathematics in them."""
    style: dict[str, Any] = {"va": "center", "parse_math": False}
    title = figure.text(0.03, 0.95, _drawable(name), fontsize=17, color=INK, **style)
    if verdict:
        across = 0.05 + title.get_window_extent().width / figure.bbox.width
        color = _VERDICTS[Verdict(verdict)]
        figure.text(across, 0.949, verdict, fontsize=14, color=color, **style)
    figure.text(0.03, 0.905, line, fontsize=11, color=TEXT, **style)


def _describe(p: Polynomial, picture: BasisPicture, rule: str) -> str:
    """Say what a picture shows."""
    sizes = sorted(map(len, picture.chosen), reverse=True)
    blocks = f"{len(sizes)} blocks of at most {sizes[0]}" if len(sizes) > 1 else "one block"
    parts = (
        f"{p.num_variables} variables, degree {p.degree}",
        f"{p.num_terms} term{'' if p.num_terms == 1 else 's'}",
        f"basis of {sum(sizes)} ({rule})" + (f" in {blocks}" if sizes else ""),
    )
    return "  ·  ".join(parts)


def _marks(picture: BasisPicture) -> Iterator[tuple[str, str, Points, dict[str, Any]]]:
    """All markers: what they are, their entry in the legend, points, style."""
    for gid, label, points, style in (
        ("spare", "half polytope, not needed", picture.spare, _SPARE),
        ("removed", "diagonally inconsistent", picture.removed, _REMOVED),
        ("support", "term of p", picture.support, _SUPPORT),
    ):
        yield gid, f"{label} ({len(points)})", points, style
    for k, points in enumerate(picture.chosen):
        text = f", block of {len(points)}" if len(picture.chosen) > 1 else f" ({len(points)})"
        yield f"block-{k}", f"basis{text}", points, _BLOCK | {"mfc": _BLOCKS[k % len(_BLOCKS)]}


def _draw_plane(figure: Figure, picture: BasisPicture, p: Polynomial) -> None:
    """Draw a polytope in the plane."""
    axes = figure.add_axes((0.06, 0.07, 0.64, 0.80), gid="polytope")
    axes.set_aspect("equal")
    if picture.is_form:
        _frame_triangle(axes, p)
    else:
        top = max(1.0, float(picture.all_points.max()))
        margin = 0.3 + 0.05 * top
        axes.set(xlim=(-margin, top + margin), ylim=(-margin, top + margin))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MultipleLocator(2 if p.degree <= 16 else 4))
        lighten(axes, *(f"exponent of {variable}" for variable in p.variables), size=10)
    axes.plot(*picture.lattice.T, ls="none", marker="o", ms=2.6, color=_FAINT, zorder=1)
    style: dict[str, Any] = {"fc": _FACE, "ec": _EDGE, "lw": 1.6, "joinstyle": "round"}
    frame = picture.frame
    axes.add_patch(Polygon(frame, closed=len(frame) > 2, zorder=0.5, gid="frame", **style))
    for gid, _, points, style in _marks(picture):
        axes.plot(*points.T, ls="none", gid=gid, **style)
    if sum(map(len, picture.monomials)) <= _MOST_LABELS:
        _write_monomials(axes, picture, p.variables)


def _frame_triangle(axes: Axes, p: Polynomial) -> None:
    """Draw the triangle of all exponents of a form, with its corners named."""
    d, height = p.degree, p.degree * 0.75**0.5
    axes.set(xlim=(-0.13 * d, 1.13 * d), ylim=(-0.11 * d, height + 0.1 * d))
    axes.set_axis_off()
    corners = [(d, 0), (d / 2, height), (0, 0)]
    axes.add_patch(Polygon(corners, fill=False, ec=PALE, lw=1.2, zorder=0.4))
    offsets = ((14, -14, "left", "top"), (0, 24, "center", "bottom"), (-14, -14, "right", "top"))
    for variable, corner, (*offset, ha, va) in zip(p.variables, corners, offsets, strict=True):
        text = f"${math_variable(variable)}^{{{d}}}$"
        _write_beside(axes, text, corner, offset, fontsize=13, color=GRAY, ha=ha, va=va)


def _write_monomials(axes: Axes, picture: BasisPicture, variables: Sequence[str]) -> None:
    """Name the monomials of the basis beside their points."""
    style = {"fontsize": 12.5, "path_effects": [_HALO], "zorder": 7}
    for k, (points, rows) in enumerate(zip(picture.chosen, picture.monomials, strict=True)):
        for point, row in zip(points.tolist(), rows.tolist(), strict=True):
            text = f"${math_monomial(row, variables)}$"
            _write_beside(axes, text, point, (8, 8), color=_BLOCKS[k % len(_BLOCKS)], **style)


def _write_beside(axes: Axes, text: str, point: Any, offset: Any, **style: Any) -> None:
    """Write mathematics so many points beside a place."""
    font = {"textcoords": "offset points", "math_fontfamily": "stix"}
    axes.annotate(text, point, offset, **font, **style)


def _draw_space(figure: Figure, picture: BasisPicture, p: Polynomial) -> None:
    """Draw a polytope in space."""
    axes: Any = figure.add_axes((0.0, 0.02, 0.72, 0.88), projection="3d", gid="polytope")
    axes.view_init(elev=20, azim=32)
    _style_space(axes, p, picture.all_points.max(axis=0).clip(2))
    faces, edges = solid(picture.frame)
    if faces:
        style = {"facecolors": "#5B7C99", "alpha": 0.07, "linewidths": 0}
        axes.add_collection3d(Poly3DCollection(faces, **style))
    axes.add_collection3d(Line3DCollection(edges, colors="#8C97A3", linewidths=1.3))
    for gid, _, points, style in _marks(picture):
        axes.plot(*points.T, ls="none", gid=gid, **(style | {"ms": 0.8 * style["ms"]}))
    for x, y, z in np.vstack(picture.chosen or [np.empty((0, 3))]).tolist():
        # Feet on the floor, to see where the points stand.
        axes.plot([x, x], [y, y], [0, z], color=_FAINT, lw=0.8, zorder=0)


def _style_space(axes: Any, p: Polynomial, tops: Points) -> None:
    """Light panes, even exponents along the axes."""
    for letter, variable, top in zip("xyz", p.variables, tops.tolist(), strict=True):
        axes.set(**{f"{letter}lim": (0, top)})
        axis = getattr(axes, f"{letter}axis")
        axis.set_major_locator(MultipleLocator(2 if p.degree <= 16 else 4))
        axis.set_label_text(f"exponent of {variable}", fontsize=11, color=TEXT)
        axis.set_pane_color((1, 1, 1, 0))
        axis._axinfo["grid"].update(color=PALE, linewidth=0.8)
        axis._axinfo["tick"].update(inward_factor=0.0, outward_factor=0.0)
        axis.line.set_color(GRAY)
    axes.tick_params(labelsize=9.5, labelcolor=TEXT)
    axes.set_box_aspect(tuple(tops.tolist()), zoom=0.92)


# --- many polynomials ---------------------------------------------------------------------------

MAX_ROWS = 60
"""Polynomials of one chart."""
_LEAST_SECONDS = 1e-4
"""What took less is drawn as this."""
_SIZES: dict[str, Style] = {
    "all": {"marker": "o", "ms": 6.2, "mfc": "white", "mec": GRAY, "mew": 1.2},
    "half Newton": {"marker": "s", "ms": 6.2, "mfc": ORANGE, "mec": "white"},
    "even square roots": {"marker": "D", "ms": 6.0, "mfc": SKY, "mec": "white"},
    "largest block": {"marker": "|", "ms": 9.0, "mec": INK, "mew": 2.0},
}
_RULES = {"newton": "half Newton", "even-sqrt": "even square roots"}
_STAGES = {"basis": SKY, "solve": BLUE, "prove": GREEN, "refute": VERMILION, "check": PURPLE}
_SECONDS: dict[str, Style] = {
    **{
        s: {"marker": "o", "ms": 6.0, "mfc": c, "mec": "white", "mew": 0.6}
        for s, c in _STAGES.items()
    },
    "total": {"marker": "|", "ms": 10.0, "mec": INK, "mew": 2.0},
}


def draw_sizes(rows: Sequence[Row], attempts: Sequence[Row]) -> Figure:
    """Draw for every polynomial the sizes of its bases by rule, and its seconds by stage.

    Parameters
    ----------
    rows : sequence of mappings
        With the keys name, verdict, num_variables, degree, basis_size, block_sizes, and stages, a
        mapping from stage to seconds. Those without a basis are left out; of many, those that took
        longest are shown.
    attempts : sequence of mappings
        Rows of the table ``attempts``.

    Raises
    ------
    InputError
        If no polynomial has a basis.
    """
    drawn = [row for row in rows if row["basis_size"]]
    if not drawn:
        raise InputError("no polynomial has a basis, so there are no sizes to draw")
    shown = chosen_rows(drawn)
    height = 1.75 + 0.205 * max(len(shown), 6)
    figure = new_figure(12.5, height)
    bottom, high = 0.62 / height, 1 - 1.62 / height
    sizes = {row["name"]: _row_sizes(row) for row in shown}
    for attempt in attempts:
        if attempt["name"] in sizes and attempt["basis"] in _RULES and attempt["basis_size"]:
            sizes[attempt["name"]][_RULES[attempt["basis"]]] = attempt["basis_size"]
    left = figure.add_axes((0.19, bottom, 0.39, high), gid="sizes")
    right = figure.add_axes((0.61, bottom, 0.375, high), gid="seconds")
    _plot(left, "monomials", list(sizes.values()), _SIZES)
    _plot(right, "seconds", [_row_seconds(row) for row in shown], _SECONDS)
    names = [_drawable(_short(row["name"])) for row in shown]
    left.set_yticks(range(len(shown)), names)
    for label, row in zip(left.get_yticklabels(), shown, strict=True):
        label.set(color=_VERDICTS[Verdict(row["verdict"])], parse_math=False)
    heading = describe_choice(len(drawn), len(shown))
    figure.text(0.02, 1 - 0.34 / height, heading, fontsize=15, color=INK, va="center")
    _add_legends(figure, height)
    return figure


def full_size(row: Row) -> int:
    """Number of all monomials of half the degree."""
    return comb(row["num_variables"] + row["degree"] // 2, row["num_variables"])


def _total_seconds(row: Row) -> float:
    """Seconds of all stages but the check."""
    return sum(value for stage, value in row["stages"].items() if stage != "check")


def chosen_rows(rows: Sequence[Row]) -> list[Row]:
    """At most `MAX_ROWS` rows, those that took longest, by the number of all monomials."""
    longest = sorted(rows, key=lambda row: (-_total_seconds(row), row["name"]))[:MAX_ROWS]
    return sorted(longest, key=lambda row: (full_size(row), row["basis_size"], row["name"]))


def describe_choice(total: int, shown: int) -> str:
    """Say what the charts show."""
    if shown < total:
        return f"Sizes and times of the {shown} slowest of {total:,} polynomials"
    return f"Sizes and times of {total} polynomial{'' if total == 1 else 's'}"


def _row_sizes(row: Row) -> dict[str, float]:
    return {"all": full_size(row), "largest block": max(row["block_sizes"])}


def _row_seconds(row: Row) -> dict[str, float]:
    spent = {s: max(row["stages"][s], _LEAST_SECONDS) for s in _STAGES if s in row["stages"]}
    return spent | {"total": max(_total_seconds(row), _LEAST_SECONDS)} if spent else {}


def _plot(
    axes: Axes, label: str, rows: Sequence[Mapping[str, float]], styles: Mapping[str, Style]
) -> None:
    """Draw the values of every polynomial by kind, on one line each, from below."""
    for y, values in enumerate(rows):
        if values:
            ends = [min(values.values()), max(values.values())]
            axes.plot(ends, [y, y], color=PALE, lw=2.2, zorder=1, solid_capstyle="round")
        for kind, style in styles.items():
            if kind in values:
                axes.plot([values[kind]], [y], ls="none", **style)
    axes.set_xscale("log")
    axes.set_ylim(-0.8, max(len(rows), 6) - 0.2)
    axes.set_yticks([])
    lighten(axes, label, grid="x")
    axes.tick_params(axis="x", which="minor", labelbottom=False)


def _add_legends(figure: Figure, height: float) -> None:
    """One line of symbols above each chart, and the colors of the names."""
    narrow = {"loc": "lower left", "handletextpad": 0.15, "columnspacing": 1.0}
    for axes, styles in zip(figure.axes, (_SIZES, _SECONDS), strict=True):
        handles = [entry(label, **style) for label, style in styles.items()]
        place = (axes.get_position().x0 - 0.008, 1 - 0.97 / height)
        add_legend(figure, handles, bbox_to_anchor=place, ncols=len(handles), **narrow)
    across, up = 0.985, 1 - 0.34 / height
    for verdict in reversed(Verdict):
        style = {"fontsize": 10.5, "color": _VERDICTS[verdict], "ha": "right", "va": "center"}
        text = figure.text(across, up, verdict, **style)
        across -= text.get_window_extent().width / figure.bbox.width + 0.014


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"


def _drawable(text: str) -> str:
    """The text with escapes for characters that the font does not have."""
    known = get_font(findfont(FontProperties())).get_charmap()
    return "".join(c if ord(c) in known else ascii(c)[1:-1] for c in text)
