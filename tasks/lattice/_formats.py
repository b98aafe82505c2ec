"""Files of triangulations as lists of plain records, not yet validated.

The content decides the format: Arrow IPC by its magic bytes, JSON, else the text of
`tasks.lattice._text`.
"""

import io
import json
import os
from pathlib import Path
from typing import Any

from tasks.lattice._text import parse_text
from tasks.records.errors import InputError, abridged, shortened
from tasks.records.roots import check_text, is_uri

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
    data = _read_bytes(source)
    if not data.strip():
        raise InputError(f"{source} is empty: {EXPECTED}")
    records = _records(source, data)
    if not records:
        raise InputError(f"{source} holds no triangulation: {EXPECTED}")
    return records


def _read_bytes(source: str) -> bytes:
    try:
        data = _read_uri(source) if is_uri(source) else _read_local(Path(source))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else abridged(str(error))
        raise InputError(f"cannot read {abridged(source)}: {reason}") from error
    if len(data) > MAX_FILE_BYTES:
        raise InputError(f"{source} is larger than {MAX_FILE_BYTES // 2**20} MiB: split it")
    return data


def _read_local(path: Path) -> bytes:
    if not path.is_file():
        raise InputError(f"{path} is not a file: give the path of a JSON, Arrow or text file")
    with path.open("rb") as file:
        return file.read(MAX_FILE_BYTES + 1)


def _read_uri(uri: str) -> bytes:
    import pyarrow as pa
    from pyarrow import fs

    check_text(uri, "the URI")
    try:
        filesystem, path = fs.FileSystem.from_uri(uri)
        with filesystem.open_input_stream(path) as stream:
            return stream.read(MAX_FILE_BYTES + 1)
    except pa.ArrowInvalid as error:
        reason = abridged(str(error).splitlines()[0])
        raise InputError(f"cannot read {abridged(uri)}: {reason}") from error
    except UnicodeError as error:
        raise InputError(f"cannot read {abridged(uri)}: its path is no text") from error


def _records(source: str, data: bytes) -> list[dict[str, Any]]:
    """The objects in a file; its content decides the format, the suffix only the message."""
    if data[:6] == b"ARROW1" or Path(source).suffix in (".arrow", ".feather"):
        return _arrow_records(source, data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{source} is neither text in UTF-8 nor an Arrow file (byte {error.start})"
        ) from error
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
    import pyarrow as pa

    try:
        opener = pa.ipc.open_file if data[:6] == b"ARROW1" else pa.ipc.open_stream
        table = opener(io.BytesIO(data)).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        reason = abridged(str(error).splitlines()[0])
        raise InputError(f"{source} is not a readable Arrow IPC file: {reason}") from error
    missing = {"degree", "triangles"} - set(table.column_names)
    if missing:
        columns = abridged(", ".join(table.column_names)) or "none"
        raise InputError(
            f"{source} has the columns {columns}; "
            "needed are degree and triangles, optional are name and weights"
        )
    return table.select([key for key in KEYS if key in table.column_names]).to_pylist()
