"""Grids of others: what is written is read back, and what is wrong is refused in one line."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from small_colorings import blocks, nine_squares

from tasks.coloring import Lattice, write_certificate
from tasks.coloring.certificates.constructions import construction
from tasks.coloring.interchange.grids import grid_csv, grid_npz, read_grid
from tasks.records import InputError

LATTICE = Lattice.parse([["-0.17407057", "3.8842025"], ["-3.48389", "1/3"]])
SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 5))
GRIDS = SHAPES.flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, 255]))
)


def npy(values):
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@settings(max_examples=30)
@given(GRIDS)
def test_a_grid_is_read_back_from_a_table(grid):
    given = read_grid(grid_csv(grid).encode(), name="a.csv", num_colors=3)
    assert (given.grid == grid).all() and given.lattice is None and given.num_colors == 3
    spaced = grid_csv(grid).replace(",", " ").encode()
    assert (read_grid(spaced, name="a.txt", num_colors=3).grid == grid).all()
    empty = grid_csv(grid).replace("-1", "")
    if grid[-1].tolist() != [255] and (grid.shape[1] > 1 or (grid < 255).all()):
        assert (read_grid(empty.encode(), name="a.csv", num_colors=3).grid == grid).all()


def test_an_archive_keeps_the_lattice_exactly_and_is_the_same_each_time():
    content = grid_npz(blocks().grid, LATTICE)
    given = read_grid(content, name="a.NPZ")
    assert given.lattice == LATTICE and (given.grid == blocks().grid).all()
    assert given.num_colors == 3 and content == grid_npz(blocks().grid, LATTICE)
    tight = nine_squares("tight")
    rounded = read_grid(grid_npz(tight.grid, tight.lattice), name="b.npz")
    assert (rounded.lattice.floats == tight.lattice.floats).all()


def test_arrays_of_numpy_are_read_with_minus_one_for_removed():
    given = read_grid(npy(np.array([[0, -1], [1, 255]])), name="a.npy", lattice=[[1, 0], [0, 1]])
    assert given.grid.tolist() == [[0, 255], [1, 255]]
    assert given.lattice == Lattice.parse([[1, 0], [0, 1]])
    assert read_grid(npz(grid=np.zeros((2, 2, 2), int)), name="a.npz").grid.ndim == 3


def test_the_grid_of_a_certificate_is_read_from_its_file(tmp_path):
    given = read_grid(write_certificate(blocks(), tmp_path))
    assert (given.grid == blocks().grid).all()
    assert given.lattice == blocks().lattice and given.num_colors == 3


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.png", b"x", "names end in .npz, .npy, .csv, .txt, .json"),
        ("a.csv", b"", "the file is empty"),
        ("a.csv", b"\n \n", "the file is empty"),
        ("a.csv", b"0,1\n0\n", "line 2 has 1 cells, the first one 2"),
        ("a.csv", b"0,1\n\n0,1\n", "line 2 has 1 cells"),
        ("a.csv", b"0,x\n", "line 1, column 2 holds 'x'"),
        ("a.csv", b"0,1\n1,-2\n", "line 2, column 2 holds '-2'"),
        ("a.csv", b"0,300\n", "column 2 holds '300'"),
        ("a.csv", b"0,1.0\n", "column 2 holds '1.0'"),
        ("a.csv", "0,١\n".encode(), "column 2 holds"),
        ("a.csv", b"\xff\xfe", "not UTF-8"),
        ("a.csv", b"0,2\n", r"colors \[1\] do not occur, but 2 does"),
        ("a.csv", b"-1,\n", "all cells are removed"),
        ("a.npy", npy(np.array([[0.0, np.nan]])), "not float64"),
        ("a.npy", npy(np.array([[0, -2]])), "not -2"),
        ("a.npy", npy(np.array([0, 1])), "2 or 3 dimensions, not 1"),
        ("a.npy", npy(np.array([[None]])), "pickled objects"),
        ("a.npy", npy(np.zeros((3, 3), int))[:-5], "not a whole .npy file"),
        ("a.npy", b"PK", "not a whole .npy file"),
        ("a.npz", b"PK", "not a whole .npz file"),
        ("a.npz", npz(grid=np.zeros((9, 9), int))[:-40], "not a whole .npz file"),
        ("a.npz", npz(colors=np.zeros((2, 2), int)), r"grid and lattice, not \['colors'\]"),
        ("a.npz", npz(grid=np.zeros((2, 2), int), lattice=[[1, 0], [0, np.nan]]), "finite"),
        ("a.npz", npz(grid=np.zeros((2, 2), int), lattice=[[1, 0], [2, 0]]), "parallel"),
        ("a.npz", npz(grid=np.zeros((2, 2), int), lattice=np.eye(3)), "dimension 3, the grid 2"),
        ("a.npz", npz(grid=np.array([[None]])), "grid holds pickled objects"),
        ("a.json", b"{}", "grid a.json: "),
    ],
)  # fmt: skip
def test_what_is_no_grid_is_refused(name, content, words):
    with pytest.raises(InputError, match=words) as caught:
        read_grid(content, name=name)
    assert "\n" not in str(caught.value) and str(caught.value).startswith(f"grid {name}: ")


def test_a_header_that_promises_too_much_is_refused_before_anything_is_read():
    buffer = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": (1 << 20, 1 << 20)}
    np.lib.format.write_array_header_1_0(buffer, header)
    with pytest.raises(InputError, match="too much"):
        read_grid(buffer.getvalue(), name="a.npy")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("grid.npy", buffer.getvalue())
    with pytest.raises(InputError, match="too much"):
        read_grid(packed.getvalue(), name="a.npz")


def test_what_is_stated_must_hold(tmp_path):
    content = npz(grid=np.array([[0, 1], [2, 255]]), lattice=np.eye(2))
    assert read_grid(content, name="a.npz", num_colors=5, shape=(2, 2)).num_colors == 5
    with pytest.raises(InputError, match=r"the shape is \(2, 2\), not \(2, 3\) as stated"):
        read_grid(content, name="a.npz", shape=(2, 3))
    with pytest.raises(InputError, match=r"cell \(1, 0\) holds 2: allowed are the colors 0 to 1"):
        read_grid(content, name="a.npz", num_colors=2)
    with pytest.raises(InputError, match="give no other one"):
        read_grid(content, name="a.npz", lattice=np.eye(2))
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_grid(tmp_path / "missing.npy")
    with pytest.raises(InputError, match="not one by cells"):
        read_grid(write_certificate(construction("hex7"), tmp_path))
