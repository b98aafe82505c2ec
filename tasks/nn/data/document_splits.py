"""Documents shared out among parts, without repeats and without a document in two parts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tasks.records import InputError, derive_seed

__all__ = ["SharedOut", "distinct", "shared_out", "without_repeats"]

_LEAST_DOCUMENT = 20
"""Characters; what is shorter is a stray heading."""
_LEAST_TEXT = 2000
_LONG_PARAGRAPH = 100
"""Characters; shorter ones, such as headings, are repeated in any text."""
_FEW = 20
_PIECES = 40
"""So that a part of a tenth has several."""


@dataclass(frozen=True)
class SharedOut:
    """Documents by part, in their order, and the length of the pieces if they were cut, or 0."""

    parts: Mapping[str, tuple[str, ...]]
    piece: int


def distinct(documents: Iterable[str], seen: set[str]) -> Iterator[str]:
    """Documents that are not in `seen`, which grows, and have 20 characters or more."""
    for document in documents:
        found = document.strip("\n")
        if len(found.strip()) >= _LEAST_DOCUMENT and found not in seen:
            seen.add(found)
            yield found


def without_repeats(documents: Iterable[str]) -> list[str]:
    """Documents without the long paragraphs that were there before, in them or in earlier ones."""
    seen: set[str] = set()

    def is_first(paragraph: str) -> bool:
        known = len(seen)
        if len(paragraph) >= _LONG_PARAGRAPH:
            seen.add(paragraph)
            return len(seen) > known
        return True

    return ["\n\n".join(filter(is_first, document.split("\n\n"))) for document in documents]


def shared_out(documents: Sequence[str], shares: Mapping[str, float], seed: int) -> SharedOut:
    """Share distinct documents out, by length.

    Parameters
    ----------
    documents : sequence of str
    shares : mapping of float
        Shares of the characters by part, up to a common factor.
    seed : int

    Raises
    ------
    InputError
        If the text is too short.
    """
    total, scale = sum(map(len, documents)), sum(shares.values())
    if total < _LEAST_TEXT:
        raise InputError(
            f"{total:,} characters of text are too few to share out among {', '.join(shares)}: "
            f"at least {_LEAST_TEXT:,} are needed"
        )
    quotas = {part: total * share / scale for part, share in shares.items()}
    piece = 0
    if len(shares) > 1 and _is_to_be_cut(documents, min(quotas.values())):
        piece = total // _PIECES
        pieces = (part for document in documents for part in _pieces(document, piece))
        documents = list(distinct(pieces, set()))
    return SharedOut(_assigned(documents, quotas, seed), piece)


def _is_to_be_cut(documents: Sequence[str], smallest: float) -> bool:
    long = [len(document) for document in documents if len(document) > smallest]
    return len(documents) < _FEW or 2 * sum(long) > sum(map(len, documents))


def _pieces(document: str, size: int) -> Iterator[str]:
    """Pieces of about so many characters, which end where a paragraph does if one does there."""
    while len(document) > 3 * size // 2:
        end = _border(document, size)
        yield document[:end]
        document = document[end:]
    yield document


def _border(document: str, size: int) -> int:
    """End of the last paragraph, else line, else word in the second half of a piece."""
    for mark in ("\n\n", "\n", " "):
        place = document.rfind(mark, size // 2, size)
        if place > 0:
            return place + len(mark)
    return size


def _assigned(
    documents: Sequence[str], quotas: Mapping[str, float], seed: int
) -> dict[str, tuple[str, ...]]:
    lacking, places = dict(quotas), {part: list[int]() for part in quotas}
    largest, smallest = max(quotas, key=quotas.__getitem__), min(quotas.values())
    for place in _order(documents, seed):
        length = len(documents[place])
        part = largest if length > smallest else max(lacking, key=lacking.__getitem__)
        places[part].append(place)
        lacking[part] -= length
    return {part: tuple(documents[place] for place in sorted(places[part])) for part in quotas}


def _order(documents: Sequence[str], seed: int) -> list[int]:
    """Places of documents in an order that depends on their content and the seed alone."""
    key = derive_seed(seed, "documents").to_bytes(8, "big")
    digests = [hashlib.sha256(key + document.encode()).digest() for document in documents]
    return sorted(range(len(documents)), key=digests.__getitem__)
