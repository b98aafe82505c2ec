"""The removed regions of a map as polygons.

An edge that no other tile has in the other direction borders a removed region. Such edges are
followed with the region on the left; regions that are no simple polygons are cut.
"""

from __future__ import annotations

from tasks.coloring.construction.polygons.region_cuts import FaceError, Walks
from tasks.coloring.construction.polygons.tile_map import Corner, TileMap

__all__ = ["FaceError", "removed_faces"]


def removed_faces(tiles: TileMap) -> list[list[Corner]]:
    """Per polygon of the removed regions its corners, counterclockwise.

    Raises
    ------
    FaceError
        If two tiles have the same directed edge, or a region could not be cut.
    """
    walks = Walks(tiles)
    walks.cut()
    return [list(walk.corners) for walk in walks.walks]
