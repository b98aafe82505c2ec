"""Parts of a curve's picture, drawn on axes that are handed in: boundary, signs, tree of ovals.

matplotlib is imported by `tasks.tcurves.figures` only; these functions see its axes as plain
objects.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tasks.records.palette import GRAY, INK, TEXT
from tasks.tcurves._colors import oval_color, region_color
from tasks.tcurves._drawing import Drawing, oval_tree
from tasks.tcurves.schemes import Scheme

Axes: TypeAlias = Any


def plot_boundary(axes: Axes, degree: int) -> None:
    """Draw the coordinate axes and the glued boundary, with arrows on sides that are glued."""
    d = float(degree)
    axes.plot([-d, d], [0, 0], color=GRAY, lw=0.9, zorder=3)
    axes.plot([0, 0], [-d, d], color=GRAY, lw=0.9, zorder=3)
    axes.plot(
        [d, 0, -d, 0, d],
        [0, d, 0, -d, 0],
        color=GRAY,
        lw=1.3,
        ls=(0, (5, 3)),
        zorder=3,
        gid="boundary",
    )
    for sign in (1, -1):
        for offsets, x, along in (((0,), 1, (-1, 1)), ((-0.5, 0.5), -1, (1, 1))):
            for offset in offsets:
                _plot_arrow(axes, d, sign * np.array([x, 1.0]), sign * np.array(along), offset)


def _plot_arrow(
    axes: Axes, d: float, side: NDArray[np.float64], along: NDArray[np.float64], offset: float
) -> None:
    """Draw an arrow head outside the middle of a side of the square."""
    size = 0.018 * d
    tip = (d / 2 + 1.4 * size) * side + size * (1 + 1.6 * offset) * along
    wings = [tip - size * along + sign * size * 0.7 * side for sign in (1, -1)]
    axes.plot(
        *np.array([wings[0], tip, wings[1]]).T,
        color=GRAY,
        lw=1.3,
        solid_joinstyle="miter",
        zorder=3,
    )


def plot_signs(axes: Axes, picture: Drawing, size: float) -> None:
    """Draw the lattice points: plus as dark disks, minus as white ones."""
    for sign, face in ((0, INK), (1, "white")):
        x, y = picture.points[picture.signs == sign].T
        axes.plot(
            x,
            y,
            ls="none",
            marker="o",
            ms=size,
            mfc=face,
            mec=INK,
            mew=0.22 * size,
            zorder=6,
            gid="minus" if sign else "plus",
        )


def plot_tree(axes: Axes, scheme: Scheme, *, room: float = 16.0) -> None:
    """Draw the tree of regions from left to right, leaves below one another, with room for some."""
    nodes = oval_tree(scheme.forest)
    leaves, levels = max(node.place for node in nodes) + 1, max(node.depth for node in nodes)
    axes.set_axis_off()
    room = max(leaves, room)  # few leaves stay close together
    axes.set(xlim=(-0.25, max(levels, 2) + 0.25), ylim=(room - 0.5, -0.5))
    size = min(9.0, 200 / room)
    for node in nodes[1:]:
        parent = nodes[node.parent]
        axes.plot(
            [parent.depth, node.depth],
            [parent.place, node.place],
            color=oval_color(node.depth),
            lw=0.25 * size,
            zorder=1,
        )
    for node in nodes:
        axes.plot(
            node.depth,
            node.place,
            marker="o" if node.parent >= 0 else "s",
            ms=size,
            mfc=region_color(node.depth),
            mew=0.17 * size,
            zorder=2,
            mec=oval_color(node.depth) if node.depth or scheme.pseudo_line else INK,
        )
    axes.set_title("tree of regions", fontsize=11, color=TEXT, loc="left")
