"""The autoregressive baseline at work: its model file, and the bases it writes for a polynomial.

A model file is a safetensors file (`tasks.nn.save_tensors`) whose header holds the sizes of the
network and its *card*: what it was trained on and what it reached on held-out polynomials. A model
reads at most so many variables and exponents as it was built for; the rest is *out of its range*.

References
----------
N. Pelleriti et al., Neural sum-of-squares, arXiv:2510.13444.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.lattice.monomials import Rows
from tasks.nn import save_tensors
from tasks.sos.polynomials.polynomial import Polynomial
from tasks.sos.prediction.autoregressive import MonomialTransformer
from tasks.sos.prediction.decoding import greedy_basis, in_range, permutation_scores
from tasks.sos.prediction.model_files import filled, open_model
from tasks.sos.prediction.predictor import float_coefficients

__all__ = ["BASELINE_KIND", "SHIPPED_BASELINE", "Baseline", "load_baseline", "save_baseline"]

BASELINE_KIND = "sos-baseline"
SIZES = ("num_variables", "max_exponent", "width", "heads", "layers")
"""Of a network, as its header names them."""
SHIPPED_BASELINE = Path(__file__).parent / "models" / "basis-writer.safetensors"


@dataclass(frozen=True, eq=False)
class Baseline:
    """A trained encoder-decoder.

    Attributes
    ----------
    model : MonomialTransformer
        In evaluation mode.
    card : mapping
    digest : str
        Of the file.
    """

    model: MonomialTransformer
    card: Mapping[str, Any]
    digest: str

    def reads(self, p: Polynomial) -> bool:
        """Whether a polynomial is in its range."""
        model = self.model
        bounds = {"num_variables": model.num_variables, "max_exponent": model.max_exponent}
        return in_range(p.exponents, **bounds)

    def basis(self, p: Polynomial) -> Rows:
        """What it writes for a polynomial in its range, in graded lexicographic order."""
        return greedy_basis(self.model, p.exponents, float_coefficients(p))

    def ranking(
        self, p: Polynomial, *, permutations: int, rng: np.random.Generator
    ) -> tuple[Rows, NDArray[np.float64]]:
        """Monomials by the share of orders of the variables in which they are written."""
        terms = p.exponents, float_coefficients(p)
        return permutation_scores(self.model, *terms, count=permutations, rng=rng)


def save_baseline(path: str | Path, model: MonomialTransformer, card: Mapping[str, Any]) -> str:
    """Write a model file; returns its digest."""
    header = {
        "kind": BASELINE_KIND,
        "num_variables": model.num_variables,
        "max_exponent": model.max_exponent,
        "width": model.width,
        "heads": model.heads,
        "layers": len(model.decoder),
        "card": dict(card),
    }
    return save_tensors(path, model.state_dict(), header)


@lru_cache(maxsize=2)
def load_baseline(path: str | Path = SHIPPED_BASELINE) -> Baseline:
    """Read a model file, the one that comes with the package if none is named.

    Raises
    ------
    StoreError
        If the file is missing or damaged.
    InputError
        If it holds something else.
    """
    checkpoint = open_model(path, BASELINE_KIND, "train-baseline")
    sizes = {name: checkpoint.extra[name] for name in SIZES}
    model = filled(MonomialTransformer(**sizes), checkpoint, path)
    return Baseline(model, checkpoint.extra["card"], checkpoint.digest)
