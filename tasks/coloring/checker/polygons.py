"""Colorings by polygons over Q(sqrt n)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Any

from tasks.coloring.checker.documents import (
    canonical_digest,
    check_integer,
    check_keys,
    check_list,
    check_text,
)
from tasks.coloring.checker.limits import MAX_COMPARISONS, MAX_TILES, MAX_VERTICES, Budget, weight
from tasks.coloring.checker.numbers import Number, common_denominator, parse_number
from tasks.coloring.checker.pairs import Tiling, first_conflict
from tasks.coloring.checker.partition import doubled_area, partition_fault
from tasks.coloring.checker.simple import polygon_fault
from tasks.coloring.checker.spans import counted, percent
from tasks.coloring.checker.statements import Statement
from tasks.coloring.checker.torus import Torus
from tasks.coloring.checker.vectors import Vector, scaled_vector
from tasks.coloring.checker.verdicts import RefusedError, Verdict


@dataclass(frozen=True)
class Tile:
    """A polygon and its color; None if its points are removed."""

    color: int | None
    vertices: tuple[Vector, ...]


def check_polygons(statement: Statement) -> Verdict:
    """Decide a coloring by polygons.

    Raises
    ------
    RefusedError
        If its data is not as stated or too large.
    """
    tiles = parse_tiles(statement)
    corners = chain.from_iterable(chain.from_iterable(tile.vertices for tile in tiles))
    scale = common_denominator(
        chain(statement.bounds(), chain.from_iterable(statement.lattice), corners)
    )
    statement.norm.check_scale(scale)
    first, second = (scaled_vector(v, scale) for v in statement.lattice)
    shapes = [[scaled_vector(v, scale) for v in tile.vertices] for tile in tiles]
    torus = Torus.of(first, second)
    heavy = weight(scale, statement.surd, 1)
    fault = _tiles_fault(shapes, Budget(MAX_COMPARISONS, "pairs of edges of tiles", heavy))
    fault = fault or partition_fault(
        shapes, torus, scale, Budget(MAX_COMPARISONS, "pairs of points and edges", heavy)
    )
    if fault:
        return Verdict("invalid", fault, {"form": "polygons"})
    removed = _removed(tiles, shapes, torus)
    if statement.removed != removed:
        raise RefusedError(
            f"removed: {percent(removed)} % of the plane are removed, not the fraction that is "
            "stated"
        )
    tiling = Tiling(shapes, (first, second), statement.norm, statement.is_closed, scale)
    return _decide_pairs(statement, tiles, tiling, removed)


def _decide_pairs(
    statement: Statement, tiles: Sequence[Tile], tiling: Tiling, removed: Number
) -> Verdict:
    colors = [
        [k for k, tile in enumerate(tiles) if tile.color == color]
        for color in range(statement.num_colors)
    ]
    budget = Budget(
        MAX_COMPARISONS,
        "pairs of tiles, and of their vertices and edges",
        weight(tiling.scale, statement.surd, statement.norm.cost),
    )
    found = first_conflict(
        tiling, colors, statement.forbidden, statement.thresholds(tiling.scale), budget
    )
    if not isinstance(found, int):
        color, pair, interval = found
        reason = (
            f"color {color}: tiles {pair.one} and {pair.other}, moved by {pair.periods} periods: "
            + tiling.span_text(pair, interval)
        )
        return Verdict("invalid", reason, {"form": "polygons"})
    return Verdict(
        "valid",
        f"{counted(statement.num_colors)}, {percent(removed)} % of the plane removed, "
        f"{len(tiles)} tiles, {found:,} pairs",
        {
            "form": "polygons",
            "colors": statement.num_colors,
            "removed": number_text(removed, statement.surd),
            "tiles": len(tiles),
            "pairs": found,
        },
    )


def number_text(x: Number, surd: int | None) -> str:
    """A number for people and for JSON, exact."""
    if isinstance(x, Fraction | int):
        return str(x)
    return f"{x.a} + {x.b} sqrt({surd})" if x.b else str(x.a)


def _tiles_fault(shapes: Sequence[Sequence[Vector]], budget: Budget) -> str | None:
    for k, vertices in enumerate(shapes):
        if fault := polygon_fault(vertices, budget):
            return f"tile {k} is not a simple, counterclockwise polygon: {fault}"
    return None


def _removed(tiles: Sequence[Tile], shapes: Sequence[Sequence[Vector]], torus: Torus) -> Number:
    doubled = sum(
        doubled_area(vertices)
        for tile, vertices in zip(tiles, shapes, strict=True)
        if tile.color is None
    )
    return Fraction(1) * doubled / (2 * torus.det)


# --- reading ------------------------------------------------------------------------------------


def parse_tiles(statement: Statement) -> list[Tile]:
    """The tiles as they are stated.

    Raises
    ------
    RefusedError
        If they are too many, have another digest, or are ill-typed.
    """
    if statement.dimension != 2:
        raise RefusedError("polygons: the lattice must have two vectors")
    content = check_keys(statement.content, ("tiles", "sha256"), "polygons")
    rows = check_list(content["tiles"], "polygons, tiles")
    if not 1 <= len(rows) <= MAX_TILES:
        raise RefusedError(f"polygons: {len(rows):,} tiles; from 1 to {MAX_TILES:,} are allowed")
    left = MAX_VERTICES
    tiles = []
    for k, row in enumerate(rows):
        tiles.append(_tile(row, statement, f"polygons, tile {k}", left))
        left -= len(tiles[-1].vertices)
    if canonical_digest(rows) != check_text(content["sha256"], "polygons, sha256"):
        raise RefusedError("polygons: the SHA-256 of the tiles is not the one that is stated")
    return tiles


def _tile(value: Any, statement: Statement, what: str, left: int) -> Tile:
    content = check_keys(value, ("color", "vertices"), what)
    color = content["color"]
    if color is not None:
        check_integer(color, 0, statement.num_colors - 1, f"{what}, color")
    rows = check_list(content["vertices"], f"{what}, vertices")
    if not 3 <= len(rows) <= left:
        raise RefusedError(
            f"{what}: {len(rows):,} vertices; at least 3 are needed, and {MAX_VERTICES:,} allowed "
            "in all tiles together"
        )
    points = (check_list(row, f"{what}, vertices", 2) for row in rows)
    return Tile(
        color,
        tuple(tuple(parse_number(x, statement.surd, what) for x in row) for row in points),
    )
