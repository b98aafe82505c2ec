"""Random Gram problems and their optima by cvxpy, shared by tests."""

from fractions import Fraction

import cvxpy as cp
import numpy as np

from tasks.sos import Polynomial
from tasks.sos.bases.monomial_bases import full_basis
from tasks.sos.gram.problem import GramProblem


def names(num_variables):
    return tuple(f"x{i}" for i in range(num_variables))


def squares_sum(rng, basis, num_squares, bits=4):
    """A sum of squares of polynomials over a basis with dyadic coefficients."""
    variables = names(basis.shape[1])
    total = Polynomial.zero(variables)
    for _ in range(num_squares):
        row = [
            Fraction(int(v), 1 << bits) for v in rng.integers(-(2**bits), 2**bits + 1, len(basis))
        ]
        q = Polynomial.from_arrays(variables, basis, row)
        total = total + q * q
    return total


def random_problem(seed, kind, num_variables=2, half_degree=2):
    """A Gram problem over the full basis whose p is inside, on the boundary of, or outside it."""
    rng = np.random.default_rng([seed, num_variables, half_degree])
    basis = full_basis(num_variables, half_degree)
    if kind == "inside":
        p = squares_sum(rng, basis, len(basis) + 2)
    elif kind == "boundary":
        # Squares that vanish at (1, ..., 1).
        shifted = [basis[k] for k in range(len(basis) - 1)]
        variables = names(num_variables)
        one = Polynomial.constant(variables, 1)
        p = Polynomial.zero(variables)
        for row in shifted:
            q = Polynomial.from_arrays(variables, [row], [1]) - one
            p = p + q * q * int(rng.integers(1, 5))
    else:
        p = squares_sum(rng, basis, len(basis) + 2)
        point = rng.integers(-1, 2, num_variables)
        p = p - Polynomial.constant(p.variables, p.evaluate([int(v) for v in point]) + 1)
    return GramProblem.of(p, [basis])


def largest_shift(problem, weights, solver="CLARABEL"):
    """max t with Q_b - t W_b >= 0 and all class sums right, by cvxpy."""
    t = cp.Variable()
    grams = [cp.Variable((m, m), PSD=True) for m in problem.sizes]
    sums = [0] * problem.num_monomials
    for gram, weight, rows in zip(grams, weights, problem.rows, strict=True):
        for i, row in enumerate(rows.tolist()):
            for j, monomial in enumerate(row):
                sums[monomial] = sums[monomial] + gram[i, j] + (t * weight[i] if i == j else 0)
    equations = [total == c for total, c in zip(sums, problem.target.tolist(), strict=True)]
    return float(cp.Problem(cp.Maximize(t), equations).solve(solver=solver))
