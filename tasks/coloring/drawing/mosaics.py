"""Areas of a coloring as outlines in the plane, for pictures: of grids, of tiles, of slices.

Coordinates are floats, and outlines may be simplified: pictures prove nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.coloring.certificates.grids import REMOVED
from tasks.coloring.construction.polygons.planar_map import PlanarMap, planar_map
from tasks.records import InputError

__all__ = [
    "Mosaic",
    "Piece",
    "grid_mosaic",
    "marked_mosaic",
    "simplified",
    "tile_mosaic",
]

Points = NDArray[np.float64]
Tile = tuple[int | None, ArrayLike]


@dataclass(frozen=True)
class Piece:
    """A connected area.

    Attributes
    ----------
    color : int
        0, 1, ..., or REMOVED.
    outlines : tuple of (p, 2) float64
        Closed paths, the first point not repeated: around the area, then around its holes, those in
        the other direction.
    """

    color: int
    outlines: tuple[Points, ...]

    @property
    def area(self) -> float:
        """Holes left out."""
        return abs(sum(_signed_area(points) for points in self.outlines))

    def inner_point(self, resolution: int = 24) -> Points:
        """(2,): of a grid of points inside, the farthest from the boundary."""
        low, high = self.outlines[0].min(axis=0), self.outlines[0].max(axis=0)
        shares = (np.arange(resolution) + 0.5) / resolution
        points = low + np.array(list(product(shares, shares))) * (high - low)
        depth = np.min([_depths(points, outline) for outline in self.outlines], axis=0)
        is_inside = sum(_crossings(points, outline) for outline in self.outlines) % 2 == 1
        return points[np.where(is_inside, depth, -1.0).argmax()]


def _sides(outline: Points) -> Iterator[tuple[Points, Points]]:
    return zip(outline, np.roll(outline, -1, axis=0), strict=True)


def _signed_area(outline: Points) -> float:
    (x, y), (x_next, y_next) = outline.T, np.roll(outline, -1, axis=0).T
    return float(x @ y_next - y @ x_next) / 2


def _depths(points: Points, outline: Points) -> Points:
    """The distance of each point from a closed path."""
    return np.min([_distances(points, start, end) for start, end in _sides(outline)], axis=0)


def _crossings(points: Points, outline: Points) -> NDArray[np.int64]:
    """How many sides of a closed path the ray to the right of each point crosses."""
    x, y = points.T
    found = np.zeros(len(points), np.int64)
    for (a, b), (c, d) in _sides(outline):
        is_level = (b > y) != (d > y)
        found += is_level & (x < a + (c - a) * (y - b) / (d - b if d != b else 1.0))
    return found


@dataclass(frozen=True)
class Mosaic:
    """Pieces that fill the plane, or a part of it, together with their translates.

    Attributes
    ----------
    pieces : tuple of Piece
    lines : tuple of (p, 2) float64
        The boundary between different colors, as paths; none beside what is removed.
    vectors : (2, 2) float64
        Rows generate the translations; (0, 2) if there are none.
    """

    pieces: tuple[Piece, ...]
    lines: tuple[Points, ...]
    vectors: Points

    def by_color(self) -> dict[int, list[Points]]:
        """The outlines of all pieces of each color, colors ascending."""
        found = defaultdict(list)
        for piece in self.pieces:
            found[piece.color] += piece.outlines
        return dict(sorted(found.items()))

    def moved(self, step: Points) -> Mosaic:
        """This part of the plane at another place, without periods."""
        pieces = tuple(
            Piece(piece.color, tuple(points + step for points in piece.outlines))
            for piece in self.pieces
        )
        return Mosaic(pieces, tuple(line + step for line in self.lines), np.zeros((0, 2)))

    def translations(self, low: ArrayLike, high: ArrayLike) -> Points:
        """(k, 2): the translations with which the mosaic may meet a box; at least what does."""
        if not len(self.vectors) or not self.pieces:
            return np.zeros((1, 2))
        points = np.vstack([*(piece.outlines[0] for piece in self.pieces), *self.lines])
        first, last = low - points.max(axis=0), high - points.min(axis=0)
        corners = np.array(list(product(*zip(first, last, strict=True))))
        steps = corners @ np.linalg.inv(self.vectors)
        ranges = (range(int(a), int(b) + 1) for a, b in zip(
            np.ceil(steps.min(axis=0)), np.floor(steps.max(axis=0)), strict=True
        ))  # fmt: skip
        shifts = np.array(list(product(*ranges)), float).reshape(-1, 2) @ self.vectors
        return shifts[((shifts >= first) & (shifts <= last)).all(axis=1)]


# --- grids --------------------------------------------------------------------------------------


def grid_mosaic(
    grid: NDArray[np.integer], lattice: ArrayLike, *, fineness: float = 0.0, most: int = 0
) -> Mosaic:
    """Outline the regions of a grid of cells.

    Parameters
    ----------
    grid : (m_1, m_2) integers
        Colors; REMOVED for cells without.
    lattice : (2, 2)
        Rows v_1, v_2: cell (i, j) is the parallelogram of v_1 / m_1, v_2 / m_2 at i, j of these.
    fineness : float
        If the boundaries have more than `most` points, they are simplified to within this distance,
        or a multiple of it that leaves no more; 0 leaves every step of every boundary.
    most : int

    Raises
    ------
    InputError
        If it is not a grid, or the lattice has no area.
    """
    vectors = _checked(lattice)
    planar = planar_map(grid)
    steps = vectors / np.array(planar.shape)[:, None]
    exact = [arc.points @ steps for arc in planar.arcs]
    paths = exact
    while fineness > 0 and sum(map(len, paths)) > most:
        paths = [simplified(path, fineness) for path in exact]
        fineness *= 2
    return _joined(planar, vectors, paths)


def _joined(planar: PlanarMap, vectors: Points, paths: Sequence[Points]) -> Mosaic:
    """Put the paths of arcs together; those without points are left out."""
    outlines = defaultdict(list)
    for outline in planar.outlines:
        parts = zip(outline.arcs, outline.is_forward, outline.periods, strict=True)
        path = [
            paths[k][:: 1 if forward else -1][:-1] + period @ vectors
            for k, forward, period in parts
        ]
        points = np.vstack(path)
        if len(points) > 2:
            outlines[outline.region].append(points)
    pieces = [Piece(int(planar.colors[r]), tuple(found)) for r, found in outlines.items()]
    lines = [
        path
        for arc, path in zip(planar.arcs, paths, strict=True)
        if len(path) > 1
        and not planar.is_cut(arc)
        and REMOVED not in (planar.colors[arc.left], planar.colors[arc.right])
    ]
    return Mosaic(tuple(pieces), tuple(lines), vectors)


def simplified(path: Points, tolerance: float) -> Points:
    """Leave out points of a path that lie within a distance of what is left (Douglas, Peucker).

    The ends stay.  A closed path keeps three points at least, or none if all of it lies within
    that distance of its ends.

    Parameters
    ----------
    path : (p, 2) float64
    tolerance : float
    """
    is_kept = np.zeros(len(path), np.bool_)
    is_kept[[0, -1]] = True
    stack = [(0, len(path) - 1)]
    while stack:
        first, last = stack.pop()
        if last - first < 2:
            continue
        distances = _distances(path[first + 1 : last], path[first], path[last])
        farthest = int(distances.argmax())
        if distances[farthest] > tolerance:
            middle = first + 1 + farthest
            is_kept[middle] = True
            stack += [(first, middle), (middle, last)]
    is_closed = bool((path[0] == path[-1]).all())
    if is_closed and is_kept.sum() == 2:
        return path[:0]
    if is_closed and is_kept.sum() == 3:
        middle = int(np.flatnonzero(is_kept)[1])
        is_kept[_distances(path[1:-1], path[0], path[middle]).argmax() + 1] = True
    return path[is_kept]


def _distances(points: Points, start: Points, end: Points) -> Points:
    """Distances from a segment, which may be a point."""
    chord, relative = end - start, points - start
    square = float(chord @ chord)
    along = np.clip(relative @ chord / square, 0, 1) if square else np.zeros(len(points))
    return np.hypot(*(relative - along[:, None] * chord).T)


def marked_mosaic(mask: NDArray[np.bool_], lattice: ArrayLike) -> Mosaic:
    """Outline the marked cells of a grid (m_1, m_2), all of color 1."""
    whole = grid_mosaic(np.asarray(mask).astype(np.uint8), lattice)
    pieces = tuple(piece for piece in whole.pieces if piece.color)
    return Mosaic(pieces, (), whole.vectors)


# --- tiles --------------------------------------------------------------------------------------


def tile_mosaic(tiles: Sequence[Tile], lattice: ArrayLike | None = None) -> Mosaic:
    """Outline polygons, each given by its color (None if removed) and its vertices (p, 2).

    Raises
    ------
    InputError
        If there are no tiles, one is not a polygon, or the lattice has no area.
    """
    if not tiles:
        raise InputError("a picture needs one tile or more; none was given")
    pieces = []
    for number, (color, vertices) in enumerate(tiles):
        points = np.asarray(vertices, float)
        if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
            raise InputError(
                f"tile {number} needs three vertices or more of two coordinates, "
                f"not an array of shape {points.shape}"
            )
        pieces.append(Piece(REMOVED if color is None else int(color), (points,)))
    lines = tuple(
        np.vstack([piece.outlines[0], piece.outlines[0][:1]])
        for piece in pieces
        if piece.color != REMOVED
    )
    return Mosaic(tuple(pieces), lines, np.zeros((0, 2)) if lattice is None else _checked(lattice))


def _checked(lattice: ArrayLike) -> Points:
    vectors = np.asarray(lattice, float)
    if vectors.shape != (2, 2) or not np.isfinite(vectors).all():
        raise InputError(f"a lattice of the plane is two finite vectors, not {vectors.tolist()}")
    if not np.linalg.det(vectors):
        raise InputError(f"the lattice vectors {vectors.tolist()} are parallel")
    return vectors
