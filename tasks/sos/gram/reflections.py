"""A Gram matrix of low rank by reflections, for problems without a positive definite one.

At the scale X = W^(-1/2) Q W^(-1/2), with the projections P onto the positive semidefinite matrices
and A onto the affine space L of the equations, the method of Douglas and Rachford repeats

    Z <- Z + A(2 P(Z) - Z) - P(Z),

one eigendecomposition per step; P(Z) tends to a solution.  Where that is unique and of low rank,
the rank of P(Z) falls to its own within some ten steps, and from there on convergence is linear;
Anderson's extrapolation from the last steps makes it faster still.  So after `RANK_STEPS` steps the
rank says whether it is worth going on.

References
----------
Lions and Mercier, Splitting algorithms for the sum of two nonlinear operators, 1979; Walker and Ni,
Anderson acceleration for fixed-point iterations, 2011.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tasks.sos.gram.problem import GramProblem, Grams
from tasks.sos.gram.scaled_space import ScaledSpace, eigenpairs

MAX_STEPS = 80
RANK_STEPS, RANK_SHARE = 8, 1 / 3
"""After so many steps the rank must have fallen to this share of the size."""
NEAR_STEPS, NEAR = 30, 1e-3
"""After so many steps P(Z) must be this close to the equations."""
EQUAL = 1e-13
"""Distance from the equations, relative to |P(Z)|, at which the iteration ends."""
ENOUGH = 1e-9
"""The same that is still a solution after the last step."""
MEMORY = 6
"""Steps that are extrapolated from."""
SMALLEST_SHARE = 1e-14
"""Singular values of the normal equations, relative to the largest, that count."""
FLATTENING = 0.25
"""Power of the weights: half of them is best here, between those of Q and none."""


def find_by_reflections(
    problem: GramProblem,
    weights: list[NDArray[np.float64]],
    *,
    max_steps: int = MAX_STEPS,
    on_step: Callable[[], None] = lambda: None,
) -> tuple[Grams | None, int]:
    """Look for Gram matrices of low rank; also the number of steps.

    They solve the equations to rounding errors, and their negative eigenvalues are about as small
    as `EQUAL` says, at worst as `ENOUGH` says.  None if the iteration does not converge.

    Parameters
    ----------
    problem : GramProblem
    weights : list of float64 (m_b,)
        Positive scales of the diagonals.
    max_steps : int
    on_step : callable
        Called before every step; may raise to end the run.
    """
    space = ScaledSpace.of(problem, [weight**FLATTENING for weight in weights])
    extrapolation = _Extrapolation()
    flat = space.projected(np.zeros(len(space.classes)))
    for step in range(max_steps):
        on_step()
        try:
            positive, rank = _positive_part(space, flat)
        except np.linalg.LinAlgError:  # as good as no convergence
            return None, step
        solution = space.projected(2 * positive - flat)
        change = solution - positive
        distance, length = float(np.linalg.norm(change)), float(np.linalg.norm(positive))
        if distance <= EQUAL * length or (step == max_steps - 1 and distance <= ENOUGH * length):
            return tuple(space.blocks(space.projected(positive) * space.scale)), step + 1
        if step == RANK_STEPS and rank > RANK_SHARE * sum(problem.sizes):
            return None, step + 1
        if not np.isfinite(distance) or (step == NEAR_STEPS and distance > NEAR * length):
            return None, step + 1
        flat = extrapolation(flat, change) if step > RANK_STEPS else flat + change
    return None, max_steps


def _positive_part(
    space: ScaledSpace, flat: NDArray[np.float64]
) -> tuple[NDArray[np.float64], int]:
    """P, and the sum of the ranks of its blocks."""
    parts, rank = [], 0
    for block in space.blocks(flat):
        values, vectors = eigenpairs(block)
        is_positive = values > 0
        chosen = vectors[:, is_positive] * np.sqrt(values[is_positive])
        parts.append((chosen @ chosen.T).ravel())
        rank += int(is_positive.sum())
    return np.concatenate(parts), rank


class _Extrapolation:
    """Anderson's method: the combination of the last steps whose change is smallest."""

    def __init__(self) -> None:
        self._points: list[NDArray[np.float64]] = []
        self._changes: list[NDArray[np.float64]] = []

    def __call__(
        self, point: NDArray[np.float64], change: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The next point after `point`, which its step would move by `change`."""
        self._points = [*self._points[-MEMORY + 1 :], point]
        self._changes = [*self._changes[-MEMORY + 1 :], change]
        if len(self._points) == 1:
            return point + change
        moves, turns = np.diff(self._points, axis=0), np.diff(self._changes, axis=0)
        # The normal equations are as good as they need to be, in a tenth of the time.
        shares = np.linalg.lstsq(turns @ turns.T, turns @ change, rcond=SMALLEST_SHARE)[0]
        return np.asarray(point + change - shares @ (moves + turns))
