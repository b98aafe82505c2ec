"""Pictures: bases inside Newton polytopes, sizes and times of many polynomials.

Figures are built with matplotlib's object interface, so they need no display and may be made in
any thread. `tasks.records.pictures.save_figure` writes them with the same bytes every time.

>>> from tasks.sos import parse_polynomial
>>> figure = draw_basis(parse_polynomial("x^4*y^2 + x^2*y^4 - 3*x^2*y^2 + 1"), "newton")
>>> [axes.get_gid() for axes in figure.axes]
['polytope']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MultipleLocator
from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection

from tasks.records import InputError
from tasks.records.palette import BLUE, GRAY, INK, PALE, TEXT, VERMILION
from tasks.sos._basis_picture import (
    BasisPicture,
    Points,
    basis_picture,
    math_monomial,
    math_variable,
    solid,
)
from tasks.sos._colors import VERDICT_COLORS, block_color
from tasks.sos._size_charts import (
    MAX_ROWS,
    chosen_rows,
    describe_choice,
    legend_entries,
    plot_seconds,
    plot_sizes,
)
from tasks.sos.polynomials.polynomial import Polynomial
from tasks.sos.verdict import Verdict

__all__ = ["draw_basis", "draw_sizes"]

_SIZE = (32 / 3, 8.0)  # inches: 1600 x 1200 pixels
_DPI = 150
_MOST_LABELS = 24
_ELEVATION, _AZIMUTH = 20, 32
_HALO = withStroke(linewidth=2.5, foreground="white")
_FACE, _EDGE = "#F1F4F7", "#AEB6BF"


# --- one basis ----------------------------------------------------------------------------------


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
    figure = _new_figure()
    _write_heading(figure, name or "Newton polytope", verdict, _describe(p, picture, rule))
    if picture.dimension == 2:
        _draw_plane(figure, picture, p)
    else:
        _draw_space(figure, picture, p)
    _draw_legend(figure, picture)
    return figure


def _describe(p: Polynomial, picture: BasisPicture, rule: str) -> str:
    """Say what a picture shows."""
    size = sum(map(len, picture.chosen))
    sizes = sorted(map(len, picture.chosen), reverse=True)
    blocks = f"{len(sizes)} blocks of at most {sizes[0]}" if len(sizes) > 1 else "one block"
    parts = (
        f"{p.num_variables} variable{'' if p.num_variables == 1 else 's'}, degree {p.degree}",
        f"{p.num_terms} term{'' if p.num_terms == 1 else 's'}",
        f"basis of {size} ({rule})" + (f" in {blocks}" if sizes else ""),
    )
    return "  ·  ".join(parts)


def _draw_plane(figure: Figure, picture: BasisPicture, p: Polynomial) -> None:
    """Draw a polytope in the plane."""
    axes = figure.add_axes((0.06, 0.07, 0.64, 0.80), gid="polytope")
    axes.set_aspect("equal")
    if picture.is_form:
        _frame_triangle(axes, p)
    else:
        _style_lattice(axes, p, max(float(points.max(initial=1)) for points in picture.all_points))
    axes.plot(*picture.lattice.T, ls="none", marker="o", ms=2.6, color="#C9CED4", zorder=1)
    axes.add_patch(
        Polygon(
            picture.frame,
            closed=len(picture.frame) > 2,
            facecolor=_FACE,
            edgecolor=_EDGE,
            lw=1.6,
            joinstyle="round",
            zorder=0.5,
            gid="frame",
        )
    )
    for points, style in _marks(picture):
        axes.plot(*points.T, ls="none", **style)
    if sum(map(len, picture.monomials)) <= _MOST_LABELS:
        _write_monomials(axes, picture, p.variables)


def _style_lattice(axes: Axes, p: Polynomial, top: float) -> None:
    """Put exponents up to `top` along the axes."""
    margin = 0.3 + 0.05 * top
    axes.set(xlim=(-margin, top + margin), ylim=(-margin, top + margin))
    step = 2 if p.degree <= 16 else 4
    for axis, variable in ((axes.xaxis, p.variables[0]), (axes.yaxis, p.variables[1])):
        axis.set_major_locator(MultipleLocator(step))
        axis.set_label_text(f"exponent of {variable}", fontsize=11, color=TEXT)
    axes.tick_params(length=0, labelsize=10, labelcolor=TEXT)
    axes.spines[:].set_visible(False)
    axes.grid(color=PALE, lw=0.8)
    axes.set_axisbelow(True)


def _frame_triangle(axes: Axes, p: Polynomial) -> None:
    """Draw the triangle of all exponents of a form, with its corners named."""
    d, height = p.degree, p.degree * 0.75**0.5
    axes.set(xlim=(-0.13 * d, 1.13 * d), ylim=(-0.11 * d, height + 0.1 * d))
    axes.set_axis_off()
    axes.add_patch(
        Polygon([(0, 0), (d, 0), (d / 2, height)], fill=False, ec=PALE, lw=1.2, zorder=0.4)
    )
    x, y, z = (math_variable(variable) for variable in p.variables)
    corners = (
        (z, 0, 0, "right", "top"),
        (x, d, 0, "left", "top"),
        (y, d / 2, height, "center", "bottom"),
    )
    for text, across, up, ha, va in corners:
        axes.annotate(
            f"${text}^{{{d}}}$",
            (across, up),
            ({"right": -14, "left": 14}.get(ha, 0), 24 if va == "bottom" else -14),
            textcoords="offset points",
            fontsize=13,
            color=GRAY,
            ha=ha,
            va=va,
            math_fontfamily="stix",
        )


def _marks(picture: BasisPicture) -> list[tuple[Any, dict[str, Any]]]:
    """All markers, the topmost last."""
    spare: dict[str, Any] = {
        "marker": "o",
        "ms": 8,
        "mfc": "white",
        "mec": "#9AA2AB",
        "mew": 1.2,
        "gid": "spare",
    }
    removed: dict[str, Any] = {
        "marker": "x",
        "ms": 9,
        "mec": VERMILION,
        "mew": 2.2,
        "gid": "removed",
    }
    ring: dict[str, Any] = {
        "marker": "o",
        "ms": 17,
        "mfc": "none",
        "mec": INK,
        "mew": 1.4,
        "gid": "support",
    }
    marks = [(picture.spare, spare | {"zorder": 3}), (picture.removed, removed | {"zorder": 4})]
    for k, points in enumerate(picture.chosen):
        style = {"marker": "o", "ms": 11, "mfc": block_color(k), "mec": "white", "mew": 1.0}
        marks.append((points, style | {"gid": f"block-{k}", "zorder": 5}))
    return [*marks, (picture.support, ring | {"zorder": 6})]


def _write_monomials(axes: Axes, picture: BasisPicture, variables: Sequence[str]) -> None:
    """Name the monomials of the basis beside their points."""
    for k, (points, rows) in enumerate(zip(picture.chosen, picture.monomials, strict=True)):
        for point, row in zip(points.tolist(), rows.tolist(), strict=True):
            axes.annotate(
                f"${math_monomial(row, variables)}$",
                point,
                (8, 8),
                textcoords="offset points",
                fontsize=12.5,
                color=block_color(k),
                math_fontfamily="stix",
                path_effects=[_HALO],
                zorder=7,
            )


def _draw_space(figure: Figure, picture: BasisPicture, p: Polynomial) -> None:
    """Draw a polytope in space."""
    axes: Any = figure.add_axes((0.0, 0.02, 0.72, 0.88), projection="3d", gid="polytope")
    axes.view_init(elev=_ELEVATION, azim=_AZIMUTH)
    _style_space(axes, p, np.vstack(picture.all_points).max(axis=0).clip(2))
    shape = solid(picture.frame)
    if shape.faces:
        faces = Poly3DCollection(list(shape.faces), facecolors="#5B7C99", alpha=0.07, linewidths=0)
        axes.add_collection3d(faces)
    axes.add_collection3d(Line3DCollection(list(shape.edges), colors="#8C97A3", linewidths=1.3))
    for points, style in _marks(picture):
        size = style["ms"] * 0.8
        axes.plot(*points.T, ls="none", **(style | {"ms": size}))
    for points in picture.chosen:  # feet on the floor, to see where the points stand
        for x, y, z in points.tolist():
            axes.plot([x, x], [y, y], [0, z], color="#C9CED4", lw=0.8, zorder=0)


def _style_space(axes: Any, p: Polynomial, tops: Points) -> None:
    """Light panes, even exponents along the axes."""
    for axis, variable, top, limits in zip(
        (axes.xaxis, axes.yaxis, axes.zaxis),
        p.variables,
        tops.tolist(),
        (axes.set_xlim, axes.set_ylim, axes.set_zlim),
        strict=True,
    ):
        limits(0, top)
        axis.set_major_locator(MultipleLocator(2 if p.degree <= 16 else 4))
        axis.set_label_text(f"exponent of {variable}", fontsize=11, color=TEXT)
        axis.set_pane_color((1, 1, 1, 0))
        axis._axinfo["grid"].update(color=PALE, linewidth=0.8)
        axis._axinfo["tick"].update(inward_factor=0.0, outward_factor=0.0)
        axis.line.set_color(GRAY)
    axes.tick_params(labelsize=9.5, labelcolor=TEXT)
    axes.set_box_aspect(tuple(tops.tolist()), zoom=0.92)


def _draw_legend(figure: Figure, picture: BasisPicture) -> None:
    """Explain markers, with their numbers."""
    counts = {
        "support": len(picture.support),
        "removed": len(picture.removed),
        "spare": len(picture.spare),
    }
    labels = {
        "support": "term of p",
        "removed": "removed: diagonal consistency",
        "spare": "half Newton polytope, not needed",
    }
    handles = [Line2D([], [], color=_EDGE, lw=1.6, label="Newton polytope of p")]
    for points, style in _marks(picture):
        gid = style["gid"]
        if gid in labels and len(points):
            handles.append(_handle(style, f"{labels[gid]} ({counts[gid]})"))
    blocks = [style for _, style in _marks(picture) if style["gid"].startswith("block")]
    for k, style in enumerate(blocks[:6]):
        size = len(picture.chosen[k])
        text = f"basis, block of {size}" if len(blocks) > 1 else f"basis ({size})"
        handles.append(_handle(style, text))
    if len(blocks) > 6:
        handles.append(Line2D([], [], ls="none", label=f"... {len(blocks)} blocks in all"))
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.715, 0.86),
        frameon=False,
        fontsize=10.5,
        labelcolor=INK,
        labelspacing=0.95,
        handlelength=1.6,
        borderaxespad=0,
    )
    note = "A monomial of the basis is drawn\nat the exponent of its square."
    figure.text(0.722, 0.075, note, fontsize=9.5, color=TEXT, va="bottom", linespacing=1.4)


def _handle(style: Mapping[str, Any], label: str) -> Line2D:
    """One entry of a legend."""
    shown = {key: value for key, value in style.items() if key not in ("gid", "zorder")}
    return Line2D([], [], ls="none", label=label, **shown)


# --- many polynomials ---------------------------------------------------------------------------


def draw_sizes(rows: Sequence[Mapping[str, Any]], attempts: Sequence[Mapping[str, Any]]) -> Figure:
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
    figure = Figure(figsize=(12.5, height), dpi=_DPI, facecolor="white")
    low, high = 0.62 / height, 1 - 1.0 / height
    sizes = figure.add_axes((0.19, low, 0.39, high - low), gid="sizes")
    seconds = figure.add_axes((0.61, low, 0.375, high - low), gid="seconds")
    plot_sizes(sizes, shown, attempts)
    sizes.set_yticklabels([_drawable(label.get_text()) for label in sizes.get_yticklabels()])
    plot_seconds(seconds, shown)
    heading = describe_choice(len(drawn), len(shown), MAX_ROWS)
    figure.text(0.02, 1 - 0.34 / height, heading, fontsize=15, color=INK, va="center")
    _add_legends(figure, sizes, seconds, height)
    return figure


def _add_legends(figure: Figure, sizes: Axes, seconds: Axes, height: float) -> None:
    """One line of symbols above each chart, and the colors of the names."""
    found = legend_entries()
    for axes, entries in ((sizes, found.sizes), (seconds, found.stages)):
        handles = [Line2D([], [], ls="none", label=label, **style) for label, style in entries]
        figure.legend(
            handles=handles,
            loc="lower left",
            bbox_to_anchor=(axes.get_position().x0 - 0.008, 1 - 0.97 / height),
            ncols=len(handles),
            frameon=False,
            fontsize=9.5,
            labelcolor=INK,
            handletextpad=0.15,
            columnspacing=1.0,
            borderaxespad=0,
        )
    across = 0.985
    for verdict in reversed(Verdict):
        color = VERDICT_COLORS[verdict]
        text = figure.text(
            across, 1 - 0.34 / height, verdict, fontsize=10.5, color=color, ha="right", va="center"
        )
        across -= text.get_window_extent().width / figure.bbox.width + 0.014


def _drawable(text: str) -> str:
    """The text with escapes for characters that the font does not have."""
    known = get_font(findfont(FontProperties())).get_charmap()
    return "".join(c if ord(c) in known else ascii(c)[1:-1] for c in text)


def _new_figure() -> Figure:
    """Make an empty figure."""
    return Figure(figsize=_SIZE, dpi=_DPI, facecolor="white")


def _write_heading(figure: Figure, name: str, verdict: str, line: str) -> None:
    """Name and verdict in the first line, sizes in the second; no mathematics in them."""
    title = figure.text(
        0.03, 0.95, _drawable(name), fontsize=17, color=INK, va="center", parse_math=False
    )
    if verdict:
        width = title.get_window_extent().width / figure.bbox.width
        color = VERDICT_COLORS.get(Verdict(verdict), BLUE)
        figure.text(0.03 + width + 0.02, 0.949, verdict, fontsize=14, color=color, va="center")
    figure.text(0.03, 0.905, line, fontsize=11, color=TEXT, va="center", parse_math=False)
