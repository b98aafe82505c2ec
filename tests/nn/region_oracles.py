"""Regions as constraints of convex programs, from their definitions: cvxpy decides the rest.

Every model takes a variable and the radius, which may be a variable too (it finds the gauge then).
Hulls are written as such: the k-support balls by the minimum over eta of sum x_i^2 / eta_i, those
of permutations by doubly stochastic matrices.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import cvxpy as cp
import numpy as np

from tasks.nn.regions import Region, region_by_name

VECTOR, MATRIX, SQUARE = (7,), (4, 6), (4, 4)


@dataclass(frozen=True)
class Case:
    """A region, its shape of event and its model."""

    region: Region
    shape: tuple[int, ...]
    model: Callable[..., list]

    def __repr__(self) -> str:
        return f"{self.region.name}-{getattr(self.region, 'k', '')}{getattr(self.region, 'p', '')}"


def k_support(x, r, k):
    """sum |x_g|^2 / eta_g <= r over entries or rows: the square of the norm."""
    groups = x.shape[0]
    eta = cp.Variable(groups)
    parts = [cp.quad_over_lin(x[i], eta[i]) for i in range(groups)]
    return [eta >= 0, eta <= 1, cp.sum(eta) <= k, sum(parts) <= r]


def spectral_k_sparse(x, r, k):
    return [cp.sigma_max(x) <= r, cp.normNuc(x) <= k * r]


def spectral_k_support(x, r, k):
    theta = cp.Variable((x.shape[0], x.shape[0]), PSD=True)
    bound = np.eye(x.shape[0]) - theta >> 0
    return [bound, cp.trace(theta) <= k, cp.matrix_frac(x, theta) <= r]


def doubly_stochastic(p, r):
    return [p >= 0, cp.sum(p, axis=0) == r, cp.sum(p, axis=1) == r]


def permutahedron(x, r):
    n = x.shape[0]
    p = cp.Variable((n, n))
    return [*doubly_stochastic(p, r), x == p @ (np.arange(n, 0, -1) / n)]


GRAPH = "0>1 0>2 2>1 1>3 2>3 1>4 3>4"
"""Seven edges: five nodes, five paths."""


def flow(x, r):
    """Kirchhoff's law from the incidence matrix, edge by edge."""
    leaving = np.zeros(5)
    leaving[0], leaving[4] = 1, -1
    incidence = np.zeros((5, 7))
    for number, edge in enumerate(GRAPH.split()):
        tail, head = map(int, edge.split(">"))
        incidence[tail, number], incidence[head, number] = 1, -1
    return [x >= 0, incidence @ x == leaving * r]


def make(name, shape, model, **settings):
    return Case(region_by_name(name, **settings), shape, model)


CASES = (
    make("l1", VECTOR, lambda x, r: [cp.norm1(x) <= r]),
    make("l2", VECTOR, lambda x, r: [cp.norm2(x) <= r]),
    make("linf", VECTOR, lambda x, r: [cp.norm_inf(x) <= r]),
    make("lp", VECTOR, lambda x, r: [cp.pnorm(x, 1.5) <= r], p=1.5),
    make("lp", VECTOR, lambda x, r: [cp.pnorm(x, 4) <= r], p=4.0),
    *(
        make("k_sparse", VECTOR, lambda x, r, k=k: [cp.norm_inf(x) <= r, cp.norm1(x) <= k * r], k=k)
        for k in (1, 3, 7)
    ),
    *(
        make("k_norm", VECTOR, lambda x, r, k=k: [cp.sum_largest(cp.abs(x), k) <= r], k=k)
        for k in (1, 3, 7)
    ),
    *(make("k_support", VECTOR, lambda x, r, k=k: k_support(x, r, k), k=k) for k in (1, 3, 7)),
    make("group_k_support", MATRIX, lambda x, r: k_support(x, r, 2), k=2),
    make("nuclear", MATRIX, lambda x, r: [cp.normNuc(x) <= r]),
    make("spectral", MATRIX, lambda x, r: [cp.sigma_max(x) <= r]),
    make(
        "spectral_k_sparse",
        MATRIX,
        lambda x, r: spectral_k_sparse(x, r, 2),
        k=2,
    ),
    make("spectral_k_support", MATRIX, lambda x, r: spectral_k_support(x, r, 2), k=2),
    make("simplex", VECTOR, lambda x, r: [x >= 0, cp.sum(x) == r]),
    make("unit_simplex", VECTOR, lambda x, r: [x >= 0, cp.sum(x) <= r]),
    make("hypersimplex", VECTOR, lambda x, r: [x >= 0, x <= r, cp.sum(x) == 3 * r], k=3),
    make("permutahedron", VECTOR, permutahedron),
    make("birkhoff", SQUARE, doubly_stochastic),
    make("box", VECTOR, lambda x, r: [x >= -r / 2, x <= 3 * r], lower=-0.5, upper=3.0),
    make("flow", VECTOR, flow, graph=GRAPH),
    make("spectraplex", SQUARE, lambda x, r: [x == x.T, x >> 0, cp.trace(x) == r]),
)
SQUARED = ("k_support", "group_k_support", "spectral_k_support")
"""Their models bound the square of the norm by the radius."""


@cache
def _program(case: Case, goal: str):
    """A problem with a parameter, compiled once."""
    x, given = cp.Variable(case.shape), cp.Parameter(case.shape)
    if goal == "gauge":
        size = cp.Variable(nonneg=True)
        problem = cp.Problem(cp.Minimize(size), [*case.model(x, size), x == given])
    else:
        aim = cp.sum(cp.multiply(x, given)) if goal == "vertex" else cp.sum_squares(x - given)
        problem = cp.Problem(cp.Minimize(aim), case.model(x, 1.0))
    return problem, x, given


def _solve(case: Case, goal: str, given: np.ndarray) -> tuple[float, np.ndarray]:
    problem, x, parameter = _program(case, goal)
    parameter.value = given
    with warnings.catch_warnings():
        # That 1e-9 was not quite reached; answers are compared at 1e-6.
        warnings.simplefilter("ignore", UserWarning)
        problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-9, tol_gap_rel=1e-9, tol_feas=1e-9)
    return problem.value, x.value


def least_value(case: Case, direction: np.ndarray) -> float:
    """Minimum of <x, direction> over the region of radius 1."""
    return _solve(case, "vertex", direction)[0]


def gauge(case: Case, point: np.ndarray) -> float:
    """Least radius of a region that contains the point."""
    found = _solve(case, "gauge", point)[0]
    return found**0.5 if case.region.name in SQUARED else found


def nearest(case: Case, point: np.ndarray) -> np.ndarray:
    """Projection onto the region of radius 1."""
    return _solve(case, "nearest", point)[1]
