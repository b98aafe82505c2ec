"""Vectors of exact numbers, in the plane and in space."""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul

from tasks.coloring.checker.numbers import Number, scaled

Vector = tuple[Number, ...]
"""Coordinates in R^2 or R^3."""


def scaled_vector(vector: Vector, scale: int) -> Vector:
    """Every coordinate times scale."""
    return tuple([scaled(x, scale) for x in vector])


def plus(u: Vector, v: Vector) -> Vector:
    """The sum of two vectors."""
    return tuple([x + y for x, y in zip(u, v, strict=True)])


def minus(u: Vector, v: Vector) -> Vector:
    """The difference of two vectors."""
    return tuple([x - y for x, y in zip(u, v, strict=True)])


def times(c: Number, v: Vector) -> Vector:
    """A multiple of a vector."""
    return tuple([c * x for x in v])


def dot(u: Sequence[Number], v: Sequence[Number]) -> Number:
    """The scalar product."""
    return sum(map(mul, u, v))


def cross(u: Vector, v: Vector) -> Number:
    """The determinant of two vectors of the plane."""
    return u[0] * v[1] - u[1] * v[0]


def cross_product(u: Vector, v: Vector) -> Vector:
    """The vector product in space."""
    return (
        u[1] * v[2] - u[2] * v[1],
        u[2] * v[0] - u[0] * v[2],
        u[0] * v[1] - u[1] * v[0],
    )


def determinant(rows: Sequence[Vector]) -> Number:
    """The determinant of two or three rows."""
    if len(rows) == 2:
        return cross(rows[0], rows[1])
    return dot(rows[0], cross_product(rows[1], rows[2]))


def combination(coefficients: Sequence[Number], vectors: Sequence[Vector]) -> Vector:
    """The sum of c_a v_a."""
    return tuple(dot(coefficients, column) for column in zip(*vectors, strict=True))
