"""Colorings by polygons: tiles, partitions, distances of tiles, and the proof.

`verify_polygons` proves that tiles are a partition (`partition`, `simple`) and that no two of a
color hold a distance that it forbids (`pairs`); `allowed_interval` says what a color could forbid.
"""

from typing import TYPE_CHECKING

from tasks.records.lazy import lazy_exports

if TYPE_CHECKING:
    from tasks.coloring.certificates.polygons.allowed import Slack, allowed_interval, slacks
    from tasks.coloring.certificates.polygons.coloring import PolygonColoring, verify_polygons
    from tasks.coloring.certificates.polygons.partition import partition_fault
    from tasks.coloring.certificates.polygons.tiles import Tile

__all__ = [
    "PolygonColoring",
    "Slack",
    "Tile",
    "allowed_interval",
    "partition_fault",
    "slacks",
    "verify_polygons",
]

__getattr__ = lazy_exports(__name__, __file__)
