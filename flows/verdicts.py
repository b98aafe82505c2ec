"""Verdicts on certificate files, one line each; imports neither Prefect nor Ray nor drawing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from tasks.records import InputError
from tasks.tcurves.certificates import read_certificate
from tasks.tcurves.verification import Verification, verify_certificate

__all__ = ["NOT_VALID", "UNREADABLE", "VALID", "verdicts"]

VALID, NOT_VALID, UNREADABLE = 0, 1, 2


def verdicts(files: Iterable[str], *, as_json: bool = False) -> Iterator[tuple[int, str]]:
    """Verify files one by one: (code, line) for each, whatever the others are.

    Parameters
    ----------
    files : iterable of str
        Paths of certificate files.
    as_json : bool
        Lines are JSON objects; those about unreadable files are not.
    """
    for file in files:
        try:
            verification = verify_certificate(read_certificate(file))
        except InputError as error:
            yield UNREADABLE, f"latticework: {error}"
            continue
        code = VALID if verification.valid else NOT_VALID
        if as_json:
            yield code, json.dumps({"file": file, **asdict(verification)})
        else:
            yield code, f"{file}: {_in_words(verification)}"


def _in_words(verification: Verification) -> str:
    """One line about one certificate."""
    if not verification.valid:
        return verification.summary
    kind = f"degree {verification.degree}, type {verification.dividing}"
    return f"valid: {verification.scheme}, {kind}"
