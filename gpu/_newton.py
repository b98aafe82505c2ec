"""Newton steps for barrier problems: directions by factored Hessians, lengths by eigenvalues."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, get_blas_funcs, get_lapack_funcs

RIDGE = 1e-14
"""Added to the diagonal of a Hessian, relative to it: rounding errors of a singular one."""
LONGEST = 1e6
"""Newton directions that one step may take, where the objective is unbounded."""

_cholesky, _triangular_solve = get_lapack_funcs(("potrf", "trtrs"), dtype=np.float64)
(_length,) = get_blas_funcs(("nrm2",), dtype=np.float64)


class Newton:
    """Gradient and factored Hessian H = L L' of -log det at one point."""

    def __init__(
        self,
        gradient: NDArray[np.float64],
        hessian: NDArray[np.float64],
        equation: NDArray[np.float64] | None,
    ) -> None:
        """Take the upper triangle of the Hessian, which is overwritten."""
        diagonal = hessian.diagonal()
        hessian.flat[:: len(diagonal) + 1] += RIDGE * np.maximum(diagonal, 1e-300)
        # In Fortran's order the upper triangle is the lower one.
        factor, info = _cholesky(hessian.T, lower=1, clean=0, overwrite_a=1)
        if info:
            raise np.linalg.LinAlgError("the Hessian matrix is singular to working precision")
        self.gradient, self._factor = gradient, factor
        self._normal = None if equation is None else self._half(equation)

    def solve(self, residual: NDArray[np.float64]) -> tuple[NDArray[np.float64], float, float]:
        """Solution of H d = r + nu a with a'd = 0, the length sqrt(d'Hd), and nu."""
        half, nu = self._half(residual), 0.0
        if self._normal is not None:
            nu = -float(self._normal @ half) / float(self._normal @ self._normal)
            half = half + nu * self._normal
        step, _ = _triangular_solve(self._factor, half, lower=1, trans=1)
        return step, float(_length(half)), nu

    def _half(self, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        """Solution of L x = vector."""
        half, _ = _triangular_solve(self._factor, vector, lower=1)
        return half


def inverse_of(factor: NDArray[np.floating]) -> NDArray[np.float64]:
    """Symmetric inverse of L L'."""
    inverse = np.asarray(cho_solve((factor, True), np.eye(len(factor))))
    return (inverse + inverse.T) / 2


def minimize_on_line(eigenvalues: NDArray[np.float64], slope: float, limit: float) -> float:
    """Minimize -slope a - sum log(1 + a e) over 0 < a < limit by safeguarded Newton steps."""
    low, high, length = 0.0, limit, min(1.0, 0.9 * limit)
    for _ in range(40):
        terms = eigenvalues / (1.0 + length * eigenvalues)
        derivative = -slope - float(terms.sum())
        if derivative > 0:
            high = length
        else:
            low = length
        curvature = float(terms @ terms)
        if abs(derivative) <= 1e-3 * np.sqrt(curvature) or curvature == 0.0:
            break
        proposal = length - derivative / curvature
        if not low < proposal < high:
            proposal = (low + high) / 2 if np.isfinite(high) else 2.0 * length
        length = proposal
    return min(length, 0.999 * limit, LONGEST)
