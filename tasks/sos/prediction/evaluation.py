"""A trained network on held-out polynomials, beside the rule `even-sqrt` with complete repair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.lattice import positions
from tasks.lattice.monomials import Rows
from tasks.sos.bases.monomial_bases import even_sqrt_basis
from tasks.sos.prediction.calibration import (
    calibration_error,
    conformal_threshold,
    fit_temperature,
    sigmoid,
)
from tasks.sos.prediction.metrics import (
    BasisScore,
    Summary,
    basis_probabilities,
    score_basis,
    sign_test,
    summarize,
)
from tasks.sos.prediction.training import LabeledGraph

__all__ = [
    "Calibration",
    "FamilyScore",
    "calibrate",
    "compare_methods",
    "discordant",
    "even_sqrt_scores",
    "score_predictions",
]

METHODS = ("predicted", "even-sqrt")
ALL = "all"
_ALPHAS = (0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002)


@dataclass(frozen=True)
class Calibration:
    """Temperature and threshold of a network.

    Attributes
    ----------
    temperature : float
    threshold : float
    others : tuple of (float, float)
        Thresholds for other α, each after its α, which descend.
    """

    temperature: float
    threshold: float
    others: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class FamilyScore:
    """Numbers of one method on one family.

    Attributes
    ----------
    family, method : str
    summary : Summary
    alone : int
        Polynomials that this method covers and the other one does not.
    sign_test : float
        Two-sided p-value of `alone` of both methods, if either were as likely to be the one.
    candidates : float
        Share whose basis is within the candidates.
    """

    family: str
    method: str
    summary: Summary
    alone: int
    sign_test: float
    candidates: float


def calibrate(
    logits: Sequence[NDArray[np.float32]], graphs: Sequence[LabeledGraph], *, alpha: float
) -> Calibration:
    """Fit the temperature, then the threshold, on polynomials that training has not seen."""
    labels = np.concatenate([each.labels for each in graphs])
    temperature = fit_temperature(np.concatenate(logits), labels)
    least = basis_probabilities(
        [sigmoid(values / temperature) for values in logits],
        [each.graph.monomials for each in graphs],
        [each.example.basis for each in graphs],
    )
    others = tuple((other, conformal_threshold(least, alpha=other)) for other in _ALPHAS)
    return Calibration(temperature, conformal_threshold(least, alpha=alpha), others)


def score_predictions(
    graphs: Sequence[LabeledGraph],
    probabilities: Sequence[NDArray[np.float64]],
    threshold: float,
) -> list[BasisScore]:
    """Compare the candidates above the threshold with the known bases."""
    pairs = zip(graphs, probabilities, strict=True)
    return [_scored(each, each.graph.monomials[values >= threshold]) for each, values in pairs]


def even_sqrt_scores(graphs: Sequence[LabeledGraph]) -> list[BasisScore]:
    """The same for the square roots of the even terms."""
    return [_scored(each, even_sqrt_basis(each.example.exponents)) for each in graphs]


def _scored(each: LabeledGraph, predicted: Rows) -> BasisScore:
    known = each.example
    return score_basis(predicted, known.basis, known.exponents, each.graph.monomials)


def discordant(mine: Sequence[BasisScore], rule: Sequence[BasisScore]) -> tuple[int, int]:
    """How many of the same polynomials only the one, and only the other, covers."""
    pairs = [(one.covered, other.covered) for one, other in zip(mine, rule, strict=True)]
    return pairs.count((True, False)), pairs.count((False, True))


def compare_methods(
    logits: Sequence[NDArray[np.float32]],
    graphs: Sequence[LabeledGraph],
    calibration: Calibration,
) -> tuple[list[FamilyScore], float]:
    """Both methods by family and over all, and the calibration error of the probabilities."""
    probabilities = [sigmoid(values / calibration.temperature) for values in logits]
    scores = {
        "predicted": score_predictions(graphs, probabilities, calibration.threshold),
        "even-sqrt": even_sqrt_scores(graphs),
    }
    known = [bool((positions(g.example.basis, g.graph.monomials) >= 0).all()) for g in graphs]
    families = [each.example.family for each in graphs]
    rows = []
    for family in [*dict.fromkeys(families), ALL]:
        places = [k for k, name in enumerate(families) if family in (name, ALL)]
        share = sum(known[k] for k in places) / len(places)
        mine, rule = ([scores[method][k] for k in places] for method in METHODS)
        alone = discordant(mine, rule)
        for method, found, count in zip(METHODS, (mine, rule), alone, strict=True):
            rows.append(
                FamilyScore(family, method, summarize(found), count, sign_test(*alone), share)
            )
    labels = np.concatenate([each.labels for each in graphs])
    return rows, calibration_error(np.concatenate(probabilities), labels)
