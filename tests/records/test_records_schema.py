import pyarrow as pa
import pytest

from tasks.records import (
    EXECUTION_SCHEMA,
    SCIENCE_COLUMNS,
    InputError,
    Status,
    column,
    column_docs,
    empty_table,
    science_schema,
    science_table,
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
    docs = column_docs(pa.schema([*SCIENCE_COLUMNS, COUNT, *EXECUTION_SCHEMA]))
    assert all(doc.doc for doc in docs)
    assert docs[4].unit == "1"
    assert docs[4].dtype == "uint64"


def test_a_field_without_metadata_has_an_empty_explanation():
    assert column_docs(pa.schema([pa.field("x", pa.int8())]))[0].doc == ""


def test_empty_table_has_the_schema_and_no_rows():
    assert empty_table(EXECUTION_SCHEMA).schema == EXECUTION_SCHEMA
    assert empty_table(EXECUTION_SCHEMA).num_rows == 0


def test_science_table_repeats_the_identity_in_every_row(identity):
    table = science_table(
        science_schema(COUNT), {"count": [1, 2**64 - 1]}, identity=identity, status=Status.FAILED
    )
    assert table["fingerprint"].to_pylist() == [identity.run_id] * 2
    assert table["status"].to_pylist() == ["failed"] * 2
    assert table["count"].to_pylist() == [1, 2**64 - 1]


@pytest.mark.parametrize(
    "columns", [{}, {"count": [1], "other": [1]}, {"count": ["x"]}, {"count": [-1]}]
)
def test_columns_that_do_not_fit_are_refused(identity, columns):
    with pytest.raises(InputError, match="do not fit their schema"):
        science_table(science_schema(COUNT), columns, identity=identity)
