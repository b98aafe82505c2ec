"""Polynomials by name, from text and from files.

An *input* is one of

* ``benchmarks``, the classical polynomials that come with the package, or one of their names;
* the path or URI of a file; ``path#name`` selects one polynomial of it, so does
  ``benchmarks#name``;
* the text of a polynomial, see `tasks.sos.polynomials.parsing`.

JSON files hold ``{"polynomials": [...]}``, a list, or one polynomial, each an object

    {"name": "…", "variables": ["x", "y"],
     "exponents": [[2, 0], [0, 2]], "coefficients": ["1", "3/2"]}

or ``{"name": "…", "text": "x^2 + 3/2*y^2"}`` or a text. Decimals in them are taken as written.
Arrow files hold one polynomial per row in columns of the same names; text files one per line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

from tasks.records import InputError
from tasks.records.errors import abridged, shortened
from tasks.records.roots import is_uri
from tasks.sos.polynomials._entries import PolynomialEntry, entry_of, entry_record
from tasks.sos.polynomials._records import read_records
from tasks.sos.polynomials.parsing import NO_NUMBERS, parse_polynomial

__all__ = [
    "BENCHMARKS",
    "PolynomialEntry",
    "load_polynomials",
    "write_polynomials_json",
]

BENCHMARKS = "benchmarks"
_BENCHMARKS_FILE = Path(__file__).with_name("data") / "sos_benchmarks.json"
# A lone x, x1 or x_1 is a polynomial; a lone word is rather a mistyped name.
_WORD = re.compile(r"(?!_*[A-Za-z]?_*[0-9]*\Z)[A-Za-z_][A-Za-z0-9_]*")
_SUFFIXES = (".json", ".arrow", ".feather", ".txt")


def load_polynomials(inputs: Sequence[str]) -> list[PolynomialEntry]:
    """The entries of all inputs in order; names that repeat get ``#2``, ``#3``, ...

    A polynomial of a file that cannot be read is an entry with a problem.

    Raises
    ------
    InputError
        If a file is missing or unreadable, a selected name is not in it, or an input is neither
        a file nor a polynomial.

    >>> [entry] = load_polynomials(["benchmarks#motzkin"])
    >>> print(entry.polynomial, entry.known["is_sos"])
    x^4*y^2 + x^2*y^4 - 3*x^2*y^2 + 1 False
    """
    if isinstance(inputs, str):
        raise InputError(f"give a list of inputs, such as [{shortened(inputs)}], not one string")
    return _with_unique_names([entry for text in inputs for entry in _load(text)])


def write_polynomials_json(path: str | Path, entries: Iterable[PolynomialEntry]) -> None:
    """Write a JSON file that `load_polynomials` reads back to the same entries.

    Raises
    ------
    InputError
        If an entry has a problem or known fields that JSON cannot hold, or the file cannot be
        written.
    """
    records = [entry_record(entry) for entry in entries]
    _write(path, lambda: Path(path).write_text(_json({"polynomials": records}), encoding="utf-8"))


def _write(path: str | Path, write: Callable[[], Any]) -> None:
    try:
        write()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot write {abridged(str(path))}: {reason}") from error


def _json(value: Any) -> str:
    try:
        return json.dumps(value) + "\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"known fields cannot be written as JSON: {error}") from error


@lru_cache(maxsize=1)
def _benchmarks() -> dict[str, PolynomialEntry]:
    return {entry.name: entry for entry in _read_file(str(_BENCHMARKS_FILE))}


def _load(text: Any) -> list[PolynomialEntry]:
    """The entries of one input; a built-in name wins over a file, a file over a text."""
    if not isinstance(text, str) or not text.strip():
        raise InputError(
            f"{shortened(text)} is no polynomial: give its text, the path of a file, "
            f"or {BENCHMARKS!r}"
        )
    if text == BENCHMARKS:
        return list(_benchmarks().values())
    if text in _benchmarks():
        return [_benchmarks()[text]]
    source, wanted = _split(text)
    if source == BENCHMARKS and wanted is not None:
        return _select(list(_benchmarks().values()), source, wanted)
    if is_uri(source) or _exists(source):
        found = _read_file(source)
        return found if wanted is None else _select(found, source, wanted)
    return [_direct(text)]


def _split(text: str) -> tuple[str, str | None]:
    """(file, name) of ``file#name``, where both may contain a #; else (text, None)."""
    if _exists(text):
        return text, None
    for mark in re.finditer("#", text):
        source = text[: mark.start()]
        if source.strip() and (source == BENCHMARKS or is_uri(source) or _exists(source)):
            return source, text[mark.end() :]
    return text, None


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):  # a name too long for the file system, or with a null byte
        return False


def _direct(text: str) -> PolynomialEntry:
    """The polynomial of a text; what is more likely a mistyped name or path is refused."""
    source = text.partition("#")[0].strip()
    if source.endswith(_SUFFIXES):
        raise InputError(f"no such file: {abridged(source)}")
    names = (BENCHMARKS, *_benchmarks())
    if len(text) > 3 and (close := get_close_matches(text[:100], names, n=1, cutoff=0.8)):
        raise InputError(f"unknown polynomial {shortened(text)}: did you mean {close[0]!r}?")
    word = text.strip()
    if _WORD.fullmatch(word) and word.lower() not in NO_NUMBERS:
        raise InputError(
            f"{shortened(text)} is neither a file nor a known polynomial; if it is a variable, "
            f"write 1*{abridged(word)}"
        )
    line = " ".join(text[:1000].split())
    name = line if len(line) <= 60 else f"{line[:57]}..."
    try:
        return PolynomialEntry(name, parse_polynomial(text))
    except InputError as error:
        raise InputError(
            f"{shortened(text)} is neither a file nor a polynomial: {error}"
        ) from error


def _select(found: list[PolynomialEntry], source: str, wanted: str) -> list[PolynomialEntry]:
    chosen = [entry for entry in found if entry.name == wanted]
    if not chosen:
        names = [entry.name for entry in found]
        close = get_close_matches(wanted[:100], names, n=1)
        listed = ", ".join([*map(abridged, names[:12]), *(["..."] if len(names) > 12 else [])])
        hint = f"did you mean {shortened(close[0])}?" if close else f"it has {listed}"
        raise InputError(f"{abridged(source)} has no polynomial {shortened(wanted)}; {hint}")
    return chosen


def _read_file(source: str) -> list[PolynomialEntry]:
    records = read_records(source)
    stem = Path(source).stem or "polynomial"
    names = [f"{stem}-{i}" for i in range(1, len(records) + 1)] if len(records) > 1 else [stem]
    return _with_unique_names([entry_of(r, name) for r, name in zip(records, names, strict=True)])


def _with_unique_names(entries: Sequence[PolynomialEntry]) -> list[PolynomialEntry]:
    taken: set[str] = set()
    last: dict[str, int] = {}
    result = []
    for entry in entries:
        name = entry.name
        while name in taken:
            last[entry.name] = last.get(entry.name, 1) + 1
            name = f"{entry.name}#{last[entry.name]}"
        taken.add(name)
        result.append(entry if name == entry.name else replace(entry, name=name))
    return result
