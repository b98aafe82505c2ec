"""Least and greatest norms of differences of cells: enclosures in floats, and exact decisions.

The differences of two half-open cells at the offset d form the open parallelepiped

    D(d) = {sum_a (d_a + s_a) w_a : -1 < s_a < 1},    w_a = v_a / m_a.

Its norms form the interval (min, max), or [0, max) for d = 0. The greatest norm of the closure is
at a corner. The least is 0 if the closure holds the origin, that is if all |d_a| <= 1. Else it lies
on a face, often not at a corner; then

* Euclidean: it is the distance to a corner, to the line of an edge or to the plane of a face whose
  foot lies in that edge or face, whichever is least;
* polygonal and p-norms: by separating lines, see `tasks.coloring.certificates.norms`.

Enclosures of the least norm need no bound on the condition of the cells: an upper bound is the
length of a point z of D(d), a lower one is (z.x - sum_a |z.w_a|) / |z| with the center x.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import combinations, product
from math import lcm
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.distances import Interval
from tasks.coloring.certificates.lattices import Lattice, Vector, combination, dot
from tasks.coloring.certificates.norms import BAND, Euclidean, Norm, PNorm, PolygonalNorm
from tasks.coloring.certificates.norms import determinant as plane_determinant
from tasks.coloring.certificates.numbers import Surd
from tasks.coloring.certificates.powers import least_on_segments, lower_bounds, p_lengths

__all__ = ["Enclosure", "Extents", "extents_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Exact = int | Surd
"""Integers where all is rational and scaled; they multiply much faster than surds."""


@dataclass(frozen=True)
class Enclosure:
    """Bounds, before rounding errors, of the least norm, and the greatest norm, of N differences.

    Attributes
    ----------
    least_low, least_high, greatest
        (N,).
    scale
        Rounding errors are below `BAND` * scale.
    """

    least_low: Floats
    least_high: Floats
    greatest: Floats
    scale: float


class Extents(Protocol):
    """Norms of differences of cells."""

    def enclosure(self, offsets: Ints, centers: Floats) -> Enclosure:
        """Enclose the extents at offsets (N, n), given sum_a d_a w_a as floats (N, n)."""
        ...

    def conflicts(self, offset: Sequence[int], interval: Interval) -> bool:
        """Whether min < high and max > low at one offset: exactly, or True if undecided."""
        ...


def extents_of(cells: Lattice, norm: Norm) -> Extents:
    """The extents of cells with these edges in a norm."""
    exact = norm.exact if isinstance(norm, PNorm) and norm.exact is not None else norm
    exact.check_dimension(cells.dimension)
    if isinstance(exact, Euclidean):
        return _EuclideanExtents(cells)
    return (
        _PolygonalExtents(cells, exact)
        if isinstance(exact, PolygonalNorm)
        else (_PowerExtents(cells, exact))
    )


def _corners(steps: Floats) -> Floats:
    """The corners (2^k, n) of {sum_a s_a w_a} for steps (k, n)."""
    signs = np.array(list(product((-1.0, 1.0), repeat=len(steps))))
    return signs @ steps


def _norm_scale(centers: Floats, steps: Floats) -> float:
    largest = np.linalg.norm(centers, axis=1).max(initial=0.0)
    return float(largest + np.linalg.norm(steps, axis=1).sum())


def _scaled(numbers: Sequence[Surd], also: int = 1) -> tuple[int, list[Exact]]:
    """A multiplier D of `also` and the products D x, as integers where they are."""
    scale = lcm(also, *(q.denominator for x in numbers for q in (x.a, x.b)))
    return scale, [scale * x if x.b else (scale * x.a).numerator for x in numbers]


def _sums(signs: Sequence[int], rows: Sequence[Sequence[Exact]]) -> tuple[Exact, ...]:
    return tuple(sum(s * x for s, x in zip(signs, column, strict=True)) for column in zip(*rows))


def _product(v: Sequence[Exact], w: Sequence[Exact]) -> Exact:
    return sum(x * y for x, y in zip(v, w, strict=True))


@dataclass(frozen=True)
class _EuclideanExtents:
    cells: Lattice

    def enclosure(self, offsets: Ints, centers: Floats) -> Enclosure:
        w = self.cells.floats
        greatest = np.max([np.linalg.norm(centers + c, axis=1) for c in _corners(w)], axis=0)
        nearest = self._nearest(centers)
        high = np.linalg.norm(nearest, axis=1)
        inner = np.sum(nearest * centers, axis=1) - np.abs(nearest @ w.T).sum(axis=1)
        low = np.maximum(inner / np.where(high > 0, high, 1.0), 0.0)
        holds_origin = (np.abs(offsets) <= 1).all(axis=1)
        low[holds_origin] = high[holds_origin] = 0.0
        return Enclosure(low, high, greatest, _norm_scale(centers, w))

    def _nearest(self, centers: Floats) -> Floats:
        """Points (N, n) of the closures that are nearest to the origin, up to rounding."""
        best, best_square = centers, np.full(len(centers), np.inf)
        for free, shift in _faces(self.cells.floats):
            y = centers + shift
            pseudo = np.linalg.pinv(free)  # coordinates of feet, which are cut to [-1, 1]
            point = y - np.clip(y @ pseudo, -1.0, 1.0) @ free
            square = np.sum(point**2, axis=1)
            closer = square < best_square
            best = np.where(closer[:, None], point, best)
            best_square = np.where(closer, square, best_square)
        return best

    def conflicts(self, offset: Sequence[int], interval: Interval) -> bool:
        low, high, edges = self._integers(interval)
        x = _sums(offset, edges)
        signs = list(product((-1, 1), repeat=len(edges)))
        corners = [_sums((1, *s), (x, *edges)) for s in signs]
        if not any(_product(c, c) > low for c in corners):
            return False
        if all(abs(d) <= 1 for d in offset) or any(_product(c, c) < high for c in corners):
            return True
        return _edge_below(x, edges, high) or (len(edges) == 3 and _face_below(x, edges, high))

    def _integers(self, interval: Interval) -> tuple[Exact, Exact, tuple[tuple[Exact, ...], ...]]:
        """The squares of both bounds and the edges, all scaled alike."""
        n = self.cells.dimension
        squares = (interval.low.square, interval.high.square)
        also, _ = _scaled(squares)
        scale, flat = _scaled([e for vector in self.cells.vectors for e in vector], also)
        _, (low, high) = _scaled([s * scale**2 for s in squares])
        return low, high, tuple(tuple(flat[n * a : n * a + n]) for a in range(n))


def _faces(w: Floats) -> list[tuple[Floats, Floats]]:
    """Directions (k, n) and centers (n,) of all edges, and in space of all faces."""
    n, found = len(w), []
    for k in range(1, n):
        for free in combinations(range(n), k):
            fixed = [a for a in range(n) if a not in free]
            found += [(w[list(free)], corner) for corner in _corners(w[fixed])]
    return found


def _edge_below(x: Sequence[Exact], edges: Sequence[Sequence[Exact]], square: Exact) -> bool:
    """Whether the foot of the origin on the line of an edge lies in it, nearer than the root."""
    for a, w in enumerate(edges):
        others = [edge for b, edge in enumerate(edges) if b != a]
        size = _product(w, w)
        for signs in product((-1, 1), repeat=len(others)):
            y = _sums((1, *signs), (x, *others))
            along = _product(y, w)
            if abs(along) <= size and _product(y, y) * size - along * along < square * size:
                return True
    return False


def _face_below(x: Sequence[Exact], edges: Sequence[Sequence[Exact]], square: Exact) -> bool:
    """Whether the foot of the origin on the plane of a face lies in it, nearer than the root."""
    for a, third in enumerate(edges):
        v, w = (edge for b, edge in enumerate(edges) if b != a)
        vv, vw, ww = _product(v, v), _product(v, w), _product(w, w)
        size = vv * ww - vw * vw
        for sign in (-1, 1):
            y = _sums((1, sign), (x, third))
            yv, yw = _product(y, v), _product(y, w)
            s, t = yv * ww - yw * vw, yw * vv - yv * vw
            if abs(s) <= size and abs(t) <= size:
                if _product(y, y) * size - s * yv - t * yw < square * size:
                    return True
    return False


@dataclass(frozen=True)
class _PolygonalExtents:
    cells: Lattice
    norm: PolygonalNorm

    @cached_property
    def _normals(self) -> tuple[tuple[Vector, Surd], ...]:
        """Normals y of edges of the ball and of the cells, each with the largest y.u in the ball."""
        across = [(-w[1], w[0]) for w in self.cells.vectors]
        return (*self.norm.normals, *((y, self.norm.support(y)) for y in across))

    @cached_property
    def _supports(self) -> list[Surd]:
        """sum_a |y.w_a| for each normal y."""
        w = self.cells.vectors
        return [abs(dot(y, w[0])) + abs(dot(y, w[1])) for y, _ in self._normals]

    def enclosure(self, offsets: Ints, centers: Floats) -> Enclosure:
        tops = np.array([float(top) for _, top in self._normals])
        y = np.array([[float(e) for e in y] for y, _ in self._normals]) / tops[:, None]
        reach = np.array([float(s) for s in self._supports]) / tops
        inner, facets = np.abs(centers @ y.T), len(self.norm.normals)
        least = np.maximum((inner - reach).max(axis=1), 0.0)
        greatest = (inner + reach)[:, :facets].max(axis=1)
        longest = float(np.linalg.norm(y, axis=1).max())
        return Enclosure(least, least, greatest, longest * _norm_scale(centers, self.cells.floats))

    def conflicts(self, offset: Sequence[int], interval: Interval) -> bool:
        rows, facets = self._integers(interval), len(self.norm.normals)
        inner = [abs(sum(d * s for d, s in zip(offset, steps, strict=True))) for steps, *_ in rows]
        pairs = list(zip(inner, rows, strict=True))
        if not any(e + reach > low for e, (_, reach, low, _) in pairs[:facets]):
            return False
        return all(e - reach < high for e, (_, reach, _, high) in pairs)

    @cached_property
    def _scaled_rows(self) -> dict[Interval, list[tuple[list[Exact], Exact, Exact, Exact]]]:
        return {}

    def _integers(self, interval: Interval) -> list[tuple[list[Exact], Exact, Exact, Exact]]:
        """For each normal y: all y.w_a, their support, and both bounds times max_B y."""
        if interval not in self._scaled_rows:
            low, high = (bound.value for bound in (interval.low, interval.high))
            rows = []
            for (y, top), reach in zip(self._normals, self._supports, strict=True):
                steps = [dot(y, w) for w in self.cells.vectors]
                _, numbers = _scaled([*steps, reach, low * top, high * top])
                rows.append((numbers[:-3], *numbers[-3:]))
            self._scaled_rows[interval] = rows
        return self._scaled_rows[interval]


@dataclass(frozen=True)
class _PowerExtents:
    cells: Lattice
    norm: PNorm

    def enclosure(self, offsets: Ints, centers: Floats) -> Enclosure:
        w, (p, q) = self.cells.floats, self.norm.exponents
        greatest = np.max([p_lengths(centers + c, p) for c in _corners(w)], axis=0)
        low, high = np.zeros(len(centers)), np.full(len(centers), np.inf)
        for free, shift in _faces(w):
            _, length, nearest = least_on_segments(centers + shift, free[0], (p, q))
            high = np.minimum(high, length)
            y = np.sign(nearest) * np.abs(nearest) ** (p - 1)
            low = np.maximum(low, lower_bounds(y, centers, w, q))
        holds_origin = (np.abs(offsets) <= 1).all(axis=1)
        low[holds_origin] = high[holds_origin] = 0.0
        return Enclosure(low, high, greatest, 2 * _norm_scale(centers, w))

    def conflicts(self, offset: Sequence[int], interval: Interval) -> bool:
        """Return True: what floats do not decide counts as a conflict."""
        return True
