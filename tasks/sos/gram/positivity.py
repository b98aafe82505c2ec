"""Exact positive definiteness of rational symmetric matrices.

A matrix Q is positive definite if Q - L L' is strictly diagonally dominant with a positive diagonal
for some L (Gershgorin).  With L from a Cholesky factorization in floats, rounded to multiples of a
power of two, that is one product of integer matrices.  Where rounding is too coarse, the leading
minors decide, by fraction-free elimination.
"""

from __future__ import annotations

import numpy as np
from flint import fmpq_mat, fmpz, fmpz_mat
from numpy.typing import NDArray
from scipy.linalg import get_lapack_funcs

FACTOR_BITS = 60
"""Bits of the entries of L after scaling to a unit diagonal of Q."""
ZERO_PIVOT = 1e-9
"""Pivots of a matrix with diagonal entries in [1, 4), up to which they count as 0."""
WORD_BITS = 24
"""The same where products are formed in floats."""

(_pivoted_cholesky,) = get_lapack_funcs(("pstrf",), dtype=np.float64)


def as_floats(matrix: fmpq_mat) -> NDArray[np.float64]:
    """Entries as correctly rounded quotients, float64 (m, m)."""
    rows = matrix.tolist()
    floats = np.array([[float(entry) for entry in row] for row in rows])
    return floats.reshape(matrix.nrows(), matrix.ncols())


def is_positive_definite(matrix: fmpq_mat) -> bool:
    """Whether a symmetric matrix is positive definite; exact.  The empty matrix is."""
    size = matrix.nrows()
    if size == 0:
        return True
    numerators, _ = matrix.numer_denom()
    if any(numerators[i, i] <= 0 for i in range(size)):
        return False
    quick = _is_dominant_in_words(numerators)
    if quick is not None:
        return quick
    return _is_dominant_after_factor(numerators) or _has_positive_minors(numerators)


def _is_dominant_in_words(matrix: fmpz_mat) -> bool | None:
    """As `_is_dominant_after_factor`, with a coarser L in machine words; None: undecided.

    With D = diag(2**-shift_i) and b bits, D Q D 2**2b is rounded down to integers T, so that it is
    less than 1 off; L 2**b is rounded to integers, in rows no longer than about 2**(b + 1), so that
    all sums of their products stay below 2**53 and floats multiply them exactly.  False where a
    principal minor of size two is negative.
    """
    size = matrix.nrows()
    bits = WORD_BITS
    table = [int(value) for value in matrix.entries()]
    shifts = np.array([(value.bit_length() - 1) // 2 for value in table[:: size + 1]])
    lifts = (2 * bits - shifts[:, None] - shifts).ravel()
    # Diagonal entries are below 2**(2 bits + 2), and so are all others of a definite matrix.
    lifted = _shifted(table, lifts, limit=2 * bits + 2)
    if lifted is None:
        return False
    scaled = lifted.reshape(size, size)
    floats = np.ldexp(scaled.astype(np.float64), -2 * bits)
    try:
        factor = np.linalg.cholesky(floats - 2.0 * size * 2.0**-bits * np.eye(size))
    except np.linalg.LinAlgError:
        return None
    rounded = np.rint(np.ldexp(factor, bits))
    rest = scaled - (rounded @ rounded.T).astype(np.int64)
    diagonal = rest.diagonal()
    off = (np.abs(rest) + 1).sum(axis=1) - np.abs(diagonal) - 1
    return True if bool((diagonal > off).all()) else None


def _shifted(
    values: list[int], lifts: NDArray[np.int64], *, limit: int
) -> NDArray[np.int64] | None:
    """Values times 2**lift, rounded down; None if one is beyond 2**limit, which is below 2**62."""
    if max(values) < 1 << limit and min(values) >= -1 << limit:
        words = np.array(values, dtype=np.int64)
        if float(np.abs(np.ldexp(words.astype(np.float64), lifts)).max()) > 2.0**limit:
            return None
        return np.where(lifts < 0, words >> np.maximum(-lifts, 0), words << np.maximum(lifts, 0))
    shifted = [
        value << lift if lift >= 0 else value >> -lift
        for value, lift in zip(values, lifts.tolist(), strict=True)
    ]
    if max(shifted) > 1 << limit or min(shifted) < -1 << limit:
        return None
    return np.array(shifted, dtype=np.int64)


def _is_dominant_after_factor(matrix: fmpz_mat) -> bool:
    """Whether Q - L L' is diagonally dominant for a rounded Cholesky factor L of Q."""
    size = matrix.nrows()
    # Half of the bits of a diagonal entry: scaling by 2**-shift brings it to [1, 4).
    shifts = [(int(matrix[i, i]).bit_length() - 1) // 2 for i in range(size)]
    scaled = np.array(
        [
            [_ldexp(int(matrix[i, j]), -shifts[i] - shifts[j]) for j in range(size)]
            for i in range(size)
        ]
    )
    try:
        smallest = max(0.0, float(np.linalg.eigvalsh(scaled)[0]))
        factor = np.linalg.cholesky(scaled - 1e-3 * smallest * np.eye(size))
    except np.linalg.LinAlgError:
        return False
    bits = FACTOR_BITS
    rounded = fmpz_mat(
        size,
        size,
        [
            int(value) << shifts[i]
            for i, row in enumerate(np.rint(np.ldexp(factor, bits)).tolist())
            for value in row
        ],
    )
    rest = matrix * fmpz(1 << (2 * bits)) - rounded * rounded.transpose()
    # Dominance of D^-1 rest D^-1 with D = diag(2**shift).
    for i in range(size):
        off = sum(abs(int(rest[i, j])) << _lift(shifts, i, j) for j in range(size) if j != i)
        if int(rest[i, i]) << _lift(shifts, i, i) <= off:
            return False
    return True


def _lift(shifts: list[int], i: int, j: int) -> int:
    """Shift that multiplies entry (i, j) by 2**(common - shift_i - shift_j)."""
    return 2 * max(shifts) - shifts[i] - shifts[j]


def _ldexp(value: int, shift: int) -> float:
    """value * 2**shift, correctly rounded."""
    return value / (1 << -shift) if shift < 0 else float(value << shift)


def _has_positive_minors(matrix: fmpz_mat) -> bool:
    """Whether all leading minors are positive; O(m**3) products of numbers of O(m) words."""
    rows = matrix.tolist()
    size, previous = len(rows), fmpz(1)
    for k in range(size):
        pivot = rows[k][k]
        if pivot <= 0:
            return False
        for i in range(k + 1, size):
            row, factor = rows[i], rows[i][k]
            for j in range(i, size):
                row[j] = (pivot * row[j] - factor * rows[k][j]) // previous
                rows[j][i] = row[j]
        previous = pivot
    return True


def is_positive_semidefinite(matrix: fmpq_mat) -> bool:
    """Whether a symmetric matrix is positive semidefinite; exact.

    With the rank and the pivots that it has in floats, and where they do not show it by elimination
    on the diagonal.
    """
    numerators = matrix.numer_denom()[0]
    return _has_shown_rank(numerators) or _has_nonnegative_pivots(numerators)


def _has_shown_rank(matrix: fmpz_mat) -> bool:
    """Whether Q_II is positive definite and Q_JJ = Q_JI Q_II^-1 Q_IJ; I are pivots in floats."""
    size = matrix.nrows()
    rows = matrix.tolist()
    diagonal = [int(row[i]) for i, row in enumerate(rows)]
    if min(diagonal, default=0) < 0:
        return False
    support = [i for i, value in enumerate(diagonal) if value]
    if not support:
        return bool(matrix == fmpz_mat(size, size))
    shifts = [(diagonal[i].bit_length() - 1) // 2 for i in support]
    try:
        scaled = np.array(
            [
                [_ldexp(int(rows[i][j]), -s - t) for j, t in zip(support, shifts, strict=True)]
                for i, s in zip(support, shifts, strict=True)
            ]
        )
    except OverflowError:  # an entry is far above those of the diagonal
        return False
    _, order, rank, _ = _pivoted_cholesky(scaled, tol=ZERO_PIVOT, lower=1)
    if not 2 * rank <= size:
        return False
    pivots = [support[int(k) - 1] for k in order[:rank]]
    others = sorted(set(range(size)) - set(pivots))
    corner = fmpz_mat(rank, rank, [rows[i][j] for i in pivots for j in pivots])
    if not is_positive_definite(fmpq_mat(corner)):
        return False
    side = fmpz_mat(rank, len(others), [rows[i][j] for i in pivots for j in others])
    rest = fmpz_mat(len(others), len(others), [rows[i][j] for i in others for j in others])
    solved: fmpq_mat = fmpq_mat(corner).solve(fmpq_mat(side))
    factor, denominator = solved.numer_denom()
    return bool(side.transpose() * factor == rest * denominator)


def _has_nonnegative_pivots(matrix: fmpz_mat) -> bool:
    """Whether elimination on the diagonal ends with 0, by fraction-free steps."""
    rows = [list(row) for row in matrix.tolist()]
    previous = fmpz(1)
    while rows:
        diagonal = [row[i] for i, row in enumerate(rows)]
        if any(value < 0 for value in diagonal):
            return False
        pivot = max(diagonal)
        if pivot == 0:
            return all(value == 0 for row in rows for value in row)
        k = diagonal.index(pivot)
        chosen = rows.pop(k)
        corner = chosen.pop(k)
        factors = [row.pop(k) for row in rows]
        rows = [
            [
                (corner * value - factor * other) // previous
                for value, other in zip(row, chosen, strict=True)
            ]
            for row, factor in zip(rows, factors, strict=True)
        ]
        previous = corner
    return True
