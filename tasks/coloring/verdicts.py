"""Verdicts on files of certificates of colorings, by one checker or by both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.coloring.certificates.files import (
    check_name,
    coloring_of,
    parse_certificate,
    verify_certificate,
)
from tasks.coloring.certificates.headers import KIND
from tasks.coloring.certificates.numbers import Surd, format_number
from tasks.coloring.certificates.verification import Conflict, Verification
from tasks.coloring.checker import Verdict as Answer
from tasks.coloring.checker import check
from tasks.coloring.drawing.scenes import percent
from tasks.records.errors import InputError
from tasks.records.verdicts import CertificateFile, Verdict

__all__ = ["judge"]


def judge(file: CertificateFile, *, second: bool = False) -> Verdict | None:
    """Verdict on a certificate of a coloring; None if the file is of another kind.

    Parameters
    ----------
    file : CertificateFile
    second : bool
        Ask the second checker, too, which may take minutes: the file is valid if both say so.

    Raises
    ------
    InputError
        If the file is not a certificate.
    """
    if file.record is None or file.record.get("kind") != KIND:
        return None
    name = Path(file.name).name
    try:
        record = parse_certificate(file.data)
        check_name(name, record)
        found = verify_certificate(coloring_of(record))
    except InputError as error:
        raise InputError(f"{file.name} is no certificate: {error}") from error
    line, details = _line(found), _details(record, found)
    if not second:
        return Verdict(found.valid, line, details)
    answer = check(file.data, name)
    is_valid = found.valid and answer.state == "valid"
    if found.valid and not is_valid:
        line = f"not valid, the checkers disagree: {found.summary}"
    second_one = {"state": answer.state, "reason": answer.reason}
    more = {"valid": is_valid, "second checker": second_one}
    return Verdict(is_valid, f"{line}; {_words(answer)}", details | more)


def _line(found: Verification) -> str:
    if found.valid:
        return f"valid: {found.summary} ({percent(float(found.removed))})"
    return f"invalid: {found.summary}"


def _words(answer: Answer) -> str:
    reason = "" if answer.state == "valid" else f", {answer.reason}"
    return f"second checker: {answer.state}{reason}"


def _details(record: Mapping[str, Any], found: Verification) -> dict[str, Any]:
    """The verdict as a JSON object."""
    removed = found.removed
    return {
        "valid": found.valid,
        "summary": found.summary,
        "form": record["form"],
        "num_colors": record["num_colors"],
        "removed": format_number(removed) if isinstance(removed, Surd) else str(removed),
        "removed_percent": 100 * float(removed),
        "num_offsets": found.num_offsets,
        "conflict": found.conflict and _conflict(found.conflict),
    }


def _conflict(conflict: Conflict) -> dict[str, Any]:
    return {
        "color": conflict.color,
        "what": conflict.what,
        "first": conflict.first,
        "second": conflict.second,
        "offset": conflict.offset,
        "realised": conflict.realised,
        "forbidden": str(conflict.forbidden),
    }
