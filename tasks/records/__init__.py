"""Records: configs, seeds, schemas and the append-only Arrow store that resume rests on.

>>> from tasks.records import RunIdentity, code_version
>>> identity = RunIdentity("demo", "{}", inputs=(), code_version=code_version("tasks.records"))
>>> len(identity.run_id)
16
"""

from typing import TYPE_CHECKING

from tasks.records.lazy import lazy_exports

if TYPE_CHECKING:
    from tasks.records.canonical import canonical_json, fingerprint
    from tasks.records.check import Fault, StoreCheck
    from tasks.records.citations import CITATIONS, Citation, cite
    from tasks.records.config import FrozenConfig, describe_validation_error
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
    from tasks.records.parts import EXECUTION_TABLE, Origin, PartRef
    from tasks.records.report import Figure, Report, Table
    from tasks.records.resume import Ledger, made_from
    from tasks.records.rows import FILES, Row, Rows, lay_out, rows_table
    from tasks.records.run import Run
    from tasks.records.schema import (
        EXECUTION_SCHEMA,
        SCIENCE_COLUMNS,
        column,
        empty_table,
        science_schema,
    )
    from tasks.records.seeds import derive_seed, stream
    from tasks.records.status import Status
    from tasks.records.store import RunInfo, Store
    from tasks.records.stored import Problem, Stored
    from tasks.records.verdicts import CertificateFile, Verdict
    from tasks.records.version import RELEASE, code_digest, code_version
    from tasks.records.volume import Volume
    from tasks.records.work import Inputs, Item, Place, Plan, Resources, Wave

__all__ = [
    "CITATIONS",
    "EXECUTION_SCHEMA",
    "EXECUTION_TABLE",
    "FILES",
    "RELEASE",
    "SCIENCE_COLUMNS",
    "BudgetExceeded",
    "CertificateFile",
    "Citation",
    "CorruptPartError",
    "Fault",
    "Figure",
    "FrozenConfig",
    "InfrastructureError",
    "InputError",
    "Inputs",
    "Item",
    "LatticeworkError",
    "Ledger",
    "Manifest",
    "Origin",
    "PartRef",
    "Place",
    "Plan",
    "Problem",
    "Report",
    "Resources",
    "Row",
    "RowIdentity",
    "Rows",
    "Run",
    "RunIdentity",
    "RunInfo",
    "RunRecord",
    "Status",
    "Store",
    "StoreCheck",
    "StoreError",
    "Stored",
    "Table",
    "TableEntry",
    "Verdict",
    "Volume",
    "Wave",
    "canonical_json",
    "cite",
    "code_digest",
    "code_version",
    "column",
    "derive_seed",
    "describe_validation_error",
    "empty_table",
    "fingerprint",
    "lay_out",
    "made_from",
    "rows_table",
    "science_schema",
    "stream",
]

__getattr__ = lazy_exports(__name__, __file__)
