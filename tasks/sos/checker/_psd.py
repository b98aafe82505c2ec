"""Exact test of positive semidefiniteness, part of the checker.

A symmetric matrix A of integers, given by its nonzero entries (i, j), i >= j, is the direct sum of
its connected components, and each of those is decided alone.

Small ones by fraction-free elimination: with p_0 = 1 and r_k the k-th row of the elimination,
``p_k = r_k[k]``,

    A = sum_k r_k r_k' / (p_k p_(k-1)),                                               (1)

where all p_k > 0, and indices whose remaining row vanishes are left out; A is positive
semidefinite iff elimination never meets a negative pivot, nor a zero pivot in a nonzero row.

Larger ones by a guess in fixed-point numbers that is then checked in integers, one of

* a vector v with v'Av < 0;
* K with A K = 0 and K_J the identity, so that A is positive semidefinite iff its part on the
  complement I of J is; and a triangular L for which 4^P T A_I T - L L' is diagonally dominant with
  a nonnegative diagonal, where T is a diagonal matrix of powers of two.

If no precision P gives either, elimination decides.  A wrong guess costs time only.

References
----------
E. Bareiss, Sylvester's identity and multistep integer-preserving Gaussian elimination (1968).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt, lcm
from operator import mul

Entries = Mapping[tuple[int, int], int]
"""Nonzero entries (i, j) with i >= j."""
Matrix = list[list[int]]
"""All rows, symmetric."""

ATTEMPTS = ((96, 24), (256, 24), (1024, 60), (4096, 100))
"""(P, size): precision P is tried on matrices beyond this size; below, elimination is faster.

L has entries a / 2^P.  Precision P sees eigenvalues of the scaled matrix down to 2^(-P/2) and
kernels with denominators up to 2^(P/3)."""


def is_semidefinite(entries: Entries) -> bool:
    """Whether the symmetric matrix with these entries, elsewhere 0, is positive semidefinite."""
    return all(_is_semidefinite(submatrix(entries, part)) for part in components(entries))


def components(entries: Entries) -> list[list[int]]:
    """Connected components of the indices that have an entry, each sorted."""
    neighbors: dict[int, set[int]] = {}
    for i, j in entries:
        neighbors.setdefault(i, set()).add(j)
        neighbors.setdefault(j, set()).add(i)
    parts = []
    while neighbors:
        part, waiting = set(), {min(neighbors)}
        while waiting:
            part |= waiting
            waiting = {k for i in waiting for k in neighbors.pop(i)} - part
        parts.append(sorted(part))
    return parts


def submatrix(entries: Entries, indices: Sequence[int]) -> Matrix:
    """The dense part on sorted indices."""
    return [
        [entries.get((max(i, j), min(i, j)), 0) for j in indices]  # rows of the lower triangle
        for i in indices
    ]


def elimination(A: Matrix) -> list[tuple[int, int, list[int]]] | None:
    """The terms (k, p_k p_(k-1), r_k) of (1), r_k from index k on; None if A is not semidefinite.

    O(m^3) products and divisions of integers whose bits grow linearly.
    """
    rows = [row[i:] for i, row in enumerate(A)]
    terms, before = [], 1
    for k, pivot_row in enumerate(rows):
        pivot = pivot_row[0]
        if pivot < 0 or (pivot == 0 and any(pivot_row)):
            return None
        if pivot == 0:
            continue
        for i in range(k + 1, len(rows)):
            factor = pivot_row[i - k]
            rows[i] = [
                (pivot * a - factor * b) // before
                for a, b in zip(rows[i], pivot_row[i - k :], strict=True)
            ]
        terms.append((k, pivot * before, pivot_row))
        before = pivot
    return terms


def _is_semidefinite(A: Matrix) -> bool:
    """Decide one component."""
    if any(row[i] <= 0 for i, row in enumerate(A)):
        return False  # every row of a component has an entry
    for precision, size in ATTEMPTS:
        verdict = _decided(A, precision) if len(A) > size else None
        if verdict is not None:
            return verdict
    return elimination(A) is not None


# --- guesses ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Factor:
    """Outcome of a fixed-point Cholesky factorization; numbers are a / 2^P.

    Attributes
    ----------
    kept
        I, indices with a pivot.
    rows
        Rows of L on I.
    dependent
        Index and row of L for each j in J, whose pivot is about 0.
    negative
        Index and row where the pivot is clearly negative; factorization ends there.
    """

    kept: list[int]
    rows: list[list[int]]
    dependent: list[tuple[int, list[int]]]
    negative: tuple[int, list[int]] | None = None


def _decided(A: Matrix, P: int) -> bool | None:
    """Guess and check with precision P; None if that proves nothing."""
    shifts = [(row[i].bit_length() + 1) // 2 for i, row in enumerate(A)]
    S = [
        [_shifted(row[j], 2 * P - shifts[i] - shifts[j]) for j in range(i + 1)]
        for i, row in enumerate(A)
    ]
    factor = _factor(S, range(len(A)), P, slack=1 << (2 * P - P // 3))
    if factor.negative is not None:
        i, row = factor.negative
        v = _scaled_back(factor, i, _solved(factor.rows, row, P), shifts, P)
        return False if _form(A, v) < 0 else None
    for j, row in factor.dependent:
        if not _is_kernel(A, factor, j, _solved(factor.rows, row, P), shifts, P):
            return None
    return _is_dominated(A, S, factor.kept, shifts, P) or None


def _factor(S: Matrix, indices: Sequence[int], P: int, slack: int) -> _Factor:
    """Cholesky factorization of S / 4^P on some indices; pivots in [-slack, slack] are dropped."""
    kept: list[int] = []
    rows: list[list[int]] = []
    dependent = []
    for i in indices:
        row: list[int] = []
        for k, other in zip(kept, rows, strict=True):
            # `map` ends with the shorter one: the dot product of the entries computed so far.
            row.append((S[i][k] - sum(map(mul, row, other))) // other[-1])
        pivot = S[i][i] - sum(map(mul, row, row))
        if pivot < -slack:
            return _Factor(kept, rows, dependent, (i, row))
        if pivot <= max(slack, 0):
            dependent.append((i, row))
        else:
            kept.append(i)
            rows.append([*row, isqrt(pivot)])
    return _Factor(kept, rows, dependent)


def _solved(rows: Matrix, right: Sequence[int], P: int) -> list[int]:
    """X with L' X = right, for the leading part of L."""
    left = [a << P for a in right]
    x = [0] * len(left)
    for k in reversed(range(len(left))):
        x[k] = left.pop() // rows[k][k]
        left = [a - b * x[k] for a, b in zip(left, rows[k], strict=False)]
    return x


def _is_kernel(
    A: Matrix, factor: _Factor, j: int, x: Sequence[int], shifts: Sequence[int], P: int
) -> bool:
    """Whether A v = 0 for the v with 1 at j and simple fractions near -T x / T_j on I."""
    limit = 1 << (P // 3)
    vector = {j: Fraction(1)}
    for i, value in zip(factor.kept, x, strict=False):
        near = Fraction(-value << shifts[j], 1 << (P + shifts[i])).limit_denominator(limit)
        if near:
            vector[i] = near
    scale = lcm(*(value.denominator for value in vector.values()))
    numbers = [(i, int(value * scale)) for i, value in vector.items()]
    return not any(sum(row[i] * value for i, value in numbers) for row in A)


def _scaled_back(
    factor: _Factor, i: int, x: Sequence[int], shifts: Sequence[int], P: int
) -> dict[int, int]:
    """The vector (-x, 1) as integers in the coordinates of A."""
    top = max(shifts)
    vector = {k: -value << (top - shifts[k]) for k, value in zip(factor.kept, x, strict=False)}
    return vector | {i: 1 << (P + top - shifts[i])}


def _form(A: Matrix, v: Mapping[int, int]) -> int:
    """v'Av."""
    return sum(a * sum(A[i][j] * b for j, b in v.items()) for i, a in v.items())


def _is_dominated(A: Matrix, S: Matrix, kept: Sequence[int], shifts: Sequence[int], P: int) -> bool:
    """Whether 4^P T A T - L L' on I is diagonally dominant for the L of a slightly smaller S."""
    margin = 1 << (2 * P - P // 2)
    for i in kept:
        S[i][i] -= margin
    L = _factor(S, kept, P, slack=0)
    if L.dependent or L.negative:
        return False
    top = 2 * max(shifts, default=0)
    surplus = [0] * len(kept)
    for a, i in enumerate(kept):
        for b, j in enumerate(kept[:a]):
            product = sum(map(mul, L.rows[a], L.rows[b]))
            rest = abs((A[i][j] << (2 * P + top - shifts[i] - shifts[j])) - (product << top))
            surplus[a] -= rest
            surplus[b] -= rest
        square = sum(map(mul, L.rows[a], L.rows[a]))
        surplus[a] += (A[i][i] << (2 * P + top - 2 * shifts[i])) - (square << top)
    return min(surplus, default=0) >= 0


def _shifted(value: int, bits: int) -> int:
    return value << bits if bits >= 0 else value >> -bits
