"""Pairs of monomials whose product is a term, by additive hashing, exactly.

With fixed odd 64-bit weights w the key of a row a is w·a modulo 2⁶⁴, so that the key of a sum is
the sum of the keys. Equal rows have equal keys; that rows of equal keys are equal is checked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Keys = NDArray[np.uint64]
Exponents = NDArray[np.integer]

_SLOT_BITS = 16
_MAX_TRIES = 8


@dataclass(frozen=True)
class SupportTable:
    """The terms of a polynomial, to be looked up by keys.

    Attributes
    ----------
    rows : int64 (T, n)
        Distinct exponents.
    weights : uint64 (n,)
        w, such that the keys of the rows are distinct.
    keys : uint64 (T,)
        Ascending.
    order : int64 (T,)
        Index of the row of every key.
    slots : bool (2**16,)
        Which leading bits occur: most sums are rejected by one look.
    """

    rows: NDArray[np.int64]
    weights: Keys
    keys: Keys
    order: Indices
    slots: NDArray[np.bool_]

    @classmethod
    def of(cls, support: Exponents) -> SupportTable:
        """Build the table of a support (T, n) with distinct rows."""
        rows = np.ascontiguousarray(support, dtype=np.int64)
        for attempt in range(_MAX_TRIES):
            weights = _weights(rows.shape[1], attempt)
            keys = row_hashes(rows, weights)
            order = np.argsort(keys, kind="stable")
            if len(keys) < 2 or (keys[order][1:] != keys[order][:-1]).all():
                break
        slots = np.zeros(1 << _SLOT_BITS, dtype=bool)
        slots[_slot(keys)] = True
        return cls(rows, weights, keys[order], order, slots)

    def hashes(self, rows: Exponents) -> Keys:
        """Keys of rows (m, n); differences may be negative."""
        return row_hashes(rows, self.weights)

    def find(self, keys: Keys) -> tuple[Indices, Indices]:
        """Places in `keys` whose key is that of a term, and the terms; to be checked by rows."""
        maybe = np.flatnonzero(self.slots[_slot(keys)])
        wanted = keys[maybe]
        place = np.minimum(np.searchsorted(self.keys, wanted), max(len(self.keys) - 1, 0))
        is_hit = self.keys[place] == wanted if len(self.keys) else np.zeros(len(wanted), bool)
        return maybe[is_hit], self.order[place[is_hit]]


@dataclass(frozen=True)
class TermPairs:
    """All unordered pairs of candidates whose product is a term, (P,) each; ``first <= second``."""

    first: Indices
    second: Indices
    term: Indices


def row_hashes(rows: Exponents, weights: Keys) -> Keys:
    """w·a modulo 2⁶⁴ of every row a."""
    return (rows.astype(np.int64).view(np.uint64) * weights).sum(axis=1, dtype=np.uint64)


def term_pairs(candidates: Exponents, table: SupportTable) -> TermPairs:
    """Find all pairs i <= j with candidates[i] + candidates[j] a term. O(N²) additions."""
    keys = table.hashes(candidates)
    first, second = np.triu_indices(len(candidates))
    places, term = table.find(keys[first] + keys[second])
    first, second = first[places], second[places]
    is_equal = (candidates[first] + candidates[second] == table.rows[term]).all(axis=1)
    return TermPairs(first[is_equal], second[is_equal], term[is_equal])


def _weights(num_variables: int, attempt: int) -> Keys:
    """Odd weights by splitmix64: the same in every process."""
    state = np.arange(1, num_variables + 1, dtype=np.uint64) + np.uint64(attempt << 32)
    state = state * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (state ^ (state >> np.uint64(31))) | np.uint64(1)


def _slot(keys: Keys) -> Indices:
    return (keys >> np.uint64(64 - _SLOT_BITS)).astype(np.int64)
