"""The index of points of RP^2 with respect to an oriented T-curve, on the double cover S^2.

Vertices of S^2 are numbered v for the lift of vertex v of RP^2 in the chosen sheet, and v + V for
the other.  Definitions and orientations are those of `tasks.tcurves.orientation`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.tcurves.patchwork import QUADRANTS, Patchwork, quadrant_signs, sheets


def jumps_of_index(
    complex_: Patchwork, s: NDArray[np.int64], half: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tell how the doubled index changes along the sides of all triangles of S^2.

    Returns
    -------
    pairs : int64 (m, 2)
        Vertices of S^2: number v of RP^2 in the chosen sheet, v + V in the other.
    jumps : int64 (m,)
        Doubled index of the second minus that of the first: 0, 2 or -2.
    """
    degree, triangles = complex_.triangulation.degree, complex_.triangulation.triangles
    vertex = complex_.vertices + complex_.num_vertices * sheets(degree)
    color = (s[:, None] + quadrant_signs(degree)) % 2
    corner, side = vertex[triangles], color[triangles]
    # The vertex whose color no other has lies to the right of the curve if the parity is even.
    parity = (half[:, None] + QUADRANTS.sum(axis=1)) % 2
    alone = side != (side.sum(axis=1, keepdims=True) >= 2)
    lowered = np.where(alone, (2 * parity - 1)[:, None, :] * 2, 0)
    ends = [(0, 1), (0, 2), (1, 2)]
    pairs = np.stack([np.stack([corner[:, i], corner[:, j]], axis=-1) for i, j in ends])
    jumps = np.stack([lowered[:, j] - lowered[:, i] for i, j in ends])
    # The other lift of each triangle is its antipode, where the odd index changes oppositely.
    pairs = pairs.reshape(-1, 2)
    antipodes = (pairs + complex_.num_vertices) % (2 * complex_.num_vertices)
    return np.concatenate([pairs, antipodes]), np.concatenate([jumps.ravel(), -jumps.ravel()])


def doubled_index(
    complex_: Patchwork, pairs: NDArray[np.int64], jumps: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Sum up the jumps from vertex 0 and make the result odd: int64 (2V,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order

    size = 2 * complex_.num_vertices
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(size, size))
    order, before = breadth_first_order(graph.tocsr(), 0, directed=False)
    jump = {(u, v): j for (u, v), j in zip(pairs.tolist(), jumps.tolist(), strict=True)}
    index = np.zeros(size, dtype=np.int64)
    for v in order[1:].tolist():
        u = int(before[v])
        index[v] = index[u] + (jump[u, v] if (u, v) in jump else -jump[v, u])
    shift = index[0] + index[complex_.num_vertices]
    index -= shift // 2
    is_odd = (index[: complex_.num_vertices] == -index[complex_.num_vertices :]).all()
    if shift % 2 or not is_odd or (index[pairs[:, 1]] - index[pairs[:, 0]] != jumps).any():
        raise ArithmeticError("the oriented segments do not form an oriented curve")
    return index


def lift_regions(
    complex_: Patchwork,
    s: NDArray[np.int64],
    labels: NDArray[np.int64],
    index: NDArray[np.int64],
    tree: tuple[list[int], list[int]],
) -> dict[int, int]:
    """Choose for every region a vertex of S^2 in one lift, adjacent to the lift of its parent."""
    lifted, crossings = _regions_of_sphere(complex_, s)
    both = np.tile(labels, 2)
    across = {
        (int(lifted[near]), int(both[far])): far
        for u, v in crossings.tolist()
        for near, far in ((u, v), (v, u))
    }
    order, parents = tree
    at_root = np.flatnonzero(both == order[0])
    chosen = {order[0]: int(at_root[np.argmax(index[at_root])])}
    for region in order[1:]:
        chosen[region] = across[int(lifted[chosen[parents[region]]]), region]
    return chosen


def _regions_of_sphere(
    complex_: Patchwork, s: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Label the vertices of S^2 by region, int64 (2V,); list the edges across the curve (m, 2)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = complex_.num_vertices
    u, v, twist = complex_.edges[:, [0, 1, 5]].T
    edges = np.stack([np.r_[u, u + size], np.r_[v + size * twist, v + size * (1 - twist)]], axis=1)
    cut = np.tile(complex_.bichromatic(s), 2)
    u, v = edges[~cut].T
    graph = coo_array((np.ones(u.size), (u, v)), shape=(2 * size, 2 * size))
    return connected_components(graph, directed=False)[1].astype(np.int64), edges[cut]
