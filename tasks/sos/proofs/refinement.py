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

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from flint import arb, arb_mat, ctx, fmpz_mat
from numpy.typing import NDArray
from scipy.linalg import qr

from tasks.sos.gram.facial import complement
from tasks.sos.gram.problem import GramProblem
from tasks.sos.proofs._multipliers import converged_with_multipliers
from tasks.sos.proofs._schur import (
    BITS,
    Entries,
    Split,
    entry_places,
    largest_exponent,
    moved,
    schur_derivative,
    schur_parts,
)

MAX_STEPS = 60
MAX_EQUATIONS = 30_000_000
"""Entries of the derivative that is still formed."""
SMALLEST_SQUARE = 1e-13
"""Smallest squared singular value of the derivative, relative to the largest, that counts."""


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
    entries = Entries(problem)
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
    y = [arb(float(grams[b][i, j])) for b, i, j in entry_places(entries, entries.free)]
    inverse: NDArray[np.float64] | None = None
    previous = np.inf
    for _ in range(MAX_STEPS):
        parts = schur_parts(problem, entries, splits, y)
        if parts is None:
            return None
        residual = [value for schur, _ in parts for value in schur]
        exponent = largest_exponent(residual)
        if exponent < -BITS * 0.8:
            return [solver for _, solver in parts]
        if exponent == np.inf or exponent > previous - 2:
            return converged_with_multipliers(problem, entries, y, splits, weights)
        previous = exponent
        if inverse is None:
            inverse = _pseudo_inverse(schur_derivative(entries, splits, parts))
        y = moved(y, inverse, residual, exponent)
    return None


def _pseudo_inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pseudo-inverse through the normal equations; the iteration makes up for their condition."""
    values, vectors = np.linalg.eigh(matrix.T @ matrix)
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
