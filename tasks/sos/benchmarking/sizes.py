"""Sizes of bases that are known without solving.

The methods `newton`, `term-sparsity`, `chordal` and `full` try one basis each. Where such a trial
is stopped, the size of its basis is found in a process of its own, out of the trial's time: means
over finished trials alone would leave out the largest bases of the slowest method.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

from tasks.sos import _jobs
from tasks.sos.bases.reductions import term_sparsity_blocks
from tasks.sos.bases.rules import candidate_basis
from tasks.sos.benchmarking.config import Method
from tasks.sos.polynomials.polynomial import Polynomial

__all__ = ["SINGLE_BASIS", "only_size"]

SINGLE_BASIS: tuple[Method, ...] = ("newton", "term-sparsity", "chordal", "full")
SECONDS = 10.0
"""Time of finding one size."""


@dataclass(frozen=True)
class HalfNewtonSize:
    """Size of half of the Newton polytope after diagonal consistency.

    Attributes
    ----------
    polynomial : Polynomial
    is_chordal : bool
        Whether monomials count once for each clique of the chordal extension that holds them.
    """

    polynomial: Polynomial
    is_chordal: bool
    preparation: None = None

    def run(self) -> int:
        """Count."""
        p = self.polynomial
        found = candidate_basis(p, "newton")
        assert found is not None  # the rule has a basis for every polynomial
        if not self.is_chordal:
            return len(found.basis)
        return sum(map(len, term_sparsity_blocks(found.basis, p.exponents, chordal=True)))


def only_size(p: Polynomial, method: Method, *, seconds: float, memory_gib: float) -> int | None:
    """Size of the only basis of a method; None if it has several, or takes too long to find.

    Parameters
    ----------
    p : Polynomial
        Of even, positive degree.
    method : Method
    seconds, memory_gib : float
        Limits; at most `SECONDS` are spent.
    """
    if method not in SINGLE_BASIS:
        return None
    if method == "full":
        return comb(p.num_variables + p.degree // 2, p.num_variables)
    job = HalfNewtonSize(p, method == "chordal")
    found = _jobs.run_job(job, seconds=min(seconds, SECONDS), memory_gib=memory_gib)
    return None if isinstance(found, _jobs.Stopped) else found
