"""Pictures of the gallery as SVG text: the T-curve in its square, and the tree of ovals.

Coordinates are integers: half a lattice step is `_half_step` units, so that a picture is about 420
units wide in every degree.  Colors and widths are those of ``data/gallery.css``.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tasks.lattice import Triangulation
from tasks.tcurves._colors import OVAL_COLORS
from tasks.tcurves._drawing import Drawing, TreeNode, oval_tree
from tasks.tcurves.schemes import Scheme

_RADIUS, _MARGIN = 204, 10
_LEAF, _LEVEL = 15, 22  # steps of the tree between leaves and between levels


def _half_step(degree: int) -> int:
    """Return half a lattice step in units of the picture."""
    return max(_RADIUS // (2 * degree), 1)


def depth_class(depth: int) -> str:
    """Name the CSS class of an oval of depth 1, 2, ..., or of J: o1 to o4, J."""
    return f"o{(depth - 1) % len(OVAL_COLORS) + 1}" if depth else "J"


def _path(points: NDArray[np.float64], half: int) -> str:
    """Write a polygonal path, y upward; closed if it ends where it starts."""
    units = np.rint(points * (2 * half, -2 * half)).astype(int)
    is_closed = len(units) > 2 and bool((units[0] == units[-1]).all())
    steps = np.diff(units[: -1 if is_closed else None], axis=0)
    moves = "".join(f"l{x}{' ' * (y >= 0)}{y}" for x, y in steps.tolist())
    x, y = units[0].tolist()
    return f"M{x} {y}{moves}{'z' * is_closed}"


def edges_path(triangulation: Triangulation, picture: Drawing) -> str:
    """Write the reflected triangulation as the data of one path; the same for all its curves."""
    half = _half_step(triangulation.degree)
    # Edges on the coordinate axes lie in two quadrants.
    lines = {_path(edge[np.lexsort(edge.T)], half) for edge in picture.edges + 0.0}
    return "".join(sorted(lines))


def frame_paths(degree: int) -> tuple[str, str]:
    """Write the glued boundary and the coordinate axes as the data of two paths."""
    d, half = float(degree), _half_step(degree)
    corners = np.array([[d, 0], [0, d], [-d, 0], [0, -d], [d, 0]])
    axes = (np.array([[-d, 0.0], [d, 0.0]]), np.array([[0.0, -d], [0.0, d]]))
    return _path(corners, half), "".join(_path(axis, half) for axis in axes)


def curve_svg(picture: Drawing, degree: int, *, label: str, edges: str) -> str:
    """Draw a T-curve.

    Parameters
    ----------
    picture : Drawing
    degree : int
    label : str
        Description for those who do not see it, already escaped.
    edges : str
        Id of the path of the triangulation's edges, elsewhere on the page.
    """
    half = _half_step(degree)
    size = 2 * half * degree + _MARGIN
    parts = [
        f'<svg class="curve" viewBox="{-size} {-size} {2 * size} {2 * size}" role="img"'
        f' aria-label="{label}">',
        *_regions(picture, half),
        f'<use href="#{edges}"/><use href="#frame"/>',
        *_components(picture, half),
        *_signs(picture, half),
        "</svg>",
    ]
    return "".join(parts)


def _regions(picture: Drawing, half: int) -> Iterable[str]:
    """Fill the regions of each depth by one path; the root keeps the color of the page."""
    for depth in sorted({depth for depth, _ in picture.cells} - {0}):
        cells = (np.vstack([cell, cell[:1]]) for level, cell in picture.cells if level == depth)
        data = "".join(_path(cell, half) for cell in cells)
        yield f'<path class="r {depth_class(depth)}" d="{data}"/>'


def _components(picture: Drawing, half: int) -> Iterable[str]:
    """Draw the ovals of each depth, and J, by one path over a halo of the color of the page."""
    for depth in sorted({component.depth for component in picture.components}):
        data = "".join(
            _path(path, half)
            for component in picture.components
            if component.depth == depth
            for path in component.paths
        )
        yield f'<path class="h" d="{data}"/><path class="k {depth_class(depth)}" d="{data}"/>'


def _signs(picture: Drawing, half: int) -> Iterable[str]:
    """Draw plus signs as dark disks, minus signs as open ones: strokes without length."""
    for sign, classes in ((0, ("s",)), (1, ("s", "m"))):
        points = {tuple(p) for p in (picture.points[picture.signs == sign] + 0.0).tolist()}
        data = "".join(_path(np.array([p]), half) + "h0" for p in sorted(points))
        for name in classes if points else ():
            yield f'<path class="{name}" d="{data}"/>'


def tree_svg(scheme: Scheme) -> str:
    """Draw the tree of regions downward from its root; hidden from those who do not see it."""
    nodes = oval_tree(scheme.forest)
    leaves, levels = max(node.place for node in nodes), max(node.depth for node in nodes)
    width, height = leaves * _LEAF + 12, levels * _LEVEL + 12
    lines = "".join(
        f'<path class="k {depth_class(node.depth)}"'
        f' d="M{_place(nodes[node.parent])}L{_place(node)}"/>'
        for node in nodes[1:]
    )
    dots = "".join(_dot(node, scheme) for node in nodes)
    return (
        f'<svg class="tree" viewBox="-6 -6 {width:g} {height}" width="{width:g}" height="{height}"'
        f' aria-hidden="true">{lines}{dots}</svg>'
    )


def _place(node: TreeNode) -> str:
    return f"{node.place * _LEAF:g} {node.depth * _LEVEL}"


def _dot(node: TreeNode, scheme: Scheme) -> str:
    """Draw the root as a square, all other regions as disks."""
    x, y = node.place * _LEAF, node.depth * _LEVEL
    if node.depth:
        return f'<circle class="{depth_class(node.depth)}" cx="{x:g}" cy="{y}" r="4"/>'
    color = "J" if scheme.pseudo_line else "root"
    return f'<rect class="{color}" x="{x - 4:g}" y="{y - 4}" width="8" height="8"/>'
