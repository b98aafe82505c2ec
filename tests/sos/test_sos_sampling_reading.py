"""Reading shards in a random order: every row once, shared by ranks, from any position."""

from itertools import islice

import numpy as np
import pyarrow as pa
import pytest
from study_calls import answers, items_of

from flows.sos_dataset import STUDY
from tasks.records import InputError, StoreError
from tasks.sos.sampling.cells import Cell
from tasks.sos.sampling.datasets import DatasetConfig
from tasks.sos.sampling.generation import Rows
from tasks.sos.sampling.reading import PolynomialRow, ShardReader, permuted, shard_paths
from tasks.sos.sampling.shards import split_codes

CONFIG = DatasetConfig(
    families=("dense", "binomial_squares", "negative"),
    grid=("n3-d4-m8",),
    rows=400,
    shard_size=150,
)


def write(folder, config):
    """Files of all shards, laid out as in the folder of a run."""
    (folder / "polynomials").mkdir()
    for item, found in zip(items_of(STUDY, config), answers(STUDY, config), strict=True):
        table = found.tables["polynomials"]
        with pa.ipc.new_file(
            folder / f"polynomials/polynomials-{item.key}.arrow", table.schema
        ) as f:
            f.write_table(table, max_chunksize=64)
    return folder


@pytest.fixture(scope="module", params=["compact", "expanded"])
def shards(request, tmp_path_factory):
    return write(tmp_path_factory.mktemp("run"), CONFIG.model_copy(update={"mode": request.param}))


def generated_rows(family):
    """Rows of the split `train`, without shards."""
    cell = Cell.of(family, "n3-d4-m8")
    rows = Rows.generate(cell, seed=0, first=0, count=400, terms=True)
    for i in np.flatnonzero(split_codes(rows.content) == 0).tolist():
        exponents, coefficients = rows.terms_of(i)
        floats = np.ldexp(coefficients.astype(float), -32)
        yield PolynomialRow(exponents, floats, rows.basis_of(i), 3, 4, cell.name, i)


def names(rows):
    return [(row.dataset, row.row) for row in rows]


def test_an_epoch_has_every_row_of_the_split_once(shards):
    wanted = [
        (family, row.row)
        for family in ("dense", "binomial_squares")
        for row in generated_rows(family)
    ]
    reader = ShardReader([shards])
    found = [(name.partition("-")[0], row) for name, row in names(reader.rows(epoch=1))]
    assert len(found) == len(reader) == reader.num_rows
    assert sorted(found) == sorted(wanted)
    assert found != wanted


def test_rows_are_those_that_were_generated(shards):
    wanted = {row.row: row for row in generated_rows("dense")}
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


# --- damage -------------------------------------------------------------------------------------


def changed(shards, place, column, change):
    """A copy of the first shard with another column."""
    table = pa.ipc.open_file(shard_paths([shards])[0]).read_all()
    i = table.schema.get_field_index(column)
    values = pa.array(change(table[column].to_pylist()), type=table.schema.field(i).type)
    table = table.set_column(i, table.schema.field(i), values)
    with pa.ipc.new_file(place, table.schema) as writer:
        writer.write_table(table)
    return place


@pytest.fixture(scope="module")
def compact(tmp_path_factory):
    return write(tmp_path_factory.mktemp("compact"), CONFIG.model_copy(update={"rows": 40}))


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("seed", lambda seeds: [1] * len(seeds)),
        ("basis", lambda bases: [[basis[0] ^ 1, *basis[1:]] for basis in bases]),
        ("content", lambda contents: [content ^ 2**60 for content in contents]),
    ],
)
def test_compact_rows_that_are_not_generated_again_are_refused(compact, tmp_path, column, change):
    place = changed(compact, tmp_path / "other.arrow", column, change)
    with pytest.raises(StoreError, match=r"other.arrow: row \d+ of \S+ is not what is generated"):
        list(ShardReader([place]).rows())


def test_rows_of_another_version_of_the_code_are_read_where_they_agree(compact, tmp_path):
    def older(versions):
        return ["older"] * len(versions)

    place = changed(compact, tmp_path / "older.arrow", "code_version", older)
    assert len(list(ShardReader([place]).rows())) == ShardReader([place]).num_rows > 30


def test_files_that_are_no_shards_are_named_in_one_line(compact, tmp_path):
    whole, other = shard_paths([compact])[0].read_bytes(), pa.table({"x": [1]})
    (tmp_path / "cut.arrow").write_bytes(whole[: len(whole) // 2])
    with pa.ipc.new_file(tmp_path / "other.arrow", other.schema) as writer:
        writer.write_table(other)
    with pytest.raises(StoreError, match=r"cut.arrow: cannot be read as a shard"):
        ShardReader([tmp_path / "cut.arrow"])
    with pytest.raises(InputError, match=r"other.arrow: is no shard of sos-dataset"):
        ShardReader([tmp_path / "other.arrow"])


def test_a_shard_that_is_named_twice_is_refused(compact):
    with pytest.raises(InputError, match="named twice"):
        ShardReader([compact, shard_paths([compact])[0]])


def test_indices_out_of_range_are_refused(shards):
    reader = ShardReader([shards])
    for index in (-1, reader.num_rows):
        with pytest.raises(IndexError, match=f"row {index} of {reader.num_rows}"):
            reader[index]
