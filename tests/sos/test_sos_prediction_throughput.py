"""Rates of training steps: what the benchmark of the predictor measures, here and on a GPU."""

import pytest
import torch

from benchmarks.sos_prediction import TRAINING, training
from tasks.sos.prediction.config import PredictorConfig

TINY = PredictorConfig(
    width=8, rounds=1, batch_size=4, max_variables=3, max_half_degree=3, max_size=6
)


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_training_step_has_a_rate_and_a_share_of_a_matrix_product(one_thread):
    found = training(TINY, torch.device("cpu"), size=128)
    assert found.steps > 0
    # A polynomial has at least three terms, and a term at least one pair.
    assert found.pairs >= found.terms >= 3 * TINY.batch_size * found.steps
    assert 0 < found.utilization < 1


@pytest.mark.gpu
def test_a_training_step_on_a_gpu_has_a_rate_too():
    found = training(TRAINING, torch.device("cuda"))
    assert found.pairs >= found.terms > 0
    assert 0 < found.utilization < 1
