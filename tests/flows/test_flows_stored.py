"""What is left to do, seen through the store of a real (tiny) census."""

import pytest

from flows import FLOWS
from flows.calls import VerificationPayloads, verify
from flows.stored import find_problems, items_left, open_run, stored_statuses
from tasks.tcurves import (
    CENSUS_TABLES,
    VERIFICATION_TABLES,
    CensusConfig,
    failed_census_item,
    plan_census,
    run_census_item,
)

ENTRY = FLOWS["tcurve-census"]
KEY = "triangulation"
CONFIG = CensusConfig(triangulations=("2_honeycomb", "3_honeycomb"))


@pytest.fixture
def plan():
    return plan_census(CONFIG)


@pytest.fixture
def run(plan, tmp_path):
    return open_run(ENTRY, plan, str(tmp_path))


def store_census(run, items):
    for item in items:
        run.write_parts(item.key, run_census_item(item))


def test_a_new_run_has_everything_left(run):
    assert items_left(run, CENSUS_TABLES, KEY) == ["2_honeycomb", "3_honeycomb"]
    assert stored_statuses(run, "summary", KEY) == {}


def test_stored_items_are_not_left(run, plan):
    store_census(run, plan.items[:1])
    assert items_left(run, CENSUS_TABLES, KEY) == ["3_honeycomb"]
    assert items_left(run, VERIFICATION_TABLES, KEY) == ["2_honeycomb", "3_honeycomb"]


def test_a_failed_item_is_stored_and_left(run, plan):
    store_census(run, plan.items[:1])
    run.write_parts("3_honeycomb", failed_census_item(plan.items[1], "BudgetExceeded", "too big"))
    assert stored_statuses(run, "summary", KEY)["3_honeycomb"] == ("over_budget", "too big")
    assert items_left(run, CENSUS_TABLES, KEY) == ["3_honeycomb"]


def test_an_altered_part_is_left_and_named(run, plan, tmp_path, caplog):
    store_census(run, plan.items)
    part = tmp_path / "tcurve-census" / run.run_id / "histogram/histogram-3_honeycomb.arrow"
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    assert items_left(run, CENSUS_TABLES, KEY) == ["3_honeycomb"]
    assert "histogram/histogram-3_honeycomb.arrow" in caplog.text


def test_problems_say_why_in_planned_order(run, plan):
    run.write_parts("3_honeycomb", failed_census_item(plan.items[1], "BudgetExceeded", "too big"))
    lines = [str(problem) for problem in find_problems(run, ENTRY.tables, KEY)]
    assert lines[0].startswith("2_honeycomb: unfinished")
    assert lines[1] == "3_honeycomb: over_budget, too big"


def test_a_verified_run_has_no_problems(run, plan):
    store_census(run, plan.items)
    payloads = VerificationPayloads(run, plan.items)
    assert list(payloads) == ["2_honeycomb", "3_honeycomb"]
    for key, work in payloads.items():
        run.write_parts(key, verify(work))
    assert find_problems(run, ENTRY.tables, KEY) == []


def test_verification_without_items_reads_no_table(run):
    assert len(VerificationPayloads(run, [])) == 0
