"""Linear programs over a simplex of columns, solved exactly in integers.

Given columns A_1..A_T and a target q in Zᵏ, and costs c in Zᵀ,

    maximize c·λ  subject to  Σ λ_j A_j = q,  λ ≥ 0.

The revised simplex method without fractions: for the basis matrix B the adjugate ``det(B) B⁻¹``,
the numerators of the basic variables and of the multipliers y are integers, and a pivot divides
exactly (Edmonds, Bareiss). They are minors of the data, so int64 nearly always suffices; where it
does not, the same code runs on Python integers.

References
----------
Edmonds: Systems of distinct representatives and linear algebra, J. Res. NBS 71B (1967).
Bareiss: Sylvester's identity and multistep integer-preserving Gaussian elimination,
Math. Comp. 22 (1968). Bland: New finite pivoting rules for the simplex method, MOR 2 (1977).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numba.extending import register_jitable
from numpy.typing import NDArray

_OPTIMAL, _INFEASIBLE, _OVERFLOW, _UNBOUNDED = 0, 1, 2, 3
# Products of two entries, and their differences, stay below 2⁶².
_LARGEST_ENTRY = 2**30
# Scalar products of a row of the tableau and a column stay below 2⁶² for up to 2¹² rows.
_LARGEST_DATUM = 2**20
# Largest coefficients first are faster; the smallest index, which cannot cycle, after this many.
_GREEDY_PIVOTS = 40


@dataclass(frozen=True)
class Optimum:
    """An exact optimum, or a proof that there is none.

    Attributes
    ----------
    is_feasible
        Whether q is a nonnegative combination of the columns.
    multipliers, denominator
        If feasible, integers y and D > 0 with ``D c_j ≤ y·A_j`` for all columns and maximum
        ``y·q / D``. Otherwise ``y·A_j ≤ 0`` for all columns, ``y·q > 0`` and D = 0.
    """

    is_feasible: bool
    multipliers: tuple[int, ...]
    denominator: int


def maxima(
    columns: NDArray[np.int64], target: NDArray[np.int64], costs: NDArray[np.int64]
) -> list[Optimum]:
    """Solve one program per row of `costs`; they share the columns and the target.

    Parameters
    ----------
    columns
        (T, k), one column of the program per row, T > 0.
    target
        (k,), q ≥ 0.
    costs
        (C, T), C > 0; every program must be bounded.
    """
    # One memory layout, one compilation.
    A, q, c = (np.ascontiguousarray(values) for values in (columns, target, costs))
    found: Any = (_OVERFLOW,)
    if max(np.abs(values).max(initial=0) for values in (A, q, c)) <= _LARGEST_DATUM:
        found = _solve_compiled(A, q, c, _LARGEST_ENTRY)
    if found[0] == _OVERFLOW:
        found = _solve(A.astype(object), q.astype(object), c.astype(object), float("inf"))
    status, multipliers, denominators = found
    if status == _UNBOUNDED:
        raise ArithmeticError("unbounded linear program")
    if status == _INFEASIBLE:
        return [Optimum(False, tuple(int(-y) for y in multipliers[0]), 0)]
    return [
        Optimum(True, tuple(int(y) for y in row), int(denominator))
        for row, denominator in zip(multipliers, denominators, strict=True)
    ]


def _solve(columns, target, costs, largest):
    """Status, multipliers (C, k) and denominators (C,); an overflow leaves them meaningless."""
    k = target.size
    multipliers = np.zeros((len(costs), k), columns.dtype)
    denominators = np.zeros(len(costs), columns.dtype)
    # Rows: k basic variables, objective. Columns: the adjugate, numerators of the values.
    tableau = np.zeros((k + 1, k + 1), columns.dtype)
    basis = np.full(k, -1, np.int64)
    # The last entry is the determinant; the others scratch for an entering column.
    entering = np.zeros(k + 2, columns.dtype)
    entering[k + 1] = 1
    for i in range(k):
        tableau[i, i] = 1
        tableau[i, k] = target[i]
        tableau[k, i] = -1
        tableau[k, k] -= target[i]
    nothing = np.zeros(len(columns), columns.dtype)
    status = _optimize(columns, nothing, tableau, basis, entering, largest)
    if status == _OPTIMAL and tableau[k, k] < 0:
        multipliers[0] = tableau[k, :k]
        return _INFEASIBLE, multipliers, denominators
    if status == _OPTIMAL:
        status = _drop_artificial(columns, tableau, basis, entering, largest)
    for row in range(len(costs)):
        if status != _OPTIMAL:
            break
        _set_objective(costs[row], tableau, basis)
        status = _optimize(columns, costs[row], tableau, basis, entering, largest)
        multipliers[row] = tableau[k, :k]
        denominators[row] = entering[k + 1]
    return status, multipliers, denominators


@register_jitable
def _optimize(columns, costs, tableau, basis, entering, largest):
    """Pivot until no column improves the objective."""
    k = basis.size
    pivots = 0
    while True:
        j = _improving_column(columns, costs, tableau, entering[k + 1], pivots >= _GREEDY_PIVOTS)
        if j < 0:
            return _OPTIMAL
        _enter(columns, costs, tableau, entering, j)
        leaving = -1
        for i in range(k):
            if entering[i] > 0:
                if leaving < 0:
                    leaving = i
                    continue
                here, there = tableau[i, k] * entering[leaving], tableau[leaving, k] * entering[i]
                if here < there or (here == there and basis[i] < basis[leaving]):
                    leaving = i
        if leaving < 0:
            return _UNBOUNDED
        basis[leaving] = j
        if not _pivot(tableau, entering, leaving, largest):
            return _OVERFLOW
        pivots += 1


@register_jitable
def _improving_column(columns, costs, tableau, det, is_first):
    """The column of largest reduced cost, or the first of positive one; -1 if none is."""
    k = columns.shape[1]
    best, column = 0 * det, -1
    for j in range(len(columns)):
        reduced = costs[j] * det
        for i in range(k):
            reduced -= tableau[k, i] * columns[j, i]
        if reduced > best:
            best, column = reduced, j
            if is_first:
                break
    return column


@register_jitable
def _enter(columns, costs, tableau, entering, j):
    """The column j in terms of the basis, and minus its reduced cost."""
    k = columns.shape[1]
    for row in range(k + 1):
        total = 0 * entering[k + 1]
        for i in range(k):
            total += tableau[row, i] * columns[j, i]
        entering[row] = total
    entering[k] -= costs[j] * entering[k + 1]


@register_jitable
def _pivot(tableau, entering, leaving, largest):
    """Make the entering column a unit vector; whether all numbers stay small enough."""
    k = len(tableau) - 1
    pivot, det = entering[leaving], entering[k + 1]
    sign = 1 if pivot > 0 else -1
    if abs(pivot) > largest:
        return False
    for i in range(k + 1):
        factor = entering[i]
        if abs(factor) > largest:
            return False
        if i == leaving:
            continue
        for c in range(k + 1):
            value = (pivot * tableau[i, c] - factor * tableau[leaving, c]) // det * sign
            if abs(value) > largest:
                return False
            tableau[i, c] = value
    for c in range(k + 1):
        tableau[leaving, c] *= sign
    entering[k + 1] = pivot * sign
    return True


@register_jitable
def _drop_artificial(columns, tableau, basis, entering, largest):
    """Replace artificial variables, all 0, by columns; those of redundant equations stay."""
    k = basis.size
    for row in range(k):
        if basis[row] >= 0:
            continue
        for j in range(len(columns)):
            total = 0 * entering[k + 1]
            for i in range(k):
                total += tableau[row, i] * columns[j, i]
            if total != 0:
                _enter(columns, columns[:, 0], tableau, entering, j)
                entering[k] = 0 * total
                basis[row] = j
                if not _pivot(tableau, entering, row, largest):
                    return _OVERFLOW
                break
    return _OPTIMAL


@register_jitable
def _set_objective(costs, tableau, basis):
    """Multipliers and value of the current basis for these costs."""
    k = basis.size
    for c in range(k + 1):
        total = 0 * tableau[k, c]
        for i in range(k):
            if basis[i] >= 0:
                total += costs[basis[i]] * tableau[i, c]
        tableau[k, c] = total


_solve_compiled = njit(cache=True)(_solve)
