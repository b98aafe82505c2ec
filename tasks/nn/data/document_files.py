"""Documents in files of text.

    .txt .md .rst .tex .py       one document, or the articles of WikiText
    .tokens .raw                 the same; so WikiText calls its files
    .jsonl .json                 lines {"text": ...}, one document each; so C4 is stored
    .parquet                     rows of the column text, or of the only column of strings

and each of them but the last with .gz behind.  An article of WikiText begins at a line
`` = Title = `` between empty lines; sections, `` = = Section = = ``, are inside.  Data sets that
are stored as rows hold a line of WikiText in each, so rows are put together before they are cut.

Files are parts of a published split if their names, or their folders, say so: wiki.train.tokens,
c4-validation.00000-of-00008.json.gz, test/notes.txt.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from tasks.nn.data.text import SUFFIXES
from tasks.nn.data.utf8 import decoded, read_bytes
from tasks.records import InputError

__all__ = ["ENDINGS", "document_files", "published_part", "read_documents", "unzipped"]

FIELD = "text"
_TEXTS = (*SUFFIXES, ".tokens", ".raw")
_LINES = (".jsonl", ".json")
_PARQUET = ".parquet"
ENDINGS = (*(end + zipped for end in (*_TEXTS, *_LINES) for zipped in ("", ".gz")), _PARQUET)
"""Of the files that are read."""
_PARTS = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "test",
}  # fmt: skip
_FIRST_ROWS = 1000
"""Where a title is looked for; files of WikiText may begin inside an article."""
_TITLE = re.compile(r" = (?!= )\S.* = ?")


def document_files(place: Path) -> list[Path]:
    """Files with documents below a folder, in the order of their paths; or the file itself.

    Hidden files and folders are passed over.

    Raises
    ------
    InputError
        If there are none, or if a file is of another kind.
    """
    kinds = ", ".join((*_TEXTS, *_LINES, _PARQUET))
    wanted = f"files that are read end in {kinds}, all but the last also with .gz"
    if place.is_file():
        if not _is_readable(place):
            raise InputError(f"{place} cannot be read as text; {wanted}")
        return [place]

    def is_shown(path: Path) -> bool:
        return not any(part.startswith(".") for part in path.relative_to(place).parts)

    found = filter(_is_readable, filter(is_shown, place.rglob("*")))
    paths = sorted(path for path in found if path.is_file())
    if not paths:
        raise InputError(f"{place} has no text in it; {wanted}")
    return paths


def published_part(path: Path) -> str:
    """Part of a published split that a relative path names: train, validation, test or nothing.

    A folder says so by its whole name, a file by a word in its name.
    """
    words = (*(name.lower() for name in path.parts[:-1]), *re.split(r"[^a-z]+", path.name.lower()))
    return next((_PARTS[word] for word in words if word in _PARTS), "")


def read_documents(path: Path) -> Iterator[str]:
    """Documents of a file, in order.

    Raises
    ------
    InputError
        If the file is damaged, is not UTF-8, or holds no documents where they are looked for: one
        line that names the file, and the line or the byte where there is one.
    """
    name = path.name.lower()
    if name.endswith(_PARQUET):
        return _rows(path)
    if name.removesuffix(".gz").endswith(_LINES):
        return _lines(path)
    return iter(_documents(decoded(unzipped(path), path).split("\n")))


def unzipped(path: Path) -> bytes:
    """Content of a file, decompressed if it ends in .gz or .dz.

    Raises
    ------
    InputError
        If it cannot be read or is damaged.
    """
    content = read_bytes(path)
    if path.suffix.lower() not in (".gz", ".dz"):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} is damaged: {error}") from error


def _is_readable(path: Path) -> bool:
    return path.name.lower().endswith(ENDINGS)


def _documents(lines: list[str]) -> list[str]:
    """Documents of a text: its articles if it begins with the title of one, else itself."""
    first = next((line for line in lines if line.strip()), "")
    return _articles(lines) if _TITLE.fullmatch(first) else ["\n".join(lines)]


def _articles(lines: list[str]) -> list[str]:
    """What is before the first title, if anything, and every article with its title."""

    def is_empty(place: int) -> bool:
        return not 0 <= place < len(lines) or not lines[place].strip()

    titles = (place for place, line in enumerate(lines) if _TITLE.fullmatch(line))
    starts = {0, *(place for place in titles if is_empty(place - 1) and is_empty(place + 1))}
    ends = [*sorted(starts)[1:], len(lines)]
    parts = ("\n".join(lines[start:end]) for start, end in zip(sorted(starts), ends, strict=True))
    return [part for part in parts if part.strip()]


def _lines(path: Path) -> Iterator[str]:
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opened(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield _text_of(line, f"{path} line {number}")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is damaged: {error}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _text_of(line: bytes, source: str) -> str:
    """Document of a line of JSON."""
    try:
        found: Any = json.loads(decoded(line, source))
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{source} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f'{source} is not an object; wanted is {{"{FIELD}": ...}} in every line')
    text = found.get(FIELD)
    if not isinstance(text, str):
        fields = ", ".join(map(str, found)) or "no fields"
        raise InputError(f"{source} has {fields}; wanted is a field {FIELD!r} that is a string")
    return _checked(text, source)


def _checked(text: str, source: str) -> str:
    """A text without halves of characters, which JSON can hold and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{source} has half a character at place {error.start}") from error
    return text


def _rows(path: Path) -> Iterator[str]:
    # Imported here: it is slow to load, and most texts do without.
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            column = _column(file.schema_arrow, path)
            batches = (batch.column(0) for batch in file.iter_batches(columns=[column]))
            yield from _joined_rows(value for batch in batches for value in batch.to_pylist())
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is damaged: {error}") from error


def _column(schema: Any, path: Path) -> str:
    """Name of the column that holds the text."""
    import pyarrow as pa

    kinds = pa.string(), pa.large_string(), pa.string_view()
    strings = [field.name for field in schema if field.type in kinds]
    if FIELD in strings:
        return FIELD
    if len(strings) == 1:
        return strings[0]
    raise InputError(
        f"{path} has columns {', '.join(schema.names)}; wanted is a column {FIELD!r} of strings, "
        "or exactly one column of strings"
    )


def _joined_rows(rows: Iterable[str | None]) -> Iterator[str]:
    """Rows as documents; rows that are lines of WikiText are put together."""
    stream = (row for row in rows if row is not None)
    first = list(islice(stream, _FIRST_ROWS))
    if any(_TITLE.fullmatch(row.removesuffix("\n")) for row in first):
        return iter(_articles([row.removesuffix("\n") for row in chain(first, stream)]))
    return chain(first, stream)
