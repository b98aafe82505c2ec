"""The equations of a Gram problem at the scale X = W^(-1/2) Q W^(-1/2), for methods of projection.

L is the affine space of the X that satisfy them, D the projection onto its directions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import get_lapack_funcs

from tasks.sos.gram.problem import GramProblem

_EIGEN = {
    np.dtype(kind): get_lapack_funcs(("syevd",), dtype=kind)[0] for kind in (np.float32, np.float64)
}


@dataclass(frozen=True, eq=False)
class ScaledSpace:
    """The equations, for entries as a flat vector, block after block."""

    problem: GramProblem
    scale: NDArray[np.float64]
    """sqrt(W_ii W_jj) of entry (i, j)."""
    classes: NDArray[np.int64]
    share: NDArray[np.float64]
    """Change of an entry per unit that is missing in its class."""

    @classmethod
    def of(cls, problem: GramProblem, weights: list[NDArray[np.float64]]) -> ScaledSpace:
        """Set up the scale of the weights, float64 (m_b,) for every block."""
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


def eigenpairs(
    block: NDArray[np.floating],
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Eigenvalues, ascending, and eigenvectors of a symmetric matrix in its own precision.

    Raises
    ------
    numpy.linalg.LinAlgError
    """
    values, vectors, info = _EIGEN[block.dtype](block, lower=1)
    if info:
        raise np.linalg.LinAlgError("the eigenvalues did not converge")
    return values, vectors
