"""Reading shards in a random order: every row once, shared by ranks, from any position."""

from itertools import islice

import numpy as np
import pyarrow as pa
import pytest

from tasks.records import InputError
from tasks.sos.sampling.cells import Cell
from tasks.sos.sampling.datasets import DatasetConfig, plan_dataset, run_dataset_item
from tasks.sos.sampling.reading import ShardReader, generated_rows, permuted, shard_paths

CONFIG = DatasetConfig(
    families=("dense", "binomial_squares", "negative"),
    grid=("n3-d4-m8",),
    rows=400,
    shard_rows=150,
)


def write(folder, config):
    """Files of all shards, laid out as in the folder of a run."""
    (folder / "polynomials").mkdir()
    for item in plan_dataset(config).items:
        table = run_dataset_item(item)["polynomials"]
        with pa.ipc.new_file(
            folder / f"polynomials/polynomials-{item.key}.arrow", table.schema
        ) as f:
            f.write_table(table, max_chunksize=64)
    return folder


@pytest.fixture(scope="module", params=["compact", "expanded"])
def shards(request, tmp_path_factory):
    return write(tmp_path_factory.mktemp("run"), CONFIG.model_copy(update={"mode": request.param}))


def names(rows):
    return [(row.dataset, row.row) for row in rows]


def test_an_epoch_has_every_row_of_the_split_once(shards):
    wanted = [
        (family, row.row)
        for family in ("dense", "binomial_squares")
        for row in generated_rows(Cell.of(family, "n3-d4-m8"), seed=0, first=0, count=400)
    ]
    reader = ShardReader([shards])
    found = [(name.partition("-")[0], row) for name, row in names(reader.rows(epoch=1))]
    assert len(found) == len(reader) == reader.num_rows
    assert sorted(found) == sorted(wanted)
    assert found != wanted


def test_rows_are_those_that_were_generated(shards):
    rows = generated_rows(Cell.of("dense", "n3-d4-m8"), seed=0, first=0, count=400)
    wanted = {row.row: row for row in rows}
    for row in ShardReader([shards], families=["dense"]).rows():
        other = wanted[row.row]
        assert row.exponents.dtype == row.basis.dtype == np.int16
        assert row.coefficients.dtype == np.float64
        for name in ("exponents", "coefficients", "basis"):
            assert np.array_equal(getattr(row, name), getattr(other, name))
        assert (row.num_variables, row.half_degree) == (3, 4)


def test_the_order_depends_on_seed_and_epoch_alone(shards):
    def order(seed, epoch):
        return names(ShardReader([shards], seed=seed).rows(epoch))

    assert order(1, 2) == order(1, 2)
    assert len({tuple(order(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4


def test_reading_goes_on_from_any_position(shards):
    reader = ShardReader([shards], rank=1, world_size=3)
    whole = names(reader.rows(5))
    for position in (0, 1, 100, len(reader)):
        assert names(reader.rows(5, position)) == whole[position:]
    assert names(islice(reader.rows(5, 7), 3)) == whole[7:10]


def test_ranks_share_the_rows_evenly(shards):
    readers = [ShardReader([shards], rank=rank, world_size=3) for rank in range(3)]
    parts = [names(reader.rows(2)) for reader in readers]
    assert {len(part) for part in parts} == {readers[0].num_rows // 3}
    joined = [row for part in parts for row in part]
    assert len(set(joined)) == len(joined)
    assert set(joined) <= set(names(ShardReader([shards]).rows()))


def test_splits_are_disjoint_and_whole(shards):
    found = [
        set(names(ShardReader([shards], split=split, sums_of_squares=False).rows()))
        for split in ("train", "validation", "test")
    ]
    assert sum(map(len, found)) == len(set.union(*found)) == 1200


def test_only_sums_of_squares_are_read_unless_others_are_wanted(shards):
    everything = ShardReader([shards], families=["negative"], sums_of_squares=False)
    assert everything.num_rows > 380
    assert ShardReader([shards], families=["negative"]).num_rows == 0


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 16, 17, 1000, 4097])
def test_the_permutation_takes_every_place_once(count):
    assert sorted(permuted(np.arange(count), count, 12345).tolist()) == list(range(count))


def test_the_permutation_looks_random():
    count = 10_000
    images = permuted(np.arange(count), count, 99)
    # Correlation of two independent orders has deviation 1 / sqrt(count).
    assert abs(np.corrcoef(np.arange(count), images)[0, 1]) < 5 / count**0.5
    assert abs(np.corrcoef(images[:-1], images[1:])[0, 1]) < 5 / count**0.5


def test_places_without_shards_are_refused(tmp_path):
    for place in (tmp_path, tmp_path / "missing.arrow"):
        with pytest.raises(InputError, match="no shards there"):
            shard_paths([place])


@pytest.mark.parametrize(("rank", "world_size"), [(-1, 2), (2, 2), (0, 0)])
def test_ranks_out_of_range_are_refused(rank, world_size):
    with pytest.raises(InputError, match="ranks count from 0"):
        ShardReader([], rank=rank, world_size=world_size)
