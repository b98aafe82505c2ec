"""What leaves a run of colorings can be used elsewhere, and nothing of others is written over."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from coloring_runs import HandMade, nine, problem_for
from small_colorings import blocks, cubes

from tasks.coloring import read_certificate, verify_certificate
from tasks.coloring.certificates.cells import CellColoring
from tasks.coloring.certificates.constructions import construction
from tasks.coloring.interchange.exports import export
from tasks.coloring.interchange.grids import read_grid
from tasks.records import InputError, LatticeworkError


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Cells of the plane and of space, and polygons; one search led to nothing."""
    run = HandMade(tmp_path_factory.mktemp("store"))
    run.add("cells.a", blocks())
    run.add("polygons.b", construction("pritikin6"), valid=None)
    run.add("cells.c", cubes())
    run.fail("cells.d", problem_for(nine()), "no room is left")
    return run.stored


def names(lines):
    return [Path(line).name for line in lines]


def test_every_certified_coloring_leaves_with_grids_polygons_and_a_table(made, tmp_path):
    lines = list(export(made, to=str(tmp_path)))
    assert sorted(names(lines)) == sorted(path.name for path in tmp_path.iterdir())
    suffixes = [name.split(".", 1)[1] for name in names(lines)]
    assert suffixes == [
        *("json", "npz", "csv", "json", "wkt"),  # cells of the plane
        *("json", "npz"),  # cells of space
        *("json", "json", "wkt"),  # polygons
        "csv",
    ]
    certificates = list(tmp_path.glob("coloring-*.json"))
    for path in certificates:
        coloring = read_certificate(path)
        assert verify_certificate(coloring).valid
        assert path.read_bytes() == (Path(made.run.path) / "certificates" / path.name).read_bytes()
        if isinstance(coloring, CellColoring):
            given = read_grid(path.with_suffix(".npz"))
            assert (given.grid == coloring.grid).all() and given.lattice is not None
    assert len(certificates) == 3


def test_the_table_has_a_line_for_every_coloring(made, tmp_path):
    *_, table = export(made, to=str(tmp_path))
    assert Path(table).name == f"plane-coloring-{made.run.run_id}.csv"
    first, third, second = csv.DictReader(Path(table).read_text().splitlines())
    assert (first["item"], first["size"], first["removed"]) == ("cells.a", "6x6", "3/4")
    assert first["lattice"] == "1.5 0.1;-0.2 1.4" and first["distances"] == "0.8;0.78-0.8;sqrt(2/3)"
    assert [row["verified"] for row in (first, second, third)] == ["yes", "not yet", "yes"]
    assert (tmp_path / second["certificate"]).exists() and second["size"] == "9"


def test_polygons_leave_exactly_and_as_text_for_maps(made, tmp_path):
    list(export(made, item="polygons.b", to=str(tmp_path)))
    coloring = construction("pritikin6")
    [path] = tmp_path.glob("polygons-*.json")
    record = json.loads(path.read_text())
    assert record["lattice"] == coloring.lattice.texts() and len(record["polygons"]) == 9
    tiles = [tile.record() for tile in coloring.tiles]
    assert [p["outer"] for p in record["polygons"]] == [tile["vertices"] for tile in tiles]
    assert [p["color"] for p in record["polygons"]] == [tile["color"] for tile in tiles]
    [path] = tmp_path.glob("*.wkt")
    head, *lines = path.read_text().splitlines()
    colors, rings = zip(
        *(line.removesuffix("))").split(";POLYGON((") for line in lines), strict=True
    )
    assert head == "color;polygon" and colors.count("-1") == 3
    points = [np.array([pair.split() for pair in ring.split(",")], float) for ring in rings]
    areas = [np.linalg.det(np.stack([p[:-1], p[1:]], 1)).sum() / 2 for p in points]
    assert all((p[0] == p[-1]).all() for p in points)
    assert sum(areas) == pytest.approx(abs(np.linalg.det(coloring.lattice.floats)))


def test_one_coloring_is_chosen_by_its_key_or_its_certificate(made, tmp_path):
    first = names(export(made, item="cells.a", to=str(tmp_path / "a")))
    stem = first[0].removesuffix(".json")
    ids = {name.split(".")[0].removeprefix("polygons-") for name in first[:-1]}
    assert len(first) == 6 and ids == {stem, stem.removeprefix("coloring-")}
    for item in (stem, f"{stem}.json"):
        assert names(export(made, item=item, to=str(tmp_path / item))) == first


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("cells.e", "has no coloring 'cells.e'; did you mean cells."),
        ("x", "has no coloring 'x'$"),
        ("cells.d", "coloring cells.d of run .* has no certificate: no room is left"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(made, tmp_path, item, words):
    with pytest.raises(InputError, match=words):
        list(export(made, item=item, to=str(tmp_path / "to")))
    assert not (tmp_path / "to").exists()


def test_files_of_others_are_not_written_over(made, tmp_path):
    lines = list(export(made, item="cells.a", to=str(tmp_path)))
    again = list(export(made, item="cells.a", to=str(tmp_path)))
    assert again == [*(f"{line} (was there)" for line in lines[:-1]), lines[-1]]
    [grid] = tmp_path.glob("coloring-*.csv")
    grid.write_text("my own notes")
    with pytest.raises(InputError, match=r"\.csv is there with other content: give another folder"):
        list(export(made, item="cells.a", to=str(tmp_path)))
    assert grid.read_text() == "my own notes"


def test_a_folder_has_to_be_given(made, tmp_path):
    with pytest.raises(InputError, match="give --to FOLDER"):
        export(made)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file; give a folder"):
        export(made, to=str(tmp_path / "file"))


def test_a_certificate_that_is_damaged_or_wrong_does_not_leave(tmp_path):
    run = HandMade(tmp_path / "store")
    with pytest.raises(InputError, match="has no certified coloring yet"):
        export(run.stored, to=str(tmp_path / "to"))
    wrong = nine()
    wrong.grid[0, 0] = 1
    run.add("cells.a", wrong)
    damaged = run.add("cells.b", blocks())
    good = run.add("cells.c", nine("1.2"))
    (Path(run.run.path) / damaged).write_text("{")
    with pytest.raises(LatticeworkError, match="not exported: ") as caught:
        list(export(run.stored, to=str(tmp_path / "to")))
    assert "cells.a: its certificate is not valid: color 1: cells" in str(caught.value)
    assert "cells.b: its certificate is damaged" in str(caught.value)
    written = {path.name for path in (tmp_path / "to").glob("coloring-*.npz")}
    assert written == {f"{Path(good).stem}.npz"}


def test_a_certificate_of_the_same_content_is_there_whatever_it_tells(made, tmp_path):
    first = next(p for p in export(made, to=str(tmp_path)) if p.endswith(".json"))
    record = json.loads(Path(first).read_text())
    Path(first).write_text(json.dumps({**record, "about": {"title": "another"}}))
    assert f"{first} (was there)" in list(export(made, to=str(tmp_path)))
    assert json.loads(Path(first).read_text())["about"] == {"title": "another"}
