"""The integer combinations of vectors that lie in a ball, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import isqrt, prod

from tasks.coloring.checker.limits import MAX_OFFSET, Budget
from tasks.coloring.checker.numbers import floor_scaled
from tasks.coloring.checker.vectors import Vector, cross_product, determinant, dot, plus, times
from tasks.coloring.checker.verdicts import RefusedError

Span = tuple[int, int]
"""First and last of consecutive integers; empty if the last is before the first."""
Offset = tuple[int, ...]
"""Integer coefficients of vectors."""

SCALE_BITS = 96
"""Bits of the ball's radius in units of the walk."""


def shift_for(radius: int) -> int:
    """The power of 2 by which vectors are multiplied before a walk in a ball of this radius."""
    return max(0, SCALE_BITS - radius.bit_length())


@dataclass(frozen=True)
class Walk:
    """Vectors rounded down to multiples of a small unit.

    Attributes
    ----------
    vectors
        Integer coordinates, in units; each is less than one unit below the exact one.
    normals
        The dual vectors times the determinant.
    det
        Determinant of the rounded vectors.
    is_exact
        Whether nothing was rounded.
    """

    vectors: tuple[tuple[int, ...], ...]
    normals: tuple[tuple[int, ...], ...]
    det: int
    is_exact: bool

    @classmethod
    def of(cls, vectors: Sequence[Vector], bits: int) -> Walk:
        """A walk along these vectors, in units of 2^-bits.

        Raises
        ------
        RefusedError
            If the rounded vectors are dependent: the vectors differ too much in length, or are
            nearly parallel.
        """
        rounded = tuple(tuple(floor_scaled(x, bits) for x in w) for w in vectors)
        is_exact = all(isinstance(x, int) for w in vectors for x in w)
        det = determinant(rounded)
        if not det:
            raise RefusedError("too much work: the vectors are nearly parallel")
        return cls(rounded, _normals(rounded), det, is_exact)

    def slack(self, radius: int) -> int:
        """How far, in units, rounding can move a combination within the radius, plus a base.

        With d = sum of |d_a| and n the dimension <= 3, a combination moves by less than 2 d, a
        base by less than 2. By dual vectors d <= u (radius + 2 + 2 d) for the sum u of their
        lengths, so that d <= 2 u (radius + 2) where 4 u <= 1.

        Raises
        ------
        RefusedError
            If coefficients above 2^31 are possible, or 4 u > 1.
        """
        lengths = sum(isqrt(dot(f, f)) + 1 for f in self.normals)
        most = 2 * lengths * (radius + 2) // abs(self.det) + 1
        if most > MAX_OFFSET or (not self.is_exact and 4 * lengths > abs(self.det)):
            raise RefusedError(
                f"too much work: offsets of up to {most.bit_length()} bits can hold a distance"
            )
        return 0 if self.is_exact else 2 * most + 2

    def rows(
        self, base: tuple[int, ...], outer: int, inner: int, budget: Budget
    ) -> Iterator[tuple[Offset, Span, Span]]:
        """The offsets d with |base + sum of d_a w_a| <= outer, as spans of the last coefficient.

        With each come those <= inner, in a second span.  Both in units, for the rounded vectors.
        """
        reach = outer + 1
        ranges = []
        for f in self.normals[:-1]:
            middle, width = -dot(f, base), (isqrt(dot(f, f)) + 1) * reach
            ends = (middle - width) // self.det, (middle + width) // self.det
            ranges.append(range(min(ends), max(ends) + 2))
        budget.spend(prod(map(len, ranges)))
        for prefix in product(*ranges):
            start: Vector = base
            for c, w in zip(prefix, self.vectors[:-1], strict=True):
                start = plus(start, times(c, w))
            first, last = chord(start, self.vectors[-1], outer)
            if first <= last:
                yield prefix, (first, last), chord(start, self.vectors[-1], inner)


def _normals(vectors: Sequence[Vector]) -> tuple[Vector, ...]:
    if len(vectors) == 2:
        (a, b), (c, d) = vectors
        return ((d, -c), (-b, a))
    return tuple(cross_product(vectors[k - 2], vectors[k - 1]) for k in range(3))


def chord(start: Vector, step: Vector, radius: int) -> Span:
    """The integers x with |start + x step| <= radius; (0, -1) if it never is.

    With a = |step|^2, b = start.step and c = |start|^2 - radius^2 these are the x with
    |a x + b| <= sqrt(b^2 - a c).
    """
    a, b = dot(step, step), dot(start, step)
    square = b * b - a * (dot(start, start) - radius * radius)
    if radius < 0 or square < 0:
        return (0, -1)
    root = isqrt(square)
    return (-((root + b) // a), (root - b) // a)
