"""Norms whose distances are forbidden: Euclidean, polygonal and p-norms.

Each norm compares lengths with a distance: of a vector, and the least on a segment. The sign of
length - distance is exact in the Euclidean norm (by squares) and in polygonal norms. In p-norms it
is decided by enclosures and is None where these do not decide.

Let K be a closed polygon that is symmetric to a center x, or a segment, with edges along +-w_a, and
B the unit ball of a polygonal norm. K - x and B are convex and symmetric, so the interior of d B
misses K iff the normal y of an edge of one of them separates the two:

    |y.x| - sum_a |y.w_a| >= d max_B y.                                                   (1)

Hence the least norm on K is the largest (|y.x| - sum_a |y.w_a|) / max_B y, if that is not negative,
and 0 otherwise. For p-norms, and any y, the same quotient with the dual norm of y below is a lower
bound, and it is the minimum for the gradient y at the nearest point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import sqrt
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.distances import Distance, Interval
from tasks.coloring.certificates.lattices import Vector, dot
from tasks.coloring.certificates.numbers import (
    Surd,
    as_number,
    format_number,
    parse_number,
)
from tasks.coloring.certificates.powers import least_on_segments, lower_bounds, p_lengths
from tasks.records import InputError
from tasks.records.errors import shortened

__all__ = ["BAND", "MAX_BALL", "Euclidean", "Norm", "PNorm", "PolygonalNorm", "determinant"]
__all__ += ["norm_of"]

BAND = 1e-11
"""Floats decide what is farther from a bound than this, relatively to the numbers compared.

Their rounding errors are below 1e-13: fewer than 100 operations of relative error 2^-53."""
MAX_BALL = 256
"""Vertices that a unit ball may have."""


class Norm(Protocol):
    """What norms have in common."""

    def record(self) -> Any:
        """The norm as in files."""
        ...

    def check_dimension(self, dimension: int) -> None:
        """Raise an `InputError` where the norm does not exist in this dimension."""
        ...

    def sign(self, vector: Vector, distance: Distance) -> int | None:
        """The sign of (norm of the vector) - distance; None where it is not decided."""
        ...

    def segment_sign(self, start: Vector, end: Vector, distance: Distance) -> int | None:
        """The sign of (least norm on the segment) - distance; None where it is not decided."""
        ...

    def length(self, vector: Sequence[float]) -> float:
        """The norm of a vector of floats, rounded."""
        ...

    @property
    def radii(self) -> tuple[float, float]:
        """Euclidean lengths (r, R) with r <= |x| / (norm of x) <= R for all x."""
        ...


@dataclass(frozen=True)
class Euclidean:
    """The Euclidean norm of R^2 and R^3."""

    def record(self) -> Any:
        """The norm as in files."""
        return "euclidean"

    def check_dimension(self, dimension: int) -> None:
        """Accept every dimension."""

    def sign(self, vector: Vector, distance: Distance) -> int:
        """The sign of |vector| - distance."""
        return (dot(vector, vector) - distance.square).sign

    def segment_sign(self, start: Vector, end: Vector, distance: Distance) -> int:
        """The sign of (least length on the segment) - distance."""
        step = tuple(y - x for x, y in zip(start, end, strict=True))
        along, square = dot(start, step), dot(step, step)
        if along < 0 and -along < square:
            least = dot(start, start) * square - along * along
            return (least - distance.square * square).sign
        return self.sign(start if along >= 0 else end, distance)

    def length(self, vector: Sequence[float]) -> float:
        """The Euclidean length."""
        return float(np.linalg.norm(vector))

    @property
    def radii(self) -> tuple[float, float]:
        """(1, 1)."""
        return 1.0, 1.0


@dataclass(frozen=True)
class PolygonalNorm:
    """The norm of the plane whose unit ball is a polygon.

    Attributes
    ----------
    vertices
        Of the ball, counterclockwise; u_(j + m/2) = -u_j.

    Raises
    ------
    InputError
        If they are not the vertices of a symmetric, strictly convex polygon around the origin.
    """

    vertices: tuple[Vector, ...]

    def __post_init__(self) -> None:
        if not _is_ball(self.vertices):
            raise InputError(
                "the unit ball is not a convex polygon with center 0: list its vertices "
                f"counterclockwise, each with its opposite, at most {MAX_BALL}"
            )

    @classmethod
    def of(cls, vertices: Sequence[Sequence[object]]) -> PolygonalNorm:
        """The norm of the ball with these vertices, given as Python numbers or texts."""
        return cls(tuple(tuple(as_number(x) for x in vertex) for vertex in vertices))

    @classmethod
    def maximum(cls) -> PolygonalNorm:
        """The norm max(|x|, |y|)."""
        return cls.of([(1, 1), (-1, 1), (-1, -1), (1, -1)])

    @classmethod
    def diamond(cls) -> PolygonalNorm:
        """The norm |x| + |y|."""
        return cls.of([(1, 0), (0, 1), (-1, 0), (0, -1)])

    def record(self) -> Any:
        """The norm as in files."""
        return {"ball": [[format_number(x) for x in vertex] for vertex in self.vertices]}

    def check_dimension(self, dimension: int) -> None:
        """Refuse all but the plane."""
        _check_plane(dimension, "polygonal norms")

    @cached_property
    def normals(self) -> tuple[tuple[Vector, Surd], ...]:
        """Half of the normals y of edges, each with max_B y; the norm is max |y.x| / max_B y."""
        half = len(self.vertices) // 2
        pairs = zip(self.vertices[:half], self.vertices[1 : half + 1], strict=True)
        return tuple(((w[1] - u[1], u[0] - w[0]), determinant(u, w)) for u, w in pairs)

    def support(self, y: Vector) -> Surd:
        """max_B y."""
        return max(dot(y, u) for u in self.vertices)

    def sign(self, vector: Vector, distance: Distance) -> int:
        """The sign of (norm of the vector) - distance."""
        d = _number(distance)
        return max((abs(dot(y, vector)) - d * top).sign for y, top in self.normals)

    def segment_sign(self, start: Vector, end: Vector, distance: Distance) -> int:
        """The sign of (least norm on the segment) - distance, by (1)."""
        d = _number(distance)
        if start == end:
            return self.sign(start, distance)
        x = tuple((a + b) * Fraction(1, 2) for a, b in zip(start, end, strict=True))
        w = tuple((b - a) * Fraction(1, 2) for a, b in zip(start, end, strict=True))
        normal = (-w[1], w[0])
        normals = (*self.normals, (normal, self.support(normal)))
        return max((abs(dot(y, x)) - abs(dot(y, w)) - d * top).sign for y, top in normals)

    def bounds(self, interval: Interval) -> tuple[Surd, Surd]:
        """The bounds of an interval as numbers; an `InputError` if one is the root of a number."""
        return _number(interval.low), _number(interval.high)

    def length(self, vector: Sequence[float]) -> float:
        """The norm, rounded."""
        y, top = self.float_normals
        return float(np.max(np.abs(y @ np.asarray(vector)) / top))

    @cached_property
    def float_normals(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The normals (m/2, 2) and max_B of each, as floats."""
        y = np.array([[float(x) for x in normal] for normal, _ in self.normals])
        return y, np.array([float(top) for _, top in self.normals])

    @cached_property
    def radii(self) -> tuple[float, float]:
        """Of the largest disk in the ball and the smallest around it, rounded outwards."""
        y, top = self.float_normals
        inner = float(np.min(top / np.linalg.norm(y, axis=1)))
        outer = max(sqrt(float(dot(u, u))) for u in self.vertices)
        return inner * (1 - BAND), outer * (1 + BAND)


@dataclass(frozen=True)
class PNorm:
    """The norm (|x|^p + |y|^p)^(1/p) of the plane.

    For p = 1 and 2 it is polygonal and Euclidean, and exact.

    Attributes
    ----------
    p
        Rational, at least 1.

    Raises
    ------
    InputError
        If p is less than 1 or irrational.
    """

    p: Fraction

    def __post_init__(self) -> None:
        if self.p < 1:
            raise InputError(f"a p-norm needs p >= 1, not {shortened(str(self.p))}")

    @classmethod
    def of(cls, p: object) -> PNorm:
        """The norm of this p, a Python number or text."""
        return cls(as_number(p).fraction)

    def record(self) -> Any:
        """The norm as in files."""
        return {"p": format_number(self.p)}

    def check_dimension(self, dimension: int) -> None:
        """Refuse all but the plane."""
        _check_plane(dimension, "p-norms")

    @cached_property
    def exact(self) -> Euclidean | PolygonalNorm | None:
        """The same norm where it can be decided exactly."""
        return {1: PolygonalNorm.diamond(), 2: Euclidean()}.get(self.p)  # pyrefly: ignore

    def bounds(self, interval: Interval) -> tuple[Surd, Surd]:
        """The bounds of an interval as numbers; an `InputError` if one is the root of a number."""
        return _number(interval.low), _number(interval.high)

    @cached_property
    def exponents(self) -> tuple[float, float]:
        """The floats p and q with 1/p + 1/q = 1."""
        q = self.p / (self.p - 1) if self.p > 1 else Fraction(0)
        return float(Surd.of(self.p)), float(Surd.of(q))

    def sign(self, vector: Vector, distance: Distance) -> int | None:
        """The sign of (norm of the vector) - distance; None within `BAND`."""
        if self.exact is not None:
            return self.exact.sign(vector, distance)
        length = self.length([float(x) for x in vector])
        return _enclosed_sign(length, length, float(distance), length)

    def segment_sign(self, start: Vector, end: Vector, distance: Distance) -> int | None:
        """The sign of (least norm on the segment) - distance; None where it is not decided."""
        if self.exact is not None:
            return self.exact.segment_sign(start, end, distance)
        x, y = (np.array([[float(e) for e in point]]) for point in (start, end))
        center, half = (x + y) / 2, (y - x) / 2
        high, normal = least_on_segments(center, half, self.exponents)
        low = lower_bounds(normal, center, half[:, None, :], self.exponents[1])
        scale = max(self.length(x[0]), self.length(y[0]))
        return _enclosed_sign(float(low[0]), float(high[0]), float(distance), scale)

    def length(self, vector: Sequence[float]) -> float:
        """The norm, rounded."""
        return float(p_lengths(np.asarray(vector), self.exponents[0]))

    @property
    def radii(self) -> tuple[float, float]:
        """(1/sqrt 2, sqrt 2), which hold for all p."""
        return sqrt(0.5), sqrt(2.0)


def _enclosed_sign(low: float, high: float, distance: float, scale: float) -> int | None:
    error = BAND * (scale + distance)
    if low - error > distance:
        return 1
    return -1 if high + error < distance else None


def norm_of(record: object, surd: int | None = None) -> Norm:
    """The norm of the entry `norm` of a file: "euclidean", {"ball": vertices} or {"p": number}.

    Raises
    ------
    InputError
        If it is none of these.
    """
    if record == "euclidean":
        return Euclidean()
    if isinstance(record, dict) and set(record) == {"p"}:
        return PNorm(parse_number(record["p"]).fraction)
    if isinstance(record, dict) and set(record) == {"ball"}:
        ball = record["ball"]
        if isinstance(ball, list) and all(isinstance(u, list) and len(u) == 2 for u in ball):
            return PolygonalNorm(tuple(tuple(parse_number(x, surd) for x in u) for u in ball))
    raise InputError(
        f'unknown norm {shortened(record)}: known are "euclidean", {{"ball": [[x, y], ...]}} and '
        '{"p": "3"}'
    )


def determinant(u: Vector, w: Vector) -> Surd:
    """The determinant of two vectors of the plane."""
    return u[0] * w[1] - u[1] * w[0]


def _check_plane(dimension: int, what: str) -> None:
    if dimension != 2:
        raise InputError(f"{what} are for the plane, not for dimension {dimension}: use euclidean")


def _number(distance: Distance) -> Surd:
    if distance.value is None:
        raise InputError(f"the distance {distance} is for the Euclidean norm: give a number")
    return distance.value


def _is_ball(vertices: tuple[Vector, ...]) -> bool:
    """Whether vertices wind once around the origin, symmetric, with left turns only."""
    m, half = len(vertices), len(vertices) // 2
    if not 4 <= m <= MAX_BALL or m % 2 or any(len(u) != 2 for u in vertices):
        return False
    if any(vertices[j + half] != tuple(-x for x in vertices[j]) for j in range(half)):
        return False
    if any(determinant(vertices[0], u) <= 0 for u in vertices[1:half]):
        return False
    steps = [
        tuple(y - x for x, y in zip(vertices[j], vertices[(j + 1) % m], strict=True))
        for j in range(m)
    ]
    return all(determinant(vertices[j], vertices[j + 1]) > 0 for j in range(half)) and all(
        determinant(steps[j], steps[(j + 1) % m]) > 0 for j in range(half)
    )
