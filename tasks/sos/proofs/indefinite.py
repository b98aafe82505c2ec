"""Exact directions in which a rational symmetric matrix is negative, and what they refute.

Symmetric elimination keeps T and A = T Q T'. A negative diagonal entry A_ii gives v = T_i with
v'Qv = A_ii; a zero A_ii with an A_ij that is not zero gives v = t T_i + T_j with
v'Qv = 2 t A_ij + A_jj for any t. If neither ever occurs, Q is positive semidefinite.

For K = 0 every monomial has one place in the Gram matrices, so L(x^(b + b')) = v_b v_b' is a
functional with the moment matrix vv', positive semidefinite, and L(p) = v'Qv.
"""

from __future__ import annotations

from flint import fmpq, fmpq_mat

from tasks.sos.gram.problem import GramProblem
from tasks.sos.proofs.refutation import Functional

Vector = list[fmpq]


def negative_direction(matrix: fmpq_mat) -> Vector | None:
    """A vector v with v'Qv < 0, exactly; None if Q is positive semidefinite.

    O(m^3) rational operations.

    Examples
    --------
    >>> negative_direction(fmpq_mat(2, 2, [1, 2, 2, 1]))
    [-2, 1]
    """
    size = matrix.nrows()
    rest = [[matrix[i, j] for j in range(size)] for i in range(size)]
    rows = [[fmpq(int(i == j)) for j in range(size)] for i in range(size)]
    for k in range(size):
        pivot = rest[k][k]
        if pivot < 0:
            return rows[k]
        later = [i for i in range(k + 1, size) if rest[i][k] != 0]
        if pivot == 0 and later:
            i = later[0]
            t = -(rest[i][i] + 1) / (2 * rest[i][k])
            return [t * a + b for a, b in zip(rows[k], rows[i], strict=True)]
        for i in later:
            factor = rest[i][k] / pivot
            rest[i] = [a - factor * b for a, b in zip(rest[i], rest[k], strict=True)]
            rows[i] = [a - factor * b for a, b in zip(rows[i], rows[k], strict=True)]
    return None


def unique_functional(problem: GramProblem) -> Functional | None:
    """The functional that separates p from the squares of a problem with K = 0; None if p is one.

    Parameters
    ----------
    problem : GramProblem
        With ``num_free == 0`` and no uncovered terms.
    """
    values = dict(zip(map(tuple, problem.monomials.tolist()), problem.coefficients, strict=True))
    for basis in problem.bases:
        monomials = basis.tolist()
        size = len(monomials)
        sums = [[tuple(map(sum, zip(a, b, strict=True))) for b in monomials] for a in monomials]
        entries = [
            values[sums[i][j]] / (1 if i == j else 2) for i in range(size) for j in range(size)
        ]
        direction = negative_direction(fmpq_mat(size, size, entries))
        if direction is not None:
            return {
                sums[i][j]: direction[i] * direction[j]
                for i in range(size)
                for j in range(i + 1)
                if direction[i] * direction[j] != 0
            }
    return None
