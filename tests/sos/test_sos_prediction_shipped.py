"""The model that comes with the package: its card, its guarantee, what it is good for."""

import numpy as np
import pytest

from tasks.lattice import positions
from tasks.sos import parse_polynomial
from tasks.sos.bases.monomial_bases import even_sqrt_basis
from tasks.sos.prediction.calibration import sigmoid
from tasks.sos.prediction.config import PredictorConfig
from tasks.sos.prediction.evaluation import even_sqrt_scores, score_predictions
from tasks.sos.prediction.metrics import summarize
from tasks.sos.prediction.predictor import SHIPPED_MODEL, predicted_basis, shipped_predictor
from tasks.sos.prediction.training import draw_graphs, logits_of


@pytest.fixture(scope="module")
def predictor():
    return shipped_predictor()


def test_the_file_is_small_and_its_card_says_how_it_was_made(predictor):
    assert SHIPPED_MODEL.stat().st_size <= 10_000_000
    card = predictor.card
    config = card["config"]
    assert card["steps"] == config["steps"] and config["seed"] == 0
    families = {row["family"] for row in card["scores"]}
    assert families == {*config["families"], "all"}
    assert min(row["count"] for row in card["scores"]) >= 500
    assert "covers_less_than_even_sqrt" in card
    assert predictor.thresholds[0][0] == 0.2


@pytest.mark.slow
def test_on_fresh_polynomials_with_cancellation_it_beats_the_rule(predictor):
    # A seed of no training: vanishing squares, where even square roots are not enough.
    families = ("vanishing", "binomial_squares", "multiplied")
    config = PredictorConfig(seed=2026, families=families, max_variables=8, max_size=30)
    graphs = draw_graphs(config, "test", 0, 90)
    logits = logits_of(predictor.model, graphs, predictor.device)
    probabilities = [sigmoid(values / predictor.temperature) for values in logits]
    mine = summarize(score_predictions(graphs, probabilities, predictor.threshold))
    rule = summarize(even_sqrt_scores(graphs))
    assert mine.interval[0] > rule.interval[1]
    assert mine.ratio < 1.1


def test_a_monomial_whose_square_vanished_is_predicted(predictor):
    # (x^2 - y^2)^2 + 2 (x y)^2 + (x y + x)^2 - x^2 y^2: the square of x y is gone.
    p = parse_polynomial("x^4 + y^4 - 2*x^2*y^2 + x^2*y^2 + 2*x^2*y + x^2 + x^2*y^2")
    row = np.array([[1, 1]])
    assert positions(row, even_sqrt_basis(p.exponents))[0] < 0
    assert positions(row, predicted_basis(p, predictor).basis)[0] >= 0


def test_rosenbrock_gets_its_three_monomials(predictor):
    p = parse_polynomial("100*(y - x^2)^2 + (1 - x)^2")
    prediction = predicted_basis(p, predictor)
    needed = np.array([[2, 0], [1, 0], [0, 1], [0, 0]])
    assert (positions(needed, prediction.basis) >= 0).all()
    assert prediction.threshold == predictor.threshold
