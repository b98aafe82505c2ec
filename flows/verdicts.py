"""Verdicts on certificate files; imports neither Prefect nor Ray nor drawing.

A file states its kind: "sos-certificate" is for `tasks.sos`; one with a format is for
`tasks.tcurves`, whose reader also says what is wrong with a file that holds no JSON object.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tasks.records import InputError
from tasks.records.errors import printable, shortened

__all__ = ["NOT_VALID", "UNREADABLE", "VALID", "verdicts"]

VALID, NOT_VALID, UNREADABLE = 0, 1, 2
_MAX_BYTES = 1 << 28
_SUM_OF_SQUARES = "sos-certificate"


@dataclass(frozen=True)
class _Verdict:
    """A verdict in words and as an object."""

    valid: bool
    line: str
    details: dict[str, Any]
    squares: str = ""


def verdicts(
    files: Iterable[str], *, as_json: bool = False, squares: bool = False
) -> Iterator[tuple[int, str]]:
    """Verify files one by one: (code, text) for each, whatever the others are.

    Parameters
    ----------
    files : iterable of str
        Paths of certificate files.
    as_json : bool
        Texts are JSON objects; those about unreadable files are not.
    squares : bool
        Add the squares of valid sums of squares: more lines, or a key of the objects.
    """
    for file in files:
        try:
            data = _content(file)  # read once: it may be a pipe
            is_sum = _is_about_sums(file, data)
            verdict = (
                _judge_sum(file, data, squares=squares) if is_sum else _judge_curve(file, data)
            )
        except InputError as error:
            yield UNREADABLE, f"latticework: {error}"
            continue
        code = VALID if verdict.valid else NOT_VALID
        if as_json:
            written = {"squares": verdict.squares} if verdict.squares else {}
            yield code, json.dumps({"file": file, **verdict.details, **written})
        else:
            yield (
                code,
                "\n".join(filter(None, [f"{printable(file)}: {verdict.line}", verdict.squares])),
            )


def _content(file: str) -> bytes:
    """The bytes of a file, at most one more than any certificate may have."""
    try:
        with Path(file).open("rb") as opened:
            return opened.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {file}: {getattr(error, 'strerror', error)}") from error


def _is_about_sums(file: str, data: bytes) -> bool:
    """Whether the file states the kind of sums of squares; if nothing can be told, it does not."""
    try:
        record = json.loads(data) if len(data) <= _MAX_BYTES else None
    except (ValueError, RecursionError):
        return False
    if not isinstance(record, dict) or "format" in record:
        return False
    if record.get("kind") == _SUM_OF_SQUARES:
        return True
    kind = shortened(record.get("kind"))
    raise InputError(
        f"{file} is no certificate: its kind is {kind}; known are 'regular T-curve' and "
        f"{_SUM_OF_SQUARES!r}"
    )


def _judge_curve(file: str, data: bytes) -> _Verdict:
    """Verdict on a certificate of a T-curve; it has no squares."""
    from tasks.tcurves.certificates import MAX_FILE_BYTES, parse_certificate
    from tasks.tcurves.verification import verify_certificate

    if len(data) > MAX_FILE_BYTES:
        raise InputError(f"{file} is no certificate: it has more than {MAX_FILE_BYTES} bytes")
    try:
        certificate = parse_certificate(data.decode("utf-8"))
    except (InputError, UnicodeDecodeError) as error:
        reason = error if isinstance(error, InputError) else "it is not a text file"
        raise InputError(f"{file} is no certificate: {reason}") from error
    found = verify_certificate(certificate)
    words = f"valid: {found.scheme}, degree {found.degree}, type {found.dividing}"
    return _Verdict(found.valid, words if found.valid else found.summary, asdict(found))


def _judge_sum(file: str, data: bytes, *, squares: bool) -> _Verdict:
    """Verdict on a certificate about sums of squares."""
    from tasks.sos.checker.verification import (
        parse_certificate_file,
        squares_text,
        verify_sos_certificate,
    )

    record = parse_certificate_file(data, file)
    try:
        found = verify_sos_certificate(record)
    except InputError as error:
        raise InputError(f"{file} is no certificate: {error}") from error
    what = "variable" if found.num_variables == 1 else "variables"
    size = f"{found.num_variables} {what}, degree {found.degree}"
    words = f"{found.summary} ({size})" if found.valid else found.summary
    text = squares_text(record) if squares and found.valid else ""
    return _Verdict(found.valid, words, asdict(found), text)
