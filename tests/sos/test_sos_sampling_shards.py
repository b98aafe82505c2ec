"""Shards: both modes hold the same polynomials, splits and cards are those of the contents."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from study_calls import answers, items_of

from flows.planning import plan_run
from flows.sos_dataset import STUDY
from tasks.records import InputError
from tasks.sos.sampling.cards import summed_cards
from tasks.sos.sampling.cells import FAMILIES, Cell
from tasks.sos.sampling.datasets import DatasetConfig, known_of_shard
from tasks.sos.sampling.generation import Rows
from tasks.sos.sampling.schema import COMPACT_SCHEMA, EXPANDED_SCHEMA, SPLITS
from tasks.sos.sampling.shards import decode, split_codes

POINT = "n3-d4-m8"


def shard(mode="compact", **changes):
    """Tables of the first shard of a small run."""
    settings = {"families": ("vanishing",), "grid": (POINT,), "rows": 40, "mode": mode} | changes
    return answers(STUDY, DatasetConfig(**settings))[0].tables


@pytest.mark.parametrize("family", FAMILIES)
def test_compact_and_expanded_rows_decode_to_the_same(family):
    compact, expanded = (
        shard(mode, families=(family,), rows=6)["polynomials"].to_pylist()
        for mode in ("compact", "expanded")
    )
    rows = Rows.generate(Cell.of(family, POINT), seed=0, first=0, count=6, terms=True)
    for k, pair in enumerate(zip(compact, expanded, strict=True)):
        for row in map(decode, pair):
            exponents, coefficients = rows.terms_of(k)
            assert np.array_equal(row.exponents, exponents)
            assert np.array_equal(row.coefficients, coefficients)
            assert np.array_equal(row.basis, rows.basis_of(k))


@pytest.mark.parametrize(
    ("mode", "schema"), [("compact", COMPACT_SCHEMA), ("expanded", EXPANDED_SCHEMA)]
)
def test_shards_have_their_schema(mode, schema):
    tables = shard(mode)
    assert set(tables) == {"polynomials", "cards"}
    assert tables["polynomials"].schema.equals(schema)
    assert tables["polynomials"]["row"].to_pylist() == list(range(40))
    assert set(tables["polynomials"]["family"].to_pylist()) == {"vanishing"}


def test_structures_are_null_where_there_is_none():
    assert set(shard(families=("sparse",))["polynomials"]["structure"].to_pylist()) == {"sparse"}
    assert set(shard(families=("integer",))["polynomials"]["structure"].to_pylist()) == {None}


def test_cards_count_the_rows():
    table = shard(rows=60)["polynomials"]
    [card] = summed_cards(shard(rows=60)["cards"]["card"].to_pylist())
    assert card.num_rows == 60
    assert card.splits == {name: table["split"].to_pylist().count(name) for name in SPLITS}
    for name in ("num_terms", "cancelled", "hidden"):
        assert card.histograms[name] == Counter(table[name].to_pylist())
    sizes = [len(row) // 3 for row in table["basis"].to_pylist()]
    sums = table["num_sums"].to_pylist()
    free = Counter(m * (m + 1) // 2 - s for m, s in zip(sizes, sums, strict=True))
    assert card.histograms["sizes"] == Counter(sizes)
    assert card.histograms["num_free"] == free
    assert card.cancellation_rate == sum(table["cancelled"].to_pylist()) / sum(sums)
    assert card.hidden_share == np.mean(np.array(table["hidden"].to_pylist()) > 0)
    assert card.mean("sizes") == pytest.approx(np.mean(sizes))
    assert card.quantile("sizes", 0.5) == int(np.quantile(sizes, 0.5, method="inverted_cdf"))


def test_cards_of_shards_sum_up_to_that_of_the_whole():
    config = DatasetConfig(families=("dense", "sparse"), grid=(POINT,), rows=50, shard_size=17)
    texts = [each.tables["cards"]["card"][0].as_py() for each in answers(STUDY, config)]
    assert len(texts) == 6
    whole = [shard(families=(f,), rows=50)["cards"]["card"][0].as_py() for f in ("dense", "sparse")]
    assert summed_cards(texts) == summed_cards(whole)


# --- splits -------------------------------------------------------------------------------------


def test_shares_of_the_splits():
    contents = np.random.default_rng(1).integers(0, 2**61 - 1, size=200_000, dtype=np.uint64)
    counts = np.bincount(split_codes(contents), minlength=3)
    assert counts.sum() == 200_000
    # Five deviations of a binomial variable of mean 1000.
    assert np.abs(counts[1:] - 1000).max() < 5 * 1000**0.5


def test_equal_polynomials_of_different_rows_and_data_sets_are_in_one_split():
    few = {"grid": ("n1-d1-m1",), "rows": 300}
    tables = [shard(families=(family,), **few) for family in ("integer", "homogeneous")]
    rows = [row for table in tables for row in table["polynomials"].to_pylist()]
    splits: dict = {}
    contents: dict = {}
    for row in rows:
        decoded = decode(row)
        terms = (decoded.exponents.tobytes(), decoded.coefficients.tobytes())
        splits.setdefault(terms, set()).add(row["split"])
        contents.setdefault(row["content"], set()).add(terms)
        [code] = split_codes(np.array([row["content"]], dtype=np.uint64))
        assert row["split"] == SPLITS[code]
    assert len(splits) < len(rows)
    assert all(len(found) == 1 for found in splits.values())
    assert all(len(found) == 1 for found in contents.values())


# --- plans --------------------------------------------------------------------------------------


def test_shards_cover_the_rows_of_every_data_set():
    config = DatasetConfig(families=("dense", "low_rank"), grid=(POINT, "n2-d2-m3"), rows=7,
                           shard_size=3)  # fmt: skip
    items = items_of(STUDY, config)
    assert len({item.argument.cell for item in items}) == 4
    assert [item.key for item in items[:3]] == [f"dense-{POINT}.{k:06d}" for k in range(3)]
    works = [item.argument for item in items[:3]]
    assert [(work.first, work.count) for work in works] == [(0, 3), (3, 3), (6, 1)]


def test_points_that_are_written_in_two_ways_are_one_data_set():
    config = DatasetConfig(grid=("n6-d10-m30", "n6d10m30"), families=("dense", "dense"), rows=1)
    assert [item.key for item in items_of(STUDY, config)] == ["dense-n6-d10-m30.000000"]


def test_rows_do_not_depend_on_the_cut():
    whole = shard(rows=30)["polynomials"]
    config = DatasetConfig(families=("vanishing",), grid=(POINT,), rows=30, shard_size=11)
    parts = [each.tables["polynomials"] for each in answers(STUDY, config)]
    lead = ["fingerprint"]
    assert pa.concat_tables(parts).drop(lead).equals(whole.drop(lead))


def test_a_failed_shard_is_a_card_without_rows():
    [item] = items_of(STUDY, DatasetConfig(families=("dense",), grid=(POINT,), rows=5))
    [row] = known_of_shard(item.argument)
    assert row == {"item": item.key, "dataset": f"dense-{POINT}", "num_rows": 0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grid": ("6-10-30",)}, "write it like n6-d10-m30"),
        ({"rows": 10**9, "shard_size": 1}, "raise shard_size"),
        ({"mode": "expanded", "grid": ("n6-d10-m60",), "rows": 10**6}, "set shard_size to 8,"),
    ],
)
def test_what_cannot_be_planned_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        plan_run(STUDY, DatasetConfig(**changes))
