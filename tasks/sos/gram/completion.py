"""A Gram matrix of low rank from the entries that the equations determine.

An entry whose monomial is not another product of basis monomials is known: it is the coefficient,
or half of it above the diagonal.  In many variables most entries are.  If a principal submatrix of
known entries, on rows D, has a rank r below its size, then the Gram matrix Q = L L' has rank r too
unless it is larger elsewhere: L_D is read off the eigenvectors of Q_DD, every other row of L off
the known entries in its column by linear least squares, and the unknown entries are products of
rows.  Whether this solves the equations is seen at the end.  No solver is needed.

In exact arithmetic a kernel vector of Q_DD is one of every positive semidefinite Q, as in the
facial reduction of `tasks.sos.proofs.determined`; here only numbers are wanted.

References
----------
Grone, Johnson, Sa and Wolkowicz, Positive definite completions of partial Hermitian matrices, 1984;
Permenter and Parrilo, Partial facial reduction, Math. Program. 2018.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.linalg import get_lapack_funcs

from tasks.sos.gram.problem import GramProblem, Grams

MAX_CLIQUE = 32
MARGIN = 3
"""Least number of kernel vectors of a submatrix that cannot be a coincidence."""
SMALL = 1e-9
"""Eigenvalues of a submatrix relative to the largest, up to which they count as 0."""
INDEPENDENT = 1e-6
"""Least eigenvalue of normal equations, relative to the largest, that determine a row of L."""
CLOSE = 1e-9
"""Largest error in the equations, relative to the matrix, that is taken for rounding errors."""

_cholesky = get_lapack_funcs("potrf", dtype=np.float64)


def complete_by_rank(problem: GramProblem, weights: list[NDArray[np.float64]]) -> Grams | None:
    """Complete the known entries to Gram matrices of low rank; None if that does not work.

    What is returned solves the equations to rounding errors, and its negative eigenvalues are of
    their size.

    Parameters
    ----------
    problem : GramProblem
    weights : list of float64 (m_b,)
        Positive scales of the diagonals.
    """
    is_single = problem.entries.counts == 1
    grams = []
    for rows, weight in zip(problem.rows, weights, strict=True):
        root = np.sqrt(weight)
        factor = _factor(problem.target, rows, root, is_single[rows])
        if factor is None:
            return None
        scaled = factor * root[:, None]
        grams.append(scaled @ scaled.T)
    solution = problem.projected(grams)
    for gram, exact, weight in zip(grams, solution, weights, strict=True):
        error = np.abs(exact - gram) / np.sqrt(np.outer(weight, weight))
        if not error.max(initial=0.0) <= CLOSE:
            return None
    return solution


def _factor(
    target: NDArray[np.float64],
    rows: NDArray[np.int64],
    root: NDArray[np.float64],
    is_known: NDArray[np.bool_],
) -> NDArray[np.float64] | None:
    """L, float64 (m, r), of W^(-1/2) Q W^(-1/2); None if the known entries do not determine it."""
    size = len(rows)
    clique = _clique(is_known, MAX_CLIQUE)
    if not len(clique):
        return None
    inside = _scaled_entries(target, rows, root, clique)
    if len(clique) < size and _has_full_rank(inside):
        return None
    spectrum, vectors = np.linalg.eigh(inside)
    if spectrum[0] < -SMALL * spectrum[-1]:
        return None
    is_large = spectrum > SMALL * spectrum[-1]
    rank = int(is_large.sum())
    if len(clique) < size and rank > len(clique) - MARGIN:
        return None
    values = np.where(is_known, _scaled_entries(target, rows, root, np.arange(size)), 0.0)
    factor = np.zeros((size, rank))
    factor[clique] = vectors[:, is_large] * np.sqrt(spectrum[is_large])
    is_placed = np.zeros(size, dtype=bool)
    is_placed[clique] = True
    while not is_placed.all():
        new = _determined_rows(factor, values, is_known, is_placed)
        if not new.any():
            return None
        is_placed |= new
    return factor


def _has_full_rank(matrix: NDArray[np.float64]) -> bool:
    """Whether all eigenvalues are well above `SMALL`; a quick test."""
    shifted = matrix.copy()
    shifted.ravel()[:: len(matrix) + 1] -= 10 * SMALL * float(np.trace(matrix))
    return not _cholesky(shifted.T, lower=1, overwrite_a=1)[1]


def _determined_rows(
    factor: NDArray[np.float64],
    values: NDArray[np.float64],
    is_known: NDArray[np.bool_],
    is_placed: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Fill in the rows of L that known entries beside placed rows determine; which these are."""
    rank = factor.shape[1]
    placed, missing = factor[is_placed], np.flatnonzero(~is_placed)
    beside = is_known[np.ix_(missing, np.flatnonzero(is_placed))].astype(np.float64)
    squares = (placed[:, :, None] * placed[:, None, :]).reshape(len(placed), rank * rank)
    normal = (beside @ squares).reshape(len(missing), rank, rank)
    spectra = np.linalg.eigvalsh(normal) if rank else np.ones((len(missing), 1))
    is_determined = spectra[:, 0] > INDEPENDENT * np.maximum(spectra[:, -1], 1e-300)
    new = missing[is_determined]
    sides = values[np.ix_(new, np.flatnonzero(is_placed))] @ placed
    factor[new] = np.linalg.solve(normal[is_determined], sides[:, :, None])[:, :, 0]
    found = np.zeros(len(factor), dtype=bool)
    found[new] = True
    return found


@njit(cache=True, error_model="numpy")
def _scaled_entries(target, rows, root, chosen):
    """Entries on some rows, as they are where they are alone in their classes."""
    count = chosen.size
    values = np.empty((count, count))
    for a in range(count):
        i = chosen[a]
        for b in range(count):
            j = chosen[b]
            share = 1.0 if i == j else 0.5
            values[a, b] = share * target[rows[i, j]] / (root[i] * root[j])
    return values


@njit(cache=True)
def _clique(is_known, most):
    """Rows whose common entries are all known, with as many other known entries as possible.

    The candidate with the most known entries beside candidates is chosen, again and again.
    """
    size = is_known.shape[0]
    is_candidate, degrees = np.empty(size, np.bool_), np.zeros(size, np.int64)
    for row in range(size):
        is_candidate[row] = is_known[row, row]
    for row in range(size):
        if is_candidate[row]:
            for other in range(size):
                degrees[other] += is_known[row, other]
    chosen = np.empty(most, np.int64)
    for count in range(most):
        best = -1
        for row in range(size):
            if is_candidate[row] and (best < 0 or degrees[row] > degrees[best]):
                best = row
        if best < 0:
            return chosen[:count]
        chosen[count] = best
        for row in range(size):
            if is_candidate[row] and (row == best or not is_known[best, row]):
                is_candidate[row] = False
                for other in range(size):
                    degrees[other] -= is_known[row, other]
    return chosen
