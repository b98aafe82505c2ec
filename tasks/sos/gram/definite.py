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
from tasks.sos.gram.problem import GramProblem, Grams

ROUNDING = 2.0**-50
"""Errors of a sum in floats relative to the sum of absolute values, generously."""


def find_definite_grams(
    problem: GramProblem,
    weights: list[NDArray[np.float64]],
    *,
    max_steps: int = MAX_STEPS,
    on_step: Callable[[], None] = lambda: None,
) -> DefinitePoint:
    """Look for positive definite Gram matrices.

    The lower bound of what is returned is one on the eigenvalues of X for all Q that satisfy the
    equations exactly and differ by what is missing in floats: Q - lowest W >= 0.  Where that leaves
    nothing of the bound, as for weights of many different magnitudes, nothing is returned.

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
    grams = tuple(block * np.outer(own, own) for block, own in pairs)
    error = _largest_error(problem, grams, roots)
    if not error < found.lowest / 2:
        return replace(found, blocks=None, lowest=np.nan)
    return replace(found, blocks=grams, lowest=found.lowest - error)


def _largest_error(problem: GramProblem, grams: Grams, roots: list[NDArray[np.float64]]) -> float:
    """What the eigenvalues of X can lose where what is missing in the equations is made up for.

    What is missing in a class may be put on any of its entries, also where the scale is small; in
    it are the rounding errors of the sum.
    """
    count = problem.num_monomials
    sums, sizes, smallest = np.zeros(count), np.zeros(count), np.full(count, np.inf)
    for rows, gram, own in zip(problem.rows, grams, roots, strict=True):
        _add_class_sums(rows, gram, own, sums, sizes, smallest)
    missing = np.abs(problem.target - sums) + ROUNDING * sizes
    return max(problem.sizes) * float((missing / smallest).max())


@njit(cache=True)
def _add_squares(rows, root, squares):
    """Add the squares of the scales of all entries to those of their classes."""
    for i in range(len(root)):
        for j in range(len(root)):
            squares[rows[i, j]] += (root[i] * root[j]) ** 2


@njit(cache=True)
def _add_class_sums(rows, gram, root, sums, sizes, smallest):
    """Add entries and their absolute values to those of their classes; keep the smallest scales."""
    for i in range(len(root)):
        for j in range(len(root)):
            k = rows[i, j]
            sums[k] += gram[i, j]
            sizes[k] += abs(gram[i, j])
            smallest[k] = min(smallest[k], root[i] * root[j])


@njit(cache=True)
def _spread(rows, root, ratio):
    """Matrix with the entries ratio * scale."""
    matrix = np.empty(rows.shape)
    for i in range(len(root)):
        for j in range(len(root)):
            matrix[i, j] = ratio[rows[i, j]] * root[i] * root[j]
    return matrix
