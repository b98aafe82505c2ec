"""Files of triangulations as lists of plain records, not yet validated.

The content decides the format: Arrow IPC by its magic bytes, JSON, else the text of
`tasks.lattice._text`.
"""

import json
from pathlib import Path
from typing import Any

from tasks.lattice._text import parse_text
from tasks.records.errors import InputError, abridged, shortened
from tasks.records.sources import arrow_table_of, is_arrow, read_source, text_of

MAX_FILE_BYTES = 64 * 2**20
"""Larger files are refused: degree 60 with weights takes less than 0.1 MB as JSON."""

KEYS = ("degree", "triangles", "name", "weights")
EXPECTED = (
    'expected one object {"degree": 2, "triangles": [[0, 3, 1], ...]}, a list of such objects, '
    "or an object that maps names to such objects"
)


def read_records(source: str) -> list[Any]:
    """The records of a local file or URI; at least one.

    Raises
    ------
    InputError
        If it cannot be read, is empty, too large, or in no known format.
    """
    data = read_source(source, max_bytes=MAX_FILE_BYTES)
    if not data.strip():
        raise InputError(f"{source} is empty: {EXPECTED}")
    records = _records(source, data)
    if not records:
        raise InputError(f"{source} holds no triangulation: {EXPECTED}")
    return records


def _records(source: str, data: bytes) -> list[dict[str, Any]]:
    """The objects in a file; its content decides the format, the suffix only the message."""
    if is_arrow(source, data):
        return _arrow_records(source, data)
    text = text_of(source, data)
    if Path(source).suffix == ".json" or text.lstrip().startswith(('{"', '[{"')):
        return _json_records(source, text)
    return parse_text(source, text)


def _json_records(source: str, text: str) -> list[dict[str, Any]]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{source} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from error
    except (RecursionError, ValueError) as error:  # nested too deeply, or a huge number
        raise InputError(f"{source} is not a file of triangulations: {EXPECTED}") from error
    if isinstance(content, dict) and "triangles" not in content:
        content = [_named(source, name, value) for name, value in content.items()]
    return content if isinstance(content, list) else [content]


def _named(source: str, name: str, value: Any) -> Any:
    if not isinstance(value, dict):
        raise InputError(f"{source} has the wrong shape at {shortened(name)}: {EXPECTED}")
    return {"name": name, **value}


def _arrow_records(source: str, data: bytes) -> list[dict[str, Any]]:
    table = arrow_table_of(source, data)
    missing = {"degree", "triangles"} - set(table.column_names)
    if missing:
        columns = abridged(", ".join(table.column_names)) or "none"
        raise InputError(
            f"{source} has the columns {columns}; "
            "needed are degree and triangles, optional are name and weights"
        )
    return table.select([key for key in KEYS if key in table.column_names]).to_pylist()
