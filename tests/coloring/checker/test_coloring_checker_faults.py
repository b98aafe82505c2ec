"""The second checker refuses or finds invalid whatever is wrong, and names the place."""

import base64
import hashlib
import json
import zlib
from fractions import Fraction as Q

import checker_examples as examples
import pytest
from checker_examples import sealed, with_grid, written

from tasks.coloring.checker import check, documents


def verdict(record):
    return check(written(record))


def assert_invalid(record, *words):
    found = verdict(record)
    assert found.state == "invalid", found
    for word in words:
        assert word in found.reason
    assert "\n" not in found.reason and found.reason.isascii()


def assert_refused(data, *words):
    found = check(data if isinstance(data, bytes) else written(data))
    assert found.state == "refused", found
    for word in words:
        assert word in found.reason
    assert "\n" not in found.reason and found.reason.isascii()


# --- conflicts ----------------------------------------------------------------------------------


def with_point(record, old, new):
    """The tiles with one of their common corners elsewhere."""
    changed = 0
    for tile in record["polygons"]["tiles"]:
        for k, point in enumerate(tile["vertices"]):
            if point == old:
                tile["vertices"][k] = new
                changed += 1
    assert changed
    return sealed(record)


@pytest.mark.parametrize(
    ("low", "words"),
    [
        ("1", ("moved by (0, 0) periods", "to 1.000000000", "forbidden 1 to sqrt(2)")),
        ("1.2", ("moved by (1, 0) periods", "from 1.41421356137 to", "forbidden 1.2 to sqrt(2)")),
    ],
    ids=["diagonal", "gap"],
)
def test_a_vertex_that_crosses_a_tight_distance_is_named(low, words):
    record = examples.surd_squares()
    record["forbidden"] = [[[low, {"square": "2"}]]] * 9
    old = ["0", "1/2"]
    assert verdict(record).state == "valid"
    record = with_point(record, [old, old], [["0.000000001", "1/2"], old])
    assert_invalid(record, "color 0: tiles 0 and 0", *words)


def test_closed_tiles_may_not_touch_a_forbidden_distance():
    assert_invalid(examples.bricks() | {"boundary": "closed"}, "tiles 0 and 0", "from 0 to 1, ")
    assert_invalid(examples.coulson() | {"boundary": "closed"}, "cells (0, 0, 0) and (0, 0, 0)")


@pytest.mark.parametrize("excess", ["0.000000001", "0.000000000001", "0." + "0" * 100 + "1"])
def test_cells_that_are_too_large_by_little_are_named(excess):
    record = examples.squares() | {"lattice": [[f"2{excess[1:]}", "0"], ["0", "2"]]}
    assert_invalid(record, "color 0: cells (0, 0) and (0, 0), offset (0, 0): distances from 0 to 1")


def test_cells_that_are_too_near_their_translates_are_named():
    record = examples.one_color() | {"lattice": [["1.4999999999", "0"], ["0", "1.5"]]}
    assert_invalid(record, "offset (3, 0)", "distances from 0.9999999999", "forbidden 1")


def test_voronoi_cells_that_are_too_large_by_little_are_named():
    record = examples.coulson()
    record["lattice"][2][2] = "-7.5000000001"
    record["lattice"][0][2] = str(Q(record["lattice"][0][2]) - Q(13, 15 * 10**10))
    record["lattice"][1][2] = str(Q(record["lattice"][1][2]) - Q(11, 15 * 10**10))
    record["voronoi"]["basis"][2][2] = str(Q(-1, 2) - Q(1, 15 * 10**10))
    assert_invalid(record, "cells (0, 0, 0) and (0, 0, 0)", "forbidden sqrt(5/4)")


def merged(name):
    record = examples.ALL[name]()
    if "cells" in record:
        return with_grid(record, (2, 2), [0, 1, 2, 2])
    if "polygons" in record:
        record["polygons"]["tiles"][1]["color"] = record["polygons"]["tiles"][0]["color"]
    else:
        record["voronoi"]["tiles"][1][0] = 0
    return sealed(record)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("squares", "color 2: cells (1, 0) and (1, 1)"),
        ("hexagons", "color 0: tiles 0 and 1"),
        ("heptagons", "color 0: tiles 0 and 1"),
        ("bricks", "color 0: tiles 0 and 1"),
        ("surd_squares", "color 0: tiles 0 and 1"),
        ("coulson", "color 0: cells (0, 0, 1) and (0, 0, 0), offset (0, 0, -1)"),
    ],
)
def test_two_colors_that_are_merged_are_named(name, words):
    assert_invalid(merged(name), words, "distances from ", ", forbidden ")


def test_a_wrong_sublattice_is_found():
    record = examples.coulson()
    record["voronoi"]["period"][0] = [1, 0, 12]
    assert_refused(record, "the lattice is not the period times the basis")
    first = [Q(1, 2) * (-1 + 12), Q(1, 2) * (1 + 12), Q(1, 2) * (1 - 12)]
    record["lattice"][0] = [str(x) for x in first]
    assert_invalid(record, "color 0: cells (0, 0, 0) and (0, 0, 0), offset (")
    record = examples.hexagons() | {"lattice": [["4.62", "2.66735"], ["-1.98", "-0.38106"]]}
    assert_invalid(record, "not a partition: tile ")


def test_a_flipped_cell_is_named():
    record = with_grid(examples.squares(), (2, 2), [0, 1, 2, 1])
    assert_invalid(record, "color 1: cells (0, 1) and (1, 1)")
    record = with_grid(examples.one_color(), (3, 3), [0, 255, 255, 255, 0, *[255] * 4])
    assert_invalid(record, "color 0: cells (0, 0) and (1, 1), offset (")
    record = with_grid(examples.cubes(), (3, 3, 3), [0, *[255] * 12, 0, *[255] * 13])
    assert_invalid(record, "color 0: cells (0, 0, 0) and (1, 1, 1), offset (")


def test_a_forbidden_interval_of_one_color_binds_that_color():
    record = examples.squares()
    record["forbidden"][3].append(["1", "1.000000001"])
    assert_invalid(record, "color 3: cells (1, 1) and (1, 1)", "forbidden 1 to 1.000000001")


# --- partitions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("height", "area"),
    [("0.999999999998", "1e-12 less than"), ("1.000000000002", "1e-12 more than")],
)
def test_a_gap_and_an_overlap_of_area_1e_12_are_found(height, area):
    record = examples.bricks()
    assert record["polygons"]["tiles"][0]["vertices"][2] == ["1", "1"]
    record["polygons"]["tiles"][0]["vertices"][2] = ["1", height]
    assert_invalid(sealed(record), "not a partition: tile 0, its edge from (1, ", area)


def test_a_gap_and_an_overlap_of_the_same_area_do_not_cancel():
    record = examples.bricks()
    tile = record["polygons"]["tiles"][0]["vertices"]
    tile[1], tile[2] = ["1", "0.000000000001"], ["1", "1.000000000001"]
    assert_invalid(sealed(record), "tile 0, its edge from ", "add up to that of the period")


def test_a_plane_that_is_covered_twice_is_not_partitioned():
    record = examples.bricks()
    record["polygons"]["tiles"] *= 2
    assert_invalid(sealed(record), "the areas of the tiles add up to 4 more than")


def test_a_missing_tile_is_found():
    record = examples.heptagons()
    del record["polygons"]["tiles"][8]
    assert_invalid(sealed(record), "not a partition: tile 1, its edge from ")


def test_a_repeated_voronoi_cell_is_named():
    record = examples.coulson()
    record["voronoi"]["tiles"][7] = [7, [1, 0, 14]]
    assert_invalid(sealed(record), "the cell at (1, 0, 14) occurs twice modulo the period")


@pytest.mark.parametrize(
    ("vertices", "words"),
    [
        ("00 11 10 01", "its edges 0 and 2 meet"),
        ("00 01 11 10", "its vertices are not counterclockwise"),
        ("00 10 20 10 11 01", "its edges 0 and 2 meet"),
        ("00 10 10 11 01", "its edge 1 has length 0"),
        ("00 20 22 02 00 11", "its edges 0 and 3 meet"),
        ("00 20 22 10 02", "its edges 0 and 3 meet"),
        ("00 10 20", "its edges 0 and 2 meet"),
    ],
)
def test_tiles_that_are_not_simple_are_named(vertices, words):
    record = examples.bricks()
    record["polygons"]["tiles"][2]["vertices"] = [list(point) for point in vertices.split()]
    assert_invalid(sealed(record), "tile 2 is not a simple, counterclockwise polygon: ", words)


# --- refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "coloring"}, "kind 'coloring'"),
        ({"version": 2}, "version 2"),
        ({"version": True}, "version True"),
        ({"version": 1.0}, "version 1.0"),
        ({"form": "squares"}, "form 'squares'"),
        ({"form": []}, "form a list of 0"),
        ({"note": 1}, "the key 'note' is unknown"),
        ({"about": "mine"}, "about: 'mine'"),
        ({"boundary": "closed"}, "boundary: 'closed'; allowed is half-open"),
        ({"removed": "1/4"}, "removed: 0 of 4 cells"),
        ({"removed": "0.0000000001"}, "removed: 0 of 4 cells"),
        ({"removed": 0}, "removed: 0 is not a number written as a text"),
        ({"num_colors": 0}, "num_colors: 0"),
        ({"num_colors": 201}, "num_colors: 201"),
        ({"num_colors": 3}, "forbidden: a list of 4 where a list of 3"),
        ({"forbidden": [[["1", "1"]]] * 3 + [[]]}, "color 3 has no interval"),
        ({"forbidden": [[["1", "0.5"]]] * 4}, "the wrong way round"),
        ({"forbidden": [[["0", "1"]]] * 4}, "the distance 0 is not positive"),
        ({"forbidden": [[["-1", "1"]]] * 4}, "the distance -1 is not positive"),
        ({"forbidden": [[[{"square": "1"}, "1"]]] * 4}, "squares of distances"),
        ({"lattice": [["1", "2"], ["2", "4"]]}, "linearly dependent"),
        ({"lattice": [["1", "2"]]}, "1 vectors; 2 or 3"),
        ({"lattice": [["2", "0", "0"], ["0", "2", "0"], ["0", "0", "2"]]}, "only 'euclidean'"),
        ({"lattice": [[["2", "0"], "0"], ["0", "2"]]}, "a list of 2 is not a number"),
        ({"surd": 12}, "surd: 12 is not squarefree"),
        ({"surd": 1}, "surd: 1; allowed are integers from 2"),
        ({"surd": 10**9 + 1}, "surd: 1000000001"),
        ({"norm": "maximum"}, "norm: allowed are"),
        ({"norm": {"p": "1/2"}}, "norm: p is '1/2'"),
        ({"norm": {"p": "65"}}, "norm: p is '65'"),
        ({"norm": {"p": "2", "ball": []}}, "norm: allowed are"),
        ({"norm": {"ball": [["1", "0"]] * 3}}, "a ball of 3 vertices"),
        ({"norm": {"ball": [["1", "0"], ["0", "1"], ["-1", "0"], ["0", "-2"]]}}, "not symmetric"),
        ({"norm": {"ball": [["1", "0"], ["0", "-1"], ["-1", "0"], ["0", "1"]]}}, "not convex"),
    ],
)  # fmt: skip
def test_another_header_is_refused(changes, words):
    assert_refused(examples.squares() | changes, words)


def test_a_ball_that_turns_more_than_once_or_bends_inwards_is_refused():
    star = "10 -11 -1-1 0-1 -10 1-1 11 01".replace("-1", "m").replace("1", "p").split()
    points = [[{"p": "1", "m": "-1", "0": "0"}[c] for c in point] for point in star]
    assert_refused(examples.squares() | {"norm": {"ball": points}}, "not convex")
    dent = [["4", "0"], ["1", "1"], ["0", "4"], ["-4", "0"], ["-1", "-1"], ["0", "-4"]]
    assert_refused(examples.squares() | {"norm": {"ball": dent}}, "not convex")


@pytest.mark.parametrize("key", list(examples.squares()))
def test_a_missing_key_is_refused(key):
    record = examples.squares()
    del record[key]
    assert_refused(record)


@pytest.mark.parametrize(
    "text",
    ["", "1.", ".5", "+1", "1e3", " 1", "1_0", "0x1", "1/0", "1/-2", "1.5/2", "nan", "١", "1\n",
     "9" * 101, "0." + "1" * 999, "1" * 10**6],
)  # fmt: skip
def test_numbers_are_integers_decimals_and_fractions_of_bounded_length(text):
    assert_refused(examples.squares() | {"lattice": [[text, "0"], ["0", "2"]]}, "lattice: ")


def test_a_common_denominator_of_many_digits_is_refused():
    lattice = [["2/" + "7" * 600, "0"], ["0", "2/" + "3" * 601]]
    assert_refused(examples.squares() | {"lattice": lattice}, "the common denominator")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not JSON"),
        (b"\x00\xff\xfe", "not UTF-8: byte 1"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        ("{}".encode("utf-16"), "not UTF-8"),
        (b"[]", "a list of 0 where an object"),
        (b"7", "7 where an object"),
        (b'{"a": NaN}', "NaN is not a number"),
        (b'{"a": -Infinity}', "-Infinity is not a number"),
        (b'{"kind": 1, "kind": 1}', "the key 'kind' occurs twice"),
        (b'{"about": {"b": [{"c": 1, "c": 2}]}}', "the key 'c' occurs twice"),
        (b'{"a": ' + b"1" * 10**6 + b"}", "a number of 1000000 characters"),
        (b'{"a": 1e' + b"1" * 10**6 + b"}", "a number of 1000002 characters"),
        (b"[" * 10**6, "nest too deeply"),
        (b'{"a":' * 10**6, "nest too deeply"),
        (b"[" + b"1," * (2**22 + 1) + b"1]", "more than 4,194,304 commas and brackets"),
        (b'{"kind": "\\ud800"}', "kind '\\ud800'"),
    ],
)
def test_whatever_is_not_an_object_of_json_is_refused(data, words):
    assert_refused(data, words)


def test_too_many_bytes_are_refused(monkeypatch):
    data = written(examples.squares())
    monkeypatch.setattr(documents, "MAX_BYTES", len(data))
    assert check(data).state == "valid"
    assert_refused(data + b" ", f"more than {len(data)} bytes")


# --- packed colors ------------------------------------------------------------------------------


def with_stream(stream, **changes):
    record = examples.squares()
    record["cells"] |= {"colors": base64.b64encode(stream).decode(), **changes}
    return record


def test_a_stream_that_unpacks_to_more_than_stated_is_not_unpacked():
    bomb = zlib.compress(bytes(2**24), 9)
    assert_refused(with_stream(bomb), "unpack to more than the 4 of the shape")


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (zlib.compress(bytes([0, 1, 2])), "unpack to 3 bytes"),
        (zlib.compress(bytes([0, 1, 2, 3]))[:-1], "is cut off"),
        (zlib.compress(bytes([0, 1, 2, 3])) + b"\0", "bytes follow"),
        (zlib.compress(bytes([0, 1, 2, 3])) * 2, "bytes follow"),
        (zlib.compress(bytes([0, 1, 3, 2])), "the SHA-256"),
        (bytes([0, 1, 2, 3]), "not a zlib stream"),
        (b"", "unpack to 0 bytes"),
    ],
)
def test_a_stream_that_does_not_fit_is_refused(stream, words):
    assert_refused(with_stream(stream), words)


@pytest.mark.parametrize("text", ["$", "AAA", "A\n==", "\ud800", "é"])
def test_colors_that_are_not_base64_are_refused(text):
    record = examples.squares()
    record["cells"]["colors"] = text
    assert_refused(record, "not base64")


def test_a_color_out_of_range_is_refused():
    for color in (4, 199, 254):
        assert_refused(with_grid(examples.squares(), (2, 2), [0, 1, 2, color]), f"color {color} ")


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ([4, 1, 1], "a list of 3 where a list of 2"),
        ([2, 3], "unpack to 4 bytes, of the 6"),
        ([1, 2], "unpack to more than the 2"),
        ([0, 4], "0; allowed are integers from 1"),
        ([-2, -2], "-2; allowed"),
        ([2.0, 2], "2.0 where an integer"),
        ([10**999, 1], "allowed are integers from 1 to"),
        ([2**25, 2**25], "are allowed"),
    ],
)  # fmt: skip
def test_a_shape_that_does_not_fit_is_refused(shape, words):
    record = examples.squares()
    record["cells"]["shape"] = shape
    assert_refused(record, words)


# --- tiles --------------------------------------------------------------------------------------


def test_tiles_with_another_digest_are_refused():
    for name in ("hexagons", "coulson"):
        record = examples.ALL[name]()
        record[record["form"]]["sha256"] = hashlib.sha256(b"").hexdigest()
        assert_refused(record, "the SHA-256 of the tiles")


@pytest.mark.parametrize("color", [7, -1, "0", 0.0, False, [0]])
def test_a_tile_of_a_color_out_of_range_is_refused(color):
    for name, path in (("hexagons", "tiles"), ("coulson", "tiles")):
        record = examples.ALL[name]()
        tile = record[record["form"]][path][0]
        tile["color" if isinstance(tile, dict) else 0] = color if color != 7 else 15
        assert_refused(sealed(record), "tile")


def test_the_removed_fraction_of_tiles_is_computed():
    record = examples.heptagons()
    assert_refused(record | {"removed": "0.000161"}, "removed: 0.0161 % of the plane")
    record["polygons"]["tiles"][8]["color"] = 0
    assert_refused(sealed(record), "removed: 0.0108 % of the plane")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"period": [[1, 0, 13], [0, 1, 11], [0, 0, -15]]}, "not the period times the basis"),
        ({"period": [[1, 0, 13], [0, 1, 11]]}, "a list of 2 where a list of 3"),
        ({"basis": [["1", "0"], ["0", "1"]]}, "a basis of 2 vectors, a lattice of 3"),
        ({"tiles": [[k, [0, 0, k]] for k in range(14)]}, "14 tiles; the index"),
        ({"tiles": [[k, [0, 0]] for k in range(15)]}, "a list of 2 where a list of 3"),
        ({"tiles": [[k, [0, 0, "1"]] for k in range(15)]}, "'1' where an integer"),
    ],
)
def test_voronoi_cells_that_do_not_fit_are_refused(changes, words):
    record = examples.coulson()
    record["voronoi"] |= changes
    assert_refused(sealed(record), words)


# --- bounded work -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"lattice": [["1" + "0" * 100, "0"], ["0", "0." + "0" * 900 + "1"]]},
        {"lattice": [["2", "0"], ["1" + "0" * 90, "2"]]},
        {"lattice": [["0.000001", "0"], ["0", "0.000001"]]},
        {"forbidden": [[["1" + "0" * 100] * 2]] * 4},
        {"norm": "euclidean", "forbidden": [[["0." + "0" * 400 + "1", "1" + "0" * 100]]] * 4},
        {"norm": {"p": "64/63"}, "lattice": [["2/" + "7" * 400, "0"], ["0", "2"]]},
        {"surd": 2, "lattice": [[["1" + "0" * 99, "-" + "7" * 99], "0"], ["0", "0." + "1" * 99]]},
    ],
)
def test_far_apart_sizes_are_refused_in_time(changes):
    assert_refused(examples.squares() | changes, "too much work")


def test_skewed_bases_and_long_tiles_are_decided_or_refused_in_time():
    record = examples.coulson()
    shift = 10**6
    record["voronoi"]["basis"] = [["1", "0", "0"], ["0", "1", "0"], [str(shift), "0", "1"]]
    record["voronoi"]["period"] = [[3, 0, 0], [0, 5, 0], [0, 0, 1]]
    record["lattice"] = [["3", "0", "0"], ["0", "5", "0"], [str(shift), "0", "1"]]
    record["voronoi"]["tiles"] = [[k, [k % 3, k // 3, 0]] for k in range(15)]
    assert_refused(sealed(record), "the basis is far from reduced")
    record = examples.bricks()
    far = str(10**12)
    record["polygons"]["tiles"][0]["vertices"] = [["0", "0"], [far, "0"], ["0", "1"]]
    assert_refused(sealed(record), "too much work")


def test_a_long_file_is_decided_without_recursion():
    noted = examples.squares() | {"about": json.loads("[" * 300 + "]" * 300)}
    assert_refused(noted, "about: a list of 1")
    noted["about"] = {"nested": json.loads("[" * 300 + "]" * 300)}
    assert verdict(noted).state == "valid"
