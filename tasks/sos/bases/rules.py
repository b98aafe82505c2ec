"""Rules for the basis of a Gram problem.

* ``even-sqrt``: the monomials b with 2b in the support, repaired where their products do not cover
  the support.  Small, and often enough; that there are no squares over it proves nothing.
* ``newton``: half of the Newton polytope after diagonal consistency.  Complete: every sum of
  squares has squares over it.
* ``full``: all monomials of degree at most d.  Complete too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tasks.lattice.polytopes import half_newton_points
from tasks.sos.bases.monomial_bases import (
    complete_repair,
    covers,
    diagonal_consistency,
    even_sqrt_basis,
    full_basis,
)
from tasks.sos.polynomials.polynomial import Polynomial

BasisRule = Literal["auto", "even-sqrt", "newton", "full"]
"""auto: even square roots first, then half of the Newton polytope."""


@dataclass(frozen=True)
class Candidate:
    """A basis, and why it is enough if it is.

    Attributes
    ----------
    rule : str
    basis : int32 (m, n)
    inequalities : tuple of integer n-tuples
        As in `tasks.lattice.polytopes.HalfNewton`; of a complete basis.
    removed : int32 (r, n), optional
        Removed by diagonal consistency, in order; of a complete basis.
    """

    rule: str
    basis: NDArray[np.int32]
    inequalities: tuple[tuple[int, ...], ...] = ()
    removed: NDArray[np.int32] | None = None

    @property
    def is_complete(self) -> bool:
        """Whether a polynomial without squares over this basis is not a sum of squares."""
        return self.removed is not None


BasisSource = Callable[[Polynomial], Iterator[Candidate]]
"""What gives the bases to try for a polynomial, one after the other."""


def candidate_basis(p: Polynomial, rule: str) -> Candidate | None:
    """Make the basis of a rule; None if the rule has none that covers the terms.

    Parameters
    ----------
    p : Polynomial
        Of even degree.
    rule : {"even-sqrt", "newton", "full"}
    """
    if rule == "even-sqrt":
        basis = even_sqrt_basis(p.exponents)
        if not len(covers(basis, p.exponents)):
            return Candidate(rule, basis)
        newton = half_newton_points(p.exponents)
        repaired = complete_repair(basis, p.exponents, newton.points)
        return None if len(covers(repaired, p.exponents)) else Candidate(rule, repaired)
    if rule == "full":
        basis = full_basis(p.num_variables, p.degree // 2)
        bounds = ((1,) * p.num_variables, (-1,) * p.num_variables)
        return Candidate(rule, basis, bounds[:1], np.zeros((0, p.num_variables), dtype=np.int32))
    newton = half_newton_points(p.exponents)
    consistent = diagonal_consistency(newton.points, p.exponents)
    return Candidate(rule, consistent.basis, newton.inequalities, consistent.removed)
