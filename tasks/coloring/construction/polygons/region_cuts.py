"""Cuts through removed regions, until every one of them is a simple polygon.

A region that surrounds tiles has several closed walks as its boundary; one around the torus has
walks that end in a translate of their start. A cut is a segment inside the region between two of
its corners. It joins two walks to one, or makes one wind that did not, or divides a walk so that
two passes of one corner part. The shortest useful cuts are taken first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import atan2, tau

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.construction.polygons.division import Edge, directed_edge, reversed_edge
from tasks.coloring.construction.polygons.tile_map import Corner, TileMap
from tasks.coloring.construction.polygons.torus_copies import TorusCopies

__all__ = ["FaceError", "Walk", "Walks"]

Floats = NDArray[np.float64]

_NEAREST = 32
"""So many of the nearest corners are tried as the other end of a cut."""


class FaceError(ValueError):
    """The removed regions of a map are not polygons, or its tiles overlap."""


@dataclass(frozen=True)
class Walk:
    """A closed walk along the boundary of a region, with the region on the left.

    Attributes
    ----------
    edges
        In order.
    corners
        Their starts; the first has no shift.
    winding
        The shift between start and end.
    area
        Signed, of the corners.
    """

    edges: tuple[Edge, ...]
    corners: tuple[Corner, ...]
    winding: tuple[int, int]
    area: float

    @property
    def is_simple(self) -> bool:
        """Whether it bounds a polygon alone."""
        once = len(set(self.corners)) == len(self.corners)
        return self.winding == (0, 0) and self.area > 0 and once

    def passed_twice(self) -> list[tuple[int, int]]:
        """Pairs of places with the same corner."""
        places = defaultdict(list)
        for place, corner in enumerate(self.corners):
            places[corner].append(place)
        return [pair for found in places.values() for pair in combinations(found, 2)]


class Walks:
    """The walks around the removed regions of a map, and cuts."""

    def __init__(self, tiles: TileMap) -> None:
        self.tiles = tiles
        self.blocks = _tile_edges(tiles)
        self.edges = [
            reversed_edge(edge) for edge in self.blocks if reversed_edge(edge) not in self.blocks
        ]
        self.angles = {edge: self._angle(edge) for edge in self.edges}
        self.walks = self._walks()

    def cut(self) -> None:
        """Cut until all walks are simple.

        Raises
        ------
        FaceError
            If no useful cut is left before.
        """
        if all(walk.is_simple for walk in self.walks):
            return
        segments = _Segments.of(self.tiles, [*self.blocks])
        candidates = list(self._candidates())
        while not all(walk.is_simple for walk in self.walks):
            if not sum(self._try(edge, segments) for edge in candidates):
                raise FaceError("a removed region surrounds tiles and could not be cut")

    def _try(self, edge: Edge, segments: _Segments) -> bool:
        """Cut here if that is useful and possible."""
        angle = self._angle(edge)
        start, end = self._place(edge[0], angle), self._place(edge[1], angle + tau / 2)
        if start is None or end is None or not _is_useful(self.walks, start, end, edge):
            return False
        if segments.meet(edge):
            return False
        for cut in (edge, reversed_edge(edge)):
            self.edges.append(cut)
            self.angles[cut] = self._angle(cut)
        segments.add(edge)
        self.walks = self._walks()
        return True

    def _place(self, vertex: int, angle: float) -> tuple[int, int] | None:
        """The walk that is not simple, and the place in it, where a direction enters its region."""
        for number, place, back, leaving in self.sectors.get(vertex, ()):
            if 0 < (back - angle) % tau < ((back - leaving) % tau or tau):
                return number, place
        return None

    def _candidates(self) -> Iterator[Edge]:
        """Segments between corners of walks that are not simple, the shortest first."""
        vertices = sorted(self.sectors)
        copies = TorusCopies.of(self.tiles, 1.0, chosen=vertices)
        here = self.tiles.points[vertices] + copies.home @ self.tiles.lattice
        count = min(_NEAREST, len(copies.vertex))
        lengths, found = copies.tree.query(here, count)
        table = []
        for row, (vertex, home) in enumerate(zip(vertices, copies.home, strict=True)):
            for length, k in zip(lengths[row], found[row], strict=True):
                other, step = int(copies.vertex[k]), copies.shift[k] - home
                edge = (vertex, other, int(step[0]), int(step[1]))
                if length > 0 and edge < reversed_edge(edge):
                    table.append((float(length), edge))
        return (edge for _, edge in sorted(set(table)) if edge not in self.blocks)

    # --- walking --------------------------------------------------------------------------------

    def _angle(self, edge: Edge) -> float:
        points = self.tiles.points
        offset = points[edge[1]] - points[edge[0]] + np.array(edge[2:]) @ self.tiles.lattice
        return atan2(offset[1], offset[0])

    def _walks(self) -> list[Walk]:
        """All walks; also lists the sectors of those that are not simple, by vertex."""
        leaving = defaultdict(list)
        for edge in self.edges:
            leaving[edge[0]].append(edge)
        seen: set[Edge] = set()
        walks = [self._walk(edge, leaving, seen) for edge in self.edges if edge not in seen]
        self.sectors = defaultdict(list)
        for number, walk in enumerate(walks):
            if walk.is_simple:
                continue
            for place, edge in enumerate(walk.edges):
                back = self.angles[walk.edges[place - 1]] + tau / 2
                self.sectors[edge[0]].append((number, place, back, self.angles[edge]))
        return walks

    def _walk(self, edge: Edge, leaving: dict[int, list[Edge]], seen: set[Edge]) -> Walk:
        edges, corners, here = [], [], (edge[0], 0, 0)
        while edge not in seen:
            seen.add(edge)
            edges.append(edge)
            corners.append(here)
            here = (edge[1], here[1] + edge[2], here[2] + edge[3])
            edge = self._next(edge, leaving[edge[1]])
        table = np.array(corners)
        x, y = (self.tiles.points[table[:, 0]] + table[:, 1:] @ self.tiles.lattice).T
        area = float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
        return Walk(tuple(edges), tuple(corners), here[1:], area)

    def _next(self, edge: Edge, leaving: Sequence[Edge]) -> Edge:
        """The first edge clockwise from the way back."""
        back = self.angles[edge] + tau / 2
        turns = {other: (back - self.angles[other]) % tau or tau for other in leaving}
        turns[reversed_edge(edge)] = tau
        return min(leaving, key=lambda other: (turns[other], other))


def _tile_edges(tiles: TileMap) -> dict[Edge, int]:
    """All directed edges of tiles, and their tiles."""
    owners: dict[Edge, int] = {}
    for tile, loop in enumerate(tiles.loops()):
        for a, b in zip(loop, [*loop[1:], loop[0]], strict=True):
            edge = directed_edge(a, b)
            if edge in owners:
                raise FaceError(f"tiles {owners[edge]} and {tile} are on the same side of an edge")
            owners[edge] = tile
    return owners


def _is_useful(
    walks: Sequence[Walk], start: tuple[int, int], end: tuple[int, int], edge: Edge
) -> bool:
    """Whether a cut joins two walks, makes one wind, or parts two passes of one corner."""
    if start[0] != end[0]:
        return True
    walk = walks[start[0]]
    if walk.winding != (0, 0):
        return False
    a, b = walk.corners[start[1]], walk.corners[end[1]]
    if (a[1] + edge[2], a[2] + edge[3]) != b[1:]:
        return True
    low, high = sorted((start[1], end[1]))

    def together(i: int, j: int) -> bool:
        inner = low <= i <= high and low <= j <= high
        outer = not low < i < high and not low < j < high
        return inner or outer

    return any(not together(i, j) for i, j in walk.passed_twice())


class _Segments:
    """Edges that cuts must not meet."""

    def __init__(self, tiles: TileMap) -> None:
        self.tiles = tiles
        self.copies: list[Floats] = []

    @classmethod
    def of(cls, tiles: TileMap, edges: Sequence[Edge]) -> _Segments:
        """All these edges."""
        segments = cls(tiles)
        for edge in edges:
            segments.add(edge)
        return segments

    def ends(self, edge: Edge) -> Floats:
        """(2, 2): both ends, where the middle is in the fundamental cell."""
        points, lattice = self.tiles.points, self.tiles.lattice
        ends = np.stack([points[edge[0]], points[edge[1]] + np.array(edge[2:]) @ lattice])
        home = np.floor(ends.mean(axis=0) @ np.linalg.inv(lattice))
        return ends - home @ lattice

    def add(self, edge: Edge) -> None:
        """One edge more."""
        self.copies.append(self.ends(edge))

    def meet(self, edge: Edge) -> bool:
        """Whether a segment meets an edge in more than a common end."""
        p, q = self.ends(edge)
        table = np.array(self.copies)
        lattice = self.tiles.lattice
        longest = np.linalg.norm(table[:, 1] - table[:, 0], axis=1).max() + np.linalg.norm(q - p)
        window = np.ceil(longest * np.linalg.norm(np.linalg.inv(lattice), axis=0)).astype(int) + 1
        for s in range(-window[0], window[0] + 1):
            for t in range(-window[1], window[1] + 1):
                if _meet(p, q, table + np.array([s, t]) @ lattice):
                    return True
        return False


def _meet(p: Floats, q: Floats, table: Floats) -> bool:
    a, b = table[:, 0], table[:, 1]
    common = np.zeros(len(table), np.bool_)
    for end in (p, q):
        for other in (a, b):
            common |= np.abs(other - end).sum(axis=1) < 1e-12
    sides = _turn(p, q, a) * _turn(p, q, b)
    others = _turn(a, b, p) * _turn(a, b, q)
    return bool(((sides <= 0) & (others <= 0) & ~common).any())


def _turn(a: Floats, b: Floats, c: Floats) -> Floats:
    u, v = b - a, c - a
    return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
