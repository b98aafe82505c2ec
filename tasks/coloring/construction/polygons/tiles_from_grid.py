"""Tiles from a grid: its regions, smoothed, with common vertices where they touch.

The indicator of every color, and of what is removed, is blurred by a Gaussian on the torus, and
each cell gets the greatest: outlines lose their stairs, and bands of removed cells that are thinner
than the Gaussian vanish. Arcs between regions then become chains of chords. Tiles need not keep
their distances yet.

References
----------
B. Merriman, J. Bence, S. Osher, Diffusion generated motion by mean curvature, 1992.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, rfft2

from tasks.coloring.construction.polygons.planar_map import Arc, PlanarMap, planar_map
from tasks.coloring.construction.polygons.tile_map import Corner, TileMap
from tasks.records import InputError

__all__ = ["smoothed_grid", "tiles_from_grid"]

Floats = NDArray[np.float64]

_MOST_CELLS = 512
"""Cells along an axis after smoothing; more would not show."""
_STAIRS = 2.0
"""Standard deviation of the Gaussian along arcs, in cells: it takes away the stairs of the grid."""


def tiles_from_grid(
    grid: NDArray[np.uint8],
    lattice: Floats,
    *,
    num_colors: int,
    spacing: float,
    smoothing: float,
    smallest: float,
) -> TileMap:
    """Make tiles of the regions of a grid of colors; colors from ``num_colors`` on are removed.

    Parameters
    ----------
    grid
        (m_1, m_2) colors of the cells of the torus.
    lattice
        (2, 2) rows are the period vectors.
    spacing
        Length of the edges.
    smoothing
        Standard deviation of the Gaussian.
    smallest
        Regions of a smaller area are removed.

    Raises
    ------
    InputError
        If no region is left.
    """
    grid = smoothed_grid(grid, lattice, num_colors=num_colors, smoothing=smoothing)
    regions = planar_map(grid)
    chains = _Chains(regions, lattice, spacing)
    cell_area = abs(np.linalg.det(lattice)) / grid.size
    loops, colors = [], []
    for outline in regions.outlines:
        color = int(regions.colors[outline.region])
        if outline.is_hole or color >= num_colors or outline.area * cell_area < smallest:
            continue
        passed = zip(outline.arcs, outline.is_forward, outline.periods, strict=True)
        loop = [corner for arc in passed for corner in chains.corners(*arc)]
        loops.append(loop if np.linalg.det(lattice) > 0 else loop[::-1])
        colors.append(color)
    if not loops:
        raise InputError(f"no region of the grid has an area of {smallest:g} or more")
    return _tile_map(np.array(chains.points), lattice, loops, colors)


def smoothed_grid(
    grid: NDArray[np.uint8], lattice: Floats, *, num_colors: int, smoothing: float
) -> NDArray[np.uint8]:
    """Blur the indicators of colors, and take the greatest; of large grids every s-th cell.

    What is removed becomes the color ``num_colors``.
    """
    inverse = np.linalg.inv(lattice)
    first = np.fft.fftfreq(grid.shape[0], 1 / grid.shape[0])
    second = np.fft.rfftfreq(grid.shape[1], 1 / grid.shape[1])
    frequency = first[:, None, None] * inverse[:, 0] + second[None, :, None] * inverse[:, 1]
    kernel = np.exp(-2 * (np.pi * smoothing) ** 2 * (frequency**2).sum(axis=-1))
    steps = tuple(slice(None, None, max(1, size // _MOST_CELLS)) for size in grid.shape)
    blurred = [
        irfft2(rfft2(indicator.astype(np.float64)) * kernel, s=grid.shape)[steps]
        for indicator in [*(grid == color for color in range(num_colors)), grid >= num_colors]
    ]
    return np.argmax(blurred, axis=0).astype(np.uint8)


class _Chains:
    """Arcs as chains of vertices; junctions are vertices of all arcs that end there."""

    def __init__(self, regions: PlanarMap, lattice: Floats, spacing: float) -> None:
        self.shape = np.array(regions.shape)
        self.cell = lattice / self.shape[:, None]
        self.junctions = regions.junctions
        self.points = list(regions.junctions @ self.cell)
        self.chains = [self._chain(arc, spacing) for arc in regions.arcs]

    def corners(self, arc: int, is_forward: bool, period: NDArray[np.int64]) -> list[Corner]:
        """The corners along an arc, moved by periods, without the last."""
        chain = self.chains[arc] if is_forward else self.chains[arc][::-1]
        a, b = (int(x) for x in period)
        return [(vertex, s + a, t + b) for vertex, s, t in chain[:-1]]

    def _chain(self, arc: Arc, spacing: float) -> list[Corner]:
        points = _chords(arc.points @ self.cell, spacing, float(np.linalg.norm(self.cell[0])))
        if arc.start < 0:
            inner = self._added(points[:-1])
            return [*inner, inner[0]]
        ends = [self._junction(arc.start, arc.points[0]), self._junction(arc.end, arc.points[-1])]
        return [ends[0], *self._added(points[1:-1]), ends[1]]

    def _added(self, points: Floats) -> list[Corner]:
        first = len(self.points)
        self.points += list(points)
        return [(first + k, 0, 0) for k in range(len(points))]

    def _junction(self, junction: int, place: NDArray[np.int64]) -> Corner:
        shift = (place - self.junctions[junction]) // self.shape
        return junction, int(shift[0]), int(shift[1])


def _chords(points: Floats, spacing: float, cell: float) -> Floats:
    """A path through a Gaussian, with points at equal distances; the ends stay."""
    is_closed = bool((points[0] == points[-1]).all())
    fine, length = _resampled(points, cell / 2)
    if is_closed:
        fine = _blurred(fine[:-1], 2 * _STAIRS)
        fine = np.vstack([fine, fine[:1]])
    else:
        straight = np.linspace(0, 1, len(fine))[:, None]
        line = fine[0] + straight * (fine[-1] - fine[0])
        odd = np.vstack([fine - line, -(fine - line)[-2:0:-1]])
        fine = line + _blurred(odd, 2 * _STAIRS)[: len(fine)]
    return _resampled(
        fine, max(length / 8, 1e-300) if is_closed and length < 8 * spacing else spacing
    )[0]


def _blurred(points: Floats, deviation: float) -> Floats:
    """A closed sequence of points through a Gaussian."""
    frequency = np.fft.fftfreq(len(points))
    kernel = np.exp(-2 * (np.pi * deviation * frequency) ** 2)
    smooth = np.fft.ifft(np.fft.fft(points[:, 0] + 1j * points[:, 1]) * kernel)
    return np.stack([smooth.real, smooth.imag], axis=1)


def _resampled(points: Floats, step: float) -> tuple[Floats, float]:
    """Points at equal distances along a path, with its ends, and its length."""
    length = np.concatenate([[0], np.linalg.norm(np.diff(points, axis=0), axis=1).cumsum()])
    at = np.linspace(0, length[-1], max(1, round(length[-1] / step)) + 1)
    inner = np.stack([np.interp(at, length, points[:, axis]) for axis in range(2)], axis=1)
    return inner, float(length[-1])


def _tile_map(
    points: Floats, lattice: Floats, loops: list[list[Corner]], colors: list[int]
) -> TileMap:
    empty = TileMap(
        points,
        np.asarray(lattice, dtype=float),
        np.zeros(0, np.int64),
        np.zeros((0, 2), np.int64),
        np.zeros(1, np.int64),
        np.array(colors, dtype=np.int64),
    )
    return empty.with_loops(points, loops)
