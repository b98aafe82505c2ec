"""Pictures of colorings: of the plane, of slices of space, and charts of studies.

>>> figure = draw_grid([[0, 1], [1, 0]], [[1, 0], [0, 1]], "0.1")
>>> [axes.get_gid() for axes in figure.axes]
['plane', 'key']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.path import Path as Outline
from matplotlib.transforms import AffineDeltaTransform
from numpy.typing import ArrayLike, NDArray

from tasks.coloring.certificates.cells import CellColoring
from tasks.coloring.certificates.distances import Forbidden
from tasks.coloring.certificates.grids import REMOVED
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.certificates.polygons import PolygonColoring
from tasks.coloring.drawing._colors import NUM_PLAIN, REMOVED_COLOR, fill_of
from tasks.coloring.drawing._key import plot_key, plot_row, write_heading
from tasks.coloring.drawing._marks import (
    plot_circle,
    plot_numbers,
    plot_period,
    plot_spheres,
    plot_vertices,
)
from tasks.coloring.drawing.charts import (
    draw_intervals,
    draw_penalties,
    draw_progress,
    draw_searches,
)
from tasks.coloring.drawing.mosaics import Mosaic, grid_mosaic, tile_mosaic
from tasks.coloring.drawing.scenes import (
    Scene,
    avoided,
    ball_boundary,
    circles,
    forbidden_of,
    percent,
    scene_of,
    space_heights,
    space_window,
    with_conflicts,
)
from tasks.coloring.drawing.slices import slice_mosaic
from tasks.coloring.drawing.views import ball_of, form_of, slice_of, tiles_of
from tasks.records import InputError
from tasks.records.figures import HEIGHT, WIDTH, new_figure
from tasks.records.palette import INK, TEXT
from tasks.records.pictures import save_figure

if TYPE_CHECKING:
    from tasks.coloring.certificates.files import Coloring

__all__ = [
    "draw_coloring",
    "draw_grid",
    "draw_intervals",
    "draw_penalties",
    "draw_progress",
    "draw_searches",
    "draw_slices",
    "draw_tiles",
    "save_figure",
    "window_height",
]

Points = NDArray[np.float64]

_PLANE, _KEY = (0.03, 0.045, 0.70, 0.845), (0.755, 0.045, 0.235, 0.845)
"""Where the plane and its key lie in a figure."""
_LOW, _ROW = 5.6, (0.03, 0.03, 0.94, 0.15)
"""The height of a figure of slices in inches, and where its key lies."""
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
    return _draw_scene(scene, title, f"{size} cells", ball_boundary(ball))[0]


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
    figure, axes = _draw_scene(scene, title, f"{len(tiles)} tiles", ball_boundary(ball))
    plot_vertices(axes, scene)
    return figure


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
    write_heading(figure, title or avoided(scene.forbidden), facts)
    return figure, axes


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
            offset_transform=AffineDeltaTransform(axes.transData),  # pyrefly: ignore[bad-argument-type]
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
    """Draw parallel slices of a coloring of space by Voronoi cells of a lattice.

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
    window = space_window(forbidden, side)
    slices = {
        height: slice_mosaic(basis, period, tiles, height, window)
        for height in heights or space_heights(forbidden)
    }
    facts = f"{len(tiles)} Voronoi cells"
    return _draw_slices(slices, forbidden, window, float(np.mean(colors == REMOVED)), title, facts)


def _draw_slices(
    slices: Mapping[float, Mosaic],
    forbidden: Forbidden,
    window: Points,
    removed: float,
    title: str,
    facts: str,
) -> Figure:
    """Draw slices by their heights."""
    figure = new_figure(WIDTH, _LOW)
    width = _ROW[2] / len(slices)
    for k, (height, mosaic) in enumerate(slices.items()):
        box = (_ROW[0] + k * width, 0.205, 0.97 * width, 0.61)
        axes = _new_plane(figure, box, window)
        _plot_mosaic(axes, mosaic, window)
        if forbidden.num_colors > NUM_PLAIN:
            plot_numbers(axes, mosaic, window)
        plot_spheres(axes, forbidden, height - next(iter(slices)))
        axes.set_title(f"z = {height:.4g}", fontsize=10.5, color=TEXT, loc="left")
    key = figure.add_axes(_ROW, gid="key")
    plot_row(key, forbidden, removed, (72 * WIDTH * _ROW[2], 72 * _LOW * _ROW[3]))
    facts += f"  ·  {percent(removed)} removed" if removed else ""
    write_heading(figure, title or avoided(forbidden), facts)
    return figure


# --- certificates -------------------------------------------------------------------------------


def window_height(coloring: Coloring) -> float:
    """The height of the window in which `draw_coloring` shows a coloring by default."""
    lattice, forbidden = coloring.lattice, coloring.forbidden
    if lattice.dimension == 3:
        return float(np.ptp(space_window(forbidden)[:, 1]))
    drawn = lattice if isinstance(coloring, CellColoring) else lattice.reduced()[0]
    bare = Mosaic((), (), drawn.floats)
    return float(np.ptp(scene_of(bare, forbidden, 0.0, aspect=_ASPECT).window[:, 1]))


def draw_coloring(
    coloring: Coloring,
    *,
    conflicts: ArrayLike | None = None,
    height: float = 0.0,
    title: str = "",
) -> Figure:
    """Draw the coloring of a certificate: a window of the plane, or three slices of space.

    Parameters
    ----------
    coloring : CellColoring, PolygonColoring or VoronoiColoring
    conflicts : bool array, optional
        Cells of the plane to mark.
    height : float
        As in `draw_grid`; of slices of space the side.
    title : str
        By default what is avoided.

    Raises
    ------
    InputError
        If the mask does not fit, or is given for another form.
    """
    forbidden, ball = coloring.forbidden, ball_of(coloring.norm)
    is_plane = coloring.lattice.dimension == 2
    if conflicts is not None and not (is_plane and isinstance(coloring, CellColoring)):
        raise InputError("conflicts are marked in pictures of the plane by cells only")
    if not is_plane:
        assert not isinstance(coloring, PolygonColoring)
        window = space_window(forbidden, height)
        slices = {level: slice_of(coloring, level, window) for level in space_heights(forbidden)}
        removed = float(coloring.removed)
        return _draw_slices(slices, forbidden, window, removed, title, form_of(coloring))
    floats = coloring.lattice.floats
    if isinstance(coloring, CellColoring):
        how = {"ball": ball, "height": height, "title": title}
        return draw_grid(coloring.grid, floats, forbidden, conflicts=conflicts, **how)
    return draw_tiles(tiles_of(coloring), floats, forbidden, ball=ball, height=height, title=title)
