"""Pictures of colorings: of the plane, of slices of space, and charts of studies.

>>> figure = draw_grid([[0, 1], [1, 0]], [[1, 0], [0, 1]], "0.1")
>>> [axes.get_gid() for axes in figure.axes]
['plane', 'key']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.path import Path as Outline
from matplotlib.transforms import AffineDeltaTransform
from numpy.typing import ArrayLike, NDArray

from tasks.coloring._charts import Row, plot_intervals, plot_penalties, plot_progress
from tasks.coloring._colors import NUM_PLAIN, REMOVED_COLOR, fill_of
from tasks.coloring._key import plot_key, plot_row
from tasks.coloring._marks import (
    plot_circle,
    plot_numbers,
    plot_period,
    plot_spheres,
    plot_vertices,
)
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.mosaics import REMOVED, Mosaic, grid_mosaic, tile_mosaic
from tasks.coloring.scenes import (
    Scene,
    avoided,
    circles,
    forbidden_of,
    percent,
    scene_of,
    with_conflicts,
)
from tasks.coloring.slices import slice_mosaic
from tasks.records.figures import HEIGHT, WIDTH, new_figure
from tasks.records.palette import INK, TEXT
from tasks.records.pictures import save_figure

__all__ = [
    "draw_grid",
    "draw_intervals",
    "draw_penalties",
    "draw_progress",
    "draw_slices",
    "draw_tiles",
    "save_figure",
]

Points = NDArray[np.float64]

_PLANE, _KEY = (0.03, 0.045, 0.70, 0.845), (0.755, 0.045, 0.235, 0.845)
"""Where the plane and its key lie in a figure."""
_HIGH = 72 * HEIGHT * _PLANE[3]
"""The height of the plane on paper, in points."""
_ASPECT = WIDTH * _PLANE[2] / (HEIGHT * _PLANE[3])
_FINENESS = 0.12
"""How far simplified boundaries may be off, in points on paper: a stroke is five times as wide."""
_MOST_POINTS = 20_000
"""Of all boundaries of one period: with more, an SVG file could exceed 2 MB."""


# --- the plane ----------------------------------------------------------------------------------


def draw_grid(
    grid: ArrayLike,
    lattice: ArrayLike,
    distances: object = None,
    *,
    num_colors: int = 0,
    conflicts: ArrayLike | None = None,
    ball: ArrayLike | None = None,
    height: float = 0.0,
    title: str = "",
    exact: bool = False,
) -> Figure:
    """Draw a coloring by cells in a window of the plane, with its period and its distances.

    Cells of one color are merged.  What is removed is black, cells in conflict are white with a
    dark outline.  For each kind of color a circle shows the points at a forbidden distance from
    the dot in its middle; of an interval, the nearest and the farthest ones.

    Parameters
    ----------
    grid : (m_1, m_2) integers
        Colors 0, 1, ...; 255 for removed cells.
    lattice : (2, 2) floats
        Rows v_1, v_2: cell (i, j) is the parallelogram of v_1 / m_1, v_2 / m_2 at i, j of these.
    distances
        What `parse_distances` reads; by default all colors forbid 1.
    num_colors : int
        By default as many as occur.
    conflicts : (m_1, m_2) bool, optional
        Cells to mark.
    ball : (p, 2) floats, optional
        The boundary of the unit ball of the norm, in order; by default the circle.
    height : float
        Of the window, in units of length; by default some periods, and room for the circles.
    title : str
        By default what is avoided.
    exact : bool
        Draw every step of every boundary, however fine the grid and however large the file.
        Otherwise boundaries of more than 20,000 points are simplified to within 0.12 points on
        paper, or a multiple of it.

    Raises
    ------
    InputError
        If the grid, the lattice, the distances or the mask do not fit.
    """
    cells, vectors = np.asarray(grid), np.asarray(lattice, float)
    forbidden = forbidden_of(distances, num_colors, cells)
    bare = Mosaic((), (), vectors)
    window = scene_of(bare, forbidden, 0.0, aspect=_ASPECT, height=height).window
    fineness = 0.0 if exact else _FINENESS * float(np.ptp(window[:, 1])) / _HIGH
    mosaic = grid_mosaic(cells, vectors, fineness=fineness, most=_MOST_POINTS)
    removed = float(np.mean(cells == REMOVED))
    scene = scene_of(mosaic, forbidden, removed, aspect=_ASPECT, height=height)
    if conflicts is not None:
        scene = with_conflicts(scene, conflicts, cells.shape)
    size = " × ".join(map(str, cells.shape))
    return _draw_scene(scene, title, f"{size} cells", _boundary(ball))[0]


def draw_tiles(
    tiles: Sequence[tuple[int | None, ArrayLike]],
    lattice: ArrayLike,
    distances: object = None,
    *,
    num_colors: int = 0,
    ball: ArrayLike | None = None,
    height: float = 0.0,
    title: str = "",
) -> Figure:
    """Draw a coloring by polygons, with their vertices; otherwise as `draw_grid`.

    Parameters
    ----------
    tiles : sequence of (color, vertices)
        Color 0, 1, ..., or None if removed; vertices (p, 2), counterclockwise.  What no tile
        covers is removed, too.
    lattice : (2, 2) floats
        The periods; drawn is a shortest basis of theirs.

    Raises
    ------
    InputError
        If there are no tiles, or tiles, lattice and distances do not fit.
    """
    mosaic = tile_mosaic(tiles, Lattice.parse(np.asarray(lattice, float)).reduced()[0].floats)
    colors = np.array([piece.color for piece in mosaic.pieces])
    colored = sum(piece.area for piece in mosaic.pieces if piece.color != REMOVED)
    removed = max(0.0, 1 - colored / abs(float(np.linalg.det(mosaic.vectors))))
    removed = removed if removed > 1e-12 else 0.0
    forbidden = forbidden_of(distances, num_colors, colors)
    scene = scene_of(mosaic, forbidden, removed, aspect=_ASPECT, height=height)
    figure, axes = _draw_scene(scene, title, f"{len(tiles)} tiles", _boundary(ball))
    plot_vertices(axes, scene)
    return figure


def _boundary(ball: ArrayLike | None) -> Points:
    """The boundary of the unit ball, closed."""
    if ball is None:
        angles = np.linspace(0, 2 * np.pi, 361)
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = np.asarray(ball, float)
    return np.vstack([points, points[:1]])


def _draw_scene(scene: Scene, title: str, facts: str, ball: Points) -> tuple[Figure, Axes]:
    figure = new_figure()
    axes = _new_plane(figure, _PLANE, scene.window)
    if scene.removed:
        axes.axvspan(*scene.window[:, 0], facecolor=REMOVED_COLOR, edgecolor="none", zorder=0)
    _plot_mosaic(axes, scene.mosaic, scene.window)
    if scene.forbidden.num_colors > NUM_PLAIN:
        plot_numbers(axes, scene.mosaic, scene.window)
    if scene.marked:
        _plot_conflicts(axes, scene.marked, scene.window)
    plot_period(axes, scene)
    for center, kind in circles(scene):
        plot_circle(axes, center, kind, ball)
    key = figure.add_axes(_KEY, gid="key")
    size = (72 * WIDTH * _KEY[2], 72 * HEIGHT * _KEY[3])
    plot_key(key, scene, size, _HIGH / float(np.ptp(scene.window[:, 1])))
    if scene.removed:
        facts = f"{facts}  ·  {percent(scene.removed)} removed"
    _write_heading(figure, title or avoided(scene.forbidden), facts)
    return figure, axes


def _write_heading(figure: Figure, title: str, facts: str) -> None:
    """Write two lines near the upper left corner, not read as mathematics."""
    top = float(figure.get_size_inches()[1])
    plain: dict[str, Any] = {"parse_math": False, "va": "center"}
    figure.text(_PLANE[0], 1 - 0.36 / top, title, fontsize=16, color=INK, **plain)
    figure.text(_PLANE[0], 1 - 0.66 / top, facts, fontsize=10.5, color=TEXT, **plain)


def _new_plane(figure: Figure, box: tuple[float, float, float, float], window: Points) -> Axes:
    """Axes of a window, without a frame, a unit as long in both directions."""
    axes = figure.add_axes(box, gid="plane")
    axes.set(xlim=window[:, 0], ylim=window[:, 1], aspect="equal")
    axes.set_axis_off()
    return axes


def _plot_mosaic(axes: Axes, mosaic: Mosaic, window: Points) -> None:
    """Fill the colors and draw thin lines between them."""
    for color, outlines in mosaic.by_color().items():
        fill = REMOVED_COLOR if color == REMOVED else fill_of(color)
        style = {"facecolor": fill, "edgecolor": fill, "linewidth": 0.3}
        gid = "removed" if color == REMOVED else f"color-{color}"
        _plot_copies(axes, outlines, mosaic.translations(*window), True, style | {"gid": gid})
    style = {"facecolor": "none", "edgecolor": "white", "linewidth": 0.6, "gid": "boundaries"}
    _plot_copies(axes, mosaic.lines, mosaic.translations(*window), False, style)


def _plot_conflicts(axes: Axes, marked: Mosaic, window: Points) -> None:
    [outlines] = marked.by_color().values()
    style = {"facecolor": "white", "edgecolor": INK, "linewidth": 0.9, "gid": "conflicts"}
    _plot_copies(axes, outlines, marked.translations(*window), True, style)


def _plot_copies(
    axes: Axes, paths: Sequence[Points], translations: Points, closed: bool, style: dict[str, Any]
) -> None:
    """Draw all translates of paths; files hold the paths once."""
    if not paths or not len(translations):
        return
    outlines = [
        Outline(np.vstack([path, path[:1]]) if closed else path, closed=closed) for path in paths
    ]
    axes.add_collection(
        PathCollection(
            [Outline.make_compound_path(*outlines)],
            offsets=translations,
            offset_transform=AffineDeltaTransform(axes.transData),
            transform=axes.transData,
            joinstyle="round",
            urls=(None, None),  # one URL would make them markers, which SVG files clip by place
            **style,
        ),
        autolim=False,
    )


# --- slices of space ----------------------------------------------------------------------------


def draw_slices(
    basis: ArrayLike,
    period: ArrayLike,
    tiles: Sequence[tuple[int | None, Sequence[int]]],
    distances: object = None,
    *,
    num_colors: int = 0,
    heights: Sequence[float] = (),
    side: float = 0.0,
    title: str = "",
) -> Figure:
    """Draw three parallel slices of a coloring of space by Voronoi cells of a lattice.

    The circles are slices of the spheres around a dot in the first slice: points at a forbidden
    distance from it.

    Parameters
    ----------
    basis : (3, 3) floats
        Rows generate the lattice.
    period : (3, 3) integers
        Rows are the coordinates of the periods.
    tiles : sequence of (color, coordinates)
        Color 0, 1, ..., or None if removed, of a lattice point of each class modulo the periods.
    distances, num_colors, title
        As in `draw_grid`.
    heights : sequence of float
        Third coordinates of the slices; by default 0, and one and two thirds of the first distance.
    side : float
        Of the square windows; by default 3.2 times the largest distance.

    Raises
    ------
    InputError
        If the tiles are not one for each class, or the distances do not fit.
    """
    colors = np.array([REMOVED if color is None else color for color, _ in tiles])
    forbidden = forbidden_of(distances, num_colors, colors)
    bounds = [interval.floats for kind in forbidden.intervals for interval in kind]
    half = (side or 3.2 * max(high for _, high in bounds)) / 2
    window = np.array([(-half, -half), (half, half)])
    levels = list(heights) or [k * bounds[0][0] / 3 for k in range(3)]
    figure = new_figure(WIDTH, 5.6)
    width = 0.94 / len(levels)
    for k, level in enumerate(levels):
        box = (_PLANE[0] + k * width, 0.205, 0.97 * width, 0.61)
        axes = _new_plane(figure, box, window)
        mosaic = slice_mosaic(basis, period, tiles, level, window)
        _plot_mosaic(axes, mosaic, window)
        if forbidden.num_colors > NUM_PLAIN:
            plot_numbers(axes, mosaic, window)
        plot_spheres(axes, forbidden, level - levels[0])
        axes.set_title(f"z = {level:.4g}", fontsize=10.5, color=TEXT, loc="left")
    key = figure.add_axes((_PLANE[0], 0.03, 0.94, 0.15), gid="key")
    plot_row(key, forbidden, (0.94 * 72 * WIDTH, 0.15 * 72 * 5.6))
    facts = f"{len(tiles)} Voronoi cells modulo the periods"
    removed = float(np.mean(colors == REMOVED))
    facts += f"  ·  {percent(removed)} removed" if removed else ""
    _write_heading(figure, title or avoided(forbidden), facts)
    return figure


# --- charts -------------------------------------------------------------------------------------


_CHART = (0.075, 0.11, 0.60, 0.76)


def draw_intervals(
    conflicts: Sequence[Row], certified: Sequence[Row], *, title: str = ""
) -> Figure:
    """Draw how much conflict is left over a distance d, and the intervals that are certified.

    Parameters
    ----------
    conflicts : sequence of rows
        With `series` (text), `distance`, and `conflict`, a fraction: 0 is drawn on the lower edge.
    certified : sequence of rows
        With `label` (text), `low`, `high`, and `removed`, a fraction: one bar for each.
    title : str

    Raises
    ------
    InputError
        If there are no rows at all, or a column is missing.
    """
    figure = new_figure(WIDTH, 3.4 + 0.3 * len(certified) + 1.6 * bool(conflicts))
    plot_intervals(figure, conflicts, certified)
    _write_chart_heading(figure, title or "conflict over the distance d, and certified intervals")
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
    plot_penalties(figure.add_axes(_CHART), rows, records or {})
    _write_chart_heading(figure, title or "removed fraction by the fineness of the grid")
    return figure


def draw_progress(
    rows: Sequence[Row], *, records: Mapping[str, float] | None = None, title: str = ""
) -> Figure:
    """Draw the smallest certified removed fraction up to now against CPU seconds.

    Parameters
    ----------
    rows : sequence of rows
        With `series` (text), `cpu_seconds`, and `removed`, a fraction.
    records : mapping from names to fractions, optional
        Drawn as levels to compare with.
    title : str

    Raises
    ------
    InputError
        If there are no rows, or a column is missing.
    """
    figure = new_figure(WIDTH, 6.0)
    plot_progress(figure.add_axes(_CHART), rows, records or {})
    _write_chart_heading(figure, title or "smallest removed fraction by CPU time")
    return figure


def _write_chart_heading(figure: Figure, title: str) -> None:
    top = float(figure.get_size_inches()[1])
    style: dict[str, Any] = {"parse_math": False, "va": "center"}
    figure.text(0.03, 1 - 0.36 / top, title, fontsize=15, color=INK, **style)
