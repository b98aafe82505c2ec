"""Colorings as polygons for other programs: exactly as JSON, rounded as WKT."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.grids import REMOVED, as_grid
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.certificates.numbers import format_number
from tasks.coloring.certificates.polygons import PolygonColoring
from tasks.coloring.construction.polygons.planar_map import planar_map

__all__ = ["polygons_json", "polygons_wkt", "tiles_json", "tiles_wkt"]


def polygons_json(grid: NDArray[np.integer], lattice: Lattice) -> str:
    """Write the regions as polygons whose vertices are corners of cells, exactly.

    The object has `lattice`, `shape`, and `polygons`, each with its `color` (null if removed), the
    closed path `outer` around it, and those around its `holes`, the other way round.  Vertex
    [a, b] is the point a v_1 / m_1 + b v_2 / m_2.  Polygons and their translates fill the plane.
    """
    found = planar_map(as_grid(grid, 2))
    polygons = []
    for region, color in enumerate(found.colors.tolist()):
        outer, *holes = (outline.points.tolist() for outline in found.outlines_of(region))
        color = None if color == REMOVED else color
        polygons.append({"color": color, "outer": outer, "holes": holes})
    head = {"lattice": lattice.texts(), "shape": list(found.shape)}
    return _object(head, polygons)


def polygons_wkt(grid: NDArray[np.integer], lattice: Lattice) -> str:
    """Write a table of colors (-1 if removed) and polygons as well-known text, in floats."""
    found = planar_map(as_grid(grid, 2))
    steps = lattice.floats / np.array(found.shape)[:, None]
    lines = ["color;polygon"]
    for region, color in enumerate(found.colors.tolist()):
        rings = (_ring(outline.points @ steps) for outline in found.outlines_of(region))
        lines.append(f"{-1 if color == REMOVED else color};POLYGON({','.join(rings)})")
    return "\n".join(lines) + "\n"


def tiles_json(coloring: PolygonColoring) -> str:
    """Write the tiles of a coloring by polygons, exactly.

    As `polygons_json`, but without `shape`, and vertices are the points themselves: numbers as in
    certificates, ["a", "b"] for a + b sqrt(surd).
    """
    polygons = []
    for tile in coloring.tiles:
        points = [[format_number(x) for x in vertex] for vertex in tile.vertices]
        polygons.append({"color": tile.color, "outer": points, "holes": []})
    surd = {} if coloring.surd is None else {"surd": coloring.surd}
    return _object({"lattice": coloring.lattice.texts(), **surd}, polygons)


def tiles_wkt(coloring: PolygonColoring) -> str:
    """Write the tiles of a coloring by polygons as `polygons_wkt` does those of a grid."""
    lines = ["color;polygon"]
    for tile in coloring.tiles:
        points = np.array([[float(x) for x in vertex] for vertex in tile.vertices])
        lines.append(f"{-1 if tile.color is None else tile.color};POLYGON({_ring(points)})")
    return "\n".join(lines) + "\n"


def _object(head: dict[str, Any], polygons: Iterable[dict[str, Any]]) -> str:
    """A JSON object with one line for each polygon."""
    lines = ",\n".join(json.dumps(polygon, separators=(",", ":")) for polygon in polygons)
    return f'{json.dumps(head)[:-1]}, "polygons": [\n{lines}\n]}}\n'


def _ring(points: NDArray[np.float64]) -> str:
    closed: Iterable[tuple[float, float]] = [*points.tolist(), points[0].tolist()]
    return f"({','.join(f'{x:.12g} {y:.12g}' for x, y in closed)})"
