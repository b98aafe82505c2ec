"""The form of a certificate file: its keys and the types of their values, nothing more."""

from __future__ import annotations

import json
from typing import Any

from tasks.records import InputError

FORMAT = "latticework T-curve certificate"
VERSION = 1


def parse_record(text: str) -> dict[str, Any]:
    """Read the JSON object of a certificate and check its form.

    Raises
    ------
    InputError
        If it is not JSON, another format or version, or a key is missing, unknown or ill-typed.
    """
    record = _parse_object(text)
    version = record.get("version")
    if record.get("format") != FORMAT or not _is_integer(version) or version != VERSION:
        raise InputError(
            f"its format is {_short(record.get('format'))}, version "
            f"{_short(version)}; known is {FORMAT!r}, version {VERSION}"
        )
    expected = {"format", "version", *(key for key, _, _ in _FORMS)}
    if record.keys() != expected:
        wrong = ", ".join(sorted(record.keys() ^ expected))
        raise InputError(f"it has missing or unknown keys: {wrong}")
    for key, is_right, form in _FORMS:
        if not is_right(record[key]):
            raise InputError(f"{key} is {_short(record[key])}: it must be {form}")
    return record


def _parse_object(text: str) -> dict[str, Any]:
    """Parse one JSON object without duplicate keys and without floats."""
    try:
        record = json.loads(
            text, object_pairs_hook=_unique, parse_float=_no_float, parse_constant=_no_float
        )
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if isinstance(error, ValueError) else "nested too deep"
        raise InputError(f"it is not JSON as expected: {reason}") from error
    if not isinstance(record, dict):
        raise InputError("it is not a JSON object")
    return record


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a key occurs twice")
    return record


def _no_float(text: str) -> None:
    raise ValueError(f"{text[:20]} is not an integer")


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_integers(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_integer, value))


_FORMS = (
    ("kind", _is_text, "a string"),
    ("degree", _is_integer, "an integer"),
    ("scheme", _is_text, "a string"),
    ("signs", _is_text, "a string of 0 and 1"),
    ("weights", _are_integers, "a list of integers"),
    (
        "triangles",
        lambda value: isinstance(value, list) and all(map(_are_integers, value)),
        "a list of lists of integers",
    ),
    (
        "provenance",
        lambda value: isinstance(value, dict) and all(map(_is_text, value.values())),
        "an object of strings",
    ),
    ("sha256", _is_text, "a string"),
)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
