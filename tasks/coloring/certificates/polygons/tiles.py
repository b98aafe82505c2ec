"""Tiles: colored polygons with exact vertices, as in files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tasks.coloring.certificates.headers import canonical_digest
from tasks.coloring.certificates.lattices import Vector
from tasks.coloring.certificates.numbers import format_number, parse_number
from tasks.records import InputError
from tasks.records.errors import shortened

__all__ = ["Tile", "checked_tiles", "read_color"]

_LARGEST = 10**100
"""Coordinates beyond it are refused, so that floats of all that is computed are finite."""


@dataclass(frozen=True)
class Tile:
    """A polygon with a color.

    Attributes
    ----------
    color
        0 to k - 1; None if the tile is removed.
    vertices
        At least three points of the plane, counterclockwise.

    Raises
    ------
    InputError
        If there are fewer than three vertices, or coordinates beyond 10^100.
    """

    color: int | None
    vertices: tuple[Vector, ...]

    def __post_init__(self) -> None:
        if len(self.vertices) < 3:
            raise InputError(f"a tile needs at least 3 vertices, not {len(self.vertices)}")
        for vertex in self.vertices:
            if len(vertex) != 2 or any(abs(float(x)) > _LARGEST for x in vertex):
                raise InputError(
                    "the vertices of tiles are points of the plane with coordinates of at most "
                    f"10^100, not {shortened([str(x) for x in vertex])}"
                )

    @classmethod
    def from_record(cls, record: object, num_colors: int, surd: int | None) -> Tile:
        """Read a tile of a file.

        Raises
        ------
        InputError
            If it is not a tile, or its color does not exist.
        """
        if not isinstance(record, dict) or set(record) != {"color", "vertices"}:
            raise InputError(f"a tile has a color and vertices, not {shortened(record)}")
        vertices = record["vertices"]
        if not isinstance(vertices, list) or not all(
            isinstance(vertex, list) and len(vertex) == 2 for vertex in vertices
        ):
            raise InputError(f"the vertices of a tile are pairs, not {shortened(vertices)}")
        points = tuple((parse_number(x, surd), parse_number(y, surd)) for x, y in vertices)
        return cls(read_color(record["color"], num_colors), points)

    def record(self) -> dict[str, Any]:
        """The tile as in files."""
        vertices = [[format_number(x) for x in vertex] for vertex in self.vertices]
        return {"color": self.color, "vertices": vertices}


def read_color(value: object, num_colors: int) -> int | None:
    """Read the color of a tile of a file; None for removed.

    Raises
    ------
    InputError
        If it is neither None nor an integer from 0 to k - 1.
    """
    if value is None:
        return None
    if type(value) is not int or not 0 <= value < num_colors:
        raise InputError(
            f"the colors of tiles are 0 to {num_colors - 1}, or null, not {shortened(value)}"
        )
    return value


def checked_tiles(entry: object, keys: set[str]) -> list[Any]:
    """The tiles of the entry of a form in a file, whose digest is checked.

    Raises
    ------
    InputError
        If the entry has other keys, tiles are not a list, or their digest is another one.
    """
    if not isinstance(entry, dict) or set(entry) != keys:
        raise InputError(
            f"this form has the keys {', '.join(sorted(keys))}, not {shortened(entry)}"
        )
    tiles = entry["tiles"]
    if not isinstance(tiles, list):
        raise InputError(f"tiles is a list, not {shortened(tiles)}")
    if canonical_digest(tiles) != entry["sha256"]:
        raise InputError("the digest of tiles is not the sha256 that is stated")
    return tiles
