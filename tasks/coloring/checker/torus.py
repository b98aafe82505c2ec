"""The plane modulo a lattice, exactly."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.coloring.checker.numbers import Number, floor_quotient
from tasks.coloring.checker.vectors import Vector, cross, dot, minus, plus, times

Key = tuple[object, ...]
"""Equal for equal vectors."""


@dataclass(frozen=True)
class Torus:
    """R^2 modulo the lattice of two vectors in integer coefficients, with positive determinant.

    A lattice coordinate is a quotient by `det`; only its numerator is kept.
    """

    first: Vector
    second: Vector
    det: Number

    @classmethod
    def of(cls, first: Vector, second: Vector) -> Torus:
        """The torus of two independent vectors, in any order."""
        det = cross(first, second)
        return cls(first, second, det) if det > 0 else cls(second, first, -det)

    def coordinates(self, x: Vector) -> tuple[Number, Number]:
        """The lattice coordinates of a vector, times `det`."""
        return cross(x, self.second), cross(self.first, x)

    def vector(self, i: int, j: int) -> Vector:
        """A vector of the lattice."""
        return plus(times(i, self.first), times(j, self.second))

    def reduced(self, x: Vector) -> Vector:
        """The vector modulo the lattice, with lattice coordinates in [0, 1)."""
        i, j = (floor_quotient(c, self.det) for c in self.coordinates(x))
        return minus(x, self.vector(i, j))


def key(x: Vector) -> Key:
    """A hashable value, equal for equal vectors."""
    return tuple(x)


def short_basis(first: Vector, second: Vector) -> tuple[tuple[int, int], tuple[int, int]]:
    """Integer coefficients of a basis of the same lattice, reduced as by Lagrange and Gauss."""
    rows, vectors = [(1, 0), (0, 1)], [first, second]
    while True:
        if dot(vectors[0], vectors[0]) > dot(vectors[1], vectors[1]):
            rows.reverse()
            vectors.reverse()
        short = dot(vectors[0], vectors[0])
        c = floor_quotient(2 * dot(vectors[0], vectors[1]) + short, 2 * short)
        if not c:
            return rows[0], rows[1]
        vectors[1] = minus(vectors[1], times(c, vectors[0]))
        rows[1] = (rows[1][0] - c * rows[0][0], rows[1][1] - c * rows[0][1])
