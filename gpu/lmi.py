"""Linear matrix inequalities: maximize b'y over F(y) = F_0 + sum_k y_k F_k >= 0, by a barrier.

F_k is symmetric and block diagonal and has few entries.  With P = F(y)^-1 the barrier
-log det F(y) has the gradient -<P, F_k> and the Hessian <P F_k P, F_l>.  The path
y(mu) = argmin -b'y / mu - log det F(y) is followed from a strictly feasible point to mu -> 0 by
damped Newton steps with exact line searches.

Near the path, with the Newton direction d and D = sum_k d_k F_k, the matrix

    X = mu (P - P D P)

is positive semidefinite and satisfies <F_k, X> = -b_k - nu a_k in exact arithmetic, where nu
belongs to an optional equation a'y = const that the start satisfies.  So every feasible y obeys
b'y <= <F_0, X> - nu a'y: optima come with proofs of optimality, and infeasible problems with
separating functionals.

References
----------
Boyd and Vandenberghe, Convex Optimization, 2004, section 11.3 (barrier method) and 11.6 (matrix
inequalities).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from gpu._newton import Newton, inverse_of, minimize_on_line
from gpu.barrier import fill_barrier

MAX_STEPS = 400
SHRINK = 0.15
"""Factor of mu once a point is close to the path."""
CLOSE = 0.6
"""Newton decrement of a point that is close to the path."""
BEND_COST = 30.0
"""Of following the second derivative of the path, in units of sum m_b**3; a step takes K**3."""


@dataclass(frozen=True)
class Lmi:
    """F_0 and the entries of F_1..F_K, in the order of k and within k of the block.

    Attributes
    ----------
    constants : tuple of float64 (m_b, m_b)
        Blocks of F_0.
    start : int64 (K + 1,)
        F_k has the entries start[k]:start[k + 1].
    block, row, column : int64 (N,)
        Place of an entry, row <= column; it stands for its mirror image too.
    value : float64 (N,)
    """

    constants: tuple[NDArray[np.float64], ...]
    start: NDArray[np.int64]
    block: NDArray[np.int64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    value: NDArray[np.float64]

    @property
    def num_variables(self) -> int:
        """K."""
        return len(self.start) - 1

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes m_b of the blocks."""
        return tuple(len(constant) for constant in self.constants)

    def combination(self, y: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Blocks of ``sum_k y_k F_k``."""
        weights = np.repeat(y, np.diff(self.start)) * self.value
        total = int(self._widths() @ self._widths())
        flat: NDArray[np.float64] = np.bincount(self._places, weights, total).astype(np.float64)
        flat += np.bincount(self._mirrored, weights * self._is_mirrored, total)
        return [
            flat[offset : offset + size * size].reshape(size, size)
            for offset, size in zip(self._offsets().tolist(), self.sizes, strict=False)
        ]

    def inner_products(self, matrices: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Inner products <F_k, X>, float64 (K,), with a symmetric block matrix."""
        flat = np.concatenate([matrix.ravel() for matrix in matrices])
        terms = flat[self._places] * self.value * np.where(self.row == self.column, 1.0, 2.0)
        return np.add.reduceat(np.append(terms, 0.0), self.start[:-1]) * (np.diff(self.start) > 0)

    @cached_property
    def _places(self) -> NDArray[np.int64]:
        """Of the entries, where the blocks are flat and one after the other."""
        return self._offsets()[self.block] + self.row * self._widths()[self.block] + self.column

    @cached_property
    def _mirrored(self) -> NDArray[np.int64]:
        """Places of the mirror images."""
        return self._offsets()[self.block] + self.column * self._widths()[self.block] + self.row

    @cached_property
    def _is_mirrored(self) -> NDArray[np.bool_]:
        """Whether an entry is above the diagonal."""
        return self.row != self.column

    def _widths(self) -> NDArray[np.int64]:
        return np.array(self.sizes, dtype=np.int64)

    def _offsets(self) -> NDArray[np.int64]:
        widths = self._widths()
        return np.concatenate([[0], np.cumsum(widths * widths)[:-1]]).astype(np.int64)


@dataclass(frozen=True)
class LmiPoint:
    """A strictly feasible point close to the path, with its dual matrix.

    Attributes
    ----------
    y : float64 (K,)
    slacks : tuple of float64 (m_b, m_b)
        F(y).
    duals : tuple of float64 (m_b, m_b)
        X, positive definite if `is_close`.
    nu : float
        Multiplier of the equation; 0 without one.
    mu : float
        Parameter of the path.
    objective, bound : float
        b'y, and the upper bound that X proves if `is_close`.
    is_close : bool
        Whether the Newton decrement is below 1, so that X is positive definite.
    """

    y: NDArray[np.float64]
    slacks: tuple[NDArray[np.float64], ...]
    duals: tuple[NDArray[np.float64], ...]
    nu: float
    mu: float
    objective: float
    bound: float
    is_close: bool


@dataclass(frozen=True)
class LmiSolution:
    """Where the path was left.

    Attributes
    ----------
    point : LmiPoint
        The last point that was close to the path; of a run without one, the last point.
    num_steps : int
        Newton steps.
    ended : str
        ``stop`` (as the caller asked), ``enough`` (the objective is large enough; this point need
        not be close to the path), ``gap`` (mu is small enough), ``stalled`` (rounding errors),
        ``steps``.
    """

    point: LmiPoint
    num_steps: int
    ended: str


class _Path:
    """The Newton steps of one problem."""

    def __init__(
        self, lmi: Lmi, objective: NDArray[np.float64], equation: NDArray[np.float64] | None
    ) -> None:
        self.lmi, self.objective, self.equation = lmi, objective, equation
        self._layout = (lmi._widths(), lmi._offsets())
        self._entries = (lmi.start, lmi.block, lmi.row, lmi.column)
        self._weights = lmi.value * np.where(lmi.row == lmi.column, 0.5, 1.0)

    def move_to(self, y: NDArray[np.float64]) -> bool:
        """Go to a point; False if it is not strictly feasible."""
        slacks = [
            constant + part
            for constant, part in zip(self.lmi.constants, self.lmi.combination(y), strict=True)
        ]
        try:
            factors = [np.linalg.cholesky(slack) for slack in slacks]
        except np.linalg.LinAlgError:
            return False
        self.y, self.slacks, self.factors = y, slacks, factors
        self.inverses = [inverse_of(factor) for factor in factors]
        self._newton: Newton | None = None
        return True

    def newton(self) -> Newton:
        """Derivatives at the present point; they do not depend on mu."""
        if self._newton is None:
            self._newton = self._factored()
        return self._newton

    def _factored(self) -> Newton:
        size = self.lmi.num_variables
        flat = np.concatenate([inverse.ravel() for inverse in self.inverses])
        gradient, hessian = np.empty(size), np.empty((size, size))
        fill_barrier(flat, *self._layout, *self._entries, self._weights, gradient, hessian)
        return Newton(gradient, hessian, self.equation)

    def direction(self, mu: float) -> tuple[NDArray[np.float64], float, float]:
        """Newton direction, decrement, and the multiplier of the equation."""
        newton = self.newton()
        step, decrement, nu = newton.solve(self.objective / mu - newton.gradient)
        if not (np.isfinite(decrement) and np.isfinite(step).all()):
            raise np.linalg.LinAlgError("the Newton direction is not finite")
        return step, decrement, mu * nu

    def best_move(self, step: NDArray[np.float64], mu: float) -> tuple[NDArray[np.float64], float]:
        """Direction and length towards the minimum of the barrier problem.

        The Newton direction d is the tangent of the curve on which the gradient tends to 0; with
        H c = <F_k, P D P D P>, half of its second derivative, y + l d + l^2 c follows it further.
        So after a line search along d there is another one along d + l c.
        """
        length, value = self._line_search(step, mu)
        if self.lmi.num_variables**3 < BEND_COST * sum(size**3 for size in self.lmi.sizes):
            return step, length
        bends = []
        for inverse, change in zip(self.inverses, self.lmi.combination(step), strict=True):
            half = inverse @ change
            bend = half @ inverse @ half.T
            bends.append((bend + bend.T) / 2)
        bend, _, _ = self.newton().solve(self.lmi.inner_products(bends))
        bent = step + length * bend
        if not np.isfinite(bent).all():
            return step, length
        bent_length, bent_value = self._line_search(bent, mu)
        return (bent, bent_length) if bent_value < value else (step, length)

    def _line_search(self, step: NDArray[np.float64], mu: float) -> tuple[float, float]:
        """Length that minimizes the barrier problem along a direction, and the change there."""
        roots = []
        for factor, change in zip(self.factors, self.lmi.combination(step), strict=True):
            half = solve_triangular(factor, change, lower=True)
            whole = solve_triangular(factor, np.transpose(half), lower=True)
            roots.append(np.linalg.eigvalsh(whole))
        eigenvalues = np.concatenate(roots)
        slope = float(self.objective @ step) / mu
        lowest = float(eigenvalues.min())
        limit = np.inf if lowest >= 0 else -1.0 / lowest
        length = minimize_on_line(eigenvalues, slope, limit)
        return length, -slope * length - float(np.log1p(length * eigenvalues).sum())

    def point(self, mu: float, step: NDArray[np.float64], nu: float, decrement: float) -> LmiPoint:
        """Describe the present point."""
        duals = []
        for inverse, change in zip(self.inverses, self.lmi.combination(step), strict=True):
            dual = mu * (inverse - inverse @ change @ inverse)
            duals.append((dual + dual.T) / 2)
        bound = sum(
            float(np.vdot(constant, dual))
            for constant, dual in zip(self.lmi.constants, duals, strict=True)
        )
        if self.equation is not None:
            bound -= nu * float(self.equation @ self.y)
        return LmiPoint(
            y=self.y,
            slacks=tuple(self.slacks),
            duals=tuple(duals),
            nu=nu,
            mu=mu,
            objective=float(self.objective @ self.y),
            bound=bound,
            is_close=decrement < 1.0,
        )


def maximize_lmi(
    lmi: Lmi,
    objective: NDArray[np.float64],
    start: NDArray[np.float64],
    *,
    equation: NDArray[np.float64] | None = None,
    stop: Callable[[LmiPoint], bool] = lambda _: False,
    on_step: Callable[[], None] = lambda: None,
    enough: float = np.inf,
    mu: float = 1.0,
    smallest_mu: float = 1e-11,
    max_steps: int = MAX_STEPS,
) -> LmiSolution:
    """Follow the path from a strictly feasible point.

    Parameters
    ----------
    lmi : Lmi
    objective : float64 (K,)
        b.
    start : float64 (K,)
        F(start) must be positive definite.
    equation : float64 (K,), optional
        a: the path keeps a'y at its value at the start.
    stop : callable
        Asked at every point close to the path; True ends the run there.
    on_step : callable
        Called before every Newton step; may raise to end the run.
    enough : float
        The run ends at the first point, close to the path or not, with so large an objective.
    mu, smallest_mu : float
        First and last parameter of the path.

    Raises
    ------
    ValueError
        If the start is not strictly feasible.
    LinAlgError
        If there is no Newton direction at the start.
    """
    path = _Path(lmi, objective, equation)
    if not path.move_to(start):
        raise ValueError("the start is not strictly feasible: F(start) must be positive definite")
    best: LmiPoint | None = None
    ended = "steps"
    steps = 0
    while steps < max_steps:
        on_step()
        try:
            step, decrement, nu = path.direction(mu)
        except np.linalg.LinAlgError:
            ended = "stalled"
            break
        if decrement < CLOSE or best is None:
            point = path.point(mu, step, nu, decrement)
            best = point if point.is_close or best is None else best
            if point.is_close and stop(point):
                ended = "stop"
                break
        if decrement < CLOSE:
            if mu <= smallest_mu:
                ended = "gap"
                break
            mu = max(mu * SHRINK, smallest_mu)
            continue
        step, length = path.best_move(step, mu)
        steps += 1
        if length * decrement < 1e-9 or not path.move_to(path.y + length * step):
            ended = "stalled"
            break
        if float(objective @ path.y) >= enough:
            point = path.point(mu, np.zeros(lmi.num_variables), 0.0, np.inf)
            return LmiSolution(point, steps, "enough")
    if best is None:
        raise np.linalg.LinAlgError("the Hessian matrix at the start is singular")
    if not best.is_close:
        best = path.point(mu, np.zeros(lmi.num_variables), 0.0, np.inf)
    return LmiSolution(best, steps, ended)
