"""Candidates C(p): the monomials among which a basis of p is looked for.

Let A be the support of p, of degree 2d, and E = {b : 2b in A}. Small boxes are searched completely:
the pool is all monomials of admissible degree if there are at most `MAX_LISTED`. Otherwise it is E,
two rounds of *pair completions* a - b with a in A and b in the pool so far, and two rounds of
*midpoints* (b + b')/2, since a square that vanished was cancelled by such a pair.
Of the pool stay the b that pass necessary conditions for 2b in conv A, then for diagonal
consistency. If these are more than the limit, those are kept that have most partners (b' in E with
b + b' in A) or are midpoints of E most often; ties stay or go together, so that the candidates do
not depend on the order of variables or terms. Some terms may be no product of two candidates: the
cascade completes what is predicted from the half Newton polytope.

The conditions never exclude a point of the half Newton polytope: for every vector w,

    w·2b <= max of w·a over a in A.

Tried are w = ±e_i, ±(1, .., 1) and, for each b, residuals 2b - x of the Frank-Wolfe iterates x that
approximate the projection of 2b to conv A.
"""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.lattice import positions, sort_monomials
from tasks.lattice.monomials import Rows, as_rows
from tasks.sos.bases._diagonal import parity_classes
from tasks.sos.bases.monomial_bases import (
    diagonal_consistency,
    even_sqrt_basis,
    full_basis,
)
from tasks.sos.prediction._pairs import SupportTable, term_pairs

__all__ = ["MAX_CANDIDATES", "candidate_monomials"]

MAX_CANDIDATES = 256
MAX_LISTED = 1000
"""Monomials up to half the degree that are all looked at."""
_MAX_COMPLETIONS = 4 * MAX_CANDIDATES
_MAX_DIFFERENCES = 100_000
_PROJECTION_STEPS = 8
_SLACK = 1e-6


def candidate_monomials(support: ArrayLike, *, limit: int = MAX_CANDIDATES) -> Rows:
    """Candidates for the basis of a sum of squares with this support.

    Parameters
    ----------
    support : int (T, n)
    limit : int
        About as many candidates at most; the square roots of even terms are always among them.

    Returns
    -------
    int32 (N, n)
        In graded lexicographic order.

    Examples
    --------
    >>> candidate_monomials([[4, 2], [2, 4], [2, 2], [0, 0]]).tolist()
    [[2, 1], [1, 2], [1, 1], [0, 0]]
    """
    rows = as_rows(support)
    if not len(rows):
        return rows
    even = even_sqrt_basis(rows)
    pool = within_hull(_pool(rows, even), rows)
    pool = diagonal_consistency(pool, rows).basis
    return pool if len(pool) <= limit else _most_partners(pool, even, rows, limit)


def _pool(rows: Rows, even: Rows) -> Rows:
    """Monomials before any test."""
    degrees = rows.sum(axis=1)
    half, least = int(degrees.max()) // 2, (int(degrees.min()) + 1) // 2
    if comb(rows.shape[1] + half, half) <= MAX_LISTED:
        return full_basis(rows.shape[1], half, min_degree=least)
    partners = even
    for _ in range(2):
        completions, counts = _completions(partners, rows)
        room = max(_MAX_DIFFERENCES // len(rows) - len(even), 0)
        partners = np.concatenate([even, completions[_largest(counts, room)]])
    pool = sort_monomials(np.concatenate([even, completions]))
    middles = even
    for _ in range(2):
        found = _midpoints(middles)
        if len(found) > _MAX_COMPLETIONS:
            break
        middles = sort_monomials(np.concatenate([middles, found]))
    return sort_monomials(np.concatenate([pool, middles]))


def _midpoints(rows: Rows) -> Rows:
    """All (b + b') / 2 that are monomials, b and b' different."""
    parts = []
    for members in parity_classes(rows):
        i, j = np.triu_indices(len(members), 1)
        parts.append((rows[members[i]] + rows[members[j]]) // 2)
    return sort_monomials(np.concatenate([rows[:0], *parts]))


def _completions(pool: Rows, rows: Rows) -> tuple[Rows, NDArray[np.int64]]:
    """The a - b in the box of the half polytope that are made most often, and how often."""
    lower, upper = rows.min(axis=0), rows.max(axis=0)
    fits = np.ones((len(rows), len(pool)), dtype=bool)
    degrees = np.zeros(fits.shape, dtype=np.int32)
    for i in range(rows.shape[1]):
        entries = rows[:, i, None] - pool[None, :, i]
        fits &= (2 * entries >= lower[i]) & (2 * entries <= upper[i])
        degrees += entries
    totals = rows.sum(axis=1)
    fits &= (2 * degrees >= totals.min()) & (2 * degrees <= totals.max())
    first, second = np.nonzero(fits)
    table = SupportTable.of(rows)
    keys = table.hashes(rows)[first] - table.hashes(pool)[second]
    _, places, counts = np.unique(keys, return_index=True, return_counts=True)
    kept = _largest(counts, _MAX_COMPLETIONS)
    found = rows[first[places[kept]]] - pool[second[places[kept]]]
    return found, counts[kept]


def within_hull(points: Rows, rows: Rows) -> Rows:
    """The points b whose 2b no tried vector separates from the support; order is kept.

    O(N T n) for each of eight steps; passes all points of the half Newton polytope, and few others.
    """
    lower, upper = rows.min(axis=0), rows.max(axis=0)
    degrees, own = rows.sum(axis=1), 2 * points.sum(axis=1)
    is_left = ((2 * points <= upper) & (2 * points >= lower)).all(axis=1)
    is_left &= (own <= degrees.max()) & (own >= degrees.min())
    places = np.flatnonzero(is_left)
    terms = rows.astype(np.float64)
    targets = 2.0 * points[places]
    iterates = np.tile(terms.mean(axis=0), (len(places), 1))
    for _ in range(_PROJECTION_STEPS):
        normals = targets - iterates
        values = normals @ terms.T
        largest = values.max(axis=1, initial=-np.inf)
        slack = _SLACK * (1 + np.abs(normals).sum(axis=1))
        stays = (normals * targets).sum(axis=1) <= largest + slack
        # All vertices of the extremal face alike: their order must not matter.
        faces = values[stays] >= (largest - slack)[stays, None]
        corners = (faces @ terms) / faces.sum(axis=1, keepdims=True)
        places, targets, iterates = places[stays], targets[stays], iterates[stays]
        iterates = iterates + _step(iterates, corners, targets) * (corners - iterates)
    return points[places]


def _step(
    iterates: NDArray[np.float64], corners: NDArray[np.float64], targets: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Exact line search in [0, 1], (N, 1)."""
    ways = corners - iterates
    lengths = (ways * ways).sum(axis=1)
    steps = ((targets - iterates) * ways).sum(axis=1) / np.where(lengths > 0, lengths, 1.0)
    return np.clip(steps, 0.0, 1.0)[:, None]


def _most_partners(pool: Rows, even: Rows, rows: Rows, limit: int) -> Rows:
    """All of E, and the others with most partners in E, midpoints of E counting twice."""
    both = np.concatenate([pool, even])
    pairs = term_pairs(both, SupportTable.of(rows))
    joins = (pairs.first < len(pool)) & (pairs.second >= len(pool))
    scores = np.bincount(pairs.first[joins], minlength=len(pool))
    ways = term_pairs(even, SupportTable.of(2 * pool))
    scores += 2 * np.bincount(ways.term[ways.first != ways.second], minlength=len(pool))
    is_kept = positions(pool, even) >= 0
    others = np.flatnonzero(~is_kept)
    is_kept[others[_largest(scores[others], max(limit - int(is_kept.sum()), 0))]] = True
    return pool[is_kept]


def _largest(counts: NDArray[np.integer], limit: int) -> NDArray[np.int64]:
    """Indices of the largest counts, at most `limit` of them; equal ones all or none."""
    if len(counts) <= limit:
        return np.arange(len(counts))
    bound = np.sort(counts)[-limit - 1] if limit else counts.max(initial=0)
    return np.flatnonzero(counts > bound)
