"""Voronoi cells of lattices in R^2 and R^3, exactly.

A superbase of a lattice is a basis b_1, ..., b_n with b_0 = -(b_1 + ... + b_n); it is obtuse if
b_i . b_j <= 0 for all i != j, and in dimensions 2 and 3 every lattice has one (Selling 1874). The
cell V of the points closest to the origin is then {x : x . v <= v . v / 2} for the sums v of proper
nonempty subsets of the superbase, and its vertices are, for every order of the superbase, the
points with x . v = v . v / 2 for the n partial sums v (Conway and Sloane, Low-dimensional lattices
VI, Proc. R. Soc. Lond. A 436, 1992, Theorems 3 and 4).

V is symmetric, so the differences of two cells at distance v form v + 2 V.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import combinations, permutations

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.lattices import Lattice, Vector, combination, dot
from tasks.coloring.certificates.numbers import Surd

__all__ = ["VoronoiCell", "obtuse_superbase"]


@dataclass(frozen=True)
class VoronoiCell:
    """The doubled Voronoi cell 2 V of a lattice.

    Attributes
    ----------
    normals
        The vectors v of {x : x . v <= v . v} = 2 V, in pairs v, -v; some may touch 2 V only in an
        edge or a vertex.
    edges
        Pairs of different vertices: every edge of 2 V, and maybe pairs on one edge.
    """

    normals: tuple[Vector, ...]
    edges: tuple[tuple[Vector, Vector], ...]

    @classmethod
    def of(cls, lattice: Lattice) -> VoronoiCell:
        """The cell of a lattice."""
        superbase, n = obtuse_superbase(lattice), lattice.dimension
        subsets = [chosen for size in range(1, n + 1) for chosen in combinations(superbase, size)]
        normals = tuple(_sum(chosen) for chosen in subsets)
        vertices = {
            order: _solved([_sum([superbase[i] for i in order[: k + 1]]) for k in range(n)])
            for order in permutations(range(n + 1))
        }
        # The vertices of orders that differ by two neighbors have n - 1 partial sums in common.
        pairs = ((order, _swapped(order, k)) for order in vertices for k in range(n))
        edges = ((vertices[order], vertices[other]) for order, other in pairs if order < other)
        cell = cls(normals, tuple(dict.fromkeys(edge for edge in edges if edge[0] != edge[1])))
        assert all(cell.holds(vertex) for vertex in vertices.values())
        return cell

    @cached_property
    def vertices(self) -> tuple[Vector, ...]:
        """Of 2 V."""
        return tuple(dict.fromkeys(vertex for edge in self.edges for vertex in edge))

    def holds(self, point: Vector) -> bool:
        """Whether a point lies in 2 V."""
        return all(
            dot(point, normal) <= square
            for normal, square in zip(self.normals, self.squares, strict=True)
        )

    @cached_property
    def squares(self) -> tuple[Surd, ...]:
        """The products v . v of the normals."""
        return tuple(dot(normal, normal) for normal in self.normals)

    @cached_property
    def float_normals(self) -> NDArray[np.float64]:
        """(f, n), rounded."""
        return np.array([[float(x) for x in normal] for normal in self.normals])

    @cached_property
    def float_vertices(self) -> NDArray[np.float64]:
        """(w, n), rounded."""
        return np.array([[float(x) for x in vertex] for vertex in self.vertices])

    def greatest_square(self, center: Vector) -> Surd:
        """The largest |x|^2 on center + 2 V."""
        return max(_square_of_sum(center, vertex) for vertex in self.vertices)

    def least_square(self, center: Vector) -> Surd:
        """The smallest |x|^2 on center + 2 V: the squared distance of the center from 2 V."""
        if self.holds(center):
            return Surd.of(0)
        for normal, square in zip(self.normals, self.squares, strict=True):
            # The projection to the plane of a facet is the closest point if it lies in 2 V.
            excess = dot(center, normal) - square
            if excess > 0 and self.holds(combination([1, -excess / square], [center, normal])):
                return excess * excess / square
        moved = ((_sum((center, start)), _sum((center, end))) for start, end in self.edges)
        return min(_least_square(start, end) for start, end in moved)


def _swapped(order: tuple[int, ...], k: int) -> tuple[int, ...]:
    return (*order[:k], order[k + 1], order[k], *order[k + 2 :])


def _least_square(start: Vector, end: Vector) -> Surd:
    """The smallest |x|^2 on a segment."""
    step = _sum((end, combination([-1], [start])))
    along, square = dot(start, step), dot(step, step)
    if along >= 0:
        return dot(start, start)
    return dot(start, start) - along * along / square if -along < square else dot(end, end)


def _sum(vectors: Sequence[Vector]) -> Vector:
    return combination([1] * len(vectors), vectors)


def _square_of_sum(v: Vector, w: Vector) -> Surd:
    total = _sum((v, w))
    return dot(total, total)


def _solved(rows: Sequence[Vector]) -> Vector:
    """The point x with x . v = v . v for independent vectors v, by Cramer's rule."""
    n, sides = len(rows), [dot(row, row) for row in rows]
    scale = Lattice(tuple(rows)).determinant
    replaced = (
        tuple(
            tuple(side if j == i else row[j] for j in range(n))
            for row, side in zip(rows, sides, strict=True)
        )
        for i in range(n)
    )
    return tuple(_determinant(matrix) / scale for matrix in replaced)


def _determinant(rows: Sequence[Vector]) -> Surd:
    """By expansion along the first row."""
    if len(rows) == 1:
        return rows[0][0]
    minors = ([(*row[:i], *row[i + 1 :]) for row in rows[1:]] for i in range(len(rows)))
    signed = zip(rows[0], minors, strict=True)
    return sum(
        (entry * _determinant(minor) * (-1) ** i for i, (entry, minor) in enumerate(signed)),
        Surd.of(0),
    )


def obtuse_superbase(lattice: Lattice) -> tuple[Vector, ...]:
    """An obtuse superbase b_0, ..., b_n of a lattice in R^2 or R^3, by Selling's steps.

    While b_i . b_j > 0 for some i != j, b_i changes its sign and the n - 1 others except b_j share
    2 b_i; the sum of the squares of all b_i, in R^2 of all b_i - b_j, falls.
    """
    basis = lattice.reduced()[0].vectors
    superbase = [combination([-1] * len(basis), basis), *basis]
    while (pair := _acute_pair(superbase)) is not None:
        i, j = pair
        step, factor = superbase[i], Fraction(2, len(basis) - 1)
        for k, vector in enumerate(superbase):
            if k not in (i, j):
                superbase[k] = combination([1, factor], [vector, step])
        superbase[i] = combination([-1], [step])
    return tuple(superbase)


def _acute_pair(superbase: Sequence[Vector]) -> tuple[int, int] | None:
    pairs = combinations(range(len(superbase)), 2)
    return next((p for p in pairs if dot(superbase[p[0]], superbase[p[1]]) > 0), None)
