"""A positive definite Gram matrix by a few steps, each the cost of an eigendecomposition.

At the scale X = W^(-1/2) Q W^(-1/2) of the diagonal weights W, the equations move the entries of
every class with several of them; `gpu.cone_newton` looks for a positive definite X.  A step costs
O(m^3) where one of the interior-point method costs O(K^3), and there are fewer.  This decides
nothing else, and knows nothing of how good its matrices are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gpu.cone_newton import MAX_STEPS, DefinitePoint, MovingEntries, find_definite
from tasks.sos.gram.problem import GramProblem


def find_definite_grams(
    problem: GramProblem,
    weights: list[NDArray[np.float64]],
    *,
    max_steps: int = MAX_STEPS,
    on_step: Callable[[], None] = lambda: None,
) -> DefinitePoint:
    """Look for positive definite Gram matrices.

    The lower bound of what is returned is one on the eigenvalues of X, so Q - lowest W >= 0.

    Parameters
    ----------
    problem : GramProblem
    weights : list of float64 (m_b,)
        Positive scales of the diagonals.
    max_steps : int
    on_step : callable
        Called before every step; may raise to end the run.

    Raises
    ------
    OverflowError
        If a coefficient is too large for floats.
    """
    entries = problem.entries
    roots = [np.sqrt(weight) for weight in weights]
    root = np.concatenate(roots)
    squares = np.zeros(problem.num_monomials)
    for rows, own in zip(problem.rows, roots, strict=True):
        _add_squares(rows, own, squares)
    ratio = problem.target / squares
    closest = [_spread(rows, own, ratio) for rows, own in zip(problem.rows, roots, strict=True)]
    counts = entries.counts
    order = entries.by_class[np.repeat(counts > 1, counts)]
    first = np.concatenate([[0], np.cumsum(problem.sizes)[:-1]])[entries.block[order]]
    row, column = first + entries.row[order], first + entries.column[order]
    moving = MovingEntries(
        row=row,
        column=column,
        weight=root[row] * root[column] * entries.share[order].astype(np.float64),
        start=np.concatenate([[0], np.cumsum(counts[counts > 1])]),
    )
    found = find_definite(tuple(closest), moving, max_steps=max_steps, on_step=on_step)
    if found.blocks is None:
        return found
    pairs = zip(found.blocks, roots, strict=True)
    return replace(found, blocks=tuple(block * np.outer(own, own) for block, own in pairs))


@njit(cache=True)
def _add_squares(rows, root, squares):
    """Add the squares of the scales of all entries to those of their classes."""
    for i in range(len(root)):
        for j in range(len(root)):
            squares[rows[i, j]] += (root[i] * root[j]) ** 2


@njit(cache=True)
def _spread(rows, root, ratio):
    """Matrix with the entries ratio * scale."""
    matrix = np.empty(rows.shape)
    for i in range(len(root)):
        for j in range(len(root)):
            matrix[i, j] = ratio[rows[i, j]] * root[i] * root[j]
    return matrix
