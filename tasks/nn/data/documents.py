"""Texts as documents in four parts that share none of them.

    calibration  20 %   what layers are pruned and rebuilt on: the Gram matrix of n inputs has full
                        rank only after n tokens, and wide layers have thousands of inputs
    training     60 %
    validation   10 %   to choose rates by
    evaluation   10 %   looked at once

in characters.  Documents are visited in an order that depends on their content and the split seed
alone, and each joins the part that lacks most; one that is longer than the smallest part goes to
training.  If documents are fewer than 20, or if such long ones hold more than half of the text,
they are cut at the ends of paragraphs and the pieces are shared out.

Before that, empty documents and repeated ones are left out, and so are paragraphs of 100 characters
or more that were there before: collections quote themselves, and what is evaluated must not be
trained on.

A place whose files name a published split keeps it, unchanged apart from repeated documents: its
training documents become calibration and training (and validation, if there are none for that),
its validation documents validation (and evaluation, without tests), its tests evaluation.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from tasks.nn.data.datasets import expanded
from tasks.nn.data.document_files import document_files, published_part, read_documents
from tasks.nn.data.document_sources import SOURCES
from tasks.nn.data.document_splits import distinct, shared_out, without_repeats
from tasks.records import InputError
from tasks.records.errors import unknown_name
from tasks.records.report import counted

__all__ = ["MAX_CHARACTERS", "PARTS", "SHARES", "Documents", "load_documents"]

logger = logging.getLogger(__name__)

SHARES = {"calibration": 0.2, "training": 0.6, "validation": 0.1, "evaluation": 0.1}
"""Of the characters of a text."""
PARTS = tuple(SHARES)
MAX_CHARACTERS = 100_000_000
"""Read of a text, and of each part of a published split: more than any text by name has."""
_Groups = Mapping[str, Iterable[str]]
"""Documents by part of a published split; by "" where nothing is published."""


@dataclass(frozen=True, eq=False)
class Documents:
    """A text as documents in four parts.

    Attributes
    ----------
    name : str
        Or place.
    calibration, training, validation, evaluation : tuple of str
    license : str
        Empty if it is not known.
    notes : tuple of str
        What was done to the text, a line each.
    """

    name: str
    calibration: tuple[str, ...]
    training: tuple[str, ...]
    validation: tuple[str, ...]
    evaluation: tuple[str, ...]
    license: str = ""
    notes: tuple[str, ...] = ()

    def parts(self) -> dict[str, tuple[str, ...]]:
        """Documents by part."""
        return {part: getattr(self, part) for part in PARTS}

    def digest(self) -> str:
        """SHA-256 of the documents of all parts, in their order."""
        total = hashlib.sha256()
        for part, documents in self.parts().items():
            total.update(f"{part} {len(documents)}\n".encode())
            for document in documents:
                content = document.encode()
                total.update(f"{len(content)}\n".encode() + content)
        return total.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Numbers of documents and characters by part, license and notes."""
        parts = self.parts().items()
        return {
            "name": self.name,
            "license": self.license,
            "documents": {part: len(documents) for part, documents in parts},
            "characters": {part: sum(map(len, documents)) for part, documents in parts},
            "notes": list(self.notes),
        }


def load_documents(
    place: str | Path,
    *,
    folder: str | Path = "",
    split_seed: int = 0,
    max_characters: int = MAX_CHARACTERS,
) -> Documents:
    """Documents of a text by name, or of a file or folder.

    Parameters
    ----------
    place : str or path
        python-docs, python-library, shakespeare, anarchism, dict-gcide, or a place of files as
        `tasks.nn.data.document_files` reads them.
    folder : str or path
        Where the files of a text by name lie, instead of $LATTICEWORK_DATA and the places of
        packages; where relative places begin.
    split_seed : int
        Of parts that are not published.
    max_characters : int
        Read at most, of each part of a published split; what is left out is noted.

    Raises
    ------
    InputError
        For an unknown name, a missing place, files without text or with another layout, damaged
        ones, or a text that is too short to be shared out.
    """
    name, notes, license_name = str(place), list[str](), ""
    if name in SOURCES:
        source = SOURCES[name]
        license_name = source.license
        groups: _Groups = {"": source.read(expanded(folder) if str(folder) else None)}
    else:
        groups = _groups(_existing(place, folder), notes)
    read = {part: _read(part, texts, max_characters, notes) for part, texts in groups.items()}
    try:
        parts = _shared(_kept(read, notes), split_seed, notes)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    for note in notes:
        logger.info("%s: %s", name, note)
    return Documents(name, **parts, license=license_name, notes=tuple(notes))


def _existing(place: str | Path, folder: str | Path) -> Path:
    where = expanded(folder) / expanded(place)
    if not where.exists():
        known = unknown_name("text", str(place), SOURCES)
        raise InputError(f"{known}; and {where} is not a file or folder")
    return where


def _groups(where: Path, notes: list[str]) -> _Groups:
    """Documents of the files at a place, by the part of a published split if it has one."""
    paths: dict[str, list[Path]] = {}
    for path in document_files(where):
        shown = path.relative_to(where) if path != where else Path(path.name)
        paths.setdefault(published_part(shown), []).append(path)
    if "train" not in paths or not {"validation", "test"} & set(paths):
        paths = {"": sorted(chain(*paths.values()))}
    elif others := paths.pop("", []):
        notes.append(
            f"{counted(len(others), 'file')} of no published part passed over, such as {others[0]}"
        )
    return {part: chain.from_iterable(map(read_documents, found)) for part, found in paths.items()}


def _read(part: str, documents: Iterable[str], limit: int, notes: list[str]) -> list[str]:
    """Documents up to the one that reaches the limit."""
    found, total = list[str](), 0
    for document in documents:
        if total >= limit:
            notes.append(f"the first {total:,} characters{f' of {part}' if part else ''} are read")
            break
        found.append(document)
        total += len(document)
    return found


def _kept(groups: Mapping[str, list[str]], notes: list[str]) -> dict[str, list[str]]:
    """Documents without repeats; of a published split, those that tests have are kept there."""
    seen: set[str] = set()
    kept = {part: list(distinct(groups[part], seen)) for part in ("test", "validation", "train", "")
            if part in groups}  # fmt: skip
    left_out = sum(map(len, groups.values())) - sum(map(len, kept.values()))
    if left_out:
        notes.append(f"{counted(left_out, 'empty or repeated document')} left out")
    if "" in kept:
        before = sum(map(len, kept[""]))
        kept[""] = list(distinct(without_repeats(kept[""]), set()))
        shorter = before - sum(map(len, kept[""]))
        if shorter:
            notes.append(f"{shorter:,} characters of repeated paragraphs left out")
    return kept


def _shared(groups: Mapping[str, list[str]], seed: int, notes: list[str]) -> dict[str, Any]:
    """Documents by part."""
    wanted = {"train": ["calibration", "training"], "validation": ["validation"],
              "test": ["evaluation"], "": list(PARTS)}  # fmt: skip
    if not groups.get("test"):
        wanted["validation"].append("evaluation")
    if not groups.get("validation"):
        wanted["train"].append("validation")
    parts = {}
    for name, documents in groups.items():
        if name and not documents:
            continue
        found = shared_out(documents, {part: SHARES[part] for part in wanted[name]}, seed)
        parts.update(found.parts)
        whose = f"documents of {name}" if name else "documents"
        if found.piece:
            notes.append(f"{whose} cut into pieces of about {found.piece:,} characters")
        if name:
            notes.append(f"published {name}: {' and '.join(wanted[name])}")
    missing = [part for part in PARTS if not parts.get(part)]
    if missing:
        raise InputError(f"the text is too short: nothing is left for {', '.join(missing)}")
    return parts
