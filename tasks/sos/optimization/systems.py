"""The equations of a sum-of-squares program without its free variables, and what solves them.

Elimination leaves equations for the entries of the Gram matrices alone.  Some entries, the pivots,
are affine functions of the others; the free variables are affine functions of them too.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import lcm

import numpy as np
from flint import fmpq, fmpq_mat, fmpz_mat
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import lsqr

from gpu.lmi import Lmi, maximize_lmi
from tasks.sos.conic.forms import kernel_form
from tasks.sos.conic.solvers import SolverChoice, solve
from tasks.sos.gram.facial import trace_bound, with_trace_bound
from tasks.sos.gram.interior import GOOD_SHARE, Feasibility
from tasks.sos.gram.problem import Grams
from tasks.sos.optimization.elimination import CONSTANT, LEVEL, Echelon, Row, reduced_echelon, side
from tasks.sos.optimization.programs import SosProgram, symmetric_blocks, upper_entries
from tasks.sos.proofs.rounding import (
    BlockZeros,
    prove_by_projection,
    prove_equations_on_face,
    unit_weights,
)

logger = logging.getLogger(__name__)

MAX_BARRIER_UNKNOWNS = 600
"""Free entries up to which the barrier method is faster than a conic solver."""


@dataclass(frozen=True, eq=False)
class GramSystem:
    """Equations for Gram matrices, solved for some of their entries.

    Attributes
    ----------
    program : SosProgram
    echelon : Echelon
        Unknowns E + f are free variables, smaller ones entries; every pivot row has entries only
        on its right.
    level : fmpq
        What is subtracted from the first target.
    """

    program: SosProgram
    echelon: Echelon
    level: fmpq

    @classmethod
    def of(cls, program: SosProgram, level: fmpq | int = 0) -> GramSystem:
        """Eliminate the free variables."""
        rows: list[Row] = [{} for _ in program.equations]
        for unknown, column in enumerate(program.columns):
            for row, value in column.items():
                rows[row][unknown] = value
        for row, value in program.sides.items():
            rows[row][CONSTANT] = value
        rows[program.level_row][LEVEL] = fmpq(-1)
        first = range(program.num_entries, len(program.columns))
        return cls(program, reduced_echelon(rows, first), fmpq(level))

    def at_level(self, level: fmpq | int) -> GramSystem:
        """The same equations for another level."""
        return replace(self, level=fmpq(level))

    @property
    def is_consistent(self) -> bool:
        """Whether there are symmetric matrices that solve the equations."""
        return self.echelon.is_consistent(self.level)

    @cached_property
    def _pivots(self) -> list[tuple[int, Row]]:
        """Pivot entries and their rows, by pivot."""
        rows = self.echelon.rows
        return sorted((p, row) for p, row in rows.items() if p < self.program.num_entries)

    @cached_property
    def free_entries(self) -> list[int]:
        """Entries that are not pivots."""
        return sorted(set(range(self.program.num_entries)) - {p for p, _ in self._pivots})

    @cached_property
    def _scales(self) -> list[int]:
        """Factors that make the left sides integer."""
        return [
            lcm(1, *(int(v.q) for unknown, v in row.items() if unknown >= 0))
            for _, row in self._pivots
        ]

    @cached_property
    def coefficients(self) -> list[fmpq]:
        """Right-hand sides of the equations with integer left sides."""
        pairs = zip(self._pivots, self._scales, strict=True)
        return [side(row, self.level) * scale for (_, row), scale in pairs]

    def face_columns(self, bases: Sequence[fmpz_mat]) -> Iterator[dict[int, int]]:
        """Left sides at ``V_b E V_b'``; see `facial.GramEquations`."""
        holders: dict[int, list[tuple[int, int]]] = {}
        for k, ((pivot, row), scale) in enumerate(zip(self._pivots, self._scales, strict=True)):
            holders.setdefault(pivot, []).append((k, scale))
            for unknown, value in row.items():
                if unknown >= 0:
                    holders.setdefault(unknown, []).append((k, int((value * scale).p)))
        offset = 0
        for basis in bases:
            yield from _face_columns(basis, offset, holders)
            offset += basis.nrows() * (basis.nrows() + 1) // 2

    def exact_projection(self, grams: Sequence[NDArray[np.float64]], bits: int) -> list[fmpq_mat]:
        """Round the free entries to multiples of ``2**-bits`` and compute the pivots."""
        values = upper_entries(grams)[self.free_entries]
        rounded = [fmpq(int(v), 1 << bits) for v in np.rint(np.ldexp(values, bits)).tolist()]
        entries = dict(zip(self.free_entries, rounded, strict=True))
        entries |= {pivot: self._solved(row, entries) for pivot, row in self._pivots}
        blocks, start = [], 0
        for size in self.program.sizes:
            block = fmpq_mat(size, size)
            for j in range(size):
                for i in range(j + 1):
                    block[i, j] = block[j, i] = entries[start]
                    start += 1
            blocks.append(block)
        return blocks

    def _solved(self, row: Row, entries: dict[int, fmpq]) -> fmpq:
        """The pivot of a row, given the entries on its right."""
        known = (value * entries[unknown] for unknown, value in row.items() if unknown >= 0)
        return side(row, self.level) - sum(known, fmpq(0))

    def free_values(self, grams: Sequence[fmpq_mat]) -> list[fmpq]:
        """The free variables v_f that belong to Gram matrices; 0 where they may be chosen."""
        flat = [gram[i, j] for gram in grams for j in range(gram.nrows()) for i in range(j + 1)]
        entries = dict(enumerate(flat))
        values = []
        for f in range(self.program.num_entries, len(self.program.columns)):
            row = self.echelon.rows.get(f)
            # Free variables that are not pivots are 0, so only entries stand on the right.
            known = {u: v for u, v in (row or {}).items() if u < self.program.num_entries}
            values.append(self._solved(known, entries) if row is not None else fmpq(0))
        return values

    @cached_property
    def image(self) -> tuple[NDArray[np.float64], sparse.csc_array]:
        """Q = q + N y in floats for the free entries y: float64 (E,), csc (E, K)."""
        place = {entry: k for k, entry in enumerate(self.free_entries)}
        constants = np.zeros(self.program.num_entries)
        row, column, value = list(self.free_entries), list(range(len(place))), [1.0] * len(place)
        for pivot, right in self._pivots:
            constants[pivot] = float(side(right, self.level))
            for unknown, coefficient in right.items():
                if unknown >= 0:
                    row.append(pivot)
                    column.append(place[unknown])
                    value.append(-float(coefficient))
        shape = (self.program.num_entries, len(place))
        return constants, sparse.csc_array((value, (row, column)), shape=shape)


def _face_columns(
    basis: fmpz_mat, offset: int, holders: dict[int, list[tuple[int, int]]]
) -> Iterator[dict[int, int]]:
    """Columns of one block, whose entries begin at an offset."""
    lines = basis.tolist()
    vectors = [
        [(i, int(line[u])) for i, line in enumerate(lines) if line[u] != 0]
        for u in range(basis.ncols())
    ]
    for u, left in enumerate(vectors):
        for v in range(u, len(vectors)):
            column: dict[int, int] = {}
            for i, a in left:
                for j, b in vectors[v]:
                    low, high = min(i, j), max(i, j)
                    # Both (i, j) and (j, i) are met for u = v, and stand for one entry.
                    if u == v and i > j:
                        continue
                    entry = offset + high * (high + 1) // 2 + low
                    share = a * b * (2 if u != v and i == j else 1)
                    for k, value in holders.get(entry, ()):
                        column[k] = column.get(k, 0) + share * value
            yield column


@dataclass(frozen=True, eq=False)
class SystemSolution:
    """Gram matrices that are as positive definite as possible.

    Attributes
    ----------
    feasibility : Feasibility
    grams : tuple of float64 (m_b, m_b)
    lower, upper : float
        Q - lower I is positive semidefinite; no other solution has more than upper, within the
        bound on the traces.
    method : str
        ``barrier`` or the name of a conic solver.
    """

    feasibility: Feasibility
    grams: Grams
    lower: float
    upper: float
    method: str


def solve_system(system: GramSystem, choice: SolverChoice | None = None) -> SystemSolution:
    """Maximize t subject to Q - t I >= 0 and the equations, in floats."""
    if not system.program.sizes:  # free variables alone: elimination has solved the equations
        return SystemSolution(Feasibility.INTERIOR, (), np.inf, np.inf, "elimination")
    if len(system.free_entries) <= MAX_BARRIER_UNKNOWNS:
        try:
            return _solve_by_barrier(system)
        except np.linalg.LinAlgError as error:
            logger.info("the barrier method failed (%s); a conic solver is used instead", error)
    return _solve_by_cones(system, choice)


def _solve_by_barrier(system: GramSystem) -> SystemSolution:
    """Over the free entries, from the solution closest to the unit matrices."""
    constants, directions = system.image
    sizes = system.program.sizes
    scale = float(np.abs(constants).max(initial=0.0)) or 1.0
    unit = scale * upper_entries([np.eye(size) for size in sizes])
    near = np.zeros(len(system.free_entries))
    if len(near):
        near = np.asarray(lsqr(directions, unit - constants)[0], float)
    start = constants + directions @ near
    blocks = symmetric_blocks(start, sizes)
    lmi = _image_lmi(system, tuple(blocks), directions)
    lowest = min(float(np.linalg.eigvalsh(block)[0]) for block in blocks)
    y = np.append(np.zeros(len(near)), lowest - max(scale, abs(lowest)))
    point = maximize_lmi(
        with_trace_bound(lmi, trace_bound(blocks)),
        np.append(np.zeros(len(near)), 1.0),
        y,
        # The bounds on t have left 0 well behind.
        stop=lambda at: at.objective >= GOOD_SHARE * at.bound > 0 or at.bound < 0,
        smallest_mu=1e-12 * scale,
    ).point
    grams = symmetric_blocks(start + directions @ point.y[:-1], sizes)
    return _solution(grams, point.objective, point.bound, "barrier", 1e-7 * scale)


def _image_lmi(system: GramSystem, constants: Grams, directions: sparse.csc_array) -> Lmi:
    """Unknowns: the free entries, then t."""
    block, row, column = system.program.places
    order = directions.sorted_indices()
    diagonal = np.flatnonzero(row == column)
    entries = np.concatenate([order.indices, diagonal])
    return Lmi(
        constants=constants,
        start=np.append(order.indptr, order.nnz + len(diagonal)).astype(np.int64),
        block=block[entries],
        row=row[entries],
        column=column[entries],
        value=np.concatenate([order.data, -np.ones(len(diagonal))]),
    )


def _solve_by_cones(system: GramSystem, choice: SolverChoice | None) -> SystemSolution:
    """By a conic solver, over all entries and free variables."""
    program = system.program
    sides = program.right_sides()
    sides[program.level_row] -= float(system.level)
    form = kernel_form(program.linear_map(), sides, objective="max_t")
    answer = solve(form.program, choice)
    found = form.recover(answer)
    if not found.grams:
        zero = tuple(np.zeros((size, size)) for size in program.sizes)
        return SystemSolution(Feasibility.OUTSIDE, zero, -np.inf, np.inf, answer.solver)
    constants, directions = system.image
    entries = constants + directions @ upper_entries(found.grams)[system.free_entries]
    grams = symmetric_blocks(entries, program.sizes)
    scale = float(np.abs(entries).max(initial=1.0))
    return _solution(grams, found.value, found.value, answer.solver, 1e-7 * scale)


def _solution(
    grams: Sequence[NDArray[np.float64]], lower: float, upper: float, method: str, small: float
) -> SystemSolution:
    feasibility = Feasibility.BOUNDARY
    if lower > 0:
        feasibility = Feasibility.INTERIOR
    elif upper < -small:
        feasibility = Feasibility.OUTSIDE
    return SystemSolution(feasibility, tuple(grams), lower, upper, method)


@dataclass(frozen=True)
class ExactSolution:
    """Positive semidefinite rational Gram matrices of a program, with its free variables.

    Attributes
    ----------
    grams : tuple of fmpq_mat
    free : tuple of fmpq
    method : str
    """

    grams: tuple[fmpq_mat, ...]
    free: tuple[fmpq, ...]
    method: str


def prove_system(
    system: GramSystem, solution: SystemSolution, zeros: BlockZeros
) -> ExactSolution | None:
    """Turn a numerical solution into an exact one; None if that fails."""
    proof = None
    if solution.feasibility is Feasibility.INTERIOR:
        proof = prove_by_projection(system, solution.grams)
    if proof is None:
        proof = prove_equations_on_face(
            system,
            [block.basis for block in system.program.blocks],
            solution.grams,
            unit_weights(solution.grams),
            zeros=zeros,
            is_bounded=False,
        )
    if proof is None:
        return None
    return ExactSolution(proof.grams, tuple(system.free_values(proof.grams)), proof.method)
