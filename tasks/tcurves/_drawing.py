"""The plane geometry of a drawn T-curve, without a drawing library.

The four copies of d*Delta_2, reflected by (x, y) -> ((-1)^e1 x, (-1)^e2 y), fill the square
|x| + |y| <= d, whose boundary is glued antipodally to give RP^2.  A triangle with two signs is
crossed by one *segment* of the curve, from midpoint to midpoint of its two bichromatic edges; it
cuts the triangle into two *cells*, a triangle at the vertex that has its sign alone and a
trapezoid.  A triangle with one sign is one cell.

The segments of an oval are those between its inner region and the parent of that region, wherever
they lie in the square; the segments of the pseudo-line J have the root on both sides.  The *depth*
of an oval is the depth of its inner region in the tree of regions: 1 for an outer oval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.lattice import Triangulation, lattice_points
from tasks.tcurves.isotopy import real_scheme, region_tree, regions
from tasks.tcurves.patchwork import QUADRANTS, patchwork, quadrant_signs
from tasks.tcurves.schemes import Forest, Scheme
from tasks.tcurves.signs import as_signs

Point: TypeAlias = "tuple[int, int]"
"""A point of the plane times two, so that midpoints of lattice points are exact."""

_MAX_NOTATION = 120


@dataclass(frozen=True, eq=False)
class Component:
    """An oval, or the pseudo-line J, as it lies in the square."""

    depth: int
    """1 for an outer oval, 0 for J."""
    paths: tuple[NDArray[np.float64], ...]
    """Polygonal paths (k, 2), closed if first and last point agree, else ending on the boundary."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """A T-curve in the square |x| + |y| <= d; letters n for points, m for triangulation edges."""

    scheme: Scheme
    points: NDArray[np.float64]
    """(4 n, 2): the copies of the lattice points in the four quadrants."""
    signs: NDArray[np.int64]
    """(4 n,): 0 for plus, 1 for minus."""
    edges: NDArray[np.float64]
    """(4 m, 2, 2): end points of the reflected triangulation edges."""
    components: tuple[Component, ...]
    """J first, if there is one, then the ovals by depth."""
    cells: tuple[tuple[int, NDArray[np.float64]], ...]
    """(depth of the region, polygon (3 or 4, 2)); together they fill the square."""


@dataclass(frozen=True, eq=False)
class _Cut:
    """The triangles with two signs, first vertex the one whose sign is alone."""

    corners: NDArray[np.int64]
    """(k, 3, 2), doubled coordinates."""
    regions: NDArray[np.int64]
    """(k, 2): the region at the first vertex and the one at the other two."""

    @property
    def segments(self) -> NDArray[np.int64]:
        """(k, 2, 2): end points of the curve's segments, doubled coordinates."""
        return (self.corners[:, :1] + self.corners[:, 1:]) // 2


def drawing(triangulation: Triangulation, witness: int | ArrayLike) -> Drawing:
    """Lay out the T-curve of a triangulation and a sign vector; O(d^2 log d).

    Parameters
    ----------
    triangulation : Triangulation
        Degree 1..60.
    witness : int or array of 0 and 1, shape (n,)
        Signs, as accepted by `as_signs`.
    """
    degree = triangulation.degree
    signs = as_signs(degree, witness)
    complex_ = patchwork(triangulation)
    labels, root = regions(complex_, signs)
    order, parents = region_tree(complex_, signs, labels, root)
    depths = _depths(order, parents)
    points = 2 * lattice_points(degree)[None] * (1 - 2 * QUADRANTS)[:, None]
    copies = ((signs[:, None] + quadrant_signs(degree)) % 2).T
    rows = triangulation.triangles
    corners, colors = points[:, rows].reshape(-1, 3, 2), copies[:, rows].reshape(-1, 3)
    at_corners = labels[complex_.vertices.T[:, rows]].reshape(-1, 3)
    cut, whole = _split(corners, colors, at_corners)
    return Drawing(
        scheme=real_scheme(triangulation, signs),
        points=points.reshape(-1, 2) / 2,
        signs=copies.ravel(),
        edges=points[:, triangulation.edges].reshape(-1, 2, 2) / 2,
        components=_components(cut, parents, depths),
        cells=_cells(cut, corners[whole], at_corners[whole, 0], depths),
    )


def _depths(order: list[int], parents: list[int]) -> NDArray[np.int64]:
    """Number the levels of a rooted tree; `order` lists parents before children."""
    depths = np.zeros(len(parents), dtype=np.int64)
    for region in order[1:]:
        depths[region] = depths[parents[region]] + 1
    return depths


def _split(
    corners: NDArray[np.int64], colors: NDArray[np.int64], at_corners: NDArray[np.int64]
) -> tuple[_Cut, NDArray[np.bool_]]:
    """Separate the triangles with two signs from those with one, which are marked."""
    minus = colors.sum(axis=1)
    whole = minus % 3 == 0
    alone = np.argmax(colors == (minus == 1)[:, None], axis=1)[~whole]
    turned = (alone[:, None] + np.arange(3)) % 3
    rows = np.arange(alone.size)[:, None]
    return _Cut(corners[~whole][rows, turned], at_corners[~whole][rows, turned[:, :2]]), whole


def _components(cut: _Cut, parents: list[int], depths: NDArray[np.int64]) -> tuple[Component, ...]:
    """Collect the segments of each oval, named by its inner region, and of J, named -1."""
    pieces: dict[int, list[tuple[Point, Point]]] = {}
    for (a, b), ((ax, ay), (bx, by)) in zip(
        cut.regions.tolist(), cut.segments.tolist(), strict=True
    ):
        inner = -1 if a == b else (a if parents[a] == b else b)
        pieces.setdefault(inner, []).append(((ax, ay), (bx, by)))
    found = [
        Component(0 if inner < 0 else int(depths[inner]), chain(segments))
        for inner, segments in sorted(pieces.items())
    ]
    return tuple(sorted(found, key=lambda component: component.depth))


def chain(segments: list[tuple[Point, Point]]) -> tuple[NDArray[np.float64], ...]:
    """Join segments to paths, the open ones first; halves the doubled coordinates.

    Every point must be the end of one or two segments.
    """
    neighbors: dict[Point, list[Point]] = {}
    for a, b in segments:
        neighbors.setdefault(a, []).append(b)
        neighbors.setdefault(b, []).append(a)
    ends = sorted(point for point, others in neighbors.items() if len(others) == 1)
    paths = []
    for start in [*ends, *sorted(neighbors)]:
        if neighbors[start]:
            paths.append(np.array(_walk(start, neighbors), dtype=np.float64) / 2)
    return tuple(paths)


def _walk(start: Point, neighbors: dict[Point, list[Point]]) -> list[Point]:
    """Follow unused segments from a point to their end, using them up."""
    path = [start]
    while neighbors[path[-1]]:
        following = neighbors[path[-1]].pop()
        neighbors[following].remove(path[-1])
        path.append(following)
    return path


def _cells(
    cut: _Cut,
    whole: NDArray[np.int64],
    whole_regions: NDArray[np.int64],
    depths: NDArray[np.int64],
) -> tuple[tuple[int, NDArray[np.float64]], ...]:
    """List the cells with the depths of their regions."""
    tips = np.concatenate([cut.corners[:, :1], cut.segments], axis=1)
    trapezoids = np.concatenate([cut.corners[:, 1:], cut.segments[:, ::-1]], axis=1)
    groups = [(whole_regions, whole), *zip(cut.regions.T, (tips, trapezoids), strict=True)]
    return tuple(
        (int(depths[region]), polygon / 2)
        for owners, polygons in groups
        for region, polygon in zip(owners.tolist(), polygons, strict=True)
    )


@dataclass(frozen=True)
class TreeNode:
    """A region in the drawn tree: its depth, its place among the leaves, its parent's number."""

    depth: int
    place: float
    parent: int
    """-1 for the root, which is node 0."""


def oval_tree(forest: Forest) -> list[TreeNode]:
    """Lay out the tree of regions: leaves at 0, 1, ..., every other region amid its children."""
    nodes = [TreeNode(0, 0.0, -1)]
    num_leaves = 0

    def grow(children: Forest, number: int, depth: int) -> float:
        nonlocal num_leaves
        places = []
        for child in children:
            nodes.append(TreeNode(depth + 1, 0.0, number))
            places.append(grow(child, len(nodes) - 1, depth + 1))
        if not places:
            num_leaves += 1
        place = (places[0] + places[-1]) / 2 if places else num_leaves - 1.0
        nodes[number] = TreeNode(depth, place, nodes[number].parent)
        return place

    grow(forest, 0, 0)
    return nodes


def math_notation(scheme: Scheme) -> str:
    r"""Write Viro notation as mathtext: <9v1<1>> as $\langle 9\sqcup 1\langle 1\rangle\rangle$.

    Notation beyond 120 characters is cut in the middle.
    """
    text = str(scheme)
    if len(text) > _MAX_NOTATION:
        text = f"{text[: _MAX_NOTATION // 2]}…{text[-_MAX_NOTATION // 2 :]}"
    for plain, mathematical in (("<", r"\langle "), (">", r"\rangle "), ("v", r"\,\sqcup\,")):
        text = text.replace(plain, mathematical)
    return f"${text.replace('…', chr(92) + 'ldots ')}$"
