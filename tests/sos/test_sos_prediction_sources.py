"""Polynomials of a training: drawn or read, by one process or several."""

import shutil

import numpy as np
import pyarrow as pa
import pytest
import torch

from tasks.records import InputError
from tasks.sos.prediction import run as training_run
from tasks.sos.prediction.config import TrainConfig
from tasks.sos.prediction.learners import training_batches
from tasks.sos.prediction.plan import plan_train
from tasks.sos.prediction.sources import source
from tasks.sos.prediction.training import draw_graphs
from tasks.sos.sampling.datasets import DatasetConfig, plan_dataset, run_dataset_item

CPU = torch.device("cpu")
TINY = TrainConfig(
    width=8,
    rounds=1,
    steps=4,
    batch=6,
    every=2,
    max_variables=3,
    max_half_degree=3,
    max_size=6,
    validation=2,
    calibration=20,
    test=20,
    alpha=0.1,
    device="cpu",
)
PURPOSES = ("training", "validation", "calibration", "test")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A config that reads one shard of 2,000 rows in compact and one in expanded form."""
    folder = tmp_path_factory.mktemp("shards")
    for mode, family in (("compact", "dense"), ("expanded", "vanishing")):
        config = DatasetConfig(
            families=(family,), grid=("n2-d3-m4",), rows=2000, shard_rows=2000, mode=mode
        )
        [item] = plan_dataset(config).items
        table = run_dataset_item(item)["polynomials"]
        with pa.ipc.new_file(folder / f"{mode}.arrow", table.schema) as writer:
            writer.write_table(table)
    return TINY.model_copy(update={"shards": tuple(map(str, sorted(folder.iterdir())))})


def contents(config, purpose, count):
    given = source(config)
    found = [given.example(purpose, k) for k in range(count)]
    return [(e.exponents.tobytes(), e.coefficients.tobytes()) for e in found]


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
    run_id = plan_train(stored).identity.run_id
    copies = []
    for place in stored.shards:
        copies.append(shutil.copy(place, tmp_path))
    moved = stored.model_copy(update={"shards": tuple(copies)})
    assert plan_train(moved).identity.run_id == run_id
    assert plan_train(TINY).identity.run_id != run_id
    with pytest.raises(InputError, match="no shards"):
        plan_train(TINY.model_copy(update={"shards": (str(tmp_path / "nowhere"),)}))


def test_too_few_held_out_rows_are_refused_in_one_line(stored):
    config = stored.model_copy(update={"validation": 500})
    with pytest.raises(InputError, match="smaller `validation`"):
        draw_graphs(config, "calibration", 0, 10)


def test_the_shares_of_the_processes_make_the_batch():
    whole = next(training_batches(TINY, 3, CPU))
    config = TINY.model_copy(update={"processes": 2})
    shares = [next(training_batches(config, 3, CPU, rank=rank)) for rank in (0, 1)]
    assert sum(len(share.labels) for share in shares) == len(whole.labels)
    together = np.sort(np.concatenate([share.graph.terms.numpy().ravel() for share in shares]))
    assert np.array_equal(together, np.sort(whole.graph.terms.numpy().ravel()))


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="multiple of processes"):
        TrainConfig(batch=7, processes=2)


@pytest.mark.slow
def test_loaders_change_nothing():
    config = TINY.model_copy(update={"loaders": 1})
    batches = training_batches(config, 0, CPU)
    plain = training_batches(TINY, 0, CPU)
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
