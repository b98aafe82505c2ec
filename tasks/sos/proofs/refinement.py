"""The kernel of a singular Gram matrix to many digits, as rational numbers.

Near a Gram matrix of rank r, let I be r rows on which it is well conditioned and J the others.  The
matrix has rank r iff the Schur complement

    S(y) = Q_JJ - Q_JI Q_II^-1 Q_IJ,   Q = Q_0 + sum_k y_k N_k

vanishes, and then B = (-Q_II^-1 Q_IJ; identity) spans its kernel.  As dS = B' dQ B, a derivative in
floats and residuals in many digits give a Newton iteration that gains several digits per step,
unless S is quadratic in some direction (then see `_multipliers`).  The kernel of all Gram matrices
of p is unique and, where p has a rational Gram matrix in the relative interior of its face,
rational; so enough digits determine its fractions.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from flint import arb, arb_mat, ctx, fmpz_mat
from numpy.typing import NDArray
from scipy.linalg import cho_solve, qr

from tasks.records import stream
from tasks.sos.gram.entries import Entries
from tasks.sos.gram.facial import complement
from tasks.sos.gram.problem import GramProblem
from tasks.sos.proofs._multipliers import converged_with_multipliers
from tasks.sos.proofs._schur import (
    BITS,
    Split,
    largest_exponent,
    moved,
    schur_derivative,
    schur_parts,
)

logger = logging.getLogger(__name__)

MAX_STEPS = 60
"""60 steps of 9 bits reach the 512 that are wanted; a slower iteration is given up."""
MAX_EQUATIONS = 30_000_000
"""Entries of the derivative that is still formed: 240 MB."""
SMALLEST_SQUARE = 1e-13
"""Smallest squared singular value of the derivative, relative to the largest, that counts: squares
are known to about 1e-16 times the size of the matrix."""
WELL_CONDITIONED = 1e-4
"""Ratio of the diagonal of a Cholesky factor from which on the factor is used: its square is far
above `SMALLEST_SQUARE`, so that nothing would be cut off."""
MORE_EQUATIONS = 100
"""Random ones beside those that were chosen, against an unlucky choice."""
FEW = 0.6
"""Share of the entries of S up to which the others are left out of the iteration at first: beyond
there is little to win.  All of them are checked at the end."""


def refined_complements(
    problem: GramProblem,
    grams: Sequence[NDArray[np.float64]],
    weights: Sequence[NDArray[np.float64]],
    threshold: float,
) -> list[fmpz_mat] | None:
    """Find integer bases of the complements of the kernels; None if they are not found rational.

    Parameters
    ----------
    problem : GramProblem
    grams : sequence of float64 (m_b, m_b)
        Near a matrix of the relative interior.
    weights : sequence of float64 (m_b,)
    threshold : float
        Eigenvalues below it count as 0, at the scale W^(-1/2) Q W^(-1/2).
    """
    splits = [_split(gram, weight, threshold) for gram, weight in zip(grams, weights, strict=True)]
    num_equations = sum(len(s.others) * (len(s.others) + 1) // 2 for s in splits)
    entries = problem.entries
    if not num_equations or num_equations * len(entries.free) > MAX_EQUATIONS:
        return None
    with ctx.workprec(BITS):
        solvers = _converged(problem, entries, grams, splits, weights)
        if solvers is None:
            return None
        ratios = [_fractions(solver) for solver in solvers]
    if any(ratio is None for ratio in ratios):
        return None
    return [
        complement(ratio, split.others.tolist(), split.pivots.tolist())
        for ratio, split in zip(ratios, splits, strict=True)
        if ratio is not None
    ]


def _split(gram: NDArray[np.float64], weight: NDArray[np.float64], threshold: float) -> Split:
    """Choose as many well conditioned rows as there are large eigenvalues."""
    scale = 1.0 / np.sqrt(weight)
    scaled = gram * scale * scale[:, None]
    values, vectors = np.linalg.eigh(scaled)
    rank = int((values >= threshold).sum())
    # Rows of the large eigenvectors; pivoted QR picks independent ones.
    large = vectors[:, len(values) - rank :]
    order = qr(large.T, pivoting=True, mode="r")[1] if rank else np.arange(len(values))
    return Split(np.sort(order[:rank]), np.sort(order[rank:]))


def _converged(
    problem: GramProblem,
    entries: Entries,
    grams: Sequence[NDArray[np.float64]],
    splits: Sequence[Split],
    weights: Sequence[NDArray[np.float64]],
) -> list[arb_mat] | None:
    """Iterate to rank r; the matrices Q_II^-1 Q_IJ, or None if the iteration does not converge."""
    y = [arb(float(grams[b][i, j])) for b, i, j in entries.free_places]
    num_equations = sum(len(s.others) * (len(s.others) + 1) // 2 for s in splits)
    chosen = _own_equations(entries, splits, num_equations)
    if len(chosen) < FEW * num_equations:
        found, _ = _iterated(problem, entries, splits, y, chosen)
        if found is not None:
            return found
    found, y = _iterated(problem, entries, splits, y, np.arange(num_equations))
    if found is None and y:
        return converged_with_multipliers(problem, entries, y, splits, weights)
    return found


def _own_equations(
    entries: Entries, splits: Sequence[Split], num_equations: int
) -> NDArray[np.int64]:
    """Entries of S where dQ has entries, and some more: the others mostly vanish with them.

    dS = B' dQ B is dQ there, plus what comes from the few rows I.
    """
    is_moving = np.isin(entries.classes, entries.classes[entries.free])
    found, offset = [], 0
    for b, split in enumerate(splits):
        size = len(split.others)
        place = np.full(size + len(split.pivots), -1)
        place[split.others] = np.arange(size)
        here = np.flatnonzero(is_moving & (entries.block == b))
        i, j = place[entries.row[here]], place[entries.column[here]]
        inside = (i >= 0) & (j >= 0)
        # Row i of a triangle begins after i rows of size, size - 1, ... entries.
        found.append(offset + (i * (2 * size - i - 1) // 2 + j)[inside])
        offset += size * (size + 1) // 2
    more = stream(0, "schur equations").integers(num_equations, size=MORE_EQUATIONS)
    return np.unique(np.concatenate([*found, more]))


def _iterated(
    problem: GramProblem,
    entries: Entries,
    splits: Sequence[Split],
    y: list[arb],
    chosen: NDArray[np.int64],
) -> tuple[list[arb_mat] | None, list[arb]]:
    """Newton's method for chosen entries of S; the last y if it stops to converge, else none."""
    inverse: NDArray[np.float64] | None = None
    places = chosen.tolist()
    previous = np.inf
    for _ in range(MAX_STEPS):
        parts = schur_parts(problem, entries, splits, y)
        if parts is None:
            return None, []
        values = [value for schur, _ in parts for value in schur]
        residual = [values[place] for place in places]
        exponent = largest_exponent(residual)
        if exponent < -BITS * 0.8:
            is_zero = largest_exponent(values) < -BITS * 0.8
            return ([solver for _, solver in parts], y) if is_zero else (None, y)
        if exponent == np.inf or exponent > previous - 2:
            return None, y
        previous = exponent
        if inverse is None:
            # Numbers beyond floats end as infinite or undefined ones.
            with np.errstate(over="ignore", invalid="ignore"):
                inverse = _pseudo_inverse(schur_derivative(entries, splits, parts, chosen))
            if inverse is None:
                return None, y
        y = moved(y, inverse, residual, exponent)
    return None, []


def _pseudo_inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Pseudo-inverse through the normal equations; the iteration makes up for their condition.

    None if an entry of the normal equations is beyond floats.
    """
    normal = matrix.T @ matrix
    if not np.isfinite(normal).all():
        return None
    try:
        factor = np.linalg.cholesky(normal)
        lengths = factor.diagonal()
        if lengths.min(initial=1.0) > WELL_CONDITIONED * lengths.max(initial=1.0):
            return np.asarray(cho_solve((factor, True), matrix.T))
    except np.linalg.LinAlgError:
        logger.debug("the derivative has not full rank")
    values, vectors = np.linalg.eigh(normal)
    is_large = values > SMALLEST_SQUARE * max(values[-1], 0.0) if len(values) else values > 0
    scaled = vectors[:, is_large] / values[is_large]
    return scaled @ (vectors[:, is_large].T @ matrix.T)


def _fractions(solver: arb_mat) -> tuple[tuple[Fraction, ...], ...] | None:
    """The rows of -(Q_II^-1 Q_IJ)' as fractions; None if an entry is not close to a simple one."""
    rows = []
    for line in solver.transpose().tolist():
        row = []
        for value in line:
            exact = _as_fraction(value)
            close = exact.limit_denominator(1 << BITS // 3)
            if abs(close - exact) > Fraction(1, 1 << (BITS * 3) // 4):
                return None
            row.append(-close)
        rows.append(tuple(row))
    return tuple(rows)


def _as_fraction(value: arb) -> Fraction:
    """The midpoint, exactly."""
    mantissa, exponent = (int(part) for part in value.mid().man_exp())
    return Fraction(mantissa << exponent) if exponent >= 0 else Fraction(mantissa, 1 << -exponent)
