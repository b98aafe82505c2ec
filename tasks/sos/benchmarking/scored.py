"""Bases that a given model file proposes: the shipped scorer's methods with another scorer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from tasks.sos import _jobs
from tasks.sos.cascade import scored_bases
from tasks.sos.config import BasisMethod
from tasks.sos.polynomials.polynomial import Polynomial

if TYPE_CHECKING:
    from tasks.sos.prediction.predictor import Predictor


@dataclass(frozen=True)
class ScoredJob:
    """Decide one polynomial with the bases that a scorer proposes.

    Attributes
    ----------
    polynomial : Polynomial
    model : str
        Place of the model file.
    method : BasisMethod
        One of `tasks.sos.config.LEARNED_BASES`.
    memory_gib : float
        Of a conic solver.
    """

    polynomial: Polynomial
    model: str
    method: BasisMethod
    memory_gib: float

    @property
    def preparation(self) -> _jobs.Preparation:
        """Load the model and what it runs on."""
        return partial(_load, self.model)

    def run(self) -> _jobs.Certified | _jobs.Stopped:
        """Certify."""
        from tasks.sos.certify import Settings

        bases = partial(scored_bases, method=self.method, predictor=_load(self.model))
        return _jobs.certified(self.polynomial, Settings(basis=bases, memory_gib=self.memory_gib))


@lru_cache(maxsize=2)
def _load(model: str) -> Predictor:
    """The model, warm."""
    from tasks.sos.prediction.predictor import load_predictor, predicted_basis

    predictor = load_predictor(model)
    predicted_basis(Polynomial.of(("x", "y"), {(2, 0): 1, (0, 2): 1}), predictor)
    return predictor
