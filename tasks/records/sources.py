"""Files that people bring, on disk or at a URI: their content, or one line that says why not."""

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.records.errors import InputError, abridged
from tasks.records.roots import check_text, is_uri

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["arrow_table_of", "is_arrow", "read_source", "text_of"]


def read_source(source: str, *, max_bytes: int) -> bytes:
    """The bytes of a local file or URI.

    Raises
    ------
    InputError
        If it cannot be read, or is larger than that.
    """
    # Imported here: the command's quick start reads no file.
    import pyarrow as pa

    check_text(source, "the name of a file")
    try:
        data = _read(source, max_bytes + 1)
    except UnicodeError as error:
        raise InputError(f"cannot read {abridged(source)}: its path is no text") from error
    except (OSError, pa.ArrowInvalid) as error:
        number = getattr(error, "errno", None)
        reason = os.strerror(number) if number else abridged(str(error).splitlines()[0])
        raise InputError(f"cannot read {abridged(source)}: {reason}") from error
    if len(data) > max_bytes:
        limit = f"{max_bytes // 2**20} MiB"
        raise InputError(f"{abridged(source)} is larger than {limit}: split it")
    return data


def _read(source: str, count: int) -> bytes:
    if is_uri(source):
        from pyarrow import fs

        filesystem, path = fs.FileSystem.from_uri(source)
        with filesystem.open_input_stream(path) as stream:
            return stream.read(count)
    if not Path(source).is_file():
        name = abridged(source)
        raise InputError(f"{name} is not a file: give the path of one")
    with Path(source).open("rb") as file:
        return file.read(count)


def text_of(source: str, data: bytes) -> str:
    """The text in a file; InputError if it is not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{abridged(source)} is neither text in UTF-8 nor an Arrow file (byte {error.start})"
        ) from error


def is_arrow(source: str, data: bytes) -> bool:
    """Whether a file is meant to be Arrow IPC, by its magic bytes or its name."""
    return data[:6] == b"ARROW1" or Path(source).suffix in (".arrow", ".feather")


def arrow_table_of(source: str, data: bytes) -> "pa.Table":
    """The table in an Arrow IPC file or stream; InputError if it is damaged."""
    import pyarrow as pa

    try:
        opener = pa.ipc.open_file if data[:6] == b"ARROW1" else pa.ipc.open_stream
        table = opener(io.BytesIO(data)).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, OverflowError, LookupError) as error:
        reason = abridged(next(iter(str(error).splitlines()), type(error).__name__))
        raise InputError(
            f"{abridged(source)} is not a readable Arrow IPC file: {reason}"
        ) from error
    return table
