"""Roots of stores as people give them: a folder, ``~`` included, or a URI ``scheme://...``.

Everything that the file systems below would answer with a crash is refused here, in one line.
"""

import re
from pathlib import Path

from tasks.records.errors import InputError, abridged, shortened

_SCHEMES = ("abfs", "abfss", "file", "gcs", "gs", "hdfs", "local", "mock", "s3", "viewfs")
_URI = re.compile(rf"[^/]*://|file:|(?:{'|'.join(_SCHEMES)}):/", re.IGNORECASE)


def is_uri(root: str) -> bool:
    """Whether a root is meant as a URI, as ``s3://bucket/folder`` and ``file:/folder`` are."""
    return _URI.match(root) is not None


def check_text(text: str, what: str) -> None:
    """Refuse a name that no file system can take.

    Raises
    ------
    InputError
        If it is blank, holds a null character (``%00`` in a URI), or is not Unicode text.
    """
    if not text.strip():
        raise InputError(f"{what} is blank; give a folder or a URI")
    if "\0" in text or (is_uri(text) and "%00" in text):
        raise InputError(f"{what} {abridged(text)!r} holds a null character; remove it")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{what} {abridged(text)!r} is no Unicode text (lone surrogate); rename the folder"
        ) from None


def absolute_place(place: str) -> str:
    """A place from any folder: a path becomes absolute; URIs and empty texts stay as they are."""
    return place if not place or is_uri(place) else _absolute(Path(place))


def parse_root(root: str | Path) -> tuple[str, bool]:
    """Absolute local path or URI, and whether it is a URI; touches nothing.

    Raises
    ------
    InputError
        If no store can have this root.
    """
    text = str(root)
    check_text(text, "the root of the store")
    if not is_uri(text):
        return _absolute(Path(text), "the root of the store "), False
    scheme, _, rest = text.partition(":")
    if scheme.lower() == "mock":
        raise InputError("a store at mock:// is lost when the process ends; give a folder or a URI")
    if not rest.startswith("//") and scheme.lower() != "file":
        proposal = f"{scheme}://{rest.lstrip('/')}"
        raise InputError(
            f"{abridged(text)} is no URI; write {abridged(proposal)}, or ./{abridged(text)} "
            "for a folder of this name"
        )
    return text, True


def _absolute(path: Path, what: str = "") -> str:
    try:
        return str(path.expanduser().absolute())
    except RuntimeError as error:
        raise InputError(
            f"{what}{abridged(str(path))}: there is no such user as "
            f"{shortened(path.parts[0])}, or no home folder; give the folder in full"
        ) from error
    except OSError as error:
        raise InputError(
            f"{what}{abridged(str(path))}: the current folder is gone "
            f"({error.strerror}); give the folder in full"
        ) from error
