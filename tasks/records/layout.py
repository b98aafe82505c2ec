"""JSON files of the store: frozen dataclasses, written deterministically and read strictly."""

import json
from dataclasses import asdict
from functools import lru_cache
from typing import Any, TypeVar

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from tasks.records.config import describe_validation_error
from tasks.records.errors import StoreError

SCHEMA_VERSION = 2
"""Version of the store's layout that is written."""
READABLE = (1, 2)
"""Versions that are read; parts of layout 1 do not say what they were made from."""

T = TypeVar("T")


def parse_json(kind: type[T], data: bytes | pa.Buffer, *, where: str) -> T:
    """Instance of the dataclass `kind` from JSON bytes.

    Raises
    ------
    StoreError
        One line that names `where`, for anything but a valid record of this layout version.
    """
    try:
        record = _adapter(kind).validate_json(bytes(data))
    except ValidationError as error:
        raise StoreError(f"{where}: {describe_validation_error(error)[:300]}") from error
    version = getattr(record, "schema_version", SCHEMA_VERSION)
    if version not in READABLE:
        raise StoreError(
            f"{where}: has layout version {version}, this release reads {SCHEMA_VERSION}"
        )
    return record


def dump_json(record: Any) -> bytes:
    """Deterministic, readable JSON of a dataclass instance."""
    return json.dumps(asdict(record), sort_keys=True, indent=2).encode() + b"\n"


@lru_cache
def _adapter(kind: type[T]) -> TypeAdapter[T]:
    return TypeAdapter(kind)
