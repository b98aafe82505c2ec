"""Valid certificate files of all forms, and random corruptions of them.

A corruption changes bytes, or the object before it is written again; then the digest of the content
is computed again, so that checkers meet the content, unless the digest itself is what is corrupted.
"""

from __future__ import annotations

import random
from base64 import b64decode, b64encode
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from hashlib import sha256
from zlib import compress, decompress

from exact_tilings import random_tiling
from moved_vertices import Movable
from small_colorings import blocks, cubes, four_squares, nine_squares

from tasks.coloring.certificates.constructions import CONSTRUCTIONS, construction
from tasks.coloring.certificates.distances import Distance, Forbidden, Interval, parse_distances
from tasks.coloring.certificates.files import (
    certificate_bytes,
    certificate_record,
    read_certificate,
)
from tasks.coloring.certificates.headers import canonical_digest
from tasks.coloring.certificates.lattices import Lattice, combination
from tasks.coloring.certificates.norms import PNorm
from tasks.coloring.certificates.numbers import Surd, format_number, parse_number
from tasks.coloring.certificates.polygons import PolygonColoring
from tasks.coloring.certificates.voronoi import VoronoiColoring


@dataclass(frozen=True)
class Corruption:
    """A corrupted file.

    Attributes
    ----------
    name
        Of the original and the kind of corruption.
    data
        Content of the file.
    is_wrong
        Whether it is known to be wrong or no certificate; otherwise it may be valid, and
        `exact_truth.is_proper` decides.
    """

    name: str
    data: bytes
    is_wrong: bool


def _hexagonal_cells():
    """7 colors of hexagons of diameter 1 with removed ones, exactly."""
    half = Surd.of(0, Fraction(1, 2), 3)
    basis = Lattice(((half, Surd.of(0)), (half / 2, Surd.of(Fraction(3, 4)))))
    cells = tuple((k if k < 6 else None, (k, 0)) for k in range(7))
    return VoronoiColoring(cells, basis, ((2, 1), (-1, 3)), parse_distances("1-1.25", 7), surd=3)


def _loose_tiling():
    """One tile of a random tiling in the p-norm for p = 3, with room around its distance."""
    tiling = random_tiling(5)
    colors = [0] + [None] * (len(tiling.polygons) - 1)
    return tiling.coloring(colors, Forbidden(((Interval.of("1.5"),),)), PNorm.of("3"))


def _space_cells():
    """Unit cubes around Z^3 in 27 colors and three of them removed."""
    places = [(i, j, k) for i in range(3) for j in range(3) for k in range(3)]
    cells = tuple((c if c > 2 else None, place) for c, place in enumerate(places))
    bound = Distance.root(3)
    forbidden = Forbidden(((Interval(bound, Distance.root(4)),),) * 27)
    basis = Lattice.parse([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    return VoronoiColoring(cells, basis, ((3, 0, 0), (0, 3, 0), (0, 0, 3)), forbidden)


@cache
def originals():
    """Records of valid certificates by name."""
    cells = {"nine": nine_squares, "cubes": cubes, "four": four_squares, "blocks": blocks}
    made = {name: make() for name, make in cells.items()}
    made["nine_tight"] = nine_squares("tight")
    made |= {name: construction(name) for name in CONSTRUCTIONS}
    made |= {"hexagons": _hexagonal_cells(), "space": _space_cells(), "tiling": _loose_tiling()}
    return {name: certificate_record(coloring, {"title": name}) for name, coloring in made.items()}


def random_corruption(seed: int) -> Corruption:
    """The corruption of this number."""
    chance = random.Random(seed)
    name = chance.choice(sorted(originals()))
    record = deepcopy(originals()[name])
    kinds = {**EVERYWHERE, **BY_FORM[record["form"]]}
    kind = chance.choice(sorted(kinds))
    change, is_wrong = kinds[kind]
    changed = change(record, chance)
    data = changed if isinstance(changed, bytes) else certificate_bytes(record)
    return Corruption(f"{seed}: {name}, {kind}", data, is_wrong)


# --- bytes ------------------------------------------------------------------------------------


def _flip_bytes(record, chance):
    data = bytearray(certificate_bytes(record))
    for _ in range(chance.choice([1, 1, 2, 5])):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def _change_digit(record, chance):
    data = bytearray(certificate_bytes(record))
    place = chance.choice([i for i, byte in enumerate(data) if byte in b"0123456789"])
    data[place] = chance.choice(b"0123456789")
    return bytes(data)


def _cut_or_repeat(record, chance):
    data = certificate_bytes(record)
    first, last = sorted(chance.randrange(len(data)) for _ in range(2))
    return data[:first] + chance.choice([b"", data[first:last] * 2]) + data[last:]


# --- what all forms state ---------------------------------------------------------------------


def _number(text, chance):
    """Another number: the text of one changed by 10^-k."""
    step = Fraction(chance.choice([-1, 1]), 10 ** chance.randint(0, 15))
    if isinstance(text, list):
        place = chance.randrange(2)
        return [_number(t, chance) if i == place else t for i, t in enumerate(text)]
    return str(Fraction(text) + step)


def _change_removed(record, chance):
    record["removed"] = _number(record["removed"], chance)


def _change_digest(record, chance):
    record[record["form"]]["sha256"] = sha256(chance.randbytes(4)).hexdigest()


def _change_lattice(record, chance):
    vector = chance.choice(record["lattice"])
    place = chance.randrange(len(vector))
    vector[place] = _number(vector[place], chance)


def _change_distance(record, chance):
    interval = chance.choice(chance.choice(record["forbidden"]))
    place = chance.randrange(2)
    bound = interval[place]
    is_square = isinstance(bound, dict)
    number = _number(bound["square"] if is_square else bound, chance)
    interval[place] = {"square": number} if is_square else number
    if chance.random() < 0.5:
        interval[1 - place] = interval[place]


def _add_distance(record, chance):
    text = str(Fraction(chance.randint(1, 300), 100))
    chance.choice(record["forbidden"]).append([text, text])


def _change_statement(record, chance):
    changes = [
        {"kind": "space-coloring"}, {"version": 2}, {"version": True}, {"note": 1},
        {"form": "tiles"}, {"num_colors": record["num_colors"] + 1}, {"forbidden": []},
        {"num_colors": "1"}, {"norm": "manhattan"}, {"boundary": "open"}, {"surd": 12},
        {"about": "text"}, {"lattice": record["lattice"][:1]}, {"removed": "2"},
        {"lattice": [record["lattice"][0]] * len(record["lattice"])},
    ]  # fmt: skip
    record.update(chance.choice(changes))


def _change_norm(record, chance):
    if len(record["lattice"]) == 3:
        record["norm"] = {"p": "3"}
        return
    balls = [[["1", "0"], ["0", "1"], ["-1", "0"], ["0", "-1"]],
             [["1", "1"], ["-1", "1"], ["-1", "-1"], ["1", "-1"]]]  # fmt: skip
    norms = ["euclidean", {"p": "1.5"}, {"p": "4"}, *({"ball": ball} for ball in balls)]
    record["norm"] = chance.choice([norm for norm in norms if norm != record["norm"]])


def _close(record, chance):
    record["boundary"] = "closed"


def _change_surd(record, chance):
    record["surd"] = chance.choice([2, 3, 5, 6, 7])


# --- polygons ---------------------------------------------------------------------------------


def _rehash(record):
    entry = record[record["form"]]
    entry["sha256"] = canonical_digest(entry["tiles"])


def _some_tile(record, chance):
    return chance.choice(record["polygons"]["tiles"])


def _move_vertex(record, chance):
    vertex = chance.choice(_some_tile(record, chance)["vertices"])
    place = chance.randrange(2)
    vertex[place] = _number(vertex[place], chance)
    _rehash(record)


def _move_vertices(record, chance):
    """A vertex in all tiles that hold it: still a partition, if it is moved by little."""
    movable = _movable(record["about"]["title"])
    place = chance.choice(chance.choice(movable.coloring.tiles).vertices)
    size = Fraction(1, 10 ** chance.randint(4, 13))
    step = tuple(Surd.of(chance.randint(-3, 3) * size) for _ in range(2))
    record.update(certificate_record(movable.moved(place, step)))


@cache
def _movable(name):
    return Movable(read_certificate(certificate_bytes(originals()[name])))


def _recolor_tile(record, chance):
    """Another color; removed tiles stay removed, so that the fraction stays."""
    colored = [tile for tile in record["polygons"]["tiles"] if tile["color"] is not None]
    chance.choice(colored)["color"] = chance.randrange(record["num_colors"])
    _rehash(record)


def _remove_tile(record, chance):
    """And state the fraction that is removed then."""
    _some_tile(record, chance)["color"] = None
    _rehash(record)
    record.update(certificate_record(PolygonColoring.from_record(record)))


def _break_tile(record, chance):
    tiles = record["polygons"]["tiles"]
    tile = _some_tile(record, chance)
    chance.choice(
        [
            lambda: tiles.remove(tile),
            lambda: tiles.append(deepcopy(tile)),
            tile["vertices"].reverse,
            lambda: tile["vertices"].pop(chance.randrange(len(tile["vertices"]))),
            lambda: tile["vertices"].append(tile["vertices"][-1]),
            lambda: tile["vertices"].append(tile["vertices"][0]),
            lambda: tile["vertices"].append(["0.1", "0.2", "0.3"]),
            lambda: tile.update(color=record["num_colors"]),
            lambda: tile.update(color=True),
        ]
    )()
    _rehash(record)


# --- cells ------------------------------------------------------------------------------------


def _repack(record, content):
    entry = record["cells"]
    entry["colors"] = b64encode(compress(content)).decode()
    entry["sha256"] = sha256(content).hexdigest()
    removed = Fraction(content.count(255), len(content)) if content else Fraction(0)
    record["removed"] = str(removed)


def _content(record):
    return decompress(b64decode(record["cells"]["colors"]))


def _recolor_cell(record, chance):
    content = bytearray(_content(record))
    content[chance.randrange(len(content))] = chance.choice([*range(record["num_colors"]), 255])
    _repack(record, bytes(content))


def _swap_cells(record, chance):
    content = bytearray(_content(record))
    i, j = (chance.randrange(len(content)) for _ in range(2))
    content[i], content[j] = content[j], content[i]
    _repack(record, bytes(content))


def _break_cells(record, chance):
    content, entry = _content(record), record["cells"]
    chance.choice(
        [
            lambda: _repack(record, content + b"\0"),
            lambda: _repack(record, content[:-1]),
            lambda: _repack(record, bytes([200]) + content[1:]),
            lambda: entry.update(colors=b64encode(compress(content) + b"x").decode()),
            lambda: entry.update(colors=b64encode(compress(content)[:-1]).decode()),
            lambda: entry.update(shape=[*entry["shape"], 1]),
            lambda: entry.update(shape=[entry["shape"][0] + 1, *entry["shape"][1:]]),
            lambda: entry.update(colors="*" + entry["colors"]),
        ]
    )()


def _other_shape(record, chance):
    """The same bytes in one row, column or plane."""
    entry = record["cells"]
    size = len(_content(record))
    entry["shape"] = chance.choice([[1, size], [size, 1]]) + [1] * (len(entry["shape"]) - 2)


# --- Voronoi cells ----------------------------------------------------------------------------


def _recolor_point(record, chance):
    tiles = record["voronoi"]["tiles"]
    colored = [tile for tile in tiles if tile[0] is not None]
    chance.choice(colored)[0] = chance.randrange(record["num_colors"])
    _rehash(record)


def _move_point(record, chance):
    _, point = chance.choice(record["voronoi"]["tiles"])
    point[chance.randrange(len(point))] += chance.choice([-1, 1])
    _rehash(record)


def _relocate(record):
    """The lattice of a changed basis or period."""
    entry = record["voronoi"]
    surd = record.get("surd")
    basis = Lattice.from_record(entry["basis"], surd).vectors
    rows = [combination(row, basis) for row in entry["period"]]
    record["lattice"] = [[format_number(x) for x in row] for row in rows]


def _change_basis(record, chance):
    vector = chance.choice(record["voronoi"]["basis"])
    place = chance.randrange(len(vector))
    step = Fraction(chance.choice([-1, 1]), 10 ** chance.randint(1, 12))
    number = parse_number(vector[place], record.get("surd"))
    vector[place] = format_number(number + step)
    _relocate(record)


def _change_period(record, chance):
    row = chance.choice(record["voronoi"]["period"])
    row[chance.randrange(len(row))] += chance.choice([-1, 1])
    if chance.random() < 0.8:
        _relocate(record)


Change = Callable[[dict, random.Random], bytes | None]
# Change, and whether it is certainly wrong.
EVERYWHERE: dict[str, tuple[Change, bool]] = {
    "bytes flipped": (_flip_bytes, False),
    "digit changed": (_change_digit, False),
    "bytes cut or repeated": (_cut_or_repeat, False),
    "fraction changed": (_change_removed, True),
    "digest changed": (_change_digest, True),
    "lattice changed": (_change_lattice, False),
    "distance changed": (_change_distance, False),
    "distance added": (_add_distance, False),
    "statement changed": (_change_statement, True),
    "norm changed": (_change_norm, False),
    "boundary closed": (_close, False),
    "surd changed": (_change_surd, False),
}
BY_FORM: dict[str, dict[str, tuple[Change, bool]]] = {
    "polygons": {
        "vertex moved in one tile": (_move_vertex, True),
        "vertex moved in all tiles": (_move_vertices, False),
        "color changed": (_recolor_tile, False),
        "tile removed": (_remove_tile, False),
        "tile broken": (_break_tile, True),
    },
    "cells": {
        "color changed": (_recolor_cell, False),
        "cells swapped": (_swap_cells, False),
        "cells broken": (_break_cells, True),
        "shape changed": (_other_shape, False),
    },
    "voronoi": {
        "color changed": (_recolor_point, False),
        "point moved": (_move_point, True),
        "basis changed": (_change_basis, False),
        "period changed": (_change_period, False),
    },
}
