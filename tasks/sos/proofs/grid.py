"""Singular Gram matrices whose entries are multiples of a known fraction.

Where p has one Gram matrix only, no rounding of another is close to it: the entries must be found
themselves.  They often have the denominator of p, or a few times it, as where p is a sum of squares
of polynomials with short coefficients.  Then a numerical solution that is close to such multiples
shows them, and they are checked in exact arithmetic, without the face that they lie on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.sos.gram.positivity import is_positive_semidefinite
from tasks.sos.gram.problem import GramProblem
from tasks.sos.proofs.rounding import ExactGrams

MULTIPLES = (1, 2, 12)
"""Of the denominator of p: an entry above a diagonal is half of a coefficient, and so on."""
NEAR = 1 / 8
"""Largest distance from a multiple, in units, that is taken for rounding errors."""
EXACT = 2.0**50
"""Multiples up to here are told apart by floats."""


def prove_on_grid(problem: GramProblem, grams: Sequence[NDArray[np.float64]]) -> ExactGrams | None:
    """Round singular Gram matrices to the fractions that they are close to; None if they are not.

    Parameters
    ----------
    problem : GramProblem
        In variables in which the coefficients are short.
    grams : sequence of float64 (m_b, m_b)
        Numerical solution, to as many digits as it has.
    """
    entries = np.concatenate([gram.ravel() for gram in grams])
    largest = float(np.abs(entries).max(initial=0.0))
    for multiple in MULTIPLES:
        denominator = multiple * problem.denominator
        # A longer denominator may be beyond floats.
        if denominator > EXACT or not denominator * largest < EXACT:
            return None
        steps = entries * denominator
        if float(np.abs(steps - np.rint(steps)).max(initial=0.0)) > NEAR:
            continue
        exact = problem.rounded(grams, denominator)
        if all(map(is_positive_semidefinite, exact)):
            return ExactGrams(tuple(exact), "grid")
    return None
