"""Tables of rows with a status each, also of what failed as a whole."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from tasks.pruning.items import PruningItem
from tasks.pruning.schema import (
    CURVE_SCHEMA,
    DISTANCES_SCHEMA,
    MODELS_SCHEMA,
    VERIFICATION_SCHEMA,
)
from tasks.records import SCIENCE_COLUMNS, RunIdentity, Status

PRUNING_TABLES = ("models", "curve", "distances")
VERIFICATION_TABLES = ("verification",)


def failed_pruning_item(item: PruningItem, kind: str, message: str) -> dict[str, pa.Table]:
    """Tables of an item that failed as a whole: one row with a status and the reason."""
    status = Status.OVER_BUDGET if kind == "BudgetExceeded" else Status.FAILED
    values = {
        "item": item.key,
        "method": item.cell.method if item.cell else item.kind,
        "replicate": item.replicate,
        "phase": item.phase,
        "member": item.member,
        "reason": message,
        "parents": [need.checkpoint for need in item.needs],
    }
    return {
        "models": rows_table(MODELS_SCHEMA, [(status, values)], item.identity),
        "curve": CURVE_SCHEMA.empty_table(),
        "distances": DISTANCES_SCHEMA.empty_table(),
    }


def failed_verification(item: PruningItem, kind: str, message: str) -> dict[str, pa.Table]:
    """Table of a verification that could not be made."""
    values = {"item": item.key, "reason": f"{kind}: {message}"}
    rows = [(Status.FAILED, values)]
    return {"verification": rows_table(VERIFICATION_SCHEMA, rows, item.identity)}


def rows_table(
    schema: pa.Schema, rows: list[tuple[Status, dict[str, Any]]], identity: RunIdentity
) -> pa.Table:
    """Science table of rows with a status each; columns that a row does not name are null."""
    lead = (identity.run_id, identity.code_version, identity.seed)
    names = [column.name for column in SCIENCE_COLUMNS]
    full = [
        dict(zip(names, (*lead, status.value), strict=True))
        | {name: values.get(name) for name in schema.names[len(names) :]}
        for status, values in rows
    ]
    return pa.Table.from_pylist(full, schema=schema)
