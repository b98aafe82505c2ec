"""Methods: what their steps are, how fast they converge, and optima with gaps."""

import cvxpy as cp
import numpy as np
import pytest

from gpu.constrained.accelerated import optimum
from gpu.constrained.active_sets import new_active_set, run_active
from gpu.constrained.oracles import POLYTOPES, dual_gap, minimize_linear
from gpu.constrained.projections import project
from gpu.constrained.reference import PLAIN_METHODS, plain_fw
from gpu.constrained.schedules import SCHEDULES
from gpu.constrained.states import (
    ESTIMATORS,
    GRADIENTS,
    ORACLES,
    STEP,
    UPDATES,
    Method,
    new_state,
)
from gpu.constrained.steps import run_steps, solve_model
from gpu.constrained.sums import LOSSES, gradient, objective
from tests.frankwolfe.adaptive.small_sums import SHAPES, domain_of, observed, region_of, sum_of

all_sets = pytest.mark.parametrize("name", SHAPES)
FOREVER = 2**62


def method_of(estimator, update, schedule="one", epochs="svrf", **changes):
    given = {
        "batch": 4, "inner": 5, "rate": 1.0, "delta": 1e-8, "low": 0.0, "high": np.inf,
        "beta1": 0.0, "beta2": 0.0,
    }  # fmt: skip
    return Method(
        ESTIMATORS[estimator], UPDATES[update], SCHEDULES[schedule], SCHEDULES[epochs],
        *(given | changes).values(),
    )  # fmt: skip


def start_of(domain, problem):
    x = np.empty(domain.rows * domain.columns)
    minimize_linear(domain, np.arange(x.size) - 1.5, x)
    return x


def run(problem, domain, method, steps, x=None, seed=3):
    state = new_state(start_of(domain, problem) if x is None else x, problem.targets.shape, seed)
    run_steps(problem, domain, method, state, FOREVER, steps)
    return state


def inside(name, x, radius=1.0):
    import torch

    event = x.reshape(SHAPES[name]) if name in ("nuclear", "birkhoff") else x
    return float(region_of(name, radius).gauge(torch.tensor(event)))


# --- steps --------------------------------------------------------------------------------------


@all_sets
@pytest.mark.parametrize("spread", [1.0, 30.0])
def test_many_steps_on_the_model_are_the_projection_in_its_metric(name, spread):
    """AdaSFW's model at x has its minimum at the H-metric projection of x - eta H^-1 g."""
    rows, columns = SHAPES[name]
    domain, size = domain_of(name, rows, columns, 0.8), rows * columns
    random = np.random.default_rng(4)
    h, g = np.geomspace(1, spread, size), random.standard_normal(size)
    x, wanted = np.empty(size), np.empty(size)
    minimize_linear(domain, random.standard_normal(size), x)
    eta = 0.4
    project(domain, x - eta * g / h, h, wanted)
    y, q, v = x.copy(), np.empty(size), np.empty(size)
    used = solve_model(domain, g, h, x, eta, 1.0, 200_000, y, q, v)
    assert 1 <= used <= 200_000

    def model(point):
        return g @ (point - x) + h @ (point - x) ** 2 / (2 * eta)

    # Plain Frank-Wolfe steps come within 2 L D^2 / (K + 2) of the least value.
    assert abs(model(y) - model(wanted)) <= 8 * spread / eta / 2e5


def test_on_the_cube_many_steps_are_an_elementwise_clip():
    """Linf, with the projection inside a face or in the middle: to 1e-8."""
    radius, eta = 0.7, 0.3
    random = np.random.default_rng(0)
    for size in (1, 2, 5):
        domain = domain_of("linf", size, 1, radius)
        h = random.uniform(0.5, 2, size)
        for far in (5.0, 50.0):
            g = far * np.sign(random.standard_normal(size)) * random.uniform(1, 2, size)
            x = np.empty(size)
            minimize_linear(domain, random.standard_normal(size), x)
            y, q, v = x.copy(), np.empty(size), np.empty(size)
            solve_model(domain, g, h, x, eta, 1.0, 50, y, q, v)
            np.testing.assert_allclose(y, np.clip(x - eta * g / h, -radius, radius), atol=1e-8)
    # In the interior of an interval, too.
    domain, x, y = domain_of("linf", 1, 1, radius), np.array([0.7]), np.array([0.7])
    solve_model(
        domain, np.array([2.0]), np.array([1.5]), x, eta, 1.0, 50, y, np.empty(1), np.empty(1)
    )
    assert y[0] == pytest.approx(0.7 - eta * 2 / 1.5, abs=1e-8)


def test_a_run_of_adasfw_with_many_inner_steps_is_one_of_projected_adagrad():
    problem, domain = sum_of("squares", 2), domain_of("linf", 2, 1, 0.5)
    changes = {"rate": 2.0, "inner": 400_000}
    ours = run(problem, domain, method_of("full", "adaptive", **changes), 3)
    theirs = run(problem, domain, method_of("full", "projected", **changes), 3)
    np.testing.assert_allclose(ours.metric, theirs.metric, rtol=1e-5)
    np.testing.assert_allclose(ours.x, theirs.x, atol=1e-5)


def test_the_metric_is_clipped_and_bounds_of_steps_hold():
    problem, domain = sum_of("squares", 7, spread=1e3), domain_of("l1", 7)
    plain = run(problem, domain, method_of("full", "adaptive"), 5).metric
    assert plain.max() > 2000 > 500 > plain.min()
    clipped = run(problem, domain, method_of("full", "adaptive", low=500.0, high=2e3), 5).metric
    assert clipped.max() == 2000 and clipped.min() == 500
    x = start_of(domain, problem)
    capped = run(problem, domain, method_of("full", "adaptive", "shifted", inner=1), 1, x)
    # The first step is at most 2 / 8 of the way.
    assert 0 < np.abs(capped.x - x).max() <= 2 / 8 * 2 + 1e-12


def test_adagrad_adds_up_squares_and_amsgrad_keeps_the_largest_mean():
    problem, domain = sum_of("squares", 7), domain_of("l2", 7)
    x = start_of(domain, problem)
    g = gradient(problem, x)
    first = run(problem, domain, method_of("full", "projected", delta=0.1), 1, x)
    np.testing.assert_allclose(first.metric, 0.1 + np.abs(g), rtol=1e-12)
    ams = method_of("full", "projected", delta=0.1, beta1=0.9, beta2=0.99)
    first = run(problem, domain, ams, 1, x)
    np.testing.assert_allclose(first.moment, 0.1 * g, rtol=1e-12)
    np.testing.assert_allclose(first.metric, 0.1 + np.sqrt(0.01) * np.abs(g), rtol=1e-12)
    later = [run(problem, domain, ams, steps, x).top for steps in (5, 10, 20)]
    assert (later[1] >= later[0]).all() and (later[2] >= later[1]).all()


@all_sets
@pytest.mark.parametrize("update", UPDATES)
def test_points_stay_inside(name, update):
    domain, size = domain_of(name, *SHAPES[name]), SHAPES[name][0] * SHAPES[name][1]
    q = SHAPES[name][1] if name in ("nuclear", "birkhoff") else 1
    problem = sum_of("logistic", size // q, q, spread=10.0)
    for estimator in ESTIMATORS:
        x = run(problem, domain, method_of(estimator, update, rate=0.3), 200).x
        assert inside(name, x) <= 1 + 1e-9, estimator


def test_plain_loops_take_the_same_steps():
    problem, domain = sum_of("logistic", 7), domain_of("l1", 7)
    x = start_of(domain, problem)

    def vertex(g):
        v = np.empty(7)
        minimize_linear(domain, g, v)
        return v

    ours = run(problem, domain, method_of("full", "frank_wolfe", "open_loop"), 50, x)
    np.testing.assert_allclose(ours.x, plain_fw(problem, vertex, x, 50), atol=1e-13)
    # The others draw other batches; with all terms in every batch they would be the same.
    whole = {"sfw": ("batch", "frank_wolfe", "shifted"), "adasfw": ("batch", "adaptive", "one")}
    single = sum_of("squares", 7, n=1)
    for name, kinds in whole.items():
        ours = run(single, domain, method_of(*kinds, batch=1), 20, x)
        plain = PLAIN_METHODS[name](single, vertex, x, 20, 1, np.random.default_rng(0))
        np.testing.assert_allclose(ours.x, plain, atol=1e-9)


def test_work_is_counted():
    problem, domain = sum_of("logistic", 7), domain_of("l1", 7)
    state = run(problem, domain, method_of("batch", "adaptive", inner=3), 10)
    assert list(state.counts[[STEP, GRADIENTS]]) == [10, 40] and 10 <= state.counts[ORACLES] <= 30
    # One snapshot, then 13 steps with two gradients for each of four terms.
    state = run(problem, domain, method_of("svrf", "frank_wolfe", "svrf"), 14)
    assert state.counts[GRADIENTS] == 30 + 13 * 8


# --- rates --------------------------------------------------------------------------------------


def slope(errors, first):
    """Of the logarithm of the error against that of the step."""
    steps = np.arange(first, len(errors))
    return np.polyfit(np.log(steps + 1), np.log(errors[first:]), 1)[0]


def errors_of(problem, domain, method, steps):
    best = optimum(problem, domain, start_of(domain, problem), relative_gap=1e-12, max_steps=10**5)
    state = new_state(start_of(domain, problem), problem.targets.shape, 3)
    found = []
    for step in range(steps):
        run_steps(problem, domain, method, state, FOREVER, step + 1)
        found.append(objective(problem, state.x) - best.value)
    return np.array(found)


@pytest.mark.parametrize("name", ["l1", "l2", "simplex", "birkhoff", "flow"])
def test_frank_wolfe_is_within_its_bound(name):
    """2 L D^2 / (t + 2) on a strongly convex quadratic (Jaggi 2013, theorem 1)."""
    rows, columns = SHAPES[name]
    q = columns
    problem, domain = sum_of("squares", rows, q), domain_of(name, rows, columns)
    errors = errors_of(problem, domain, method_of("full", "frank_wolfe", "open_loop"), 200)
    smooth = np.linalg.eigvalsh(problem.gram)[-1]
    shape = (rows, columns) if name == "birkhoff" else (rows,)
    diameter = region_of(name).diameter(shape)
    steps = np.arange(1, 201)
    assert (errors <= 2 * smooth * diameter**2 / (steps + 2)).all()
    assert errors[-1] > -1e-12


@pytest.mark.parametrize(
    ("kinds", "most"),
    [
        # Slopes of the stated rates are -1 for all of these: O(1 / t).
        (("full", "frank_wolfe", "open_loop"), -0.9),
        (("batch", "frank_wolfe", "shifted"), -0.9),
        (("svrf", "frank_wolfe", "svrf"), -0.9),
        (("spider", "frank_wolfe", "spider", "spider"), -0.9),
        # CSFW with batches of constant size: O(1 / t) too.
        (("table", "frank_wolfe", "open_loop"), -0.9),
    ],
    ids=["fw", "sfw", "svrf", "spider", "csfw"],
)
def test_stochastic_methods_with_published_batches_converge_at_the_stated_rate(kinds, most):
    problem = sum_of("squares", 7, n=200)
    domain = domain_of("simplex", 7)
    batch = 8 if kinds[0] == "table" else 0
    errors = errors_of(problem, domain, method_of(*kinds, batch=batch), 2000)
    # Of epochs that begin with a step to a vertex the best so far counts.
    assert slope(np.minimum.accumulate(np.maximum(errors, 1e-15)), 100) <= most


def test_methods_with_constant_batches_of_plain_gradients_do_not_converge_like_that():
    """The slope test can fail: noise of constant batches stays."""
    problem, domain = sum_of("squares", 7, n=200), domain_of("simplex", 7)
    errors = errors_of(problem, domain, method_of("batch", "frank_wolfe", "shifted"), 2000)
    assert slope(np.minimum.accumulate(np.maximum(errors, 1e-15)), 100) > -0.9 or errors[-1] > 1e-3


@pytest.mark.parametrize("kinds", [("svrf", "adaptive"), ("table", "adaptive")], ids=str)
def test_variance_reduction_with_a_metric_converges(kinds):
    problem, domain = sum_of("squares", 7, n=200), domain_of("l1", 7)
    errors = errors_of(problem, domain, method_of(*kinds, batch=8, inner=5), 1500)
    assert errors[-1] <= 1e-4 * errors[0]


@pytest.mark.parametrize("name", POLYTOPES)
@pytest.mark.parametrize("is_pairwise", [False, True], ids=["away", "pairwise"])
def test_away_and_pairwise_steps_converge_linearly(name, is_pairwise):
    """To a billionth of the first error in 400 steps; plain steps are at a thousandth then."""
    rows, columns = SHAPES[name]
    problem, domain = sum_of("squares", rows, columns, n=100), domain_of(name, rows, columns)
    start = start_of(domain, problem)
    best = optimum(problem, domain, start, relative_gap=1e-13, max_steps=10**5)
    # A vertex that is far away, so that there is something to do.
    minimize_linear(domain, -gradient(problem, best.x), start)
    active, errors = new_active_set(start, problem, 500), []
    for step in range(1, 400):
        gap = run_active(problem, domain, is_pairwise, active, FOREVER, step, 0.0)
        errors.append(objective(problem, active.x) - best.value)
        assert gap >= -1e-12
    errors = np.array(errors)
    assert errors[-1] <= 1e-9 * errors[0]
    assert inside(name, active.x) <= 1 + 1e-12
    weights = active.weights[: active.size[0]]
    assert (weights >= 0).all() and weights.sum() == pytest.approx(1, abs=1e-12)


# --- optima -------------------------------------------------------------------------------------


def model(name, loss, problem, radius):
    """The whole problem for cvxpy: its value."""
    from tests.gpu.test_gpu_constrained import model as set_model

    rows, columns = SHAPES[name]
    x = cp.Variable(rows * columns)
    if problem.places.size:
        outputs = cp.reshape(x[problem.places], problem.targets.shape, order="C")
    else:
        q = problem.targets.shape[1]
        outputs = problem.rows @ cp.reshape(x, (problem.rows.shape[1], q), order="C")
    margins = cp.multiply(problem.targets, outputs)
    losses = {
        "squares": cp.square(outputs - problem.targets) / 2,
        "logistic": cp.logistic(-margins),
        "squared_hinge": cp.square(cp.pos(1 - margins)) / 2,
    }[loss]
    aim = cp.sum(losses) / len(problem.targets)
    program = cp.Problem(cp.Minimize(aim), set_model(name, x, radius))
    program.solve(solver=cp.CLARABEL, tol_gap_abs=1e-9, tol_gap_rel=1e-9, tol_feas=1e-9)
    return program.value


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
@all_sets
@pytest.mark.parametrize("loss", LOSSES)
def test_optima_have_small_gaps_and_are_those_of_a_convex_program(name, loss):
    rows, columns = SHAPES[name]
    q = columns if name in ("nuclear", "birkhoff") else 1
    problem, domain = (
        sum_of(loss, rows * columns // q, q, spread=10.0),
        domain_of(name, rows, columns),
    )
    found = optimum(
        problem, domain, start_of(domain, problem), relative_gap=1e-9, max_steps=100_000
    )
    assert found.gap <= 1e-9 * found.value
    assert found.value == pytest.approx(model(name, loss, problem, 1.0), rel=1e-6, abs=1e-7)
    # The gap is what other points show as well.
    x = start_of(domain, problem)
    gap = dual_gap(domain, x, gradient(problem, x), np.empty(x.size))
    assert gap >= objective(problem, x) - found.value - 1e-12


def test_matrices_are_completed_to_a_small_gap():
    problem, domain = observed(), domain_of("nuclear", 5, 3, 2.0)
    found = optimum(problem, domain, start_of(domain, problem), relative_gap=1e-6, max_steps=10**5)
    assert found.gap <= 1e-6 * found.value
    assert found.value == pytest.approx(model("nuclear", "squares", problem, 2.0), rel=1e-5)


def test_an_optimum_that_was_not_reached_says_so_by_its_gap():
    problem, domain = sum_of("logistic", 7, spread=100.0), domain_of("l1", 7)
    few = optimum(problem, domain, start_of(domain, problem), relative_gap=1e-9, max_steps=1)
    best = optimum(problem, domain, start_of(domain, problem), relative_gap=1e-9, max_steps=10**5)
    assert few.gap > 1e-9 * few.value and few.gap >= few.value - best.value
