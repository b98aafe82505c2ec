"""Training repeats bit for bit, resumes to the same weights, and learns."""

import numpy as np
import pytest
import torch
from study_calls import answers

from flows.planning import plan_run
from flows.sos_train import STUDY
from tasks.nn import load_tensors
from tasks.sos.prediction import run as training_run
from tasks.sos.prediction.config import PredictorConfig
from tasks.sos.prediction.evaluation import calibrate, compare_methods
from tasks.sos.prediction.items import CHECKPOINT, MODEL, TrainItem
from tasks.sos.prediction.learners import TrainingBatches, new_state
from tasks.sos.prediction.predictor import load_predictor
from tasks.sos.prediction.training import basis_loss, draw_graphs, joined, logits_of

CPU = torch.device("cpu")
TINY = PredictorConfig(
    width=8,
    rounds=1,
    steps=6,
    batch_size=6,
    checkpoint_steps=2,
    max_variables=3,
    max_half_degree=3,
    max_size=6,
    validation=12,
    calibration=24,
    test=24,
    alpha=0.1,
    device="cpu",
)


def weights(state):
    return {name: value.clone() for name, value in state.model.state_dict().items()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


class KilledError(Exception):
    pass


@pytest.fixture(scope="module")
def trained():
    return training_run.train(TINY, CPU)


def test_the_same_seed_gives_the_same_weights_and_another_one_does_not(trained):
    again, curve = training_run.train(TINY, CPU)
    assert_same(weights(trained[0]), weights(again))
    assert curve == trained[1]
    other, _ = training_run.train(TINY.model_copy(update={"seed": 1}), CPU)
    assert not torch.equal(next(iter(weights(other).values())), next(iter(weights(again).values())))


def test_a_killed_training_resumes_to_the_same_weights_and_curve(trained, tmp_path, monkeypatch):
    measures = training_run._measures

    def killed_later(state, *arguments):
        if state.step > 4:
            raise KilledError
        return measures(state, *arguments)

    monkeypatch.setattr(training_run, "_measures", killed_later)
    with pytest.raises(KilledError):
        training_run.train(TINY, CPU, folder=str(tmp_path))
    assert load_tensors(tmp_path / CHECKPOINT).extra["step"] == 4
    monkeypatch.setattr(training_run, "_measures", measures)
    state, curve = training_run.train(TINY, CPU, folder=str(tmp_path))
    assert_same(weights(trained[0]), weights(state))
    assert curve == trained[1]
    assert [row["step"] for row in curve] == [2, 4, 6]


def flipped(content):
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


def test_freed_memory_goes_back_with_every_row_of_the_curve(monkeypatch):
    """Batches of many sizes leave holes: without it a training grows by gigabytes."""
    calls = []
    monkeypatch.setattr(training_run, "release_freed_memory", lambda: calls.append(None))
    _, curve = training_run.train(TINY, CPU)
    assert len(calls) == len(curve) == 3


@pytest.mark.parametrize("damage", [flipped, lambda content: content[:100], lambda _: b""])
def test_a_damaged_checkpoint_is_named_and_the_training_starts_afresh(
    damage, trained, tmp_path, caplog
):
    training_run.train(TINY.model_copy(update={"steps": 2}), CPU, folder=str(tmp_path))
    place = tmp_path / CHECKPOINT
    place.write_bytes(damage(place.read_bytes()))
    state, curve = training_run.train(TINY, CPU, folder=str(tmp_path))
    assert_same(weights(trained[0]), weights(state))
    assert curve == trained[1]
    [warning] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert str(place) in warning.getMessage()
    assert load_tensors(place).extra["step"] == 6


def test_a_batch_depends_on_the_seed_and_its_step_only():
    batches = TrainingBatches(TINY, CPU).at(0)
    third = [next(batches) for _ in range(3)][2]
    again = next(TrainingBatches(TINY, CPU).at(2))
    assert torch.equal(third.labels, again.labels)
    assert torch.equal(third.graph.terms, again.graph.terms)


def test_the_loss_of_perfect_logits_vanishes_and_that_of_wrong_ones_is_large():
    class Fixed(torch.nn.Module):
        def __init__(self, logits):
            super().__init__()
            self.logits = logits

        def forward(self, graph):
            return self.logits

    batch = joined(draw_graphs(TINY, "training", 0, 8))
    right = 40 * (2 * batch.labels - 1)
    assert basis_loss(Fixed(right), batch) < 1e-6
    assert basis_loss(Fixed(-right), batch) > 30


def test_every_weight_has_a_gradient():
    state = new_state(TINY, CPU)
    basis_loss(state.model, joined(draw_graphs(TINY, "training", 0, 12))).backward()
    last = "rounds.0.to_term"  # what terms hear in the last round reaches no logit
    silent = [
        name
        for name, value in state.model.named_parameters()
        if not name.startswith(last) and (value.grad is None or not value.grad.any())
    ]
    assert silent == []


@pytest.mark.parametrize("kind", ["scorer", "autoregressive"])
def test_mixed_precision_takes_finite_steps_and_keeps_the_weights_in_full(kind):
    changes = {
        "mixed_precision": True,
        "model": kind,
        "heads": 2,
        "validation": 4,
        "checkpoint_steps": 6,
    }
    state, curve = training_run.train(TINY.model_copy(update=changes), CPU)
    assert np.isfinite(curve[-1]["loss"])
    assert {value.dtype for value in state.model.parameters()} == {torch.float32}


@pytest.mark.slow
def test_a_short_training_learns(tmp_path):
    config = TINY.model_copy(
        update={"width": 16, "steps": 60, "batch_size": 12, "checkpoint_steps": 30}
    )
    state, curve = training_run.train(config, CPU)
    start = basis_loss(new_state(config, CPU).model, joined(draw_graphs(config, "test", 0, 48)))
    end = basis_loss(state.model, joined(draw_graphs(config, "test", 0, 48)))
    assert end < 0.5 * start
    assert curve[-1]["validation_loss"] < 0.5 * start.item()


def test_calibration_covers_what_it_was_fitted_on(trained):
    graphs = draw_graphs(TINY, "calibration", 0, 60)
    logits = logits_of(trained[0].model, graphs, CPU)
    calibration = calibrate(logits, graphs, alpha=0.1)
    scores, error = compare_methods(logits, graphs, calibration)
    [total] = [s for s in scores if (s.family, s.method) == ("all", "predicted")]
    assert total.summary.coverage >= 0.9
    assert 0 <= error <= 1
    assert {s.method for s in scores} == {"predicted", "even-sqrt"}
    assert total.summary.count == 60


@pytest.mark.gpu
def test_a_gpu_takes_the_same_steps_up_to_rounding(trained):
    state, curve = training_run.train(TINY, torch.device("cuda"))
    assert [row["step"] for row in curve] == [2, 4, 6]
    for name, value in trained[0].model.state_dict().items():
        assert torch.allclose(value, state.model.state_dict()[name].cpu(), atol=1e-2), name


# --- as an item of work -------------------------------------------------------------------------


def test_an_item_answers_with_its_tables_and_writes_a_model_that_loads(tmp_path):
    [found] = answers(STUDY, TINY, folder=str(tmp_path))
    assert found.files == (MODEL,)
    tables = found.tables
    [model] = tables["models"].to_pylist()
    predictor = load_predictor(tmp_path / MODEL)
    assert load_tensors(tmp_path / MODEL).digest == model["digest"]
    assert predictor.threshold == model["threshold"]
    assert predictor.card["scores"] == [
        {
            name: row[name]
            for name in row
            if name not in ("fingerprint", "code_version") and name not in ("seed", "status")
        }
        for row in tables["scores"].to_pylist()
    ]
    assert tables["curve"]["step"].to_pylist() == [2, 4, 6]
    [again] = answers(STUDY, TINY, folder=str(tmp_path / "other"))
    assert all(again.tables[name].equals(tables[name]) for name in tables)
    assert (tmp_path / MODEL).read_bytes() == (tmp_path / "other" / MODEL).read_bytes()


def test_the_number_of_threads_is_left_as_it_was(tmp_path, monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(training_run, "_train_item", lambda item: {"n": torch.get_num_threads()})
    assert training_run.train_item(TrainItem("scorer", TINY)) == {"n": 1}
    assert torch.get_num_threads() == before


def test_the_device_names_no_run_and_everything_else_does():
    run_id = plan_run(STUDY, TINY).identity.run_id
    assert plan_run(STUDY, TINY.model_copy(update={"device": "cuda"})).identity.run_id == run_id
    for change in ({"seed": 1}, {"steps": 7}, {"width": 9}):
        assert plan_run(STUDY, TINY.model_copy(update=change)).identity.run_id != run_id
