"""Singular Gram matrices to many digits, where their Schur complement is quadratic.

In a direction in which S (see `_schur`) is quadratic, as for a Gram matrix that is singular and
unique, Newton's method for S(y) = 0 converges slowly or not at all.  With multipliers U there are
the equations

    S(y) = 0,  <U, B'N_kB> = 0 for all k.

The latter say that BUB' is a moment matrix.  Their derivative is symmetric,

    ( H  D' )        D = (B'N_kB)_k,  H_kl = -2 <U, (N_kB)_I' Q_II^-1 (N_lB)_I>,
    ( D  0  )

and for definite U its kernel is the sum of the tangent spaces of the face and of the multipliers:
D dy = 0 and H dy + D' dU = 0 give dy'H dy = 0, hence N(dy)B = 0.  So the iteration converges
wherever the Gram matrices and moment matrices are strictly complementary.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

from tasks.sos.gram.entries import Entries
from tasks.sos.gram.problem import GramProblem
from tasks.sos.proofs._schur import (
    BITS,
    Split,
    gram_matrices,
    kernel_basis,
    largest_exponent,
    moved,
    schur_derivative,
    schur_parts,
)

MAX_STEPS = 40
"""40 steps of 13 bits reach the 512 that are wanted; a slower iteration is given up."""
MAX_UNKNOWNS = 800
"""Unknowns and multipliers that are still solved for together, densely: O(unknowns**3)."""
FRESH_STEPS = 3
"""Steps before the derivative is kept: by then it is as exact as floats are."""
SMALLEST = 1e-8
"""Eigenvalues of the derivative, relative to the largest, that count as 0: the root
of the precision of floats."""
NEGLIGIBLE = 1e-4
"""Singular values of D, at the scale of the unknowns, that count as 0: above the errors of kernels
of a numerical Gram matrix."""


def converged_with_multipliers(
    problem: GramProblem,
    entries: Entries,
    y: list[arb],
    splits: Sequence[Split],
    weights: Sequence[NDArray[np.float64]],
) -> list[arb_mat] | None:
    """Iterate to rank r from a point y; Q_II^-1 Q_IJ of all blocks, None if that fails."""
    scale = _scales(entries, splits, weights)
    if len(scale) > MAX_UNKNOWNS:
        return None
    try:
        # Numbers beyond floats end as infinite or undefined ones.
        with np.errstate(over="ignore", invalid="ignore"):
            return _iterated(problem, entries, y, splits, scale)
    except np.linalg.LinAlgError:
        return None


def _iterated(
    problem: GramProblem,
    entries: Entries,
    y: list[arb],
    splits: Sequence[Split],
    scale: NDArray[np.float64],
) -> list[arb_mat] | None:
    unknowns, num_free = y, len(y)
    inverse = np.zeros((0, 0))
    previous = np.inf
    for index in range(MAX_STEPS):
        parts = schur_parts(problem, entries, splits, unknowns[:num_free])
        if parts is None:
            return None
        derivative = schur_derivative(entries, splits, parts) if index <= FRESH_STEPS else inverse
        if index == 0:
            unknowns = [*y, *map(arb, _first_multipliers(derivative, splits, scale).tolist())]
        multipliers = _multipliers(unknowns[num_free:], splits)
        residual = _stationarity(entries, splits, parts, multipliers)
        residual += [value for schur, _ in parts for value in schur]
        exponent = largest_exponent(residual)
        if exponent < -BITS * 0.8:
            return [solver for _, solver in parts]
        if exponent == np.inf or (exponent > previous - 2 and index >= FRESH_STEPS):
            return None
        previous = exponent
        if index <= FRESH_STEPS:
            curvature = _curvature(problem, entries, splits, parts, multipliers, unknowns)
            inverse = _symmetric_inverse(curvature, derivative, scale)
        unknowns = moved(unknowns, inverse, residual, exponent)
    return None


def _scales(
    entries: Entries, splits: Sequence[Split], weights: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Natural sizes of y, then of the multipliers, which are kept as an isometric vector."""
    sizes = [np.sqrt(weights[b][i] * weights[b][j]) for b, i, j in entries.free_places]
    for split, weight in zip(splits, weights, strict=True):
        own = np.sqrt(weight[split.others])
        a, b = np.triu_indices(len(own))
        sizes.extend(np.where(a == b, 1.0, np.sqrt(2.0)) / (own[a] * own[b]))
    return np.array(sizes)


def _first_multipliers(
    derivative: NDArray[np.float64], splits: Sequence[Split], scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The solution of D'v = 0 closest to the identity: definite, if one of them is."""
    own = scale[derivative.shape[1] :]
    scaled = derivative * scale[: derivative.shape[1]] * own[:, None]
    identity = np.concatenate(
        [np.eye(len(s.others))[np.triu_indices(len(s.others))] for s in splits]
    )
    if not np.isfinite(scaled).all():  # LAPACK might never come back
        raise np.linalg.LinAlgError("the derivative is beyond floats")
    left, values, _ = np.linalg.svd(scaled, full_matrices=False)
    left = left[:, values > NEGLIGIBLE]
    return (identity - left @ (left.T @ identity)) * own


def _multipliers(values: list[arb], splits: Sequence[Split]) -> list[arb_mat]:
    """U of all blocks from their entries on and above the diagonals, those above counted twice."""
    blocks, offset = [], 0
    for split in splits:
        size = len(split.others)
        block = arb_mat(size, size)
        for a in range(size):
            for b in range(a, size):
                block[a, b] = block[b, a] = values[offset] if a == b else values[offset] / 2
                offset += 1
        blocks.append(block)
    return blocks


def _stationarity(
    entries: Entries,
    splits: Sequence[Split],
    parts: Sequence[tuple[list[arb], arb_mat]],
    multipliers: Sequence[arb_mat],
) -> list[arb]:
    """<BUB', N_k>: the difference of two entries of one class."""
    moments = []
    for split, (_, solver), block in zip(splits, parts, multipliers, strict=True):
        size = len(split.pivots) + len(split.others)
        kernel = arb_mat(size, len(split.others))
        for i, line in zip(split.pivots.tolist(), solver.tolist(), strict=True):
            for a, value in enumerate(line):
                kernel[i, a] = -value.mid()
        for a, i in enumerate(split.others.tolist()):
            kernel[i, a] = arb(1)
        moments.append((kernel * block * kernel.transpose()).tolist())
    free = entries.free
    pairs = zip(
        entries.free_places,
        [entries.pivot_places[k] for k in entries.classes[free].tolist()],
        entries.share[free].tolist(),
        strict=True,
    )
    return [
        (share * (moments[b][i][j] - moments[c][k][m])).mid()
        for (b, i, j), (c, k, m), share in pairs
    ]


def _curvature(
    problem: GramProblem,
    entries: Entries,
    splits: Sequence[Split],
    parts: Sequence[tuple[list[arb], arb_mat]],
    multipliers: Sequence[arb_mat],
    unknowns: list[arb],
) -> NDArray[np.float64]:
    """H in floats, (K, K)."""
    constants = [arb(value) for value in problem.coefficients]
    blocks = gram_matrices(problem, entries, constants, unknowns[: len(entries.free)])
    total = np.zeros((len(entries.free), len(entries.free)))
    for b, (split, (_, solver), weights) in enumerate(zip(splits, parts, multipliers, strict=True)):
        if not len(split.pivots) or not len(split.others):
            continue
        corner = _floats(blocks[b])[np.ix_(split.pivots, split.pivots)]
        change = _coupled_changes(entries, b, split, kernel_basis(split, solver))
        width = change.shape[1] * change.shape[2]
        solved = np.linalg.solve(corner, change.reshape(len(corner), width))
        weighted = np.einsum("rak,ab->rbk", change, _floats(weights))
        width = total.shape[1]
        total -= 2 * weighted.reshape(-1, width).T @ solved.reshape(-1, width)
    return total


def _coupled_changes(
    entries: Entries, b: int, split: Split, kernel: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(N_k B)_I of a block for all k, (r, kernel dimension, K)."""
    free = entries.free
    pivots = entries.pivot_of_class[entries.classes[free]]
    ratio = -entries.share[free] / entries.share[pivots]
    place = np.full(len(kernel), -1)
    place[split.pivots] = np.arange(len(split.pivots))
    change = np.zeros((len(split.pivots), len(free), kernel.shape[1]))
    for places, factor in ((free, np.ones(len(free))), (pivots, ratio)):
        i, j = entries.row[places], entries.column[places]
        for first, second, counts in ((i, j, i == i), (j, i, i != j)):
            inside = np.flatnonzero((entries.block[places] == b) & counts)
            here = inside[place[first[inside]] >= 0]
            values = kernel[second[here]] * factor[here, None]
            np.add.at(change, (place[first[here]], here), values)
    return change.transpose(0, 2, 1)


def _symmetric_inverse(
    curvature: NDArray[np.float64], derivative: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Pseudo-inverse of (H, D'; D, 0) at the natural scale of the unknowns."""
    rest = np.zeros((len(derivative), len(derivative)))
    whole = np.block([[curvature, derivative.T], [derivative, rest]]) * scale * scale[:, None]
    return np.linalg.pinv(whole, rcond=SMALLEST, hermitian=True) * scale * scale[:, None]


def _floats(matrix: arb_mat) -> NDArray[np.float64]:
    rows = [[float(value.mid()) for value in row] for row in matrix.tolist()]
    return np.array(rows).reshape(matrix.nrows(), matrix.ncols())
