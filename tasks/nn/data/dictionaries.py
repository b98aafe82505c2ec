"""Entries of a dictionary in the format of dictd.

An index has lines ``headword TAB offset TAB length``, both numbers to base 64 with the digits A-Z,
a-z, 0-9, +, / and the highest digit first; they are places in a file of text that is often
compressed as .dict.dz, which gzip reads.  Several headwords may name one entry.  Headwords that
begin with 00 describe the dictionary and are passed over.
"""

from __future__ import annotations

import string
from pathlib import Path

from tasks.nn.data.document_files import unzipped
from tasks.nn.data.utf8 import read_bytes
from tasks.records import InputError

_DIGITS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
_VALUES = {ord(digit): value for value, digit in enumerate(_DIGITS)}
_ABOUT_ITSELF = b"00"


def dictionary_entries(text: Path, index: Path) -> list[str]:
    """Entries in the order of the text, each once.

    An entry that is not UTF-8 is read as Windows-1252, where its stray bytes are letters and
    quotation marks.

    Raises
    ------
    InputError
        If a file is damaged or the index is not that of the text.
    """
    content = unzipped(text)
    spans = set()
    for number, line in enumerate(read_bytes(index).splitlines(), start=1):
        if line and not line.startswith(_ABOUT_ITSELF):
            spans.add(_span(line, len(content), f"{index} line {number}"))
    return [_decoded(content[start:end]) for start, end in sorted(spans)]


def _span(line: bytes, size: int, source: str) -> tuple[int, int]:
    """Where the entry of a line of the index begins and ends."""
    fields = line.split(b"\t")
    try:
        start, length = (_number(field) for field in fields[1:3])
    except (KeyError, ValueError) as error:
        raise InputError(f"{source} is not headword, offset and length") from error
    if not start < start + length <= size:
        raise InputError(f"{source} names bytes {start}..{start + length} of {size}")
    return start, start + length


def _number(digits: bytes) -> int:
    value = 0
    for digit in digits:
        value = 64 * value + _VALUES[digit]
    return value


def _decoded(entry: bytes) -> str:
    try:
        return entry.decode().strip()
    except UnicodeDecodeError:
        return entry.decode("cp1252", errors="replace").strip()
