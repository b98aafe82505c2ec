"""Files of text: UTF-8, with what is wrong named in one line."""

from __future__ import annotations

import codecs
from pathlib import Path

from tasks.records import InputError


def read_bytes(path: Path) -> bytes:
    """Content of a file.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def decoded(content: bytes, source: str | Path) -> str:
    r"""Text of UTF-8, with or without a byte order mark; lines end in "\n".

    Raises
    ------
    InputError
        If it is not UTF-8: names the source and the first wrong byte.
    """
    body = content.removeprefix(codecs.BOM_UTF8)
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        place = error.start + len(content) - len(body)
        raise InputError(f"{source} is not UTF-8 at byte {place}") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")
