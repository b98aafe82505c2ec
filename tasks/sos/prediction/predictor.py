"""The predictor at work: a polynomial in, candidates with probabilities and a basis out.

A model file is a safetensors file (`tasks.nn.save_tensors`) whose header holds its *card*: sizes of
the network, temperature and threshold (`tasks.sos.prediction.calibration`), what it was trained on,
what it reached on held-out polynomials, and where it fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.lattice import sort_monomials
from tasks.lattice.monomials import Rows
from tasks.nn import save_tensors
from tasks.sos.polynomials.polynomial import Polynomial
from tasks.sos.prediction.calibration import sigmoid
from tasks.sos.prediction.graphs import GramGraph, batch_graphs, gram_graph
from tasks.sos.prediction.model_files import filled, open_model
from tasks.sos.prediction.network import BasisScorer, as_tensors

__all__ = [
    "SHIPPED_MODEL",
    "Prediction",
    "Predictor",
    "float_coefficients",
    "load_predictor",
    "predicted_bases",
    "predicted_basis",
    "save_predictor",
    "shipped_predictor",
]

KIND = "sos-basis-scorer"
SHIPPED_MODEL = Path(__file__).parent / "models" / "basis-scorer.safetensors"
_MAX_COEFFICIENT = 1e300


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the network says of one polynomial.

    Attributes
    ----------
    candidates : int32 (N, n)
        Most probable first; of equal ones the larger monomial.
    probabilities : float64 (N,)
        Descending.
    threshold : float
    basis : int32 (m, n)
        The candidates with a probability of at least the threshold, in graded lexicographic order;
        not repaired, it need not cover the support.
    """

    candidates: Rows
    probabilities: NDArray[np.float64]
    threshold: float
    basis: Rows

    def most_probable(self, count: int) -> Rows:
        """The basis of the `count` most probable candidates, in graded lexicographic order."""
        return sort_monomials(self.candidates[: max(count, 0)])


@dataclass(frozen=True, eq=False)
class Predictor:
    """A trained network with its calibration.

    Attributes
    ----------
    model : BasisScorer
        In evaluation mode.
    temperature, threshold : float
    thresholds : tuple of (float, float)
        For other α: pairs of α and threshold, α descending.
    card : mapping
    """

    model: BasisScorer
    temperature: float
    threshold: float
    thresholds: tuple[tuple[float, float], ...]
    card: Mapping[str, Any]

    def threshold_at(self, alpha: float) -> float:
        """The stored threshold for the largest α that is at most this one; 0 if there is none.

        With it the known basis is within the prediction with probability 1 - alpha at least, on
        polynomials like those of the training.
        """
        return next((value for stored, value in self.thresholds if stored <= alpha), 0.0)

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return next(self.model.parameters()).device


def predicted_basis(
    p: Polynomial, predictor: Predictor, *, threshold: float | None = None
) -> Prediction:
    """Score the candidates of one polynomial in one forward pass.

    Parameters
    ----------
    p : Polynomial
        The zero polynomial has no candidates.
    predictor : Predictor
    threshold : float, optional
        Instead of the calibrated one.
    """
    return predicted_bases([p], predictor, threshold=threshold)[0]


def predicted_bases(
    polynomials: Sequence[Polynomial], predictor: Predictor, *, threshold: float | None = None
) -> list[Prediction]:
    """Score several polynomials, of any dimensions, in one forward pass."""
    bound = predictor.threshold if threshold is None else threshold
    graphs = [
        gram_graph(p.exponents, float_coefficients(p)) if p.num_terms and p.num_variables else None
        for p in polynomials
    ]
    present = [graph for graph in graphs if graph is not None and graph.num_candidates]
    found = iter(_probabilities(present, predictor))
    predictions = []
    for p, graph in zip(polynomials, graphs, strict=True):
        if graph is None or not graph.num_candidates:
            # Without variables all that there can be is a constant, whose basis is 1.
            count = p.num_terms if not p.num_variables else 0
            plain = np.zeros((count, p.num_variables), dtype=np.int32)
            predictions.append(Prediction(plain, np.ones(count), bound, plain))
        else:
            monomials, likely = graph.monomials, next(found)
            order, basis = np.argsort(-likely, kind="stable"), monomials[likely >= bound]
            predictions.append(Prediction(monomials[order], likely[order], bound, basis))
    return predictions


@torch.inference_mode()
def _probabilities(graphs: list[GramGraph], predictor: Predictor) -> list[NDArray[np.float64]]:
    if not graphs:
        return []
    batch = as_tensors(batch_graphs(graphs)).to(predictor.device)
    logits = predictor.model(batch).float().cpu().numpy()
    ends = np.cumsum([graph.num_candidates for graph in graphs])[:-1]
    return np.split(sigmoid(logits / predictor.temperature), ends)


def float_coefficients(p: Polynomial) -> NDArray[np.float64]:
    """Coefficients in the range of floats; only their ratios matter, and roughly."""
    values = np.clip(p.float_coefficients(), -_MAX_COEFFICIENT, _MAX_COEFFICIENT)
    return np.where(values == 0, np.finfo(np.float64).tiny, values)


# --- files --------------------------------------------------------------------------------------


def save_predictor(
    path: str | Path,
    model: BasisScorer,
    *,
    temperature: float,
    threshold: float,
    card: Mapping[str, Any],
    thresholds: Sequence[tuple[float, float]] = (),
) -> str:
    """Write a model file; returns its digest."""
    header = {
        "kind": KIND,
        "width": model.width,
        "rounds": len(model.rounds),
        "temperature": temperature,
        "threshold": threshold,
        "thresholds": [list(pair) for pair in thresholds],
        "card": dict(card),
    }
    return save_tensors(path, model.state_dict(), header)


def load_predictor(path: str | Path, *, device: str = "cpu") -> Predictor:
    """Read a model file.

    Raises
    ------
    StoreError
        If the file is missing or damaged.
    InputError
        If it holds something else.
    """
    checkpoint = open_model(path, KIND, "train-shipped")
    header = checkpoint.extra
    model = BasisScorer(width=header["width"], rounds=header["rounds"])
    return Predictor(
        filled(model, checkpoint, path).to(device),
        header["temperature"],
        header["threshold"],
        tuple((alpha, value) for alpha, value in header["thresholds"]),
        header["card"],
    )


@lru_cache(maxsize=1)
def shipped_predictor() -> Predictor:
    """The model that comes with the package, on the CPU."""
    return load_predictor(SHIPPED_MODEL)
