"""Canonical forms of plain data and configs, and their fingerprints.

Canonical form of a config: the JSON object of its fields, keys sorted, no white space, sets
sorted. Fingerprint: the first 16 hex digits of the SHA-256 of the canonical form. Neither depends
on the class's name, the order of its fields or the process, so equal settings are the same work.

Plain data needs no pydantic, so that a bare node has it, too.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

__all__ = ["FINGERPRINT_DIGITS", "canonical_json", "fingerprint"]

FINGERPRINT_DIGITS = 16


def canonical_json(value: object) -> str:
    """Canonical JSON text of plain data, configs included.

    Raises
    ------
    ValueError
        For NaN and infinities, which JSON cannot express.
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def fingerprint(value: object) -> str:
    """First 16 hex digits of the SHA-256 of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:FINGERPRINT_DIGITS]


def _plain(value: object) -> Any:
    if value is None or type(value) in (str, int, float, bool):
        return value
    if hasattr(value, "model_dump"):
        return _plain(value.model_dump())
    if isinstance(value, Mapping):
        return {str(_jsonable(key)): _plain(entry) for key, entry in value.items()}
    if isinstance(value, set | frozenset):
        # The iteration order of a set of strings changes from process to process.
        return sorted((_plain(entry) for entry in value), key=canonical_json)
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return _jsonable(value)


def _jsonable(value: object) -> Any:
    if type(value) in (str, int, float, bool):
        return value
    from pydantic_core import to_jsonable_python  # only for what is not plain

    return to_jsonable_python(value)
