"""Grids of colors from files of others, checked strictly, and into files for others.

A grid has integers: colors from 0, and -1, 255 or, in text, nothing for removed cells.

>>> given = read_grid(b"0,1,2\\n1,,0\\n", name="small.csv")
>>> given.num_colors, given.grid.tolist()
(3, [[0, 1, 2], [1, 255, 0]])
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.cells import CellColoring
from tasks.coloring.certificates.distances import check_num_colors
from tasks.coloring.certificates.files import MAX_BYTES, read_certificate
from tasks.coloring.certificates.grids import REMOVED, as_grid, check_colors
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.certificates.numbers import MAX_CHARACTERS
from tasks.coloring.certificates.offsets import MAX_CELLS
from tasks.records import InputError
from tasks.records.errors import shortened

__all__ = ["GivenGrid", "grid_csv", "grid_npz", "read_grid"]

_FORMS = (".npz", ".npy", ".csv", ".txt", ".json")
_COLOR = re.compile(r"-1|[0-9]{1,3}", re.ASCII)
_BROKEN = (ValueError, EOFError, KeyError, OSError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False)
class GivenGrid:
    """A grid read from a file.

    Attributes
    ----------
    grid : (m_1, ..., m_n) uint8
        Colors below `num_colors`, and 255 for removed cells.
    num_colors : int
    lattice : Lattice or None
        The periods, if they are known.
    """

    grid: NDArray[np.uint8]
    num_colors: int
    lattice: Lattice | None


def read_grid(
    source: str | Path | bytes,
    *,
    name: str = "",
    num_colors: int | None = None,
    shape: Sequence[int] | None = None,
    lattice: object = None,
) -> GivenGrid:
    """Read a grid; its form is known by the end of its name.

    ``.npz`` holds an array `grid` and, optionally, `lattice`, with rows of numbers or of their
    texts; ``.npy`` one array; ``.csv`` rows with commas or semicolons, ``.txt`` rows with spaces or
    commas; ``.json`` a certificate by cells, whose verdict is not asked for.

    Parameters
    ----------
    source : path or bytes
    name : str
        Of the file, if its content is given.
    num_colors : int, optional
        Colors are below it; by default all from 0 to the largest must occur.
    shape : sequence of int, optional
        What it must be.
    lattice : optional
        Periods, as `Lattice` or what `Lattice.parse` reads, of a file that has none.

    Raises
    ------
    InputError
        If the file cannot be read, is empty or has another form, if a value is not a color, colors
        are left out, rows differ in length, the shape is another one, the lattice is not finite or
        has another dimension, or two lattices are given.
    """
    path = name or (str(source) if not isinstance(source, bytes) else "")
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMS:
        raise InputError(f"grid {path or 'without a name'}: names end in {', '.join(_FORMS)}")
    try:
        content = source if isinstance(source, bytes) else _read(Path(source))
        if not content:
            raise InputError("the file is empty")
        values, own, own_colors = _parse(content, suffix)
        if own is not None and lattice is not None:
            raise InputError("the file has a lattice: give no other one")
        grid = _checked(values, num_colors or own_colors, shape)
        k = num_colors or own_colors or int(grid[grid != REMOVED].max()) + 1
        return GivenGrid(grid, k, _lattice(own if own is not None else lattice, grid.ndim))
    except InputError as error:
        raise InputError(f"grid {path}: {error}") from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}") from error
    if len(content) > MAX_BYTES:
        raise InputError(f"the file has more than {MAX_BYTES} bytes")
    return content


def _parse(content: bytes, suffix: str) -> tuple[NDArray[Any], object, int | None]:
    """Values, lattice and number of colors; the latter two None if the file does not tell."""
    if suffix == ".json":
        coloring = read_certificate(content)
        if not isinstance(coloring, CellColoring):
            raise InputError("the certificate is not one by cells, so it has no grid")
        return coloring.grid, coloring.lattice, coloring.num_colors
    if suffix == ".npz":
        return (*_archive(content), None)
    if suffix == ".npy":
        return _array(io.BytesIO(content), "the array"), None, None
    return _table(content, suffix), None, None


# --- arrays -------------------------------------------------------------------------------------


def _archive(content: bytes) -> tuple[NDArray[Any], object]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = sorted(archive.namelist())
            if names not in (["grid.npy"], ["grid.npy", "lattice.npy"]):
                found = [name.removesuffix(".npy") for name in names]
                raise InputError(f"the arrays are grid and lattice, not {shortened(found)}")
            with archive.open("grid.npy") as stream:
                grid = _array(stream, "grid")
            if len(names) == 1:
                return grid, None
            with archive.open("lattice.npy") as stream:
                return grid, _array(stream, "lattice", 9, 4 * MAX_CHARACTERS).tolist()
    except InputError:
        raise
    except (*_BROKEN, NotImplementedError, RuntimeError) as error:
        raise InputError(f"not a whole .npz file: {error}") from error


def _array(
    stream: IO[bytes], name: str, most: int = MAX_CELLS, item_bytes: int = 8
) -> NDArray[Any]:
    """Read an array of so many values of so many bytes at most, after a look at its header."""
    try:
        version = np.lib.format.read_magic(stream)
        readers = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        shape, _, dtype = readers[version](stream)
        if dtype.hasobject:
            raise InputError(f"{name} holds pickled objects, which are not read: store integers")
        if prod(shape) > most or dtype.itemsize > item_bytes:
            raise InputError(f"{name} has {prod(shape)} values of {dtype}: that is too much")
        stream.seek(0)
        return np.lib.format.read_array(stream, allow_pickle=False)
    except InputError:
        raise
    except _BROKEN as error:
        raise InputError(f"{name} is not a whole .npy file: {error}") from error


# --- tables -------------------------------------------------------------------------------------


def _table(content: bytes, suffix: str) -> NDArray[np.int64]:
    try:
        lines = content.decode("utf-8-sig").rstrip().splitlines()
    except UnicodeDecodeError as error:
        raise InputError("the table is not UTF-8 text") from error
    if not lines:
        raise InputError("the file is empty")
    known = {"-1": REMOVED} if suffix == ".txt" and "," not in lines[0] else {"": REMOVED}
    rows = []
    for number, line in enumerate(lines, 1):
        texts = _cells(line, suffix)
        new = set(texts) - known.keys()
        known |= {text: _color(text, number, texts.index(text) + 1) for text in new}
        rows.append([known[text] for text in texts])
        if len(texts) != len(rows[0]):
            raise InputError(
                f"line {number} has {len(texts)} cells, the first one {len(rows[0])}: "
                "a grid has rows of one length"
            )
    return np.array(rows)


def _cells(line: str, suffix: str) -> list[str]:
    if "," in line or (";" in line and suffix == ".csv"):
        return [text.strip() for text in line.split("," if "," in line else ";")]
    return line.split() if suffix == ".txt" else [line.strip()]


def _color(text: str, line: int, column: int) -> int:
    if not _COLOR.fullmatch(text) or int(text) > REMOVED:
        raise InputError(
            f"line {line}, column {column} holds {shortened(text)}: allowed are colors from 0, "
            f"and -1, {REMOVED} or nothing for removed cells"
        )
    return int(text) % 256


# --- checks -------------------------------------------------------------------------------------


def _checked(
    values: NDArray[Any], num_colors: int | None, shape: Sequence[int] | None
) -> NDArray[np.uint8]:
    if shape is not None and values.shape != tuple(shape):
        raise InputError(f"the shape is {values.shape}, not {tuple(shape)} as stated")
    if values.ndim not in (2, 3):
        raise InputError(f"a grid has 2 or 3 dimensions, not {values.ndim}")
    if np.issubdtype(values.dtype, np.signedinteger):
        values = np.where(values == -1, REMOVED, values)
    grid = as_grid(values, values.ndim)
    if num_colors is not None:
        check_colors(grid, check_num_colors(num_colors))
        return grid
    used = np.unique(grid[grid != REMOVED])
    if not len(used):
        raise InputError("all cells are removed: state the number of colors")
    check_num_colors(int(used[-1]) + 1)
    missing = sorted(set(range(int(used[-1]) + 1)) - set(used.tolist()))
    if missing:
        raise InputError(
            f"colors {shortened(missing)} do not occur, but {used[-1]} does: "
            "number them from 0, or state the number of colors"
        )
    return grid


def _lattice(given: object, dimension: int) -> Lattice | None:
    if given is None:
        return None
    lattice = given if isinstance(given, Lattice) else Lattice.parse(given)
    if lattice.dimension != dimension:
        raise InputError(
            f"the lattice has dimension {lattice.dimension}, the grid {dimension}: they must agree"
        )
    return lattice


# --- files for others ---------------------------------------------------------------------------


def grid_csv(grid: NDArray[np.uint8]) -> str:
    """Write a grid (m_1, m_2) as rows of integers with commas, -1 for removed cells."""
    texts = np.array([str(color) for color in range(REMOVED)] + ["-1"], object)
    return "".join(f"{','.join(row)}\n" for row in texts[as_grid(grid, 2)])


def grid_npz(grid: NDArray[np.uint8], lattice: Lattice) -> bytes:
    """Write a grid and its lattice as a .npz file, the same bytes each time.

    Numbers of the lattice are texts, exactly; with a surd they are rounded to floats.
    """
    rows = lattice.floats if lattice.surd else np.array(lattice.texts())
    buffer = io.BytesIO()
    np.savez_compressed(buffer, grid=as_grid(grid, lattice.dimension), lattice=rows)
    return buffer.getvalue()
