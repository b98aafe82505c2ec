"""Work items of a census and their verification."""

import json

import pyarrow as pa
import pytest
from study_helpers import failed_tables, joined_tables, replaced, tables_of

from flows.planning import PlannedRun, plan_run
from flows.tcurve_census import STUDY
from tasks.lattice import honeycomb, load_triangulations, write_triangulations_json
from tasks.records import BudgetExceeded, InputError, Status
from tasks.tcurves import CensusConfig, stored_triangulation, union_schemes

CENSUS, VERIFY = STUDY.stages


def planned(*names, **settings) -> PlannedRun:
    return plan_run(STUDY, CensusConfig(triangulations=names, **settings))


def tables(plan: PlannedRun) -> dict[str, pa.Table]:
    """Tables of the one triangulation of a run."""
    [item] = plan.items["census"]
    return tables_of(plan, CENSUS, item)


def verification(plan: PlannedRun, histogram: pa.Table) -> pa.Table:
    [item] = plan.items["verify"]
    return tables_of(plan, VERIFY, item, histogram)["verification"]


def test_a_plan_names_its_items_by_triangulation():
    plan = planned("6_bat", "4_honeycomb")
    for items in plan.items.values():
        assert [item.key for item in items] == ["6_bat", "4_honeycomb"]
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
    plan = planned("6_bat")
    result = tables(plan)
    histogram, [summary] = result["histogram"], result["summary"].to_pylist()
    assert histogram.num_rows == summary["num_schemes"] == 53
    assert sum(histogram["count"].to_pylist()) == summary["sign_classes"] == 1 << 25
    assert summary["status"] == "ok"
    assert summary["regular"] is True
    assert stored_triangulation(summary) == plan.items["census"][0].argument.triangulation
    assert summary["num_maximal"] == sum(histogram["is_maximal"].to_pylist()) == 3
    assert histogram.schema.field("count").type == pa.uint64()
    assert histogram.schema.field("witness").type == pa.uint64()


def test_both_engines_store_the_same_histogram_but_for_the_witness():
    def rows(engine):
        return tables(planned("4_honeycomb", engine=engine))["histogram"].drop(
            ["fingerprint", "witness"]
        )

    assert rows("frontier").equals(rows("union-find"))


def test_witnesses_and_counts_can_be_left_out():
    plan = planned("4_honeycomb", witnesses=False, targets="set")
    histogram = tables(plan)["histogram"]
    assert histogram["witness"].null_count == histogram["count"].null_count == histogram.num_rows
    assert verification(plan, histogram).num_rows == 0


@pytest.mark.parametrize("engine", ["frontier", "union-find"])
def test_few_ovals_are_cut_off(engine):
    result = tables(planned("4_honeycomb", engine=engine, min_ovals=3))
    assert result["histogram"]["scheme"].to_pylist() == ["<3>", "<4>"]
    assert result["summary"]["num_schemes"].to_pylist() == [2]


def test_a_census_beyond_its_budget_becomes_a_row():
    plan = planned("7_honeycomb", memory_gib=1e-4)
    with pytest.raises(BudgetExceeded) as caught:
        tables(plan)
    [item] = plan.items["census"]
    result = failed_tables(plan, CENSUS, item, Status.OVER_BUDGET, str(caught.value))
    [summary] = result["summary"].to_pylist()
    assert summary["status"] == "over_budget"
    assert "7_honeycomb" in summary["reason"]
    assert summary["num_schemes"] is None
    assert result["histogram"].num_rows == 0


def test_verification_derives_every_witness_again():
    plan = planned("6_bat")
    histogram = tables(plan)["histogram"]
    rows = verification(plan, histogram).to_pylist()
    assert [row["scheme"] for row in rows] == histogram["scheme"].to_pylist()
    assert {(row["agrees"], row["status"], row["violated"]) for row in rows} == {(True, "ok", "")}


def test_a_share_of_the_witnesses_is_chosen_reproducibly():
    plan = planned("6_bat", verify_share=0.25)
    histogram = tables(plan)["histogram"]
    first = verification(plan, histogram)
    assert first.num_rows == 14  # a quarter of 53, rounded up
    assert verification(plan, histogram).equals(first)


@pytest.mark.parametrize("column", ["witness", "scheme"])
def test_a_forged_row_fails_verification(column):
    plan = planned("6_bat")
    histogram = tables(plan)["histogram"]
    values = histogram[column].to_pylist()
    values[5], values[6] = values[6], values[5]
    found = verification(plan, replaced(histogram, column, values))
    assert found["agrees"].to_pylist().count(False) == 2
    assert set(found["status"].to_pylist()) == {"failed"}


def test_unions_are_taken_over_chosen_triangulations():
    histogram = joined_tables(planned("6_bat", "6_moth"), CENSUS)["histogram"]
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
