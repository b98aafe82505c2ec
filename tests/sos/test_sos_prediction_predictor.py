"""The predictor, its files, its calibration and its numbers."""

import numpy as np
import pytest
import torch

from tasks.lattice import positions, sort_monomials
from tasks.nn import save_tensors
from tasks.records import InputError, StoreError, stream
from tasks.sos import Polynomial, parse_polynomial
from tasks.sos.prediction.calibration import (
    calibration_error,
    conformal_threshold,
    fit_temperature,
    sigmoid,
)
from tasks.sos.prediction.metrics import (
    basis_probabilities,
    score_basis,
    summarize,
    wilson_interval,
)
from tasks.sos.prediction.network import BasisScorer
from tasks.sos.prediction.predictor import (
    load_predictor,
    predicted_bases,
    predicted_basis,
    save_predictor,
)

TEXTS = ["(x - y)^2 + 1/3", "x^4*y^2 + x^2*y^4 + z^2 - 2*x*z + 1 + x^2", "7*x^2 + 5"]


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    model = BasisScorer(width=8, rounds=2)
    numbers = {"temperature": 1.5, "threshold": 0.4, "thresholds": [(0.1, 0.6), (0.01, 0.2)]}
    save_predictor(path, model, **numbers, card={"about": "nothing"})
    return path


@pytest.fixture(scope="module")
def predictor(model_file):
    return load_predictor(model_file)


def test_a_prediction_is_sorted_and_cut_at_the_threshold(predictor):
    prediction = predicted_basis(parse_polynomial(TEXTS[1]), predictor)
    assert (np.diff(prediction.probabilities) <= 0).all()
    above = prediction.candidates[prediction.probabilities >= 0.4]
    assert np.array_equal(prediction.basis, sort_monomials(above) if len(above) else above)
    everything = predicted_basis(parse_polynomial(TEXTS[1]), predictor, threshold=0.0)
    assert len(everything.basis) == len(everything.candidates)
    two = prediction.most_probable(2)
    assert (positions(two, prediction.candidates) < 2).all() and len(two) == 2
    assert len(prediction.most_probable(-1)) == 0


def test_several_polynomials_at_once_are_scored_as_one_by_one(predictor):
    polynomials = [parse_polynomial(text) for text in TEXTS]
    zero = Polynomial.zero(("x", "y"))
    together = predicted_bases([*polynomials, zero], predictor)
    for p, found in zip(polynomials, together, strict=False):
        alone = predicted_basis(p, predictor)
        assert np.array_equal(alone.candidates, found.candidates)
        assert np.allclose(alone.probabilities, found.probabilities, atol=1e-6)
    assert together[-1].basis.shape == (0, 2)


def test_a_constant_without_variables_has_the_basis_one(predictor):
    for value, size in ((5, 1), (0, 0)):
        found = predicted_basis(Polynomial.constant((), value), predictor)
        assert found.basis.shape == found.candidates.shape == (size, 0)
        assert found.probabilities.tolist() == [1.0] * size


def test_huge_and_tiny_coefficients_give_probabilities(predictor):
    p = parse_polynomial("x^4 + y^2") * Polynomial.constant(("x", "y"), 10) ** 400
    q = p + parse_polynomial("x^2 + 0*y")
    found = predicted_basis(q, predictor)
    assert np.isfinite(found.probabilities).all()


def test_a_model_file_survives_and_a_damaged_one_is_refused(model_file, tmp_path):
    loaded = load_predictor(model_file)
    assert (loaded.temperature, loaded.threshold) == (1.5, 0.4)
    assert loaded.card == {"about": "nothing"}
    assert not loaded.model.training
    asked = [loaded.threshold_at(alpha) for alpha in (0.5, 0.1, 0.05, 0.001)]
    assert asked == [0.6, 0.6, 0.2, 0.0]
    damaged = tmp_path / "damaged.safetensors"
    data = bytearray(model_file.read_bytes())
    data[-5] ^= 1
    damaged.write_bytes(data)
    with pytest.raises(StoreError, match="damaged"):
        load_predictor(damaged)
    other = tmp_path / "other.safetensors"
    save_tensors(other, {"a": torch.zeros(2)}, {"kind": "something"})
    with pytest.raises(InputError, match="something"):
        load_predictor(other)


# --- calibration --------------------------------------------------------------------------------


def test_the_temperature_of_inflated_logits_is_found():
    rng = stream(0, "temperature")
    logits = rng.normal(0, 2, 20_000)
    labels = rng.random(20_000) < sigmoid(logits)
    assert fit_temperature(3 * logits, labels) == pytest.approx(3, rel=0.05)
    assert calibration_error(sigmoid(logits), labels) < 0.02
    assert calibration_error(sigmoid(3 * logits), labels) > 0.05


def test_sigmoid_neither_overflows_nor_loses_its_tails():
    assert sigmoid(np.array([-800.0, 0.0, 800.0])).tolist() == [0.0, 0.5, 1.0]


def test_the_conformal_threshold_covers_as_often_as_it_promises():
    # Exact for exchangeable numbers: P(q < tau) <= alpha; here over many calibration sets.
    alpha, count, trials = 0.2, 29, 4000
    draws = stream(0, "conformal").random((trials, count + 1))
    missed = [row[-1] < conformal_threshold(row[:-1], alpha=alpha) for row in draws]
    # k = 6 of 30: the new number is below the 6th smallest of 29 with probability 6/30.
    error = 4 * np.sqrt(0.2 * 0.8 / trials)
    assert abs(np.mean(missed) - 0.2) < error


def test_too_few_polynomials_for_a_guarantee_give_threshold_zero():
    assert conformal_threshold(np.array([0.9] * 5), alpha=0.1) == 0.0
    with pytest.raises(InputError, match="between 0 and 1"):
        conformal_threshold(np.array([0.9]), alpha=0.0)


# --- metrics ------------------------------------------------------------------------------------

KNOWN = sort_monomials([[2], [1], [0]])
SUPPORT = sort_monomials([[4], [3], [2], [1], [0]])


@pytest.mark.parametrize(
    ("predicted", "covered", "precision", "ratio", "repair"),
    [
        ([[2], [1], [0]], True, 1.0, 1.0, 0),
        ([[2], [0]], True, 1.0, 1.0, 1),
        ([[3], [2], [1], [0]], True, 0.75, 4 / 3, 0),
    ],
)
def test_scores_of_predictions(predicted, covered, precision, ratio, repair):
    score = score_basis(sort_monomials(predicted), KNOWN, SUPPORT, KNOWN)
    assert (score.covered, score.precision, score.repair) == (covered, precision, repair)
    assert score.ratio == pytest.approx(ratio)


def test_a_prediction_that_covers_the_support_without_the_basis_is_not_covered():
    # x^2 (1 - x)^2 + ...: without x^3, the middle can still be written otherwise.
    support = sort_monomials([[4], [2], [0]])
    score = score_basis(sort_monomials([[2], [0]]), KNOWN, support, KNOWN)
    assert not score.covered and score.repair == 0


def test_summaries_are_means_with_intervals():
    scores = [
        score_basis(sort_monomials(rows), KNOWN, SUPPORT, KNOWN)
        for rows in ([[2], [1], [0]], [[2], [0]], [[3], [2], [1], [0]])
    ]
    summary = summarize(scores)
    assert summary.count == 3 and summary.coverage == 1.0
    assert summary.repair == pytest.approx(1 / 3)
    assert summary.ratio == pytest.approx((1 + 1 + 4 / 3) / 3)
    assert summary.interval[1] == 1.0 and summary.interval[0] > 0.4


def test_the_interval_of_a_share_covers_it_about_as_often_as_said():
    rng = stream(0, "wilson")
    hits = 0
    for successes in rng.binomial(200, 0.97, 2000).tolist():
        low, high = wilson_interval(successes, 200)
        hits += low <= 0.97 <= high
    assert 0.93 < hits / 2000 < 0.98


def test_the_least_probability_is_zero_for_a_basis_that_is_no_candidate():
    candidates = [KNOWN, KNOWN]
    values = [np.array([0.9, 0.2, 0.8])] * 2
    bases = [sort_monomials([[2], [0]]), sort_monomials([[5]])]
    assert basis_probabilities(values, candidates, bases).tolist() == [0.8, 0.0]
