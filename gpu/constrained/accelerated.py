"""Accelerated projected gradient steps, to the optimum of a finite sum and a gap that proves it.

With h the diagonal of a bound of the Hessian and L its largest eigenvalue relative to h,

    x_(k+1) = the point of C nearest to u_k - H^-1 grad f(u_k) / L in the metric H,
    u_(k+1) = x_(k+1) + beta_k (x_(k+1) - x_k),

which start over whenever the step turns against the gradient (O'Donoghue, Candes,
arXiv:1204.3982).  The gap max over v in C of <grad f(x), x - v> is at least f(x) - min f, whatever
made x.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gpu.constrained.oracles import NUCLEAR, Domain, dual_gap
from gpu.constrained.projections import project
from gpu.constrained.sums import CURVATURE, FiniteSum, objective, write_gradient

__all__ = ["Optimum", "curvature", "least_value", "optimum"]

BETWEEN = 25
"""Steps between two gaps."""


class Optimum(NamedTuple):
    """A point with the gap that says how good it is.

    Attributes
    ----------
    x : (d,) float64
    value : float
        f(x).
    gap : float
        At least f(x) - min f.
    steps : int
    """

    x: NDArray[np.float64]
    value: float
    gap: float
    steps: int


def curvature(problem: FiniteSum, num_entries: int, *, is_scaled: bool) -> NDArray[np.float64]:
    """h (d,) with Hessian <= diag(h): scaled like the columns, or the same for all entries."""
    num, q = problem.targets.shape
    bound = CURVATURE[problem.loss]
    if problem.places.size:
        # Each observation is one entry.
        counts = np.bincount(problem.places, minlength=num_entries)
        return np.full(num_entries, bound * max(counts.max(), 1) / num)
    gram = problem.rows.T @ problem.rows / num
    squares = gram.diagonal()
    scale = squares + 1e-12 * max(squares.max(), 1e-300) if is_scaled else np.ones(len(squares))
    root = 1 / np.sqrt(scale)
    most = np.linalg.eigvalsh(gram * root[:, None] * root)[-1]
    return np.repeat(bound * most * (1 + 1e-9) * scale, q) + 1e-300


def least_value(problem: FiniteSum, start: NDArray[np.float64]) -> float:
    """What counts as 0: 1e-12 of the value at 0, or of that at the start where 0 is optimal."""
    origin = objective(problem, np.zeros(start.size))
    return 1e-12 * (origin if origin > 0 else objective(problem, start))


def optimum(
    problem: FiniteSum,
    domain: Domain,
    start: NDArray[np.float64],
    *,
    relative_gap: float,
    max_steps: int,
) -> Optimum:
    """The best point within so many steps; its gap over its value is `relative_gap` if they do."""
    h = curvature(problem, start.size, is_scaled=domain.code != NUCLEAR)
    x = start.astype(float)
    least = least_value(problem, x)
    steps, gap = run_accelerated(problem, domain, h, x, relative_gap, least, max_steps)
    return Optimum(x, objective(problem, x), gap, steps)


@njit(cache=True, nogil=True)
def run_accelerated(problem, domain, h, x, relative_gap, least, max_steps):
    """Steps from x on, which becomes the best point; their number and its gap."""
    ahead, before, best = np.empty(x.size), np.empty(x.size), np.empty(x.size)
    ahead[:] = x
    before[:] = x
    best[:] = x
    g, pulled, v = np.empty(x.size), np.empty(x.size), np.empty(x.size)
    z = np.empty(problem.targets.shape[1])
    weight, best_gap = 1.0, np.inf
    for count in range(max_steps + 1):
        if count % BETWEEN == 0 or count == max_steps:
            write_gradient(problem, x, z, g)
            gap = dual_gap(domain, x, g, v)
            if gap < best_gap:
                best_gap = gap
                best[:] = x
            if best_gap <= relative_gap * max(objective(problem, best), least):
                break
        if count == max_steps:
            break
        write_gradient(problem, ahead, z, g)
        for j in range(x.size):
            pulled[j] = ahead[j] - g[j] / h[j]
        project(domain, pulled, h, x)
        turn = 0.0
        for j in range(x.size):
            turn += h[j] * (ahead[j] - x[j]) * (x[j] - before[j])
        if turn > 0.0:
            weight = 1.0
        larger = (1.0 + math.sqrt(1.0 + 4.0 * weight * weight)) / 2.0
        momentum = (weight - 1.0) / larger
        for j in range(x.size):
            ahead[j] = x[j] + momentum * (x[j] - before[j])
            before[j] = x[j]
        weight = larger
    x[:] = best
    return count, best_gap
