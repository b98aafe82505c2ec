"""Marks on pictures of colorings: the period, circles of forbidden distances, vertices, numbers.

matplotlib is imported by `figures` only; these functions see its axes as plain objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.distances import Forbidden, Interval
from tasks.coloring.certificates.grids import REMOVED
from tasks.coloring.drawing._colors import fill_of, ink_of
from tasks.coloring.drawing.mosaics import Mosaic
from tasks.coloring.drawing.scenes import Scene, ball_boundary, kinds_of
from tasks.records.palette import INK

Axes: TypeAlias = Any
Points = NDArray[np.float64]


def _plot_twice(axes: Axes, points: Points, width: float, dashes: Any = "-", **style: Any) -> None:
    """Draw a dark line on a white one."""
    axes.plot(*points.T, color="white", lw=2.4 * width, solid_joinstyle="miter", **style)
    axes.plot(*points.T, color=INK, lw=width, ls=dashes, dash_joinstyle="miter", **style)


def plot_period(axes: Axes, scene: Scene) -> None:
    """Draw the parallelogram of the period vectors, dashed, in the middle of the window."""
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]) @ scene.mosaic.vectors
    moved = corners + scene.window.mean(axis=0) - scene.mosaic.vectors.sum(axis=0) / 2
    _plot_twice(axes, moved, 1.3, (0, (6, 2.5)), zorder=4, gid="period")


def plot_circle(axes: Axes, center: Points, kind: Sequence[Interval], ball: Points) -> None:
    """Draw the points at the bounds of forbidden intervals from a dot.

    `ball` is the boundary of the unit ball, in order.
    """
    closed = np.vstack([ball, ball[:1]])
    for radius in sorted({bound for interval in kind for bound in interval.floats}):
        _plot_twice(axes, center + radius * closed, 1.4, zorder=5, gid="distance")
    axes.plot(*center, "o", ms=5, mfc=INK, mec="white", mew=1.2, zorder=6, gid="center")


def plot_spheres(axes: Axes, forbidden: Forbidden, offset: float) -> None:
    """Draw the slice, so far from the origin, of spheres around it; the dot if it lies in it."""
    circle = ball_boundary()
    circle = np.vstack([circle, circle[:1]])
    radii = {b for kind in kinds_of(forbidden) for interval in kind for b in interval.floats}
    for radius in sorted(radii):
        if radius > abs(offset):
            there = np.sqrt(radius**2 - offset**2)
            _plot_twice(axes, there * circle, 1.4, zorder=5, gid="distance")
    if offset == 0:
        axes.plot(0, 0, "o", ms=5, mfc=INK, mec="white", mew=1.2, zorder=6, gid="center")


def plot_vertices(axes: Axes, scene: Scene) -> None:
    """Draw the vertices of tiles as small dots."""
    vertices = np.vstack([piece.outlines[0] for piece in scene.mosaic.pieces])
    shifts = scene.mosaic.translations(*scene.window)
    places = (vertices + shifts[:, None]).reshape(-1, 2)
    inside = ((places >= scene.window[0]) & (places <= scene.window[1])).all(axis=1)
    unique = np.unique(places[inside].round(9), axis=0)
    size = 3.0 if len(unique) < 400 else 1.8
    axes.plot(*unique.T, "o", ms=size, mfc="white", mec=INK, mew=0.6, zorder=3, gid="vertices")


def plot_numbers(axes: Axes, mosaic: Mosaic, window: Points) -> None:
    """Write the numbers of colors into pieces that have room for them."""
    shifts = mosaic.translations(*window)
    scale = 72 * axes.figure.get_figheight() * axes.get_position().height / np.ptp(window[:, 1])
    style = {"ha": "center", "va": "center", "fontsize": 7, "zorder": 3, "clip_on": True}
    for piece in mosaic.pieces:
        if piece.color == REMOVED or np.sqrt(piece.area) * scale < 13:
            continue
        ink = ink_of(fill_of(piece.color))
        for place in piece.inner_point() + shifts:
            if (place > window[0]).all() and (place < window[1]).all():
                axes.text(*place, str(piece.color), color=ink, **style)
