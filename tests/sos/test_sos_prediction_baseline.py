"""The encoder-decoder that comes with the package, and its model files."""

import numpy as np
import pytest
import torch

from tasks.lattice import positions
from tasks.nn import save_tensors
from tasks.records import InputError, StoreError, stream
from tasks.sos import parse_polynomial
from tasks.sos.prediction.autoregressive import MonomialTransformer
from tasks.sos.prediction.baseline import SHIPPED_BASELINE, load_baseline, save_baseline
from tasks.sos.prediction.decoding import greedy_bases
from tasks.sos.prediction.examples import row_example
from tasks.sos.prediction.metrics import score_basis, summarize
from tasks.sos.sampling.cells import Cell


@pytest.fixture(scope="module")
def baseline():
    return load_baseline()


def test_the_file_is_small_and_its_card_says_how_it_was_made(baseline):
    assert SHIPPED_BASELINE.stat().st_size <= 4_000_000
    config = baseline.card["config"]
    assert config["model"] == "autoregressive" and config["seed"] == 0
    assert baseline.card["steps"] == config["steps"]
    assert baseline.model.num_variables == config["max_variables"]
    families = {row["family"] for row in baseline.card["scores"]}
    assert families == {*config["families"], "all"}
    assert min(row["count"] for row in baseline.card["scores"]) >= 500


def test_on_fresh_polynomials_most_of_what_it_writes_belongs_to_the_basis(baseline):
    # A seed of no training, at the smallest point of the published tables.
    cell = Cell.of("dense", "n4-d3-m20")
    examples = [row_example(cell, 2026, number) for number in range(6)]
    bases = greedy_bases(baseline.model, [(e.exponents, e.coefficients) for e in examples])
    found = summarize(
        score_basis(basis, e.basis, e.exponents, e.basis)
        for basis, e in zip(bases, examples, strict=True)
    )
    assert found.precision > 0.7


def test_it_reads_what_it_was_built_for(baseline):
    assert baseline.reads(parse_polynomial("x^22 + y^2"))
    assert not baseline.reads(parse_polynomial("x^24 + y^2"))
    nine = " + ".join(f"x{k}^2" for k in range(9))
    assert not baseline.reads(parse_polynomial(nine))


def test_scores_contain_the_basis_of_the_given_order(baseline):
    p = parse_polynomial("(x^2 - y)^2 + (x*y - 1)^2 + x^2 + y^4")
    rows, scores = baseline.ranking(p, permutations=2, rng=stream(0, "orders"))
    assert (positions(baseline.basis(p), rows) >= 0).all()
    assert set(scores.tolist()) <= {0.5, 1.0}


def test_a_saved_model_is_the_same_when_read_again(tmp_path):
    torch.manual_seed(3)
    model = MonomialTransformer(2, 4, width=8, heads=2, layers=2).eval()
    place = tmp_path / "model.safetensors"
    digest = save_baseline(place, model, {"steps": 7})
    found = load_baseline(place)
    assert (found.digest, found.card) == (digest, {"steps": 7})
    assert not found.model.training
    before, after = model.state_dict(), found.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_what_is_no_model_of_this_kind_is_refused(tmp_path):
    place = tmp_path / "other.safetensors"
    save_tensors(place, {"a": torch.ones(1)}, {"kind": "something"})
    with pytest.raises(InputError, match="'something', wanted is 'sos-baseline'"):
        load_baseline(place)
    with pytest.raises(StoreError, match=r"missing\.safetensors"):
        load_baseline(tmp_path / "missing.safetensors")


def test_coefficients_without_bound_are_read(baseline):
    p = parse_polynomial("10^400*x^4 + y^4 + 1")
    assert baseline.basis(p).dtype == np.int32
