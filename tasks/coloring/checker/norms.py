"""Norms: whether a vector, or the nearest point of a segment, is nearer than a distance.

Vectors and distances come multiplied by one common scale, in integer coefficients.  A comparison is
the sign of norm - distance, or None where it stays undecided, which p-norms alone do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from tasks.coloring.checker.limits import MAX_POWER_BITS
from tasks.coloring.checker.numbers import (
    Number,
    common_denominator,
    floor_scaled,
    root_bounds,
    sign,
)
from tasks.coloring.checker.powers import compare_powers, integer_root
from tasks.coloring.checker.vectors import Vector, cross, dot, minus, scaled_vector
from tasks.coloring.checker.verdicts import RefusedError


class Norm(Protocol):
    """What decisions need of a norm.

    Attributes
    ----------
    takes_squares
        Whether distances are given to it by their squares.
    cost
        About how many steps of the Euclidean norm a comparison takes.
    inner, outer
        Rational radii of Euclidean balls within and around the unit ball.
    """

    @property
    def takes_squares(self) -> bool:
        """Whether distances are squared."""

    @property
    def cost(self) -> int:
        """Steps of a comparison."""

    @property
    def inner(self) -> Fraction:
        """The radius within."""

    @property
    def outer(self) -> Fraction:
        """The radius around."""

    def side(self, x: Vector, distance: Number) -> int | None:
        """The sign of |x| - distance."""

    def segment_side(self, a: Vector, b: Vector, distance: Number) -> int | None:
        """The sign of the minimum of |x| over the segment from a to b, less the distance."""

    def check_scale(self, scale: int) -> None:
        """Refuse a common denominator that takes too long."""


@dataclass(frozen=True)
class Euclidean:
    """The Euclidean norm; distances are given by their squares."""

    takes_squares = True
    cost = 1
    inner = Fraction(1)
    outer = Fraction(1)

    def side(self, x: Vector, distance: Number) -> int:
        """The sign of |x|^2 - distance."""
        return sign(dot(x, x) - distance)

    def segment_side(self, a: Vector, b: Vector, distance: Number) -> int:
        """The sign of the least |x|^2 over the segment from a to b, less the distance."""
        along = minus(b, a)
        length, foot = dot(along, along), -dot(a, along)
        if foot <= 0:
            return self.side(a, distance)
        if foot >= length:
            return self.side(b, distance)
        return sign((dot(a, a) - distance) * length - foot * foot)

    def check_scale(self, scale: int) -> None:
        """Any scale will do."""


@dataclass(frozen=True)
class Polygonal:
    """The norm whose unit ball is a convex polygon, symmetric about 0.

    Attributes
    ----------
    sides
        For every side from u to v of the ball: v - u, and det(u, v) > 0; the norm of x is the
        largest of scale det(x, v - u) / det(u, v).
    scale
        The factor by which the vertices were multiplied.
    inner, outer
        Radii of balls within and around.
    """

    sides: tuple[tuple[Vector, Number], ...]
    scale: int
    inner: Fraction
    outer: Fraction
    takes_squares = False

    @property
    def cost(self) -> int:
        """A step for every few sides."""
        return 1 + len(self.sides) // 8

    @classmethod
    def of(cls, vertices: list[Vector]) -> Polygonal:
        """The norm of a ball with these vertices, checked elsewhere."""
        scale = common_denominator(x for u in vertices for x in u)
        ball = [scaled_vector(u, scale) for u in vertices]
        pairs = list(zip(ball, ball[1:] + ball[:1], strict=True))
        sides = tuple((minus(v, u), cross(u, v)) for u, v in pairs)
        heights = (
            Fraction(floor_scaled(area, 64), 2**64) / root_bounds(dot(along, along))[1]
            for along, area in sides
        )
        outer = max(root_bounds(dot(u, u))[1] for u in ball)
        return cls(sides, scale, min(heights) / scale, outer / scale)

    def _excesses(self, x: Vector, distance: Number) -> Iterator[Number]:
        """For every side a positive multiple of its value at x, less that at the distance."""
        for along, area in self.sides:
            yield self.scale * cross(x, along) - distance * area

    def side(self, x: Vector, distance: Number) -> int:
        """The sign of |x| - distance."""
        return max(sign(value) for value in self._excesses(x, distance))

    def segment_side(self, a: Vector, b: Vector, distance: Number) -> int:
        """The sign of the minimum of |x| over the segment from a to b, less the distance.

        Every side of the scaled ball leaves an interval of the t with a + t (b - a) within; the
        segment meets the ball iff they meet, and its interior iff they meet in an open interval.
        """
        least, most = (0, 1), (1, 1)  # quotients with positive denominators
        at_b = self._excesses(b, distance)
        is_within = True
        for start, end in zip(self._excesses(a, distance), at_b, strict=True):
            if start >= 0 and end >= 0:
                if start > 0 and end > 0:
                    return 1
                is_within = False
            if start > 0:
                least = max_quotient(least, (start, start - end))
            elif end > 0:
                most = min_quotient(most, (-start, end - start))
        gap = sign(most[0] * least[1] - least[0] * most[1])
        if gap > 0:
            return -1 if is_within else 0
        return 1 if gap < 0 else 0

    def check_scale(self, scale: int) -> None:
        """Any scale will do."""


def max_quotient(x: tuple[Number, Number], y: tuple[Number, Number]) -> tuple[Number, Number]:
    """The larger one of two quotients with positive denominators."""
    return y if y[0] * x[1] > x[0] * y[1] else x


def min_quotient(x: tuple[Number, Number], y: tuple[Number, Number]) -> tuple[Number, Number]:
    """The smaller one of two quotients with positive denominators."""
    return y if y[0] * x[1] < x[0] * y[1] else x


@dataclass(frozen=True)
class Power:
    """The p-norm (|x|^p + |y|^p)^(1/p) for p = r / s > 1; its dual is that of q = r / (r - s)."""

    r: int
    s: int
    takes_squares = False

    @property
    def cost(self) -> int:
        """Powers take r multiplications, and roots about as long."""
        return self.r

    @property
    def inner(self) -> Fraction:
        """1 for p >= 2, else just below 2^(1/2 - 1/p)."""
        excess = 2 * self.s - self.r
        return Fraction(1) if excess <= 0 else 1 / _root_of_two(excess, 2 * self.r)

    @property
    def outer(self) -> Fraction:
        """1 for p <= 2, else just above 2^(1/2 - 1/p)."""
        excess = self.r - 2 * self.s
        return Fraction(1) if excess <= 0 else _root_of_two(excess, 2 * self.r)

    def side(self, x: Vector, distance: Number) -> int | None:
        """The sign of |x| - distance."""
        return compare_powers(abs(x[0]), abs(x[1]), distance, self.r, self.s)

    def segment_side(self, a: Vector, b: Vector, distance: Number) -> int | None:
        """The sign of the minimum of |x| over the segment from a to b, less the distance.

        The norm is convex: the minimum is at an end from which it grows, else the distance
        |det(a, b)| / |b - a|_q of the line.  Where it grows is decided by integer powers.
        """
        along = minus(b, a)
        if self._grows(a, along):
            return self.side(a, distance)
        if self._grows(b, minus(a, b)):
            return self.side(b, distance)
        area = abs(cross(a, b))
        if not area:
            return -1
        u, v = (distance * abs(x) for x in along)
        opposite = compare_powers(u, v, area, self.r, self.r - self.s)
        return None if opposite is None else -opposite

    def _grows(self, x: Vector, along: Vector) -> bool:
        """Whether the derivative of |x|^p is >= 0: sum of sign(x_i) |x_i|^(p-1) along_i."""
        first, second = (sign(u) * sign(v) for u, v in zip(x, along, strict=True))
        if first * second >= 0:
            return first + second >= 0
        one, other = (
            abs(u) ** (self.r - self.s) * abs(v) ** self.s for u, v in zip(x, along, strict=True)
        )
        return sign(one - other) * first >= 0

    def check_scale(self, scale: int) -> None:
        """Refuse a common denominator whose powers take too long."""
        if scale.bit_length() * self.r > MAX_POWER_BITS:
            raise RefusedError(
                f"too much work: the common denominator has {scale.bit_length()} bits; with "
                f"p = {self.r}/{self.s} up to {MAX_POWER_BITS // self.r} are allowed"
            )


def _root_of_two(a: int, b: int) -> Fraction:
    """A rational number just above 2^(a / b)."""
    return Fraction(integer_root(2 ** (a + 24 * b), b) + 1, 2**24)
