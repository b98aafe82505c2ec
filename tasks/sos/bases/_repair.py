"""Repair of a basis that does not cover the support: greedy set cover over candidate pairs.

A term s is covered once some u and s - u are both in the basis. If both are missing they enter
together, so a cover is found whenever the candidates have one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.lattice import positions, sort_monomials
from tasks.lattice.monomials import Rows

Integers = NDArray[np.int64]

# Differences of terms and candidates that are looked up at once.
_BATCH = 1_000_000


@dataclass(frozen=True)
class _Pairs:
    """All ways to write uncovered terms as sums of two elements of a pool, (P,) each."""

    term: Integers
    first: Integers
    second: Integers

    def where(self, mask: NDArray[np.bool_]) -> _Pairs:
        """The chosen pairs."""
        return _Pairs(self.term[mask], self.first[mask], self.second[mask])


def complete_repair(basis: ArrayLike, support: ArrayLike, candidates: ArrayLike) -> Rows:
    """Add candidates to a basis until it covers every term that it can cover.

    Each step adds the candidate that covers most terms together with what is there, or, if none
    covers any, the pair {u, s - u} whose members occur in most pairs of uncovered terms. In the
    end additions that turned out superfluous are dropped. Terms that no two elements add up to
    are left uncovered.

    Returns
    -------
    Rows
        The basis and the additions, in graded lexicographic order.

    Examples
    --------
    >>> complete_repair([[2]], [[4], [2]], [[2], [1], [0]]).tolist()
    [[2], [1]]
    """
    given = sort_monomials(basis)
    tables = [rows for rows in (given, sort_monomials(candidates)) if len(rows)]
    if not tables:
        return given
    pool = sort_monomials(np.concatenate(tables))
    is_chosen = positions(pool, given) >= 0
    pairs = _uncovered_pairs(pool, sort_monomials(support), is_chosen)
    added = _cover(pairs, is_chosen)
    _drop_superfluous(pairs, is_chosen, added)
    return pool[is_chosen]


def _uncovered_pairs(pool: Rows, support: Rows, is_chosen: NDArray[np.bool_]) -> _Pairs:
    """The pairs of all terms that have one in the pool but none in the basis."""
    parts: list[Integers] = []
    batch = max(_BATCH // len(pool), 1)
    for start in range(0, len(support), batch):
        terms = support[start : start + batch]
        differences = terms[:, None, :] - pool[None, :, :]
        partner = positions(differences.reshape(-1, pool.shape[1]), pool).reshape(len(terms), -1)
        term, first = np.nonzero(partner >= np.arange(len(pool)))
        parts.append(np.stack([term + start, first, partner[term, first]]))
    pairs = _Pairs(*np.concatenate([np.zeros((3, 0), dtype=np.int64), *parts], axis=1))
    is_there = is_chosen[pairs.first] & is_chosen[pairs.second]
    return pairs.where(~np.isin(pairs.term, pairs.term[is_there]))


def _cover(pairs: _Pairs, is_chosen: NDArray[np.bool_]) -> list[int]:
    """Choose elements until every term of a pair is covered; which ones, in order."""
    added: list[int] = []
    while len(pairs.term):
        for element in _best_addition(pairs, is_chosen):
            is_chosen[element] = True
            added.append(element)
        is_there = is_chosen[pairs.first] & is_chosen[pairs.second]
        pairs = pairs.where(~np.isin(pairs.term, pairs.term[is_there]))
    return added


def _best_addition(pairs: _Pairs, is_chosen: NDArray[np.bool_]) -> tuple[int, ...]:
    """The element with the largest gain, or two elements if none has any."""
    size = len(is_chosen)
    lacks_first, lacks_second = ~is_chosen[pairs.first], ~is_chosen[pairs.second]
    is_single = (lacks_first != lacks_second) | (pairs.first == pairs.second)
    if is_single.any():
        missing = np.where(lacks_first, pairs.first, pairs.second)[is_single]
        return (int(np.bincount(missing, minlength=size).argmax()),)
    uses = np.bincount(np.concatenate([pairs.first, pairs.second]), minlength=size)
    best = (uses[pairs.first] + uses[pairs.second]).argmax()
    return int(pairs.first[best]), int(pairs.second[best])


def _drop_superfluous(pairs: _Pairs, is_chosen: NDArray[np.bool_], added: list[int]) -> None:
    """Give up additions, earliest first, while every term keeps a pair."""
    pairs = pairs.where(is_chosen[pairs.first] & is_chosen[pairs.second])
    for element in added:
        contains = (pairs.first == element) | (pairs.second == element)
        if np.isin(pairs.term[contains], pairs.term[~contains]).all():
            is_chosen[element] = False
            pairs = pairs.where(~contains)
