"""Gram matrices of a given rank to many digits: Schur complements and their derivatives.

Of the rows of a matrix of rank r, I are r well conditioned ones and J the others.  With
B = (-Q_II^-1 Q_IJ; identity), S = Q_JJ - Q_JI Q_II^-1 Q_IJ has the derivative dS = B' dQ B.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

from tasks.sos.gram.entries import Entries
from tasks.sos.gram.problem import GramProblem

BITS = 640
"""Working precision: denominators of a third of it, 64 decimal digits, are recognized."""


@dataclass(frozen=True)
class Split:
    """Rows I and J of a block."""

    pivots: NDArray[np.int64]
    others: NDArray[np.int64]


def schur_parts(
    problem: GramProblem, entries: Entries, splits: Sequence[Split], y: list[arb]
) -> list[tuple[list[arb], arb_mat]] | None:
    """S(y) and Q_II^-1 Q_IJ of all blocks; None if a Q_II is singular."""
    blocks = gram_matrices(problem, entries, [arb(value) for value in problem.coefficients], y)
    try:
        return [_schur(block, split) for block, split in zip(blocks, splits, strict=True)]
    except ZeroDivisionError:
        return None


def gram_matrices(
    problem: GramProblem, entries: Entries, constants: list[arb], y: list[arb]
) -> list[arb_mat]:
    """Q(y): the last entry of every class makes up for the others."""
    rest = list(constants)
    blocks = [arb_mat(size, size) for size in problem.sizes]
    classes, share = entries.classes.tolist(), entries.share.tolist()
    free = entries.free.tolist()
    for place, (b, i, j), value in zip(free, entries.free_places, y, strict=True):
        blocks[b][i, j] = blocks[b][j, i] = value
        rest[classes[place]] -= share[place] * value
    pivots = entries.pivot_of_class
    for monomial, (b, i, j) in enumerate(entries.pivot_places):
        value = rest[monomial] / share[int(pivots[monomial])]
        blocks[b][i, j] = blocks[b][j, i] = value
    return blocks


def _schur(block: arb_mat, split: Split) -> tuple[list[arb], arb_mat]:
    """Upper entries of the Schur complement, and Q_II^-1 Q_IJ."""
    rows = block.tolist()
    pivots, others = split.pivots.tolist(), split.others.tolist()
    if not others:
        return [], arb_mat(len(pivots), 0)
    coupling = arb_mat(len(pivots), len(others), [rows[i][j].mid() for i in pivots for j in others])
    if pivots:
        corner = arb_mat(
            len(pivots), len(pivots), [rows[i][j].mid() for i in pivots for j in pivots]
        )
        solver = corner.solve(coupling, algorithm="approx")
        product = (coupling.transpose() * solver).tolist()
    else:
        solver = coupling
        product = [[arb(0)] * len(others) for _ in others]
    upper = [
        (rows[i][j] - product[a][b]).mid()
        for a, i in enumerate(others)
        for b, j in enumerate(others)
        if b >= a
    ]
    return upper, solver


def schur_derivative(
    entries: Entries,
    splits: Sequence[Split],
    parts: Sequence[tuple[list[arb], arb_mat]],
    chosen: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """dS / dy in floats, (equations, K); of chosen entries of S, or of all."""
    kernels = [
        kernel_basis(split, solver) for split, (_, solver) in zip(splits, parts, strict=True)
    ]
    free = entries.free
    pivots = entries.pivot_of_class[entries.classes[free]]
    ratio = -entries.share[free] / entries.share[pivots]
    rows, offset = [], 0
    for b, kernel in enumerate(kernels):
        first, second = np.triu_indices(kernel.shape[1])
        if chosen is not None:
            own = chosen[(chosen >= offset) & (chosen < offset + len(first))] - offset
            offset += len(first)
            first, second = first[own], second[own]
        # A row of `left` for every entry of S, so that the products are formed in place.
        left, right = kernel[:, first].T.copy(), kernel[:, second].T.copy()
        total = np.zeros((len(first), len(free)))
        for places, factor in ((free, np.ones(len(free))), (pivots, ratio)):
            here = np.flatnonzero(entries.block[places] == b)
            i, j = entries.row[places[here]], entries.column[places[here]]
            half = factor[here] * np.where(i == j, 0.5, 1.0)
            total[:, here] += (left[:, i] * right[:, j] + left[:, j] * right[:, i]) * half
        rows.append(total)
    return np.concatenate(rows)


def kernel_basis(split: Split, solver: arb_mat) -> NDArray[np.float64]:
    """B in floats, (m, k)."""
    size = len(split.pivots) + len(split.others)
    kernel = np.zeros((size, len(split.others)))
    kernel[split.others, np.arange(len(split.others))] = 1.0
    if len(split.others) and len(split.pivots):
        kernel[split.pivots] = [[-float(v.mid()) for v in row] for row in solver.tolist()]
    return kernel


def moved(
    y: list[arb], inverse: NDArray[np.float64], residual: list[arb], exponent: float
) -> list[arb]:
    """A Newton step; residuals are of the size 2**exponent, which may be no float."""
    unit = arb(2) ** int(exponent)
    scaled = np.array([float((value / unit).mid()) for value in residual])
    step = (inverse @ scaled).tolist()
    return [(value - arb(change) * unit).mid() for value, change in zip(y, step, strict=True)]


def largest_exponent(values: list[arb]) -> float:
    """Binary exponent of the largest of the midpoints."""
    return max(map(_exponent, values), default=_exponent(arb(0)))


def _exponent(value: arb) -> float:
    """Binary exponent of a midpoint; far below all others for 0, infinite for NaN."""
    if not value.is_finite():
        return float("inf")
    if value == 0:
        return -10.0 * BITS
    mantissa, exponent = value.man_exp()
    return float(int(mantissa).bit_length() + int(exponent))
