"""IDX files, as MNIST and its kin are published: big-endian header, then bytes.

    0 0 8 d | n_1 | ... | n_d | n_1 * ... * n_d bytes      d dimensions, sizes of 4 bytes

Files may be compressed by gzip.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import torch
from torch import Tensor

from tasks.records import InputError

_UNSIGNED_BYTES = 8


def read_idx(path: str | Path) -> Tensor:
    """uint8 array of an IDX file.

    Raises
    ------
    InputError
        If the file cannot be read, is not an IDX file of bytes, or has another length than it says.
    """
    data = _content(Path(path))
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != _UNSIGNED_BYTES:
        raise InputError(f"{path}: is no IDX file of unsigned bytes")
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise InputError(f"{path}: ends within its header; get it again")
    shape = struct.unpack(f">{data[3]}I", data[4:start])
    if len(data) - start != math.prod(shape):
        raise InputError(
            f"{path}: holds {len(data) - start} bytes, its header says {math.prod(shape)}; "
            "get it again"
        )
    # Of a bytearray, since torch warns of memory that cannot be written.
    return torch.frombuffer(bytearray(data), dtype=torch.uint8, offset=start).reshape(shape)


def find_idx(folder: Path, name: str) -> Path | None:
    """The file `name` in a folder, plain or with ``.gz``."""
    found = [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()]
    return found[0] if found else None


def _content(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {error}; get it again") from error
