"""The interior-point method against HiGHS and the optimality conditions."""

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import csc_array, csr_array, diags_array, random_array

from tasks.coloring.construction.polygons.quadratic_step import _factored, solve_step
from tasks.records import InputError

PENALTY = 2.0


def program(seed, num_rows=40, num_unknowns=25):
    rng = np.random.default_rng(seed)
    rows = csr_array(random_array((num_rows, num_unknowns), density=0.2, rng=rng))
    rows.data -= 0.5
    bounds = rng.normal(size=num_rows) * 0.1
    return rng.normal(size=num_unknowns), rows, bounds, rng.uniform(0.1, 0.4, num_unknowns)


@pytest.mark.parametrize("seed", range(5))
def test_without_curvature_it_solves_the_linear_program(seed):
    gradient, rows, bounds, radius = program(seed)
    hessian = csr_array((len(radius), len(radius)))
    step = solve_step(gradient, hessian, rows, bounds, radius, penalty=PENALTY, accuracy=1e-8)
    costs = np.concatenate([gradient, np.full(len(bounds), PENALTY)])
    soft = np.hstack([-rows.toarray(), -np.eye(len(bounds))])
    box = [*zip(-radius, radius, strict=True), *[(0, None)] * len(bounds)]
    best = linprog(costs, A_ub=soft, b_ub=-bounds, bounds=box).fun
    found = gradient @ step.x + PENALTY * np.maximum(bounds - rows @ step.x, 0).sum()
    assert abs(found - best) < 1e-6
    assert (np.abs(step.x) <= radius).all()


@pytest.mark.parametrize("seed", range(5))
def test_with_curvature_the_optimality_conditions_hold(seed):
    gradient, rows, bounds, radius = program(seed)
    hessian = csr_array(diags_array(np.linspace(0, 9, len(radius))))
    step = solve_step(gradient, hessian, rows, bounds, radius, penalty=PENALTY, accuracy=1e-9)
    y, excess = step.multipliers, bounds - rows @ step.x
    slope = gradient + hessian @ step.x - rows.T @ y
    inner = np.abs(step.x) < radius - 1e-5
    assert np.abs(slope[inner]).max(initial=0) < 1e-5
    assert (slope[~inner] * step.x[~inner] < 1e-5).all()
    assert (y[excess < -1e-4] < 1e-4).all()
    assert (y[excess > 1e-4] > PENALTY - 1e-4).all()


def test_a_matrix_with_a_pivot_of_zero_is_factored_with_a_larger_diagonal():
    factor = _factored(csc_array(np.ones((2, 2))))
    np.testing.assert_allclose(factor.solve(np.ones(2)), [0.5, 0.5], rtol=1e-3)
    with pytest.raises(InputError, match="cannot be moved"):
        _factored(csc_array(np.zeros((2, 2))))
