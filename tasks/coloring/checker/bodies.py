"""Convex bodies K, symmetric about 0, and the distances of the points of c + K.

The differences of two half-open cells or Voronoi cells form the interior of such a translate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, combinations

from tasks.coloring.checker.norms import Norm
from tasks.coloring.checker.numbers import Number, common_denominator
from tasks.coloring.checker.vectors import (
    Vector,
    cross_product,
    determinant,
    dot,
    plus,
    scaled_vector,
    times,
)

Facet = tuple[Vector, Number]
"""A normal f and a height h: the halfspace f.x <= h."""


@dataclass(frozen=True)
class Body:
    """A polytope.

    Attributes
    ----------
    vertices
        All of them.
    facets
        Halfspaces whose intersection it is; each meets it.
    edges
        Pairs of vertices: all edges, and perhaps other segments within the body.
    """

    vertices: tuple[Vector, ...]
    facets: tuple[Facet, ...]
    edges: tuple[tuple[Vector, Vector], ...]

    def numbers(self) -> Iterator[Number]:
        """The coordinates of the vertices."""
        for vertex in self.vertices:
            yield from vertex

    def scaled(self, scale: int) -> Body:
        """The body times an integer, in integer coefficients."""
        places = {vertex: scaled_vector(vertex, scale) for vertex in self.vertices}
        return Body(
            vertices=tuple(places.values()),
            facets=tuple(_scaled_facet(normal, height, places) for normal, height in self.facets),
            edges=tuple((places[a], places[b]) for a, b in self.edges),
        )

    def can_exceed(self, center: Vector, distance: Number, norm: Norm, *, is_closed: bool) -> bool:
        """Whether the largest norm on center + K is above the distance (is_closed: or at it).

        It is that of a vertex, since norms are convex.  True where that stays undecided.
        """
        return any(
            is_above(norm.side(plus(center, vertex), distance), is_closed)
            for vertex in self.vertices
        )

    def can_reach(self, center: Vector, distance: Number, norm: Norm, *, is_closed: bool) -> bool:
        """Whether the least norm on center + K is below the distance (is_closed: or at it).

        The nearest point is 0, or lies inside a facet, an edge, or is a vertex.  True where that
        stays undecided.
        """
        if is_below(norm.side(center, distance), False):
            return True
        if all(dot(f, center) >= -h for f, h in self.facets):
            return True
        if any(
            is_below(norm.segment_side(plus(center, a), plus(center, b), distance), is_closed)
            for a, b in self.edges
        ):
            return True
        return len(center) == 3 and self._reaches_by_facet(center, distance, norm, is_closed)

    def _reaches_by_facet(
        self, center: Vector, distance: Number, norm: Norm, is_closed: bool
    ) -> bool:
        """The same for feet of 0 on the planes of facets, in the Euclidean norm."""
        heights = [h + dot(f, center) for f, h in self.facets]
        for (f, _), height in zip(self.facets, heights, strict=True):
            # The foot is height f / f.f.
            square = dot(f, f)
            gap = height * height - distance * square
            if (gap < 0 or (is_closed and gap <= 0)) and all(
                height * dot(g, f) <= other * square
                for (g, _), other in zip(self.facets, heights, strict=True)
            ):
                return True
        return False


def is_above(side: int | None, is_closed: bool) -> bool:
    """Whether a norm can be above (is_closed: or at) the distance that it was compared with."""
    return side is None or side > 0 or (is_closed and side == 0)


def is_below(side: int | None, is_closed: bool) -> bool:
    """Whether a norm can be below (is_closed: or at) the distance that it was compared with."""
    return side is None or side < 0 or (is_closed and side == 0)


def _scaled_facet(normal: Vector, height: Number, places: dict[Vector, Vector]) -> Facet:
    whole = scaled_vector(normal, common_denominator(normal))
    vertex = next(v for v in places if dot(normal, v) == height)
    return whole, dot(whole, places[vertex])


def polytope(halfspaces: Sequence[Facet], scale: int) -> Body:
    """The bounded intersection of halfspaces with 0 inside, divided by a scale.

    Normals and heights have integer coefficients; the body's vertices are fractional.
    """
    dimension = len(halfspaces[0][0])
    tight: dict[Vector, frozenset[int]] = {}
    for chosen in combinations(halfspaces, dimension):
        above, below = _meeting_point(chosen)
        if not below:
            continue
        slacks = [h * below - dot(f, above) for f, h in halfspaces]
        if all(slack >= 0 for slack in slacks):
            vertex = tuple(Fraction(1, scale) * x / below for x in above)
            tight[vertex] = frozenset(k for k, slack in enumerate(slacks) if not slack)
    used = frozenset[int]().union(*tight.values())
    return Body(
        vertices=tuple(tight),
        facets=tuple(
            (f, Fraction(1, scale) * h) for k, (f, h) in enumerate(halfspaces) if k in used
        ),
        edges=tuple(
            (a, b) for a, b in combinations(tight, 2) if len(tight[a] & tight[b]) >= dimension - 1
        ),
    )


def _meeting_point(planes: Sequence[Facet]) -> tuple[Vector, Number]:
    """Numerators and the denominator >= 0 of where as many planes as dimensions meet; 0 if many."""
    normals = [f for f, _ in planes]
    det = determinant(normals)
    if len(planes) == 2:
        (u, g), (v, h) = planes
        point: Vector = (g * v[1] - h * u[1], h * u[0] - g * v[0])
    else:
        point = (0, 0, 0)
        for k, (_, height) in enumerate(planes):
            point = plus(point, times(height, cross_product(normals[k - 2], normals[k - 1])))
    return (point, det) if det >= 0 else (times(-1, point), -det)


def parallelepiped(vectors: Sequence[Vector]) -> Body:
    """The body of all sums of s_a w_a with s_a in [-1, 1]."""
    scale = common_denominator(chain.from_iterable(vectors))
    sides = [scaled_vector(w, scale) for w in vectors]
    normals: list[Vector]
    if len(sides) == 2:
        normals = [(-w[1], w[0]) for w in sides]
    else:
        normals = [cross_product(sides[k - 2], sides[k - 1]) for k in range(3)]
    height = abs(determinant(sides))
    return polytope([(f, height) for f in (*normals, *(times(-1, f) for f in normals))], scale)
