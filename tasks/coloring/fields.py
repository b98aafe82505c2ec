"""Files of what searches found: probabilities of colors on the grid of a torus, and its lattice.

A file is an archive of NumPy, written so that equal contents are equal bytes.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.records.errors import InputError

__all__ = ["Field"]

_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, eq=False)
class Field:
    """What a coloring of cells is made of.

    Attributes
    ----------
    values : float32 (C, s_1, ..., s_n), or uint8 (m_1, ..., m_n)
        Logits of the colors, and of "removed" if C = k + 1; or the colors of a given grid.
    lattice : tuple of tuple of str
        Rows of the lattice, exact, as of `Lattice.words`.
    tiles : bytes
        The certificate of a given coloring by polygons; empty for all other fields.
    """

    values: NDArray[Any]
    lattice: tuple[tuple[str, ...], ...]
    tiles: bytes = b""

    @property
    def is_grid(self) -> bool:
        """Whether it holds colors."""
        return self.values.dtype == np.uint8

    def pack(self) -> bytes:
        """The bytes of the file."""
        buffer = io.BytesIO()
        arrays = {"values": self.values, "lattice": np.array(self.lattice)}
        if self.tiles:
            arrays["tiles"] = np.frombuffer(self.tiles, np.uint8)
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            for name, array in arrays.items():
                part = io.BytesIO()
                np.lib.format.write_array(part, np.ascontiguousarray(array), allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), part.getvalue())
        return buffer.getvalue()

    @classmethod
    def unpack(cls, data: bytes) -> Field:
        """Read a file.

        Raises
        ------
        InputError
            If it is damaged.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as archive:
                values, lattice = archive["values"], archive["lattice"]
                tiles = archive["tiles"].tobytes() if "tiles" in archive else b""
        except (ValueError, OSError, KeyError, zipfile.BadZipFile) as error:
            raise InputError(f"the field of a search cannot be read: {error}") from error
        return cls(values, tuple(tuple(map(str, row)) for row in lattice.tolist()), tiles)
