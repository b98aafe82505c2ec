"""The literature that results rest on; runs carry their citations, so a result can cite itself."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tasks.records.errors import InputError


@dataclass(frozen=True)
class Citation:
    """One source.

    Attributes
    ----------
    key
        Short name used in docstrings, e.g. ``FIC``.
    authors
        Full names; a last entry ``others`` stands for authors not listed here.
    arxiv
        arXiv number, or "" if there is none.
    venue
        Journal, book or institution, or "" for a preprint.
    """

    key: str
    authors: tuple[str, ...]
    title: str
    year: int
    arxiv: str = ""
    venue: str = ""

    def __str__(self) -> str:
        where = f"arXiv:{self.arxiv}" if self.arxiv else self.venue
        return f"{', '.join(self.authors)}: {self.title}. {where} ({self.year})"

    def bibtex(self) -> str:
        """BibTeX entry, ready to paste."""
        fields = {
            "author": " and ".join(self.authors),
            "title": "{" + self.title + "}",
            "year": str(self.year),
            "note": self.venue,
            "eprint": self.arxiv,
            "archiveprefix": "arXiv" if self.arxiv else "",
        }
        lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
        return "\n".join([f"@misc{{{self.key},", ",\n".join(lines), "}"])


def _stored() -> dict[str, Citation]:
    """The entries of `citations.toml`, in its order."""
    entries = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
    return {
        key: Citation(key=key, authors=tuple(entry.pop("authors")), **entry)
        for key, entry in entries.items()
    }


CITATIONS = MappingProxyType(_stored())


def cite(key: str) -> Citation:
    """Citation named `key`.

    Raises
    ------
    InputError
        If there is none; the message lists the known keys.
    """
    if key not in CITATIONS:
        raise InputError(f"no citation is named {key!r}; known are {', '.join(CITATIONS)}")
    return CITATIONS[key]
