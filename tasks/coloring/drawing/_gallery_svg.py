"""Pictures of a gallery of colorings as SVG text: one period, and its copies in a square.

Coordinates are integers, `SIDE` of them across a picture.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.grids import REMOVED
from tasks.coloring.drawing._colors import REMOVED_COLOR, fill_of
from tasks.coloring.drawing.mosaics import Mosaic
from tasks.coloring.drawing.scenes import Scene, circles

SIDE = 960
"""Units across a picture; about three of them are a pixel of a screen."""

Points = NDArray[np.float64]


def scene_svg(scene: Scene, *, label: str, name: str, ball: Points) -> str:
    """Draw a scene with a square window.

    Parameters
    ----------
    scene : Scene
    label : str
        Description for those who do not see it, already escaped.
    name : str
        Of this picture, different from all others on the page.
    ball : (p, 2) float64
        The boundary of the unit ball of the norm, in order.
    """
    scale = SIDE / float(np.ptp(scene.window[:, 1]))
    origin = scene.window[[0, 1], [0, 1]]
    parts = [
        f'<svg class="plane" viewBox="0 0 {SIDE} {SIDE}" role="img" aria-label="{label}">',
        f'<defs><g id="{name}">{"".join(_period(scene.mosaic, origin, scale))}</g></defs>',
        f'<path fill="{REMOVED_COLOR}" d="M0 0H{SIDE}V{SIDE}H0z"/>' if scene.removed else "",
        *_copies(scene, scale, name),
        *_circles(scene, origin, scale, ball),
        "</svg>",
    ]
    return "".join(parts)


def _period(mosaic: Mosaic, origin: Points, scale: float) -> Iterable[str]:
    for color, outlines in mosaic.by_color().items():
        fill = REMOVED_COLOR if color == REMOVED else fill_of(color)
        data = "".join(path_data(points, origin, scale, closed=True) for points in outlines)
        yield f'<path class="fill" fill="{fill}" stroke="{fill}" d="{data}"/>'
    data = "".join(path_data(points, origin, scale) for points in mosaic.lines)
    yield f'<path class="line" d="{data}"/>' if data else ""


def path_data(points: Points, origin: Points, scale: float, *, closed: bool = False) -> str:
    """Write a path, y upward from the origin, without steps that round to nothing."""
    units = np.rint((points - origin) * (scale, -scale)).astype(int)
    steps = np.diff(units, axis=0)
    steps = steps[steps.any(axis=1)]
    if len(steps) < 1 + closed:
        return ""
    moves = "".join(f"l{x}{' ' * (y >= 0)}{y}" for x, y in steps.tolist())
    return f"M{units[0, 0]} {units[0, 1]}{moves}{'z' * closed}"


def _copies(scene: Scene, scale: float, name: str) -> Iterable[str]:
    for x, y in np.rint(scene.mosaic.translations(*scene.window) * (scale, -scale)).astype(int):
        yield f'<use href="#{name}" x="{x}" y="{y}"/>'


def _circles(scene: Scene, origin: Points, scale: float, ball: Points) -> Iterable[str]:
    for center, kind in circles(scene):
        for bound in sorted({bound for interval in kind for bound in interval.floats}):
            data = path_data(center + bound * ball, origin, scale, closed=True)
            yield f'<path class="halo" d="{data}"/><path class="ring" d="{data}"/>'
        x, y = np.rint((center - origin) * (scale, -scale)).astype(int)
        yield f'<circle class="dot" cx="{x}" cy="{y}" r="9"/>'
