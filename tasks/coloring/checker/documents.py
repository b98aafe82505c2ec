"""From bytes to a JSON object, whatever the bytes are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from typing import Any

from tasks.coloring.checker.limits import MAX_BYTES, MAX_DIGITS, MAX_TOKENS
from tasks.coloring.checker.verdicts import RefusedError, shortened


def read_object(data: bytes) -> dict[str, Any]:
    """The JSON object that the bytes hold.

    Raises
    ------
    RefusedError
        If they are too many, are not UTF-8 or JSON, nest too deeply, hold a number of more than
        1000 characters, NaN or Infinity, or a key twice, or are not an object.
    """
    if len(data) > MAX_BYTES:
        raise RefusedError(f"more than {MAX_BYTES} bytes")
    if sum(map(data.count, (b",", b"[", b"{"))) > MAX_TOKENS:
        raise RefusedError(f"more than {MAX_TOKENS:,} commas and brackets")
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_decimal,
            parse_constant=_constant,
        )
    except UnicodeDecodeError as error:
        raise RefusedError(f"not UTF-8: byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise RefusedError(f"not JSON: {error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise RefusedError("not a certificate: lists or objects nest too deeply") from error
    if not isinstance(value, dict):
        raise RefusedError(f"not a certificate: {shortened(value)} where an object is expected")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise RefusedError(f"the key {shortened(name)} occurs twice in one object")
            seen.add(name)
    return made


def _short(text: str) -> str:
    if len(text) > MAX_DIGITS:
        raise RefusedError(f"a number of {len(text)} characters; {MAX_DIGITS} are allowed")
    return text


def _integer(text: str) -> int:
    return int(_short(text))


def _decimal(text: str) -> float:
    return float(_short(text))


def _constant(text: str) -> Any:
    raise RefusedError(f"{text} is not a number")


def canonical_digest(value: Any) -> str:
    """SHA-256 of the canonical JSON: keys sorted, no white space, ASCII escapes."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


# --- the form of values -------------------------------------------------------------------------


def check_keys(
    value: Any, required: Collection[str], what: str, optional: Collection[str] = ()
) -> dict[str, Any]:
    """The value, if it is an object of exactly these keys.

    Raises
    ------
    RefusedError
        Otherwise.
    """
    if not isinstance(value, dict):
        raise RefusedError(f"{what}: {shortened(value)} where an object is expected")
    for name in required:
        if name not in value:
            raise RefusedError(f"{what}: the key '{name}' is missing")
    for name in value:
        if name not in required and name not in optional:
            raise RefusedError(f"{what}: the key {shortened(name)} is unknown")
    return value


def check_list(value: Any, what: str, length: int | None = None) -> list[Any]:
    """The value, if it is a list, of this length if one is given.

    Raises
    ------
    RefusedError
        Otherwise.
    """
    if not isinstance(value, list) or (length is not None and len(value) != length):
        wanted = "a list" if length is None else f"a list of {length}"
        raise RefusedError(f"{what}: {shortened(value)} where {wanted} is expected")
    return value


def check_integer(value: Any, least: int | None, most: int | None, what: str) -> int:
    """The value, if it is an integer within these bounds.

    Raises
    ------
    RefusedError
        Otherwise.
    """
    if type(value) is not int:
        raise RefusedError(f"{what}: {shortened(value)} where an integer is expected")
    if (least is not None and value < least) or (most is not None and value > most):
        allowed = f"at least {least}" if most is None else f"from {least} to {most}"
        raise RefusedError(f"{what}: {shortened(value)}; allowed are integers {allowed}")
    return value


def check_text(value: Any, what: str) -> str:
    """The value, if it is a text.

    Raises
    ------
    RefusedError
        Otherwise.
    """
    if not isinstance(value, str):
        raise RefusedError(f"{what}: {shortened(value)} where a text is expected")
    return value
