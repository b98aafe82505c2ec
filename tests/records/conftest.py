"""A small store of made-up rows that the tests of the records package share."""

from collections.abc import Callable
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from tasks.records import (
    EXECUTION_SCHEMA,
    Run,
    RunIdentity,
    Store,
    column,
    science_schema,
)
from tasks.records.rows import rows_table

HISTOGRAM = science_schema(
    column("scheme", pa.string(), "real scheme in Viro notation"),
    column("count", pa.uint64(), "number of sign classes"),
)
IDENTITY = RunIdentity(
    "tcurve-census", '{"memory_gib":4.0}', (("6_bat", "ab" * 32),), code_version="0.1.0+0", seed=3
)
TABLES = ("histogram", "summary")
ITEMS = ("6_moth", "6_bat", "7_fra")


@pytest.fixture
def identity() -> RunIdentity:
    return IDENTITY


@pytest.fixture
def store(tmp_path) -> Store:
    return Store.open(tmp_path / "results")


@pytest.fixture
def run(store) -> Run:
    return store.open_run(IDENTITY, TABLES, ITEMS, citations=("FIC",))


@pytest.fixture
def rows() -> Callable[..., pa.Table]:
    """Rows of one item: `rows("<1>", "<2>")`, with counts 0, 1, ..."""

    def make(*schemes: str) -> pa.Table:
        found = [{"scheme": scheme, "count": k} for k, scheme in enumerate(schemes)]
        return rows_table(HISTOGRAM, found, IDENTITY)

    return make


@pytest.fixture
def execution() -> Callable[..., pa.Table]:
    """Execution rows of items, one each."""

    def make(*items: str, host: str = "node") -> pa.Table:
        row = {
            "run_id": IDENTITY.run_id,
            "flow_run_id": "",
            "host": host,
            "device": "cpu",
            "started_at": datetime(2026, 1, 2, tzinfo=UTC),
            "seconds": 0.5,
            "attempts": 1,
            "peak_rss_bytes": 1 << 20,
        }
        return pa.Table.from_pylist([{"item": item, **row} for item in items], EXECUTION_SCHEMA)

    return make


@pytest.fixture
def full_run(run, rows) -> Run:
    """Run whose three items are stored in both tables."""
    for item in ITEMS:
        run.write_parts(item, {"histogram": rows(f"<{item}>", "<1>"), "summary": rows(item)})
    return run
