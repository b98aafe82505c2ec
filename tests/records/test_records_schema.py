import pyarrow as pa
import pytest

from tasks.records import (
    EXECUTION_SCHEMA,
    SCIENCE_COLUMNS,
    InputError,
    column,
    empty_table,
    science_schema,
)

COUNT = column("count", pa.uint64(), "number of sign classes", unit="1")


def test_science_schema_leads_with_identity_and_status():
    schema = science_schema(COUNT)
    assert schema.names == ["fingerprint", "code_version", "seed", "status", "count"]
    assert schema.types[:4] == [pa.string(), pa.string(), pa.int64(), pa.string()]


def test_execution_schema_is_the_agreed_one():
    assert [(field.name, str(field.type)) for field in EXECUTION_SCHEMA] == [
        ("item", "string"),
        ("run_id", "string"),
        ("flow_run_id", "string"),
        ("host", "string"),
        ("device", "string"),
        ("started_at", "timestamp[us, tz=UTC]"),
        ("seconds", "double"),
        ("attempts", "int32"),
        ("peak_rss_bytes", "int64"),
    ]


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        (pa.field("at", pa.timestamp("us")), "holds times"),
        (pa.field("took", pa.duration("s")), "holds times"),
        (pa.field("seed", pa.int64()), "more than one column named seed"),
    ],
)
def test_science_schema_refuses_times_and_doubles(field, reason):
    with pytest.raises(InputError, match=reason):
        science_schema(field)


def test_every_column_explains_itself():
    fields = [*SCIENCE_COLUMNS, COUNT, *EXECUTION_SCHEMA]
    assert all(field.metadata[b"doc"] for field in fields)
    assert COUNT.metadata[b"unit"] == b"1"


def test_empty_table_has_the_schema_and_no_rows():
    assert empty_table(EXECUTION_SCHEMA).schema == EXECUTION_SCHEMA
    assert empty_table(EXECUTION_SCHEMA).num_rows == 0
