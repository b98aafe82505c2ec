"""Gradients with less variance, on data that can be enumerated."""

from itertools import combinations

import pytest
import torch
from torch import nn

from tasks.frankwolfe.adaptive.networks.estimates import ReducedState
from tasks.nn import Constant, FitPlan, TrainingState, fit, load_checkpoint, save_checkpoint
from tasks.nn.optimizers import FrankWolfe
from tasks.nn.training import seeded_generator, train_steps
from tasks.records import InputError

ESTIMATES = ("svrf", "spider")
GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(6, 4, generator=GENERATOR)
Y = torch.randint(0, 3, (6,), generator=GENERATOR)


def small_model(*more, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 5), *more, nn.Tanh(), nn.Linear(5, 3)).double()


def loss(model, rows):
    return nn.functional.cross_entropy(model(X[rows].double()), Y[rows])


def whole(size=4):
    """All six rows, the last batch a short one."""
    return [(list(range(i, min(i + size, 6))), min(i + size, 6) - i) for i in range(0, 6, size)]


def state_of(estimate, model, period=3, optimizer=None, rate=0.1, **options):
    optimizer = optimizer or torch.optim.SGD(model.parameters())
    options = {"whole": whole, "estimate": estimate, "period": period, **options}
    return ReducedState(model, optimizer, Constant(rate), generator=seeded_generator(1), **options)


def gradient(model, rows):
    found = torch.autograd.grad(loss(model, rows), list(model.parameters()))
    return torch.cat([each.flatten() for each in found])


def estimated(state, rows):
    state.differentiate([rows], loss, mixed_precision=False)
    return torch.cat([p.grad.flatten() for p in state.model.parameters()])


def at(model, change, seed):
    """Weights moved at random."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(change * torch.randn_like(p))


EVERYTHING = list(range(6))
BATCHES = [list(rows) for rows in combinations(range(6), 2)]


@pytest.mark.parametrize("estimate", ESTIMATES)
def test_at_a_snapshot_the_gradient_is_that_of_all_examples(estimate):
    state = state_of(estimate, small_model())
    for step in (0, 3, 6):
        state.step = step
        at(state.model, 0.3, step)
        torch.testing.assert_close(estimated(state, [0]), gradient(state.model, EVERYTHING))


def test_over_all_batches_the_mean_of_svrf_is_the_gradient():
    state = state_of("svrf", small_model())
    estimated(state, [0])
    state.step_optimizer(0.1)
    at(state.model, 0.5, 1)
    found = torch.stack([estimated(state, rows) for rows in BATCHES])
    torch.testing.assert_close(found.mean(0), gradient(state.model, EVERYTHING))
    plain = torch.stack([gradient(state.model, rows) for rows in BATCHES])
    at(state.model, -0.5, 1)  # near the snapshot
    at(state.model, 0.05, 1)
    near = torch.stack([estimated(state, rows) for rows in BATCHES])
    assert float(near.var(0).sum()) < 0.05 * float(plain.var(0).sum())


def test_given_the_past_the_bias_of_spider_is_its_last_error_and_over_all_pasts_it_has_none():
    errors = []
    for first in BATCHES:
        model = small_model()
        state = state_of("spider", model, period=10)
        estimated(state, [0])
        state.step_optimizer(0.0)
        at(model, 0.4, 1)
        last = estimated(state, first)
        error = last - gradient(model, EVERYTHING)
        errors.append(error)
        state.step_optimizer(0.0)
        at(model, 0.4, 2)
        found = torch.stack([estimated(state, rows) for rows in BATCHES])
        torch.testing.assert_close(found.mean(0) - gradient(model, EVERYTHING), error)
        assert float(error.norm()) > 1e-3
    mean = torch.stack(errors).mean(0)
    torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-12, rtol=0)


@pytest.mark.parametrize("estimate", ESTIMATES)
def test_without_a_step_between_the_batch_does_not_matter(estimate):
    """With dropout, too: both gradients see the same units."""
    state = state_of(estimate, small_model(nn.Dropout(0.5)), period=10)
    torch.manual_seed(3)
    kept = estimated(state, [0])
    state.step_optimizer(0.0)
    for seed, rows in enumerate(BATCHES[:4]):
        torch.manual_seed(seed)
        torch.testing.assert_close(estimated(state, rows), kept)


def test_statistics_follow_the_present_weights_and_weights_come_back():
    model = small_model(nn.BatchNorm1d(5))
    plain = small_model(nn.BatchNorm1d(5))
    state = state_of("svrf", model)
    estimated(state, [0])
    state.step_optimizer(0.1)
    plain.load_state_dict(model.state_dict())
    before = [p.detach().clone() for p in model.parameters()]
    at(model, 0.1, 0)
    at(model, -0.1, 0)
    estimated(state, [1, 2, 3])
    plain(X[[1, 2, 3]].double())
    for ours, theirs in zip(model.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs)
    for p, value in zip(model.parameters(), before, strict=True):
        torch.testing.assert_close(p.detach(), value, rtol=0, atol=1e-15)


class Rows:
    """Batch t is a function of t alone."""

    def __repr__(self):
        return "Rows()"

    def at(self, step):
        while True:
            yield torch.randperm(6, generator=seeded_generator(step))[:2].tolist()
            step += 1


def new_state(estimate):
    model = small_model(nn.BatchNorm1d(5), nn.Dropout(0.3))
    optimizer = FrankWolfe(model, region="linf", preset="sfw", lr=0.1)
    return state_of(estimate, model, period=4, optimizer=optimizer)


@pytest.mark.parametrize("estimate", ESTIMATES)
@pytest.mark.parametrize("stop", [3, 4, 5])
def test_a_training_that_was_stopped_goes_on_bit_for_bit(estimate, stop, tmp_path):
    path = tmp_path / "running.safetensors"
    there = new_state(estimate)
    fit(there, Rows(), loss, FitPlan(11))
    begun = new_state(estimate)
    train_steps(begun, Rows().at(0), loss, until=stop)
    save_checkpoint(path, begun)
    resumed = new_state(estimate)
    load_checkpoint(path, resumed)
    train_steps(resumed, Rows().at(stop), loss, until=11)
    for ours, theirs in ((resumed.model.state_dict(), there.model.state_dict()),
                         (resumed.memory(), there.memory())):  # fmt: skip
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    plain = TrainingState(begun.model, begun.optimizer, Constant(0.1))
    with pytest.raises(InputError, match="steps of another kind"):
        load_checkpoint(path, plain)


def test_a_step_that_diverges_is_not_remembered():
    state = state_of("spider", small_model(), period=10)
    train_steps(state, Rows().at(0), loss, until=3)
    kept = {name: value.clone() for name, value in state.memory().items()}
    with pytest.raises(Exception, match="loss nan"):
        train_steps(state, Rows().at(3), lambda m, r: loss(m, r) * float("nan"), until=4)
    assert all(torch.equal(kept[name], value) for name, value in state.memory().items())


def test_what_is_missing_is_said_in_one_line():
    with pytest.raises(InputError, match="estimate must be one of svrf, spider"):
        state_of("saga", small_model())
    with pytest.raises(InputError, match="period is a whole number"):
        state_of("svrf", small_model(), period=0)
    with pytest.raises(InputError, match="needs training examples, and the data have 0"):
        estimated(state_of("svrf", small_model(), whole=list), [0])
    state = state_of("svrf", small_model())
    state.step = 1
    with pytest.raises(InputError, match="step 1 needs the snapshot before"):
        estimated(state, [0])
