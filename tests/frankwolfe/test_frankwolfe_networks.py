"""Costs, choices, rates, reports and pictures of the study `adaptive-networks`."""

from types import SimpleNamespace

import pytest
import torch
from pydantic import ValidationError

from tasks.frankwolfe.adaptive.networks import figures, run
from tasks.frankwolfe.adaptive.networks.config import METHODS, RIVALS, AdaptiveNetworksConfig
from tasks.frankwolfe.adaptive.networks.items import Cost, NetworkTrial, trials
from tasks.frankwolfe.adaptive.networks.methods import (
    cost_of,
    largest_rate,
    num_steps,
    optimizer_of,
    state_of,
    whole_batches,
)
from tasks.frankwolfe.adaptive.networks.plan import (
    best_trials,
    check_networks,
    network_items,
    network_keys,
)
from tasks.frankwolfe.adaptive.networks.report import networks_report
from tasks.nn import Constant, train_steps
from tasks.nn.workbench import Workbench
from tasks.records import InputError, Status
from tasks.records.work import Plan

SMALL = AdaptiveNetworksConfig(
    dataset="synthetic", model="mlp", batch_size=60, epochs=4, snapshot_epochs=0.5,
    recalibration_images=100, ood_images=0, gap_images=50, seeds=2,
)  # fmt: skip


@pytest.mark.parametrize("cost", [Cost(10, 95), Cost(10, 95, 1), Cost(10, 95, 4), Cost(7, 95, 20)])
def test_steps_within_a_budget_are_the_most_that_it_pays(cost):
    taken = [0]
    for step in range(60):
        is_pass = cost.period and step % cost.period == 0
        price = cost.whole if is_pass else cost.batch * (2 if cost.period else 1)
        taken.append(taken[-1] + price)
        assert cost.after(step + 1) == taken[-1]
    for budget in (1, 94, 95, 96, 300, 420.5):
        steps = cost.steps_within(budget)
        assert steps == max(max(n for n, t in enumerate(taken) if t <= budget), 1)


@pytest.mark.parametrize("method", [*RIVALS, *METHODS])
def test_gradients_that_are_counted_are_those_that_are_taken(method):
    """Examples that a loss has seen, in training mode."""
    bench = Workbench.open(SMALL)
    trial = NetworkTrial(SMALL, method, 1.0)
    model, seen = bench.new_model(0), []
    state = state_of(trial, bench, model, optimizer_of(trial, model), Constant(0.01), 0)

    def loss(model, batch):
        seen.append(len(batch[0]))
        return bench.objective.of_model(model, batch)

    steps = num_steps(trial, bench)
    train_steps(state, bench.batches(0).at(0), loss, until=steps)
    budget = bench.num_steps(SMALL.epochs) * SMALL.batch_size
    cost = cost_of(trial, bench)
    assert sum(seen) == cost.after(steps) <= budget < cost.after(steps + 1)


def test_whole_batches_hold_every_example_once_in_one_order():
    bench = Workbench.open(SMALL.model_copy(update={"batch_size": 70}))
    found = list(whole_batches(bench, 3))
    sizes = [size for _, size in found]
    assert sum(sizes) == len(bench.dataset.train) and max(sizes) - min(sizes) <= 1
    inputs = torch.cat([batch[0] for batch, _ in found])
    wanted = bench.dataset.normalized(bench.dataset.train.inputs)
    assert torch.equal(
        inputs.flatten(1).sum(1).sort().values, wanted.flatten(1).sum(1).sort().values
    )
    again = torch.cat([batch[0] for batch, _ in whole_batches(bench, 3)])
    assert torch.equal(inputs, again)


def test_what_cannot_be_trained_is_refused_in_one_line():
    for changes, words in (
        ({"pad": 1}, "svrf needs a finite sum"),
        ({"flip": True}, "svrf needs a finite sum"),
        ({"methods": ("sgd", "sgd")}, "a name twice"),
        ({"rate_factors": (1.0, 1.0)}, "a value twice"),
        ({"rate_factors": (0.0,)}, "must be positive"),
        ({"methods": ()}, "at least 1"),
        ({"inner_steps": 0}, "greater than or equal to 1"),
        ({"dataset": "python-docs"}, "dataset"),
    ):
        with pytest.raises(ValidationError, match=words):
            AdaptiveNetworksConfig(**changes)
    assert AdaptiveNetworksConfig(methods=("sfw",), pad=2, flip=True).pad == 2
    check_networks(SMALL)
    with pytest.raises(InputError, match=r"batches of 60000"):
        check_networks(SMALL.model_copy(update={"batch_size": 60_000}))


@pytest.mark.parametrize(
    ("method", "rate"),
    [("sgd", 0.2), ("adamw", 0.002), ("sfw", 0.2), ("momentum_sfw", 2.0), ("adasfw", 0.02),
     ("adamsfw", 0.002), ("svrf", 0.2), ("spider", 0.2)],
)  # fmt: skip
def test_rates_are_multiples_of_the_learning_rate(method, rate):
    assert largest_rate(NetworkTrial(SMALL, method, 2.0)) == pytest.approx(rate)


def row(item, method, replicate, accuracy, loss, status=Status.OK):
    both = {"accuracy": accuracy, "validation_accuracy": accuracy, "loss": loss, "train_loss": loss}
    more = {"validation_loss": loss, "rate": 0.1, "steps": 9, "evaluations": 540, "reason": ""}
    constrained = {"gap": 1.0, "gauge": 0.5, "checkpoint": None}
    place = {"item": item, "method": method, "replicate": replicate, "status": status}
    return {**place, **both, **more, **constrained}


def test_rates_are_those_of_validation_and_failed_ones_do_not_count():
    config = SMALL.model_copy(update={"methods": ("sfw",), "rate_factors": (1.0, 3.0, 10.0)})
    assert network_keys(Plan(config)) == [
        "choose-sfw-x1", "choose-sfw-x3", "choose-sfw-x10", "sfw-0", "sfw-1",
    ]  # fmt: skip
    assert [item.key for item in network_items(Plan(config))] == network_keys(Plan(config))
    given = trials(config, "sfw")
    rows = [
        row(given[0].key, "sfw", -1, 0.8, 0.5),
        row(given[1].key, "sfw", -1, 0.8, 0.4),
        row(given[2].key, "sfw", -1, 0.9, 9.0, Status.FAILED),
    ]
    assert list(best_trials(config, rows)) == [given[1]]
    assert list(best_trials(config, [])) == []


def stored_of(models, curve=(), **settings):
    tables = {"models": models, "curve": curve, "verification": []}
    known = {**SMALL.model_dump(), **settings}
    return SimpleNamespace(
        settings=known, rows=lambda name: tables[name], run=SimpleNamespace(run_id="r")
    )


def test_questions_are_answered_by_paired_repetitions():
    accuracies = {"sfw": (0.80, 0.82, 0.84), "adasfw": (0.85, 0.87, 0.89), "svrf": (0.8, 0.9, 0.7)}
    models = [
        row(f"{method}-{r}", method, r, value, 1 - value)
        for method, values in accuracies.items()
        for r, value in enumerate(values)
    ]
    found = networks_report(stored_of(models, [{"evaluations": 540, "passes": 0.9}]))
    text = "\n".join(found.findings)
    assert "weights are feasible at the end -> holds" in text
    assert "adasfw is more accurate than sfw -> holds, +5.00 ± 0.00 points" in text
    assert "svrf is more accurate than sfw -> not settled" in text and "adamsfw" not in text
    assert networks_report(stored_of([])).findings == ["no training is done yet"]


def test_pictures_have_a_line_for_each_method_and_bands_of_losses_stay_positive():
    curve = [
        {"method": m, "replicate": r, "passes": p, "train_loss": loss, "validation_loss": loss,
         "validation_quality": 0.9 + r / 100}
        for m in ("sgd", "sfw") for r in (0, 1) for p, loss in ((1.0, 1.0 + 9 * r), (2.0, 0.1))
    ]  # fmt: skip
    drawn = figures.draw_curves(stored_of([], curve))
    for axes in drawn.axes:
        assert [line.get_label() for line in axes.lines] == ["sgd", "sfw"]
    band = drawn.axes[0].collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() > 0
    models = [row(f"{m}-{r}", m, r, 0.9, 0.1) for m in ("sgd", "sfw") for r in (0, 1)]
    ends = figures.draw_ends(stored_of(models))
    assert [text.get_text() for text in ends.axes[0].get_yticklabels()] == ["sgd", "sfw"]
    assert figures.draw_ends(stored_of([])).axes


def test_all_methods_of_a_repetition_start_from_one_network():
    bench = Workbench.open(SMALL)
    config = SMALL.model_copy(update={"epochs": 0.1, "learning_rate": 1e-6})
    first = [
        run.train(NetworkTrial(config, method, 1.0, 0), bench).model.state_dict()
        for method in ("sgd", "svrf")
    ]
    for name, value in first[0].items():
        torch.testing.assert_close(value, first[1][name], atol=1e-3, rtol=0)
