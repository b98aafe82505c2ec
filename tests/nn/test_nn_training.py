"""The loop: deterministic, clipped, scheduled, and stopped by what is not finite."""

from itertools import islice

import pytest
import torch
import toy_training as toy

from tasks.nn import Constant, TrainingDiverged, sgd, train_steps
from tasks.records import InputError


def test_the_same_seed_gives_the_same_weights():
    first, second = (toy.weights(toy.train(toy.new_state(3), 7)) for _ in range(2))
    assert toy.same(first, second)


def test_another_seed_gives_other_weights():
    states = [toy.new_state(3), toy.new_state(3)]
    states[1].generator.manual_seed(4)
    first, second = (toy.weights(toy.train(state, 7)) for state in states)
    assert not toy.same(first, second)


def test_the_callers_random_numbers_do_not_matter_and_are_left_alone():
    torch.manual_seed(1)
    first = toy.weights(toy.train(toy.new_state(3), 5))
    after = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(3), after)
    assert toy.same(first, toy.weights(toy.train(toy.new_state(3), 5)))


def test_two_runs_in_a_row_are_one_run():
    whole = toy.train(toy.new_state(), 9)
    parts = toy.train(toy.train(toy.new_state(), 4), 9)
    assert toy.same(toy.weights(whole), toy.weights(parts))


def test_a_finished_state_is_left_as_it_is():
    state = toy.train(toy.new_state(), 4)
    before = toy.weights(state)
    toy.train(state, 4)
    toy.train(state, 2)
    assert state.step == 4 and toy.same(before, toy.weights(state))


def test_the_loss_goes_down():
    losses = []
    state = toy.new_state(schedule=Constant(0.02))
    toy.train(state, 60, observe=lambda r: losses.append(r.loss))
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])


def test_rates_follow_the_schedule_and_the_scale_of_their_group():
    state = toy.new_state()
    state.optimizer.param_groups[0]["lr_scale"] = 0.5
    seen = []
    toy.train(state, 6, observe=lambda r: seen.append((r.step, r.rate)))
    assert seen == [(t + 1, toy.SCHEDULE.at(t)) for t in range(6)]
    assert state.optimizer.param_groups[0]["lr"] == 0.5 * toy.SCHEDULE.at(5)


def test_a_step_is_no_longer_than_the_clipped_gradient_allows():
    model = torch.nn.Linear(3, 1)
    state = toy.TrainingState(model, sgd(model, momentum=0.0), Constant(0.1))
    before = torch.cat([p.detach().flatten() for p in model.parameters()])
    norms = []
    train_steps(
        state,
        [torch.full((2, 3), 100.0)],
        lambda m, x: m(x).square().mean(),
        until=1,
        clip=0.5,
        observe=lambda r: norms.append(r.gradient_norm),
    )
    after = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert norms[0] > 0.5
    assert float((after - before).norm()) == pytest.approx(0.1 * 0.5, rel=1e-4)  # float32


def test_without_a_limit_the_gradient_is_taken_as_it_is():
    model = torch.nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(1.0)
    state = toy.TrainingState(model, sgd(model, momentum=0.0), Constant(1.0))
    batches = [torch.full((1, 1), 10.0)]
    train_steps(state, batches, lambda m, x: m(x).sum(), until=1, clip=None)
    assert model.weight.item() == -9.0


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_before_it_does_harm(bad):
    state = toy.train(toy.new_state(), 3)
    before, draws = toy.weights(state), state.generator.get_state()
    with pytest.raises(TrainingDiverged, match=r"step 3: loss (nan|-?inf).*learning rate"):
        train_steps(
            state,
            toy.batches(3),
            lambda model, batch: toy.squared_error(model, batch) * bad,
            until=9,
        )
    assert state.step == 3 and toy.same(before, toy.weights(state))
    assert torch.equal(state.generator.get_state(), draws)


def test_after_a_bad_batch_the_state_is_that_of_the_last_good_step():
    """Statistics of normalization had seen the bad batch, and random numbers were drawn for it."""

    def poisoned():
        for step, (inputs, targets) in enumerate(toy.batches()):
            yield inputs * (float("nan") if step == 4 else 1.0), targets

    state, good = toy.new_state(), toy.train(toy.new_state(), 4)
    with pytest.raises(TrainingDiverged):
        train_steps(state, poisoned(), toy.squared_error, until=9)
    assert toy.same(toy.weights(state), toy.weights(good))
    assert torch.equal(state.generator.get_state(), good.generator.get_state())
    assert toy.same(toy.weights(toy.train(state, 9)), toy.weights(toy.train(good, 9)))


def test_an_infinite_gradient_of_a_finite_loss_stops_too():
    model = torch.nn.Linear(1, 1, bias=False)
    model.weight.data.zero_()
    state = toy.TrainingState(model, sgd(model), Constant(0.1))
    with pytest.raises(TrainingDiverged, match=r"loss 0, gradient norm (inf|nan)"):
        train_steps(
            state,
            [torch.ones(1, 1)],
            lambda m, x: torch.rsqrt(1 / m(x).abs()).sum(),
            until=1,
        )
    assert model.weight.item() == 0.0


def test_too_few_batches_are_an_error():
    with pytest.raises(InputError, match="ended after step 0, wanted are 3"):
        train_steps(toy.new_state(), [], toy.squared_error, until=3)


def test_accumulated_batches_take_the_step_of_one_large_batch():
    whole, parts = (toy.TrainingState(m, sgd(m), Constant(0.1)) for m in two_linear_models())
    inputs, targets = torch.randn(12, 4), torch.randn(12, 1)
    train_steps(whole, [(inputs, targets)], toy.squared_error, until=1)
    pieces = zip(inputs.split(4), targets.split(4), strict=True)
    seen = []
    train_steps(parts, pieces, toy.squared_error, until=1, accumulation=3, observe=seen.append)
    for a, b in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    before = toy.squared_error(two_linear_models()[0], (inputs, targets))
    assert seen[0].loss.item() == pytest.approx(before.item())


def two_linear_models():
    models = torch.nn.Linear(4, 1), torch.nn.Linear(4, 1)
    for model in models:
        model.weight.data.fill_(0.3)
        model.bias.data.fill_(-0.1)
    return models


def test_half_a_step_is_an_error():
    pieces = list(islice(toy.batches(), 3))
    with pytest.raises(InputError, match="ended after step 1, wanted are 2 steps of 2 batches"):
        train_steps(toy.new_state(), pieces, toy.squared_error, until=2, accumulation=2)


def test_terms_of_a_loss_are_means_over_the_batches_of_a_step():
    def loss(model, batch):
        value = toy.squared_error(model, batch)
        return value, {"half": value / 2, "inputs": batch[0].mean()}

    state, seen = toy.new_state(), []
    train_steps(state, toy.batches(), loss, until=2, accumulation=2, observe=seen.append)
    means = [float(inputs.mean()) for inputs, _ in islice(toy.batches(), 4)]
    for report, first, second in zip(seen, means[::2], means[1::2], strict=True):
        assert float(report.terms["half"]) == pytest.approx(float(report.loss) / 2)
        assert float(report.terms["inputs"]) == pytest.approx((first + second) / 2, abs=1e-6)


def test_mixed_precision_computes_in_bfloat16_and_keeps_weights_in_float32():
    seen = []

    def loss(model, batch):
        output = model(batch[0])
        seen.append(output.dtype)
        return output.float().square().mean()

    state = toy.new_state()
    train_steps(state, toy.batches(), loss, until=2, mixed_precision=True)
    assert seen == [torch.bfloat16] * 2
    assert all(p.dtype == torch.float32 for p in state.model.parameters())


@pytest.mark.gpu
def test_training_on_a_gpu_repeats():
    first, second = (toy.weights(toy.train(toy.new_state(3, device="cuda"), 7)) for _ in range(2))
    assert toy.same(first, second)
