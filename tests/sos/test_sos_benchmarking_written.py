"""The method `autoregressive`: bases that an encoder-decoder writes, in the published cascade."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from study_calls import answers, items_of

from flows.planning import plan_run
from flows.sos_benchmark import STUDY
from tasks.lattice import positions
from tasks.records import InputError
from tasks.sos import _jobs, parse_polynomial
from tasks.sos.bases.monomial_bases import covers
from tasks.sos.bases.rules import candidate_basis
from tasks.sos.benchmarking import run
from tasks.sos.benchmarking.config import BenchmarkConfig
from tasks.sos.benchmarking.models import check_unchanged, models_of, placed
from tasks.sos.benchmarking.written import WrittenBases, WrittenJob
from tasks.sos.prediction.autoregressive import MonomialTransformer
from tasks.sos.prediction.baseline import load_baseline, save_baseline
from tasks.sos.prediction.config import PredictorConfig
from tasks.sos.prediction.predictor import SHIPPED_MODEL
from tasks.sos.sampling.cells import Cell

TRAINED = PredictorConfig(
    model="autoregressive", families=("dense",), max_variables=3, max_half_degree=2, max_size=6
)
NAP = 0.2
METHODS = ("autoregressive", "autoregressive-1", "even-sqrt", "newton")


def config_of(model, **changes):
    cells = ("dense-n3-d2-m5",)
    given = {"cells": cells, "methods": METHODS, "instances": 2, "per_call": 2, "baseline": model}
    return BenchmarkConfig(**(given | changes))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An untrained model of three variables that writes nothing: all is left to the repair."""
    place = str(tmp_path_factory.mktemp("baseline") / "model.safetensors")
    torch.manual_seed(1)
    network = MonomialTransformer(3, 6, width=16, heads=2, layers=1)
    torch.nn.init.constant_(network.end.bias, 20.0)
    save_baseline(place, network, {"config": TRAINED.model_dump(mode="json")})
    return place


@pytest.fixture
def here(monkeypatch):
    """Jobs in this process, where nothing has to be warm."""
    monkeypatch.setattr(_jobs, "run_job", lambda job, **_: job.run())
    monkeypatch.setattr(run, "_warm_up", lambda item: None)


def trials(config):
    [found] = answers(STUDY, config)
    return found.tables["trials"].to_pylist()


def test_it_decides_the_same_polynomials_as_the_others_exactly_and_records_its_orders(here, model):
    rows = trials(config_of(model))
    assert {row["verdict"] for row in rows} == {"proved"} and len(rows) == 8
    orders = {row["method"]: row["num_orders"] for row in rows if row["num_attempts"]}
    assert orders == {"autoregressive": 1, "autoregressive-1": 1, "even-sqrt": None, "newton": None}
    assert all((row["beyond"] is None) == (row["num_orders"] is None) for row in rows)
    assert all(not row["beyond"] for row in rows)


def test_the_same_seed_gives_the_same_rows(here, model):
    config = config_of(model, methods=("autoregressive",), instances=1)
    assert trials(config) == trials(config)


def test_a_polynomial_out_of_range_is_left_to_half_newton_and_says_so(here, model):
    config = config_of(model, cells=("dense-n4-d2-m5",), instances=1)
    rows = {row["method"]: row for row in trials(config)}
    written, newton = rows["autoregressive"], rows["newton"]
    assert written["num_orders"] == 0
    assert written["beyond"] == ["variables", "range"]
    assert written["basis_size"] == newton["basis_size"]
    assert written["verdict"] == newton["verdict"] == "proved"


def test_higher_degrees_are_out_of_distribution_and_large_exponents_out_of_range(model):
    found = models_of(config_of(model))["autoregressive"]
    cell = Cell.parse("sparse-n3-d3-m9")
    p = parse_polynomial("x^2*y^2*z^2 + 1")
    assert found.beyond(p, cell) == ("family", "degree", "size")
    assert found.beyond(parse_polynomial("x^8 + 1"), None) == ("family", "degree", "range")
    assert found.beyond(parse_polynomial("x^4 + 1"), Cell.parse("dense-n3-d2-m5")) == ()


def test_writing_counts_as_time_of_the_basis(model, monkeypatch):
    job = WrittenJob(parse_polynomial("x^4 + x*y + y^4 + 1"), model, 2, memory_gib=1.0)
    job.preparation()
    monkeypatch.setattr("tasks.sos.prediction.baseline.Baseline.basis", slowly_nothing)
    found = job.run()
    assert found.seconds["basis"] > NAP and found.num_orders >= 1


def slowly_nothing(baseline, p):
    time.sleep(NAP)
    return np.zeros((0, 2), dtype=np.int32)


class Written:
    """A stand-in for a baseline that knows what to write."""

    def __init__(self, first, ranking):
        self.first, self.order, self.calls = first, ranking, 0

    def reads(self, p):
        return True

    def basis(self, p):
        return np.array(self.first, dtype=np.int32)

    def ranking(self, p, *, permutations, rng):
        self.calls += 1
        return np.array(self.order, dtype=np.int32), np.linspace(1, 0.1, len(self.order))


def test_a_basis_that_covers_is_reduced_and_further_orders_wait_until_it_has_failed():
    p = parse_polynomial("x^6 + x^2*y^2 + y^6 + 1")
    baseline = Written([[3, 0], [1, 1], [0, 3], [0, 0], [2, 0]], [[2, 0]])
    bases = WrittenBases(baseline, permutations=4)
    found = bases(p)
    first = next(found)
    assert first.rule == "autoregressive"
    # x^2 has a square x^4 that is no term and no sum of two others.
    assert first.basis.tolist() == [[3, 0], [0, 3], [1, 1], [0, 0]]
    assert (baseline.calls, bases.num_orders) == (0, 1)
    rest = list(found)
    assert rest[-1].is_complete
    assert np.array_equal(rest[-1].basis, candidate_basis(p, "newton").basis)


def test_expansion_follows_the_permutation_scores():
    p = parse_polynomial("(x + y + z)^6 + 1")
    ranking = [[1, 1, 1], [0, 1, 1], [2, 1, 0]]
    baseline = Written([[3, 0, 0], [0, 3, 0], [0, 0, 3], [0, 0, 0]], ranking)
    bases = WrittenBases(baseline, permutations=4)
    found = list(bases(p))
    assert (baseline.calls, bases.num_orders) == (1, 4)
    assert all(not len(covers(c.basis, p.exponents)) for c in found)
    assert (positions(np.array(ranking), found[1].basis) >= 0).all()
    sizes = [len(c.basis) for c in found]
    assert sizes == sorted(sizes) and found[-1].is_complete


def test_a_missing_model_is_one_line_that_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match=r"none.safetensors.*train-baseline") as caught:
        plan_run(STUDY, config_of(str(tmp_path / "none.safetensors")))
    assert "\n" not in str(caught.value)


def test_a_model_of_another_kind_is_refused_by_name():
    with pytest.raises(InputError, match=r"sos-basis-scorer.*wanted is 'sos-baseline'"):
        plan_run(STUDY, config_of(str(SHIPPED_MODEL)))


def test_the_model_names_the_run_and_its_place_does_not(model, tmp_path):
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(Path(model).read_bytes())
    first, second = (plan_run(STUDY, config_of(place)).identity for place in (model, str(copy)))
    assert first.run_id == second.run_id
    [(name, digest)] = first.inputs
    assert (name, digest) == ("baseline", load_baseline(model).digest)
    without = plan_run(STUDY, config_of(model, methods=("newton",))).identity
    assert without.inputs == ()


def test_workers_in_other_folders_find_the_model(model, monkeypatch):
    monkeypatch.chdir(Path(model).parent)
    [item] = items_of(STUDY, config_of(Path(model).name))
    assert item.argument.config.baseline == model
    assert placed(config_of("s3://bucket/model.safetensors")).baseline.startswith("s3://")
    assert placed(config_of("")).baseline == ""


def test_a_model_that_was_replaced_since_the_plan_is_refused(model):
    models = models_of(config_of(model))
    changed = {name: replace(each, digest="0" * 64) for name, each in models.items()}
    check_unchanged(models, {"baseline": models["autoregressive"].digest})
    with pytest.raises(InputError, match="baseline has changed"):
        check_unchanged(changed, {"baseline": models["autoregressive"].digest})
