"""Schemas: science tables are deterministic, the sibling execution table holds the rest.

A science table leads with `SCIENCE_COLUMNS` and holds no times, hosts or durations, so that two
executions of one run can be compared byte for byte. One row of the execution table describes one
attempt at one item.
"""

import pyarrow as pa

from tasks.records.errors import InputError
from tasks.records.status import Status


def column(name: str, dtype: pa.DataType, doc: str, *, unit: str = "") -> pa.Field:
    """Field that explains itself; `doc` and `unit` travel in the file's field metadata."""
    metadata = {"doc": doc, "unit": unit} if unit else {"doc": doc}
    return pa.field(name, dtype, metadata=metadata)


SCIENCE_COLUMNS: tuple[pa.Field, ...] = (
    column("fingerprint", pa.string(), "id of the run: hash of config, inputs, code and seed"),
    column("code_version", pa.string(), "release and hash of the sources"),
    column("seed", pa.int64(), "root of all random streams"),
    column("status", pa.string(), "outcome of the item: " + ", ".join(Status)),
)

EXECUTION_SCHEMA = pa.schema(
    [
        column("item", pa.string(), "key of the item of work"),
        column("run_id", pa.string(), "id of the run"),
        column("flow_run_id", pa.string(), "id of the execution in the flow engine"),
        column("host", pa.string(), "machine that did the work"),
        column("device", pa.string(), "cpu, or name and index of the GPU"),
        column("started_at", pa.timestamp("us", tz="UTC"), "start of the last attempt"),
        column("seconds", pa.float64(), "wall time of the last attempt", unit="s"),
        column("attempts", pa.int32(), "number of attempts, 1 if the first succeeded"),
        column("peak_rss_bytes", pa.int64(), "peak resident memory of the process", unit="B"),
    ]
)


def science_schema(*fields: pa.Field) -> pa.Schema:
    """Schema of a science table: the leading columns, then `fields`.

    Raises
    ------
    InputError
        If a name occurs twice or a field holds times.
    """
    schema = pa.schema([*SCIENCE_COLUMNS, *fields])
    check_science_schema(schema, "this schema")
    return schema


def check_science_schema(schema: pa.Schema, what: str) -> None:
    """Raise InputError unless `schema` leads with SCIENCE_COLUMNS, has no doubles and no times."""
    lead = [(field.name, field.type) for field in schema][: len(SCIENCE_COLUMNS)]
    if lead != [(field.name, field.type) for field in SCIENCE_COLUMNS]:
        wanted = ", ".join(f"{field.name}: {field.type}" for field in SCIENCE_COLUMNS)
        raise InputError(f"{what} must begin with the columns {wanted}; build it by science_schema")
    doubles = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if doubles:
        raise InputError(f"{what} has more than one column named {', '.join(doubles)}")
    times = [field.name for field in schema if pa.types.is_temporal(field.type)]
    if times:
        raise InputError(
            f"{what} holds times ({', '.join(times)}), which differ from run to run; "
            "they belong to the execution table"
        )


def execution_rows(rows: pa.Table) -> pa.Table:
    """The rows with the columns of `EXECUTION_SCHEMA`, each of which names an item."""
    try:
        rows = rows.select(EXECUTION_SCHEMA.names).cast(EXECUTION_SCHEMA)
    except (KeyError, pa.ArrowException, ValueError) as error:
        columns = ", ".join(EXECUTION_SCHEMA.names)
        raise InputError(
            f"rows of the execution table have the columns {columns} ({error})"
        ) from error
    if rows["item"].null_count:
        raise InputError("a row of the execution table names no item")
    return rows


def empty_table(schema: pa.Schema) -> pa.Table:
    """Table without rows."""
    return schema.empty_table()
