"""Faces from forms that depend on fewer variables than they have.

For a weight w in Z^n let W be the largest value of <w, a> over the terms x^a of p, and p_w the sum
of the terms that reach it. If p = sum_k q_k^2, then 2 <w, b> <= W for all monomials x^b of the q_k,
and p_w = sum_k (q_k)_w^2 with the terms of 2 <w, b> = W. If p_w does not change along a direction
c, then each (q_k)_w is bounded on lines along c, so it does not change either: the derivative
D_c (q_k)_w is 0. These are linear equations for the coefficients of q_k, hence kernel vectors of
every Gram matrix. They are exact and ask for no numerical kernel, which is inaccurate where p_w
vanishes to higher order, as (x - y)^4 does on a line.

The weights are (1, ..., 1) and the unit vectors, with both signs: forms of highest and of lowest
degree, altogether and in one variable.

References
----------
B. Reznick, Extremal PSD forms with few terms, Duke Math. J. 1978, for the monomials; the equations
D_c q = 0 are elementary.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from flint import fmpq, fmpq_mat, fmpz_mat
from numpy.typing import NDArray

from tasks.lattice.monomials import Rows
from tasks.sos.gram.facial import identity_face
from tasks.sos.gram.problem import GramProblem
from tasks.sos.polynomials.polynomial import Polynomial
from tasks.sos.proofs.determined import complement_of_span

Vector = list[fmpq]


def complements_of_forms(problem: GramProblem) -> list[fmpz_mat] | None:
    """Integer bases of what the squares of every block may be; None if nothing is excluded."""
    p = problem.polynomial
    equations: list[list[Vector]] = [[] for _ in problem.bases]
    for weight in _weights(p.num_variables):
        values = p.exponents @ weight
        form = _face(p, values)
        directions = invariant_directions(form)
        for found, basis in zip(equations, problem.bases, strict=True):
            excess = 2 * (basis @ weight) - values.max()
            found.extend(_excluded(basis, excess, form))
            found.extend(_equations(basis, excess, directions))
    if not any(equations):
        return None
    return [
        complement_of_span(found, len(basis)) if found else identity_face(len(basis))
        for found, basis in zip(equations, problem.bases, strict=True)
    ]


def _weights(n: int) -> Iterator[NDArray[np.int64]]:
    ones, units = np.ones((1, n), dtype=np.int64), np.eye(n, dtype=np.int64)
    yield from np.concatenate([ones, -ones, units, -units])


def _face(p: Polynomial, values: NDArray[np.int64]) -> Polynomial:
    """The terms with the largest value."""
    places = np.flatnonzero(values == values.max())
    coefficients = [p.coefficients[k] for k in places]
    return Polynomial.from_arrays(p.variables, p.exponents[places], coefficients)


def invariant_directions(form: Polynomial) -> list[Vector]:
    """A basis of the directions c along which a polynomial is constant, without variables it lacks.

    Examples
    --------
    >>> from tasks.sos.polynomials.parsing import parse_polynomial
    >>> [[x, y]] = invariant_directions(parse_polynomial("(x - 2*y)^4"))
    >>> x / y
    2
    """
    present = np.flatnonzero(form.exponents.any(axis=0)).tolist()
    place: dict[tuple[int, ...], int] = {}
    entries: list[tuple[int, int, fmpq]] = []
    for exponent, value in zip(form.exponents.tolist(), form.coefficients, strict=True):
        for column, i in enumerate(present):
            if exponent[i]:
                lower = (*exponent[:i], exponent[i] - 1, *exponent[i + 1 :])
                row = place.setdefault(lower, len(place))
                entries.append((row, column, value * exponent[i]))
    gradient = fmpq_mat(len(place), len(present))
    for row, column, value in entries:
        gradient[row, column] = value
    null, nullity = gradient.numer_denom()[0].nullspace()
    directions = []
    for k in range(nullity):
        direction = [fmpq(0)] * form.num_variables
        for column, i in enumerate(present):
            direction[i] = fmpq(null[column, k])
        directions.append(direction)
    return directions


def _excluded(basis: Rows, excess: NDArray[np.int64], form: Polynomial) -> Iterator[Vector]:
    """Monomials that no square has: of too large weight, or with a variable that p_w lacks."""
    is_absent = ~form.exponents.any(axis=0)
    lacking = basis[:, is_absent].any(axis=1)
    for at in np.flatnonzero((excess > 0) | ((excess == 0) & lacking)).tolist():
        yield [fmpq(int(k == at)) for k in range(len(basis))]


def _equations(
    basis: Rows, excess: NDArray[np.int64], directions: list[Vector]
) -> Iterator[Vector]:
    """The coefficients of D_c q_w, as linear functionals of those of q."""
    top = np.flatnonzero(excess == 0).tolist()
    for direction in directions:
        found: dict[tuple[int, ...], Vector] = {}
        for k in top:
            exponent = basis[k].tolist()
            for i, value in enumerate(direction):
                if exponent[i] and value != 0:
                    lower = (*exponent[:i], exponent[i] - 1, *exponent[i + 1 :])
                    row = found.setdefault(lower, [fmpq(0)] * len(basis))
                    row[k] += value * exponent[i]
        yield from found.values()
