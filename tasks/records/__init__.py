"""Records: configs, seeds, schemas and the append-only Arrow store that resume rests on.

>>> from tasks.records import RunIdentity, code_version
>>> identity = RunIdentity("demo", "{}", inputs=(), code_version=code_version("tasks.records"))
>>> len(identity.run_id)
16
"""

from tasks.records.check import Fault, StoreCheck
from tasks.records.citations import CITATIONS, Citation, cite
from tasks.records.config import (
    FrozenConfig,
    canonical_json,
    describe_validation_error,
    fingerprint,
)
from tasks.records.errors import (
    BudgetExceeded,
    CorruptPartError,
    InfrastructureError,
    InputError,
    LatticeworkError,
    StoreError,
)
from tasks.records.identity import RowIdentity, RunIdentity
from tasks.records.manifest import Manifest, RunRecord, TableEntry
from tasks.records.parts import EXECUTION_TABLE, PartRef
from tasks.records.run import Run
from tasks.records.schema import (
    EXECUTION_SCHEMA,
    SCIENCE_COLUMNS,
    ColumnDoc,
    column,
    column_docs,
    empty_table,
    science_schema,
    science_table,
)
from tasks.records.seeds import derive_seed, stream
from tasks.records.status import Status
from tasks.records.store import RunInfo, Store
from tasks.records.version import RELEASE, code_version

__all__ = [
    "CITATIONS",
    "EXECUTION_SCHEMA",
    "EXECUTION_TABLE",
    "RELEASE",
    "SCIENCE_COLUMNS",
    "BudgetExceeded",
    "Citation",
    "ColumnDoc",
    "CorruptPartError",
    "Fault",
    "FrozenConfig",
    "InfrastructureError",
    "InputError",
    "LatticeworkError",
    "Manifest",
    "PartRef",
    "RowIdentity",
    "Run",
    "RunIdentity",
    "RunInfo",
    "RunRecord",
    "Status",
    "Store",
    "StoreCheck",
    "StoreError",
    "TableEntry",
    "canonical_json",
    "cite",
    "code_version",
    "column",
    "column_docs",
    "derive_seed",
    "describe_validation_error",
    "empty_table",
    "fingerprint",
    "science_schema",
    "science_table",
    "stream",
]
