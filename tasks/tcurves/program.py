"""The frontier program of a triangulation: one table of indices per added point.

Points are added in an elimination order; `gpu.frontier` says what a state is and what a step does
to it.  This module translates the geometry (copies, gluing, signs of quadrants, gauge) into the
index tables that the kernel reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpu.elimination import elimination_cost, elimination_order
from gpu.frontier import MAX_FRONTIER, Step
from tasks.lattice import Triangulation, lattice_points, num_points
from tasks.records import BudgetExceeded
from tasks.tcurves.patchwork import copy_numbers, edge_copies, sheets
from tasks.tcurves.signs import affine_signs


@dataclass(frozen=True)
class Program:
    """The steps of a census, in order."""

    triangulation: Triangulation
    order: tuple[int, ...]
    """The points as they are added."""
    steps: tuple[Step, ...]


def _neighbors(triangulation: Triangulation) -> list[int]:
    """List the neighbors of every point as words: bit q of entry p."""
    words = [0] * triangulation.num_points
    for p, q in triangulation.edges.tolist():
        words[p] |= 1 << q
        words[q] |= 1 << p
    return words


def _graph(triangulation: Triangulation) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Neighbors of the points and their weights (copies + 1/2) in a frontier.

    The weights and the base of an order's cost were fitted to the numbers of states of 117 orders
    of eight triangulations of degree 6 and 7.
    """
    weights = copy_numbers(triangulation.degree).max(axis=1) + 1.5
    return np.array(_neighbors(triangulation), dtype=np.int64), weights


def point_order(triangulation: Triangulation) -> tuple[int, ...]:
    """Order the points so that few copies are in the frontier at a time."""
    return tuple(elimination_order(*_graph(triangulation)).tolist())


def estimated_cost(triangulation: Triangulation) -> float:
    """Cost of `point_order` in the model of `gpu.elimination`: a forecast of the census's states.

    Only ratios between triangulations of one degree mean something.
    """
    neighbors, weights = _graph(triangulation)
    return elimination_cost(neighbors, weights, elimination_order(neighbors, weights))


class _Frontier:
    """Points in the order of their positions, and where their slots begin."""

    def __init__(self, degree: int, points: Sequence[int]) -> None:
        self.points = tuple(points)
        self.position = {point: i for i, point in enumerate(self.points)}
        copies = (copy_numbers(degree).max(axis=1) + 1)[list(self.points)]
        begins = np.concatenate([[0], np.cumsum(copies)]).astype(np.int64)
        self.num_slots = int(begins[-1])
        self.first_slot = begins[:-1]
        """(f,): first slot of each position."""

    def rows(self, copies: NDArray[np.int64]) -> NDArray[np.int64]:
        """Translate edge copies to (slot, slot, position, position, e.(p + q), twist): (m, 6)."""
        ends = [self.position[p] for p in copies[:, 2:4].ravel().tolist()]
        position = np.array(ends, dtype=np.int64).reshape(-1, 2)
        slots = self.first_slot[position] + copies[:, :2]
        return np.hstack([slots, position, copies[:, 4:]])


def _references(degree: int, points: Sequence[int]) -> list[int]:
    """Choose up to three positions whose points are affinely independent over F2."""
    parities = (lattice_points(degree)[list(points)] % 2).tolist()
    # Up to three distinct points of the affine plane over F2 are affinely independent.
    firsts = [i for i, parity in enumerate(parities) if parity not in parities[:i]]
    return firsts[:3]


class _Gauge(NamedTuple):
    """Affine functions over F2, tabulated."""

    values: NDArray[np.int64]
    """(8, n): c0 + c1 x + c2 y mod 2, row c0 + 2 c1 + 4 c2."""
    bits: NDArray[np.int64]
    """(n,): 1 << point."""

    @classmethod
    def of(cls, degree: int) -> _Gauge:
        rows = [affine_signs(degree, c & 1, c >> 1 & 1, c >> 2) for c in range(8)]
        return cls(np.array(rows), 1 << np.arange(num_points(degree), dtype=np.int64))

    def solve(self, points: Sequence[int], references: Sequence[int]) -> NDArray[np.int64]:
        """For each pattern of reference signs, the first row with these values there."""
        at = self.values[:, [points[r] for r in references]]
        patterns = at @ (1 << np.arange(len(references), dtype=np.int64))
        return np.unique(patterns, return_index=True)[1]


def _slot_maps(
    degree: int, old: _Frontier, new: _Frontier
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tell, per quadrant shift, where each new slot comes from and how its potential changes."""
    numbers, lifts = copy_numbers(degree), sheets(degree)
    source = np.zeros((4, new.num_slots), dtype=np.int64)
    flip = np.zeros((4, new.num_slots), dtype=np.int64)
    quadrants = np.arange(4)
    for i, point in enumerate(new.points):
        slots = new.first_slot[i] + numbers[point]
        begin = old.first_slot[old.position[point]]
        for shift in range(4):
            source[shift, slots] = begin + numbers[point, quadrants ^ shift]
            flip[shift, slots] = lifts[point, shift]
    return source, flip


@dataclass(frozen=True)
class _Tabulator:
    """Makes the steps of one program."""

    triangulation: Triangulation
    copies: NDArray[np.int64]
    """(m, 6): all edge copies, each once, see `edge_copies`."""
    gauge: _Gauge

    def _among(self, points: Sequence[int]) -> NDArray[np.int64]:
        """Select the edge copies with both ends among some points."""
        member = np.zeros(self.triangulation.num_points, dtype=bool)
        member[list(points)] = True
        return self.copies[member[self.copies[:, 2]] & member[self.copies[:, 3]]]

    def step(self, point: int, old: _Frontier, new: _Frontier, added: NDArray[np.int64]) -> Step:
        """Tabulate the step that adds a point; `added` (k,) are all points added, this one too."""
        degree = self.triangulation.degree
        wide = _Frontier(degree, (*old.points, point))
        among = self._among(wide.points)
        edges = wide.rows(among[(among[:, 2:4] == point).any(axis=1)])
        # The kernel wants the old end first.
        flipped = edges[:, 2] > edges[:, 3]
        edges[flipped] = edges[flipped][:, [1, 0, 3, 2, 4, 5]]
        references = _references(degree, new.points)
        gauges = self.gauge.solve(new.points, references)
        source, flip = _slot_maps(degree, wide, new)
        values = self.gauge.values[gauges]
        return Step(
            is_odd=bool(degree % 2),
            num_old_slots=old.num_slots,
            num_old_points=len(old.points),
            num_copies=wide.num_slots - old.num_slots,
            old_links=old.rows(self._among(old.points)),
            edges=edges,
            kept_points=np.array([wide.position[p] for p in new.points], dtype=np.int64),
            kept_slots=np.sort(source[0]),
            slot_source=source,
            slot_flip=flip,
            new_links=new.rows(self._among(new.points)),
            references=np.array(references, dtype=np.int64),
            gauge_signs=values[:, list(new.points)] @ self.gauge.bits[: len(new.points)],
            gauge_quadrant=gauges >> 1,
            gauge_witness=values[:, added] @ self.gauge.bits[added],
            point_bit=1 << point,
            min_regions=0,
        )


def frontier_program(
    triangulation: Triangulation, *, order: Sequence[int] | None = None
) -> Program:
    """Tabulate the census of a triangulation of degree d <= 9.

    Parameters
    ----------
    triangulation : Triangulation
    order : sequence of int, optional
        All points, each after the first next to an earlier one; by default `point_order`.

    Raises
    ------
    BudgetExceeded
        If the frontier gets too wide for packed states.
    """
    order = point_order(triangulation) if order is None else tuple(order)
    degree = triangulation.degree
    copies = np.unique(edge_copies(degree, triangulation.edges).reshape(-1, 6), axis=0)
    tabulator = _Tabulator(triangulation, copies, _Gauge.of(degree))
    neighbors = _neighbors(triangulation)
    added = 0
    frontier = _Frontier(degree, ())
    steps = []
    for count, point in enumerate(order, start=1):
        added |= 1 << point
        kept = [p for p in (*frontier.points, point) if neighbors[p] & ~added]
        if len(kept) > MAX_FRONTIER:
            raise BudgetExceeded(
                f"census of {triangulation.name}: its frontier grows to {len(kept)} points, "
                f"at most {MAX_FRONTIER} can be handled"
            )
        following = _Frontier(degree, kept)
        steps.append(tabulator.step(point, frontier, following, np.array(order[:count])))
        frontier = following
    return Program(triangulation, tuple(order), tuple(steps))
