"""Published colorings by name, exactly.

>>> coloring = construction("hoffman_soifer")
>>> len(coloring.tiles), coloring.surd, coloring.removed
(10, 2, 0)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from tasks.coloring.certificates.distances import Distance, Forbidden, Interval
from tasks.coloring.certificates.lattices import Lattice, Vector, combination
from tasks.coloring.certificates.norms import Euclidean, PolygonalNorm
from tasks.coloring.certificates.numbers import Number, Surd, parse_number
from tasks.coloring.certificates.polygons import PolygonColoring
from tasks.coloring.certificates.polygons.tiles import Tile
from tasks.coloring.certificates.voronoi import VoronoiColoring
from tasks.records import InputError
from tasks.records.errors import unknown_name

__all__ = ["CONSTRUCTIONS", "Construction", "construction"]

_FILE = Path(__file__).with_name("data") / "tiles.json"

Coloring = PolygonColoring | VoronoiColoring
Points = Sequence[tuple[Number, Number]]


@dataclass(frozen=True)
class Construction:
    """A published coloring.

    Attributes
    ----------
    summary
        One line.
    source
        Where it was published.
    make
        Builds it.
    """

    summary: str
    source: str
    make: Callable[[], Coloring]


def construction(name: str) -> Coloring:
    """The published coloring of this name.

    Raises
    ------
    InputError
        If the name is unknown.
    """
    if name not in CONSTRUCTIONS:
        raise InputError(unknown_name("construction", name, CONSTRUCTIONS))
    return CONSTRUCTIONS[name].make()


def _tile(color: int | None, points: Points) -> Tile:
    exact = ((_exact(x), _exact(y)) for x, y in points)
    return Tile(color, tuple(exact))


def _exact(number: Number) -> Surd:
    return number if isinstance(number, Surd) else Surd.of(number)


def _distances(*intervals: Interval) -> Forbidden:
    return Forbidden(tuple((interval,) for interval in intervals))


_ONE = Interval.of(1)


def _hexagons() -> PolygonColoring:
    lattice, tiles = _recorded("hex7")
    return PolygonColoring(tiles, lattice, _distances(*[_ONE] * 7), Euclidean(), boundary="closed")


def _heptagons() -> PolygonColoring:
    lattice, tiles = _recorded("pritikin6")
    return PolygonColoring(tiles, lattice, _distances(*[_ONE] * 6), Euclidean(), boundary="closed")


def _recorded(name: str) -> tuple[Lattice, tuple[Tile, ...]]:
    """The lattice and the tiles of a coloring with rational coordinates."""
    record = json.loads(_FILE.read_text(encoding="utf-8"))[name]
    tiles = (
        _tile(tile["color"], [(parse_number(x), parse_number(y)) for x, y in tile["vertices"]])
        for tile in record["tiles"]
    )
    return Lattice.parse(record["lattice"]), tuple(tiles)


def _pythagorean_squares() -> PolygonColoring:
    """Squares of diagonals 1 and d = sqrt(2) - 1, all in the tiling of Pythagoras.

    A large square of side p lies at 0, a small one of side q at its lower right corner; the tiling
    repeats under u = (p, q) and v = (-q, p), the coloring under 2u - v and u + 2v.
    """
    root, zero = Surd.of(0, 1, 2), Surd.of(0)
    p, q = root / 2, 1 - root / 2
    u, v = (p, q), (-q, p)
    tiles = []
    for color in range(5):
        step = combination([color], [u])
        tiles.append(_tile(color, _moved([(zero, zero), (p, zero), (p, p), (zero, p)], step)))
        tiles.append(_tile(5, _moved([(p, zero), (p + q, zero), (p + q, q), (p, q)], step)))
    lattice = Lattice((combination([2, -1], [u, v]), combination([1, 2], [u, v])))
    small = Interval.of(root - 1)
    return PolygonColoring(tuple(tiles), lattice, _distances(*[_ONE] * 5, small), Euclidean(), 2)


def _octagons() -> PolygonColoring:
    """Octagons of diameter 1 and squares of diagonal d = 1/sqrt(5).

    They are the squares of a grid of side a = 2/sqrt(5), whose corners are cut off at c = a/4 from
    them; the octagons are colored by the moves of a knight.
    """
    root = Surd.of(0, 1, 5)
    a, c, zero = 2 / root, 1 / (2 * root), Surd.of(0)
    octagon = [(c, zero), (a - c, zero), (a, c), (a, a - c), (a - c, a), (c, a)]
    octagon += [(zero, a - c), (zero, c)]
    square = [(c, zero), (zero, c), (-c, zero), (zero, -c)]
    tiles = []
    for color in range(5):
        step = (a * color, zero)
        tiles.append(_tile(color, _moved(octagon, step)))
        tiles.append(_tile(5, _moved(square, step)))
    lattice = Lattice(((2 * a, a), (-a, 2 * a)))
    small = Interval.of(1 / root)
    return PolygonColoring(tuple(tiles), lattice, _distances(*[_ONE] * 5, small), Euclidean(), 5)


def _second_six() -> PolygonColoring:
    """Heptagons and hexagons that avoid 1, squares and pentagons for [0.418, 0.657]."""
    s, b, g, de, ep = map(Fraction, ("0.208995", "0.181879", "0.784038", "0.111", "0.487412"))
    w, h, zero = Fraction(1, 2), Surd.of(0, 1, 3), Surd.of(0)
    heptagon = [(zero, s), (zero, h / 2), (-b, h - g), (b - 1, g), (de - 1, ep), (-w, zero)]
    heptagon += [(-s, zero)]
    hexagon = [(w, zero), (1 - de, -ep), (1 + de, -ep), (2 - w, zero), (1 + de, ep), (1 - de, ep)]
    square = [(s, zero), (zero, s), (-s, zero), (zero, -s)]
    pentagon = [(1 - de, ep), (1 + de, ep), (1 + b, g), (1, h / 2), (1 - b, g)]
    tiles = (
        _tile(0, [(-x, -y) for x, y in heptagon]),
        _tile(1, hexagon),
        _tile(2, [(x, -y) for x, y in reversed(heptagon)]),
        _tile(3, heptagon),
        _tile(4, [(-x, y) for x, y in reversed(heptagon)]),
        _tile(5, square),
        _tile(5, pentagon),
        _tile(5, [(x, -y) for x, y in reversed(pentagon)]),
    )
    lattice = Lattice(((Surd.of(2), zero), (Surd.of(1), h)))
    last = Interval.of("0.418", "0.657")
    return PolygonColoring(tiles, lattice, _distances(*[_ONE] * 5, last), Euclidean(), 3)


def _unit_squares() -> PolygonColoring:
    """Unit squares, four colors in a block of two by two."""
    square = [(0, 0), (1, 0), (1, 1), (0, 1)]
    steps = [(Surd.of(x), Surd.of(y)) for x in (0, 1) for y in (0, 1)]
    tiles = tuple(_tile(color, _moved(square, step)) for color, step in enumerate(steps))
    lattice = Lattice.parse([[2, 0], [0, 2]])
    return PolygonColoring(tiles, lattice, _distances(*[_ONE] * 4), PolygonalNorm.maximum())


def _moved(points: Points, step: Vector) -> Points:
    return [(x + step[0], y + step[1]) for x, y in points]


def _truncated_octahedra() -> VoronoiColoring:
    """Cells of the body-centered cubic lattice, in 15 classes of a sublattice."""
    basis = Lattice.parse([["-0.5", "0.5", "0.5"], ["0.5", "-0.5", "0.5"], ["0.5", "0.5", "-0.5"]])
    period = ((1, 0, 13), (0, 1, 11), (0, 0, 15))
    distance = Distance.root(Fraction(5, 4))
    cells = tuple((color, (0, 0, color)) for color in range(15))
    return VoronoiColoring(cells, basis, period, _distances(*[Interval(distance, distance)] * 15))


CONSTRUCTIONS: dict[str, Construction] = {
    "hex7": Construction(
        "7 colors: regular hexagons of diameter 0.88, up to rounding",
        "classical (Isbell 1950; Hadwiger, Ungelöste Probleme 40, Elem. Math. 16, 1961)",
        _hexagons,
    ),
    "pritikin6": Construction(
        "6 colors and 0.016 % of the plane removed: heptagons",
        "Pritikin, All unit-distance graphs of order 6197 are 6-colorable, J. Combin. Theory B 73, "
        "1998",
        _heptagons,
    ),
    "hoffman_soifer": Construction(
        "6 colors, the last one forbids sqrt(2) - 1: large and small squares",
        "Hoffman and Soifer, Almost chromatic number of the plane, Geombinatorics 3, 1993; "
        "arXiv 2404.05509",
        _pythagorean_squares,
    ),
    "octagon_square": Construction(
        "6 colors, the last one forbids 1/sqrt(5): octagons and squares",
        "Soifer, Relatives of chromatic number of the plane I, Geombinatorics 1, 1992; "
        "arXiv 2404.05509",
        _octagons,
    ),
    "mundinger_second_six": Construction(
        "6 colors, the last one forbids all distances from 0.418 to 0.657",
        "Mundinger, Pokutta, Spiegel and Zimmer, Extending the continuum of six-colorings, "
        "arXiv 2404.05509; found with networks, arXiv 2501.18527",
        _second_six,
    ),
    "max_norm_squares": Construction(
        "4 colors in the maximum norm: half-open unit squares", "classical", _unit_squares
    ),
    "coulson15": Construction(
        "15 colors of space: cells of the body-centered cubic lattice forbid sqrt(5)/2",
        "Coulson, A 15-colouring of 3-space omitting distance one, Discrete Math. 256, 2002",
        _truncated_octahedra,
    ),
}
"""The published colorings by name."""
