"""Polynomials p such that p - gamma is a sum of squares for no gamma, with proofs.

Let B be the basis of all squares that can occur.  If L(1) = 0, L(q^2) >= 0 for all q over B, and
L(p) < 0, no p - gamma is a sum of squares.  L((1 + e b)^2) >= 0 for all e forces L(b) = 0: so L
vanishes at all products with 1, then at all products with a b such that b^2 is one of those, and so
on.  It lives on the squares of the monomials that are left.
"""

from __future__ import annotations

from operator import add

import numpy as np
from numpy.typing import NDArray

from tasks.lattice.polytopes import half_newton_points
from tasks.sos.bases.monomial_bases import DiagonalConsistency, diagonal_consistency
from tasks.sos.bases.reductions import VariableScaling, sign_symmetry_blocks
from tasks.sos.certificates import NotSosCertificate
from tasks.sos.conic.forms import kernel_form
from tasks.sos.conic.solvers import SolverChoice, solve
from tasks.sos.gram.problem import GramProblem
from tasks.sos.optimization.programs import ProgramBlock, SosProgram
from tasks.sos.polynomials.polynomial import Polynomial
from tasks.sos.proofs.refutation import Functional, separating_functional, uncovered_functional


def complete_basis(support: NDArray[np.int32]) -> DiagonalConsistency:
    """The basis that loses nothing: half of the Newton polytope, diagonally consistent."""
    return diagonal_consistency(half_newton_points(support).points, support)


def refute_all_levels(
    polynomial: Polynomial, choice: SolverChoice | None = None
) -> NotSosCertificate | None:
    """Certificate that p - gamma is a sum of squares for no gamma; None if none was found.

    It is stated for p - p(0) + 1, and holds for every other constant since L(1) = 0.
    """
    zero = (0,) * polynomial.num_variables
    shifted = polynomial - polynomial.coefficient(zero) + 1
    support = shifted.exponents
    consistent = complete_basis(support)
    left, vanishing = _recession_basis(consistent.basis)
    scaling = VariableScaling.balancing(polynomial)
    scaled = scaling.apply(polynomial)
    kept = {row: c for row, c in scaled.terms().items() if row not in vanishing}
    target = Polynomial.of(polynomial.variables, kept)
    blocks = [left[part] for part in sign_symmetry_blocks(left, support)]
    functional = _recession_functional(target, blocks, vanishing, choice)
    if functional is None:
        return None
    return NotSosCertificate.of(
        shifted,
        inequalities=half_newton_points(support).inequalities,
        removed=consistent.removed,
        functional=scaling.functional(functional),
    )


def _recession_basis(
    basis: NDArray[np.int32],
) -> tuple[NDArray[np.int32], set[tuple[int, ...]]]:
    """Remove 1 and whatever has its double among the products with removed ones.

    Returns
    -------
    The monomials left, and the monomials at which L must vanish.
    """
    rows = list(map(tuple, basis.tolist()))
    vanishing: set[tuple[int, ...]] = set()
    fresh = [row for row in rows if not any(row)]
    while fresh:
        vanishing |= {tuple(map(add, a, b)) for a in fresh for b in basis.tolist()}
        rows = [row for row in rows if row not in fresh]
        fresh = [row for row in rows if tuple(2 * e for e in row) in vanishing]
    return np.array(rows, dtype=np.int32).reshape(len(rows), basis.shape[1]), vanishing


def _recession_functional(
    target: Polynomial,
    blocks: list[NDArray[np.int32]],
    vanishing: set[tuple[int, ...]],
    choice: SolverChoice | None,
) -> Functional | None:
    """L >= 0 on the squares of the blocks, 0 where it must vanish, with L(target) < 0."""
    problem = GramProblem.of(target, blocks)
    if problem.uncovered:
        return uncovered_functional(problem)
    if not blocks:
        return None
    names = target.variables
    sums = list(map(tuple, problem.monomials.tolist()))
    free = tuple((Polynomial.of(names, {row: 1}),) for row in sums if row in vanishing)
    program = SosProgram((target,), tuple(map(ProgramBlock, blocks)), free)
    form = kernel_form(program.linear_map(), program.right_sides(), objective="max_t")
    answer = solve(form.program, choice)
    found = form.recover(answer).moments
    if len(found) != len(program.equations):
        return None
    moments = np.array(
        [0.0 if row in vanishing else found[program.equations[0, row]] for row in sums]
    )
    return separating_functional(problem, moments)
