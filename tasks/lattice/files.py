"""Triangulations by name and from files.

A *reference* is one of

* a built-in name such as ``7_fra`` (`builtin_names`), or ``<d>_honeycomb`` for any degree d;
* a path or URI of a file; ``path#name`` selects one triangulation of the file.

JSON files hold one object, a list of objects, or an object that maps names to objects

    {"degree": 2, "triangles": [[0, 3, 1], …], "name": "…", "weights": [0, 1, …]}

where name and weights are optional. Arrow files (IPC file or stream, Feather) hold one
triangulation per row in columns of the same names. Everything else is read as text, see
`tasks.lattice._text`.
"""

import json
import logging
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

from tasks.lattice._formats import EXPECTED, KEYS, read_records
from tasks.lattice.honeycomb import honeycomb
from tasks.lattice.triangulation import Triangulation
from tasks.records.errors import InputError, abridged, shortened
from tasks.records.roots import is_uri

logger = logging.getLogger(__name__)

_BUILTIN_FILE = Path(__file__).with_name("data") / "triangulations.json"
_HONEYCOMB = re.compile(r"(-?\d{1,9})_honeycomb")


@lru_cache(maxsize=1)
def _builtin() -> dict[str, Triangulation]:
    records = json.loads(_BUILTIN_FILE.read_text(encoding="utf-8"))
    return {name: Triangulation.of(**record, name=name) for name, record in records.items()}


def builtin_names() -> tuple[str, ...]:
    """Names of the published triangulations that come with the package, by degree."""
    return tuple(_builtin())


def load_triangulations(references: Sequence[str]) -> list[Triangulation]:
    """The triangulations that the references name, in order, validated, with distinct names.

    Raises
    ------
    InputError
        With one line saying which reference is wrong, why, and what is allowed.

    >>> [t.degree for t in load_triangulations(["7_fra", "4_honeycomb"])]
    [7, 4]
    """
    if isinstance(references, str):
        raise InputError(
            f"give a list of triangulations, such as [{shortened(references)}], not one string"
        )
    found: dict[str, str] = {}
    result: list[Triangulation] = []
    for reference in references:
        for triangulation in _load(reference):
            earlier = found.setdefault(triangulation.name, reference)
            result.append(triangulation)
            if len(found) < len(result):
                raise InputError(_duplicate_message(triangulation.name, earlier, reference))
    return result


def write_triangulations_json(path: str | Path, triangulations: Iterable[Triangulation]) -> None:
    """Write a JSON file that maps names to objects; `load_triangulations` reads it back.

    Raises
    ------
    InputError
        If two have the same name, or the file cannot be written.
    """
    records: dict[str, dict[str, Any]] = {}
    for triangulation in triangulations:
        if triangulation.name in records:
            raise InputError(
                f"two triangulations are called {shortened(triangulation.name)}: rename one"
            )
        records[triangulation.name] = _record(triangulation)
    try:
        Path(path).write_text(json.dumps(records) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


def _record(triangulation: Triangulation) -> dict[str, Any]:
    record = {"degree": triangulation.degree, "triangles": triangulation.triangles.tolist()}
    if triangulation.weights is not None:
        record["weights"] = list(triangulation.weights)
    return record


def _duplicate_message(name: str, first: str, second: str) -> str:
    one, other, called = repr(abridged(first)), repr(abridged(second)), shortened(name)
    if first == second:
        return f"{one} gives two triangulations called {called}: list and name each one once"
    return f"{one} and {other} both give a triangulation called {called}: rename one"


def _load(reference: Any) -> list[Triangulation]:
    """The triangulations of one reference; a built-in name wins over a file of that name."""
    if not isinstance(reference, str) or not reference.strip():
        raise InputError(
            f"{shortened(reference)} is no triangulation: give a name or the path of a file"
        )
    if reference in _builtin():
        return [_builtin()[reference]]
    if match := _HONEYCOMB.fullmatch(reference):
        return [honeycomb(int(match[1]))]
    source, wanted = _split(reference)
    if not is_uri(source) and not _exists(source):
        raise InputError(_unknown_message(reference, source))
    found = _read_file(source)
    return found if wanted is None else _select(found, source, wanted)


def _split(reference: str) -> tuple[str, str | None]:
    """(file, name) of ``file#name``; a file whose own name has a # is taken whole."""
    source, mark, wanted = reference.rpartition("#")
    return (source, wanted) if mark and source and not _exists(reference) else (reference, None)


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):  # a name too long for the file system, or with a null byte
        return False


def _unknown_message(reference: str, source: str) -> str:
    if "/" in source or Path(source).suffix:
        return f"no such file: {abridged(source)}"
    close = get_close_matches(reference, builtin_names(), n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    names = ", ".join(builtin_names())
    return (
        f"unknown triangulation {shortened(reference)}: {hint}known are {names}, "
        "<degree>_honeycomb, and paths of files"
    )


def _select(found: list[Triangulation], source: str, wanted: str) -> list[Triangulation]:
    chosen = [triangulation for triangulation in found if triangulation.name == wanted]
    if not chosen:
        names = ", ".join(abridged(triangulation.name) for triangulation in found[:12])
        more = ", ..." if len(found) > 12 else ""
        raise InputError(f"{source} has no triangulation {shortened(wanted)}; it has {names}{more}")
    return chosen


def _read_file(source: str) -> list[Triangulation]:
    records = read_records(source)
    stem = Path(source).stem or "triangulation"
    numbered = [f"{stem}-{i}" for i in range(1, len(records) + 1)] if len(records) > 1 else [stem]
    return [
        _triangulation(source, record, default)
        for record, default in zip(records, numbered, strict=True)
    ]


def _triangulation(source: str, record: Any, default: str) -> Triangulation:
    if not isinstance(record, dict) or not {"degree", "triangles"} <= record.keys():
        raise InputError(f"{source} has the wrong shape: {EXPECTED}")
    name = default if record.get("name") in (None, "") else record["name"]
    if not isinstance(name, str):
        raise InputError(f"{source}: name {shortened(name)} is not a string")
    if ignored := record.keys() - set(KEYS):
        keys = abridged(", ".join(sorted(ignored)))
        logger.warning("%s, %s: ignored the keys %s", source, abridged(name), keys)
    try:
        return Triangulation.of(
            record["degree"], record["triangles"], weights=record.get("weights"), name=name
        )
    except InputError as error:
        raise type(error)(f"{source}, {abridged(name)}: {error}") from error
