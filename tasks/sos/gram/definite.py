"""A positive definite Gram matrix by a few steps, each cheaper than an eigendecomposition.

At the scale X = W^(-1/2) Q W^(-1/2) of the diagonal weights W, the equations move the entries of
every class with several of them; `gpu.cone_newton` looks for a positive definite X.  A step costs
O(m^3) where one of the interior-point method costs O(K^3), and there are fewer.  This decides
nothing else, and knows nothing of how good its matrices are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate

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
    roots = [np.sqrt(weight) for weight in weights]
    squares = np.zeros(problem.num_monomials)
    for rows, own in zip(problem.rows, roots, strict=True):
        _add_squares(rows, own, squares)
    ratio = problem.target / squares
    closest = [_spread(rows, own, ratio) for rows, own in zip(problem.rows, roots, strict=True)]
    moving = _moving_entries(problem, roots)
    found = find_definite(tuple(closest), moving, max_steps=max_steps, on_step=on_step)
    if found.blocks is None:
        return found
    pairs = zip(found.blocks, roots, strict=True)
    grams = tuple(block * np.outer(own, own) for block, own in pairs)
    error = _largest_error(problem, grams, roots)
    if not error < found.lowest / 2:
        return replace(found, blocks=None, lowest=np.nan)
    return replace(found, blocks=grams, lowest=found.lowest - error)


def _moving_entries(problem: GramProblem, roots: list[NDArray[np.float64]]) -> MovingEntries:
    """The entries of X in classes with several of them."""
    entries, sizes = problem.entries, problem.sizes
    first = np.array([0, *accumulate(sizes)])
    places = (entries.block, entries.row, entries.column, entries.share)
    return MovingEntries(
        *_gather(*places, entries.by_class, entries.counts, first, np.concatenate(roots))
    )


def _largest_error(problem: GramProblem, grams: Grams, roots: list[NDArray[np.float64]]) -> float:
    """What the eigenvalues of X can lose where what is missing in the equations is made up for.

    What is missing in a class may be put on any of its entries, also where the scale is small; in
    it are the rounding errors of the sum.
    """
    count = problem.num_monomials
    sums, sizes, smallest = np.zeros(count), np.zeros(count), np.full(count, np.inf)
    for rows, gram, own in zip(problem.rows, grams, roots, strict=True):
        _add_class_sums(rows, gram, own, sums, sizes, smallest)
    return max(problem.sizes) * _largest_part(problem.target, sums, sizes, smallest)


@njit(cache=True)
def _gather(block, row, column, share, by_class, counts, first, root):
    """Rows and columns through all blocks, weights, and where the classes start."""
    total, num_classes = 0, 0
    for count in counts:
        if count > 1:
            total += count
            num_classes += 1
    rows, columns = np.empty(total, np.int64), np.empty(total, np.int64)
    weight, start = np.empty(total), np.zeros(num_classes + 1, np.int64)
    at, source, c = 0, 0, 0
    for count in counts:
        if count > 1:
            for entry in by_class[source : source + count]:
                i, j = first[block[entry]] + row[entry], first[block[entry]] + column[entry]
                rows[at], columns[at], weight[at] = i, j, share[entry] * root[i] * root[j]
                at += 1
            c += 1
            start[c] = at
        source += count
    return rows, columns, weight, start


@njit(cache=True, error_model="numpy")
def _largest_part(target, sums, sizes, smallest):
    """What is missing in the sums and their rounding errors, in parts of the smallest scales."""
    largest = 0.0
    for k in range(target.size):
        part = (abs(target[k] - sums[k]) + ROUNDING * sizes[k]) / smallest[k]
        if np.isnan(part):
            return part
        largest = max(largest, part)
    return largest


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
