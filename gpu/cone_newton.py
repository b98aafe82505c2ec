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
gradients.  Only the r eigenvectors on one side of the level are needed: with X = B' T B for
tridiagonal T, what H does beyond them are solutions of (T - w_i) z = y, and a product costs
O(m^2 r).  T, B and steps are in single precision; X is put back onto L in double precision.
The first X that is positive definite ends the run: t need not be reached, nor be within reach. As
long as the lowest eigenvalue is far below 0, t is a share of its absolute value; without that X may
approach the cone only by a constant factor per step. A step after which phi at the least level is
not smaller is halved, and t is that level from then on.

Most affine spaces that meet the interior of the cone by a margin are done after 1 to 5 steps.
Where the gradient in L vanishes before phi does, no point of L has the level; then a lower one is
tried, and in the end nothing is returned.  That does not prove that there is nothing.

References
----------
Qi and Sun, A quadratically convergent Newton method for computing the nearest correlation matrix,
SIAM J. Matrix Anal. Appl. 2006; Sun and Sun, Semismooth matrix-valued functions, Math. Oper. Res.
2002 (the Hessian).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import get_lapack_funcs

from gpu._cone_kernels import (
    coordinates,
    distance,
    low_parts,
    lowest_of_blocks,
    move,
    newton_direction,
    weighted_sums,
)

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

_tridiagonal, _orthogonal = get_lapack_funcs(("sytrd", "orgqr"), dtype=np.float32)
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

    def has_helped(self, values: NDArray[np.float64]) -> bool:
        """Whether phi has fallen, by the eigenvalues below that level after the step."""
        return distance(values, self.least) < self.distance

    def shortened(self) -> _Step:
        """A part of it."""
        return replace(self, change=np.float32(SHORTER) * self.change)


class _Space:
    """L, in coordinates whose length is that of X (`gpu._cone_kernels`)."""

    def __init__(self, blocks: tuple[NDArray[np.float64], ...], moving: MovingEntries) -> None:
        self.rows = np.array([0, *accumulate(map(len, blocks))])
        self.start = moving.start
        self.places, self.scales = coordinates(
            moving.row, moving.column, moving.weight, moving.start, self.rows
        )
        self.single = self.scales.astype(np.float32)
        self.flat = np.concatenate([matrix.ravel() for matrix in blocks])
        ends = accumulate(len(block) ** 2 for block in blocks)
        self.blocks = [
            self.flat[end - block.size : end].reshape(block.shape)
            for end, block in zip(ends, blocks, strict=True)
        ]
        self.place = self.flat[self.places[0]] * self.scales[0]
        self.constants = weighted_sums(self.place, self.scales, self.start)

    def move(self, change: NDArray[np.float32], share: float = 1.0) -> bool:
        """Add a part of a change, and go to the closest point of L; whether it is finite."""
        places = (self.places, self.scales, self.start)
        return move(self.flat, self.place, change, share, self.constants, *places)


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
        Limit on steps, each with tridiagonal forms of all blocks.
    on_step : callable
        Called before every step; may raise to end the run.
    """
    space = _Space(blocks, moving)
    mean = sum(float(np.trace(block)) for block in blocks) / max(1, int(space.rows[-1]))
    if not (len(moving.row) and np.isfinite(space.flat).all() and mean > 0):
        return DefinitePoint(None, np.nan, 0)
    towards = np.where(moving.row == moving.column, np.float32(START), np.float32(0))
    is_finite = space.move(towards, mean)
    at, since, is_far = 0, 0, True
    last: _Step | None = None
    for step in range(max_steps + 1):
        if not is_finite:
            break
        pivot = _least_pivot(space.blocks, LEAST)
        if pivot is not None:
            return DefinitePoint(tuple(space.blocks), _lowest(space.blocks, pivot), step)
        if step == max_steps:
            break
        on_step()
        forms = _Forms(space)
        if not np.isfinite(forms.bands).all():
            break
        lowest = forms.lowest(mean) if is_far else mean
        reach = max(LEVELS[0] * mean, -SHARE * lowest)
        parts = forms.parts(reach)
        if last is not None and not last.has_helped(parts.below):
            is_finite = space.move(last.change, SHORTER - 1.0)
            last, is_far = last.shortened(), False
            continue
        if since == LEVEL_STEPS and at + 1 < len(LEVELS):
            at, since = at + 1, 0
        products = PRODUCTS[min(step, len(PRODUCTS) - 1)]
        while True:
            least = LEVELS[at] * mean
            level = max(least, -SHARE * lowest) if is_far else least
            if level < reach:
                parts, reach = forms.parts(level), level
            last, promise = _newton_step(space, forms, parts, level, least, products)
            if promise >= STUCK:
                break
            if level > least:
                is_far = False
            elif at + 1 < len(LEVELS):
                at, since = at + 1, 0
            else:
                return DefinitePoint(None, np.nan, step)
        is_finite = space.move(last.change)
        since += 1
    return DefinitePoint(None, np.nan, step)


def _least_pivot(blocks: Sequence[NDArray[np.float64]], least: float) -> float | None:
    """An upper bound on the lowest eigenvalue if all are above `least`, else None.

    Both up to rounding errors, for finite matrices: a squared pivot of Cholesky's method bounds
    the lowest eigenvalue from above.
    """
    pivots = []
    for block in blocks:
        shifted = block.copy()
        shifted.ravel()[:: len(block) + 1] -= least
        factor, failed = _cholesky(shifted.T, lower=1, overwrite_a=1)
        if failed:
            return None
        pivots.append(float(factor.diagonal().min(initial=np.inf)))
    return min(pivots) ** 2 + least


def _lowest(blocks: Sequence[NDArray[np.float64]], at_most: float) -> float:
    """The largest of some powers of 10 that bounds all eigenvalues from below."""
    tried = (least for least in BOUNDS if least <= at_most)
    return next((least for least in tried if _least_pivot(blocks, least) is not None), LEAST)


class _Parts(NamedTuple):
    """Eigenpairs of tridiagonal forms T on that side of a level where there are fewer of them.

    Attributes
    ----------
    signs : float64 (B,)
        s_b: 1 for the eigenpairs of T below the level, -1 for those of -T below minus the level.
    ranks : int64 (B,)
        r_b, how many there are.
    values : float64 (sum of r_b,)
    vectors : float64 (sum of m_b r_b,)
        Matrices (m_b, r_b) with orthonormal columns.
    below : float64 (R,)
        All eigenvalues below the level.
    """

    signs: NDArray[np.float64]
    ranks: NDArray[np.int64]
    values: NDArray[np.float64]
    vectors: NDArray[np.float64]
    below: NDArray[np.float64]


class _Forms:
    """Tridiagonal forms T of all blocks X = B' T B, found in single precision.

    Attributes
    ----------
    bands : float64 (2, M)
        Diagonals, and what is beside them; not finite where entries are beyond single precision.
    bases : float32 (sum of m_b^2,)
        Matrices B.
    """

    def __init__(self, space: _Space) -> None:
        self.rows = space.rows
        self.bands = np.zeros((2, space.rows[-1]))
        self.bases = np.zeros(len(space.flat), np.float32)
        offset = 0
        for first, block in zip(space.rows.tolist(), space.blocks, strict=False):
            size = len(block)
            end = offset + size * size
            if size == 1:
                self.bases[offset], self.bands[0, first] = 1.0, block[0, 0]
            elif size > 1:
                form = self.bands[:, first : first + size]
                self._reduce(block, form, self.bases[offset:end].reshape(size, size))
            offset = end

    @staticmethod
    def _reduce(
        block: NDArray[np.float64], form: NDArray[np.float64], basis: NDArray[np.float32]
    ) -> None:
        """Write the bands and the basis of one block."""
        work = 64 * len(block)
        with np.errstate(over="ignore"):
            single = block.T.astype(np.float32)
        packed, form[0], form[1, :-1], scales, _ = _tridiagonal(
            single, lower=1, lwork=work, overwrite_a=1
        )
        basis[0, 0] = 1.0
        basis[1:, 1:] = _orthogonal(packed[1:, :-1], scales, lwork=work)[0].T

    def parts(self, level: float) -> _Parts:
        """Eigenpairs on one side of a level."""
        return _Parts(*low_parts(self.bands, self.rows, level))

    def lowest(self, at_most: float) -> float:
        """About the lowest eigenvalue, or about the bound if it is above."""
        return float(lowest_of_blocks(self.bands, self.rows, at_most))


def _newton_step(
    space: _Space, forms: _Forms, parts: _Parts, level: float, least: float, num_products: int
) -> tuple[_Step, float]:
    """The step at a level, and the share of phi there that it promises to remove."""
    form = (space.place, forms.bases, forms.bands, space.rows, *parts[:-1])
    places = (space.places, space.single, space.start)
    change, slope = newton_direction(*form, level, *places, num_products)
    promise = float(slope) / max(2.0 * distance(parts.below, level), 1e-300)
    return _Step(change, least, distance(parts.below, least)), promise
