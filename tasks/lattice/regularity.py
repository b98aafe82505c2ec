"""Exact certificates that a triangulation is regular, or that it is not.

Let the interior edge ab lie in the triangles abc and abf. Both are unimodular, so there are
integers λ + μ = 2 with p_c + p_f = λ p_a + μ p_b, and heights h bend strictly upwards across ab
if and only if

    h_c + h_f - λ h_a - μ h_b > 0.                                                 (fold)

A function on a convex polygon that is strictly convex across every interior edge is strictly
convex, so T is regular, with weights h, if and only if h satisfies (fold) at every interior edge.
By Farkas' lemma T is irregular if and only if some nonnegative integer combination of the left
sides of (fold), not all coefficients zero, vanishes identically: an obstruction.

A linear program only suggests weights or obstructions; each is checked in integers.

References
----------
De Loera, Rambau, Santos: Triangulations, Springer 2010, chapters 2 and 5.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.lattice._exact import positive_kernel_vector
from tasks.lattice.points import lattice_points
from tasks.lattice.triangulation import Triangulation

logger = logging.getLogger(__name__)

_LARGEST_EXACT_FLOAT = 2.0**53
_SUPPORT_THRESHOLD = 1e-9
_NUM_SCALES = 12


class Regularity(StrEnum):
    """What is known about a triangulation; every value but `UNDECIDED` has an exact proof."""

    REGULAR = "regular"
    IRREGULAR = "irregular"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class RegularityCertificate:
    """A regularity status with its exact evidence.

    Attributes
    ----------
    status
        regular, irregular or undecided.
    weights
        n integers that satisfy (fold) at every interior edge, if regular.
    obstruction
        Pairs ((a, b), multiplier > 0) of interior edges such that the multiples of the left
        sides of (fold) add up to zero, if irregular; else empty.
    reason
        One sentence.
    """

    status: Regularity
    weights: tuple[int, ...] | None
    reason: str
    obstruction: tuple[tuple[tuple[int, int], int], ...] = ()


def folding_forms(triangulation: Triangulation) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Left sides of (fold): point indices (a, b, c, f) and coefficients (-λ, -μ, 1, 1).

    Both have shape (3d(d-1)/2, 4); rows follow `triangulation.interior_edges`.
    """
    edges = triangulation.interior_edges
    a, b, c, f = (lattice_points(triangulation.degree)[edges[:, k]] for k in range(4))
    span, rest = b - a, c + f - 2 * a
    # rest = μ span, and an edge vector is primitive, so one coordinate of span is not zero.
    mu = (rest * span).sum(axis=1) // (span * span).sum(axis=1)
    return edges, np.column_stack([mu - 2, -mu, np.ones_like(mu), np.ones_like(mu)])


def fold_values(triangulation: Triangulation, weights: Sequence[int]) -> Iterator[int]:
    """Values of the left sides of (fold) at `interior_edges`, in Python integers of any size."""
    indices, coefficients = folding_forms(triangulation)
    heights = [int(weight) for weight in weights]
    for row, factors in zip(indices.tolist(), coefficients.tolist(), strict=True):
        yield sum(factor * heights[i] for i, factor in zip(row, factors, strict=True))


def is_regular_with(triangulation: Triangulation, weights: Sequence[int]) -> bool:
    """Whether the weights induce the triangulation as their lower hull; exact, O(d²).

    >>> from tasks.lattice import honeycomb
    >>> is_regular_with(honeycomb(2), (0, 1, 4, 1, 3, 4)), is_regular_with(honeycomb(2), [0] * 6)
    (True, False)
    """
    return len(weights) == triangulation.num_points and all(
        fold > 0 for fold in fold_values(triangulation, weights)
    )


def is_irregular_with(
    triangulation: Triangulation, obstruction: Sequence[tuple[tuple[int, int], int]]
) -> bool:
    """Whether the obstruction proves irregularity; exact, O(d²)."""
    indices, coefficients = folding_forms(triangulation)
    row_of = {(a, b): k for k, (a, b, _, _) in enumerate(indices.tolist())}
    total = [0] * triangulation.num_points
    for edge, multiplier in obstruction:
        row = row_of.get(edge)
        if row is None or multiplier <= 0:
            return False
        for i, factor in zip(indices[row].tolist(), coefficients[row].tolist(), strict=True):
            total[i] += multiplier * factor
    return len(obstruction) > 0 and not any(total)


def certify_regularity(triangulation: Triangulation) -> RegularityCertificate:
    """Prove the triangulation regular or irregular.

    Its own weights are verified first. If it has none, or wrong ones, a linear program (HiGHS)
    suggests weights; if it finds none, a second one suggests an obstruction. The same input gives
    the same certificate on the same versions.
    """
    given = triangulation.weights
    if given is not None and is_regular_with(triangulation, given):
        return _regular(given, "the given weights were verified in integers")
    prefix = "" if given is None else f"{_first_failure(triangulation, given)}; "
    if prefix:
        logger.warning("%s: %s", triangulation.name, prefix.removesuffix("; "))
    found = _find_weights(triangulation)
    if found is not None:
        return _regular(found, prefix + "weights from a linear program were verified in integers")
    obstruction = _find_obstruction(triangulation)
    if obstruction:
        reason = f"{prefix}the folding conditions at {len(obstruction)} edges contradict each other"
        return RegularityCertificate(Regularity.IRREGULAR, None, reason, obstruction)
    reason = prefix + "the linear programs gave neither weights nor an obstruction that is exact"
    return RegularityCertificate(Regularity.UNDECIDED, None, reason)


def _regular(weights: tuple[int, ...], reason: str) -> RegularityCertificate:
    return RegularityCertificate(Regularity.REGULAR, weights, reason)


def _first_failure(triangulation: Triangulation, weights: Sequence[int]) -> str:
    row = next(k for k, fold in enumerate(fold_values(triangulation, weights)) if fold <= 0)
    a, b = triangulation.interior_edges[row, :2].tolist()
    return f"the given weights do not fold upwards at edge {a}-{b}"


def _folding_matrix(triangulation: Triangulation) -> Any:
    """Sparse matrix of the left sides of (fold)."""
    from scipy.sparse import csr_array

    indices, coefficients = folding_forms(triangulation)
    rows = np.repeat(np.arange(len(indices)), 4)
    shape = (len(indices), triangulation.num_points)
    return csr_array((coefficients.ravel().astype(float), (rows, indices.ravel())), shape=shape)


def _find_weights(triangulation: Triangulation) -> tuple[int, ...] | None:
    """Integer weights from: minimize M subject to (fold) >= 1 and 0 <= h <= M.

    Up to scale this maximizes the least fold. Rounding k h moves a fold by at most half of
    Σ|coefficients|, while k h has folds of at least k; so a small k suffices.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, eye_array, hstack, vstack

    n, num_folds = triangulation.num_points, len(triangulation.interior_edges)
    folds = hstack([-_folding_matrix(triangulation), csr_array((num_folds, 1))])
    below = hstack([eye_array(n), -np.ones((n, 1))])
    result = linprog(
        np.r_[np.zeros(n), 1.0],
        A_ub=vstack([folds, below]).tocsr(),
        b_ub=np.r_[-np.ones(num_folds), np.zeros(n)],
        bounds=(0, None),
        method="highs-ds",
    )
    return None if result.x is None else _rounded(triangulation, result.x[:n])


def _rounded(triangulation: Triangulation, heights: NDArray[np.float64]) -> tuple[int, ...] | None:
    for scale in range(1, _NUM_SCALES + 1):
        scaled = heights * (scale if scale < 5 else 2 ** (scale - 2))
        if not np.abs(scaled).max() < _LARGEST_EXACT_FLOAT:
            return None
        candidate = tuple(int(value) for value in np.rint(scaled))
        if is_regular_with(triangulation, candidate):
            return candidate
    return None


def _find_obstruction(
    triangulation: Triangulation,
) -> tuple[tuple[tuple[int, int], int], ...]:
    """A vertex of {y >= 0, y A = 0, Σ y = 1}, made exact; empty if there is none.

    A vertex is determined by its support up to scale, so exact elimination recovers it.
    """
    from scipy.optimize import linprog
    from scipy.sparse import vstack

    matrix = _folding_matrix(triangulation)
    num_folds = matrix.shape[0]
    result = linprog(
        np.ones(num_folds) + np.arange(num_folds) / num_folds,
        A_eq=vstack([matrix.T, np.ones((1, num_folds))]).tocsr(),
        b_eq=np.r_[np.zeros(matrix.shape[1]), 1.0],
        bounds=(0, None),
        method="highs-ds",
    )
    if result.x is None:
        return ()
    support = np.flatnonzero(result.x > _SUPPORT_THRESHOLD)
    forms = matrix[support].toarray().astype(np.int64).tolist()
    multipliers = positive_kernel_vector(forms)
    edges = [(int(a), int(b)) for a, b in triangulation.interior_edges[support, :2]]
    obstruction = tuple(zip(edges, multipliers, strict=True)) if multipliers else ()
    return obstruction if is_irregular_with(triangulation, obstruction) else ()
