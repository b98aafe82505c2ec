"""Vertices and lattice move by a sequence of quadratic programs, so that the tiles cover more.

One step minimises, within a box around the present map,

    removed fraction (linear) + tension + damping + sum_i y_i (c_i . step)^2 / 2
        + penalty * sum of violations of the linearised distances.

The third sum is the convex part of the second-order terms of the active distances (`Rows.bending`),
with the multipliers y of a first solve without it. Without it edges turn to and fro: turning an
edge by an angle phi changes its distance from a corner d away by d phi^2 / 2, so that steps would
have to be far smaller than the edges. The step is taken if the merit

    removed fraction + tension + penalty * sum of violations

decreases by a tenth of what the model says; the box grows and shrinks accordingly.

References
----------
R. Fletcher, E. Sainz de la Maza, Nonlinear programming and nonsmooth optimization by successive
linear programming, 1989 (merit and trust region).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from tasks.coloring.construction.polygons.distance_kernels import own_room
from tasks.coloring.construction.polygons.distance_rows import Rows, rows_of
from tasks.coloring.construction.polygons.quadratic_step import Step, solve_step
from tasks.coloring.construction.polygons.tile_map import TileMap
from tasks.coloring.construction.polygons.tile_neighbors import Windows, neighbors

__all__ = [
    "Moved",
    "Movement",
    "merit",
    "moved_tiles",
    "restored_tiles",
    "retreating_corners",
    "violation",
]

Floats = NDArray[np.float64]

_ROOM = 0.3
"""A corner moves at most this part of the way to the rest of its outline, which stays simple."""
_DAMPING = 0.1
"""Of the typical gradient, at the edge of the box."""
_ACCEPT, _TRUST = 0.1, 0.6
"""Parts of the expected decrease at which a step is taken, and the box grows."""
_SHRINK, _GROW = 0.5, 1.3
_SMALLEST = 1e-4
"""Part of the first radius at which steps end."""
_ACCURACY = 0.1
"""Of a step's value, as a part of the decrease at which steps end."""
_STUCK = 0.5
"""A row whose multiplier is this part of the penalty is hard to meet."""


@dataclass(frozen=True)
class Movement:
    """How to move.

    Attributes
    ----------
    iterations
        At most so many steps.
    radius, largest_radius
        Half the side of the first box, and of any.
    penalty
        Price of a unit of violation, in removed fraction.
    tension
        Energy of the edges: tension / |det V| * sum |e|^2 / (2 spacing).
    spacing
        Typical length of an edge.
    slack, gap
        See `rows_of`.
    tolerance
        Stop when a step promises a smaller decrease of the merit.
    """

    iterations: int
    radius: float
    largest_radius: float
    penalty: float
    tension: float
    spacing: float
    slack: float = 0.0
    gap: float = 0.0
    tolerance: float = 1e-8


@dataclass(frozen=True)
class Moved:
    """A map after steps: how many were tried, and the radius of the box at the end."""

    tiles: TileMap
    num_steps: int
    radius: float


@dataclass(frozen=True)
class _Edges:
    """Tension: energy scale * sum |e|^2 / 2 of a map's edges."""

    difference: csr_array
    scale: float

    @classmethod
    def of(cls, tiles: TileMap, movement: Movement) -> _Edges:
        """Springs along all edges of the map."""
        count = len(tiles.vertex)
        corner = np.stack([tiles.following, np.arange(count)], axis=1)
        columns = (2 * corner[:, None, :] + np.arange(2)[:, None]).reshape(-1)
        values = np.tile([1.0, -1.0], 2 * count)
        by_corner = csr_array(
            (values, columns, np.arange(2 * count + 1) * 2), shape=(2 * count, 2 * count)
        )
        scale = movement.tension / tiles.determinant / movement.spacing
        return cls(csr_array(by_corner @ tiles.embedding), scale)

    def energy(self, tiles: TileMap) -> float:
        """Of any map with the same corners."""
        return (
            self.scale
            * float((self.difference @ tiles.unknowns) @ (self.difference @ tiles.unknowns))
            / 2
        )

    def gradient(self, tiles: TileMap) -> Floats:
        """By points and lattice."""
        return self.scale * (self.difference.T @ (self.difference @ tiles.unknowns))

    def hessian(self) -> csr_array:
        """By points and lattice."""
        return csr_array(self.scale * (self.difference.T @ self.difference))


def violation(tiles: TileMap, windows: Windows, *, slack: float = 0.0, gap: float = 0.0) -> float:
    """By how much the worst distance fails; 0 if all hold."""
    near = neighbors(tiles, windows, gap + slack)
    rows = rows_of(tiles, near, margin=0.0, slack=slack, gap=gap)
    return max(0.0, float(rows.excess.max(initial=0.0)))


def merit(tiles: TileMap, windows: Windows, movement: Movement) -> float:
    """Removed fraction + penalty * sum of violations."""
    near = neighbors(tiles, windows, movement.gap + movement.slack)
    rows = rows_of(tiles, near, margin=0.0, slack=movement.slack, gap=movement.gap)
    return tiles.removed + movement.penalty * _positive(rows.excess)


def moved_tiles(tiles: TileMap, windows: Windows, movement: Movement) -> Moved:
    """Take steps until they promise nothing, the box is tiny, or their number is reached."""
    radius, count = movement.radius, 0
    while count < movement.iterations and radius >= _SMALLEST * movement.radius:
        count += 1
        trial, decrease, expected = _step(tiles, windows, movement, radius)
        if decrease > _ACCEPT * expected:
            tiles = trial
        if expected < movement.tolerance:
            break
        if decrease > _TRUST * expected:
            radius = min(_GROW * radius, movement.largest_radius)
        elif decrease <= _ACCEPT * expected:
            radius *= _SHRINK
    return Moved(tiles, count, radius)


def retreating_corners(tiles: TileMap, windows: Windows, movement: Movement) -> NDArray[np.bool_]:
    """(c,) where distances push a tile inward more than it gains by covering area.

    There the tile would leave a gap, if it did not share the vertex.
    """
    radius = movement.radius
    near = neighbors(tiles, windows, movement.gap + 4 * radius)
    rows = rows_of(tiles, near, margin=3 * radius, slack=movement.slack, gap=movement.gap)
    gradient = tiles.removed_gradient
    damping = _damping(gradient, radius)
    step = _solved(tiles, rows, rows.matrix(tiles), gradient, damping, radius, movement)
    pressure = tiles.area_gradient / tiles.determinant
    total = rows.forces(tiles, step.multipliers) + pressure
    return (total * pressure).sum(axis=1) < 0


def restored_tiles(
    tiles: TileMap,
    windows: Windows,
    *,
    slack: float,
    gap: float,
    radius: float,
    iterations: int = 20,
) -> Moved:
    """Move as little as possible, until all distances hold with half the slack to spare.

    Each step is the smallest that meets the linearised distances; near a map that keeps them, the
    violation is squared by every step. Corners whose distances cannot be met are detached from
    those of other tiles.
    """
    for count in range(iterations):
        if violation(tiles, windows, slack=slack / 2, gap=gap / 2) == 0:
            return Moved(tiles, count, radius)
        near = neighbors(tiles, windows, gap + 4 * radius)
        rows = rows_of(tiles, near, margin=3 * radius, slack=slack, gap=gap)
        num_unknowns = 2 * len(tiles.points) + 4
        stiff = csr_array(diags_array(np.ones(num_unknowns)))
        step = solve_step(
            np.zeros(num_unknowns),
            stiff,
            rows.matrix(tiles),
            rows.excess,
            _box(tiles, radius),
            penalty=1.0,
            accuracy=1e-10,
        )
        stuck = rows.touching(tiles, step.multipliers > _STUCK)
        tiles = tiles.moved(step.x).detached(stuck)
    return Moved(tiles, iterations, radius)


def _step(
    tiles: TileMap, windows: Windows, movement: Movement, radius: float
) -> tuple[TileMap, float, float]:
    """A trial map, and the true and the expected decrease of the merit."""
    near = neighbors(tiles, windows, movement.gap + 4 * radius)
    limits = {"slack": movement.slack, "gap": movement.gap}
    rows = rows_of(tiles, near, margin=3 * radius, **limits)
    springs = _Edges.of(tiles, movement)
    matrix = rows.matrix(tiles)
    removal = tiles.removed_gradient
    gradient, hessian = removal + springs.gradient(tiles), springs.hessian()
    damped = csr_array(hessian + _damping(removal, radius))
    step = _solved(tiles, rows, matrix, gradient, damped, radius, movement).x
    trial = tiles.moved(step)
    expected = -float(gradient @ step + step @ (hessian @ step) / 2)
    expected += movement.penalty * float(
        _positive(rows.excess) - _positive(rows.excess - matrix @ step)
    )
    after = rows_of(trial, near, margin=radius, **limits)
    decrease = tiles.removed - trial.removed + springs.energy(tiles) - springs.energy(trial)
    decrease += movement.penalty * float(_positive(rows.excess) - _positive(after.excess))
    return trial, decrease, expected


def _damping(removal: Floats, radius: float) -> csr_array:
    typical = float(np.abs(removal[:-4]).mean())
    return csr_array(diags_array(np.full(len(removal), _DAMPING * typical / radius)))


def _positive(excess: Floats) -> float:
    return float(np.maximum(excess, 0).sum())


def _solved(
    tiles: TileMap,
    rows: Rows,
    matrix: csr_array,
    gradient: Floats,
    hessian: csr_array,
    radius: float,
    movement: Movement,
) -> Step:
    """The minimiser of the model: a first solve for the multipliers, a second with bending."""
    box = _box(tiles, radius)
    penalty = movement.penalty
    accuracy = _ACCURACY * movement.tolerance
    first = solve_step(
        gradient, hessian, matrix, rows.excess, box, penalty=penalty, accuracy=100 * accuracy
    )
    bending = rows.bending(tiles)
    hessian = csr_array(hessian + bending.T @ (diags_array(first.multipliers) @ bending))
    return solve_step(
        gradient, hessian, matrix, rows.excess, box, penalty=penalty, accuracy=accuracy
    )


def _box(tiles: TileMap, radius: float) -> Floats:
    """How far each coordinate may move."""
    space = np.full(len(tiles.points), np.inf)
    room = own_room(tiles.corners, tiles.following, tiles.starts)
    np.minimum.at(space, tiles.vertex, _ROOM * room)
    return np.concatenate([np.repeat(np.minimum(space, radius), 2), np.full(4, radius / 2)])
