"""Conic programs in sparse form, and symmetric matrices as vectors.

    min q'x  subject to  A x + s = b,  s in K = {0}^z x R_+^l x PSD(m_1) x ... x PSD(m_B),

with the dual: max -b'y subject to A'y + q = 0, y in K* (free on the first z rows, then K again).
svec lists the upper triangle column by column, off-diagonal entries times √2, so that
svec(X)'svec(Y) = tr(XY). Solvers with another order convert in their adapter.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.records import InputError

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
SQRT2 = float(np.sqrt(2.0))


def svec_length(m: int) -> int:
    """m(m+1)/2."""
    return m * (m + 1) // 2


@lru_cache(maxsize=64)
def svec_indices(m: int) -> tuple[Indices, Indices]:
    """Rows i and columns j, i <= j, of the entries in svec order: (0,0), (0,1), (1,1), (0,2)...

    Both arrays have m(m+1)/2 elements and are read-only.
    """
    j, i = np.tril_indices(m)
    for array in (i, j):
        array.setflags(write=False)
    return i, j


@lru_cache(maxsize=64)
def lower_triangle_order(m: int) -> Indices:
    """Places in svec order of the lower triangle's entries, column by column."""
    low, high = np.triu_indices(m)
    order = high * (high + 1) // 2 + low
    order.setflags(write=False)
    return order


def svec(matrix: Floats) -> Floats:
    """Vector (m(m+1)/2,) of a symmetric matrix (m, m).

    >>> svec(np.array([[1.0, 2.0], [2.0, 3.0]])) / np.array([1, 2**0.5, 1])
    array([1., 2., 3.])
    """
    i, j = svec_indices(len(matrix))
    return np.where(i == j, 1.0, SQRT2) * matrix[i, j]


def smat(vector: Floats) -> Floats:
    """Symmetric matrix (m, m) of a vector (m(m+1)/2,); the inverse of `svec`."""
    m = (int(np.sqrt(8 * len(vector) + 1)) - 1) // 2
    i, j = svec_indices(m)
    values = np.where(i == j, 1.0, 1 / SQRT2) * vector
    matrix = np.empty((m, m))
    matrix[i, j] = values
    matrix[j, i] = values
    return matrix


@dataclass(frozen=True, eq=False)
class ConicProgram:
    """min q'x subject to A x + s = b, s in {0}^z x R_+^l x PSD(m_1) x ...

    Attributes
    ----------
    A
        Float64 csc array (z + l + Σ m(m+1)/2, N).
    b, q
        Float64 vectors of A's height and width.
    num_zero, num_nonnegative
        z and l.
    psd_sizes
        m_1, ..., m_B; the rows of a block are in svec order.
    """

    A: Any
    b: Floats
    q: Floats
    num_zero: int
    num_nonnegative: int
    psd_sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        rows = self.num_zero + self.num_nonnegative + sum(map(svec_length, self.psd_sizes))
        if self.A.shape != (rows, len(self.q)) or self.b.shape != (rows,):
            raise InputError(
                f"{rows} cone rows and {len(self.q)} variables need a matrix of that shape and as "
                f"many right-hand sides; got A {self.A.shape}, b {self.b.shape}"
            )

    @property
    def psd_slices(self) -> tuple[slice, ...]:
        """Rows of every PSD block."""
        start = self.num_zero + self.num_nonnegative
        ends = start + np.cumsum([0, *map(svec_length, self.psd_sizes)])
        return tuple(slice(int(a), int(b)) for a, b in pairwise(ends))
