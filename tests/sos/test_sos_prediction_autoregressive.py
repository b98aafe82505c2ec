"""The autoregressive baseline: the cache changes nothing, padding neither, and it learns."""

import numpy as np
import pytest
import torch
from study_calls import answers

from flows.sos_train import STUDY
from tasks.lattice import positions, sort_monomials
from tasks.nn import load_tensors
from tasks.records import InputError, stream
from tasks.sos.prediction import run as training_run
from tasks.sos.prediction.autoregressive import MonomialTransformer
from tasks.sos.prediction.baseline import load_baseline
from tasks.sos.prediction.config import PredictorConfig
from tasks.sos.prediction.decoding import (
    greedy_bases,
    greedy_basis,
    permutation_scores,
    term_tensors,
)
from tasks.sos.prediction.items import MODEL
from tasks.sos.prediction.learners import learner, new_state
from tasks.sos.prediction.predictor import load_predictor
from tasks.sos.prediction.sequences import sequence_batch, sequence_loss, sequence_parts
from tasks.sos.prediction.training import draw_graphs

CPU = torch.device("cpu")
CONFIG = PredictorConfig(
    model="autoregressive",
    families=("dense",),
    width=16,
    heads=2,
    rounds=2,
    steps=4,
    batch_size=4,
    checkpoint_steps=2,
    max_variables=3,
    max_half_degree=3,
    max_size=6,
    validation=4,
    calibration=20,
    test=8,
    device="cpu",
)
BOUNDS = {"num_variables": 3, "max_exponent": 8}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(2)
    return MonomialTransformer(**BOUNDS, width=16, heads=2, layers=2).eval()


@pytest.fixture(scope="module")
def examples():
    return [graph.example for graph in draw_graphs(CONFIG, "test", 0, 10)]


def test_decoding_with_the_cache_agrees_with_one_pass_over_everything(model, examples):
    batch = sequence_batch(examples, **BOUNDS)
    with torch.inference_mode():
        inputs = model.started(batch.basis)
        memory = model.encode(batch.exponents, batch.numbers, batch.present)
        logits, ends = model.decode(inputs, memory)
        memory = model.encode(batch.exponents, batch.numbers, batch.present)
        steps = [model.decode(inputs[:, k : k + 1], memory) for k in range(inputs.shape[1])]
    assert torch.allclose(torch.cat([s[0] for s in steps], 1), logits, atol=1e-4)
    assert torch.allclose(torch.cat([s[1] for s in steps], 1), ends, atol=1e-4)
    assert memory.written[0][0].shape[2] == inputs.shape[1]


def test_a_position_does_not_see_what_follows(model, examples):
    batch = sequence_batch(examples, **BOUNDS)
    changed = batch.basis.clone()
    changed[:, -1] = 1
    with torch.inference_mode():
        logits = [
            model.decode(
                model.started(basis), model.encode(batch.exponents, batch.numbers, batch.present)
            )[0]
            for basis in (batch.basis, changed)
        ]
    assert torch.allclose(logits[0][:, :-1], logits[1][:, :-1], atol=1e-5)
    assert not torch.allclose(logits[0][:, -1], logits[1][:, -1], atol=1e-3)


def test_neither_padding_nor_parts_change_the_loss(model, examples):
    with torch.inference_mode():
        whole = sequence_loss(model, [sequence_batch(examples, **BOUNDS)])
        parts = sequence_loss(model, sequence_parts(examples, **BOUNDS))
        single = sequence_loss(model, [sequence_batch([each], **BOUNDS) for each in examples])
    assert len(sequence_parts(examples, **BOUNDS)) == 3
    assert torch.allclose(whole, parts, rtol=1e-5) and torch.allclose(whole, single, rtol=1e-5)


def test_terms_and_basis_are_learned_in_graded_lexicographic_order(examples):
    batch = sequence_batch(examples[:1], **BOUNDS)
    example = examples[0]
    n = example.basis.shape[1]
    assert np.array_equal(batch.basis[0, :, :n], sort_monomials(example.basis))
    assert np.array_equal(batch.exponents[0, :, :n], sort_monomials(example.exponents))
    here = positions(sort_monomials(example.exponents), example.exponents)
    assert np.array_equal(batch.numbers[0, :, 0], np.sign(example.coefficients[here]))


def test_side_by_side_the_same_bases_are_written_as_one_by_one(model, examples):
    terms = [(each.exponents, each.coefficients) for each in examples]
    together = greedy_bases(model, terms, max_size=6)
    apart = [greedy_basis(model, *each, max_size=6) for each in terms]
    assert all(np.array_equal(a, b) for a, b in zip(together, apart, strict=True))
    assert greedy_bases(model, []) == []


def test_the_order_of_the_terms_changes_nothing_and_coefficients_count(model, examples):
    example = examples[0]
    order = stream(0, "terms").permutation(len(example.exponents))
    states = []
    for rows, values in (
        (example.exponents, example.coefficients),
        (example.exponents[order], example.coefficients[order]),
        (example.exponents, -example.coefficients),
    ):
        terms, numbers = (t[None] for t in term_tensors(rows, values, **BOUNDS))
        with torch.inference_mode():
            memory = model.encode(terms, numbers, torch.ones(1, len(rows), dtype=torch.bool))
            states.append(model.decode(model.started(terms[:, :0]), memory)[0])
    assert torch.allclose(states[0], states[1], atol=1e-5)
    assert not torch.allclose(states[0], states[2], atol=1e-3)


def test_what_is_written_is_a_set_of_monomials_of_bounded_size(model, examples):
    example = examples[0]
    basis = greedy_basis(model, example.exponents, example.coefficients, max_size=7)
    assert basis.shape[1] == example.exponents.shape[1] and len(basis) <= 7
    assert len(np.unique(basis, axis=0)) == len(basis)


def test_permutation_scores_are_shares_that_contain_the_first_answer(model, examples):
    example = examples[1]
    rows, scores = permutation_scores(
        model, example.exponents, example.coefficients, count=4, rng=stream(0, "p"), max_size=5
    )
    assert set(np.unique(4 * scores)) <= {1.0, 2.0, 3.0, 4.0}
    assert (np.diff(scores) <= 0).all()
    first = greedy_basis(model, example.exponents, example.coefficients, max_size=5)
    assert (positions(first, rows) >= 0).all()


def test_the_examples_of_its_training_are_those_of_the_scorer_without_their_graphs():
    drawn = learner(CONFIG).drawn(1, 3, 2)
    graphs = draw_graphs(CONFIG, "training", 1, 3, stride=2)
    for example, graph in zip(drawn, graphs, strict=True):
        assert np.array_equal(example.exponents, graph.example.exponents)
        assert np.array_equal(example.basis, graph.example.basis)
    [part] = learner(CONFIG).batch(drawn, CPU)
    [same] = learner(CONFIG).batch(graphs, CPU)
    assert torch.equal(part.basis, same.basis) and torch.equal(part.numbers, same.numbers)


def test_at_the_start_the_table_tells_exponents_apart_and_absent_variables_add_nothing(model):
    table = model.table.detach()
    assert table.shape == (3, 9, 16)
    assert torch.equal(table[:, 0], torch.zeros(3, 16))
    wide = MonomialTransformer(3, 8, width=32, heads=2, layers=1).table.detach()
    gram = torch.einsum("iaw,jbw->ijab", wide, wide)
    # Variables have orthogonal subspaces where the width has room for them.
    assert gram[0, 1].abs().max() < 1e-4
    assert torch.pdist(wide[0]).min() > 0.5


def test_too_many_variables_are_refused():
    with pytest.raises(InputError, match="the model knows 3"):
        term_tensors(np.zeros((1, 4), dtype=int), np.ones(1), **BOUNDS)


@pytest.mark.slow
def test_it_learns_a_few_examples_by_heart():
    config = CONFIG.model_copy(update={"learning_rate": 5e-3, "width": 32})
    graphs, kind = draw_graphs(config, "training", 0, 4), learner(config)
    state = new_state(config, CPU)
    batch = kind.batch(graphs, CPU)
    for group in state.optimizer.param_groups:
        group["lr"] = 5e-3
    for _ in range(120):
        state.optimizer.zero_grad()
        kind.loss(state.model, batch).backward()
        state.optimizer.step()
    logits = kind.logits(state.model, graphs, CPU)
    assert all(
        np.array_equal(values > 0, each.labels) for values, each in zip(logits, graphs, strict=True)
    )


@pytest.mark.slow
def test_the_flow_of_training_takes_it_too():
    state, curve = training_run.train(CONFIG, CPU)
    again, same = training_run.train(CONFIG, CPU)
    assert state.step == 4 and curve == same
    assert torch.equal(state.model.table, again.model.table)


def test_as_an_item_of_work_it_is_compared_and_saved_as_a_baseline(tmp_path):
    tables = answers(STUDY, CONFIG, folder=str(tmp_path))[0].tables
    assert set(tables["scores"]["method"].to_pylist()) == {"predicted", "even-sqrt"}
    saved = load_tensors(tmp_path / MODEL)
    assert saved.extra["kind"] == "sos-baseline"
    assert saved.digest == tables["models"]["digest"][0].as_py()
    found = load_baseline(str(tmp_path / MODEL))
    assert found.digest == saved.digest and found.card["steps"] == 4
    assert (found.model.num_variables, found.model.max_exponent) == (3, 8)
    with pytest.raises(InputError, match="sos-baseline"):
        load_predictor(tmp_path / MODEL)
