"""The method `autoregressive`: bases that the encoder-decoder writes, in the published cascade.

What it writes in the given order of the variables is reduced (diagonal consistency), repaired and
tried. Where that fails, it writes in further orders, and larger bases follow in the order of the
permutation scores (`tasks.sos.bases.expansion`), at last half of the Newton polytope. A polynomial
out of the range of the model gets half of the Newton polytope at once.

References
----------
N. Pelleriti et al., Neural sum-of-squares, arXiv:2510.13444, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from tasks.lattice.monomials import Rows
from tasks.records import stream
from tasks.sos import _jobs
from tasks.sos.bases.expansion import expansions
from tasks.sos.bases.monomial_bases import covers, diagonal_consistency
from tasks.sos.bases.rules import Candidate, candidate_basis
from tasks.sos.polynomials.polynomial import Polynomial

if TYPE_CHECKING:
    from tasks.sos.prediction.baseline import Baseline

RULE = "autoregressive"


class WrittenBases:
    """Bases to try for a polynomial; counts the orders of variables in which one was written.

    Parameters
    ----------
    baseline : Baseline
    permutations : int
        Orders of the variables for the scores, the given one among them.
    seed : int
        Root of the orders.
    """

    def __init__(self, baseline: Baseline, *, permutations: int, seed: int = 0) -> None:
        self.baseline, self.permutations, self.seed = baseline, permutations, seed
        self.num_orders = 0

    def __call__(self, p: Polynomial) -> Iterator[Candidate]:
        """The bases, each made when it is asked for."""
        if self.baseline.reads(p):
            first = _reduced(self.baseline.basis(p), p)
            self.num_orders = max(self.num_orders, 1)
            yield from expansions(p, first, partial(self._ranking, p), rule=RULE)
        else:
            complete = candidate_basis(p, "newton")
            assert complete is not None  # the rule has a basis for every polynomial
            yield complete

    def _ranking(self, p: Polynomial) -> Rows:
        """Monomials by their permutation scores; one order adds none to what was written."""
        self.num_orders = max(self.num_orders, self.permutations)
        rng = stream(self.seed, "orders of variables", p.content_hash())
        return self.baseline.ranking(p, permutations=self.permutations, rng=rng)[0]


def _reduced(basis: Rows, p: Polynomial) -> Rows:
    """What is left by diagonal consistency of a basis that covers the terms."""
    if len(basis) and not len(covers(basis, p.exponents)):
        return diagonal_consistency(basis, p.exponents).basis
    return basis


# --- jobs ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Written(_jobs.Certified):
    """What was found, and in how many orders of the variables a basis was written."""

    num_orders: int


@dataclass(frozen=True)
class WrittenJob:
    """Decide one polynomial with written bases.

    Attributes
    ----------
    polynomial : Polynomial
    model : str
        Place of the model file.
    permutations : int
    memory_gib : float
        Of a conic solver.
    """

    polynomial: Polynomial
    model: str
    permutations: int
    memory_gib: float

    @property
    def preparation(self) -> _jobs.Preparation:
        """Load the model and what it runs on."""
        return partial(_load, self.model)

    def run(self) -> Written | _jobs.Stopped:
        """Certify; writing counts as time of the stage ``basis``."""
        from tasks.sos.certify import Settings

        bases = WrittenBases(_load(self.model), permutations=self.permutations)
        settings = Settings(basis=bases, memory_gib=self.memory_gib)
        found = _jobs.certified(self.polynomial, settings)
        if isinstance(found, _jobs.Stopped):
            return found
        return Written(**vars(found), num_orders=bases.num_orders)


@lru_cache(maxsize=2)
def _load(model: str) -> Baseline:
    """The model, warm."""
    from tasks.sos.prediction.baseline import load_baseline

    baseline = load_baseline(model)
    small = Polynomial.of(("x", "y"), {(2, 0): 1, (0, 2): 1})
    if baseline.reads(small):
        baseline.basis(small)
    return baseline
