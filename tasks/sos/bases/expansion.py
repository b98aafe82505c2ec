"""Ordered expansion: from a small basis to the complete one, in geometric steps.

A basis B_1 that covers the terms is tried first. Where it fails, bases of sizes
m_2 = max(ceil(rho m_1), 10), m_3 = ceil(rho m_2), ... follow, filled in the order of a ranking,
and the last is the complete one, of size eta: half of the Newton polytope after diagonal
consistency. If B_1 lies in it, these are at most 1 + ceil(log_rho(eta / m_1)) different bases, and
if one of size m costs m^omega, all of them cost at most 1 + 1 / (1 - rho^-omega) times the last,
because the sizes before it are at most eta, eta / rho, eta / rho^2, ... The complete basis is
computed only when the first one has failed or does not cover the terms.

References
----------
N. Pelleriti et al., Neural sum-of-squares, arXiv:2510.13444, ordered expansion and theorem on its
cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from math import ceil

import numpy as np
from numpy.typing import ArrayLike

from tasks.lattice import positions, sort_monomials
from tasks.lattice.monomials import Rows
from tasks.records import InputError
from tasks.sos.bases.monomial_bases import complete_repair, covers
from tasks.sos.bases.rules import Candidate, candidate_basis
from tasks.sos.polynomials.polynomial import Polynomial

GROWTH = 1.5
LEAST = 10
"""Size of the second basis at least."""


def expansions(
    p: Polynomial,
    first: ArrayLike,
    ranking: ArrayLike | Callable[[], ArrayLike],
    *,
    rule: str = "predicted",
    growth: float = GROWTH,
    repaired: bool = True,
    expanded: bool = True,
) -> Iterator[Candidate]:
    """Bases to try, one after the other, each made when it is asked for.

    Parameters
    ----------
    p : Polynomial
        Of even degree.
    first : int (m, n)
        What the first basis should contain.
    ranking : int (C, n)
        Monomials that may be added, best first, or a function that gives them, which is called
        when the first basis has failed. Those outside half of the Newton polytope are not used, and
        those missing come last.
    rule : str
        Name of the first basis; the others are called ``<rule> x <size>`` and ``newton``.
    growth : float
        rho > 1.
    repaired : bool
        Whether the first basis is repaired where it does not cover the terms; else it is left out.
    expanded : bool
        Whether there are bases between the first one and the complete one.

    Yields
    ------
    Candidate
        Bases of growing size that cover the terms; the last one is complete.

    Raises
    ------
    InputError
        If growth is not above 1.

    Examples
    --------
    >>> from tasks.sos.polynomials.parsing import parse_polynomial
    >>> p = parse_polynomial("(x + y + z)^6 + 1")
    >>> [len(c.basis) for c in expansions(p, [[3, 0, 0], [0, 0, 0]], [[1, 1, 1]])]
    [10, 15, 20]
    """
    if not growth > 1:
        raise InputError(f"an expansion grows by a factor above 1, not {growth:g}")
    plan = _Expansion(p, rule, ranking)
    start = sort_monomials(np.asarray(first, dtype=np.int32).reshape(-1, p.num_variables))
    basis = plan.first(start, repaired)
    if basis is not None:
        if plan.is_last(basis):
            yield plan.complete
            return
        yield Candidate(rule, basis)
        size = max(ceil(growth * len(basis)), LEAST)
        while expanded and size < len(plan.complete.basis):
            yield Candidate(f"{rule} x {size}", plan.filled(basis, size))
            size = ceil(growth * size)
    yield plan.complete


class _Expansion:
    """The bases of one polynomial; what is dear is computed when it is needed."""

    def __init__(
        self, p: Polynomial, rule: str, ranking: ArrayLike | Callable[[], ArrayLike]
    ) -> None:
        self.p, self.rule, self.ranking = p, rule, ranking

    @cached_property
    def complete(self) -> Candidate:
        """The last basis."""
        found = candidate_basis(self.p, "newton")
        assert found is not None  # the rule has a basis for every polynomial
        return found

    @cached_property
    def order(self) -> Rows:
        """The complete basis, ranked."""
        last = self.complete.basis
        given = self.ranking() if callable(self.ranking) else self.ranking
        place = positions(np.asarray(given, dtype=np.int32).reshape(-1, last.shape[1]), last)
        ranked = place[place >= 0]
        _, when = np.unique(ranked, return_index=True)
        ranked = ranked[np.sort(when)]
        rest = np.setdiff1d(np.arange(len(last)), ranked)
        return last[np.concatenate([ranked, rest])]

    def first(self, start: Rows, repaired: bool) -> Rows | None:
        """The first basis, or None if it does not cover the terms."""
        support = self.p.exponents
        if len(start) and not len(covers(start, support)):
            return start
        if not repaired:
            return None
        known = start[positions(start, self.complete.basis) >= 0]
        basis = complete_repair(known, support, self.complete.basis)
        return basis if len(basis) and not len(covers(basis, support)) else None

    def is_last(self, basis: Rows) -> bool:
        """Whether a basis has become the complete one, if that is known by now."""
        return "complete" in self.__dict__ and len(basis) >= len(self.complete.basis)

    def filled(self, basis: Rows, size: int) -> Rows:
        """A basis enlarged to a size by the best monomials that it lacks."""
        missing = self.order[positions(self.order, basis) < 0]
        inside = basis[positions(basis, self.complete.basis) >= 0]
        return sort_monomials(np.concatenate([inside, missing[: max(size - len(inside), 0)]]))
