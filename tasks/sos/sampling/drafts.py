"""Sums of squares under construction: rows of B and columns of F, added one by one.

The polynomial is z_B' F F' z_B, F in units of 2**-16.  A monomial b has the key sum b_i a_i mod
2**64 with random a_i: keys of products are sums of keys.  Equal keys only say where to compare.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.records import stream
from tasks.sos.sampling.compiled import copy, inner, zero

_SIZE, _RANK = 0, 1


class Draft(NamedTuple):
    """Work space of one row.

    Attributes
    ----------
    basis : int64 (capacity, n)
        Distinct monomials.
    keys : uint64 (capacity,)
    factor : int64 (capacity, rank capacity)
        F.
    diagonal : int64 (capacity,)
        What is added to the diagonal of F F', in units of 2**-32; 0 for sums of squares.
    counts : int64 (2,)
        m and r: the rows and columns in use.
    multipliers : uint64 (n,)
        a_i.
    monomial : int64 (4, n)
        Monomials to be added.
    """

    basis: NDArray[np.int64]
    keys: NDArray[np.uint64]
    factor: NDArray[np.int64]
    diagonal: NDArray[np.int64]
    counts: NDArray[np.int64]
    multipliers: NDArray[np.uint64]
    monomial: NDArray[np.int64]

    @classmethod
    def of(cls, num_variables: int, capacity: int) -> Draft:
        """Room for that many monomials, and for squares beside."""
        multipliers = stream(0, "sos-exponents").integers(
            0, 2**64, size=num_variables, dtype=np.uint64
        )
        rank = capacity + num_variables
        return cls(
            np.zeros((capacity, num_variables), dtype=np.int64),
            np.zeros(capacity, dtype=np.uint64),
            np.zeros((capacity, rank), dtype=np.int64),
            np.zeros(capacity, dtype=np.int64),
            np.zeros(2, dtype=np.int64),
            multipliers,
            np.zeros((4, num_variables), dtype=np.int64),
        )


@inner
def clear(draft):
    """Begin a new row."""
    for i in range(draft.counts[_SIZE]):
        _clear_row(draft, i)
    zero(draft.counts)


@inner
def _clear_row(draft, i):
    for k in range(draft.counts[_RANK]):
        draft.factor[i, k] = 0
    draft.diagonal[i] = 0


@inner
def room(draft):
    """How many more monomials fit."""
    return draft.keys.size - draft.counts[_SIZE]


@inner
def columns_left(draft):
    """How many more squares fit."""
    return draft.factor.shape[1] - draft.counts[_RANK]


@inner
def key_of(draft, row):
    """Key of an exponent row, int64 (n,)."""
    key = np.uint64(0)
    for i in range(row.size):
        key += np.uint64(row[i]) * draft.multipliers[i]
    return key


@inner
def place(draft, row):
    """Index of a monomial in the basis, -1 if it is not there; O(m)."""
    key = key_of(draft, row)
    for i in range(draft.counts[_SIZE]):
        if draft.keys[i] == key and _agree(draft.basis[i], row):
            return i
    return -1


@inner
def _agree(a, b):
    differences = 0
    for i in range(a.size):
        differences += a[i] != b[i]
    return differences == 0


@inner
def add_monomial(draft, row):
    """Index of a monomial, which is added if it is new."""
    found = place(draft, row)
    if found >= 0:
        return found
    size = draft.counts[_SIZE]
    copy(row, draft.basis[size])
    draft.keys[size] = key_of(draft, row)
    draft.counts[_SIZE] = size + 1
    return size


@inner
def add_columns(draft, count):
    """Index of the first of some new columns, all zero."""
    first = draft.counts[_RANK]
    draft.counts[_RANK] = first + count
    return first


@inner
def _is_zero(draft, i):
    for k in range(draft.counts[_RANK]):
        if draft.factor[i, k] != 0:
            return False
    return draft.diagonal[i] == 0


@inner
def precedes(rows, i, j):
    """Whether row i comes before row j in graded lexicographic order."""
    degree, first = 0, 0
    for v in range(rows.shape[1]):
        difference = rows[i, v] - rows[j, v]
        degree += difference
        if first == 0:
            first = difference
    return degree > 0 or (degree == 0 and first > 0)


@inner
def _move(draft, source, target):
    if source != target:
        copy(draft.basis[source], draft.basis[target])
        draft.keys[target] = draft.keys[source]
        draft.diagonal[target] = draft.diagonal[source]
        for k in range(draft.counts[_RANK]):
            draft.factor[target, k] = draft.factor[source, k]


@inner
def drop_zero_rows(draft):
    """Monomials whose row of the Gram matrix is zero leave the basis."""
    size, kept = draft.counts[_SIZE], 0
    for i in range(size):
        if not _is_zero(draft, i):
            _move(draft, i, kept)
            kept += 1
    for i in range(kept, size):
        _clear_row(draft, i)
    draft.counts[_SIZE] = kept


@inner
def _insertion_order(rows, size, order):
    """Fill the graded lexicographic order of the first rows; whether they are in order already."""
    is_sorted = True
    for i in range(size):
        j = i
        while j > 0 and precedes(rows, i, order[j - 1]):
            order[j] = order[j - 1]
            j -= 1
        order[j] = i
        is_sorted = is_sorted and j == i
    return is_sorted


@inner
def sort_rows(draft):
    """Put the basis in graded lexicographic order."""
    size, rank = draft.counts[_SIZE], draft.counts[_RANK]
    order = np.empty(size, dtype=np.int64)
    if _insertion_order(draft.basis, size, order):
        return
    n = draft.basis.shape[1]
    copied = np.empty((size, n + rank), dtype=np.int64)
    diagonal, keys = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.uint64)
    for i in range(size):
        keys[i], diagonal[i] = draft.keys[i], draft.diagonal[i]
        for v in range(n):
            copied[i, v] = draft.basis[i, v]
        for k in range(rank):
            copied[i, n + k] = draft.factor[i, k]
    for target in range(size):
        i = order[target]
        draft.keys[target], draft.diagonal[target] = keys[i], diagonal[i]
        for v in range(n):
            draft.basis[target, v] = copied[i, v]
        for k in range(rank):
            draft.factor[target, k] = copied[i, n + k]
