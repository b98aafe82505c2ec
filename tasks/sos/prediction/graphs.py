"""The Gram graph of a polynomial: what the network sees.

Nodes are the T terms s of p = Σ c_s x^s and the N candidates b. A *pair* {b, b'} with b + b' = s is
an edge between three nodes; these are all ways in which a Gram matrix can make the term. Features
are invariant under permutations of the variables and of the terms, and under p -> c p for c > 0:

    term       log |c_s| above the median, sign, degree, parity, number of pairs
    candidate  degree, whether 2b is a term, its coefficient, numbers of partners, of other pairs
               {b', b''} with b' + b'' = 2b, of terms that no pair without b makes
    pair       log |c_s| - (log c_2b + log c_2b') / 2, which Q >= 0 bounds by log 2 if these terms
               have no other pairs; whether b = b'; one over the number of pairs of s
    entry      of an exponent row at one variable of the monomial: the exponent, its parity, and
               statistics of the variable over the support

The entries of a row are summed by the network, so that any number of variables will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.sos._threads import one_blas_thread
from tasks.sos.prediction._pairs import SupportTable, TermPairs, term_pairs
from tasks.sos.prediction.candidates import MAX_CANDIDATES, candidate_monomials

__all__ = ["GramGraph", "batch_graphs", "gram_graph"]

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

TERM_FEATURES = 8
CANDIDATE_FEATURES = 12
PAIR_FEATURES = 5
ENTRY_FEATURES = 6
_CLIP = 12.0


@dataclass(frozen=True, eq=False)
class GramGraph:
    """One Gram graph, or several side by side.

    Attributes
    ----------
    terms : float32 (T, 8)
    candidates : float32 (N, 12)
    pairs : float32 (P, 5)
    first, second, term : int64 (P,)
        The nodes of each pair.
    term_entries, candidate_entries : float32 (·, 6)
        Nonzero exponents of the rows.
    term_owner, candidate_owner : int64 (·,)
        The row of each entry.
    term_graph, candidate_graph : int64 (T,), (N,)
        The graph of each node.
    num_graphs : int
    monomials : int (N, n)
        The candidates; of several graphs empty.
    """

    terms: Floats
    candidates: Floats
    pairs: Floats
    first: Indices
    second: Indices
    term: Indices
    term_entries: Floats
    candidate_entries: Floats
    term_owner: Indices
    candidate_owner: Indices
    term_graph: Indices
    candidate_graph: Indices
    num_graphs: int
    monomials: NDArray[np.int32]

    @property
    def num_candidates(self) -> int:
        """N."""
        return len(self.candidates)


@one_blas_thread()
def gram_graph(
    exponents: NDArray[np.integer],
    coefficients: NDArray[np.float64],
    *,
    candidates: NDArray[np.integer] | None = None,
    limit: int = MAX_CANDIDATES,
) -> GramGraph:
    """Build the graph of one polynomial.

    Parameters
    ----------
    exponents : int (T, n)
        Distinct rows, at least one.
    coefficients : float (T,)
        Nonzero.
    candidates : int (N, n), optional
        By default those of `candidate_monomials`.
    limit : int
        Of `candidate_monomials`.
    """
    rows = np.asarray(exponents, dtype=np.int32)
    chosen = candidate_monomials(rows, limit=limit) if candidates is None else candidates
    monomials = np.asarray(chosen, dtype=np.int32)
    table = SupportTable.of(rows)
    pairs = term_pairs(monomials, table)
    logs = np.log(np.abs(coefficients))
    logs = np.clip(logs - np.median(logs), -_CLIP, _CLIP)
    signs = np.sign(coefficients)
    counts = np.bincount(pairs.term, minlength=len(rows))
    half = max(int(rows.sum(axis=1).max()), 2) / 2
    roots = _roots(pairs, len(monomials))
    term_entries, term_owner = _entries(rows, rows, half)
    candidate_entries, candidate_owner = _entries(2 * monomials, rows, half)
    return GramGraph(
        _term_features(rows, logs, signs, counts, half),
        _candidate_features(monomials, logs, signs, counts, roots, pairs, half),
        _pair_features(pairs, logs, signs, counts, roots),
        pairs.first,
        pairs.second,
        pairs.term,
        term_entries,
        candidate_entries,
        term_owner,
        candidate_owner,
        np.zeros(len(rows), dtype=np.int64),
        np.zeros(len(monomials), dtype=np.int64),
        1,
        monomials,
    )


def batch_graphs(graphs: Sequence[GramGraph]) -> GramGraph:
    """Several graphs as one: nodes and pairs one after the other, without padding."""
    num_terms = np.cumsum([0, *(len(g.terms) for g in graphs)])
    num_candidates = np.cumsum([0, *(g.num_candidates for g in graphs)])
    before = list(zip(graphs, num_terms, num_candidates, strict=False))
    return GramGraph(
        np.concatenate([g.terms for g in graphs]),
        np.concatenate([g.candidates for g in graphs]),
        np.concatenate([g.pairs for g in graphs]),
        np.concatenate([g.first + n for g, _, n in before]),
        np.concatenate([g.second + n for g, _, n in before]),
        np.concatenate([g.term + t for g, t, _ in before]),
        np.concatenate([g.term_entries for g in graphs]),
        np.concatenate([g.candidate_entries for g in graphs]),
        np.concatenate([g.term_owner + t for g, t, _ in before]),
        np.concatenate([g.candidate_owner + n for g, _, n in before]),
        np.repeat(np.arange(len(graphs)), np.diff(num_terms)),
        np.repeat(np.arange(len(graphs)), np.diff(num_candidates)),
        len(graphs),
        np.zeros((0, 0), dtype=np.int32),
    )


def _roots(pairs: TermPairs, size: int) -> Indices:
    """The term 2b of every candidate b, -1 where it is not a term."""
    is_root = pairs.first == pairs.second
    roots = np.full(size, -1, dtype=np.int64)
    roots[pairs.first[is_root]] = pairs.term[is_root]
    return roots


def _term_features(
    rows: NDArray[np.int32],
    logs: NDArray[np.float64],
    signs: NDArray[np.float64],
    counts: Indices,
    half: float,
) -> Floats:
    is_even = ~(rows & 1).any(axis=1)
    columns = [
        logs / 4,
        signs,
        rows.sum(axis=1) / (2 * half),
        is_even,
        np.log1p(counts),
        counts == 1,
        is_even & (signs > 0),
        np.full(len(rows), np.log(len(rows)) / 4),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _candidate_features(
    monomials: NDArray[np.int32],
    logs: NDArray[np.float64],
    signs: NDArray[np.float64],
    counts: Indices,
    roots: Indices,
    pairs: TermPairs,
    half: float,
) -> Floats:
    size = len(monomials)
    has_root = roots >= 0
    is_cross = pairs.first != pairs.second
    ends = np.concatenate([pairs.first[is_cross], pairs.second[is_cross]])
    others = np.concatenate([pairs.second[is_cross], pairs.first[is_cross]])
    terms = np.tile(pairs.term[is_cross], 2)
    partners = np.bincount(ends, minlength=size)
    good = np.bincount(ends, weights=has_root[others], minlength=size)
    only = np.bincount(ends, weights=counts[terms] == 1, minlength=size)
    shared = np.bincount(ends, weights=1 / counts[terms], minlength=size)
    root_log = np.where(has_root, logs[roots], 0.0)
    root_sign = np.where(has_root, signs[roots], 0.0)
    columns = [
        monomials.sum(axis=1) / half,
        has_root,
        root_log / 4,
        root_sign,
        np.log1p(partners),
        partners / max(int(partners.max(initial=0)), 1),
        np.log1p(good),
        good / max(float(good.max(initial=0)), 1.0),
        np.log1p(only),
        np.log1p(shared),
        np.where(has_root, np.log1p(np.maximum(counts[roots] - 1, 0)), -1.0),
        np.full(size, np.log(max(size, 1)) / 4),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _pair_features(
    pairs: TermPairs,
    logs: NDArray[np.float64],
    signs: NDArray[np.float64],
    counts: Indices,
    roots: Indices,
) -> Floats:
    left, right = roots[pairs.first], roots[pairs.second]
    has_both = (left >= 0) & (right >= 0)
    has_both &= (signs[left] > 0) & (signs[right] > 0)
    ratio = np.where(has_both, logs[pairs.term] - (logs[left] + logs[right]) / 2, 0.0)
    columns = [
        ratio / 4,
        has_both,
        pairs.first == pairs.second,
        1 / np.maximum(counts[pairs.term], 1),
        has_both & (ratio > np.log(2.0) + 1e-9),
    ]
    return np.stack(columns, axis=1).astype(np.float32).reshape(-1, PAIR_FEATURES)


def _entries(
    rows: NDArray[np.int32], support: NDArray[np.int32], half: float
) -> tuple[Floats, Indices]:
    """Features of the nonzero exponents of rows, beside those of the variable in the support."""
    owner, variable = np.nonzero(rows)
    powers = rows[owner, variable]
    largest = np.maximum(support.max(axis=0), 1)[variable]
    share = (support > 0).mean(axis=0)[variable]
    columns = [
        powers / (2 * half),
        powers / largest,
        np.log1p(powers) / 2,
        powers & 1,
        largest / (2 * half),
        share,
    ]
    return np.stack(columns, axis=1).astype(np.float32), owner.astype(np.int64)
