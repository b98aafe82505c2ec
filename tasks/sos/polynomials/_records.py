"""Files of polynomials as lists of plain records, not yet validated.

The content decides the format: Arrow IPC by its magic bytes, JSON by its suffix or first
character, else text with one polynomial per line and comments after ``#``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.records import InputError
from tasks.records.errors import abridged, shortened
from tasks.records.sources import arrow_table_of, is_arrow, read_source, text_of

MAX_FILE_BYTES = 256 * 2**20
"""Larger files are refused; a million terms in ten variables take 40 MB as JSON."""

EXPECTED = (
    'expected {"polynomials": [...]}, a list, or one polynomial such as {"text": "x^2 + 1"} or '
    '{"variables": ["x"], "exponents": [[2], [0]], "coefficients": ["1", "3/2"]}'
)
_KEYS = ("text", "exponents", "coefficients")


class WrittenFloat(float):
    """A number of a JSON file with the decimal text that it has there."""

    text: str

    def __new__(cls, text: str) -> WrittenFloat:
        """The nearest float64."""
        self = super().__new__(cls, text)
        self.text = text
        return self

    def __reduce__(self) -> tuple[type[float], tuple[float]]:
        return float, (float(self),)


def read_records(source: str) -> list[Any]:
    """The records of a local file or URI: texts, or objects; at least one.

    Raises
    ------
    InputError
        If it cannot be read, is empty, too large, or in no known format.
    """
    data = read_source(source, max_bytes=MAX_FILE_BYTES)
    if not data.strip():
        raise InputError(f"{abridged(source)} is empty: {EXPECTED}")
    records = _records(source, data)
    if not records:
        raise InputError(f"{abridged(source)} holds no polynomial: {EXPECTED}")
    return records


def _records(source: str, data: bytes) -> list[Any]:
    if is_arrow(source, data):
        return _arrow_records(source, data)
    text = text_of(source, data)
    if "\0" in text:
        raise InputError(f"{abridged(source)} is no text: it holds null characters")
    if Path(source).suffix == ".json" or text.lstrip()[:1] in ("{", "["):
        return _json_records(source, text)
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def _json_records(source: str, text: str) -> list[Any]:
    try:
        content = json.loads(
            text, parse_float=WrittenFloat, parse_int=_integer, object_pairs_hook=_unique
        )
    except _DuplicateKeyError as error:
        raise InputError(
            f"{abridged(source)}: an object has the key {shortened(str(error))} twice: which "
            "one holds?"
        ) from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{abridged(source)} is not JSON: {error.msg} at line {error.lineno}, "
            f"column {error.colno}"
        ) from error
    except RecursionError as error:
        raise InputError(f"{abridged(source)} nests too deeply: {EXPECTED}") from error
    if isinstance(content, dict) and "polynomials" in content:
        content = content["polynomials"]
    elif isinstance(content, dict) and any(key in content for key in _KEYS):
        content = [content]
    if not isinstance(content, list):
        raise InputError(f"{abridged(source)} has the wrong shape: {EXPECTED}")
    return content


class _DuplicateKeyError(ValueError):
    """An object of a JSON file has a key twice."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object; JSON itself would silently take the last value of a key."""
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _DuplicateKeyError(next(key for key in keys if keys.count(key) > 1))
    return record


def _integer(text: str) -> int | str:
    """An integer; of one too long for Python's conversion its text, which `rational` takes."""
    return int(text) if len(text) < 4000 else text


def _arrow_records(source: str, data: bytes) -> list[Any]:
    table = arrow_table_of(source, data)
    try:
        records = table.to_pylist()
    except (pa.ArrowException, ValueError, OverflowError, LookupError) as error:
        # Among other columns: years beyond Python's, unknown time zones.
        raise InputError(f"{abridged(source)} is not a readable Arrow IPC file: {error}") from error
    for name in table.column_names:
        if table.column_names.count(name) > 1:
            raise InputError(f"{abridged(source)} has the column {abridged(name)} twice")
    if not any(key in table.column_names for key in _KEYS):
        columns = abridged(", ".join(table.column_names)) or "none"
        raise InputError(
            f"{abridged(source)} has the columns {columns}; needed are text, or variables, "
            "exponents and coefficients"
        )
    # A null is a field that the row does not have.
    return [{key: value for key, value in row.items() if value is not None} for row in records]
