"""Diagonal consistency: monomials whose squares cannot cancel.

The doubled monomial 2b is a diagonal entry Q_bb of the Gram matrix plus the entries of all other
pairs i ≠ j with b_i + b_j = 2b. Without such pairs, and without 2b in the support, Q_bb = 0, and Q
being semidefinite the whole row vanishes.

References
----------
Löfberg: Pre- and post-processing sum-of-squares programs in practice, IEEE TAC 54 (2009).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.lattice import positions, sort_monomials
from tasks.lattice.monomials import Rows, as_rows, row_keys

# Pairs whose sums are formed at once.
_BATCH = 1_000_000


@dataclass(frozen=True)
class DiagonalConsistency:
    """A basis after diagonal consistency.

    Attributes
    ----------
    basis : int32 (m, n)
        What is left.
    removed : int32 (r, n)
        What is gone, in an order in which every single removal is justified.
    """

    basis: Rows
    removed: Rows


def diagonal_consistency(basis: ArrayLike, support: ArrayLike) -> DiagonalConsistency:
    """Remove the monomials that no square can contain, until there are none.

    b goes if 2b is not in the support and no two other elements of what is left add up to it.
    The basis that remains does not depend on the order. O(m²) sums of elements of equal parity.

    >>> result = diagonal_consistency([[2], [1], [0]], [[4], [0]])
    >>> result.basis.tolist(), result.removed.tolist()
    ([[2], [1], [0]], [])
    >>> diagonal_consistency([[2], [1]], [[4]]).removed.tolist()
    [[1]]
    """
    rows = sort_monomials(basis)
    is_kept = np.ones(len(rows), dtype=bool)
    is_safe = positions(2 * rows, np.unique(as_rows(support), axis=0)) >= 0
    first, second, middle = _midpoint_triples(rows)
    num_pairs = np.bincount(middle, minlength=len(rows))
    touching = _occurrences(first, second, len(rows))
    is_alive = np.ones(len(middle), dtype=bool)
    removed: list[int] = []
    queue = deque(int(i) for i in np.flatnonzero(~is_safe & (num_pairs == 0)))
    while queue:
        index = queue.popleft()
        removed.append(index)
        is_kept[index] = False
        for triple in touching[index]:
            if is_alive[triple]:
                is_alive[triple] = False
                freed = int(middle[triple])
                num_pairs[freed] -= 1
                if not num_pairs[freed] and not is_safe[freed] and is_kept[freed]:
                    queue.append(freed)
    return DiagonalConsistency(rows[is_kept], rows[removed])


def _midpoint_triples(
    rows: Rows,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """All i < j and k with ``rows[i] + rows[j] = 2 rows[k]``, as three index arrays."""
    parts: list[NDArray[np.int64]] = []
    for members in parity_classes(rows):
        batch = max(_BATCH // len(members), 1)
        for start in range(0, len(members), batch):
            i, j = np.meshgrid(members[start : start + batch], members, indexing="ij")
            is_pair = i < j
            i, j = i[is_pair], j[is_pair]
            k = positions((rows[i] + rows[j]) // 2, rows)
            parts.append(np.stack([i, j, k])[:, k >= 0])
    triples = np.concatenate([np.zeros((3, 0), dtype=np.int64), *parts], axis=1)
    return triples[0], triples[1], triples[2]


def parity_classes(rows: NDArray[np.integer]) -> list[NDArray[np.int64]]:
    """Indices of the rows grouped by their residues modulo 2, by first occurrence."""
    if not len(rows):
        return []
    [keys] = row_keys(rows & 1)
    return group_indices(keys)


def group_indices(labels: NDArray[np.integer]) -> list[NDArray[np.int64]]:
    """Indices of equal labels, ascending, by first occurrence."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order = np.argsort(inverse, kind="stable").astype(np.int64)
    groups = np.split(order, np.cumsum(np.bincount(inverse))[:-1])
    return [groups[index] for index in np.argsort(first)]


def _occurrences(
    first: NDArray[np.int64], second: NDArray[np.int64], size: int
) -> list[NDArray[np.int64]]:
    """For every element the indices of the pairs that contain it."""
    elements = np.concatenate([first, second])
    pairs = np.tile(np.arange(len(first)), 2)
    order = np.argsort(elements, kind="stable")
    counts = np.bincount(elements, minlength=size)
    return np.split(pairs[order], np.cumsum(counts)[:-1]) if size else []
