"""Colorings of the plane by polygons, periodic under a lattice.

Half-open tiles: a generic direction u gives every point x of a boundary to the tile that holds
x + eps u for small eps > 0. Two points of one color then differ as two interior points of tiles
do, so the realised distances of two tiles are those of their interiors: an open interval. Closed
tiles (whoever gets the boundary) realise at most the closed one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tasks.coloring.certificates.distances import Forbidden, Interval
from tasks.coloring.certificates.headers import BOUNDARIES, Header, canonical_digest
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.certificates.norms import Norm
from tasks.coloring.certificates.numbers import Surd
from tasks.coloring.certificates.polygons.pairs import TilePair, TilePairs
from tasks.coloring.certificates.polygons.partition import partition_fault
from tasks.coloring.certificates.polygons.tiles import Tile, checked_tiles
from tasks.coloring.certificates.polygons.torus_points import area_twice
from tasks.coloring.certificates.verification import Conflict, Verification
from tasks.records import InputError

__all__ = ["PolygonColoring", "verify_polygons"]


@dataclass(frozen=True)
class PolygonColoring:
    """Tiles that repeat under a lattice, each of one color or removed.

    Attributes
    ----------
    tiles
        At least one; with their translates they are to be a partition.
    lattice
        Of the plane.
    forbidden
        Intervals of distances of every color.
    norm
        That measures distances.
    surd
        The n of the field Q(sqrt n) of all numbers; None if all are rational.
    boundary
        "half-open" or "closed".

    Raises
    ------
    InputError
        If there are no tiles, one has a color that does not exist, or the lattice is not of the
        plane.
    """

    tiles: tuple[Tile, ...]
    lattice: Lattice
    forbidden: Forbidden
    norm: Norm
    surd: int | None = None
    boundary: str = "half-open"

    def __post_init__(self) -> None:
        if self.lattice.dimension != 2:
            raise InputError("polygons color the plane: give two lattice vectors")
        if self.boundary not in BOUNDARIES:
            raise InputError(f"boundary is one of {', '.join(BOUNDARIES)}, not {self.boundary!r}")
        if not self.tiles:
            raise InputError("a coloring by polygons needs at least one tile")
        for number, tile in enumerate(self.tiles):
            if tile.color is not None and not 0 <= tile.color < self.forbidden.num_colors:
                raise InputError(
                    f"tile {number} has color {tile.color}: colors are 0 to "
                    f"{self.forbidden.num_colors - 1}, or None for removed"
                )
        self.norm.check_dimension(2)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> PolygonColoring:
        """Read the coloring of a certificate.

        Raises
        ------
        InputError
            If it has not the form of a certificate, or the digest of its tiles does not match.
        """
        header = Header.from_record(record)
        tiles = tuple(
            Tile.from_record(tile, header.forbidden.num_colors, header.surd)
            for tile in checked_tiles(record["polygons"], {"tiles", "sha256"})
        )
        return cls(
            tiles, header.lattice, header.forbidden, header.norm, header.surd, header.boundary
        )

    def record(self) -> dict[str, Any]:
        """The key `polygons` of a file: tiles and their digest."""
        tiles = [tile.record() for tile in self.tiles]
        return {"polygons": {"tiles": tiles, "sha256": canonical_digest(tiles)}}

    @property
    def is_closed(self) -> bool:
        """Whether any point of a boundary may have the color of any tile around it."""
        return self.boundary == "closed"

    @cached_property
    def removed(self) -> Surd:
        """The removed fraction of the plane, by areas."""
        areas = (area_twice(tile.vertices) for tile in self.tiles if tile.color is None)
        return sum(areas, Surd.of(0)) / (2 * abs(self.lattice.determinant))

    @cached_property
    def pairs(self) -> TilePairs:
        """What finds pairs of tiles."""
        return TilePairs(self.tiles, self.lattice, self.norm)


def verify_polygons(coloring: PolygonColoring) -> Verification:
    """Prove that tiles are a partition and no color holds a distance that it forbids.

    The verdict names the first edge, area or pair of tiles that is wrong.

    Raises
    ------
    InputError
        If an edge or a forbidden distance spans too many periods.
    """
    removed, pairs = coloring.removed, coloring.pairs
    fault = partition_fault([tile.vertices for tile in coloring.tiles], coloring.lattice)
    if fault is not None:
        return Verification(False, fault, removed, 0)
    looked_at = 0
    for color, intervals in enumerate(coloring.forbidden.intervals):
        for interval in intervals:
            pair, num_pairs = pairs.conflict(color, interval, coloring.is_closed)
            looked_at += num_pairs
            if pair is not None:
                conflict = _conflict(pairs, color, pair, interval)
                return Verification(False, str(conflict), removed, looked_at, conflict)
    summary = (
        f"{coloring.forbidden.num_colors} colors hold no forbidden distance: "
        f"{len(coloring.tiles)} {coloring.boundary} tiles are a partition, removed "
        f"{float(removed):.8g}"
    )
    return Verification(True, summary, removed, looked_at)


def _conflict(pairs: TilePairs, color: int, pair: TilePair, interval: Interval) -> Conflict:
    offset = pairs.frame.in_lattice(pair.shift)
    realised = pairs.least(pair), pair.largest
    return Conflict(color, pair.first, pair.second, offset, realised, interval, "tile")
