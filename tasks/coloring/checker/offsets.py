"""The offsets at which two translates of a body can hold a forbidden distance.

An offset d is a vector of integers, the center of its body c = sum of d_a w_a.  The c at which
c + K comes nearer than a distance form a convex set, those at which c + K stays within a distance
another; on a row of offsets the first set without the second is therefore at most two spans, whose
ends are decided exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isqrt

from tasks.coloring.checker.bodies import Body
from tasks.coloring.checker.limits import Budget
from tasks.coloring.checker.norms import Norm
from tasks.coloring.checker.numbers import Number, floor_scaled
from tasks.coloring.checker.vectors import Vector, combination, dot
from tasks.coloring.checker.walks import Offset, Span, Walk, shift_for


@dataclass(frozen=True)
class Run:
    """Offsets (*prefix, first), ..., (*prefix, last)."""

    prefix: Offset
    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1

    def offsets(self) -> Iterator[Offset]:
        """One after the other."""
        for last in range(self.first, self.last + 1):
            yield (*self.prefix, last)


@dataclass(frozen=True)
class Setting:
    """Translates of one body, everything times one scale in integer coefficients.

    Attributes
    ----------
    vectors
        The w_a.
    body
        The body K of differences.
    norm
        In which distances are measured.
    is_closed
        Whether the cells are closed.
    """

    vectors: Sequence[Vector]
    body: Body
    norm: Norm
    is_closed: bool

    def conflict_runs(self, low: Number, high: Number, budget: Budget) -> list[Run]:
        """Half of the offsets that can hold a distance in [low, high]: of d and -d one.

        Runs of the prefix 0 are given whole.  Distances are as the norm takes them.

        Raises
        ------
        RefusedError
            If there are too many.
        """
        runs = []
        for prefix, (first, last), inner in self._rows(low, high, budget):
            if prefix < (0,) * len(prefix):
                continue

            def reaches(x: int, prefix: Offset = prefix) -> bool:
                budget.spend(1)
                center = combination((*prefix, x), self.vectors)
                return self.body.can_reach(center, high, self.norm, is_closed=self.is_closed)

            def exceeds(x: int, prefix: Offset = prefix) -> bool:
                budget.spend(1)
                center = combination((*prefix, x), self.vectors)
                return self.body.can_exceed(center, low, self.norm, is_closed=self.is_closed)

            runs += [Run(prefix, *span) for span in _spans((first, last), inner, reaches, exceeds)]
        return runs

    def _rows(
        self, low: Number, high: Number, budget: Budget
    ) -> Iterator[tuple[Offset, Span, Span]]:
        """Rows of offsets, by Euclidean balls around and within: outside and inside no conflict."""
        bits = shift_for(self._radius(high, 0))
        around = self._radius(high, bits)
        extent = isqrt(max(floor_scaled(dot(v, v), 2 * bits) for v in self.body.vertices)) + 1
        outer = int(around * self.norm.outer) + extent + 1
        inner = int((self._radius(low, bits) - 1) * self.norm.inner) - extent - 1
        walk = Walk.of(self.vectors, bits)
        slack = walk.slack(outer)
        base = (0,) * len(self.vectors)
        return walk.rows(base, outer + slack, inner - slack, budget)

    def _radius(self, distance: Number, bits: int) -> int:
        """The distance in units of 2^-bits, rounded up."""
        if self.norm.takes_squares:
            return isqrt(floor_scaled(distance, 2 * bits)) + 1
        return floor_scaled(distance, bits) + 1


def _spans(
    row: Span, inner: Span, reaches: Callable[[int], bool], exceeds: Callable[[int], bool]
) -> Iterator[Span]:
    """The parts of a row that reach the high distance and exceed the low one.

    Those outside the row do not reach, those of the inner span do not exceed and do reach.
    """
    first, last = row
    left, right = inner
    if left <= right:
        # Between what is known to be in a convex set and a point outside it: bisect.
        first = _first(reaches, first, left)
        last = -_first(lambda x: reaches(-x), -last, -right)
        left = _first(lambda x: not exceeds(x), first, left)
        right = -_first(lambda x: not exceeds(-x), -last, -right)
        yield from ((a, b) for a, b in ((first, left - 1), (right + 1, last)) if a <= b)
        return
    while first <= last and not reaches(first):
        first += 1
    while first <= last and not reaches(last):
        last -= 1
    left, right = first, last
    while left <= right and exceeds(left):
        left += 1
    while left <= right and exceeds(right):
        right -= 1
    if left > right:
        left, right = last + 1, last
    yield from ((a, b) for a, b in ((first, left - 1), (right + 1, last)) if a <= b)


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The first x in [low, high] from which on it holds, given that it holds at high."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low
