"""JSON files and the values in them, part of the checker."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

from tasks.records import InputError
from tasks.records.errors import shortened

MAX_FILE_BYTES = 1 << 28
MAX_DIGITS = 100_000
"""Longer numerators and denominators are refused."""
MAX_EXPONENT = 2**31 - 1

Row = tuple[int, ...]

_NUMBER = re.compile(r"(-?)([0-9]+)(?:/([0-9]+))?", re.ASCII)
_CHUNK = 4000  # Python refuses to convert more than 4300 digits at once.


def read_object(path: str | Path) -> dict[str, Any]:
    """Read the JSON object in a file.

    Raises
    ------
    InputError
        If the file cannot be read, is too large, or is not a JSON object of unique keys without
        floats.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    return parse_object(data, path)


def parse_object(data: bytes, path: str | Path) -> dict[str, Any]:
    """The JSON object of the content of a file; errors as those of `read_object`."""
    if len(data) > MAX_FILE_BYTES:
        raise InputError(f"{path} is no certificate: it has more than {MAX_FILE_BYTES} bytes")
    try:
        record = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_float=_no_float,
            parse_constant=_no_float,
        )
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no certificate: {_reason(error)}") from error
    if not isinstance(record, dict):
        raise InputError(f"{path} is no certificate: it is not a JSON object")
    return record


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is not JSON as expected: nested too deep"
    if isinstance(error, UnicodeDecodeError):
        return "it is not a text file"
    return f"it is not JSON as expected: {str(error).splitlines()[0]}"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a key occurs twice")
    return record


def _no_float(text: str) -> None:
    raise ValueError(f"{text[:20]} is not an integer; fractions are texts such as '3/2'")


def as_list(value: Any, what: str) -> list[Any] | tuple[Any, ...]:
    """Return a list as it is; InputError for anything else."""
    if not isinstance(value, list | tuple):
        raise InputError(f"{what}: {shortened(value)} must be a list")
    return value


def as_rows(value: Any, n: int, what: str) -> tuple[Row, ...]:
    """Distinct exponent rows."""
    rows = as_list(value, what)
    for row in rows:
        if not isinstance(row, list | tuple) or len(row) != n or not all(map(_is_exponent, row)):
            raise InputError(f"{what}: {shortened(row)} must be a list of {n} exponents")
    distinct = tuple(map(tuple, rows))
    if len(set(distinct)) < len(distinct):
        raise InputError(f"{what}: a monomial is given twice")
    return distinct


def as_numbers(value: Any, what: str) -> tuple[Fraction, ...]:
    """Return the rationals of a list of texts."""
    return tuple(as_number(each, what) for each in as_list(value, what))


def as_number(value: Any, what: str) -> Fraction:
    """Return the rational of a text such as "-3/2"; InputError for anything else."""
    match = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise InputError(f"{what}: {shortened(value)} must be a fraction as text, '-3/2' or '7'")
    sign, above, below = match.groups(default="1")
    if max(len(above), len(below)) > MAX_DIGITS:
        raise InputError(f"{what}: a number has more than {MAX_DIGITS} digits")
    denominator = _integer(below)
    if not denominator:
        raise InputError(f"{what}: {shortened(value)} has the denominator 0")
    return Fraction(-_integer(above) if sign == "-" else _integer(above), denominator)


def _integer(digits: str) -> int:
    if len(digits) <= _CHUNK:
        return int(digits)
    half = len(digits) // 2
    return _integer(digits[:-half]) * 10**half + _integer(digits[-half:])


def is_integer(value: Any) -> bool:
    """Whether a value is an integer and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_exponent(value: Any) -> bool:
    return is_integer(value) and 0 <= value <= MAX_EXPONENT
