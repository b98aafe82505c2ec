"""Estimates of gradients: their expectation over all batches, and the published schedules."""

import numpy as np
import pytest

from gpu.constrained.estimators import estimate
from gpu.constrained.reference import gradient_of, outputs_of, slopes_of
from gpu.constrained.schedules import (
    SCHEDULES,
    batch_size,
    epoch_length,
    momentum_weight,
    step_size,
)
from gpu.constrained.states import (
    EPOCH,
    ESTIMATORS,
    GRADIENTS,
    INNER,
    STEP,
    Method,
    draw,
    new_state,
)
from tests.frankwolfe.adaptive.small_sums import observed, sum_of

PROBLEMS = {
    "squares": sum_of("squares", 4, n=6),
    "logistic, three outputs": sum_of("logistic", 4, 3, n=6),
    "squared hinge": sum_of("squared_hinge", 4, n=6),
    "entries": observed(n=6),
}
all_problems = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=list(PROBLEMS))
T = 3


def seeds_of(num):
    """For every term a state of the generator that draws it."""
    found = {}
    for seed in range(1000):
        found.setdefault(draw(np.array([seed], np.uint64), num), seed)
    assert sorted(found) == list(range(num))
    return [found[i] for i in range(num)]


def method_of(estimator, schedule="one", epochs="svrf", batch=1):
    return Method(
        ESTIMATORS[estimator], 0, SCHEDULES[schedule], SCHEDULES[epochs], batch, 1, 1.0, 1e-8, 0.0,
        np.inf, 0.0, 0.0,
    )  # fmt: skip


def size_of(problem):
    return 15 if problem.places.size else problem.rows.shape[1] * problem.targets.shape[1]


def state_of(problem, seed):
    """In the middle of a run: points, snapshot, table and estimate are not those of now."""
    random = np.random.default_rng(9)
    size = size_of(problem)
    state = new_state(random.standard_normal(size), problem.targets.shape, seed)
    state.previous[:] = random.standard_normal(size)
    state.anchor[:] = random.standard_normal(size)
    state.anchor_gradient[:] = gradient_of(problem, state.anchor)
    old = random.standard_normal(size)
    state.table[:] = slopes_of(problem.loss, outputs_of(problem, old), problem.targets)
    state.g[:] = gradient_of(problem, old)
    state.counts[STEP], state.counts[EPOCH], state.counts[INNER] = T, 1, 1
    return state


def expectation(problem, method):
    """Mean of the estimate over all batches of one term, and what one took."""
    found = []
    for seed in seeds_of(len(problem.targets)):
        state = state_of(problem, seed)
        estimate(problem, method, state)
        found.append(state.g.copy())
    assert np.ptp(found, axis=0).max() > 1e-3
    return np.mean(found, axis=0), state.counts[GRADIENTS]


def check(found, wanted):
    np.testing.assert_allclose(found, wanted, atol=1e-13)


@all_problems
def test_batches_and_svrf_are_unbiased(problem):
    wanted = gradient_of(problem, state_of(problem, 0).x)
    for estimator, evaluations in (("batch", 1), ("svrf", 2)):
        found, taken = expectation(problem, method_of(estimator))
        check(found, wanted)
        assert taken == evaluations


@all_problems
def test_momentum_is_biased_towards_the_estimate_before(problem):
    state = state_of(problem, 0)
    rho = 4 / (T + 8) ** (2 / 3)
    found, _ = expectation(problem, method_of("momentum", "shifted"))
    check(found, (1 - rho) * state.g + rho * gradient_of(problem, state.x))


@all_problems
def test_the_error_of_recursive_estimates_shrinks_by_their_weight(problem):
    state, rho = state_of(problem, 0), 1 / (T + 1)
    found, taken = expectation(problem, method_of("recursive", "recursive"))
    error = state.g - gradient_of(problem, state.previous)
    check(found - gradient_of(problem, state.x), (1 - rho) * error)
    assert taken == 2


@all_problems
def test_spider_keeps_the_error_of_the_estimate_before(problem):
    state = state_of(problem, 0)
    method = method_of("spider", "spider", "spider")
    found = []
    for seed in seeds_of(len(problem.targets)):
        own = state_of(problem, seed)
        own.counts[EPOCH] = 3
        estimate(problem, method, own)
        found.append(own.g.copy())
    error = state.g - gradient_of(problem, state.previous)
    check(np.mean(found, axis=0) - gradient_of(problem, state.x), error)


@all_problems
def test_a_table_moves_by_one_nth_towards_the_gradient(problem):
    state, num = state_of(problem, 0), len(problem.targets)
    found, _ = expectation(problem, method_of("table"))
    check(found, (1 - 1 / num) * state.g + gradient_of(problem, state.x) / num)


@all_problems
def test_a_table_is_the_gradient_once_all_terms_were_seen_at_a_point(problem):
    state = new_state(np.zeros(size_of(problem)), problem.targets.shape, 0)
    state.x[:] = 0.5
    for _ in range(200):
        estimate(problem, method_of("table"), state)
    check(state.g, gradient_of(problem, state.x))


@all_problems
@pytest.mark.parametrize("name", ["svrf", "spider"])
def test_at_a_snapshot_variance_reduction_has_the_full_gradient(problem, name):
    state = state_of(problem, 5)
    length = epoch_length(SCHEDULES[name], 1)
    state.counts[INNER] = length
    estimate(problem, method_of(name, name, name), state)
    check(state.g, gradient_of(problem, state.x))
    assert (state.anchor == state.x).all() and (state.anchor_gradient == state.g).all()
    assert state.counts[EPOCH] == 2 and state.counts[INNER] == 1
    assert state.counts[GRADIENTS] == len(problem.targets)


@all_problems
def test_published_batches_that_are_a_whole_pass_are_the_full_gradient(problem):
    for name, schedule in (("batch", "shifted"), ("svrf", "svrf"), ("spider", "spider")):
        state = state_of(problem, 5)
        state.counts[EPOCH] = 9
        epochs = "svrf" if name == "batch" else schedule
        estimate(problem, method_of(name, schedule, epochs, 0), state)
        check(state.g, gradient_of(problem, state.x))
        assert state.counts[GRADIENTS] == len(problem.targets)


def test_published_step_sizes():
    """gamma by iteration t, epoch and step k of the epoch."""
    table = {
        "open_loop": [(0, 0, 0, 1.0), (1, 0, 0, 2 / 3), (8, 0, 0, 0.2)],
        "shifted": [(0, 0, 0, 0.25), (2, 0, 0, 0.2), (92, 0, 0, 0.02)],
        "recursive": [(0, 0, 0, 0.5), (1, 0, 0, 1 / 3), (98, 0, 0, 0.01)],
        "svrf": [(7, 1, 1, 1.0), (7, 1, 2, 2 / 3), (99, 3, 9, 0.2)],
        "spider": [(0, 1, 1, 1.0), (1, 2, 1, 2 / 3), (2, 2, 2, 0.5), (9, 4, 2, 0.2)],
        "one": [(0, 0, 0, 1.0), (50, 3, 2, 1.0)],
    }
    assert table.keys() == SCHEDULES.keys()
    for name, rows in table.items():
        for t, epoch, k, wanted in rows:
            assert step_size(SCHEDULES[name], t, epoch, k) == pytest.approx(wanted, rel=1e-15)


def test_published_weights_epochs_and_batches():
    shifted, recursive = SCHEDULES["shifted"], SCHEDULES["recursive"]
    assert momentum_weight(shifted, 0) == momentum_weight(recursive, 0) == 1.0
    assert momentum_weight(shifted, 19) == pytest.approx(4 / 9)
    assert momentum_weight(recursive, 9) == pytest.approx(0.1)
    assert [epoch_length(SCHEDULES["svrf"], e) for e in (1, 2, 3)] == [14, 30, 62]
    assert [epoch_length(SCHEDULES["spider"], e) for e in (1, 2, 3)] == [1, 2, 4]
    num = 10_000
    assert [batch_size(SCHEDULES["svrf"], 0, 1, k, num) for k in (1, 2, 9)] == [192, 288, 960]
    assert [batch_size(SCHEDULES["spider"], 0, e, 1, num) for e in (1, 4)] == [1, 8]
    assert [batch_size(shifted, t, 0, 0, num) for t in (0, 1, 9, 500)] == [1, 4, 100, num]
