"""Files of polynomials as lists of plain records, not yet validated.

The content decides the format: Arrow IPC by its magic bytes, JSON by its suffix or first
character, else text with one polynomial per line and comments after ``#``.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

from tasks.records import InputError
from tasks.records.errors import abridged, shortened
from tasks.records.roots import check_text, is_uri

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
    data = _read_bytes(source)
    if not data.strip():
        raise InputError(f"{abridged(source)} is empty: {EXPECTED}")
    records = _records(source, data)
    if not records:
        raise InputError(f"{abridged(source)} holds no polynomial: {EXPECTED}")
    return records


def _read_bytes(source: str) -> bytes:
    check_text(source, "the name of a file")
    try:
        data = _read_uri(source) if is_uri(source) else _read_local(Path(source))
    except (OSError, pa.ArrowInvalid) as error:
        errno = getattr(error, "errno", None)
        reason = os.strerror(errno) if errno else abridged(str(error))
        raise InputError(f"cannot read {abridged(source)}: {reason}") from error
    if len(data) > MAX_FILE_BYTES:
        limit = f"{MAX_FILE_BYTES // 2**20} MiB"
        raise InputError(f"{abridged(source)} is larger than {limit}: split it")
    return data


def _read_local(path: Path) -> bytes:
    if not path.is_file():
        name = abridged(str(path))
        raise InputError(f"{name} is not a file: give the path of a JSON, Arrow or text file")
    with path.open("rb") as file:
        return file.read(MAX_FILE_BYTES + 1)


def _read_uri(uri: str) -> bytes:
    filesystem, path = fs.FileSystem.from_uri(uri)
    with filesystem.open_input_stream(path) as stream:
        return stream.read(MAX_FILE_BYTES + 1)


def _records(source: str, data: bytes) -> list[Any]:
    suffix = Path(source).suffix
    if data[:6] == b"ARROW1" or suffix in (".arrow", ".feather"):
        return _arrow_records(source, data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{abridged(source)} is neither text in UTF-8 nor an Arrow file (byte {error.start})"
        ) from error
    if "\0" in text:
        raise InputError(f"{abridged(source)} is no text: it holds null characters")
    if suffix == ".json" or text.lstrip()[:1] in ("{", "["):
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
    try:
        opener = pa.ipc.open_file if data[:6] == b"ARROW1" else pa.ipc.open_stream
        table = opener(io.BytesIO(data)).read_all()
        table.validate(full=True)
        records = table.to_pylist()
    # LookupError: unknown time zones of other columns.
    except (pa.ArrowException, OSError, ValueError, OverflowError, LookupError) as error:
        reason = abridged(next(iter(str(error).splitlines()), type(error).__name__))
        raise InputError(f"{abridged(source)} is not a readable Arrow file: {reason}") from error
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
