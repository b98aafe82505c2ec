"""Separating functionals: linear L with L(q^2) >= 0 for the squares of a Gram problem, L(p) < 0.

L(q^2) = v' M(L) v for q = v'z_b, with the moment matrices M_b(L) = (L(x^(i + j))).  The numerical L
of an infeasible problem is in the interior of the dual cone, so that rounding keeps it there; then
exact arithmetic decides.
"""

from __future__ import annotations

import numpy as np
from flint import fmpq, fmpq_mat
from numpy.typing import NDArray

from tasks.sos.gram.interior import product_moments
from tasks.sos.gram.positivity import is_positive_definite
from tasks.sos.gram.problem import GramProblem

ROUNDINGS = (4, 8, 16, 24, 32, 48)
"""Bits of the moments relative to the diagonal of the moment matrix."""

SHARES = (0.0, 1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 0.1, 0.3)
"""Shares of the measure that are mixed in, from the least: each moves L(p) towards 0."""
ROOM = 1e-13
"""Least eigenvalue relative to the diagonal that is not mistaken for a rounding error, 1e-16 times
the size of the matrix."""

Functional = dict[tuple[int, ...], fmpq]
"""Values of L; 0 at all other monomials."""


def separating_functional(problem: GramProblem, moments: NDArray[np.float64]) -> Functional | None:
    """Round moments to the fewest bits that still separate, exactly; None if they do not.

    Moments on the boundary of the cone, as conic solvers give, are first mixed with those of a
    measure, as little as makes their matrices positive definite.

    Parameters
    ----------
    problem : GramProblem
    moments : float64 (S,)
    """
    inner = product_moments(problem.monomials)
    inner = inner / _diagonals(problem, inner).sum()
    size = float(np.abs(_diagonals(problem, moments)).sum())
    for share in SHARES:
        mixed = moments + share * size * inner
        if problem.target @ mixed >= 0:
            return None
        if _is_clearly_definite(problem, mixed):
            found = _rounded(problem, mixed)
            if found is not None:
                return found
    return None


def _diagonals(problem: GramProblem, moments: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([moments[rows.diagonal()] for rows in problem.rows])


def _is_clearly_definite(problem: GramProblem, moments: NDArray[np.float64]) -> bool:
    """Whether the moment matrices, scaled to unit diagonals, have Cholesky factors in floats."""
    if not (_diagonals(problem, moments) > 0).all():
        return False
    try:
        for matrix in problem.moment_matrices(moments):
            scale = 1.0 / np.sqrt(matrix.diagonal())
            np.linalg.cholesky(matrix * scale * scale[:, None] - ROOM * np.eye(len(matrix)))
    except np.linalg.LinAlgError:
        return False
    return True


def _rounded(problem: GramProblem, moments: NDArray[np.float64]) -> Functional | None:
    """Round to the fewest bits that separate."""
    scale = _scale(problem, moments)
    for bits in ROUNDINGS:
        units = np.ldexp(1.0, np.floor(np.log2(scale)).astype(int) - bits)
        numerators = np.rint(moments / units).tolist()
        values = [
            fmpq(int(numerator)) * fmpq(*float(unit).as_integer_ratio())
            for numerator, unit in zip(numerators, units, strict=True)
        ]
        if _separates(problem, values):
            rows = map(tuple, problem.monomials.tolist())
            return {row: value for row, value in zip(rows, values, strict=True) if value != 0}
    return None


def _separates(problem: GramProblem, values: list[fmpq]) -> bool:
    """Whether L(p) < 0 and all moment matrices are positive definite; exact."""
    total = sum((c * value for c, value in zip(problem.coefficients, values, strict=True)), fmpq(0))
    return total < 0 and all(
        is_positive_definite(
            fmpq_mat(len(rows), len(rows), [values[monomial] for monomial in rows.ravel().tolist()])
        )
        for rows in problem.rows
    )


def _scale(problem: GramProblem, moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Geometric mean of the two diagonal moments at the least entry of every class."""
    scale = np.full(problem.num_monomials, np.inf)
    for rows in problem.rows:
        diagonal = np.sqrt(moments[rows.diagonal()])
        np.minimum.at(scale, rows, diagonal * diagonal[:, None])
    return scale


def uncovered_functional(problem: GramProblem) -> Functional | None:
    """Separate by a monomial of p that no square of the problem has: L(p) = -|coefficient|."""
    if not problem.uncovered:
        return None
    monomial = problem.uncovered[0]
    coefficient = problem.polynomial.coefficient(monomial)
    return {monomial: fmpq(-1) if coefficient > 0 else fmpq(1)}
