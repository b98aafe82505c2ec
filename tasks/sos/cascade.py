"""Which bases are tried for a polynomial, and in which order.

* ``auto``: even square roots, then half of the Newton polytope.
* ``even-sqrt``, ``newton``, ``full``: that basis only, see `tasks.sos.bases.rules`.
* ``vertices``: halves of the vertices of the Newton polytope, repaired, then half of the polytope.
* ``random``: as many random points of half the polytope as there are even square roots, repaired,
  then half of the polytope.
* ``predicted``: what the trained network proposes, repaired, then half of the polytope.
* ``cascade``: the same with bases in between, which grow geometrically in the order of the
  network's scores (`tasks.sos.bases.expansion`); ``unrepaired``: without repair, for comparison.

All but ``even-sqrt`` end with a complete basis, so none of them loses an answer.

References
----------
N. Pelleriti et al., Neural sum-of-squares, arXiv:2510.13444, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tasks.lattice.monomials import Rows
from tasks.lattice.polytopes import newton_vertices
from tasks.records import stream
from tasks.sos.bases.expansion import expansions
from tasks.sos.bases.monomial_bases import even_sqrt_basis, half_newton_basis
from tasks.sos.bases.rules import BasisSource, Candidate, candidate_basis
from tasks.sos.config import LEARNED_BASES, BasisMethod
from tasks.sos.polynomials.polynomial import Polynomial

if TYPE_CHECKING:
    from tasks.sos.prediction.predictor import Predictor


def bases_to_try(
    p: Polynomial, method: BasisMethod | BasisSource, *, seed: int = 0
) -> Iterator[Candidate]:
    """The bases, each made when it is asked for; none if there is none that covers the terms.

    Parameters
    ----------
    p : Polynomial
        Of even, positive degree.
    method : BasisMethod or BasisSource
        A name, or what gives the bases.
    seed : int
        Root of the random bases.

    Examples
    --------
    >>> from tasks.sos.polynomials.parsing import parse_polynomial
    >>> p = parse_polynomial("x^4*y^2 + x^2*y^4 - 3*x^2*y^2 + 1")
    >>> [(c.rule, len(c.basis)) for c in bases_to_try(p, "auto")]
    [('even-sqrt', 4), ('newton', 4)]
    """
    if callable(method):
        yield from method(p)
    elif method == "vertices":
        # An odd vertex has no half, and then p is not a sum of squares.
        halves = even_sqrt_basis(p.exponents[newton_vertices(p.exponents)])
        yield from expansions(p, halves, (), rule=method, expanded=False)
    elif method == "random":
        yield from expansions(p, _random_basis(p, seed), (), rule=method, expanded=False)
    elif method in LEARNED_BASES:
        # Loads torch.
        from tasks.sos.prediction.predictor import shipped_predictor

        yield from scored_bases(p, method, shipped_predictor())
    else:
        rules = ("even-sqrt", "newton") if method == "auto" else (method,)
        for rule in rules:
            if (candidate := candidate_basis(p, rule)) is not None:
                yield candidate


def scored_bases(
    p: Polynomial, method: BasisMethod | BasisSource, predictor: Predictor
) -> Iterator[Candidate]:
    """The bases that a trained network proposes, by one of the learned methods."""
    from tasks.sos.prediction.predictor import predicted_basis

    found = predicted_basis(p, predictor)
    how = {"repaired": method != "unrepaired", "expanded": method != "predicted"}
    yield from expansions(p, found.basis, found.candidates, **how)


def _random_basis(p: Polynomial, seed: int) -> Rows:
    """Points of half the Newton polytope, without replacement; the same for the same terms."""
    points = half_newton_basis(p.exponents)
    size = min(len(points), len(even_sqrt_basis(p.exponents)))
    rng = stream(seed, "random basis", p.content_hash())
    return points[np.sort(rng.choice(len(points), size=size, replace=False))]
