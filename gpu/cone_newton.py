"""Positive definite matrices in an affine space, by semismooth Newton steps on a distance.

Of a symmetric, block diagonal matrix X some entries may move, in groups: the sum of c_e x_e over
every group stays.  Let L be the affine space of these matrices, D the projection onto its
directions, and t a level above 0.  With eigenpairs (w_i, v_i) of X the squared distance to the
matrices with eigenvalues >= t,

    phi(X) = |G|^2 / 2,    G = sum_i max(t - w_i, 0) v_i v_i',

is convex with the gradient -G, and its generalized Hessian is

    H[Y] = V (Omega o V'YV) V',    Omega_ij = 1                        if w_i, w_j < t
                                              (t - w_i) / (w_j - w_i)  if w_i < t <= w_j
                                              0                        if t <= w_i, w_j.

A step goes from X to X + Y, where Y solves (D H D + eps) Y = D G to the accuracy of a few conjugate
gradients. As G and H only need the r eigenvectors below the level on one side, a product costs
O(m^2 r). Eigenpairs and steps are in single precision; X is put back onto L in double precision.
The first X that is positive definite ends the run: t need not be reached, nor be within reach. As
long as the lowest eigenvalue is far below 0, t is a share of its absolute value; without that X may
approach the cone only by a constant factor per step. A step after which phi at the least level is
not smaller is halved, and t is that level from then on.

Most affine spaces that meet the interior of the cone by a margin are done after 1 to 5 steps.
Where the gradient in L vanishes before phi does, no point of L has the level; then a lower one is
tried, and in the end nothing is returned.  That is no proof that there is nothing.

References
----------
Qi and Sun, A quadratically convergent Newton method for computing the nearest correlation matrix,
SIAM J. Matrix Anal. Appl. 2006; Sun and Sun, Semismooth matrix-valued functions, Math. Oper. Res.
2002 (the Hessian).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import get_lapack_funcs

from gpu._cone_kernels import newton_direction, return_to_sums, weighted_sums

MAX_STEPS = 12
LEVELS = (0.03, 0.01, 0.003)
"""Least t relative to the mean eigenvalue of the point of L closest to 0, one after the other."""
SHARE = 0.5
"""t is at least this share of the absolute value of the lowest eigenvalue."""
LEVEL_STEPS = 5
"""Steps at a level; the last one has what is left."""
START = 2.0
"""The first X is the point of L closest to START times that mean times the identity."""
STUCK = 0.02
"""Of phi: a step that promises less shows that the level is out of reach."""
PRODUCTS = (4, 5, 6)
"""Conjugate gradients of the first, the second, and every later step."""
SHORTER = 0.5
"""Part of a step that is left where it has not brought X closer; no level above the least then."""
LEAST = 1e-6
"""Least eigenvalue, about, of a matrix that counts as positive definite."""
BOUNDS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
"""Lower bounds that are tried on the eigenvalues of what is found."""

_eigenpairs = get_lapack_funcs("syevd", dtype=np.float32)
_cholesky = get_lapack_funcs("potrf", dtype=np.float64)


@dataclass(frozen=True, eq=False)
class MovingEntries:
    """Entries that may move, group after group.

    Attributes
    ----------
    row, column : int64 (E,)
        Places on and above the diagonal, in the same block; rows are counted through all blocks.
    weight : float64 (E,)
        c_e, which counts both triangles.
    start : int64 (C + 1,)
        Group c has the entries start[c]:start[c + 1].
    """

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    weight: NDArray[np.float64]
    start: NDArray[np.int64]


@dataclass(frozen=True)
class DefinitePoint:
    """What was found.

    Attributes
    ----------
    blocks : tuple of float64 (m_b, m_b), or None
        Positive definite matrices in L, up to rounding errors.
    lowest : float
        A lower bound on their eigenvalues, up to 0.1 within a factor of 10; NaN without them.
    num_steps : int
    """

    blocks: tuple[NDArray[np.float64], ...] | None
    lowest: float
    num_steps: int


@dataclass(frozen=True, eq=False)
class _Step:
    """A change of the coordinates.

    Attributes
    ----------
    change : float32 (E,)
        Y.
    least : float
        The least level.
    distance : float
        phi at that level, before the step.
    """

    change: NDArray[np.float32]
    least: float
    distance: float

    def has_helped(self, values: NDArray[np.float32]) -> bool:
        """Whether phi has fallen, by the eigenvalues after the step."""
        return _distance(values, self.least) < self.distance

    def shortened(self) -> _Step:
        """A part of it."""
        return replace(self, change=np.float32(SHORTER) * self.change)


class _Space:
    """L, in coordinates sqrt(2) x_e off and x_e on the diagonal, whose length is that of X."""

    def __init__(self, blocks: tuple[NDArray[np.float64], ...], moving: MovingEntries) -> None:
        sizes = np.array([len(block) for block in blocks], dtype=np.int64)
        self.rows = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        offsets = np.concatenate([[0], np.cumsum(sizes * sizes)[:-1]])
        block = np.searchsorted(self.rows, moving.row, side="right") - 1
        first, width = self.rows[block], sizes[block]
        row, column = moving.row - first, moving.column - first
        self.upper = offsets[block] + row * width + column
        self.lower = offsets[block] + column * width + row
        self.moving = moving
        self.unit = np.where(row == column, 1.0, np.sqrt(2.0))
        self.normal = moving.weight / self.unit
        self.single = (self.unit.astype(np.float32), self.normal.astype(np.float32))
        self.flat = np.concatenate([matrix.ravel() for matrix in blocks])
        ends = (offsets + sizes * sizes).tolist()
        self.blocks = [
            self.flat[end - size * size : end].reshape(size, size)
            for end, size in zip(ends, sizes.tolist(), strict=True)
        ]
        self.place = self.flat[self.upper] * self.unit
        self.constants = weighted_sums(self.place, self.normal, moving.start)

    def move(self, change: NDArray[np.floating]) -> None:
        """Add a change, and go to the closest point of L."""
        self.place = self.place + change
        return_to_sums(self.place, self.normal, self.moving.start, self.constants)
        values = self.place / self.unit
        self.flat[self.upper] = values
        self.flat[self.lower] = values


def find_definite(
    blocks: tuple[NDArray[np.float64], ...],
    moving: MovingEntries,
    *,
    max_steps: int = MAX_STEPS,
    on_step: Callable[[], None] = lambda: None,
) -> DefinitePoint:
    """Look for positive definite matrices in an affine space.

    Parameters
    ----------
    blocks : tuple of float64 (m_b, m_b)
        The point of L closest to 0, symmetric; its entries should be about 1.
    moving : MovingEntries
    max_steps : int
        Eigendecompositions.
    on_step : callable
        Called before every step; may raise to end the run.
    """
    space = _Space(blocks, moving)
    mean = sum(float(np.trace(block)) for block in blocks) / max(1, int(space.rows[-1]))
    if not (len(moving.row) and np.isfinite(space.flat).all() and mean > 0):
        return DefinitePoint(None, np.nan, 0)
    space.move(np.where(moving.row == moving.column, START * mean, 0.0))
    at, since, is_far = 0, 0, True
    last: _Step | None = None
    for step in range(max_steps + 1):
        if not np.isfinite(space.place).all():
            break
        if _is_definite(space.blocks, LEAST):
            return DefinitePoint(tuple(space.blocks), _lowest(space.blocks), step)
        if step == max_steps:
            break
        on_step()
        try:
            values, vectors = _spectrum(space)
        except np.linalg.LinAlgError:
            break
        if last is not None and not last.has_helped(values):
            space.move((SHORTER - 1.0) * last.change)
            last, is_far = last.shortened(), False
            continue
        if since == LEVEL_STEPS and at + 1 < len(LEVELS):
            at, since = at + 1, 0
        products = PRODUCTS[min(step, len(PRODUCTS) - 1)]
        while True:
            least = LEVELS[at] * mean
            level = max(least, -SHARE * float(values.min())) if is_far else least
            last, promise = _newton_step(space, values, vectors, level, least, products)
            if promise >= STUCK:
                break
            if level > least:
                is_far = False
            elif at + 1 < len(LEVELS):
                at, since = at + 1, 0
            else:
                return DefinitePoint(None, np.nan, step)
        space.move(last.change)
        since += 1
    return DefinitePoint(None, np.nan, step)


def _is_definite(blocks: Sequence[NDArray[np.float64]], least: float) -> bool:
    """Whether all eigenvalues of finite matrices are above a bound, up to rounding errors."""
    for block in blocks:
        shifted = block.copy()
        shifted.ravel()[:: len(block) + 1] -= least
        if _cholesky(shifted.T, lower=1, overwrite_a=1)[1]:
            return False
    return True


def _lowest(blocks: Sequence[NDArray[np.float64]]) -> float:
    """The largest of some powers of 10 that bounds all eigenvalues from below."""
    return next((least for least in BOUNDS if _is_definite(blocks, least)), LEAST)


def _spectrum(space: _Space) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Eigenvalues of all blocks, each in ascending order, and eigenvectors as rows, flat."""
    values, vectors = np.empty(space.rows[-1], np.float32), np.empty(len(space.flat), np.float32)
    offset = 0
    for first, block in zip(space.rows.tolist(), space.blocks, strict=False):
        size = len(block)
        found, pairs, failed = _eigenpairs(block.T.astype(np.float32), lower=1, overwrite_a=1)
        if failed:
            raise np.linalg.LinAlgError("the eigenvalues did not converge")
        values[first : first + size] = found
        vectors[offset : offset + size * size] = pairs.T.ravel()
        offset += size * size
    return values, vectors


def _newton_step(
    space: _Space,
    values: NDArray[np.float32],
    vectors: NDArray[np.float32],
    level: float,
    least: float,
    num_products: int,
) -> tuple[_Step, float]:
    """The step at a level, and the share of phi there that it promises to remove."""
    places = (space.upper, space.lower, *space.single, space.moving.start)
    change, slope = newton_direction(
        vectors, values, np.float32(level), space.rows, *places, num_products
    )
    promise = float(slope) / max(2.0 * _distance(values, level), 1e-300)
    return _Step(change, least, _distance(values, least)), promise


def _distance(values: NDArray[np.float32], level: float) -> float:
    """phi, from the eigenvalues."""
    missing = np.maximum(level - values, 0.0)
    return 0.5 * float(missing @ missing)
