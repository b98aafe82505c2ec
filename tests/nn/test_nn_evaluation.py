"""Measures against small cases by hand, and against how others got them wrong."""

import math

import pytest
import torch
from torch import nn

from tasks.nn import (
    Linear,
    TrainingState,
    classification_loss,
    corrupted_accuracies,
    ensemble,
    evaluate,
    evaluating,
    measure,
    predict,
    seeded_generator,
    sgd,
    train_steps,
)
from tasks.nn.data import ImageBatches, evaluation_batches, load_dataset
from tasks.nn.models import build_model
from tasks.records import InputError


def logs(*rows):
    return torch.tensor(rows, dtype=torch.float64).log()


@pytest.fixture(scope="module")
def trained():
    """A perceptron on the digits, and the digits."""
    digits = load_dataset("digits")
    model = build_model("mlp", digits.shape, digits.num_classes, seed=1)
    state = TrainingState(model, sgd(model), Linear(0.1, 0, 200), 0, seeded_generator(1))
    batches = ImageBatches(digits, 64, seed=1).at(0)
    train_steps(state, batches, classification_loss, until=200)
    return model, digits


def test_accuracy_is_the_share_of_images_not_of_classes():
    # Class 0: 3 of 3 right, class 1: 0 of 1; the macro average would be 1/2.
    result = measure(logs(*[[0.9, 0.1]] * 4), torch.tensor([0, 0, 0, 1]))
    assert result.accuracy == 0.75 and result.worst_class_accuracy == 0.0
    assert result.num_images == 4


def test_the_worst_class_is_among_those_that_occur():
    result = measure(logs([0.9, 0.05, 0.05], [0.1, 0.8, 0.1]), torch.tensor([0, 1]))
    assert result.worst_class_accuracy == 1.0


def test_the_loss_is_the_mean_negative_log_probability():
    result = measure(logs([0.5, 0.5], [0.2, 0.8]), torch.tensor([0, 1]))
    assert result.loss == pytest.approx(-(math.log(0.5) + math.log(0.8)) / 2)


def test_the_calibration_error_is_the_weighted_gap_of_bins():
    # Bins of width 1/2: confidences 0.9, 0.7 in the second, 0.4 in the first.
    rows = logs([0.9, 0.05, 0.05], [0.7, 0.2, 0.1], [0.4, 0.3, 0.3])
    labels = torch.tensor([0, 1, 0])
    expected = 2 / 3 * abs(0.5 - 0.8) + 1 / 3 * abs(1 - 0.4)
    assert measure(rows, labels, num_bins=2).calibration_error == pytest.approx(expected)


def test_a_calibrated_classifier_has_no_calibration_error():
    rows = logs(*[[0.8, 0.2]] * 10)
    labels = torch.tensor([0] * 8 + [1] * 2)
    assert measure(rows, labels).calibration_error == pytest.approx(0, abs=1e-12)


def test_bins_include_their_right_ends():
    # 13/15 = 0.8666... and 12.5/15 lie in one bin, so their gaps cancel; 13.1/15 in another.
    for confidence, expected in ((12.5 / 15, 0.0), (13.1 / 15, None)):
        rows = logs([13 / 15, 2 / 15], [confidence, 1 - confidence])
        gap = (1 - 13 / 15) + (0 - confidence)
        parts = abs(1 - 13 / 15) + abs(0 - confidence)
        result = measure(rows, torch.tensor([0, 1])).calibration_error
        assert result == pytest.approx((abs(gap) if expected == 0.0 else parts) / 2)


def test_an_ensemble_is_scored_against_labels_not_for_agreement():
    first, second = logs([0.9, 0.1], [0.4, 0.6]), logs([0.8, 0.2], [0.3, 0.7])
    agreed_but_wrong = torch.tensor([1, 0])
    assert measure(ensemble([first, second]), agreed_but_wrong).accuracy == 0.0


def test_an_ensemble_averages_probabilities():
    members = [logs([0.9, 0.1]), logs([0.4, 0.6]), logs([0.4, 0.6])]
    assert torch.allclose(ensemble(members).exp(), torch.tensor([[1.7, 1.3]]).double() / 3)
    assert torch.allclose(ensemble(members[:1]), members[0])


def test_nothing_to_measure_is_refused():
    with pytest.raises(InputError, match="0 predictions for 0 labels"):
        measure(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))
    with pytest.raises(InputError, match="2 predictions for 1 labels"):
        measure(torch.zeros(2, 3), torch.zeros(1, dtype=torch.int64))
    with pytest.raises(InputError, match="at least one member"):
        ensemble([])


def test_a_perceptron_learns_the_digits(trained):
    model, digits = trained
    result = evaluate(model, digits, digits.test)
    # Measured 0.95..0.97 over ten seeds.
    assert result.accuracy > 0.92 and result.num_images == 359
    assert result.worst_class_accuracy <= result.accuracy
    assert 0 <= result.calibration_error < 0.1 and result.loss < 0.4


def test_corrupted_images_are_harder(trained):
    model, digits = trained
    clean = evaluate(model, digits, digits.test).accuracy
    found = corrupted_accuracies(
        model, digits, digits.test, corruptions=["gaussian_noise", "rotation"], severities=[1, 5]
    )
    assert set(found) == {(c, s) for c in ("gaussian_noise", "rotation") for s in (1, 5)}
    for corruption in ("gaussian_noise", "rotation"):
        # The weakest severity may help a few of the 359 images by chance.
        assert found[corruption, 5] < found[corruption, 1] <= clean + 0.02


def test_evaluation_leaves_every_module_in_its_mode():
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout())
    model.train()
    model[0].eval()
    with pytest.raises(RuntimeError, match="inside"), evaluating(model):
        assert not any(m.training for m in model.modules())
        raise RuntimeError("inside")
    assert [m.training for m in model.modules()] == [True, False, True]


def test_predictions_do_not_depend_on_the_batch_size_or_the_mode(trained):
    model, digits = trained
    model.train()
    first, second = (
        predict(model, evaluation_batches(digits, digits.test, size)) for size in (7, 359)
    )
    assert torch.allclose(first, second, atol=1e-5)  # float32 sums of another order
    assert torch.allclose(first.exp().sum(1), torch.ones(359, dtype=torch.float64))
