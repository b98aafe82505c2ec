"""Random tilings of the plane, and distances between polygons by brute force in fractions.

Nothing here uses the geometry of the project: distances are taken over all pairs of a vertex and an
edge, and translations are all of a box.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

from tasks.coloring.certificates.distances import Forbidden
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.certificates.norms import Euclidean, Norm
from tasks.coloring.certificates.numbers import Surd
from tasks.coloring.certificates.polygons import PolygonColoring
from tasks.coloring.certificates.polygons.tiles import Tile

Point = tuple[Fraction, Fraction]
_BOX = range(-2, 3)
"""Tiles of one period that are less than 2 apart differ by such translations."""


@dataclass(frozen=True)
class Tiling:
    """Polygons that tile the plane with their translates by two vectors."""

    vectors: tuple[Point, Point]
    polygons: tuple[tuple[Point, ...], ...]

    def coloring(
        self, colors: list[int | None], forbidden: Forbidden, norm: Norm | None = None
    ) -> PolygonColoring:
        tiles = tuple(map(exact_tile, colors, self.polygons))
        lattice = Lattice(tuple(tuple(map(Surd.of, vector)) for vector in self.vectors))
        return PolygonColoring(tiles, lattice, forbidden, norm or Euclidean())

    def translates(self, polygon: tuple[Point, ...]) -> list[tuple[Point, ...]]:
        (a, b), (c, d) = self.vectors
        shifts = ((k * a + l * c, k * b + l * d) for k, l in product(_BOX, _BOX))
        return [tuple((x + s, y + t) for x, y in polygon) for s, t in shifts]

    def skewed(self, seed: int) -> Tiling:
        """The same tiling with other vectors and other representatives of the tiles."""
        chance = random.Random(seed)
        (a, b), (c, d) = self.vectors
        k = chance.randint(-3, 3)
        vectors = ((a + k * c, b + k * d), (c, d))
        moved = tuple(chance.choice(self.translates(polygon)) for polygon in self.polygons)
        return Tiling(vectors, moved)


def exact_tile(color: int | None, polygon: tuple[Point, ...]) -> Tile:
    return Tile(color, tuple((Surd.of(x), Surd.of(y)) for x, y in polygon))


def random_tiling(seed: int, rows: int = 4, columns: int = 4) -> Tiling:
    """Octagons with moved corners, every third one cut in two, which makes T-junctions.

    All corners stay within 0.15 of the sides of a grid of squares, so octagons are simple: around
    their centers the corners keep their order.
    """
    chance = random.Random(seed)
    v = (Fraction(chance.randint(2500, 3500), 1000), Fraction(chance.randint(-500, 500), 1000))
    w = (Fraction(chance.randint(-500, 500), 1000), Fraction(chance.randint(2500, 3500), 1000))
    noise = {
        place: (Fraction(chance.randint(-15, 15), 100), Fraction(chance.randint(-15, 15), 100))
        for place in product(range(2 * columns), range(2 * rows))
    }

    def corner(a: int, b: int) -> Point:
        p, q = noise[a % (2 * columns), b % (2 * rows)]
        s, t = (Fraction(a, 2) + p) / columns, (Fraction(b, 2) + q) / rows
        return (s * v[0] + t * w[0], s * v[1] + t * w[1])

    polygons: list[tuple[Point, ...]] = []
    for i, j in product(range(columns), range(rows)):
        a, b = 2 * i, 2 * j
        ring = [(a, b), (a + 1, b), (a + 2, b), (a + 2, b + 1), (a + 2, b + 2), (a + 1, b + 2)]
        octagon = tuple(corner(*place) for place in [*ring, (a, b + 2), (a, b + 1)])
        polygons += _halves(octagon, chance) if chance.random() < 0.4 else [octagon]
    return Tiling((v, w), tuple(polygons))


def _halves(octagon: tuple[Point, ...], chance: random.Random) -> list[tuple[Point, ...]]:
    p = octagon
    bottom = between(p[0], p[1], Fraction(chance.randint(20, 80), 100))
    top = between(p[5], p[6], Fraction(chance.randint(20, 80), 100))
    middle = between(between(p[0], p[4], Fraction(1, 2)), between(p[2], p[6], Fraction(1, 2)))
    return [
        (p[0], bottom, middle, top, p[6], p[7]),
        (bottom, p[1], p[2], p[3], p[4], p[5], top, middle),
    ]


def between(p: Point, q: Point, part: Fraction = Fraction(1, 2)) -> Point:
    return (p[0] + part * (q[0] - p[0]), p[1] + part * (q[1] - p[1]))


def squares(tiling: Tiling, colors: list[int | None], color: int) -> list[tuple]:
    """(least, largest) squared distances of all pairs of tiles of a color up to distance 2."""
    members = [p for p, other in zip(tiling.polygons, colors, strict=True) if other == color]
    found = []
    for i, one in enumerate(members):
        for j, other in enumerate(members[i:], i):
            for moved in tiling.translates(other):
                if i == j and moved == other:
                    found.append((Fraction(0), _largest(one, one)))
                elif _boxes_are_close(one, moved):
                    found.append((_least(one, moved), _largest(one, moved)))
    return found


def _boxes_are_close(one: tuple[Point, ...], other: tuple[Point, ...]) -> bool:
    return all(
        min(p[axis] for p in a) - max(p[axis] for p in b) < 2
        for axis in (0, 1)
        for a, b in ((one, other), (other, one))
    )


def _largest(one: tuple[Point, ...], other: tuple[Point, ...]) -> Fraction:
    return max((x - a) ** 2 + (y - b) ** 2 for x, y in one for a, b in other)


def edges(polygon: tuple[Point, ...]) -> list[tuple[Point, Point]]:
    return list(zip(polygon, (*polygon[1:], polygon[0]), strict=True))


def _least(one: tuple[Point, ...], other: tuple[Point, ...]) -> Fraction:
    return min(
        square_to_segment(p, *edge)
        for points, lines in ((one, other), (other, one))
        for p in points
        for edge in edges(lines)
    )


def square_to_segment(p: Point, a: Point, b: Point) -> Fraction:
    dx, dy, px, py = b[0] - a[0], b[1] - a[1], p[0] - a[0], p[1] - a[1]
    length = dx * dx + dy * dy
    part = min(max((px * dx + py * dy) / length, Fraction(0)), Fraction(1))
    x, y = px - part * dx, py - part * dy
    return x * x + y * y
