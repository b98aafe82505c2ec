"""Flips and random triangulations.

If the two triangles at an interior edge ab form a parallelogram, p_a + p_b = p_c + p_f, then
replacing the edge by cf, a flip, gives another unimodular triangulation. Any two unimodular
triangulations of d·Δ₂ are joined by flips. Every one has the same number 3d(d-1)/2 of interior
edges, so the walk that proposes a uniformly random interior edge and flips it if it can is
symmetric, and its distribution tends to the uniform one over all unimodular triangulations.
"""

import numpy as np
from numpy.typing import NDArray

from tasks.lattice.points import lattice_points
from tasks.lattice.triangulation import Triangulation
from tasks.records.errors import InputError

Edge = tuple[int, int]


def flippable_edges(triangulation: Triangulation) -> NDArray[np.int32]:
    """The rows (a, b, c, f) of `interior_edges` with p_a + p_b = p_c + p_f."""
    edges = triangulation.interior_edges
    p = lattice_points(triangulation.degree)[edges]
    return edges[(p[:, 0] + p[:, 1] == p[:, 2] + p[:, 3]).all(axis=1)]


def flip(triangulation: Triangulation, edge: tuple[int, int], *, name: str = "") -> Triangulation:
    """Replace the edge (a, b) by the other diagonal (c, f) of its parallelogram; drops weights.

    Raises
    ------
    InputError
        If (a, b) is not an interior edge, or its two triangles form no parallelogram.

    >>> from tasks.lattice import honeycomb
    >>> flip(flip(honeycomb(2), (1, 3)), (0, 4)) == honeycomb(2).with_weights(None)
    True
    """
    a, b = sorted(int(v) for v in edge)
    for row in flippable_edges(triangulation).tolist():
        if row[:2] == [a, b]:
            return Triangulation.of(triangulation.degree, _flipped(triangulation, row), name=name)
    raise InputError(
        f"edge {a}-{b} cannot be flipped: it is not an interior edge whose two triangles form a "
        "parallelogram; `flippable_edges` lists those"
    )


def flip_neighbors(triangulation: Triangulation) -> list[Triangulation]:
    """All triangulations one flip away, without weights, in the order of `flippable_edges`.

    The one without the edge (a, b) is called "<name>_f<a>-<b>". O(d²) each.

    >>> from tasks.lattice import honeycomb
    >>> [neighbor.name for neighbor in flip_neighbors(honeycomb(2))]
    ['2_honeycomb_f1-3', '2_honeycomb_f1-4', '2_honeycomb_f3-4']
    """
    name, degree = triangulation.name, triangulation.degree
    return [
        Triangulation(f"{name}_f{row[0]}-{row[1]}", degree, _flipped(triangulation, row))
        for row in flippable_edges(triangulation).tolist()
    ]


def _flipped(triangulation: Triangulation, row: list[int]) -> NDArray[np.int32]:
    """The triangles after replacing the edge ab by cf, for a row (a, b, c, f)."""
    a, b, c, f = row
    triangles = triangulation.triangles
    kept = ((triangles == a) | (triangles == b)).sum(axis=1) < 2
    return np.concatenate([triangles[kept], np.array([[a, c, f], [b, c, f]], np.int32)])


def random_flips(
    triangulation: Triangulation, steps: int, rng: np.random.Generator, *, name: str = ""
) -> Triangulation:
    """The end of a walk of `steps` proposed flips, without weights; O(1) per step.

    A proposal picks an interior edge uniformly and is skipped if the edge cannot be flipped.
    """
    if steps < 0:
        raise InputError(f"steps = {steps} is not allowed: give an integer >= 0")
    walk = FlipWalk(triangulation)
    if walk.edges:
        for proposal in rng.integers(len(walk.edges), size=steps).tolist():
            walk.propose(proposal)
    return Triangulation.of(triangulation.degree, walk.triangles(), name=name)


class FlipWalk:
    """A triangulation as a map from each edge to its one or two opposite vertices."""

    def __init__(self, triangulation: Triangulation) -> None:
        self._points = [tuple(p) for p in lattice_points(triangulation.degree).tolist()]
        self._opposite: dict[Edge, list[int]] = {}
        for u, v, w in triangulation.triangles.tolist():
            for a, b, c in ((u, v, w), (u, w, v), (v, w, u)):
                self._opposite.setdefault((a, b), []).append(c)
        self.edges = [(a, b) for a, b, _, _ in triangulation.interior_edges.tolist()]

    def opposite(self, index: int) -> tuple[int, int]:
        """The opposite vertices of interior edge number `index`."""
        c, f = self._opposite[self.edges[index]]
        return c, f

    def propose(self, index: int) -> bool:
        """Flip interior edge number `index` if it is the diagonal of a parallelogram."""
        a, b = self.edges[index]
        c, f = self.opposite(index)
        (ax, ay), (bx, by) = self._points[a], self._points[b]
        (cx, cy), (fx, fy) = self._points[c], self._points[f]
        if ax + bx != cx + fx or ay + by != cy + fy:
            return False
        del self._opposite[a, b]
        self.edges[index] = sorted_edge(c, f)
        self._opposite[self.edges[index]] = [a, b]
        for u, v, old, new in ((a, c, b, f), (a, f, b, c), (b, c, a, f), (b, f, a, c)):
            opposite = self._opposite[sorted_edge(u, v)]
            opposite[opposite.index(old)] = new
        return True

    def triangles(self) -> NDArray[np.int64]:
        """(d², 3) triangles."""
        found = {
            tuple(sorted((a, b, c))) for (a, b), third in self._opposite.items() for c in third
        }
        return np.array(sorted(found))


def sorted_edge(u: int, v: int) -> Edge:
    """The edge between two points, the smaller index first."""
    return (u, v) if u < v else (v, u)
