"""Own colorings in: every form of file starts a run, and what does not fit says what to set."""

import json

import numpy as np
import pytest
from small_colorings import blocks, cubes, four_squares, nine_squares

from tasks.coloring import Lattice, PolygonalNorm, write_certificate
from tasks.coloring.certificates.constructions import construction
from tasks.coloring.certificates.files import (
    certificate_bytes,
    certificate_record,
    read_certificate,
    verify_certificate,
)
from tasks.coloring.certificates.numbers import Surd
from tasks.coloring.certificates.polygons import PolygonColoring
from tasks.coloring.certificates.polygons.tiles import Tile
from tasks.coloring.checker import check
from tasks.coloring.config import PlaneColoringConfig
from tasks.coloring.construction.polygons.cells_from_tiles import sampled_tiles
from tasks.coloring.fields import Field
from tasks.coloring.interchange.grids import grid_csv, grid_npz
from tasks.coloring.interchange.starting import read_start
from tasks.coloring.items import MakingWork
from tasks.coloring.making import made_coloring
from tasks.records import InputError

ROWS = (("1.5", "0.1"), ("-0.2", "1.4"))
DISTANCES = {"0": "0.8", "1": "0.78-0.8", "2": "sqrt(2/3)"}
BLOCKS = {"colors": 3, "distances": DISTANCES}


@pytest.fixture
def files(tmp_path):
    """The same coloring in all forms of files."""
    coloring = blocks()
    found = {"json": write_certificate(coloring, tmp_path)}
    for suffix, content in (
        ("npz", grid_npz(coloring.grid, coloring.lattice)),
        ("csv", grid_csv(coloring.grid).encode()),
        ("txt", grid_csv(coloring.grid).replace(",", " ").encode()),
    ):
        found[suffix] = tmp_path / f"grid.{suffix}"
        found[suffix].write_bytes(content)
    found["npy"] = tmp_path / "grid.npy"
    np.save(found["npy"], coloring.grid)
    return {suffix: str(path) for suffix, path in found.items()}


def test_a_coloring_starts_the_same_run_from_every_form_of_file(files):
    starts = [
        read_start(
            path,
            PlaneColoringConfig(**BLOCKS, lattice=() if suffix in ("json", "npz") else ROWS),
        )
        for suffix, path in files.items()
    ]
    for start in starts:
        assert (start.grid == blocks().grid).all() and start.lattice == blocks().lattice
        assert (start.num_colors, start.lattice.words(), start.is_grid) == (3, ROWS, True)
    assert len({start.digest for start in starts}) == 1


def test_other_contents_start_other_runs(files, tmp_path):
    config = PlaneColoringConfig(**BLOCKS, lattice=ROWS)
    digests = {read_start(files["csv"], config).digest}
    grid = blocks().grid.copy()
    grid[0, 0] = 255
    (tmp_path / "other.csv").write_text(grid_csv(grid))
    digests.add(read_start(str(tmp_path / "other.csv"), config).digest)
    moved = PlaneColoringConfig(**BLOCKS, lattice=(("1.5", "0.1"), ("-0.2", "1.5")))
    digests.add(read_start(files["csv"], moved).digest)
    assert len(digests) == 3


def test_a_lattice_that_is_given_twice_must_be_the_same(files):
    same = PlaneColoringConfig(**BLOCKS, lattice=ROWS)
    assert read_start(files["npz"], same).lattice == blocks().lattice
    other = PlaneColoringConfig(**BLOCKS, lattice=(("1.5", "0.1"), ("-0.2", "1.5")))
    with pytest.raises(InputError, match="of its own: leave lattice out"):
        read_start(files["npz"], other)


def test_polygons_start_a_run_as_tiles_with_a_sample_of_their_colors(tmp_path):
    coloring = construction("pritikin6")
    start = read_start(str(write_certificate(coloring, tmp_path)), PlaneColoringConfig(colors=6))
    assert start.tiles.tiles == coloring.tiles and not start.is_grid
    removed = np.mean(start.grid == 255)
    assert removed == pytest.approx(float(coloring.removed), abs=2e-4)
    areas = [np.mean(start.grid == color) for color in range(6)]
    assert sum(areas) + removed == 1 and min(areas) > 0.1


def test_published_colorings_start_a_run_by_name():
    start = read_start("pritikin6", PlaneColoringConfig(colors=6))
    assert start.tiles == construction("pritikin6")
    with pytest.raises(InputError, match="start pritikin6: it has 6 colors, not 5"):
        read_start("pritikin6", PlaneColoringConfig(colors=5))


def test_copies_of_a_start_are_the_same_coloring(files):
    once = read_start(files["npz"], PlaneColoringConfig(**BLOCKS))
    config = PlaneColoringConfig(**BLOCKS, start=files["npz"], repeats=[2, 3])
    start = read_start(files["npz"], config)
    m, n = once.grid.shape
    assert start.lattice.determinant == 6 * once.lattice.determinant
    assert all(
        (start.grid[i * m :, j * n :][:m, :n] == once.grid).all() for i, j in np.ndindex(2, 3)
    )
    twice = PlaneColoringConfig(colors=6, start="pritikin6", repeats=[1, 2])
    tiles = read_start("pritikin6", twice).tiles
    assert len(tiles.tiles) == 2 * len(construction("pritikin6").tiles)


def test_copies_and_shaking_are_of_a_start_in_its_dimension():
    for wrong in ({"repeats": [2]}, {"repeats": [0, 1]}):
        with pytest.raises(ValueError, match="repeats"):
            PlaneColoringConfig(start="hex7", **wrong)
    with pytest.raises(ValueError, match="set start"):
        PlaneColoringConfig(shake=0.01)


def test_given_tiles_are_moved_as_they_are():
    """Not their sample: the tiles that come out are those that were given, and remove nothing."""
    config = PlaneColoringConfig(colors=7, start="hex7", spacings=[0.5], cells=0)
    start = read_start("hex7", config)
    field = Field(
        start.grid, start.lattice.words(), certificate_bytes(certificate_record(start.tiles))
    )
    assert Field.unpack(field.pack()).tiles == field.tiles
    made = made_coloring(MakingWork(config, "start", "", "start", "polygons"), field)
    assert made.coloring.removed == 0 and len(made.coloring.tiles) == 7
    assert made.methods[0] == "given tiles"


def test_samples_of_tiles_are_the_cells_that_they_are_made_of():
    """Squares of the norm max: each tile covers whole cells, whatever the basis."""
    corners = [(0, 0), (1, 0), (1, 1), (0, 1)]
    tiles = tuple(
        Tile(2 * i + j, tuple((Surd.of(x + i), Surd.of(y + j)) for x, y in corners))
        for i in range(2)
        for j in range(2)
    )
    lattice = Lattice.parse([["2", "0"], ["4", "2"]])
    coloring = PolygonColoring(tiles, lattice, four_squares().forbidden, PolygonalNorm.maximum())
    sample = sampled_tiles(coloring, (8, 8))
    i, j = np.meshgrid(np.arange(8), np.arange(8), indexing="ij")
    x, y = ((np.stack([i, j], -1) + 0.5) / 8 @ lattice.floats).transpose(2, 0, 1)
    assert (sample == 2 * (np.floor(x) % 2) + np.floor(y) % 2).all()


def test_a_lattice_with_a_surd_stays_exact(tmp_path):
    """Of a tight coloring any other lattice would remove cells."""
    tight = nine_squares("tight")
    config = PlaneColoringConfig(colors=9, refinements=0)
    start = read_start(str(write_certificate(tight, tmp_path)), config)
    assert start.lattice == tight.lattice and start.lattice.surd == 2
    field = Field.unpack(Field(start.grid, start.lattice.words()).pack())
    made = made_coloring(MakingWork(config, "start", "", "start", "cells"), field)
    assert made.coloring.lattice == tight.lattice and made.coloring.removed == 0
    data = certificate_bytes(certificate_record(made.coloring))
    assert verify_certificate(read_certificate(data)).valid and check(data).state == "valid"


LATTICE = {"lattice": ROWS}
TOO_NEAR = {"colors": 3, "distances": {"1": "0.05"}} | LATTICE
TWO = {"colors": 2, "distances": {}} | LATTICE
MAXIMUM = BLOCKS | {"norm": "max", "distances": DISTANCES | {"2": "1"}}


@pytest.mark.parametrize(
    ("suffix", "settings", "words"),
    [
        ("csv", BLOCKS, r"the file has no lattice: set its period vectors, lattice='\[\[\"-0"),
        ("csv", TWO, r"\(0, 5\) holds 2: allowed are the colors 0 to 1"),
        ("csv", TOO_NEAR, "holds the forbidden distance 0.05 itself: choose more cells"),
        ("csv", {"colors": 3, "dimension": 3}, "of dimension 2, not 3: set dimension=2"),
        ("json", {"colors": 4}, "it has 3 colors, not 4: set colors=3"),
        ("json", {"colors": 3}, 'its color 0 forbids 0.8, not 1: set distances=\'{"0": "0.8", '),
        ("json", MAXIMUM, r"its color 2 forbids sqrt\(2/3\), not 1: "),
    ],
)
def test_a_start_that_does_not_fit_is_refused_with_the_setting_to_change(
    files, suffix, settings, words
):
    with pytest.raises(InputError, match=words) as caught:
        read_start(files[suffix], PlaneColoringConfig(**settings))
    message = str(caught.value)
    assert message.startswith(f"start {files[suffix]}: ") and "\n" not in message
    assert message.count(files[suffix]) == 1


def test_certificates_that_start_nothing_are_refused(tmp_path):
    config = PlaneColoringConfig(colors=4)
    square = str(write_certificate(four_squares(), tmp_path))
    with pytest.raises(InputError, match=r"its norm is {'ball': .*not euclidean"):
        read_start(square, config)
    assert read_start(square, PlaneColoringConfig(colors=4, norm="max", polygons=0)).num_colors == 4
    with pytest.raises(InputError, match="of dimension 3, not 2: set dimension=3"):
        read_start(str(write_certificate(cubes(), tmp_path)), config)
    with pytest.raises(InputError, match="Voronoi cells starts nothing"):
        read_start(str(write_certificate(construction("coulson15"), tmp_path)), config)
    record = certificate_record(nine_squares()) | {"removed": "1/2"}
    (tmp_path / "wrong.json").write_bytes(certificate_bytes(record))
    with pytest.raises(InputError, match=r"wrong\.json: removed is stated as 1/2"):
        read_start(str(tmp_path / "wrong.json"), config)
    (tmp_path / "no.json").write_text(json.dumps([1]))
    with pytest.raises(InputError, match="a certificate is a JSON object"):
        read_start(str(tmp_path / "no.json"), config)
    with pytest.raises(InputError, match="names end in"):
        read_start(str(tmp_path / "no.png"), config)
