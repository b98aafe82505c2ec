"""Monomials as rows of exponents: order, look-up, sums.

A row a of nonnegative integers stands for x^a. The graded lexicographic order puts higher total
degrees first and, within a degree, larger rows first: x² > xy > y² > x > y > 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.records import InputError
from tasks.records.errors import shortened

Rows = NDArray[np.int32]
"""Exponents, shape (number of monomials, number of variables)."""

_MAX_EXPONENT = 2**31 - 1
_KEY_RANGE = 2**62


def as_rows(rows: ArrayLike) -> Rows:
    """Check and convert exponents to int32 of shape (T, n).

    Raises
    ------
    InputError
        Unless the rows are equally long and hold integers from 0 to 2³¹ - 1.
    """
    try:
        given = np.asarray(rows)
    except (ValueError, OverflowError) as error:
        raise InputError(f"exponents {shortened(rows)}: give rows of equal length") from error
    if given.ndim == 1 and given.size == 0:
        given = given.reshape(0, 0)
    if given.ndim != 2:
        raise InputError(f"exponents of shape {given.shape}: give one row per monomial")
    if given.size == 0:
        return np.zeros(given.shape, dtype=np.int32)
    if given.dtype.kind not in "iu" or given.min() < 0 or given.max() > _MAX_EXPONENT:
        raise InputError(
            f"exponents {shortened(given.tolist())}: give integers from 0 to {_MAX_EXPONENT}"
        )
    return given.astype(np.int32)


def row_keys(*tables: NDArray[np.integer]) -> list[NDArray[np.int64]]:
    """One integer per row; keys compare as the rows do lexicographically, across all tables.

    Exact for any exponents: mixed radix, with keys replaced by their ranks before they overflow.
    """
    rows = np.concatenate(tables).astype(np.int64)
    keys, size = np.zeros(len(rows), dtype=np.int64), 1
    for column in rows.T if len(rows) else ():
        digits = column - column.min()
        span = int(digits.max()) + 1
        if size * span > _KEY_RANGE:
            keys, size = _ranks(keys)
            digits, span = _ranks(digits)
        keys, size = keys * span + digits, size * span
    return np.split(keys, np.cumsum([len(table) for table in tables])[:-1])


def _ranks(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Rank of every value among the distinct ones, and their number."""
    distinct, ranks = np.unique(values, return_inverse=True)
    return ranks.astype(np.int64), len(distinct)


def positions(rows: NDArray[np.integer], table: NDArray[np.integer]) -> NDArray[np.int64]:
    """Index in `table`, whose rows are distinct, of every row; -1 for a row that is not in it."""
    if not len(table):
        return np.full(len(rows), -1, dtype=np.int64)
    keys, table_keys = row_keys(rows, table)
    order = np.argsort(table_keys)
    found = order[np.minimum(np.searchsorted(table_keys[order], keys), len(table) - 1)]
    return np.where(table_keys[found] == keys, found, -1).astype(np.int64)


def sort_monomials(rows: ArrayLike) -> Rows:
    """The distinct rows in graded lexicographic order.

    >>> sort_monomials([[0, 0], [1, 1], [2, 0], [1, 1]]).tolist()
    [[2, 0], [1, 1], [0, 0]]
    """
    given = as_rows(rows)
    return given[_graded_order(given)[0]]


def rank_monomials(rows: ArrayLike) -> tuple[Rows, NDArray[np.int64]]:
    """The distinct rows in graded lexicographic order, and the place of every row among them.

    >>> table, places = rank_monomials([[0, 0], [1, 1], [2, 0], [1, 1]])
    >>> table.tolist(), places.tolist()
    ([[2, 0], [1, 1], [0, 0]], [2, 1, 0, 1])
    """
    given = as_rows(rows)
    order, places = _graded_order(given)
    return given[order], places.astype(np.int64)


def _graded_order(rows: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the distinct rows in order, and for every row its place in that order."""
    wide = rows.astype(np.int64)
    [keys] = row_keys(np.column_stack([wide.sum(axis=1), wide]))
    _, first, inverse = np.unique(-keys, return_index=True, return_inverse=True)
    return first, inverse


@dataclass(frozen=True)
class MinkowskiSums:
    """All sums of a row of one table and a row of another.

    Attributes
    ----------
    rows : int32 (S, n)
        The distinct sums in graded lexicographic order.
    index : int64 (m, m')
        Which of them row i of the first and row j of the second table add up to.
    """

    rows: Rows
    index: NDArray[np.int64]


def minkowski_sums(first: Rows, second: Rows | None = None) -> MinkowskiSums:
    """Every ``first[i] + second[j]``; of the first table with itself if none is given.

    >>> minkowski_sums(sort_monomials([[1], [0]])).index.tolist()
    [[0, 1], [1, 2]]
    """
    other = first if second is None else second
    sums = first[:, None, :] + other[None, :, :]
    sums = sums.reshape(len(first) * len(other), first.shape[1])
    order, inverse = _graded_order(sums)
    return MinkowskiSums(sums[order], inverse.reshape(len(first), len(other)).astype(np.int64))
