"""Putinar certificates as sum-of-squares programs.

p - gamma is nonnegative on K = {g_i >= 0, h_k = 0} if

    p - gamma = s_0 + sum_i s_i g_i + sum_k q_k h_k

with sums of squares s_i and any polynomials q_k.  The relaxation of order d takes all products of
degree at most 2d.  By Putinar's theorem, if R - |x|^2 is such a sum, p - gamma is one for some d
whenever it is positive on K.

Two reductions lose nothing.  *Sign symmetries* of p and all constraints split the bases into
blocks.  *Equalities* make basis monomials superfluous: if sum_k a_k h_k of degree at most d has the
leading monomial x^b, squares need not contain x^b, since q^2 and r^2 with r = q - sum_k a_k h_k
differ by an admissible sum of q_k h_k.

References
----------
Putinar, Positive polynomials on compact semi-algebraic sets, Indiana Univ. Math. J. 42 (1993).
Lasserre, Global optimization with polynomials and the problem of moments, SIAM J. Optim. 11 (2001).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from operator import add, mul

import numpy as np
from flint import fmpq
from numpy.typing import NDArray

from tasks.records import InputError
from tasks.sos.bases.monomial_bases import full_basis
from tasks.sos.bases.reductions import sign_symmetry_blocks
from tasks.sos.bases.scaling import VariableScaling
from tasks.sos.certificates import Equality, GramBlock, SosCertificate
from tasks.sos.optimization.elimination import reduced_echelon
from tasks.sos.optimization.problem_scaling import ProblemScaling
from tasks.sos.optimization.programs import ProgramBlock, SosProgram, without_forced_zeros
from tasks.sos.optimization.semialgebraic import SemialgebraicSet
from tasks.sos.optimization.systems import ExactSolution
from tasks.sos.polynomials.polynomial import Polynomial, power_of_two

MAX_BASIS = 400
"""Monomials of a full basis that are still taken."""


def least_order(polynomial: Polynomial, region: SemialgebraicSet) -> int:
    """The least d with all degrees at most 2d; at least 1."""
    degrees = [polynomial.degree, *(g.degree for g in region.constraints)]
    return max(1, *((degree + 1) // 2 for degree in degrees))


def basis_size(num_variables: int, order: int) -> int:
    """Number of monomials of degree at most the order."""
    return comb(num_variables + order, order)


@dataclass(frozen=True, eq=False)
class PutinarProgram:
    """The relaxation of one order, in scaled variables.

    Attributes
    ----------
    polynomial : Polynomial
    region : SemialgebraicSet
    order : int
        d.
    scaling : ProblemScaling
    scaled_region : SemialgebraicSet
    program : SosProgram
        For the scaled polynomials.  Free variable f is the coefficient of a monomial in the
        multiplier of an equality.
    constraint_of : tuple of int
        By block: the index of the inequality that multiplies it; -1 stands for 1.
    products : tuple of (int, tuple of int)
        Index of the equality and exponent of the monomial, by f.
    """

    polynomial: Polynomial
    region: SemialgebraicSet
    order: int
    scaling: ProblemScaling
    scaled_region: SemialgebraicSet
    program: SosProgram
    constraint_of: tuple[int, ...]
    products: tuple[tuple[int, tuple[int, ...]], ...]

    @classmethod
    def of(
        cls, polynomial: Polynomial, region: SemialgebraicSet, order: int | None = None
    ) -> PutinarProgram:
        """Set up the relaxation; by default of the least order.

        Raises
        ------
        InputError
            If the order is too small, or a basis would have more than `MAX_BASIS` monomials.
        """
        order = _checked_order(polynomial, region, order)
        scaling = ProblemScaling.balancing(polynomial, region.constraints)
        target, *scaled = scaling.apply(polynomial, region.constraints)
        count = len(region.inequalities)
        support = np.concatenate([target.exponents, *(g.exponents for g in scaled)])
        blocks, constraint_of = [], []
        for k, g in enumerate([None, *scaled[:count]], start=-1):
            room = order if g is None else (2 * order - g.degree) // 2
            usable = _standard_basis(scaled[count:], target.num_variables, room)
            for part in sign_symmetry_blocks(usable, support):
                blocks.append(ProgramBlock(usable[part], g))
                constraint_of.append(k)
        products, free = _equality_products(scaled[count:], order, support)
        program, kept = without_forced_zeros(SosProgram((target,), tuple(blocks), free))
        constraint_of = [k for k, left in zip(constraint_of, kept, strict=True) if len(left)]
        scaled_region = SemialgebraicSet(
            region.variables, tuple(scaled[:count]), tuple(scaled[count:])
        )
        return cls(
            polynomial,
            region,
            order,
            scaling,
            scaled_region,
            program,
            tuple(constraint_of),
            products,
        )

    @property
    def target(self) -> Polynomial:
        """The scaled polynomial."""
        return self.program.targets[0]

    def level(self, gamma: fmpq) -> fmpq:
        """The level of the program that belongs to p - gamma."""
        return gamma * power_of_two(self.scaling.exponents[0])

    def bound(self, level: float) -> float:
        """The gamma of a numerical level."""
        return float(np.ldexp(level, -self.scaling.exponents[0]))

    def point(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """The original coordinates of a point of the scaled problem."""
        return np.ldexp(y, self.scaling.shifts)

    def certificate(self, solution: ExactSolution, gamma: fmpq | None) -> SosCertificate:
        """The certificate of an exact solution; of p itself without a gamma."""
        shifts, (own, *others) = self.scaling.shifts, self.scaling.exponents
        exponents, count = [0, *others], len(self.region.inequalities)
        gram = []
        pairs = zip(self.program.blocks, solution.grams, self.constraint_of, strict=True)
        for block, matrix, k in pairs:
            undo = VariableScaling(shifts, own - exponents[k + 1])
            g = self.region.inequalities[k] if k >= 0 else None
            gram.append(GramBlock.of(block.basis, undo.invert(matrix, block.basis), multiplier=g))
        terms: list[dict[tuple[int, ...], fmpq]] = [{} for _ in self.region.equalities]
        for (k, row), value in zip(self.products, solution.free, strict=True):
            shift = exponents[1 + count + k] - own - sum(map(mul, shifts, row))
            if value != 0:
                terms[k][row] = value * power_of_two(shift)
        names = self.polynomial.variables
        equalities = [
            Equality(h, Polynomial.of(names, multiplier))
            for h, multiplier in zip(self.region.equalities, terms, strict=True)
        ]
        return SosCertificate(
            polynomial=self.polynomial,
            gram=tuple(block for block in gram if block.entries),
            constraints=self.region.inequalities,
            equalities=tuple(equalities),
            bound=gamma,
        )


def _checked_order(polynomial: Polynomial, region: SemialgebraicSet, order: int | None) -> int:
    least = least_order(polynomial, region)
    if order is None:
        order = least
    if isinstance(order, bool) or not isinstance(order, int) or order < least:
        raise InputError(
            f"order {order!r}: products have the degree 2 * order, so give an integer from {least} "
            "on, half of the largest degree"
        )
    n = polynomial.num_variables
    size = basis_size(n, order)
    if size > MAX_BASIS:
        raise InputError(
            f"order {order} in {n} variables has {size} monomials, at most {MAX_BASIS} are taken: "
            "lower the order or remove variables"
        )
    return order


def _standard_basis(
    equalities: Sequence[Polynomial], num_variables: int, degree: int
) -> NDArray[np.int32]:
    """Monomials up to a degree that lead no sum of products of the equalities of that degree."""
    basis = full_basis(num_variables, degree)
    place = {tuple(row): k for k, row in enumerate(basis.tolist())}
    rows = []
    for h in equalities:
        if h.degree > degree:
            continue
        for shift in full_basis(num_variables, degree - h.degree).tolist():
            terms = h.terms().items()
            rows.append({place[tuple(map(add, shift, row))]: value for row, value in terms})
    # The basis is ordered from the largest monomial on, so that pivots are leading monomials.
    leading = set(reduced_echelon(rows, range(len(basis))).rows)
    return basis[[k for k in range(len(basis)) if k not in leading]]


def _equality_products(
    equalities: Sequence[Polynomial], order: int, support: NDArray[np.int32]
) -> tuple[tuple[tuple[int, tuple[int, ...]], ...], tuple[tuple[Polynomial], ...]]:
    """Monomials of the multipliers, and their products with the equalities."""
    products, free = [], []
    for k, h in enumerate(equalities):
        for row in _invariant(full_basis(h.num_variables, 2 * order - h.degree), support).tolist():
            products.append((k, tuple(row)))
            free.append((h * Polynomial.of(h.variables, {tuple(row): 1}),))
    return tuple(products), tuple(free)


def _invariant(rows: NDArray[np.int32], support: NDArray[np.int32]) -> NDArray[np.int32]:
    """The monomials that all sign symmetries of the support keep: those in the block of 1."""
    for part in sign_symmetry_blocks(rows, support):
        if not rows[part[-1]].any():
            return rows[part]
    return rows[:0]
