"""Least and greatest norms of differences of cells: enclosures in floats, and exact decisions.

The differences of two half-open cells at the offset d form the open parallelepiped

    D(d) = {sum_a (d_a + s_a) w_a : -1 < s_a < 1},    w_a = v_a / m_a.

Its norms form the interval (min, max), or [0, max) for d = 0, and a forbidden interval [low, high]
can be met iff min < high and max > low. The greatest norm of the closure is at a corner. The least
one is 0 if the closure holds the origin, that is if all |d_a| <= 1. Else it is found

* in the Euclidean norm at a corner or at the foot of the origin on an edge or a face;
* in polygonal norms by separating lines, and in p-norms by lower and upper bounds, as
  `tasks.coloring.certificates.norms` explains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import combinations, product
from math import lcm
from operator import mul
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.distances import Interval
from tasks.coloring.certificates.lattices import Lattice, Vector, dot
from tasks.coloring.certificates.norms import Euclidean, Norm, PNorm, PolygonalNorm
from tasks.coloring.certificates.numbers import Surd
from tasks.coloring.certificates.powers import least_on_segments, lower_bounds, p_lengths

__all__ = ["Enclosure", "Extents", "extents_of"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Exact = NDArray[Any]
"""An array of integers of any size, or of surds where something is irrational."""

_MAX_POWER = 64
"""Integer p-norms up to this p decide corners exactly."""


@dataclass(frozen=True)
class Enclosure:
    """The extents of N differences, up to rounding errors.

    Attributes
    ----------
    least_low, least_high
        (N,), bounds of the least norm.
    greatest
        (N,), the greatest norm.
    scale
        Rounding errors are below `tasks.coloring.certificates.norms.BAND` times this.
    """

    least_low: Floats
    least_high: Floats
    greatest: Floats
    scale: float


class Extents(Protocol):
    """Norms of differences of cells beside one forbidden interval."""

    def enclosure(self, offsets: Ints, centers: Floats) -> Enclosure:
        """Enclose the extents at offsets (N, n), given sum_a d_a w_a as floats (N, n)."""
        ...

    def conflicts(self, offsets: Ints) -> Bools:
        """Whether min < high and max > low at offsets (N, n): exactly, or True if undecided."""
        ...


def extents_of(cells: Lattice, norm: Norm, interval: Interval) -> Extents:
    """The extents of cells with these edges in a norm."""
    exact = norm.exact if isinstance(norm, PNorm) and norm.exact is not None else norm
    exact.check_dimension(cells.dimension)
    if isinstance(exact, Euclidean):
        return _EuclideanExtents(cells, interval)
    if isinstance(exact, PolygonalNorm):
        return _PolygonalExtents(cells, interval, exact)
    assert isinstance(exact, PNorm)
    return _PowerExtents(cells, interval, exact)


def _corners(steps: NDArray[Any]) -> NDArray[Any]:
    """The corners (2^k, n) of {sum_a s_a w_a} for steps (k, n)."""
    signs = np.array(list(product((-1, 1), repeat=len(steps))))
    return signs.astype(steps.dtype) @ steps


def _faces(w: NDArray[Any]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Directions (k, n) and center (n,) of every edge, and in space of every face."""
    n, found = len(w), []
    for k in range(1, n):
        for free in combinations(range(n), k):
            fixed = [a for a in range(n) if a not in free]
            found += [(w[list(free)], corner) for corner in _corners(w[fixed])]
    return found


def _scale(centers: Floats, steps: Floats) -> float:
    largest = np.linalg.norm(centers, axis=1).max(initial=0.0)
    return float(largest + np.linalg.norm(steps, axis=1).sum())


def _touch(offsets: Ints) -> Bools:
    """Whether the closure of the differences holds the origin."""
    return np.abs(offsets).max(axis=1) <= 1


def _scaled(numbers: Sequence[Surd], also: int = 1) -> tuple[int, Exact]:
    """A multiple D of `also` and the products D x, integers where all of them are rational."""
    scale = lcm(also, *(q.denominator for x in numbers for q in (x.a, x.b)))
    products = [scale * x for x in numbers]
    if all(x.is_rational for x in products):
        return scale, np.array([x.a.numerator for x in products], dtype=object)
    return scale, np.array(products, dtype=object)


def _products(v: Exact, w: Exact) -> Exact:
    """The inner products along the last axis."""
    return (v * w).sum(axis=-1)


@dataclass(frozen=True)
class _EuclideanExtents:
    cells: Lattice
    interval: Interval

    def enclosure(self, offsets: Ints, centers: Floats) -> Enclosure:
        """Bound the least norm by the nearest point z, above by |z|, below by (x.z - ...) / |z|."""
        w = self.cells.floats
        greatest = np.max([np.linalg.norm(centers + c, axis=1) for c in _corners(w)], axis=0)
        nearest = self._nearest(centers)
        high = np.linalg.norm(nearest, axis=1)
        inner = np.sum(nearest * centers, axis=1) - np.abs(nearest @ w.T).sum(axis=1)
        low = np.maximum(inner / np.where(high > 0, high, 1.0), 0.0)
        touch = _touch(offsets)
        low[touch] = high[touch] = 0.0
        return Enclosure(low, high, greatest, _scale(centers, w))

    def _nearest(self, centers: Floats) -> Floats:
        """Points (N, n) of the closures that are nearest to the origin, up to rounding."""
        best, best_square = centers, np.full(len(centers), np.inf)
        for free, shift in _faces(self.cells.floats):
            y = centers + shift
            feet = np.clip(-y @ np.linalg.pinv(free), -1.0, 1.0)
            point = y + feet @ free
            square = np.sum(point**2, axis=1)
            closer = square < best_square
            best = np.where(closer[:, None], point, best)
            best_square = np.where(closer, square, best_square)
        return best

    def conflicts(self, offsets: Ints) -> Bools:
        low, high, edges = self._exact
        x = offsets.astype(object) @ edges
        squares = np.array([_products(x + c, x + c) for c in _corners(edges)])
        nearer = _touch(offsets) | (squares < high).any(axis=0)
        for free, shift in _faces(edges):
            left = np.flatnonzero(~nearer)
            nearer[left] = _foot_below(x[left] + shift, free, high)
        return nearer & (squares > low).any(axis=0)

    @cached_property
    def _exact(self) -> tuple[Any, Any, Exact]:
        """The squares of both bounds and the edges (n, n), scaled alike."""
        n, squares = self.cells.dimension, (self.interval.low.square, self.interval.high.square)
        also, _ = _scaled(squares)
        scale, edges = _scaled([e for vector in self.cells.vectors for e in vector], also)
        _, (low, high) = _scaled([square * scale**2 for square in squares])
        return low, high, edges.reshape(n, n)


def _foot_below(y: Exact, free: Exact, square: Any) -> Bools:
    """Whether the foot of the origin lies in y + {sum_a s_a w_a}, nearer than the root.

    For centers y (N, n) and one or two directions w_a. With the Gram matrix G of the directions the
    foot is at s = -G^-1 (y.w_a) and at the squared distance y.y + sum_a s_a y.w_a.
    """
    along, gram = y @ free.T, free @ free.T
    if len(free) == 1:
        size, adjugate = gram[0, 0], np.array([[1]], dtype=object)
    else:
        (a, b), (_, c) = gram
        size, adjugate = a * c - b * b, np.array([[c, -b], [-b, a]], dtype=object)
    feet = along @ adjugate
    inside = (abs(feet) <= size).all(axis=1)
    return inside & (_products(y, y) * size - _products(feet, along) < square * size)


@dataclass(frozen=True)
class _PolygonalExtents:
    cells: Lattice
    interval: Interval
    norm: PolygonalNorm

    @cached_property
    def _normals(self) -> tuple[tuple[Vector, Surd], ...]:
        """Normals y of edges of the ball and of the cells, each with max_B y."""
        across = [(-w[1], w[0]) for w in self.cells.vectors]
        return (*self.norm.normals, *((y, self.norm.support(y)) for y in across))

    @cached_property
    def _reach(self) -> list[Surd]:
        """sum_a |y.w_a| for each normal y."""
        v, w = self.cells.vectors
        return [abs(dot(y, v)) + abs(dot(y, w)) for y, _ in self._normals]

    def enclosure(self, offsets: Ints, centers: Floats) -> Enclosure:
        least, greatest = np.zeros(len(centers)), np.zeros(len(centers))
        longest, facets = 0.0, len(self.norm.normals)
        for k, ((y, top), reach) in enumerate(zip(self._normals, self._reach, strict=True)):
            unit = np.array([float(e) for e in y]) / float(top)
            inner, extra = np.abs(centers @ unit), float(reach) / float(top)
            least = np.maximum(least, inner - extra)
            if k < facets:
                greatest = np.maximum(greatest, inner + extra)
            longest = max(longest, float(np.linalg.norm(unit)))
        return Enclosure(least, least, greatest, longest * _scale(centers, self.cells.floats))

    def conflicts(self, offsets: Ints) -> Bools:
        steps, reach, low, high = self._exact
        inner, facets = abs(offsets.astype(object) @ steps), len(self.norm.normals)
        farther = (inner + reach)[:, :facets] > low[:facets]
        return np.any(farther, axis=1) & np.all(inner - reach < high, axis=1)

    @cached_property
    def _exact(self) -> tuple[Exact, Exact, Exact, Exact]:
        """For each normal y: y.w_a (2, K), their reach, and both bounds times max_B y (K,)."""
        low, high = self.norm.bounds(self.interval)
        rows = [
            _scaled([*(dot(y, w) for w in self.cells.vectors), reach, low * top, high * top])[1]
            for (y, top), reach in zip(self._normals, self._reach, strict=True)
        ]
        table = np.array(rows, dtype=object).T
        return table[:2], table[2], table[3], table[4]


@dataclass(frozen=True)
class _PowerExtents:
    cells: Lattice
    interval: Interval
    norm: PNorm

    def enclosure(self, offsets: Ints, centers: Floats) -> Enclosure:
        """Bound the least norm by the triangle inequality, and where that fails by gradients."""
        w, (p, _) = self.cells.floats, self.norm.exponents
        corners = np.array([p_lengths(centers + c, p) for c in _corners(w)])
        low = np.maximum(p_lengths(centers, p) - p_lengths(_corners(w), p).max(), 0.0)
        high, greatest = corners.min(axis=0), corners.max(axis=0)
        first, last = self.interval.floats
        near = np.flatnonzero((low <= 1.01 * last) & (greatest >= 0.99 * first))
        low[near], high[near] = self._least(centers[near])
        touch = _touch(offsets)
        low[touch] = high[touch] = 0.0
        return Enclosure(low, high, greatest, 2 * _scale(centers, w))

    def _least(self, centers: Floats) -> tuple[Floats, Floats]:
        w, (p, q) = self.cells.floats, self.norm.exponents
        low, high = np.zeros(len(centers)), np.full(len(centers), np.inf)
        for free, shift in _faces(w):
            length, y = least_on_segments(centers + shift, free[0], (p, q))
            low = np.maximum(low, lower_bounds(y, centers, w, q))
            high = np.minimum(high, length)
        return low, high

    def conflicts(self, offsets: Ints) -> Bools:
        """Decide what is tight along an axis, or at a corner for an integer p; else return True.

        |x|_p >= |x_i|, so that an axis may separate; and |x|_p^p is rational for an integer p.
        """
        low, high, edges = self._exact
        x = offsets.astype(object) @ edges
        separated = (abs(x) - abs(edges).sum(axis=0) >= high).any(axis=1)
        if self.norm.p.denominator > 1 or self.norm.p > _MAX_POWER:
            return ~separated
        p = self.norm.p.numerator
        powers = np.array([_powers(x + c, p).sum(axis=1) for c in _corners(edges)])
        return ~separated & (powers > _powers(np.array([low]), p)).any(axis=0)

    @cached_property
    def _exact(self) -> tuple[Any, Any, Exact]:
        """Both bounds and the edges (2, 2), scaled alike."""
        entries = [e for vector in self.cells.vectors for e in vector]
        _, scaled = _scaled([*entries, *self.norm.bounds(self.interval)])
        return scaled[4], scaled[5], scaled[:4].reshape(2, 2)


def _powers(x: Exact, p: int) -> Exact:
    """The products of |x| with itself, p factors."""
    return reduce(mul, [abs(x)] * p)
