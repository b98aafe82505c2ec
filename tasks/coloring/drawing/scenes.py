"""What a picture of a coloring of the plane shows, before it is drawn: areas, circles, facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.coloring.certificates.distances import Distance, Forbidden, Interval, parse_distances
from tasks.coloring.certificates.grids import REMOVED
from tasks.coloring.drawing.mosaics import Mosaic, marked_mosaic
from tasks.records import InputError

__all__ = [
    "Scene",
    "avoided",
    "ball_boundary",
    "circles",
    "forbidden_of",
    "in_words",
    "kinds_of",
    "percent",
    "scene_of",
    "space_heights",
    "space_window",
    "with_conflicts",
]

Points = NDArray[np.float64]
Kind = tuple[Interval, ...]


@dataclass(frozen=True)
class Scene:
    """A coloring in a window of the plane.

    Attributes
    ----------
    mosaic : Mosaic
    forbidden : Forbidden
    window : (2, 2) float64
        Lower left and upper right corner.
    removed : float
        Removed fraction of the plane.
    marked : Mosaic or None
        What is in conflict.
    conflicting : float
        Its fraction of the plane.
    """

    mosaic: Mosaic
    forbidden: Forbidden
    window: Points
    removed: float
    marked: Mosaic | None = None
    conflicting: float = 0.0


def scene_of(
    mosaic: Mosaic, forbidden: Forbidden, removed: float, *, aspect: float, height: float = 0.0
) -> Scene:
    """Choose a window around the middle of the period, or around 0 without one.

    Parameters
    ----------
    mosaic : Mosaic
    forbidden : Forbidden
    removed : float
    aspect : float
        Width of the window by its height.
    height : float
        By default as much as the period needs, and the largest circle.
    """
    if not height:
        high = _largest(forbidden)
        corners = np.array(list(product((0, 1), repeat=len(mosaic.vectors)))) @ mosaic.vectors
        across, up = np.ptp(corners, axis=0)
        height = max(1.12 * up, 1.12 * across / aspect, 3.6 * high)
    half = np.array([aspect, 1.0]) * height / 2
    middle = mosaic.vectors.sum(axis=0) / 2
    return Scene(mosaic, forbidden, np.array([middle - half, middle + half]), removed)


def space_window(forbidden: Forbidden, side: float = 0.0) -> Points:
    """(2, 2): corners of a square around 0; its side is 3.2 times the largest distance if 0."""
    half = (side or 3.2 * _largest(forbidden)) / 2
    return np.array([(-half, -half), (half, half)])


def space_heights(forbidden: Forbidden) -> list[float]:
    """Heights of three slices of space: 0, a third, and two thirds of the smallest distance."""
    return [k * float(forbidden.smallest) / 3 for k in range(3)]


def _largest(forbidden: Forbidden) -> float:
    return max(float(interval.high) for kind in forbidden.intervals for interval in kind)


def with_conflicts(scene: Scene, mask: ArrayLike, shape: tuple[int, ...]) -> Scene:
    """Mark cells of a grid of this shape.

    Raises
    ------
    InputError
        If the mask has another shape.
    """
    marks = np.asarray(mask, bool)
    if marks.shape != shape:
        raise InputError(f"the mask of conflicts has shape {marks.shape}, the grid {shape}")
    marked = marked_mosaic(marks, scene.mosaic.vectors) if marks.any() else None
    return replace(scene, marked=marked, conflicting=float(marks.mean()))


def forbidden_of(distances: object, num_colors: int, colors: NDArray[np.integer]) -> Forbidden:
    """Read the distances of so many colors; if 0, of those that occur.

    Raises
    ------
    InputError
        If a color occurs that does not exist, or the distances do not fit.
    """
    occurring = 1 + max((int(color) for color in np.unique(colors) if color != REMOVED), default=-1)
    if num_colors and num_colors < occurring:
        raise InputError(f"color {occurring - 1} occurs, but there are {num_colors} colors only")
    if isinstance(distances, Forbidden) and not num_colors:
        num_colors = distances.num_colors
    return parse_distances(distances, num_colors or max(occurring, 1))


# --- distances ----------------------------------------------------------------------------------


def kinds_of(forbidden: Forbidden) -> dict[Kind, list[int]]:
    """The colors that forbid the same, in the order of their first ones."""
    found: dict[Kind, list[int]] = {}
    for color, kind in enumerate(forbidden.intervals):
        found.setdefault(kind, []).append(color)
    return found


def circles(scene: Scene, *, most: int = 6) -> list[tuple[Points, Kind]]:
    """For each of the first kinds of colors, a point of such a color, as the center of its circles.

    The circles lie in the window and beside each other if they can, and near its middle.
    """
    middle, chosen = scene.window.mean(axis=0), []
    for kind, colors in list(kinds_of(scene.forbidden).items())[:most]:
        pieces = [piece for piece in scene.mosaic.pieces if piece.color in colors]
        if not pieces:
            continue
        largest = max(piece.area for piece in pieces)
        points = [piece.inner_point() for piece in pieces if piece.area > 0.5 * largest]
        places = (np.array(points) + _steps(scene.mosaic.vectors)[:, None]).reshape(-1, 2)
        radius = max(float(interval.high) for interval in kind)
        beyond = np.maximum(scene.window[0] + radius - places, places - scene.window[1] + radius)
        overlap = np.maximum(beyond, 0).sum(axis=1)
        for center, other in chosen:
            reach = radius + max(float(interval.high) for interval in other)
            overlap += np.maximum(reach - np.hypot(*(places - center).T), 0)
        far = np.hypot(*(places - middle).T)
        chosen.append((places[np.lexsort((far.round(6), overlap.round(3)))[0]], kind))
    return chosen


def _steps(vectors: Points) -> Points:
    return np.array(list(product(range(-3, 4), repeat=len(vectors)))) @ vectors


def ball_boundary(ball: ArrayLike | None = None) -> Points:
    """(p, 2): the boundary of a unit ball, in order, as given; by default the unit circle."""
    if ball is not None:
        return np.asarray(ball, float)
    angles = np.arange(180) * np.pi / 90
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


# --- words --------------------------------------------------------------------------------------


def avoided(forbidden: Forbidden) -> str:
    """Say what a coloring avoids, as a heading; of type (1, ..., 1, d) if colors differ.

    >>> avoided(parse_distances("0.4-0.6,1", 2))
    '2 colors, none with two points at distance 0.4 to 0.6 or 1'
    """
    k = forbidden.num_colors
    colors = f"{k} color{'s' * (k != 1)}"
    kinds = kinds_of(forbidden)
    if len(kinds) > 1:
        texts = ", ".join(map(in_words, forbidden.intervals))
        return f"{colors} of type ({texts})" if len(texts) < _ROOM else f"{colors} of several types"
    return f"{colors}, none with two points at distance {in_words(next(iter(kinds)))}"


def in_words(kind: Sequence[Interval]) -> str:
    """Name distances; long numbers are rounded.

    >>> in_words(parse_distances("0.4-0.6,sqrt(5/4)", 1)[0])
    '0.4 to 0.6 or √(5/4)'
    """
    bounds = ((_number(each.low), _number(each.high)) for each in kind)
    return " or ".join(low if low == high else f"{low} to {high}" for low, high in bounds)


def _number(distance: Distance) -> str:
    text = str(distance).replace("sqrt(", "√(")
    return text if len(text) <= _LONG and " " not in text else f"{float(distance):.5g}"


_LONG, _ROOM = 9, 50


def percent(share: float) -> str:
    """A fraction in percent.

    >>> percent(143135 / 3831650), percent(0.0)
    ('3.7356 %', '0 %')
    """
    text = f"{100 * share:.4f}"
    return f"{text.rstrip('0').rstrip('.')} %" if share == 0 or float(text) else "below 0.0001 %"
