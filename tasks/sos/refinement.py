"""The kernel of a singular Gram matrix to many digits, as rational numbers.

Near a Gram matrix of rank r, let I be r rows on which it is well conditioned and J the others.  The
matrix has rank r iff the Schur complement

    S(y) = Q_JJ - Q_JI Q_II^-1 Q_IJ,   Q = Q_0 + sum_k y_k N_k

vanishes, and then B = (-Q_II^-1 Q_IJ; identity) spans its kernel.  As dS = B' dQ B, a derivative in
floats and residuals in many digits give a Newton iteration that gains several digits per step.

That fails where S is quadratic in some direction, as for a Gram matrix that is singular and unique.
Then multipliers U are unknowns too: (S(y), <U, B'N_kB> for all k) = 0.  The latter says that BUB' is
a moment matrix, and the derivative of the whole is symmetric,

    ( H  D' )        D = (B'N_kB)_k,  H_kl = -2 <U, (N_kB)_I' Q_II^-1 (N_lB)_I>,
    ( D  0  )

where its kernel, for definite U, is that of the face and of the multipliers.  The kernel of all Gram matrices of p is unique and, where p has a rational Gram matrix in the relative
interior of its face, rational; so enough digits determine its fractions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from flint import arb, arb_mat, ctx, fmpz_mat
from numpy.typing import NDArray
from scipy.linalg import qr

from tasks.sos.facial import complement
from tasks.sos.gram import GramProblem

BITS = 640
MAX_STEPS = 60
MAX_EQUATIONS = 30_000_000
"""Entries of the derivative that is still formed."""
MAX_COUPLED = 800
"""Unknowns and multipliers that are still solved for together."""
FRESH_STEPS = 3
"""Steps with multipliers before the derivative is kept."""
SMALLEST = 1e-8
"""Eigenvalues of that derivative, relative to the largest, that count as 0."""
SMALLEST_SQUARE = 1e-13
"""Smallest squared singular value of the derivative, relative to the largest, that counts."""


@dataclass(frozen=True)
class _Split:
    """Rows I and J of a block."""

    pivots: NDArray[np.int64]
    others: NDArray[np.int64]


class _Entries:
    """The free entries of a Gram problem: all but the last of every class."""

    def __init__(self, problem: GramProblem) -> None:
        places = [np.triu_indices(size) for size in problem.sizes]
        self.block = np.repeat(np.arange(len(places)), [len(rows) for rows, _ in places])
        self.row = np.concatenate([rows for rows, _ in places])
        self.column = np.concatenate([columns for _, columns in places])
        classes = [rows[place] for rows, place in zip(problem.rows, places, strict=True)]
        self.classes = np.concatenate(classes)
        self.share = np.where(self.row == self.column, 1, 2)
        order = np.argsort(self.classes, kind="stable")
        is_last = np.append(np.diff(self.classes[order]) != 0, True)
        self.pivot_of_class = np.empty(problem.num_monomials, dtype=np.int64)
        self.pivot_of_class[self.classes[order][is_last]] = order[is_last]
        self.free = order[~is_last]


def refined_complements(
    problem: GramProblem,
    grams: Sequence[NDArray[np.float64]],
    weights: Sequence[NDArray[np.float64]],
    threshold: float,
) -> list[fmpz_mat] | None:
    """Find integer bases of the complements of the kernels; None if they are not found rational.

    Parameters
    ----------
    problem : GramProblem
    grams : sequence of float64 (m_b, m_b)
        Near a matrix of the relative interior.
    weights : sequence of float64 (m_b,)
    threshold : float
        Eigenvalues below it count as 0, at the scale W^(-1/2) Q W^(-1/2).
    """
    splits = [_split(gram, weight, threshold) for gram, weight in zip(grams, weights, strict=True)]
    num_equations = sum(len(s.others) * (len(s.others) + 1) // 2 for s in splits)
    entries = _Entries(problem)
    if not num_equations or num_equations * len(entries.free) > MAX_EQUATIONS:
        return None
    with ctx.workprec(BITS):
        solvers = _converged(problem, entries, grams, splits, weights)
        if solvers is None:
            return None
        ratios = [_fractions(solver) for solver in solvers]
    if any(ratio is None for ratio in ratios):
        return None
    return [
        complement(ratio, split.others.tolist(), split.pivots.tolist())
        for ratio, split in zip(ratios, splits, strict=True)
        if ratio is not None
    ]


def _split(gram: NDArray[np.float64], weight: NDArray[np.float64], threshold: float) -> _Split:
    """Choose as many well conditioned rows as there are large eigenvalues."""
    scale = 1.0 / np.sqrt(weight)
    scaled = gram * scale * scale[:, None]
    values, vectors = np.linalg.eigh(scaled)
    rank = int((values >= threshold).sum())
    # Rows of the large eigenvectors; pivoted QR picks independent ones.
    large = vectors[:, len(values) - rank :]
    order = qr(large.T, pivoting=True, mode="r")[1] if rank else np.arange(len(values))
    return _Split(np.sort(order[:rank]), np.sort(order[rank:]))


def _converged(
    problem: GramProblem,
    entries: _Entries,
    grams: Sequence[NDArray[np.float64]],
    splits: Sequence[_Split],
    weights: Sequence[NDArray[np.float64]],
) -> list[arb_mat] | None:
    """Iterate to rank r; the matrices Q_II^-1 Q_IJ, or None if the iteration does not converge."""
    y = [arb(float(grams[b][i, j])) for b, i, j in _places(entries, entries.free)]
    inverse: NDArray[np.float64] | None = None
    previous = np.inf
    for _ in range(MAX_STEPS):
        parts = _parts(problem, entries, splits, y)
        if parts is None:
            return None
        residual = [value for schur, _ in parts for value in schur]
        exponent = _largest_exponent(residual)
        if exponent < -BITS * 0.8:
            return [solver for _, solver in parts]
        if exponent == np.inf or exponent > previous - 2:
            return _converged_with_multipliers(problem, entries, y, splits, weights)
        previous = exponent
        if inverse is None:
            inverse = _pseudo_inverse(_derivative(entries, splits, parts))
        y = _moved(y, inverse, residual, exponent)
    return None


def _parts(
    problem: GramProblem, entries: _Entries, splits: Sequence[_Split], y: list[arb]
) -> list[tuple[list[arb], arb_mat]] | None:
    """S(y) and Q_II^-1 Q_IJ of all blocks; None if a Q_II is singular."""
    blocks = _matrices(problem, entries, [arb(value) for value in problem.coefficients], y)
    try:
        return [_schur(block, split) for block, split in zip(blocks, splits, strict=True)]
    except ZeroDivisionError:
        return None


def _moved(
    y: list[arb], inverse: NDArray[np.float64], residual: list[arb], exponent: float
) -> list[arb]:
    """A Newton step; residuals are of the size 2**exponent, which may be no float."""
    unit = arb(2) ** int(exponent)
    scaled = np.array([float((value / unit).mid()) for value in residual])
    step = (inverse @ scaled).tolist()
    return [(value - arb(change) * unit).mid() for value, change in zip(y, step, strict=True)]


def _converged_with_multipliers(
    problem: GramProblem,
    entries: _Entries,
    y: list[arb],
    splits: Sequence[_Split],
    weights: Sequence[NDArray[np.float64]],
) -> list[arb_mat] | None:
    """As `_converged`, for S(y) and the multipliers together."""
    scale = _scales(entries, splits, weights)
    num_free = len(entries.free)
    if len(scale) > MAX_COUPLED:
        return None
    unknowns: list[arb] = []
    inverse = np.zeros((0, 0))
    previous = np.inf
    for index in range(MAX_STEPS):
        parts = _parts(problem, entries, splits, unknowns[:num_free] or y)
        if parts is None:
            return None
        if index <= FRESH_STEPS:
            derivative = _derivative(entries, splits, parts)
            if not unknowns:
                first = _first_multipliers(derivative, splits, scale)
                unknowns = [*y, *map(arb, first.tolist())]
        multipliers = _multipliers(unknowns[num_free:], splits)
        residual = [
            *_stationarity(entries, splits, parts, multipliers),
            *(value for schur, _ in parts for value in schur),
        ]
        exponent = _largest_exponent(residual)
        if exponent < -BITS * 0.8:
            return [solver for _, solver in parts]
        if exponent == np.inf or exponent > previous - 2 and index >= FRESH_STEPS:
            return None
        previous = exponent
        if index <= FRESH_STEPS:
            curvature = _curvature(problem, entries, splits, parts, multipliers, unknowns)
            inverse = _symmetric_inverse(curvature, derivative, scale)
        unknowns = _moved(unknowns, inverse, residual, exponent)
    return None


def _scales(
    entries: _Entries, splits: Sequence[_Split], weights: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Natural sizes of y, then of the multipliers, which are kept as an isometric vector."""
    sizes = [
        np.sqrt(weights[b][i] * weights[b][j]) for b, i, j in _places(entries, entries.free)
    ]
    for split, weight in zip(splits, weights, strict=True):
        own = np.sqrt(weight[split.others])
        a, b = np.triu_indices(len(own))
        sizes.extend(np.where(a == b, 1.0, np.sqrt(2.0)) / (own[a] * own[b]))
    return np.array(sizes)


def _first_multipliers(
    derivative: NDArray[np.float64], splits: Sequence[_Split], scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The solution of D'v = 0 closest to the identity: definite, if one of them is."""
    own = scale[derivative.shape[1] :]
    scaled = derivative * scale[: derivative.shape[1]] * own[:, None]
    identity = np.concatenate([np.eye(len(s.others))[np.triu_indices(len(s.others))] for s in splits])
    left, values, _ = np.linalg.svd(scaled, full_matrices=False)
    left = left[:, values > 1e-4]
    return (identity - left @ (left.T @ identity)) * own


def _multipliers(values: list[arb], splits: Sequence[_Split]) -> list[arb_mat]:
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
    entries: _Entries,
    splits: Sequence[_Split],
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
        _places(entries, free),
        _places(entries, entries.pivot_of_class[entries.classes[free]]),
        entries.share[free].tolist(),
        strict=True,
    )
    return [
        (share * (moments[b][i][j] - moments[c][k][m])).mid()
        for (b, i, j), (c, k, m), share in pairs
    ]


def _curvature(
    problem: GramProblem,
    entries: _Entries,
    splits: Sequence[_Split],
    parts: Sequence[tuple[list[arb], arb_mat]],
    multipliers: Sequence[arb_mat],
    unknowns: list[arb],
) -> NDArray[np.float64]:
    """H in floats, (K, K)."""
    constants = [arb(value) for value in problem.coefficients]
    blocks = _matrices(problem, entries, constants, unknowns[: len(entries.free)])
    total = np.zeros((len(entries.free), len(entries.free)))
    for b, (split, (_, solver), weights) in enumerate(
        zip(splits, parts, multipliers, strict=True)
    ):
        if not len(split.pivots) or not len(split.others):
            continue
        corner = _floats(blocks[b])[np.ix_(split.pivots, split.pivots)]
        change = _coupled_changes(entries, b, split, _kernel(split, solver))
        solved = np.linalg.solve(corner, change.reshape(len(corner), -1))
        weighted = np.einsum("rak,ab->rbk", change, _floats(weights))
        width = total.shape[1]
        total -= 2 * weighted.reshape(-1, width).T @ solved.reshape(-1, width)
    return total


def _coupled_changes(
    entries: _Entries, b: int, split: _Split, kernel: NDArray[np.float64]
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


def _largest_exponent(values: list[arb]) -> float:
    return max(map(_exponent, values), default=_exponent(arb(0)))


def _pseudo_inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pseudo-inverse through the normal equations; the iteration makes up for their condition."""
    values, vectors = np.linalg.eigh(matrix.T @ matrix)
    is_large = values > SMALLEST_SQUARE * max(values[-1], 0.0) if len(values) else values > 0
    scaled = vectors[:, is_large] / values[is_large]
    return scaled @ (vectors[:, is_large].T @ matrix.T)


def _places(entries: _Entries, chosen: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    return list(
        zip(
            entries.block[chosen].tolist(),
            entries.row[chosen].tolist(),
            entries.column[chosen].tolist(),
            strict=True,
        )
    )


def _matrices(
    problem: GramProblem, entries: _Entries, constants: list[arb], y: list[arb]
) -> list[arb_mat]:
    """Q(y): the last entry of every class makes up for the others."""
    rest = list(constants)
    blocks = [arb_mat(size, size) for size in problem.sizes]
    classes, share = entries.classes.tolist(), entries.share.tolist()
    free = entries.free.tolist()
    for place, (b, i, j), value in zip(free, _places(entries, entries.free), y, strict=True):
        blocks[b][i, j] = blocks[b][j, i] = value
        rest[classes[place]] -= share[place] * value
    pivots = entries.pivot_of_class
    for monomial, (b, i, j) in enumerate(_places(entries, pivots)):
        value = rest[monomial] / share[int(pivots[monomial])]
        blocks[b][i, j] = blocks[b][j, i] = value
    return blocks


def _schur(block: arb_mat, split: _Split) -> tuple[list[arb], arb_mat]:
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


def _derivative(
    entries: _Entries, splits: Sequence[_Split], parts: Sequence[tuple[list[arb], arb_mat]]
) -> NDArray[np.float64]:
    """dS / dy in floats, (equations, K)."""
    kernels = [_kernel(split, solver) for split, (_, solver) in zip(splits, parts, strict=True)]
    free = entries.free
    pivots = entries.pivot_of_class[entries.classes[free]]
    ratio = -entries.share[free] / entries.share[pivots]
    rows = []
    for b, kernel in enumerate(kernels):
        first, second = np.triu_indices(kernel.shape[1])
        total = np.zeros((len(first), len(free)))
        for places, factor in ((free, np.ones(len(free))), (pivots, ratio)):
            here = entries.block[places] == b
            i, j = entries.row[places[here]], entries.column[places[here]]
            left = kernel[i][:, first] * kernel[j][:, second]
            both = left + kernel[j][:, first] * kernel[i][:, second]
            values = np.where((i == j)[:, None], left, both)
            total[:, here] += (values * factor[here][:, None]).T
        rows.append(total)
    return np.concatenate(rows)


def _kernel(split: _Split, solver: arb_mat) -> NDArray[np.float64]:
    """B in floats, (m, k)."""
    size = len(split.pivots) + len(split.others)
    kernel = np.zeros((size, len(split.others)))
    kernel[split.others, np.arange(len(split.others))] = 1.0
    if len(split.others) and len(split.pivots):
        kernel[split.pivots] = [[-float(v.mid()) for v in row] for row in solver.tolist()]
    return kernel


def _exponent(value: arb) -> float:
    """Binary exponent of a midpoint; far below all others for 0, infinite where it is no number."""
    if not value.is_finite():
        return float("inf")
    if value == 0:
        return -10.0 * BITS
    mantissa, exponent = value.man_exp()
    return float(int(mantissa).bit_length() + int(exponent))


def _fractions(solver: arb_mat) -> tuple[tuple[Fraction, ...], ...] | None:
    """The rows of -(Q_II^-1 Q_IJ)' as fractions; None if an entry is not close to a simple one."""
    rows = []
    for line in solver.transpose().tolist():
        row = []
        for value in line:
            exact = _as_fraction(value)
            close = exact.limit_denominator(1 << BITS // 3)
            if abs(close - exact) > Fraction(1, 1 << (BITS * 3) // 4):
                return None
            row.append(-close)
        rows.append(tuple(row))
    return tuple(rows)


def _as_fraction(value: arb) -> Fraction:
    """The midpoint, exactly."""
    mantissa, exponent = (int(part) for part in value.mid().man_exp())
    return Fraction(mantissa << exponent) if exponent >= 0 else Fraction(mantissa, 1 << -exponent)
