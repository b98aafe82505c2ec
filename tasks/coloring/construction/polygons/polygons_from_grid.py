"""Colorings by polygons from grids: outlines, movement, welding, exact coordinates, proof."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.distances import Forbidden
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.certificates.polygons import PolygonColoring, verify_polygons
from tasks.coloring.certificates.verification import Verification
from tasks.coloring.construction.polygons.division import divided, divided_at_borders
from tasks.coloring.construction.polygons.exact_tiles import exact_coloring
from tasks.coloring.construction.polygons.given_tiles import shaken
from tasks.coloring.construction.polygons.movement import (
    Movement,
    merit,
    moved_tiles,
    restored_tiles,
    retreating_corners,
    violation,
)
from tasks.coloring.construction.polygons.overlaps import without_overlaps
from tasks.coloring.construction.polygons.removed_faces import FaceError
from tasks.coloring.construction.polygons.tile_map import TileMap
from tasks.coloring.construction.polygons.tile_neighbors import Windows
from tasks.coloring.construction.polygons.tiles_from_grid import tiles_from_grid
from tasks.coloring.construction.polygons.welding import welded
from tasks.records import InputError

_log = logging.getLogger(__name__)
_PENALTY = 5.0
"""Multipliers of distances are about (length of an edge) / |det V|; a violation costs more."""
_LONGEST = 1.4
"""Edges longer than this times the spacing are divided."""
_OVERLAP = 0.01
"""Tiles of which a larger one covers this part are removed."""
_POLISHING = 0.01
"""Radius of the last steps, as a part of the spacing."""
_RESTORING = 1e-3
"""Radius of restoring steps."""

__all__ = ["PolygonResult", "PolygonSettings", "Stage", "improve_tiles", "polygons_from_grid"]


@dataclass(frozen=True)
class PolygonSettings:
    """How polygons are made of a grid. Lengths are in units of the largest forbidden distance.

    Attributes
    ----------
    spacings
        Lengths of edges, from coarse to fine.
    borders
        Lengths of edges at removed regions afterwards, from coarse to fine: the shape of small
        regions is what counts in the end.
    rounds, iterations
        At every spacing so many times: weld, so many steps, detach, as many steps.
    smoothing, smallest
        Standard deviation along outlines of the grid, and least area of a tile.
    first_tensions, tension
        Tensions of the steps before the first welding, and of all others.
    weld
        Tolerance of welding, as a part of the spacing.
    slack, gap
        By how much the final tiles keep off the forbidden distances, and off each other.
    digits
        Decimals of the coordinates.
    shake, seed
        Standard deviation of random displacements of vertices before the first welding, and which.

    Raises
    ------
    InputError
        If a length, a number of steps or the digits are not positive.
    """

    spacings: tuple[float, ...] = (0.08, 0.04, 0.02)
    borders: tuple[float, ...] = ()
    rounds: int = 6
    iterations: int = 8
    smoothing: float = 0.04
    smallest: float = 0.02
    first_tensions: tuple[float, ...] = (0.03, 0.01)
    tension: float = 1e-4
    weld: float = 0.05
    slack: float = 1e-9
    gap: float = 1e-7
    digits: int = 12
    shake: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        lengths = (*self.spacings, *self.borders, self.smoothing, self.weld)
        if not self.spacings or min(lengths) <= 0 or min(self.iterations, self.digits) < 1:
            raise InputError(
                "polygons need spacings, borders, smoothing, weld, iterations, digits above 0, not "
                f"{self}"
            )


@dataclass(frozen=True)
class Stage:
    """The tiles after some steps.

    Attributes
    ----------
    name
        "outlines", "smoothed", "welded", "detached", "unwelded", "polished" or "restored".
    spacing
        Length of edges.
    num_tiles, num_vertices, num_steps
    removed
        Fraction of the plane.
    violation
        By how much the worst distance fails.
    """

    name: str
    spacing: float
    num_tiles: int
    num_vertices: int
    num_steps: int
    removed: float
    violation: float


@dataclass(frozen=True)
class PolygonResult:
    """What came out.

    Attributes
    ----------
    coloring
        The exact tiles, removed ones with color None; None if the map has no exact form.
    verification
        Of the coloring; None without one.
    removed
        Removed fraction of the coloring, exact; None without one.
    grid_removed
        Removed fraction of the grid; None if there was none.
    history
        What happened.
    reason
        Why there is no certificate; empty if there is one.
    tiles
        The map of the last stage.
    spacing
        Length of the finest edges, longer than asked for if those could not be proved.
    """

    coloring: PolygonColoring | None
    verification: Verification | None
    removed: Fraction | None
    grid_removed: Fraction | None
    history: tuple[Stage, ...]
    reason: str
    tiles: TileMap
    spacing: float

    @property
    def is_certified(self) -> bool:
        """Whether the exact tiles are proved."""
        return self.verification is not None and self.verification.valid


def polygons_from_grid(
    grid: NDArray[np.uint8],
    lattice: Lattice,
    num_colors: int,
    forbidden: Forbidden,
    *,
    settings: PolygonSettings | None = None,
) -> PolygonResult:
    """Make a coloring by polygons of a grid, with as little removed as possible, and prove it.

    The grid need not be proper: tiles shrink until they keep their distances.

    Parameters
    ----------
    grid
        (m_1, m_2) colors of the cells of the torus; colors from ``num_colors`` on are removed.
    lattice
        Its two period vectors; those of the result differ.
    forbidden
        Distances in the Euclidean norm.

    Raises
    ------
    InputError
        If the grid or the number of colors does not fit, or no region is large enough.
    """
    if forbidden.num_colors != num_colors:
        raise InputError(f"{num_colors} colors need as many distances, not {forbidden.num_colors}")
    if lattice.dimension != 2:
        raise InputError("polygons color the plane: give two lattice vectors")
    settings = settings or PolygonSettings()
    unit = max(window[-1, 0] for window in allowed_windows(forbidden))
    tiles = tiles_from_grid(
        grid,
        lattice.floats,
        num_colors=num_colors,
        spacing=settings.spacings[0] * unit,
        smoothing=settings.smoothing * unit,
        smallest=settings.smallest * unit**2,
    )
    removed = Fraction(int(np.count_nonzero(grid >= num_colors)), grid.size)
    return improve_tiles(tiles, forbidden, settings=settings, grid_removed=removed)


def improve_tiles(
    tiles: TileMap,
    forbidden: Forbidden,
    *,
    settings: PolygonSettings | None = None,
    grid_removed: Fraction | None = None,
) -> PolygonResult:
    """Move given tiles so that they keep their distances and remove little, and prove the result.

    What cannot be proved, since short edges have come to lie across each other, is given up for the
    tiles with the next longer edges.

    Parameters
    ----------
    tiles
        Colored tiles that nearly keep their distances and hardly overlap.
    grid_removed
        Passed on to the result.
    """
    work = _Work(tiles, allowed_windows(forbidden), settings or PolygonSettings())
    results = (work.result(end, forbidden, grid_removed) for end in reversed(work.run()))
    finest = next(results)
    if finest.is_certified:
        return finest
    return next((coarser for coarser in results if coarser.is_certified), finest)


def allowed_windows(forbidden: Forbidden) -> Windows:
    """Per color the intervals of distances between those that it forbids, (w, 2)."""
    windows = []
    for intervals in forbidden.intervals:
        ends = sorted((float(interval.low), float(interval.high)) for interval in intervals)
        lows, highs = np.array(ends).T
        window = np.stack([[0, *np.maximum.accumulate(highs)], [*lows, np.inf]], axis=1)
        windows.append(window[window[:, 0] <= window[:, 1]])
    return tuple(windows)


@dataclass(frozen=True)
class _End:
    """The tiles once their edges are short enough, before all distances hold.

    Attributes
    ----------
    spacing
        Typical length of an edge.
    finest
        Length of edges at removed regions, or of all.
    tiles
    """

    spacing: float
    finest: float
    tiles: TileMap


class _Work:
    """A map on its way, and its history."""

    def __init__(self, tiles: TileMap, windows: Windows, settings: PolygonSettings) -> None:
        self.tiles = tiles
        self.windows = windows
        self.settings = settings
        self.unit = max(float(window[-1, 0]) for window in windows)
        self.history: list[Stage] = []

    def run(self) -> list[_End]:
        """All stages but the last; the tiles at each length of edges."""
        settings, ends = self.settings, list[_End]()
        self.note("outlines", settings.spacings[0], 0)
        for tension in settings.first_tensions:
            self.move("smoothed", settings.spacings[0], tension)
            self.detach(settings.spacings[0])
        if settings.shake:
            coarse = divided(self.tiles, _LONGEST * settings.spacings[0] * self.unit)
            self.tiles = shaken(coarse, settings.shake * self.unit, settings.seed)
        self.tiles = without_overlaps(self.tiles, _OVERLAP)
        for spacing in settings.spacings:
            self.tiles = divided(self.tiles, _LONGEST * spacing * self.unit)
            for _ in range(settings.rounds):
                self.round(spacing)
            ends.append(_End(spacing, spacing, self.tiles))
        for border in settings.borders:
            self.tiles = divided_at_borders(self.tiles, _LONGEST * border * self.unit)
            for _ in range(settings.rounds):
                self.round(spacing)  # the last one
            ends.append(_End(spacing, min(border, spacing), self.tiles))
        return ends

    def round(self, spacing: float) -> None:
        """Move welded and detached tiles; if nothing is gained, unwelded ones."""
        before, movement = self.tiles, self.movement(spacing)
        length = spacing * self.unit
        self.tiles = divided(welded(before, self.settings.weld * length), _LONGEST * length)
        self.move("welded", spacing)
        self.detach(spacing)
        self.move("detached", spacing)
        self.tiles = without_overlaps(self.tiles, _OVERLAP)
        if merit(self.tiles, self.windows, movement) > merit(before, self.windows, movement):
            self.tiles = before
            self.move("unwelded", spacing)

    def close(self, end: _End) -> None:
        """Let all distances hold, use what room that leaves, and let them hold again."""
        self.tiles = end.tiles
        self.restore(end.spacing)
        self.move("polished", end.spacing, radius=_POLISHING * end.spacing * self.unit)
        self.restore(end.spacing)

    def note(self, name: str, spacing: float, num_steps: int) -> None:
        """Write down how the tiles are."""
        tiles = self.tiles
        worst = violation(tiles, self.windows)
        stage = Stage(
            name, spacing, tiles.num_tiles, len(tiles.points), num_steps, tiles.removed, worst
        )
        _log.info("%s", stage)
        self.history.append(stage)

    def move(
        self, name: str, spacing: float, tension: float | None = None, radius: float | None = None
    ) -> None:
        """Take steps."""
        moved = moved_tiles(self.tiles, self.windows, self.movement(spacing, tension, radius))
        self.tiles = moved.tiles
        self.note(name, spacing, moved.num_steps)

    def detach(self, spacing: float) -> None:
        """Let tiles leave gaps where they would retreat."""
        movement = self.movement(spacing, 0.0)
        self.tiles = self.tiles.detached(retreating_corners(self.tiles, self.windows, movement))

    def restore(self, spacing: float) -> None:
        """Let all distances hold."""
        moved = restored_tiles(
            self.tiles,
            self.windows,
            slack=self.settings.slack * self.unit,
            gap=self.settings.gap * self.unit,
            radius=_RESTORING * self.unit,
        )
        self.tiles = moved.tiles
        self.note("restored", spacing, moved.num_steps)

    def movement(
        self, spacing: float, tension: float | None = None, radius: float | None = None
    ) -> Movement:
        """How to move at a spacing."""
        length = spacing * self.unit
        tension = self.settings.tension if tension is None else tension
        return Movement(
            iterations=self.settings.iterations,
            radius=radius or length / 8,
            largest_radius=radius or length / 3,
            penalty=_PENALTY * length / self.tiles.determinant,
            tension=tension * self.unit,
            spacing=length,
            slack=self.settings.slack * self.unit,
            gap=self.settings.gap * self.unit,
        )

    def result(
        self, end: _End, forbidden: Forbidden, grid_removed: Fraction | None
    ) -> PolygonResult:
        """Exact tiles and their proof, once all distances hold."""
        self.close(end)
        coloring, verification, removed = None, None, None
        try:
            coloring = exact_coloring(self.tiles, forbidden, digits=self.settings.digits)
        except FaceError as error:
            reason = str(error)
        else:
            verification = verify_polygons(coloring)
            removed = coloring.removed.a
            reason = "" if verification.valid else verification.summary
        return PolygonResult(
            coloring,
            verification,
            removed,
            grid_removed,
            tuple(self.history),
            reason,
            self.tiles,
            end.finest,
        )
