"""The frontier program of a triangulation: one table of indices per added point.

Points are added in an elimination order; `gpu.frontier` says what a state is and what a step does
to it.  This module translates the geometry (copies, gluing, signs of quadrants, gauge) into the
index tables that the kernel reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from gpu.elimination import elimination_order
from gpu.frontier import MAX_FRONTIER, Step
from tasks.lattice import Triangulation, lattice_points
from tasks.records import BudgetExceeded
from tasks.tcurves.patchwork import copy_numbers, edge_copies, sheets


@dataclass(frozen=True)
class Program:
    """The steps of a census, in order."""

    triangulation: Triangulation
    order: tuple[int, ...]
    """The points as they are added."""
    steps: tuple[Step, ...]


def point_order(triangulation: Triangulation) -> tuple[int, ...]:
    """Order the points so that few copies are in the frontier at a time."""
    n = len(lattice_points(triangulation.degree))
    neighbors = np.zeros(n, dtype=np.int64)
    for p, q in triangulation.edges.tolist():
        neighbors[p] |= 1 << q
        neighbors[q] |= 1 << p
    weights = copy_numbers(triangulation.degree).max(axis=1) + 1
    return tuple(elimination_order(neighbors, weights).tolist())


@dataclass(frozen=True)
class _Frontier:
    """Points in the order of their positions, and where their slots begin."""

    degree: int
    points: tuple[int, ...]

    @property
    def first_slot(self) -> dict[int, int]:
        copies = copy_numbers(self.degree).max(axis=1) + 1
        begins = np.concatenate([[0], np.cumsum(copies[list(self.points)])]).astype(int)
        return dict(zip(self.points, begins.tolist(), strict=False))

    @property
    def num_slots(self) -> int:
        return int((copy_numbers(self.degree).max(axis=1) + 1)[list(self.points)].sum())

    def slots(self, point: int) -> range:
        begin = self.first_slot[point]
        return range(begin, begin + int(copy_numbers(self.degree)[point].max()) + 1)

    def rows(self, edges: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
        """Translate copies of edges to (slot, slot, position, position, e.(p + q), twist)."""
        if not edges:
            return np.zeros((0, 6), dtype=np.int64)
        first, position = self.first_slot, {p: i for i, p in enumerate(self.points)}
        table = edge_copies(self.degree, np.array(edges)).reshape(-1, 6)
        rows = {
            (first[p] + a, first[q] + b, position[p], position[q], parity, twist)
            for a, b, p, q, parity, twist in table.tolist()
        }
        return np.array(sorted(rows), dtype=np.int64)


def _affine_values(degree: int, coefficients: tuple[int, int, int]) -> NDArray[np.int64]:
    """Evaluate c0 + c1 x + c2 y mod 2 at all lattice points: int64 (n,)."""
    c0, c1, c2 = coefficients
    x, y = lattice_points(degree).T
    return (c0 + c1 * x + c2 * y) % 2


def _references(degree: int, points: Sequence[int]) -> list[int]:
    """Choose up to three positions whose points are affinely independent over F2."""
    chosen: list[int] = []
    classes: list[tuple[int, int]] = []
    for position, point in enumerate(points):
        x, y = (int(v) % 2 for v in lattice_points(degree)[point])
        # Up to three distinct points of the affine plane over F2 are affinely independent.
        if (x, y) not in classes and len(chosen) < 3:
            chosen.append(position)
            classes.append((x, y))
    return chosen


def _gauges(
    degree: int, points: Sequence[int], references: Sequence[int]
) -> list[tuple[int, int, int]]:
    """For each pattern of reference signs, an affine function that takes these values there."""
    solutions: dict[int, tuple[int, int, int]] = {}
    for c0, c1, c2 in product((0, 1), (0, 1), (0, 1)):
        coefficients = (c0, c1, c2)
        values = _affine_values(degree, coefficients)
        pattern = sum(int(values[points[r]]) << i for i, r in enumerate(references))
        solutions.setdefault(pattern, coefficients)
    return [solutions[pattern] for pattern in range(1 << len(references))]


def _bits(values: NDArray[np.int64], points: Sequence[int]) -> int:
    """Pack the values at some points into a word, bit i for points[i]."""
    return sum(int(values[p]) << i for i, p in enumerate(points))


def _step(
    triangulation: Triangulation, old: _Frontier, new: _Frontier, point: int, added: set[int]
) -> Step:
    """Tabulate one step; `added` contains the new point."""
    degree = triangulation.degree
    wide = _Frontier(degree, (*old.points, point))
    numbers, lifts = copy_numbers(degree), sheets(degree)
    pairs = [(int(p), int(q)) for p, q in triangulation.edges]
    to_point = [(p if q == point else q, point) for p, q in pairs if point in (p, q)]
    references = _references(degree, new.points)
    gauges = _gauges(degree, new.points, references)
    source = np.zeros((4, new.num_slots), dtype=np.int64)
    flip = np.zeros((4, new.num_slots), dtype=np.int64)
    for p in new.points:
        for shift, quadrant in product(range(4), range(4)):
            slot = new.first_slot[p] + numbers[p, quadrant]
            source[shift, slot] = wide.first_slot[p] + numbers[p, quadrant ^ shift]
            flip[shift, slot] = lifts[p, shift]
    everything = sorted(added)
    return Step(
        is_odd=bool(degree % 2),
        num_old_slots=old.num_slots,
        num_old_points=len(old.points),
        num_copies=len(wide.slots(point)),
        old_links=old.rows([e for e in pairs if set(e) <= set(old.points)]),
        edges=wide.rows([e for e in to_point if e[0] in old.points]),
        kept_points=np.array([wide.points.index(p) for p in new.points], dtype=np.int64),
        kept_slots=np.array([s for p in new.points for s in wide.slots(p)], dtype=np.int64),
        slot_source=source,
        slot_flip=flip,
        new_links=new.rows([e for e in pairs if set(e) <= set(new.points)]),
        references=np.array(references, dtype=np.int64),
        gauge_signs=np.array(
            [_bits(_affine_values(degree, g), new.points) for g in gauges], dtype=np.int64
        ),
        gauge_quadrant=np.array([g[1] + 2 * g[2] for g in gauges], dtype=np.int64),
        gauge_witness=np.array(
            [sum(int(_affine_values(degree, g)[p]) << p for p in everything) for g in gauges],
            dtype=np.int64,
        ),
        point_bit=1 << point,
        min_regions=0,
    )


def frontier_program(
    triangulation: Triangulation, *, order: Sequence[int] | None = None
) -> Program:
    """Tabulate the census of a triangulation of degree d <= 9.

    Raises
    ------
    BudgetExceeded
        If the frontier gets too wide for packed states.
    """
    order = point_order(triangulation) if order is None else tuple(order)
    neighbors: dict[int, set[int]] = {p: set() for p in order}
    for p, q in triangulation.edges.tolist():
        neighbors[p].add(q)
        neighbors[q].add(p)
    added: set[int] = set()
    frontier = _Frontier(triangulation.degree, ())
    steps = []
    for point in order:
        added.add(point)
        kept = tuple(p for p in (*frontier.points, point) if not neighbors[p] <= added)
        if len(kept) > MAX_FRONTIER:
            raise BudgetExceeded(
                f"census of {triangulation.name}: its frontier grows to {len(kept)} points, "
                f"at most {MAX_FRONTIER} can be handled"
            )
        following = _Frontier(triangulation.degree, kept)
        steps.append(_step(triangulation, frontier, following, point, added))
        frontier = following
    return Program(triangulation, tuple(order), tuple(steps))
