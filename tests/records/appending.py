"""Rows of the execution table, stored as a stage stores them."""

import pyarrow.compute as pc

from tasks.records.schema import execution_rows


def append_execution(run, rows):
    """Add a part for each item."""
    items = execution_rows(rows)["item"].unique().to_pylist()
    parts = {item: rows.filter(pc.equal(rows["item"], item)) for item in items}
    return [run.write_part("execution", item, part) for item, part in parts.items()]
