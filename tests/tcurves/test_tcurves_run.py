"""Work items of a census and their verification."""

import json

import pyarrow as pa
import pytest

from tasks.lattice import honeycomb, load_triangulations, write_triangulations_json
from tasks.records import BudgetExceeded, InputError
from tasks.tcurves import (
    CensusConfig,
    failed_census_item,
    plan_census,
    run_census_item,
    run_verification_item,
    stored_triangulation,
    union_schemes,
)


def planned(*names, **settings):
    return plan_census(CensusConfig(triangulations=names, **settings))


def tables(item):
    return run_census_item(item)


def test_a_plan_names_its_items_by_triangulation():
    plan = planned("6_bat", "4_honeycomb")
    assert [item.key for item in plan.items] == ["6_bat", "4_honeycomb"]
    assert plan.identity.flow == "tcurve-census"


def test_the_run_is_named_by_what_determines_its_results(tmp_path):
    path = tmp_path / "mine.json"
    write_triangulations_json(path, load_triangulations(["4_honeycomb"]))
    run_id = planned("4_honeycomb").identity.run_id
    assert planned("4_honeycomb").identity.run_id == run_id
    assert planned(str(path)).identity.run_id == run_id  # the same content, elsewhere
    assert planned("4_honeycomb", memory_gib=1.0).identity.run_id == run_id
    assert planned("4_honeycomb", min_ovals=2).identity.run_id != run_id
    assert planned("5_honeycomb").identity.run_id != run_id


def test_changed_contents_under_the_same_name_are_another_run(tmp_path):
    path = tmp_path / "mine.json"
    bat = load_triangulations(["6_bat"])[0]
    run_ids = set()
    for triangulation in (bat, honeycomb(6).with_name("6_bat")):
        path.write_text(
            json.dumps({"name": "x", "degree": 6, "triangles": triangulation.triangles.tolist()})
        )
        run_ids.add(planned(str(path)).identity.run_id)
    assert len(run_ids) == 2


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("7_frö",), "7_fr"),
        (("6_bat", "6_bat"), "6_bat"),
        (("10_honeycomb",), "up to degree 9"),
        (("0_honeycomb",), "0"),
        (("no/such/file.json",), "no/such/file.json"),
    ],
)
def test_bad_triangulations_are_refused_before_anything_runs(names, message):
    with pytest.raises(InputError, match=message) as caught:
        planned(*names)
    assert "\n" not in str(caught.value)


def test_an_enumeration_without_end_is_refused_before_anything_runs():
    with pytest.raises(InputError, match="use engine=frontier"):
        planned("8_honeycomb", engine="union-find")


def test_the_tables_of_an_item_are_the_census():
    [item] = planned("6_bat").items
    result = tables(item)
    histogram, [summary] = result["histogram"], result["summary"].to_pylist()
    assert histogram.num_rows == summary["num_schemes"] == 53
    assert sum(histogram["count"].to_pylist()) == summary["sign_classes"] == 1 << 25
    assert summary["status"] == "ok"
    assert summary["regular"] is True
    assert stored_triangulation(summary) == item.triangulation
    assert summary["num_maximal"] == sum(histogram["is_maximal"].to_pylist()) == 3
    assert histogram.schema.field("count").type == pa.uint64()
    assert histogram.schema.field("witness").type == pa.uint64()


def test_both_engines_store_the_same_histogram_but_for_the_witness():
    def rows(engine):
        [item] = planned("4_honeycomb", engine=engine).items
        return run_census_item(item)["histogram"].drop(["fingerprint", "witness"])

    assert rows("frontier").equals(rows("union-find"))


def test_witnesses_and_counts_can_be_left_out():
    [item] = planned("4_honeycomb", witnesses=False, targets="set").items
    histogram = run_census_item(item)["histogram"]
    assert histogram["witness"].null_count == histogram["count"].null_count == histogram.num_rows
    assert run_verification_item(item, histogram)["verification"].num_rows == 0


@pytest.mark.parametrize("engine", ["frontier", "union-find"])
def test_few_ovals_are_cut_off(engine):
    [item] = planned("4_honeycomb", engine=engine, min_ovals=3).items
    result = run_census_item(item)
    assert result["histogram"]["scheme"].to_pylist() == ["<3>", "<4>"]
    assert result["summary"]["num_schemes"].to_pylist() == [2]


def test_a_census_beyond_its_budget_becomes_a_row():
    [item] = planned("7_honeycomb", memory_gib=1e-4).items
    with pytest.raises(BudgetExceeded) as caught:
        run_census_item(item)
    result = failed_census_item(item, "BudgetExceeded", str(caught.value))
    [summary] = result["summary"].to_pylist()
    assert summary["status"] == "over_budget"
    assert "7_honeycomb" in summary["reason"]
    assert summary["num_schemes"] is None
    assert result["histogram"].num_rows == 0


def test_verification_derives_every_witness_again():
    [item] = planned("6_bat").items
    histogram = run_census_item(item)["histogram"]
    rows = run_verification_item(item, histogram)["verification"].to_pylist()
    assert [row["scheme"] for row in rows] == histogram["scheme"].to_pylist()
    assert {(row["agrees"], row["status"], row["violated"]) for row in rows} == {(True, "ok", "")}


def test_a_share_of_the_witnesses_is_chosen_reproducibly():
    [item] = planned("6_bat", verify_share=0.25).items
    histogram = run_census_item(item)["histogram"]
    first = run_verification_item(item, histogram)["verification"]
    assert first.num_rows == 14  # a quarter of 53, rounded up
    assert run_verification_item(item, histogram)["verification"].equals(first)


@pytest.mark.parametrize("column", ["witness", "scheme"])
def test_a_forged_row_fails_verification(column):
    [item] = planned("6_bat").items
    histogram = run_census_item(item)["histogram"]
    values = histogram[column].to_pylist()
    values[5], values[6] = values[6], values[5]
    at = histogram.schema.get_field_index(column)
    forged = histogram.set_column(
        at, histogram.schema.field(at), pa.array(values, histogram.schema.field(at).type)
    )
    verification = run_verification_item(item, forged)["verification"]
    assert verification["agrees"].to_pylist().count(False) == 2
    assert set(verification["status"].to_pylist()) == {"failed"}


def test_unions_are_taken_over_chosen_triangulations():
    plan = planned("6_bat", "6_moth")
    histogram = pa.concat_tables([run_census_item(item)["histogram"] for item in plan.items])
    assert len(union_schemes(histogram, ["6_bat"])) == 53
    assert len(union_schemes(histogram, ["6_bat", "6_moth"])) == 55
    assert union_schemes(histogram, []) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"triangulations": ()},
        {"engine": "brute"},
        {"targets": "some"},
        {"min_ovals": -1},
        {"verify_share": 1.5},
        {"memory_gib": 0},
        {"unknown": 1},
    ],
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        CensusConfig(**settings)
