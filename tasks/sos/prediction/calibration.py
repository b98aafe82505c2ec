"""Calibrated probabilities, and a threshold with a guarantee.

*Temperature.*  The logits z are divided by the T > 0 that maximises the likelihood of held-out
labels: the order of candidates stays, sigmoid(z / T) becomes a frequency.

*Split conformal threshold.*  For n held-out polynomials let q_i be the least probability of a
monomial of the known basis (0 if one is not a candidate). With k = floor(α (n + 1)) and τ the k-th
smallest q_i (0 for k = 0), a new polynomial from the same distribution has

    P(known basis within {b : probability of b >= τ}) >= 1 - α,

whatever the network: q of the new one is among the k smallest of n + 1 exchangeable numbers
with probability at most α. The guarantee is for the mixture that was held out, not for each family.

References
----------
C. Guo et al., On calibration of modern neural networks, arXiv:1706.04599.
V. Vovk, A. Gammerman, G. Shafer, Algorithmic learning in a random world, 2005, chapter 2.
"""

from __future__ import annotations

from math import floor

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from tasks.records import InputError

__all__ = ["calibration_error", "conformal_threshold", "fit_temperature", "sigmoid"]

Floats = NDArray[np.float64]


def sigmoid(logits: NDArray[np.floating]) -> Floats:
    """1 / (1 + exp(-z)), without overflow."""
    return np.exp(-np.logaddexp(0.0, -logits.astype(np.float64)))


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.bool_]) -> float:
    """T that minimises the cross entropy of labels (N,) under sigmoid(logits / T)."""
    if not len(logits):
        raise InputError("a temperature needs at least one logit")
    z = np.where(labels, -logits, logits).astype(np.float64)

    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0.0, z * np.exp(-log_temperature)).mean())

    found = minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded")
    return float(np.exp(found.x))


def conformal_threshold(basis_probabilities: NDArray[np.floating], *, alpha: float) -> float:
    """τ with P(q >= τ) >= 1 - α for a new polynomial.

    Parameters
    ----------
    basis_probabilities : float (n,)
        q_i.
    alpha : float
        In (0, 1).

    Examples
    --------
    >>> conformal_threshold(np.arange(1, 100) / 100, alpha=0.1)
    0.1
    """
    if not 0 < alpha < 1:
        raise InputError(f"alpha {alpha}: give a number between 0 and 1")
    rank = floor(alpha * (len(basis_probabilities) + 1))
    return float(np.sort(basis_probabilities)[rank - 1]) if rank else 0.0


def calibration_error(
    probabilities: NDArray[np.floating], labels: NDArray[np.bool_], *, bins: int = 15
) -> float:
    """Mean over candidates of |frequency - mean probability| of their bin of equal width."""
    places = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(places, weights=labels - probabilities, minlength=bins)
    return float(np.abs(gaps).sum() / max(len(probabilities), 1))
