"""Cholesky factors of one principal block of a matrix for every row of a mask, on the CPU.

A block A_SS is gathered into the upper triangle of a square, row after row of memory, where LAPACK
replaces it by its factor U with U'U = A_SS.  U'y = b and U x = y then read the rows of U in order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.linalg import get_lapack_funcs

__all__ = ["RowFactors", "factor_rows"]

_potrf = get_lapack_funcs("potrf", dtype=np.float32)


@dataclass(frozen=True, eq=False)
class RowFactors:
    """Factors of the blocks of some rows.

    Attributes
    ----------
    places : int64 (rows, width)
        Entries of S in ascending order; behind `counts` anything.
    counts : int64 (rows,)
    factors : float32 (rows, width * width)
        U of row r in the first counts[r]^2 numbers, as a square.
    num_raised : int
        Rows whose diagonal was raised further.
    """

    places: NDArray[np.int64]
    counts: NDArray[np.int64]
    factors: NDArray[np.float32]
    num_raised: int

    def solve(self, right: NDArray[np.float64]) -> NDArray[np.float64]:
        """x (rows, d) with A_SS x_S = b_S for every row, approximately, and zero outside of S."""
        found = np.zeros_like(right)
        solve_rows(self.factors, self.places, self.counts, right, found)
        return found


def factor_rows(
    matrix: NDArray[np.float32],
    mask: NDArray[np.bool_],
    *,
    jitter: float,
    growth: float,
    max_raises: int,
) -> RowFactors:
    """Factors of A_SS + j I for the entries S of every row of a mask.

    Parameters
    ----------
    matrix : (d, d)
        Symmetric, diagonal 1.
    mask : (rows, d)
    jitter, growth, max_raises : float, float, int
        j, and by what it grows until there is a factor.
    """
    counts = mask.sum(axis=1)
    width = max(int(counts.max(initial=0)), 1)
    places = np.argsort(~mask, axis=1, kind="stable")[:, :width]
    factors = np.empty((len(mask), width * width), np.float32)
    num_raised = 0
    for row, count in enumerate(counts):
        square = factors[row, : count * count].reshape(count, count)
        raised = jitter
        for attempt in range(max_raises + 1):
            gather_block(matrix, places[row], square, np.float32(raised))
            # In the order of columns, which LAPACK knows, the upper triangle is the lower one.
            _, failed = _potrf(square.T, lower=1, clean=0, overwrite_a=1)
            if failed <= 0:
                break
            num_raised += attempt == 0
            raised *= growth
    return RowFactors(places, counts, factors, num_raised)


@njit(cache=True, nogil=True)
def gather_block(matrix, places, out, jitter):
    """The upper triangle of a block, with a raised diagonal."""
    count = out.shape[0]
    for r in range(count):
        row = matrix[places[r]]
        for c in range(r, count):
            out[r, c] = row[places[c]]
        out[r, r] += jitter


@njit(cache=True, nogil=True, fastmath=True)
def solve_rows(factors, places, counts, right, out):
    """Both triangular systems of every row; right-hand sides are scaled to length 1 before."""
    work = np.empty(factors.shape[1], np.float32)
    for row in range(len(counts)):
        count = counts[row]
        size = 0.0
        for r in range(count):
            size += right[row, places[row, r]] ** 2
        if size == 0.0:
            continue
        size = np.sqrt(size)
        upper = factors[row, : count * count].reshape(count, count)
        for r in range(count):
            work[r] = right[row, places[row, r]] / size
        for r in range(count):
            value = work[r] / upper[r, r]
            work[r] = value
            for c in range(r + 1, count):
                work[c] -= upper[r, c] * value
        for r in range(count - 1, -1, -1):
            value = np.float32(0.0)
            for c in range(r + 1, count):
                value += upper[r, c] * work[c]
            work[r] = (work[r] - value) / upper[r, r]
        for r in range(count):
            out[row, places[row, r]] = work[r] * size
