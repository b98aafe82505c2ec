"""SQL over the Arrow tables of a run: DuckDB views over memory-mapped files, nothing else.

The connection is in memory and sealed: no file, no extension and no Python variable can be reached
from a query, and nothing that a query does is kept.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import pyarrow as pa

from tasks.records import InputError

__all__ = ["query_tables"]

SEALED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
}


def query_tables(tables: Mapping[str, pa.Table], sql: str) -> pa.Table:
    """The answer of one SQL query, every table being a view of its own name.

    Parameters
    ----------
    tables : Mapping[str, pa.Table]
        Name -> table.
    sql : str
        One query in DuckDB's dialect.

    Raises
    ------
    InputError
        The text is wrong, is not a query, or would leave the given tables.
    """
    connection = duckdb.connect(":memory:", config=SEALED)
    try:
        for name, table in tables.items():
            connection.register(name, table)
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise InputError(
                "only one SELECT query is possible (the tables are read-only); tables: "
                + ", ".join(tables)
            )
        return connection.sql(sql).to_arrow_table()
    except duckdb.Error as error:
        raise InputError(f"SQL: {_one_line(error)}") from error
    finally:
        connection.close()


def _one_line(error: duckdb.Error) -> str:
    """DuckDB's message without its drawing of the query."""
    return str(error).split("\n\nLINE", 1)[0].replace("\n", " ").strip()
