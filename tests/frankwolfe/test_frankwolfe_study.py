"""Choices, layers, certificates, verdicts and pictures of the study `frank-wolfe`."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tasks.frankwolfe import figures
from tasks.frankwolfe.config import FrankWolfeConfig
from tasks.frankwolfe.items import Trial, trials
from tasks.frankwolfe.layers import effective_rank, filter_rows, layer_rows, zeros
from tasks.frankwolfe.methods import largest_rate
from tasks.frankwolfe.plan import best_trials, check_frank_wolfe, item_keys
from tasks.frankwolfe.report import _claims
from tasks.frankwolfe.robustness import certify, is_perceptron, lipschitz_of
from tasks.frankwolfe.run import train
from tasks.frankwolfe.verify import verified
from tasks.nn import sgd, store_tensors
from tasks.nn.data import load_dataset
from tasks.nn.models import build_model
from tasks.nn.optimizers import FrankWolfe
from tasks.nn.statistics import Difference, Interval
from tasks.nn.workbench import Workbench
from tasks.nn.yardstick import ACCURACY, LOSS, yardstick_of
from tasks.records import InputError, Status
from tasks.records.work import Plan

SMALL = FrankWolfeConfig(
    dataset="synthetic",
    model="mlp",
    batch_size=60,
    epochs=1,
    regions=("spectral",),
    rivals=("sgd",),
    recalibration_images=100,
    ood_images=0,
    seeds=2,
)


def row(trial: Trial, accuracy: float, loss: float, status: Status = Status.OK) -> dict:
    measures = {"validation_accuracy": accuracy, "validation_loss": loss}
    return {"item": trial.key, "status": status, **measures}


def test_keys_are_those_of_choices_then_repetitions():
    config = replace_config(widths=(3.0,), rate_factors=(1.0, 2.0), rivals=())
    assert item_keys(Plan(config)) == [
        "choose-spectral-w3-x1", "choose-spectral-w3-x2", "spectral-0", "spectral-1",
    ]  # fmt: skip
    config = replace_config(widths=(3.0,), rate_factors=(1.0,))
    assert item_keys(Plan(config)) == ["sgd-0", "sgd-1", "spectral-0", "spectral-1"]


def replace_config(**changes):
    return SMALL.model_copy(update=changes)


def test_the_best_trial_is_that_of_validation_and_failed_ones_do_not_count():
    config = replace_config(rivals=(), widths=(3.0, 10.0), rate_factors=(1.0, 2.0))
    given = trials(config, "spectral")
    rows = [
        row(given[0], 0.8, 0.5),
        row(given[1], 0.8, 0.4),
        row(given[2], 0.9, 9.0, Status.FAILED),
    ]
    assert list(best_trials(config, rows)) == [given[1]]
    assert list(best_trials(config, [])) == []
    assert replace(given[1], replicate=4).key == "spectral-4"


class Lookup(nn.Embedding):
    """Outputs by the sign of the first pixel."""

    def forward(self, images):
        return super().forward((images[:, 0, 0, 0] > 0).long())


def test_a_network_that_cannot_have_a_region_is_refused_by_name(monkeypatch):
    check_frank_wolfe(SMALL)
    monkeypatch.setattr("tasks.nn.workbench.Workbench.new_model", lambda *_: Lookup(3, 4))
    with pytest.raises(InputError, match="spectral: no weight of Lookup"):
        check_frank_wolfe(replace_config(rivals=()))


def test_text_is_judged_by_its_loss_and_images_by_accuracy():
    assert yardstick_of({"dataset": "python-docs"}) is LOSS
    assert yardstick_of({"dataset": "digits"}) is ACCURACY
    text = SMALL.model_copy(update={"dataset": "python-docs", "rivals": (), "widths": (3.0,)})
    given = trials(text, "spectral")
    rows = [row(given[0], 0.9, 0.5), row(given[1], 0.8, 0.4), row(given[2], 0.9, math.inf)]
    assert list(best_trials(text, rows)) == [given[1]]
    methods = {
        name: [{"replicate": n, "validation_loss": x, "loss": x} for n, x in enumerate(losses)]
        for name, losses in (("a", (0.4, 0.5)), ("b", (0.6, 0.75)))
    }
    assert LOSS.favorite(methods, ("a", "b", "c")) == "a" and LOSS.favorite({}, ("a",)) == ""
    found = LOSS.difference(methods["a"], methods["b"])
    assert found.interval.mean == pytest.approx(0.225) and found.verdict == "not settled"
    assert LOSS.text(found).startswith("+0.225 ± 0.3") and LOSS.mean(methods["a"]).startswith("0.4")


@pytest.mark.parametrize(
    ("method", "preset", "rate"),
    [("sgd", "scion", 0.2), ("adamw", "scion", 0.002), ("muon", "scion", 0.04),
     ("spectral", "scion", 0.02), ("spectral", "sfw", 0.2), ("spectral", "momentum_sfw", 2.0)],
)  # fmt: skip
def test_rates_are_multiples_of_the_learning_rate(method, preset, rate):
    config = FrankWolfeConfig(preset=preset, learning_rate=0.1)
    assert largest_rate(Trial(config, method, 3.0, 2.0)) == pytest.approx(rate)


@pytest.mark.parametrize(("preset", "word"), [("sfw", "published: "), ("scion", "here: ")])
def test_only_what_is_published_is_called_so(preset, word):
    row = {"gauge": 0.5, "validation_accuracy": 0.9, "accuracy": 0.9, "replicate": 0}
    methods = {"spectral": [row], "sgd": [row]}
    settings = {"preset": preset, "dataset": "digits", "regions": ["spectral"], "rivals": ["sgd"]}
    found = list(_claims(methods, {}, settings))
    assert len(found) == 2 and all(line.startswith(word) for line in found)


def test_figures_of_text_cut_tails_and_filters_are_the_largest():
    """A method that failed does not press all others together."""
    rows = [
        {"method": m, "replicate": r, "status": "ok", "loss": x + r / 100, "accuracy": 0.2}
        for m, x in (("sgd", 1.0), ("muon", 1.1), ("spectral", 1.2), ("linf", 90.0))
        for r in (0, 1)
    ]
    kept = [
        {"method": "sgd", "filter": n, "shape": [1, 2, 2], "values": [n, 0.0, 0.0, -n / 2]}
        for n in range(20)
    ]
    settings = {"dataset": "python-docs", "regions": ["spectral", "linf"]}
    tables = {"models": rows, "filters": kept}
    stored = SimpleNamespace(settings=settings, rows=tables.__getitem__)
    order = ("sgd", "muon", "spectral", "linf")
    [axes] = figures.draw_accuracies(stored, order).axes
    assert axes.get_xlim()[1] < 10 and axes.get_xlabel() == "loss on test data, nats"
    drawn = [panel.images[0] for panel in figures.draw_filters(stored, order).axes]
    assert [image.get_clim() for image in drawn] == [(-n, n) for n in range(19, 3, -1)]


def test_layers_tell_zeros_ranks_and_spectra():
    model = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 4))
    with torch.no_grad():
        model[0].weight.copy_(torch.outer(torch.arange(5.0), torch.ones(6)))
        model[1].weight.copy_(2 * torch.eye(4, 5))
    first, second = layer_rows(model, sgd(model))
    assert first["zeros"] == pytest.approx(0.2) and first["stable_rank"] == pytest.approx(1)
    assert first["effective_rank"] == pytest.approx(1, abs=1e-6) and first["gauge"] is None
    assert second["stable_rank"] == pytest.approx(4) == second["effective_rank"]
    assert second["spectrum"] == pytest.approx([1, 1, 1, 1]) and second["zeros"] == 0.8
    assert zeros(torch.zeros(3)) == 1 and effective_rank(torch.zeros(3).double()) >= 0
    optimizer = FrankWolfe(model, region="spectral", radius=4.0)
    assert next(layer_rows(model, optimizer))["gauge"] == pytest.approx(
        math.sqrt(180) / 4, rel=1e-6
    )


def test_filters_are_kernels_or_images_of_units():
    convolution = build_model("small-cnn", (3, 8, 8), 10)
    rows = list(filter_rows(convolution, (3, 8, 8)))
    assert len(rows) == 16 and rows[0]["shape"] == [3, 3, 3]
    assert rows[5]["values"] == convolution[0].weight[5].flatten().tolist()
    rows = list(filter_rows(build_model("lenet-300-100", (1, 8, 8), 10), (1, 8, 8)))
    assert len(rows) == 64 and rows[63]["shape"] == [1, 8, 8]
    assert list(filter_rows(nn.Linear(6, 5), (1, 8, 8))) == []
    assert list(filter_rows(nn.ReLU(), (1, 8, 8))) == []


def test_a_certificate_is_never_broken_by_gradient_attacks():
    digits = load_dataset("digits")
    bench = Workbench.open(replace_config(dataset="digits", epochs=4, pad=0))
    trial = Trial(bench.config, "spectral", 3.0, 1.0, 0)
    model = train(trial, bench).model
    radii = (0.0, 0.05, 0.2)
    found = certify(model, digits, radii)
    inputs = digits.normalized(digits.test.inputs)
    for radius, share in zip(radii, found.accuracies, strict=True):
        moved = inputs.clone().requires_grad_()
        loss = nn.functional.cross_entropy(model(moved), digits.test.targets)
        (gradient,) = torch.autograd.grad(loss, moved)
        # In images from 0 to 1 the step has length `radius`.
        step = (gradient / digits.std[:, None, None]).flatten(1)
        step = step / step.norm(dim=1, keepdim=True).clamp(min=1e-12)
        attacked = inputs + (radius * step).reshape(inputs.shape) / digits.std[:, None, None]
        survivors = float((model(attacked).argmax(1) == digits.test.targets).double().mean())
        assert survivors >= share
    clean = float((model(inputs).argmax(1) == digits.test.targets).double().mean())
    assert found.accuracies[0] == pytest.approx(clean) and clean > 0.8
    assert list(found.accuracies) == sorted(found.accuracies, reverse=True)


def test_a_lipschitz_constant_bounds_differences_and_is_for_perceptrons_alone():
    digits = load_dataset("digits")
    model = build_model("mlp", digits.shape, digits.num_classes, seed=0)
    bound = lipschitz_of(model, digits)
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(50, *digits.shape, generator=generator)
    y = x + 0.01 * torch.randn(x.shape, generator=generator)
    scaled = [(z - digits.mean[:, None, None]) / digits.std[:, None, None] for z in (x, y)]
    apart = (model(scaled[0]) - model(scaled[1])).norm(dim=1)
    assert (apart <= bound * (x - y).flatten(1).norm(dim=1)).all()
    assert is_perceptron(model)
    assert not is_perceptron(build_model("small-cnn", (1, 28, 28), 10))
    assert not is_perceptron(nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)))


def test_a_weight_outside_of_its_region_is_found_in_the_file(tmp_path):
    bench = Workbench.open(SMALL)
    model = bench.new_model(0)
    optimizer = FrankWolfe(model, region="spectral", width=1.0)
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    header = {"method": "spectral", "regions": optimizer.regions()}
    path = store_tensors(tmp_path / "checkpoints", tensors, header)
    found = verified(bench, str(tmp_path), {"checkpoint": path.stem, "accuracy": 2.0, "loss": 9.0})
    assert found["status"] == Status.FAILED and found["gauge"] > 1
    assert "1.weight has gauge" in found["reason"] and "the row says 2.0000" in found["reason"]
    assert "the row says 9.0000" in found["reason"]


@pytest.mark.parametrize(
    ("mean", "half", "verdict"),
    [
        (0.001, 0.002, "holds"),
        (-0.004, 0.002, "not settled"),
        (-0.03, 0.01, "does not hold"),
        (0.03, 0.01, "not settled"),
        (0.0, None, "not settled"),
    ],
)
def test_to_match_is_to_differ_little_for_sure(mean, half, verdict):
    assert ACCURACY.matches(Difference(Interval(mean, half, 3))) == verdict


@pytest.mark.parametrize(
    ("field", "value"),
    [("widths", (0.0,)), ("rate_factors", (1.0, 1.0)), ("regions", ("l2", "l2"))],
)
def test_settings_are_checked(field, value):
    with pytest.raises(ValueError, match=field):
        FrankWolfeConfig(**{field: value})
