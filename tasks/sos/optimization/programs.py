"""Sum-of-squares programs: several identities with multipliers and free variables.

Identity i of a program with polynomials t_i, bases z_b, multipliers g_b and polynomials r_fi says

    t_i = sum over the blocks b of i of g_b z_b'Q_b z_b + sum_f v_f r_fi,

for positive semidefinite Q_b and free numbers v_f, which the identities share.  Putinar
certificates have one identity, their v_f are the coefficients of the multipliers of equalities;
Lyapunov functions have two, their v_f are the coefficients of the function.

An optional *level* gamma is subtracted from the first target: t_0 - gamma.

Entries Q_ij, i <= j, are numbered block after block in the order of `conic.svec_indices`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from flint import fmpq
from numpy.typing import NDArray
from scipy import sparse

from tasks.sos.conic.forms import LinearMap, svec_indices
from tasks.sos.polynomials.polynomial import Polynomial

Row = tuple[int, ...]
Column = dict[int, fmpq]


@dataclass(frozen=True, eq=False)
class ProgramBlock:
    """The part g z'Qz of an identity.

    Attributes
    ----------
    basis : int32 (m, n)
        z.
    multiplier : Polynomial, optional
        g; None stands for 1.
    identity : int
    """

    basis: NDArray[np.int32]
    multiplier: Polynomial | None = None
    identity: int = 0

    @property
    def terms(self) -> list[tuple[Row, fmpq]]:
        """Terms of g."""
        if self.multiplier is None:
            return [((0,) * self.basis.shape[1], fmpq(1))]
        return list(self.multiplier.terms().items())


@dataclass(frozen=True, eq=False)
class SosProgram:
    """What the module describes.

    Attributes
    ----------
    targets : tuple of Polynomial
        t_i.
    blocks : tuple of ProgramBlock
        Every basis is nonempty.
    free : tuple of tuple of Polynomial
        r_fi, by f, then by i.
    """

    targets: tuple[Polynomial, ...]
    blocks: tuple[ProgramBlock, ...]
    free: tuple[tuple[Polynomial, ...], ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes m_b of the blocks."""
        return tuple(len(block.basis) for block in self.blocks)

    @property
    def num_entries(self) -> int:
        """E = sum_b m_b (m_b + 1) / 2."""
        return sum(size * (size + 1) // 2 for size in self.sizes)

    @cached_property
    def places(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Block, row i and column j >= i of every entry."""
        pairs = [svec_indices(size) for size in self.sizes]
        block = np.repeat(np.arange(len(pairs)), [len(i) for i, _ in pairs])
        return (
            block,
            np.concatenate([np.zeros(0, dtype=np.int64), *(i for i, _ in pairs)]),
            np.concatenate([np.zeros(0, dtype=np.int64), *(j for _, j in pairs)]),
        )

    @cached_property
    def _table(self) -> tuple[dict[tuple[int, Row], int], list[Column], Column]:
        """Number of every equation by identity and monomial; columns; right-hand sides."""
        rows: dict[tuple[int, Row], int] = {}

        def number(identity: int, monomial: Row) -> int:
            return rows.setdefault((identity, monomial), len(rows))

        columns = [column for block in self.blocks for column in _entry_columns(block, number)]
        for parts in self.free:
            column = {}
            for identity, part in enumerate(parts):
                for monomial, value in part.terms().items():
                    column[number(identity, monomial)] = value
            columns.append(column)
        sides = {
            number(identity, monomial): value
            for identity, target in enumerate(self.targets)
            for monomial, value in target.terms().items()
        }
        number(0, (0,) * self.targets[0].num_variables)
        return rows, columns, sides

    @property
    def equations(self) -> dict[tuple[int, Row], int]:
        """Number of the equation of every (identity, monomial); that of (0, 1) is among them."""
        return self._table[0]

    @property
    def columns(self) -> list[Column]:
        """What every entry, then every v_f adds to the equations."""
        return self._table[1]

    @property
    def sides(self) -> Column:
        """Nonzero right-hand sides."""
        return self._table[2]

    @property
    def level_row(self) -> int:
        """The equation of the monomial 1 in the first identity."""
        return self.equations[0, (0,) * self.targets[0].num_variables]

    def linear_map(self) -> LinearMap:
        """The left sides in floats, for conic solvers."""
        columns = self.columns
        counts = [len(column) for column in columns]
        row = [place for column in columns for place in column]
        value = [float(v) for column in columns for v in column.values()]
        matrix = sparse.csc_array(
            (
                np.array(value),
                (np.array(row, dtype=np.int64), np.repeat(range(len(counts)), counts)),
            ),
            shape=(len(self.equations), len(columns)),
        )
        return LinearMap(matrix, self.sizes, self.level_row)

    def right_sides(self) -> NDArray[np.float64]:
        """Right-hand sides in floats, float64 (S,)."""
        sides = np.zeros(len(self.equations))
        for row, value in self.sides.items():
            sides[row] = float(value)
        return sides


def without_forced_zeros(program: SosProgram) -> tuple[SosProgram, list[NDArray[np.int64]]]:
    """Remove basis monomials whose diagonal entries must be 0.

    An equation 0 = sum of diagonal entries with coefficients of one sign makes them 0, and then
    their rows.  This is repeated as long as there are such equations.

    Returns
    -------
    The program, and by block of the given one the indices that are left (blocks without any are
    left out of the program).
    """
    block_of, row_of, column_of = (place.tolist() for place in program.places)
    holders: list[dict[int, fmpq]] = [{} for _ in program.equations]
    for unknown, column in enumerate(program.columns):
        for row, value in column.items():
            holders[row][unknown] = value
    fixed = {*program.sides, program.level_row}
    dead: set[tuple[int, int]] = set()
    waiting = [k for k in range(len(holders)) if k not in fixed]
    while waiting:
        forced = set()
        for k in waiting:
            forced |= _forced(holders[k], program.num_entries, (block_of, row_of, column_of), dead)
        dead |= forced
        waiting = [k for k in waiting if holders[k]] if forced else []
    kept = [
        np.array([i for i in range(size) if (b, i) not in dead], dtype=np.int64)
        for b, size in enumerate(program.sizes)
    ]
    blocks = tuple(
        replace(block, basis=block.basis[indices])
        for block, indices in zip(program.blocks, kept, strict=True)
        if len(indices)
    )
    return replace(program, blocks=blocks), kept


def _forced(
    holders: dict[int, fmpq],
    num_entries: int,
    places: tuple[list[int], list[int], list[int]],
    dead: set[tuple[int, int]],
) -> set[tuple[int, int]]:
    """Block and index of the diagonal entries that an equation forces to be 0.

    Entries in dead rows are dropped from the equation.
    """
    block, row, column = places
    for unknown in list(holders):
        if unknown < num_entries and dead & {
            (block[unknown], row[unknown]),
            (block[unknown], column[unknown]),
        }:
            del holders[unknown]
    if any(unknown >= num_entries or row[unknown] != column[unknown] for unknown in holders):
        return set()
    if len({value > 0 for value in holders.values()}) != 1:
        return set()
    return {(block[unknown], row[unknown]) for unknown in holders}


def _entry_columns(block: ProgramBlock, number: Callable[[int, Row], int]) -> Iterator[Column]:
    """Columns of the entries of a block in svec order."""
    basis, terms = [tuple(row) for row in block.basis.tolist()], block.terms
    for j, right in enumerate(basis):
        for i in range(j + 1):
            weight = 1 if i == j else 2
            total = [a + b for a, b in zip(basis[i], right, strict=True)]
            yield {
                number(block.identity, tuple(a + e for a, e in zip(total, row, strict=True))): value
                * weight
                for row, value in terms
            }


def symmetric_blocks(upper: NDArray[np.float64], sizes: Sequence[int]) -> list[NDArray[np.float64]]:
    """Symmetric matrices from their entries in the order of the module."""
    blocks, start = [], 0
    for size in sizes:
        i, j = svec_indices(size)
        block = np.zeros((size, size))
        block[i, j] = block[j, i] = upper[start : start + len(i)]
        blocks.append(block)
        start += len(i)
    return blocks


def upper_entries(blocks: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The inverse of `symmetric_blocks`."""
    parts = [block[svec_indices(len(block))] for block in blocks]
    return np.concatenate([np.zeros(0), *parts])
