"""Rows of a data set: a function of the seed, the cell and the row's number, and of nothing else.

>>> from tasks.sos.sampling.cells import Cell
>>> rows = Rows.generate(Cell.parse("dense-n2-d2-m3"), seed=1, first=7, count=2)
>>> both = Rows.generate(Cell.parse("dense-n2-d2-m3"), seed=1, first=0, count=9)
>>> (rows.content == both.content[7:]).all()
np.True_
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.records import InputError, derive_seed
from tasks.sos.sampling.cells import NUM_STRUCTURES, Cell
from tasks.sos.sampling.compiled import inner, outer, zero
from tasks.sos.sampling.constructions import draw_banded, draw_lyapunov, draw_multiplied
from tasks.sos.sampling.drafts import (
    Draft,
    add_columns,
    add_monomial,
    clear,
    drop_zero_rows,
    precedes,
    sort_rows,
)
from tasks.sos.sampling.expansion import Space, content, drop_zero_terms, expand
from tasks.sos.sampling.families import (
    draw_binomial_squares,
    draw_integer,
    draw_minimum,
    draw_structure,
    draw_vanishing,
)
from tasks.sos.sampling.negatives import draw_outside_cone, make_negative
from tasks.sos.sampling.philox import Stream, seek
from tasks.sos.sampling.structures import FINE, UNIT, draw_basis, draw_size, fill_factor

_SLACK = 20
"""Families stop up to that many monomials above the greatest size."""
_CHUNK_ROWS, _CHUNK_TERMS = 256, 1 << 19
_HOMOGENEOUS, _INTEGER, _MINIMUM, _VANISHING, _BINOMIALS = 4, 5, 6, 7, 8
_MULTIPLIED, _LYAPUNOV, _BANDED, _NEGATIVE, _OUTSIDE = 9, 10, 11, 12, 13


class Output(NamedTuple):
    """Arrays that a chunk of rows is written to; see `Rows`."""

    sizes: NDArray[np.int32]
    structures: NDArray[np.int8]
    content: NDArray[np.uint64]
    num_sums: NDArray[np.int32]
    num_terms: NDArray[np.int32]
    cancelled: NDArray[np.int32]
    hidden: NDArray[np.int32]
    basis: NDArray[np.int8]
    exponents: NDArray[np.int8]
    coefficients: NDArray[np.int64]


@inner
def draw_row(stream, shape, draft):
    """Fill a draft; return the structure of its factor, -1 for none of the four."""
    family, structure = shape.family, -1
    if family < NUM_STRUCTURES:
        draw_basis(stream, shape, draft, draw_size(stream, shape))
        fill_factor(stream, draft, draft.counts[0], family, FINE)
        structure = family
    elif family in (_HOMOGENEOUS, _NEGATIVE):
        draw_basis(stream, shape, draft, draw_size(stream, shape))
        structure = draw_structure(stream, draft)
    elif family == _INTEGER:
        draw_integer(stream, shape, draft)
    elif family == _MINIMUM:
        structure = draw_minimum(stream, shape, draft)
    elif family == _VANISHING:
        structure = draw_vanishing(stream, shape, draft)
    elif family == _BINOMIALS:
        draw_binomial_squares(stream, shape, draft)
    elif family == _MULTIPLIED:
        structure = draw_multiplied(stream, shape, draft)
    elif family == _LYAPUNOV:
        draw_lyapunov(stream, shape, draft)
    elif family == _BANDED:
        draw_banded(stream, shape, draft)
    elif family == _OUTSIDE:
        structure = draw_outside_cone(stream, shape, draft)
    drop_zero_rows(draft)
    if draft.counts[0] == 0:
        zero(draft.monomial[0])
        draft.monomial[0, 0] = 1
        draft.factor[add_monomial(draft, draft.monomial[0]), add_columns(draft, 1)] = UNIT
    sort_rows(draft)
    return structure


@inner
def _sorted_terms(space, basis, count, order, spare):
    """Order the terms graded lexicographically: merge sort of their indices."""
    n = basis.shape[1]
    rows = np.empty((count, n), dtype=np.int64)
    for t in range(count):
        order[t] = t
        for v in range(n):
            rows[t, v] = basis[space.pairs[t, 0], v] + basis[space.pairs[t, 1], v]
    width = 1
    while width < count:
        for begin in range(0, count, 2 * width):
            middle, end = min(begin + width, count), min(begin + 2 * width, count)
            i, j = begin, middle
            for k in range(begin, end):
                if j >= end or (i < middle and precedes(rows, order[i], order[j])):
                    spare[k] = order[i]
                    i += 1
                else:
                    spare[k] = order[j]
                    j += 1
        for k in range(count):
            order[k] = spare[k]
        width *= 2
    return rows


@inner
def _write_basis(draft, output, at):
    for i in range(draft.counts[0]):
        for v in range(draft.basis.shape[1]):
            output.basis[at] = draft.basis[i, v]
            at += 1
    return at


@inner
def _write_terms(draft, space, count, output, at):
    n = draft.basis.shape[1]
    order = np.empty(count, dtype=np.int64)
    rows = _sorted_terms(space, draft.basis, count, order, np.empty_like(order))
    for t in range(count):
        for v in range(n):
            output.exponents[(at + t) * n + v] = rows[order[t], v]
        output.coefficients[at + t] = space.coefficients[order[t]]
    return at + count


@outer
def fill_rows(stream, shape, draft, space, output, first, count, wants_terms):
    """Generate rows first..first + count - 1.

    Returns
    -------
    tuple of int
        Entries of the bases and terms that were written; -1 and the row that was too large.
    """
    entries, terms = 0, 0
    for r in range(count):
        seek(stream, first + r)
        clear(draft)
        output.structures[r] = draw_row(stream, shape, draft)
        sums, hidden = expand(draft, space)
        if sums < 0:
            return -1, first + r
        left, cancelled = drop_zero_terms(space, sums)
        if shape.family == _NEGATIVE:
            make_negative(stream, space, draft.basis, left)
            left, _ = drop_zero_terms(space, left)
        output.sizes[r], output.num_sums[r], output.num_terms[r] = draft.counts[0], sums, left
        output.cancelled[r], output.hidden[r] = cancelled, hidden
        output.content[r] = content(draft, space, left)
        entries = _write_basis(draft, output, entries)
        if wants_terms:
            terms = _write_terms(draft, space, left, output, terms)
    return entries, terms


@dataclass(frozen=True, eq=False)
class Rows:
    """Consecutive rows of a data set.

    Attributes
    ----------
    cell : Cell
    first : int
        Number of the first row.
    sizes : int32 (R,)
        m, sizes of the bases.
    structures : int8 (R,)
        Index among the four structures, -1 for none of them.
    content : uint64 (R,)
        See `tasks.sos.sampling.expansion`.
    num_sums : int32 (R,)
        |B + B|.
    num_terms : int32 (R,)
        |supp p|.
    cancelled : int32 (R,)
        Elements of B + B to which entries of Q contribute that are not 0, with coefficient 0.
    hidden : int32 (R,)
        Monomials of the basis whose square has coefficient 0.
    basis : int8 (sum of sizes * n,)
        All bases, one after the other.
    exponents : int8 (sum of num_terms * n,)
        All terms in graded lexicographic order; empty unless they were asked for.
    coefficients : int64 (sum of num_terms,)
        In units of 2**-32.
    """

    cell: Cell
    first: int
    sizes: NDArray[np.int32]
    structures: NDArray[np.int8]
    content: NDArray[np.uint64]
    num_sums: NDArray[np.int32]
    num_terms: NDArray[np.int32]
    cancelled: NDArray[np.int32]
    hidden: NDArray[np.int32]
    basis: NDArray[np.int8]
    exponents: NDArray[np.int8]
    coefficients: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.sizes)

    @classmethod
    def generate(
        cls, cell: Cell, *, seed: int, first: int, count: int, terms: bool = False
    ) -> Rows:
        """Generate `count` rows from row `first` on.

        Raises
        ------
        InputError
            If a coefficient might leave 64 bits.
        """
        generator = _generator(cell, seed)
        size = generator.chunk
        starts = range(first, first + count, size)
        parts = [generator.part(s, min(size, first + count - s), terms) for s in starts]
        names = Output._fields
        empty = generator.part(first, 0, terms) if not parts else None
        joined = {
            name: np.concatenate([getattr(part, name) for part in parts or [empty]])
            for name in names
        }
        return cls(cell, first, **joined)

    @property
    def num_free(self) -> NDArray[np.int64]:
        """K = m (m + 1) / 2 - |B + B|, dimensions of the Gram matrices of p over B; int64 (R,)."""
        sizes = self.sizes.astype(np.int64)
        return sizes * (sizes + 1) // 2 - self.num_sums

    def basis_of(self, index: int) -> NDArray[np.int8]:
        """Basis of the row at an index, int8 (m, n)."""
        n, ends = self.cell.num_variables, np.cumsum(self.sizes)
        stop = int(ends[index])
        return self.basis[(stop - int(self.sizes[index])) * n : stop * n].reshape(-1, n)

    def terms_of(self, index: int) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
        """Exponents (T, n) and coefficients (T,) of the row at an index."""
        n, stop = self.cell.num_variables, int(np.cumsum(self.num_terms)[index])
        start = stop - int(self.num_terms[index])
        return self.exponents[start * n : stop * n].reshape(-1, n), self.coefficients[start:stop]


@dataclass(frozen=True, eq=False)
class Certificate:
    """What a row is made of: z_B' (F F' + D) z_B, before the coefficients of `negative` change.

    Attributes
    ----------
    basis : int64 (m, n)
    factor : int64 (m, r)
        F in units of 2**-16.
    diagonal : int64 (m,)
        D in units of 2**-32; 0 but for `outside_cone`.
    """

    basis: NDArray[np.int64]
    factor: NDArray[np.int64]
    diagonal: NDArray[np.int64]


def certificate_of(cell: Cell, *, seed: int, row: int) -> Certificate:
    """The basis and the Gram matrix of one row."""
    generator = _generator(cell, seed)
    generator.part(row, 1, False)
    draft = generator.draft
    size, rank = draft.counts.tolist()
    return Certificate(
        draft.basis[:size].copy(), draft.factor[:size, :rank].copy(), draft.diagonal[:size].copy()
    )


@lru_cache(maxsize=4)
def _generator(cell: Cell, seed: int) -> _Generator:
    """Work space is kept: a row alone takes less time than its making."""
    return _Generator(cell, seed)


class _Generator:
    """Work space of one cell."""

    def __init__(self, cell: Cell, seed: int) -> None:
        self.cell, self.shape = cell, cell.shape
        n, capacity = cell.num_variables, self.shape.available + _SLACK
        self.stream = Stream.of(derive_seed(seed, "sos-dataset", cell.name))
        self.draft = Draft.of(n, capacity)
        self.space = Space.of(n, cell.half_degree, capacity, self.draft.factor.shape[1])
        self.capacity, self.terms = capacity, capacity * (capacity + 1) // 2
        self.chunk = max(1, min(_CHUNK_ROWS, _CHUNK_TERMS // self.terms))

    def part(self, first: int, count: int, terms: bool) -> Output:
        """Some rows, at most `chunk` of them, in arrays of their own."""
        n, room = self.cell.num_variables, count * self.terms if terms else 0
        output = Output(
            sizes=np.zeros(count, dtype=np.int32),
            structures=np.zeros(count, dtype=np.int8),
            content=np.zeros(count, dtype=np.uint64),
            num_sums=np.zeros(count, dtype=np.int32),
            num_terms=np.zeros(count, dtype=np.int32),
            cancelled=np.zeros(count, dtype=np.int32),
            hidden=np.zeros(count, dtype=np.int32),
            basis=np.zeros(count * self.capacity * n, dtype=np.int8),
            exponents=np.zeros(room * n, dtype=np.int8),
            coefficients=np.zeros(room, dtype=np.int64),
        )
        work = (self.stream, self.shape, self.draft, self.space, output)
        entries, filled = fill_rows(*work, first, count, terms)
        if entries < 0:
            raise InputError(f"{self.cell.name}: row {filled} is too large to expand in 64 bits")
        return output._replace(
            basis=output.basis[:entries].copy(),
            exponents=output.exponents[: filled * n].copy(),
            coefficients=output.coefficients[:filled].copy(),
        )
