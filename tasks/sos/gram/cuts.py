"""A positive definite Gram matrix by a few cuts, each the cost of an eigendecomposition.

At the scale X = W^(-1/2) Q W^(-1/2) of the diagonal weights W, let L be the affine space of the
equations and D the projection onto its directions.  As long as the least eigenvalue of X is
negative, aim at the level t = share * |least eigenvalue| above 0: with eigenpairs (w_i, v_i) and
G = sum_i max(t - w_i, 0) v_i v_i', every Y >= t I in L satisfies <D G, Y - X> >= |G|^2.  The next X
is the point closest to X in the intersection of the last two of these half-spaces.

This is the method of `gpu.gram_batches` for one problem, with the weights and without a device.  It
costs O(m^3) per step where a Newton step costs O(K^3), and finds most full-rank Gram matrices with
large K within ten steps.  It decides nothing else, and knows nothing of how good its matrices are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import get_lapack_funcs

from tasks.sos.gram.problem import GramProblem, Grams

MAX_STEPS = 12
EARLY_SHARE, LATE_SHARE, EARLY_STEPS = 0.5, 0.3, 4
SINGLE_STEPS = 3
"""Steps with eigenpairs in single precision, which only makes a cut slightly worse."""
START = 1.5
LEAST = 1e-6
"""Least eigenvalue of the X that is returned."""
PARALLEL = 1e-8
"""Two cuts whose normals span a smaller squared sine are not intersected."""
NO_DIRECTION = 1e-12
"""Squared share of G along L below which X cannot be improved."""

_EIGEN = {
    np.dtype(kind): get_lapack_funcs(("syevd",), dtype=kind)[0] for kind in (np.float32, np.float64)
}


class _Cut(NamedTuple):
    """The half-space <normal, Y> >= offset; |normal|^2, and |G|^2."""

    normal: NDArray[np.float64]
    offset: float
    length: float
    gain: float


@dataclass(frozen=True, eq=False)
class _Space:
    """The equations, for entries as a flat vector, block after block."""

    problem: GramProblem
    scale: NDArray[np.float64]
    """sqrt(W_ii W_jj) of entry (i, j)."""
    classes: NDArray[np.int64]
    share: NDArray[np.float64]
    """Change of an entry per unit that is missing in its class."""

    @classmethod
    def of(cls, problem: GramProblem, weights: list[NDArray[np.float64]]) -> _Space:
        scale = np.concatenate([np.sqrt(np.outer(w, w)).ravel() for w in weights])
        classes = np.concatenate([rows.ravel() for rows in problem.rows])
        squares = np.bincount(classes, weights=scale * scale, minlength=problem.num_monomials)
        return cls(problem, scale, classes, scale / squares[classes])

    def sums(self, flat: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums of Q over the classes."""
        values = np.bincount(
            self.classes, weights=flat * self.scale, minlength=self.problem.num_monomials
        )
        return values.astype(np.float64)

    def projected(self, flat: NDArray[np.float64]) -> NDArray[np.float64]:
        """Closest point of L."""
        missing = self.problem.target - self.sums(flat)
        return flat + missing[self.classes] * self.share

    def direction(self, flat: NDArray[np.float64]) -> NDArray[np.float64]:
        """D."""
        return flat - self.sums(flat)[self.classes] * self.share

    def blocks(self, flat: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Views of the blocks."""
        ends = np.cumsum([size * size for size in self.problem.sizes])
        parts = np.split(flat, ends[:-1])
        return [
            part.reshape(size, size) for part, size in zip(parts, self.problem.sizes, strict=True)
        ]

    def identity(self) -> NDArray[np.float64]:
        """I."""
        return np.concatenate([np.eye(size).ravel() for size in self.problem.sizes])


def find_by_cuts(
    problem: GramProblem,
    weights: list[NDArray[np.float64]],
    *,
    max_steps: int = MAX_STEPS,
) -> tuple[Grams | None, int]:
    """Look for positive definite Gram matrices; also the number of steps.

    Parameters
    ----------
    problem : GramProblem
    weights : list of float64 (m_b,)
        Positive scales of the diagonals.
    max_steps : int
    """
    space = _Space.of(problem, weights)
    closest = space.projected(np.zeros(len(space.classes)))
    identity = space.identity()
    mean = float(closest @ identity) / sum(problem.sizes)
    flat = closest + space.direction(START * mean * identity)
    cut: _Cut | None = None
    for step in range(max_steps + 1):
        if _is_definite(space.blocks(flat)):
            return tuple(space.blocks(flat * space.scale)), step
        if step == max_steps:
            break
        new = _new_cut(space, flat, step)
        if new is None:
            return None, step
        flat, cut = space.projected(_moved(flat, new, cut)), new
    return None, max_steps


def _is_definite(blocks: list[NDArray[np.float64]]) -> bool:
    try:
        for block in blocks:
            np.linalg.cholesky(block - LEAST * np.eye(len(block)))
    except np.linalg.LinAlgError:
        return False
    return True


def _new_cut(space: _Space, flat: NDArray[np.float64], step: int) -> _Cut | None:
    """Cut through the level above the least eigenvalue; None if L has no such direction."""
    kind = np.float32 if step < SINGLE_STEPS else np.float64
    pairs = [_eigenpairs(block.astype(kind)) for block in space.blocks(flat)]
    lowest = min(float(values[0]) for values, _ in pairs)
    level = (EARLY_SHARE if step < EARLY_STEPS else LATE_SHARE) * max(abs(lowest), 2 * LEAST)
    gain, normals = 0.0, []
    for values, vectors in pairs:
        excess = np.maximum(level - values, 0.0)
        chosen = vectors[:, excess > 0] * np.sqrt(excess[excess > 0])
        normals.append((chosen @ chosen.T).astype(np.float64).ravel())
        gain += float(excess @ excess)
    normal = space.direction(np.concatenate(normals))
    length = float(normal @ normal)
    if not np.isfinite(length) or length <= NO_DIRECTION * gain:
        return None
    return _Cut(normal, gain + float(normal @ flat), length, gain)


def _eigenpairs(
    block: NDArray[np.floating],
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    values, vectors, info = _EIGEN[block.dtype](block, lower=1)
    if info:
        raise np.linalg.LinAlgError("the eigenvalues did not converge")
    return values, vectors


def _moved(flat: NDArray[np.float64], new: _Cut, old: _Cut | None) -> NDArray[np.float64]:
    """Closest point in the intersection of two half-spaces; `new` excludes the present one."""
    along = new.gain / new.length
    if old is None:
        return flat + along * new.normal
    missing = old.offset - float(old.normal @ flat)
    mixed = float(old.normal @ new.normal)
    lengths = new.length * old.length
    determinant = lengths - mixed * mixed
    if along * mixed >= missing or determinant <= PARALLEL * lengths:
        return flat + along * new.normal
    along = (new.gain * old.length - missing * mixed) / determinant
    beside = (missing * new.length - new.gain * mixed) / determinant
    return flat + along * new.normal + beside * old.normal
