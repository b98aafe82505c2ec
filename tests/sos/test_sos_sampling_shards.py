"""Shards: both modes hold the same polynomials, splits and cards are those of the contents."""

import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from tasks.records import InputError, Run, Status, Store
from tasks.sos.sampling.cards import summed_cards
from tasks.sos.sampling.cells import FAMILIES, Cell
from tasks.sos.sampling.datasets import (
    DATASET_TABLES,
    DatasetConfig,
    failed_dataset_item,
    plan_dataset,
    run_dataset_item,
)
from tasks.sos.sampling.generation import Rows
from tasks.sos.sampling.schema import COMPACT_SCHEMA, EXPANDED_SCHEMA, SPLITS
from tasks.sos.sampling.shards import CARD, decode, split_codes

POINT = "n3-d4-m8"


def shard(mode="compact", **changes):
    """Tables of the first shard of a small run."""
    settings = {"families": ("vanishing",), "grid": (POINT,), "rows": 40, "mode": mode} | changes
    return run_dataset_item(plan_dataset(DatasetConfig(**settings)).items[0])


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
    assert set(tables) == set(DATASET_TABLES)
    assert tables["polynomials"].schema.equals(schema)
    assert tables["polynomials"]["row"].to_pylist() == list(range(40))
    assert set(tables["polynomials"]["family"].to_pylist()) == {"vanishing"}


def test_structures_are_null_where_there_is_none():
    assert set(shard(families=("sparse",))["polynomials"]["structure"].to_pylist()) == {"sparse"}
    assert set(shard(families=("integer",))["polynomials"]["structure"].to_pylist()) == {None}


def test_the_card_is_in_the_schema_and_survives_the_store(tmp_path):
    plan = plan_dataset(DatasetConfig(families=("dense",), grid=(POINT,), rows=40, shard_rows=20))
    store = Store.open(str(tmp_path))
    run: Run = store.open_run(plan.identity, DATASET_TABLES, [item.key for item in plan.items])
    for item in plan.items:
        run.write_parts(item.key, run_dataset_item(item))
    assert run.read("polynomials").num_rows == 40
    texts = run.read("cards")["card"].to_pylist()
    for item, text in zip(plan.items, texts, strict=True):
        part = run.read_part("polynomials", item.key)
        assert part.schema.field("row").metadata[CARD.encode()].decode() == text
        assert json.loads(text)["first_row"] == item.first


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
    config = DatasetConfig(families=("dense", "sparse"), grid=(POINT,), rows=50, shard_rows=17)
    texts = [
        run_dataset_item(item)["cards"]["card"][0].as_py() for item in plan_dataset(config).items
    ]
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
                           shard_rows=3)  # fmt: skip
    plan = plan_dataset(config)
    assert len(plan.cells) == 4
    assert [item.key for item in plan.items[:3]] == [f"dense-{POINT}.{k:06d}" for k in range(3)]
    assert [(item.first, item.count) for item in plan.items[:3]] == [(0, 3), (3, 3), (6, 1)]


def test_points_that_are_written_in_two_ways_are_one_data_set():
    config = DatasetConfig(grid=("n6-d10-m30", "n6d10m30"), families=("dense", "dense"), rows=1)
    assert [cell.name for cell in plan_dataset(config).cells] == ["dense-n6-d10-m30"]


def test_rows_do_not_depend_on_the_cut():
    whole = shard(rows=30)["polynomials"]
    config = DatasetConfig(families=("vanishing",), grid=(POINT,), rows=30, shard_rows=11)
    parts = [run_dataset_item(item)["polynomials"] for item in plan_dataset(config).items]
    lead = ["fingerprint"]
    assert pa.concat_tables(parts).drop(lead).equals(whole.drop(lead))


def test_a_failed_shard_is_a_card_that_says_why():
    [item] = plan_dataset(DatasetConfig(families=("dense",), grid=(POINT,), rows=5)).items
    tables = failed_dataset_item(item, "RuntimeError", "no luck")
    assert tables["polynomials"].num_rows == 0
    [row] = tables["cards"].to_pylist()
    assert (row["status"], row["reason"], row["card"]) == (Status.FAILED, "no luck", None)
    assert failed_dataset_item(item, "BudgetExceeded", "")["cards"]["status"][0].as_py() == (
        Status.OVER_BUDGET
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grid": ("6-10-30",)}, "write it like n6-d10-m30"),
        ({"rows": 10**9, "shard_rows": 1}, "raise shard_rows"),
        ({"mode": "expanded", "grid": ("n6-d10-m60",), "rows": 10**6}, "set shard_rows to 8,"),
    ],
)
def test_what_cannot_be_planned_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        plan_dataset(DatasetConfig(**changes))
