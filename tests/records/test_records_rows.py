"""Rows of calls become science tables, and nothing is lost or invented on the way."""

import pyarrow as pa
import pytest

from tasks.records import (
    InputError,
    RunIdentity,
    Status,
    column,
    lay_out,
    rows_table,
    science_schema,
)
from tasks.records.rows import failed_rows

SCHEMA = science_schema(
    column("item", pa.string(), "key"),
    column("size", pa.int32(), "size"),
    column("reason", pa.string(), "why there is none"),
)
IDENTITY = RunIdentity("demo", "{}", (), "1+0123456789", seed=7)


def test_dicts_are_rows_with_the_run_s_columns_and_nulls_for_what_they_do_not_name():
    table = rows_table(SCHEMA, [{"item": "a", "size": 3}, {"item": "b"}], IDENTITY)
    assert table.schema == SCHEMA
    assert table.to_pylist()[1] == {
        "fingerprint": IDENTITY.run_id,
        "code_version": "1+0123456789",
        "seed": 7,
        "status": "ok",
        "item": "b",
        "size": None,
        "reason": None,
    }


def test_every_row_has_its_own_status():
    rows = [{"item": "a"}, {"item": "b", "status": Status.OVER_BUDGET}]
    assert rows_table(SCHEMA, rows, IDENTITY)["status"].to_pylist() == ["ok", "over_budget"]
    with pytest.raises(ValueError, match="lost"):
        rows_table(SCHEMA, [{"item": "a", "status": "lost"}], IDENTITY)


def test_a_table_in_bulk_gets_the_run_s_columns():
    bulk = pa.table({"item": ["a", "b"], "size": pa.array([1, 2], pa.int32())})
    dicts = [{"item": "a", "size": 1}, {"item": "b", "size": 2}]
    assert rows_table(SCHEMA, bulk, IDENTITY).equals(rows_table(SCHEMA, dicts, IDENTITY))


@pytest.mark.parametrize(
    "rows",
    [
        [{"item": "a", "colour": 1}],
        [{"item": "a"}, {"item": "b", "colour": 1}],
        pa.table({"colour": [1]}),
        [{"size": "large"}],
        [{"size": 1 << 40}],
    ],
)
def test_what_does_not_fit_the_schema_is_refused(rows):
    with pytest.raises(InputError, match="the rows do not fit their schema"):
        rows_table(SCHEMA, rows, IDENTITY)


def test_tables_without_rows_are_empty_and_unknown_ones_refused():
    tables = lay_out({"a": SCHEMA, "b": SCHEMA}, {"a": [{"item": "x"}]}, IDENTITY)
    assert (tables["a"].num_rows, tables["b"].num_rows) == (1, 0)
    assert tables["b"].schema == SCHEMA
    with pytest.raises(InputError, match="unknown tables"):
        lay_out({"a": SCHEMA}, {"c": []}, IDENTITY)


def test_rows_of_a_failed_item_keep_what_is_known():
    rows = failed_rows([{"item": "x", "size": 1}], Status.FAILED, "no luck")
    assert rows == [{"item": "x", "size": 1, "status": Status.FAILED, "reason": "no luck"}]
