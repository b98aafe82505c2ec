"""Certificate files of colorings by cells: what is written is read back, all else is refused."""

import base64
import json
import zlib
from copy import deepcopy
from hashlib import sha256

import numpy as np
import pytest
from commands import run_python
from numpy.random import default_rng
from small_colorings import blocks, cubes, four_squares, nine_squares

from tasks.coloring import (
    CellColoring,
    PNorm,
    certificate_name,
    certificate_record,
    read_certificate,
    verify_certificate,
    write_certificate,
)
from tasks.coloring.certificates import files
from tasks.coloring.certificates.files import certificate_bytes, check_name, coloring_of
from tasks.records import InputError

COLORINGS = {
    "squares": nine_squares(),
    "tight": nine_squares("tight"),
    "cubes": cubes(),
    "maximum": four_squares(),
    "blocks": blocks(),
    "p-norm": CellColoring.of(nine_squares().grid, nine_squares().lattice, 9, norm=PNorm.of("5/2")),
}


@pytest.mark.parametrize("name", COLORINGS)
def test_a_file_is_read_back_as_it_was_written(tmp_path, name):
    coloring = COLORINGS[name]
    path = write_certificate(coloring, tmp_path / "new" / "folder", about={"title": "π"})
    found = read_certificate(path)
    assert (found.grid == coloring.grid).all() and found.grid.shape == coloring.grid.shape
    assert (found.lattice, found.forbidden, found.norm, found.num_colors, found.surd) == (
        coloring.lattice, coloring.forbidden, coloring.norm, coloring.num_colors, coloring.surd,
    )  # fmt: skip
    assert verify_certificate(json.loads(path.read_bytes())).valid
    assert verify_certificate(found).valid


def test_the_file_of_a_coloring_has_one_content_and_is_named_for_it(tmp_path):
    first, second = (write_certificate(blocks(), tmp_path / name) for name in "ab")
    assert first.read_bytes() == second.read_bytes() and first.name == second.name
    record = json.loads(first.read_bytes())
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    assert first.name == f"coloring-{sha256(text.encode()).hexdigest()[:16]}.json"
    with_notes = certificate_record(blocks(), about={"seed": 17})
    assert certificate_name(with_notes) == first.name
    assert certificate_bytes(with_notes) != first.read_bytes()


def test_a_file_states_what_the_format_says():
    record = certificate_record(blocks())
    assert record["kind"] == "plane-coloring" and record["version"] == 1
    assert record["form"] == "cells" and record["boundary"] == "half-open"
    assert record["norm"] == "euclidean" and "surd" not in record and "about" not in record
    assert record["lattice"] == [["1.5", "0.1"], ["-0.2", "1.4"]]
    assert record["forbidden"] == [
        [["0.8", "0.8"]], [["0.78", "0.8"]], [[{"square": "2/3"}, {"square": "2/3"}]],
    ]  # fmt: skip
    assert (record["num_colors"], record["removed"]) == (3, "3/4")
    cells = record["cells"]
    content = zlib.decompress(base64.b64decode(cells["colors"]))
    assert cells["shape"] == [6, 6] and content == blocks().grid.tobytes()
    assert cells["sha256"] == sha256(content).hexdigest()
    assert certificate_record(cubes())["surd"] == 3


def changed(record, path, value):
    """The record with another value at a path of keys; None removes the key."""
    record = deepcopy(record)
    place = record
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return record


def packed(content, level=9, after=b""):
    return base64.b64encode(zlib.compress(content, level) + after).decode()


GRID = blocks().grid.tobytes()


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (["kind"], "sos-certificate", "the kind is 'sos-certificate'"),
        (["version"], 2, "the version 2"),
        (["version"], True, "the version True"),
        (["form"], "triangles", "unknown form 'triangles'"),
        (["form"], "polygons", "lacks the key 'polygons'"),
        (["norm"], None, "lacks the key 'norm'"),
        (["color"], 1, "has a key 'color'"),
        (["about"], "by hand", "about is a JSON object"),
        (["surd"], 4, "squarefree"),
        (["surd"], "3", "squarefree"),
        (["norm"], "manhattan", "unknown norm"),
        (["norm"], {"p": "1/2"}, "p >= 1"),
        (["norm"], {"ball": [["1", "0"], ["0", "1"], ["-1", "0"]]}, "unit ball"),
        (["norm"], {"p": "2"}, "or, in the Euclidean norm"),
        (["lattice"], [["1", "2"], ["2", "4"]], "parallel"),
        (["lattice"], [["1.5", "0.1"]], "2 vectors of the plane"),
        (["lattice"], [["1.5", "0.1", "0"], ["-0.2", "1.4", "0"]], "2 vectors of the plane"),
        (["lattice"], [["1.5", "0.1"], ["-0.2", "1e3"]], "is not a number"),
        (["lattice"], [["1.5", "0.1"], ["-0.2", "inf"]], "is not a number"),
        (["lattice"], [["1.5", "0.1"], ["-0.2", 1.4]], "is not a number"),
        (["lattice"], [["1.5", "0.1"], ["-0.2", ["1", "0"]]], "is not a number"),
        (["lattice"], "square", "list of lists"),
        (["num_colors"], 0, "number of colors"),
        (["num_colors"], 4, "entries for 3 colors"),
        (["num_colors"], 201, "number of colors"),
        (["num_colors"], "3", "number of colors"),
        (["num_colors"], True, "number of colors"),
        (["forbidden"], [], "number of colors"),
        (["forbidden", 1], [], "forbids no distance"),
        (["forbidden", 1], [["0.8", "0.78"]], "the wrong way round"),
        (["forbidden", 1], [["0", "0.8"]], "must be positive"),
        (["forbidden", 1], [["-1", "0.8"]], "must be positive"),
        (["forbidden", 1], [["0.8"]], "is a pair"),
        (["forbidden", 1], [[{"root": "2"}, "2"]], "distance is a number"),
        (["forbidden", 1], [[0.8, 0.8]], "is not a number"),
        (["boundary"], "closed", "boundary of cells is half-open"),
        (["removed"], "0.75000001", "removed is stated as 75000001/100000000"),
        (["removed"], "2/3", "but the coloring removes 3/4"),
        (["removed"], 0.75, "is not a number"),
        (["cells"], [], "keys shape, colors and sha256"),
        (["cells", "sha256"], "0" * 64, "not the sha256"),
        (["cells", "sha256"], None, "keys shape, colors and sha256"),
        (["cells", "more"], 1, "keys shape, colors and sha256"),
        (["cells", "shape"], [6, 7], "unpacks to 36 bytes, but the shape has 42 cells"),
        (["cells", "shape"], [6, 5], "unpacks to more than the 30 bytes"),
        (["cells", "shape"], [4, 9], None),
        (["cells", "shape"], [36], "2 positive numbers"),
        (["cells", "shape"], [6, -6], "2 positive numbers"),
        (["cells", "shape"], [6.0, 6], "list of integers"),
        (["cells", "shape"], [2**20, 2**20], "at most 67108864 cells"),
        (["cells", "colors"], "?", "not base64"),
        (["cells", "colors"], 7, "not base64"),
        (["cells", "colors"], "AAAA", "not base64 of a zlib stream"),
        (["cells", "colors"], packed(GRID + b"\0"), "unpacks to more than the 36 bytes"),
        (["cells", "colors"], packed(bytes(10**8)), "unpacks to more than the 36 bytes"),
        (["cells", "colors"], packed(GRID)[:-8], "does not end"),
        (["cells", "colors"], packed(GRID, after=b"x"), "does not end"),
    ],
)  # fmt: skip
def test_what_the_format_does_not_allow_is_refused_in_one_line(path, value, words):
    record = changed(certificate_record(blocks()), path, value)
    if words is None:  # another shape of as many cells is another coloring, and a bad one
        assert not verify_certificate(record).valid
        return
    with pytest.raises(InputError, match=words) as caught:
        verify_certificate(record)
    assert len(str(caught.value)) < 400


def test_colors_that_do_not_exist_are_refused():
    record = certificate_record(blocks())
    content = GRID.replace(b"\x02", b"\x03")
    record["cells"] |= {"colors": packed(content), "sha256": sha256(content).hexdigest()}
    with pytest.raises(InputError, match=r"cell \(0, 5\) holds 3"):
        verify_certificate(record)


def test_other_texts_of_the_same_numbers_are_the_same_statement():
    record = certificate_record(blocks())
    record |= {"removed": "27/36", "lattice": [["3/2", "0.10"], ["-2/10", "7/5"]]}
    record["cells"]["colors"] = packed(GRID, 0)
    assert verify_certificate(record).valid


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[1]", "JSON object"),
        (b'{"kind": 1, "kind": 2}', "the key 'kind' occurs twice"),
        (b'{"about": NaN}', "not finite"),
        (b'{"about": -Infinity}', "not finite"),
        (b'{"about": 1e999}', "not finite"),
        (b'{"about": ' + b"1" * 5000 + b"}", "more than 1000 characters"),
        (b'{"about": ' + b"[" * 100_000 + b"}", "nests too deeply"),
    ],
)
def test_what_is_not_one_json_object_is_refused(data, words):
    with pytest.raises(InputError, match=words):
        read_certificate(data)


def test_large_files_are_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_BYTES", 1000)
    path = tmp_path / "large.json"
    path.write_bytes(b" " * 1001)
    with pytest.raises(InputError, match=r"large\.json: the certificate has more than 1000 bytes"):
        read_certificate(path)
    with pytest.raises(InputError, match="cannot read"):
        read_certificate(tmp_path / "missing.json")


def test_a_file_with_the_name_of_another_certificate_is_refused(tmp_path):
    path = write_certificate(blocks(), tmp_path)
    record = json.loads(path.read_bytes())
    path.write_bytes(certificate_bytes(record | {"lattice": [["1.5", "0.1"], ["-0.2", "1.39"]]}))
    with pytest.raises(InputError, match="not that of its name"):
        read_certificate(path)
    other = path.rename(tmp_path / "coloring.json")
    assert verify_certificate(read_certificate(other)).valid


def test_no_random_corruption_passes_for_the_file(tmp_path):
    """Of 400 files with one to three bytes changed, each is refused or says the same."""
    coloring = nine_squares("tight")
    data, name = (
        certificate_bytes(certificate_record(coloring)),
        certificate_name(certificate_record(coloring)),
    )
    rng = default_rng(17)
    for _ in range(400):
        bad = bytearray(data)
        for place in rng.integers(0, len(data), rng.integers(1, 4)):
            bad[place] = rng.integers(32, 127)
        if bytes(bad) == data:
            continue
        try:
            record = files.parse_certificate(bytes(bad))
            check_name(name, record)
            accepted = coloring_of(record)
        except InputError:
            continue
        assert certificate_record(accepted) == certificate_record(coloring)


def test_a_vertex_of_the_lattice_moved_by_1e_9_is_found():
    record = certificate_record(nine_squares("tight"))
    moved = changed(record, ["lattice", 0, 0], ["0.000000001", "1.5"])
    assert verify_certificate(record).valid and not verify_certificate(moved).valid


def test_certificates_import_nothing_heavy():
    heavy = {"torch", "matplotlib", "prefect", "ray", "numba", "pyarrow", "scipy"}
    code = (
        "import sys, tasks.coloring.certificates.files, tasks.coloring.certificates.cells\n"
        f"print(*sorted({heavy} & set(sys.modules)))"
    )
    assert run_python("-c", code).stdout == "\n"


def test_the_package_imports_nothing_but_the_standard_library():
    code = "import tasks.coloring, sys; print('numpy' in sys.modules, 'pydantic' in sys.modules)"
    assert run_python("-c", code).stdout == "False False\n"


def test_grids_that_are_read_cannot_be_changed():
    found = coloring_of(certificate_record(blocks()))
    with pytest.raises(ValueError, match="read-only"):
        found.grid[0, 0] = 1
    assert np.array_equal(found.grid, blocks().grid)
