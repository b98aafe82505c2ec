"""The prediction beside the rule even-sqrt on the same polynomials: a paired comparison."""

import numpy as np
import pytest
from scipy.stats import binomtest

from tasks.sos.prediction import evaluation
from tasks.sos.prediction import run as training_run
from tasks.sos.prediction.config import PredictorConfig
from tasks.sos.prediction.evaluation import Calibration, compare_methods
from tasks.sos.prediction.metrics import BasisScore, sign_test
from tasks.sos.prediction.training import draw_graphs

SMALL = {"max_variables": 3, "max_half_degree": 3, "max_size": 6}


@pytest.mark.parametrize("pair", [(0, 0), (0, 5), (0, 7), (7, 0), (3, 3), (40, 61), (900, 1100)])
def test_the_sign_test_is_the_exact_two_sided_one(pair):
    total = sum(pair)
    wanted = binomtest(pair[0], total).pvalue if total else 1.0
    assert sign_test(*pair) == pytest.approx(wanted, rel=1e-9)
    assert sign_test(*pair) == sign_test(*pair[::-1])


def compared(monkeypatch, family, mine, rule):
    """The scores of one family, given what either method covers."""
    graphs = draw_graphs(PredictorConfig(families=(family,), **SMALL), "test", 0, len(mine))
    given = {
        name: [BasisScore(covered, 1.0, 1.0, 0, 5) for covered in found]
        for name, found in (("score_predictions", mine), ("even_sqrt_scores", rule))
    }
    for name, scores in given.items():
        monkeypatch.setattr(evaluation, name, lambda *_, scores=scores: scores)
    logits = [np.zeros(each.graph.num_candidates, dtype=np.float32) for each in graphs]
    return compare_methods(logits, graphs, Calibration(1.0, 0.5))[0]


def test_seven_polynomials_that_only_the_rule_covers_are_a_loss_though_intervals_overlap(
    monkeypatch,
):
    scores = compared(monkeypatch, "dense", [False] * 7 + [True] * 43, [True] * 50)
    mine, rule = scores[:2]
    assert mine.summary.interval[1] > rule.summary.interval[0]
    assert (mine.alone, rule.alone) == (0, 7)
    assert mine.sign_test == rule.sign_test == 2 / 2**7
    assert training_run._weak_families(scores) == ["dense", "all"]


def test_a_gain_and_a_loss_that_may_be_chance_are_not_named(monkeypatch):
    lost = compared(monkeypatch, "dense", [False] * 5 + [True] * 45, [True] * 50)
    assert lost[0].sign_test > 0.05
    won = compared(monkeypatch, "dense", [True] * 50, [False] * 9 + [True] * 41)
    assert (won[0].alone, won[1].alone) == (9, 0)
    assert training_run._weak_families(lost) == training_run._weak_families(won) == []


def test_polynomials_that_both_miss_or_both_cover_do_not_count(monkeypatch):
    scores = compared(monkeypatch, "sparse", [False] * 20 + [True], [False] * 20 + [True])
    assert [(each.alone, each.sign_test) for each in scores] == [(0, 1.0)] * 4
    row = training_run._score_row("scorer", scores[0])
    assert (row["covered_alone"], row["sign_test"]) == (0, 1.0)
