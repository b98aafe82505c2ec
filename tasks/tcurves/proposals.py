"""New triangulations from good ones: mutation, crossing, and a cheap score.

*Mutation* walks some parallelogram flips away from a triangulation.  *Crossing* overlays two
triangulations: their common edges cut d*Delta_2 into cells, each of which both triangulate; every
cell is taken from one parent or the other.  Neither keeps regularity, so what they give has to be
certified.

The *score* ranks triangulations before any census: the dimension of the space of sign classes of
M-curves (`maximal_signs`), which is F2-linear algebra and takes a millisecond.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.lattice import Triangulation, random_flips
from tasks.tcurves.twists import maximal_signs


def mutate(
    triangulation: Triangulation, rng: np.random.Generator, *, mean_flips: float
) -> Triangulation:
    """Walk a geometrically distributed number of flip proposals away from a triangulation."""
    steps = int(rng.geometric(1.0 / max(1.0, 3.0 * mean_flips)))
    return random_flips(triangulation, steps, rng)


def common_cells(
    first: Triangulation, second: Triangulation
) -> list[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Cut d*Delta_2 along the common edges of two triangulations.

    Returns
    -------
    list of pairs of int32 (k, 3)
        The triangles of each cell in the first and in the second triangulation; only cells in which
        they differ, in the order of the cell's smallest edge.
    """
    shared = set(map(tuple, first.edges.tolist())) & set(map(tuple, second.edges.tolist()))
    cells: dict[tuple[tuple[int, int], ...], list[NDArray[np.int32]]] = {}
    for triangulation in (first, second):
        for boundary, triangles in _cells(triangulation, shared):
            cells.setdefault(boundary, []).append(triangles)
    return [
        (pair[0], pair[1])
        for _, pair in sorted(cells.items())
        if len(pair) == 2 and not np.array_equal(pair[0], pair[1])
    ]


def _cells(
    triangulation: Triangulation, walls: set[tuple[int, int]]
) -> list[tuple[tuple[tuple[int, int], ...], NDArray[np.int32]]]:
    """Group triangles that are connected without crossing a wall, by the walls around them."""
    triangles = triangulation.triangles.tolist()
    sides = [[(a, b), (a, c), (b, c)] for a, b, c in triangles]
    parent = list(range(len(triangles)))

    def find(t: int) -> int:
        while parent[t] != t:
            parent[t] = parent[parent[t]]
            t = parent[t]
        return t

    seen: dict[tuple[int, int], int] = {}
    for t, edges in enumerate(sides):
        for edge in edges:
            if edge not in walls:
                other = seen.setdefault(edge, t)
                parent[find(t)] = find(other)
    members: dict[int, list[int]] = {}
    for t in range(len(triangles)):
        members.setdefault(find(t), []).append(t)
    groups = []
    for group in members.values():
        around = sorted(edge for t in group for edge in sides[t] if edge in walls)
        groups.append((tuple(around), np.array([triangles[t] for t in group], dtype=np.int32)))
    return groups


def cross(first: Triangulation, second: Triangulation, rng: np.random.Generator) -> Triangulation:
    """Take every cell between common edges from one of two triangulations at random.

    Raises
    ------
    InvalidTriangulation
        Never for two triangulations of one degree; the result is validated all the same.
    """
    swapped = [pair for pair in common_cells(first, second) if rng.random() < 0.5]
    removed = {tuple(t) for pair in swapped for t in pair[0].tolist()}
    kept = [t for t in first.triangles.tolist() if tuple(t) not in removed]
    added = [t for pair in swapped for t in pair[1].tolist()]
    return Triangulation.of(first.degree, [*kept, *added])


def score(triangulation: Triangulation) -> int:
    """Return log2 of the number of sign classes of M-curves."""
    return maximal_signs(triangulation).dimension
