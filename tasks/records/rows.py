"""Rows as calls return them, and how they become tables.

A call answers with *rows*: table name -> dicts with the columns that apply, or an Arrow table for
bulk. A dict may hold ``status`` (a `Status`; ok by default); a column that it does not name is
null. The run's own columns are added here, so that calls know of no run.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa

from tasks.records.errors import InputError
from tasks.records.identity import RowIdentity, RunIdentity
from tasks.records.schema import SCIENCE_COLUMNS
from tasks.records.status import Status

__all__ = ["FILES", "Row", "Rows", "failed_rows", "lay_out", "rows_table"]

Row: TypeAlias = Mapping[str, Any]
Rows: TypeAlias = Mapping[str, Sequence[Row] | pa.Table]

FILES = "files"
"""Key under which a call names the files that it wrote, by their paths in the run's folder."""
_LEAD = [field.name for field in SCIENCE_COLUMNS]


def rows_table(
    schema: pa.Schema, rows: Iterable[Row] | pa.Table, identity: RunIdentity | RowIdentity
) -> pa.Table:
    """Science table of some rows.

    Parameters
    ----------
    schema
        From `science_schema`.
    rows
        Dicts, or a table without the leading columns, all of whose rows are ok.

    Raises
    ------
    InputError
        If a row names a column that the schema does not have, or holds a value of another type.
    """
    lead = dict(zip(_LEAD, (identity.run_id, identity.code_version, identity.seed), strict=False))
    names = schema.names[len(_LEAD) :]
    if isinstance(rows, pa.Table):
        _check(rows.column_names, names)
        own: Mapping[str, Any] = {
            name: rows[name] if name in rows.column_names else pa.nulls(rows.num_rows)
            for name in names
        }
        statuses = [Status.OK.value] * rows.num_rows
    else:
        rows = list(rows)
        for keys in {tuple(row) for row in rows}:
            _check([key for key in keys if key != "status"], names)
        own = {name: [row.get(name) for row in rows] for name in names}
        statuses = [Status(row.get("status", Status.OK)).value for row in rows]
    columns = {name: [value] * len(statuses) for name, value in lead.items()}
    try:
        return pa.table({**columns, "status": statuses, **own}, schema=schema)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"the rows do not fit their schema: {error}") from error


def lay_out(
    schemas: Mapping[str, pa.Schema], rows: Rows, identity: RunIdentity | RowIdentity
) -> dict[str, pa.Table]:
    """The tables of `schemas`, empty where there are no rows."""
    unknown = sorted(set(rows) - set(schemas))
    if unknown:
        raise InputError(f"rows of unknown tables {unknown}; known are {sorted(schemas)}")
    return {
        name: rows_table(schema, rows.get(name, ()), identity) for name, schema in schemas.items()
    }


def failed_rows(known: Iterable[Row], status: Status, reason: str) -> list[Row]:
    """Rows of an item whose call failed: what is known of it, the status and the reason."""
    return [{**row, "status": status, "reason": reason} for row in known]


def _check(given: Iterable[str], names: Sequence[str]) -> None:
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise InputError(f"the rows do not fit their schema: unknown columns {unknown}")
