"""The feasibility of a Gram problem by an interior-point method, with proofs on both sides.

    maximize t  such that  Q_b - t W_b >= 0 and the entries of every class add up to c

with diagonal W_b > 0.  t > 0 gives a strictly feasible Gram matrix.  The dual problem

    minimize L(p) = sum_a c_a L_a  such that  M_b(L) >= 0 and sum_b <W_b, M_b(L)> = 1

over moment functionals L has the same optimum; L(p) < 0 proves that p is not a sum of squares over
these bases.  Either problem is a linear matrix inequality: in *image form* over the K free
dimensions of the Gram matrix, in *kernel form* over the S moments.  The one with fewer unknowns is
solved (`gpu.lmi`), and both give Q and L.

References
----------
Lasserre, Global optimization with polynomials and the problem of moments, SIAM J. Optim. 2001.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from gpu.lmi import Lmi, LmiSolution, maximize_lmi
from tasks.sos.gram.problem import GramProblem, Grams

MAX_UNKNOWNS = 2500
"""Unknowns of a linear matrix inequality that is still solved here: O(unknowns**3) per step."""
GOOD_SHARE = 0.2
"""A Gram matrix is taken once its t is at least this share of the bound on t."""
SMALLEST_MU = 1e-12


class Feasibility(StrEnum):
    """What the numbers say; nothing here is a proof."""

    INTERIOR = "interior"
    BOUNDARY = "boundary"
    OUTSIDE = "outside"

    @property
    def explanation(self) -> str:
        """One sentence for people."""
        return _EXPLANATIONS[self]


_EXPLANATIONS = {
    Feasibility.INTERIOR: "There is a positive definite Gram matrix.",
    Feasibility.BOUNDARY: "The best Gram matrix found is singular to working precision.",
    Feasibility.OUTSIDE: "A moment functional separates the polynomial from the sums of squares.",
}


@dataclass(frozen=True)
class InteriorSolution:
    """Gram matrices and moments at the end of the path.

    Attributes
    ----------
    feasibility : Feasibility
    grams : tuple of float64 (m_b, m_b)
        Q_b; they satisfy the equations to rounding errors.
    moments : float64 (S,)
        L, normalized by ``sum_b <W_b, M_b(L)> = 1``.
    lower, upper : float
        Bounds on the optimal t: Q - lower W is positive semidefinite, and upper = L(p), infinite
        where no L was found.
    form : str
        ``image`` or ``kernel``, ``distance``, or the name of the conic solver.
    num_unknowns, num_steps : int
    ended : str
        As in `gpu.lmi.LmiSolution`.
    """

    feasibility: Feasibility
    grams: Grams
    moments: NDArray[np.float64]
    lower: float
    upper: float
    form: str
    num_unknowns: int
    num_steps: int
    ended: str


def diagonal_weights(problem: GramProblem) -> list[NDArray[np.float64]]:
    """Scale of every diagonal entry: its share of the coefficient of its class, where that helps.

    Rows and columns of Q live at the scale of the square roots of the diagonal; where the class of
    a square has no positive coefficient, the geometric mean of the others is taken.
    """
    target, sizes = problem.target, problem.class_sizes
    weights = []
    for rows in problem.rows:
        own = target[rows.diagonal()] / sizes[rows.diagonal()]
        positive = own[own > 0]
        usual = float(np.exp(np.log(positive).mean())) if len(positive) else 1.0
        weights.append(np.where(own > 0, own, usual))
    return weights


def solve_interior(
    problem: GramProblem,
    *,
    on_step: Callable[[], None] = lambda: None,
    enough: float = np.inf,
) -> InteriorSolution:
    """Decide numerically whether a Gram problem is feasible.

    Parameters
    ----------
    problem : GramProblem
    on_step : callable
        Called before every Newton step; may raise to end the run.
    enough : float
        In image form a Gram matrix with t >= enough is taken at once, without bounds: then `upper`
        is infinite and the moments mean nothing.

    Raises
    ------
    OverflowError
        If both forms have more than `MAX_UNKNOWNS` unknowns.
    """
    weights = diagonal_weights(problem)
    if min(problem.num_free, problem.num_monomials) > MAX_UNKNOWNS:
        raise OverflowError(
            f"{min(problem.num_free, problem.num_monomials)} unknowns, at most {MAX_UNKNOWNS}"
        )
    if problem.num_free <= problem.num_monomials:
        return _solve_image(problem, weights, on_step, enough)
    return _solve_kernel(problem, weights, on_step)


def _solve_image(
    problem: GramProblem,
    weights: list[NDArray[np.float64]],
    on_step: Callable[[], None],
    enough: float = np.inf,
) -> InteriorSolution:
    """Over the free dimensions: Q = Q_0 + sum_k y_k N_k."""
    constants = problem.projected(tuple(np.diag(weight) for weight in weights))
    lmi = _image_lmi(problem, constants, weights)
    lowest = min(
        float(np.linalg.eigvalsh(constant / np.sqrt(np.outer(weight, weight)))[0])
        for constant, weight in zip(constants, weights, strict=True)
    )
    start, objective = np.zeros(lmi.num_variables), np.zeros(lmi.num_variables)
    start[-1] = lowest - max(1.0, abs(lowest))
    objective[-1] = 1.0
    solution = maximize_lmi(
        lmi,
        objective,
        start,
        stop=lambda point: _is_decided(point.objective, point.bound),
        on_step=on_step,
        enough=enough,
        # The path is joined where its t is about as far from the optimum as the start.
        mu=max(1.0, abs(lowest)) / sum(problem.sizes),
        smallest_mu=SMALLEST_MU,
    )
    point = solution.point
    grams = tuple(
        slack + point.objective * np.diag(weight)
        for slack, weight in zip(point.slacks, weights, strict=True)
    )
    bounds = (point.objective, np.inf if solution.ended == "enough" else point.bound)
    moments = problem.class_sums(point.duals) / problem.class_sizes
    return _finished(problem, grams, moments, bounds, solution, "image")


def _image_lmi(problem: GramProblem, constants: Grams, weights: list[NDArray[np.float64]]) -> Lmi:
    """Unknowns: the free entries, then t.

    Raising an entry lowers the pivot of its class so that the sum of the class stays.
    """
    found, free = problem.entries, problem.entries.free
    # The pivot of a class is in its last block, so the entries are ordered by block.
    entries = np.stack([free, found.pivot_of_class[found.classes[free]]], axis=1)
    ratio = found.share[free] / found.share[entries[:, 1]]
    values = np.stack([np.ones(len(free)), -ratio], axis=1)
    flat, sizes = entries.ravel(), problem.sizes
    diagonal = np.concatenate([np.arange(size) for size in sizes])
    blocks = np.repeat(np.arange(len(sizes)), sizes)
    return Lmi(
        constants=constants,
        start=np.append(2 * np.arange(len(free) + 1), 2 * len(free) + len(blocks)).astype(np.int64),
        block=np.concatenate([found.block[flat], blocks]).astype(np.int64),
        row=np.concatenate([found.row[flat], diagonal]).astype(np.int64),
        column=np.concatenate([found.column[flat], diagonal]).astype(np.int64),
        value=np.concatenate([values.ravel(), -np.concatenate(weights)]),
    )


def _solve_kernel(
    problem: GramProblem, weights: list[NDArray[np.float64]], on_step: Callable[[], None]
) -> InteriorSolution:
    """Over the moments, from those of a product measure."""
    # <W, M(L)> = sum_a (sum of the weights of the diagonal entries of class a) L_a
    equation = np.zeros(problem.num_monomials)
    for rows, weight in zip(problem.rows, weights, strict=True):
        np.add.at(equation, rows.diagonal(), weight)
    start = product_moments(problem.monomials)
    solution = maximize_lmi(
        _kernel_lmi(problem),
        -problem.target,
        start / (equation @ start),
        equation=equation,
        stop=lambda point: _is_decided(-point.bound, -point.objective),
        on_step=on_step,
        smallest_mu=SMALLEST_MU,
    )
    point = solution.point
    bounds = (-point.bound, -point.objective)
    grams = tuple(
        dual + bounds[0] * np.diag(weight)
        for dual, weight in zip(point.duals, weights, strict=True)
    )
    return _finished(problem, problem.projected(grams), point.y, bounds, solution, "kernel")


def _kernel_lmi(problem: GramProblem) -> Lmi:
    """Unknowns: the moments; the matrix of L is M(L)."""
    entries = problem.entries
    order = entries.by_class
    return Lmi(
        constants=tuple(np.zeros((size, size)) for size in problem.sizes),
        start=np.concatenate([[0], np.cumsum(entries.counts)]).astype(np.int64),
        block=entries.block[order],
        row=entries.row[order],
        column=entries.column[order],
        value=np.ones(len(order)),
    )


def product_moments(monomials: NDArray[np.int32]) -> NDArray[np.float64]:
    """Moments of the product of arcsine distributions on [-1, 1], float64 (S,).

    E[x^2k] = binomial(2k, k) / 4^k; of the usual distributions they give Hankel matrices the best
    condition.
    """
    largest = int(monomials.max(initial=0))
    single = np.zeros(largest + 1)
    value = 1.0
    for k in range(largest // 2 + 1):
        single[2 * k] = value
        value *= (2 * k + 1) / (2 * k + 2)
    return single[monomials].prod(axis=1)


def _is_decided(lower: float, upper: float) -> bool:
    """Whether the bounds on t have left 0 well behind."""
    return lower >= GOOD_SHARE * upper > 0 or (upper < 0 and upper <= GOOD_SHARE * lower)


def _finished(
    problem: GramProblem,
    grams: Grams,
    moments: NDArray[np.float64],
    bounds: tuple[float, float],
    solution: LmiSolution,
    form: str,
) -> InteriorSolution:
    """Say what has come out."""
    lower, upper = bounds
    if solution.ended not in ("stop", "enough"):
        feasibility = Feasibility.BOUNDARY
    else:
        feasibility = Feasibility.INTERIOR if lower > 0 else Feasibility.OUTSIDE
    return InteriorSolution(
        feasibility=feasibility,
        grams=grams,
        moments=moments,
        lower=lower,
        upper=upper,
        form=form,
        num_unknowns=problem.num_free + 1 if form == "image" else problem.num_monomials,
        num_steps=solution.num_steps,
        ended=solution.ended,
    )
