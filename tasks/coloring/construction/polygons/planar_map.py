"""The planar map of a grid on the torus: regions, the arcs between them, and where these meet.

Corners of cells are the points of Z^2 modulo the shape (m_1, m_2).  The side of two cells is part
of the boundary if they are in different regions, or if it was cut (`torus_regions`).  A corner with
three or four such sides is a junction; boundary sides between junctions form an arc.  Walking
around a region with its cells on the left gives its outlines: one counterclockwise, and a clockwise
one for each hole.  Every arc is passed twice, once in each direction.

Left, right and counterclockwise are meant in coordinates (first index, second index).  In the
plane, where corner (a, b) is a v_1 / m_1 + b v_2 / m_2, they are so if v_1, v_2 are positively
oriented, and the other way around if not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.construction.polygons.cell_sides import (
    LEFT,
    STEPS,
    Chains,
    Ints,
    Sides,
    cycles_of,
    paths_of,
)
from tasks.coloring.construction.polygons.torus_regions import torus_regions
from tasks.records import InputError

__all__ = ["Arc", "Outline", "PlanarMap", "planar_map"]


@dataclass(frozen=True)
class Arc:
    """A path on the boundary of two regions, from junction to junction.

    Attributes
    ----------
    points : (p, 2) int64
        Ends and turning points in the plane; the first lies in [0, m_1) x [0, m_2).
    left, right : int
        Regions on both sides.  They are pieces of one component, or equal, if it was cut there.
    start, end : int
        Junctions at the ends; -1 if the arc is closed and meets none: its first point is then
        its last.
    """

    points: Ints
    left: int
    right: int
    start: int
    end: int


@dataclass(frozen=True)
class Outline:
    """A closed path around a region, with the region on its left.

    Attributes
    ----------
    region : int
    arcs : (k,) int64
        The arcs passed.
    is_forward : (k,) bool
        Whether each is passed from its start to its end.
    periods : (k, 2) int64
        By how many periods each arc is moved from where it is listed.
    points : (p, 2) int64
        Ends and turning points of these arcs in the plane, the first not repeated.  A point can
        come twice, where the region touches itself.
    area : int
        Cells enclosed; negative around a hole.
    """

    region: int
    arcs: Ints
    is_forward: NDArray[np.bool_]
    periods: Ints
    points: Ints
    area: int

    @property
    def is_hole(self) -> bool:
        """Whether it is clockwise."""
        return self.area < 0


@dataclass(frozen=True)
class PlanarMap:
    """Regions, arcs and junctions of a grid of m_1 x m_2 cells on the torus.

    Attributes
    ----------
    labels : (m_1, m_2) int32
        The region of each cell.
    colors : (r,) uint8
        Color of each region.
    num_cells : (r,) int64
    components : (r,) int64
        The connected component of each region: those that wrap around the torus are cut.
    junctions : (q, 2) int64
        Corners in [0, m_1) x [0, m_2).
    arcs : tuple of Arc
    outlines : tuple of Outline
        By region; of each region first the counterclockwise one, then those of holes.
    """

    labels: NDArray[np.int32]
    colors: NDArray[np.uint8]
    num_cells: Ints
    components: Ints
    junctions: Ints
    arcs: tuple[Arc, ...]
    outlines: tuple[Outline, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """(m_1, m_2)."""
        return self.labels.shape

    @cached_property
    def wraps(self) -> NDArray[np.bool_]:
        """(r,): whether the component of each region wraps around the torus, and was cut."""
        is_cut = np.zeros(len(self.colors), np.bool_)
        is_cut[[arc.left for arc in self.arcs if self.is_cut(arc)]] = True
        return np.isin(self.components, self.components[is_cut])

    def is_cut(self, arc: Arc) -> bool:
        """Whether one component lies on both sides of an arc."""
        return bool(self.components[arc.left] == self.components[arc.right])

    @cached_property
    def _places(self) -> list[int]:
        regions = [outline.region for outline in self.outlines]
        return np.searchsorted(regions, np.arange(len(self.colors) + 1)).tolist()

    def outlines_of(self, region: int) -> tuple[Outline, ...]:
        """The outlines of a region: its outer one, then its holes."""
        first, end = self._places[region : region + 2]
        return self.outlines[first:end]


def planar_map(grid: NDArray[np.integer]) -> PlanarMap:
    """Find regions, arcs, junctions and outlines of a grid of colors on the torus.

    Parameters
    ----------
    grid : (m_1, m_2) integers in 0..255

    Raises
    ------
    InputError
        If it is not such a grid.
    """
    grid = _checked(grid)
    regions = torus_regions(grid)
    labels = regions.labels()
    sides = Sides.between(labels, regions.is_cut)
    chains = Chains.of(sides)
    lifted = regions.lifted(sides.left_cells()) - LEFT[sides.directions]
    arcs = _arcs(sides, chains, labels)
    first = np.unique(labels, return_index=True)[1]
    return PlanarMap(
        labels,
        grid.ravel()[first].astype(np.uint8),
        np.bincount(labels.ravel()),
        regions.components,
        sides.points(np.flatnonzero(sides.is_junction)),
        arcs,
        _outlines(sides, chains, labels, arcs, lifted),
    )


def _checked(grid: NDArray[np.integer]) -> NDArray[np.integer]:
    grid = np.asarray(grid)
    is_grid = grid.ndim == 2 and grid.size and np.issubdtype(grid.dtype, np.integer)
    if not is_grid or grid.min() < 0 or grid.max() > 255:
        what = f"{grid.dtype} of shape {grid.shape}"
        raise InputError(f"a planar map needs a grid (m_1, m_2) of colors 0 to 255, not {what}")
    return grid


# --- arcs and outlines ---------------------------------------------------------------------------


def _arcs(sides: Sides, chains: Chains, labels: NDArray[np.int32]) -> tuple[Arc, ...]:
    directions = sides.directions[chains.order]
    walked = np.vstack([np.zeros((1, 2), np.int64), np.cumsum(STEPS[directions], axis=0)])
    is_kept = np.ones(len(directions), np.bool_)
    is_kept[1:] = np.diff(directions) != 0
    is_kept[chains.starts[:-1]] = True
    origins = sides.points(sides.corners[chains.firsts]) - walked[chains.starts[:-1]]
    junctions = np.cumsum(sides.is_junction) - 1
    junctions[~sides.is_junction] = -1
    ends = [junctions[sides.corners[chains.firsts]], junctions[sides.heads[chains.lasts]]]
    region = labels[tuple(sides.left_cells()[chains.firsts].T)]
    facts = np.stack([region, region[chains.reverse], *ends], 1).tolist()
    places = chains.starts.tolist()
    arcs = []
    for k in np.flatnonzero(chains.is_arc).tolist():
        first, end = places[k : k + 2]
        kept = np.append(walked[first:end][is_kept[first:end]], walked[end : end + 1], axis=0)
        arcs.append(Arc(kept + origins[k], *facts[k]))
    return tuple(arcs)


def _outlines(
    sides: Sides,
    chains: Chains,
    labels: NDArray[np.int32],
    arcs: Sequence[Arc],
    lifted: Ints,
) -> tuple[Outline, ...]:
    """Follow the chains around each region; `lifted` is where each side leaves in its copy."""
    is_arc = chains.is_arc
    number = np.cumsum(is_arc) - 1
    number[~is_arc] = number[chains.reverse[~is_arc]]
    cycles = cycles_of(chains.following)
    is_first = np.zeros(len(cycles), np.bool_)
    is_first[np.unique(cycles, return_index=True)[1]] = True
    order, starts = paths_of(chains.following, is_first)
    tails = lifted[chains.firsts]
    regions = labels[tuple(sides.left_cells()[chains.firsts].T)]
    outlines = []
    for first, end in pairwise(starts.tolist()):
        passed = order[first:end]
        region, forward = int(regions[passed[0]]), is_arc[passed]
        outlines.append(_outline(region, number[passed], forward, tails[passed], arcs, sides.shape))
    return tuple(sorted(outlines, key=lambda outline: (outline.region, outline.is_hole)))


def _outline(
    region: int,
    numbers: Ints,
    is_forward: NDArray[np.bool_],
    tails: Ints,
    arcs: Sequence[Arc],
    shape: tuple[int, int],
) -> Outline:
    paths = [
        arcs[k].points if forward else arcs[k].points[::-1]
        for k, forward in zip(numbers.tolist(), is_forward.tolist(), strict=True)
    ]
    steps = tails - np.stack([path[0] for path in paths])
    moved = [path[:-1] + step for path, step in zip(paths, steps, strict=True)]
    points = np.concatenate(moved)
    (x, y), (x_before, y_before) = points.T, points[np.arange(len(points)) - 1].T
    area = int(x_before @ y - y_before @ x) // 2
    return Outline(region, numbers, is_forward, steps // shape, points, area)
