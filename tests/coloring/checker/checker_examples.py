"""Small valid certificates of all forms, as objects, and what tests change in them."""

import base64
import copy
import hashlib
import json
import zlib
from fractions import Fraction as Q

MAX_NORM = {"ball": [["1", "1"], ["-1", "1"], ["-1", "-1"], ["1", "-1"]]}

HEXAGON = {"ball": [["1", "0"], ["1", "1"], ["0", "1"], ["-1", "0"], ["-1", "-1"], ["0", "-1"]]}
NORMS = ["euclidean", MAX_NORM, HEXAGON, {"p": "1"}, {"p": "3"}, {"p": "3/2"}, {"p": "7/3"}]


def digest(value):
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def sealed(record):
    """With the digests that its tiles have; those of cells are set by `with_grid`."""
    for form in ("polygons", "voronoi"):
        if form in record:
            record[form]["sha256"] = digest(record[form]["tiles"])
    return record


def with_grid(record, shape, grid):
    grid = bytes(grid)
    record["cells"] = {
        "shape": list(shape),
        "colors": base64.b64encode(zlib.compress(grid)).decode(),
        "sha256": hashlib.sha256(grid).hexdigest(),
    }
    record["removed"] = str(Q(grid.count(255), len(grid)))
    return record


def cells(shape, grid, lattice, colors, *, distance="1", norm="euclidean", **more):
    record = {
        "kind": "plane-coloring",
        "version": 1,
        "form": "cells",
        "norm": norm,
        "lattice": [[str(x) for x in row] for row in lattice],
        "num_colors": colors,
        "forbidden": [[[distance, distance]] for _ in range(colors)],
        "boundary": "half-open",
        **more,
    }
    return with_grid(copy.deepcopy(record), shape, grid)


def squares():
    """Four colors, nothing removed, in the maximum norm; every distance is tight."""
    return cells((2, 2), [0, 1, 2, 3], [(2, 0), (0, 2)], 4, norm=MAX_NORM)


def one_color():
    """One color, 8/9 removed: squares of side 1/2, a distance of 1 to their translates (tight)."""
    return cells((3, 3), [0, *[255] * 8], [("1.5", 0), (0, "1.5")], 1)


def cubes():
    """One cell of 27 of the space: a cube of side 2/5 and its translates; 7/10 is in between."""
    grid = [255] * 27
    grid[13] = 0
    return cells((3, 3, 3), grid, [("1.2", 0, 0), (0, "1.2", 0), (0, 0, "1.2")], 1, distance="0.7")


def _texts(points):
    return [[str(x) for x in point] for point in points]


def polygons(tiles, lattice, forbidden, removed, **more):
    record = {
        "kind": "plane-coloring",
        "version": 1,
        "form": "polygons",
        "norm": "euclidean",
        "lattice": _texts(lattice),
        "num_colors": len(forbidden),
        "forbidden": forbidden,
        "boundary": "half-open",
        "removed": removed,
        "polygons": {"tiles": [{"color": c, "vertices": _texts(points)} for c, points in tiles]},
        **more,
    }
    return sealed(copy.deepcopy(record))


def moved(points, x, y):
    return [(a + x, b + y) for a, b in points]


def hexagons():
    """Seven hexagons, closed, with slack."""
    a, h = Q(11, 50), Q(7621, 20000)
    hexagon = [(2 * a, Q(0)), (a, h), (-a, h), (-2 * a, Q(0)), (-a, -h), (a, -h)]
    tiles = [(k, moved(hexagon, k * 3 * a, k * h)) for k in range(7)]
    lattice = [(21 * a, 7 * h), (-9 * a, -h)]
    return polygons(tiles, lattice, [[["1", "1"]] for _ in range(7)], "0", boundary="closed")


def heptagons():
    """Pritikin's: six heptagons, three removed rhombi; closed, with a slack of 2e-9."""
    side, cut, rise = Q(500000001, 10**9), Q(109167, 20_000_000), Q(17027, 1_250_000)
    right, tip, top = Q(18431447, 10**7), Q(12145763, 12_500_000), Q(43574183, 50_000_000)
    left = [
        (cut, Q(0)), (top, Q(0)), (tip, side / 2), (top, side), (cut, side),
        (Q(0), side - rise), (Q(0), rise),
    ]  # fmt: skip
    start = side / 2
    other = [
        (right, start + rise), (right, start + side - rise), (right - cut, start + side),
        (tip, start + side), (top, start + side / 2), (tip, start), (right - cut, start),
    ]  # fmt: skip
    rhombus = [(cut, Q(0)), (Q(0), rise), (-cut, Q(0)), (Q(0), -rise)]
    tiles = [
        *((k, moved(left, 0, k * side)) for k in range(3)),
        *((3 + k, moved(other, 0, k * side)) for k in range(3)),
        *((None, moved(rhombus, 0, k * side)) for k in range(3)),
    ]
    lattice = [(Q(0), 3 * side), (right, Q(1500000003, 2 * 10**9))]
    removed = 3 * 2 * cut * rise / (3 * side * right)
    return polygons(
        tiles, lattice, [[["1", "1"]] for _ in range(6)], str(removed), boundary="closed"
    )


def bricks():
    """The squares as polygons, rows moved by 1/2: T-junctions; tight in the maximum norm."""
    square = [(Q(0), Q(0)), (Q(1), Q(0)), (Q(1), Q(1)), (Q(0), Q(1))]
    tiles = [(0, square), (1, moved(square, 1, 0)), (2, moved(square, Q(1, 2), 1))]
    tiles.append((3, moved(square, Q(-1, 2), 1)))
    return polygons(tiles, [(2, 0), (0, 2)], [[["1", "1"]] for _ in range(4)], "0", norm=MAX_NORM)


def surd_squares():
    """Nine squares of side sqrt(1/2) in Q(sqrt 2); diagonals of 1, gaps of sqrt(2); half-open."""
    side = ["0", "1/2"]
    places = [["0", "0"], side, ["0", "1"], ["0", "3/2"]]
    tiles = [
        {
            "color": 3 * i + j,
            "vertices": [
                [places[i], places[j]],
                [places[i + 1], places[j]],
                [places[i + 1], places[j + 1]],
                [places[i], places[j + 1]],
            ],
        }
        for i in range(3)
        for j in range(3)
    ]
    record = polygons([], [], [[["1", {"square": "2"}]] for _ in range(9)], "0", surd=2)
    record["lattice"] = [[places[3], "0"], ["0", places[3]]]
    record["polygons"]["tiles"] = tiles
    return sealed(record)


def triangular():
    """Seven colors of the hexagons around a triangular lattice over Q(sqrt 3).

    Their diameter is 2 / sqrt 3; between those of one color lie sqrt(7/3).
    """
    return sealed(
        {
            "kind": "plane-coloring",
            "version": 1,
            "form": "voronoi",
            "norm": "euclidean",
            "surd": 3,
            "lattice": [[["5/2", "0"], ["0", "1/2"]], [["1/2", "0"], ["0", "3/2"]]],
            "num_colors": 7,
            "forbidden": [[[{"square": "4/3"}, {"square": "7/3"}]] for _ in range(7)],
            "boundary": "half-open",
            "removed": "0",
            "voronoi": {
                "basis": [["1", "0"], ["1/2", ["0", "1/2"]]],
                "period": [[2, 1], [-1, 3]],
                "tiles": [[k, [k, 0]] for k in range(7)],
            },
        }
    )


def coulson():
    """Coulson's coloring of the space: 15 colors, nothing removed, tight."""
    half = Q(1, 2)
    basis = [(-half, half, half), (half, -half, half), (half, half, -half)]
    period = [[1, 0, 13], [0, 1, 11], [0, 0, 15]]
    lattice = [
        [sum(c * b[k] for c, b in zip(row, basis, strict=True)) for k in range(3)] for row in period
    ]
    distance = {"square": "5/4"}
    return sealed(
        {
            "kind": "plane-coloring",
            "version": 1,
            "form": "voronoi",
            "norm": "euclidean",
            "lattice": _texts(lattice),
            "num_colors": 15,
            "forbidden": [[[distance, distance]] for _ in range(15)],
            "boundary": "half-open",
            "removed": "0",
            "voronoi": {
                "basis": _texts(basis),
                "period": period,
                "tiles": [[k, [0, 0, k]] for k in range(15)],
            },
        }
    )


ALL = {
    f.__name__: f
    for f in (
        squares, one_color, cubes, hexagons, heptagons, bricks, surd_squares, triangular, coulson,
    )
}  # fmt: skip


def written(record):
    return json.dumps(record).encode()
