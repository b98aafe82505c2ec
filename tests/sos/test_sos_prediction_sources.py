"""Polynomials of a training: drawn or read, by one process or several."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from pydantic import ValidationError
from study_calls import answers

from flows import sos_dataset, sos_train
from flows.planning import plan_run
from tasks.records import InputError, StoreError, describe_validation_error, stream
from tasks.sos.prediction import run as training_run
from tasks.sos.prediction.calibration import conformal_threshold
from tasks.sos.prediction.config import PredictorConfig
from tasks.sos.prediction.examples import Ranges, draw_example
from tasks.sos.prediction.learners import TrainingBatches
from tasks.sos.prediction.sources import FamilySource, _is_for, inputs_of, source
from tasks.sos.prediction.training import draw_graphs
from tasks.sos.sampling.datasets import DatasetConfig
from tasks.sos.sampling.shards import split_codes

CPU = torch.device("cpu")
TINY = PredictorConfig(
    width=8,
    rounds=1,
    steps=4,
    batch_size=6,
    checkpoint_steps=2,
    max_variables=3,
    max_half_degree=3,
    max_size=6,
    validation=2,
    calibration=20,
    test=20,
    alpha=0.1,
    device="cpu",
)


def planned(config):
    """A training before it starts."""
    return plan_run(sos_train.STUDY, config)


PURPOSES = ("training", "validation", "calibration", "test")
SMALL = TINY.model_copy(
    update={"families": ("banded", "integer"), "max_variables": 2, "max_half_degree": 2}
)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A config that reads one shard of 2,000 rows in compact and one in expanded form."""
    folder = tmp_path_factory.mktemp("shards")
    for mode, family in (("compact", "dense"), ("expanded", "vanishing")):
        config = DatasetConfig(
            families=(family,), grid=("n2-d3-m4",), rows=2000, shard_size=2000, mode=mode
        )
        [found] = answers(sos_dataset.STUDY, config)
        table = found.tables["polynomials"]
        with pa.ipc.new_file(folder / f"{mode}.arrow", table.schema) as writer:
            writer.write_table(table)
    return TINY.model_copy(update={"shards": tuple(map(str, sorted(folder.iterdir())))})


def contents(config, purpose, count):
    given = source(config)
    found = [given.example(purpose, k) for k in range(count)]
    return [(e.exponents.tobytes(), e.coefficients.tobytes()) for e in found]


@pytest.mark.parametrize("config", [SMALL, TINY], ids=["few polynomials", "all families"])
def test_no_polynomial_that_is_drawn_has_two_purposes(config):
    counts = dict.fromkeys(PURPOSES, 100) | {"training": 600}
    found = [set(contents(config, purpose, count)) for purpose, count in counts.items()]
    assert len(found[0]) > 50 and all(len(part) > 5 for part in found)
    assert sum(map(len, found)) == len(set.union(*found))


def test_a_drawn_example_depends_on_its_number_alone():
    for purpose in PURPOSES:
        given = contents(SMALL, purpose, 12)
        again = [FamilySource(SMALL).example(purpose, k) for k in reversed(range(12))]
        assert given == [(e.exponents.tobytes(), e.coefficients.tobytes()) for e in again[::-1]]


def test_training_draws_nothing_that_data_sets_hold_out():
    contents = stream(0, "contents").integers(0, 2**61 - 1, 2**12, dtype=np.uint64)
    taken = np.stack([_is_for(purpose, contents) for purpose in PURPOSES])
    assert taken.sum(axis=0).max() == 1
    assert not taken[0][split_codes(contents) > 0].any()
    assert 0.85 < taken[0].mean() < 0.95 and (taken[1:].mean(axis=1) > 0.02).all()


def test_a_family_without_enough_polynomials_is_refused_in_one_line():
    def nothing(contents):
        return np.zeros(len(contents), dtype=bool)

    with pytest.raises(InputError, match="dense has too few different polynomials"):
        draw_example(
            0, 0, families=("dense",), ranges=Ranges((2, 2), (2, 2), (2, 2)), wanted=nothing
        )


def test_an_epoch_of_shards_has_every_row_once_and_the_next_another_order(stored):
    given = source(stored)
    size = given.readers["train"].num_rows
    assert size > 3900
    both = contents(stored, "training", 2 * size)
    first, second = both[:size], both[size:]
    assert sorted(first) == sorted(second) and first != second
    assert len(set(first)) == len(set(second))


def test_purposes_share_no_row(stored):
    given = source(stored)
    seen = {}
    for purpose in PURPOSES[1:]:
        count = given.available(purpose, 1000)
        assert 0 < count < 1000
        seen[purpose] = set(contents(stored, purpose, count))
    assert not seen["test"] & (seen["validation"] | seen["calibration"])
    both = given.readers["validation"].num_rows
    assert given.available("validation", 2) == 2
    assert given.available("calibration", 1000) == both - 2


def test_a_basis_read_from_a_shard_makes_its_polynomial(stored):
    for graph in draw_graphs(stored, "training", 0, 20):
        example = graph.example
        sums = example.basis[:, None] + example.basis[None]
        reachable = {tuple(row) for row in sums.reshape(-1, 2).tolist()}
        assert {tuple(row) for row in example.exponents.tolist()} <= reachable
        assert example.family in ("dense", "vanishing")


@pytest.mark.slow
def test_training_from_shards_repeats(stored):
    one, two = (training_run.train(stored, CPU)[0].model.state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_shards_name_the_run_by_their_content(stored, tmp_path):
    run_id = planned(stored).identity.run_id
    copies = []
    for place in stored.shards:
        copies.append(shutil.copy(place, tmp_path))
    moved = stored.model_copy(update={"shards": tuple(copies)})
    assert planned(moved).identity.run_id == run_id
    assert planned(TINY).identity.run_id != run_id
    with pytest.raises(InputError, match="no shards"):
        planned(TINY.model_copy(update={"shards": (str(tmp_path / "nowhere"),)}))


def test_a_shard_that_differs_from_its_sidecar_is_refused(stored, tmp_path):
    place = Path(shutil.copy(stored.shards[0], tmp_path))
    digest = hashlib.sha256(place.read_bytes()).hexdigest()
    place.with_suffix(".json").write_text(f'{{"sha256":"{digest}"}}')
    assert inputs_of([str(place)]) == ((place.name, digest),)
    damaged = bytearray(place.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    place.write_bytes(damaged)
    with pytest.raises(StoreError, match=f"{place.name}: sha256 differs"):
        inputs_of([str(place)])


def test_too_few_held_out_rows_are_refused_in_one_line(stored):
    config = stored.model_copy(update={"validation": 500})
    with pytest.raises(InputError, match="smaller `validation`"):
        draw_graphs(config, "calibration", 0, 10)


def test_a_plan_refuses_shards_that_lack_a_purpose_before_the_first_step(stored):
    lacking = {"validation": 500, "families": ("sparse",)}
    for name, value in lacking.items():
        with pytest.raises(InputError, match=r"rows of the families .* in the split") as found:
            planned(stored.model_copy(update={name: value}))
        assert ("smaller `validation`" in str(found.value)) == (name == "validation")
    assert planned(stored).items


def test_shards_without_enough_rows_for_alpha_are_refused_with_both_numbers(stored):
    left = source(stored).available("calibration", 10**6)
    kept = {"calibration": 100_000, "alpha": 1.0 / (left + 1)}
    assert planned(stored.model_copy(update=kept)).items
    kept["alpha"] = 1.0 / (left + 2)
    with pytest.raises(InputError, match=f"leave {left} .* at least {left + 1}"):
        planned(stored.model_copy(update=kept))


def test_the_calibration_is_large_enough_for_alpha_or_refused():
    assert PredictorConfig(calibration=199, alpha=0.005).calibration == 199
    assert conformal_threshold(np.full(199, 0.5), alpha=0.005) == 0.5
    with pytest.raises(ValidationError) as found:
        PredictorConfig(calibration=198, alpha=0.005)
    line = describe_validation_error(found.value)
    assert "alpha 0.005" in line and "199" in line
    # What writes a basis has no threshold.
    assert PredictorConfig(model="autoregressive", calibration=20, alpha=0.005).calibration == 20


@pytest.mark.parametrize("family", ["negative", "outside_cone"])
def test_families_that_are_no_sums_of_squares_are_refused(family):
    with pytest.raises(ValidationError) as found:
        PredictorConfig(families=("dense", family))
    line = describe_validation_error(found.value)
    assert f"{family}: no sums of squares" in line and "binomial_squares" in line


def test_the_shares_of_the_processes_make_the_batch():
    whole = next(TrainingBatches(TINY, CPU).at(3))
    config = TINY.model_copy(update={"processes": 2})
    shares = [next(TrainingBatches(config, CPU, rank).at(3)) for rank in (0, 1)]
    assert sum(len(share.labels) for share in shares) == len(whole.labels)
    together = np.sort(np.concatenate([share.graph.terms.numpy().ravel() for share in shares]))
    assert np.array_equal(together, np.sort(whole.graph.terms.numpy().ravel()))


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="multiple of processes"):
        PredictorConfig(batch_size=7, processes=2)


@pytest.mark.slow
def test_loaders_change_nothing():
    config = TINY.model_copy(update={"loaders": 1})
    batches = TrainingBatches(config, CPU).at(0)
    plain = TrainingBatches(TINY, CPU).at(0)
    for _ in range(3):
        assert torch.equal(next(batches).graph.pairs, next(plain).graph.pairs)
    batches.close()


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(tmp_path):
    config = TINY.model_copy(update={"processes": 2})
    alone, curve = training_run.train(TINY, CPU)
    shared, same = training_run.train(config, CPU, folder=str(tmp_path))
    assert [row["step"] for row in same] == [row["step"] for row in curve]
    for name, value in alone.model.state_dict().items():
        assert torch.allclose(value, shared.model.state_dict()[name], atol=1e-3), name
