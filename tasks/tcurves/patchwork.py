"""The real projective plane glued from four copies of a triangulated triangle.

A triangulation T of d*Delta_2 is reflected into the four quadrants e = (e1, e2) in F2^2, numbered
e1 + 2 e2, and the boundary of the resulting square is glued antipodally.  A point (x, y) then has
as many copies as F2^2 has cosets modulo the span of

    (1, 0) if x = 0,    (0, 1) if y = 0,    (1, 1) if x + y = d:

four inside, two on an edge and one at a corner of d*Delta_2.  The complex has 2 d^2 + 1 vertices,
6 d^2 edges and 4 d^2 triangles, hence Euler characteristic 1.

Signs s in F2^n extend to the copies by s_p + e.p (mod 2).  An edge {p, q} is *monochromatic* in
quadrant e exactly if s_p + s_q = e.(p + q) mod 2, which is well defined on RP^2 for every parity of
d.  The T-curve separates the copies along the other edges.

For even d, RP^2 is covered twice by the octahedral sphere.  Every copy has a chosen lift; the
*twist* of an edge tells whether it joins chosen lifts (0) or a chosen and an antipodal one (1).

References
----------
O. Viro, Gluing of plane real algebraic curves (1984); arXiv 2604.09221, Section 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gpu.octants import Grid, grid_of_degree
from tasks.lattice import Triangulation, lattice_points
from tasks.records import InputError

QUADRANTS: NDArray[np.int64] = np.array([(0, 0), (1, 0), (0, 1), (1, 1)], dtype=np.int64)
"""Row e1 + 2 e2 is the quadrant (e1, e2)."""


@lru_cache(maxsize=128)
def copy_numbers(degree: int) -> NDArray[np.int64]:
    """Number the copies of every lattice point: int64 (n, 4), entry [p, e] in 0..3.

    Quadrants with equal entries hold the same copy.
    """
    x, y = lattice_points(degree).T
    e1, e2 = QUADRANTS.T
    left, bottom, slanted = (x == 0)[:, None], (y == 0)[:, None], (x + y == degree)[:, None]
    corner = left.astype(int) + bottom + slanted >= 2
    numbers = np.where(left, e2, np.where(bottom, e1, np.where(slanted, e1 ^ e2, e1 + 2 * e2)))
    return np.where(corner, 0, numbers)


@lru_cache(maxsize=128)
def sheets(degree: int) -> NDArray[np.int64]:
    """Tell which lift of a copy lies in a quadrant: int64 (n, 4), 0 the chosen one, 1 the other.

    Only copies on the glued edge x + y = d have quadrants with different lifts.
    """
    x, y = lattice_points(degree).T
    e1, e2 = QUADRANTS.T
    slanted, last = (x + y == degree)[:, None], (x == degree)[:, None]
    return np.where(slanted, np.where(last, e1, e2), 0)


@lru_cache(maxsize=128)
def quadrant_signs(degree: int) -> NDArray[np.int64]:
    """Evaluate e.p mod 2 for all points and quadrants: int64 (n, 4)."""
    return (lattice_points(degree) @ QUADRANTS.T) % 2


MAX_WORD_DEGREE = 9
"""The largest degree whose 55 lattice points fit one 64-bit word."""


@lru_cache(maxsize=16)
def octant_grid(degree: int) -> Grid:
    """Pack the points of d*Delta_2 as bits of words, for the kernels on octants.

    Raises
    ------
    InputError
        If the degree is larger than 9.
    """
    if degree > MAX_WORD_DEGREE:
        raise InputError(f"degree {degree} does not fit one word; at most {MAX_WORD_DEGREE}")
    return grid_of_degree(degree)


@dataclass(frozen=True, eq=False)
class Patchwork:
    """The triangulated RP^2 of a triangulation; letters V, E, F for its numbers of simplices."""

    triangulation: Triangulation
    vertices: NDArray[np.int64]
    """(n, 4): vertex of RP^2 for each point and quadrant, numbered 0..V-1 by point, then copy."""
    edges: NDArray[np.int64]
    """(E, 6): rows (vertex, vertex, point, point, e.(p + q), twist)."""
    faces: NDArray[np.int64]
    """(F, 3): the edges of each triangle."""

    @property
    def num_vertices(self) -> int:
        """V = 2 d^2 + 1."""
        return int(self.vertices.max()) + 1

    def bichromatic(self, signs: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Mark the edges of RP^2 that the T-curve crosses: bool (E,) from signs (n,)."""
        s = np.asarray(signs, dtype=np.int64)
        return ((s[self.edges[:, 2]] + s[self.edges[:, 3]] + self.edges[:, 4]) % 2).astype(bool)


def edge_copies(degree: int, edges: NDArray[np.integer]) -> NDArray[np.int64]:
    """List the copies of edges in the four quadrants.

    Parameters
    ----------
    edges : int (m, 2)
        Pairs of point indices.

    Returns
    -------
    int64 (m, 4, 6)
        (copy number of p, copy number of q, p, q, e.(p + q), twist); quadrants glued along the
        edge repeat a row.
    """
    p, q = np.asarray(edges, dtype=np.int64).T
    numbers, lifts, parities = copy_numbers(degree), sheets(degree), quadrant_signs(degree)
    wide = np.ones((1, 4), dtype=np.int64)
    return np.stack(
        [
            numbers[p],
            numbers[q],
            p[:, None] * wide,
            q[:, None] * wide,
            (parities[p] + parities[q]) % 2,
            (lifts[p] + lifts[q]) % 2,
        ],
        axis=2,
    )


@lru_cache(maxsize=32)
def patchwork(triangulation: Triangulation) -> Patchwork:
    """Glue the four copies of a triangulation to RP^2.

    O(d^2 log d); the result is cached and its arrays are read-only.
    """
    degree = triangulation.degree
    numbers = copy_numbers(degree)
    first = np.concatenate([[0], np.cumsum(numbers.max(axis=1) + 1)[:-1]])
    vertices = first[:, None] + numbers
    copies = edge_copies(degree, triangulation.edges)
    copies[:, :, 0] += first[copies[:, :, 2]]
    copies[:, :, 1] += first[copies[:, :, 3]]
    edges, index = np.unique(copies.reshape(-1, 6), axis=0, return_inverse=True)
    faces = _faces(triangulation, index.reshape(-1, 4))
    for array in (vertices, edges, faces):
        array.flags.writeable = False
    return Patchwork(triangulation, vertices, edges, faces)


def _faces(triangulation: Triangulation, edge_of: NDArray[np.int64]) -> NDArray[np.int64]:
    """List the edges of the 4 d^2 triangles; `edge_of` (m, 4) numbers edge copies by quadrant."""
    number = {tuple(edge): i for i, edge in enumerate(triangulation.edges.tolist())}
    sides = np.array(
        [
            [number[a, b], number[a, c], number[b, c]]
            for a, b, c in triangulation.triangles.tolist()
        ],
        dtype=np.int64,
    )
    return edge_of[sides].transpose(0, 2, 1).reshape(-1, 3)
