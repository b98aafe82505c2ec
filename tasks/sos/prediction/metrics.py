"""How good predicted bases are.

For a polynomial with known basis B and a prediction S, repaired to S' (`complete_repair`):

    covered      B within S'
    precision    |S ∩ B| / |S|
    ratio        |S'| / |B|
    repair       |S'| - |S|

A basis that contains B always has a proof; one that does not may have another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from tasks.lattice import positions
from tasks.lattice.monomials import Rows
from tasks.sos.bases.monomial_bases import complete_repair, covers

__all__ = [
    "BasisScore",
    "Summary",
    "repaired",
    "score_basis",
    "sign_test",
    "summarize",
    "wilson_interval",
]

_Z = 1.959963984540054
"""Two-sided 95 %."""


@dataclass(frozen=True)
class BasisScore:
    """One prediction beside the known basis."""

    covered: bool
    precision: float
    ratio: float
    repair: int
    size: int


@dataclass(frozen=True)
class Summary:
    """Means over many predictions.

    Attributes
    ----------
    count : int
    coverage : float
        Share of covered ones.
    interval : (float, float)
        95 % interval of the coverage.
    precision, ratio, repair, size : float
        Means.
    ratio_error : float
        Half width of the 95 % interval of the mean ratio.
    """

    count: int
    coverage: float
    interval: tuple[float, float]
    precision: float
    ratio: float
    ratio_error: float
    repair: float
    size: float


def repaired(basis: Rows, support: Rows, candidates: Rows) -> Rows:
    """The basis, and what of the candidates it needs to cover the support."""
    if not len(covers(basis, support)):
        return basis
    return complete_repair(basis, support, candidates)


def score_basis(predicted: Rows, known: Rows, support: Rows, candidates: Rows) -> BasisScore:
    """Compare a prediction with the known basis."""
    final = repaired(predicted, support, candidates)
    hits = int((positions(predicted, known) >= 0).sum())
    return BasisScore(
        bool((positions(known, final) >= 0).all()),
        hits / max(len(predicted), 1),
        len(final) / max(len(known), 1),
        len(final) - len(predicted),
        len(final),
    )


def summarize(scores: Iterable[BasisScore]) -> Summary:
    """Means and 95 % intervals; at least one score."""
    listed = list(scores)
    covered = sum(score.covered for score in listed)
    columns = {
        name: np.array([getattr(score, name) for score in listed], dtype=np.float64)
        for name in ("precision", "ratio", "repair", "size")
    }
    spread = float(columns["ratio"].std()) / sqrt(len(listed))
    means = {name: float(values.mean()) for name, values in columns.items()}
    interval = wilson_interval(covered, len(listed))
    return Summary(len(listed), covered / len(listed), interval, ratio_error=_Z * spread, **means)


def wilson_interval(successes: int, count: int) -> tuple[float, float]:
    """95 % score interval of a share.

    >>> tuple(round(x, 3) for x in wilson_interval(495, 500))
    (0.977, 0.996)
    """
    share, z2 = successes / count, _Z * _Z
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = _Z * sqrt(share * (1 - share) / count + z2 / (4 * count**2)) / (1 + z2 / count)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def sign_test(wins: int, losses: int) -> float:
    """Exact two-sided p-value of the wins among the pairs that differ (McNemar).

    2 P(X <= min(wins, losses)) for X binomial of wins + losses and 1/2, at most 1.

    >>> sign_test(0, 7)
    0.015625
    """
    return min(2 * float(bdtr(min(wins, losses), wins + losses, 0.5)), 1.0)


def basis_probabilities(
    probabilities: Sequence[NDArray[np.floating]],
    candidates: Sequence[Rows],
    bases: Sequence[Rows],
) -> NDArray[np.float64]:
    """Least probability of a known basis, 0 if a monomial of it is not a candidate."""
    found = np.zeros(len(bases))
    for k, (values, rows, basis) in enumerate(zip(probabilities, candidates, bases, strict=True)):
        places = positions(basis, rows)
        found[k] = values[places].min() if (places >= 0).all() else 0.0
    return found
