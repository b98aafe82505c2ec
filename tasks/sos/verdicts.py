"""Verdicts on files of certificates about sums of squares."""

from __future__ import annotations

from dataclasses import asdict

from tasks.records.errors import InputError
from tasks.records.verdicts import CertificateFile, Verdict
from tasks.sos.checker.verification import (
    parse_certificate_file,
    squares_text,
    verify_sos_certificate,
)

KIND = "sos-certificate"


def judge(file: CertificateFile, *, squares: bool = False) -> Verdict | None:
    """Verdict on a certificate about sums of squares; with `squares` these are written out.

    Raises
    ------
    InputError
        If the file is not a certificate.
    """
    if file.record is None or "format" in file.record or file.record.get("kind") != KIND:
        return None
    record = parse_certificate_file(file.data, file.name)
    try:
        found = verify_sos_certificate(record)
    except InputError as error:
        raise InputError(f"{file.name} is no certificate: {error}") from error
    what = "variable" if found.num_variables == 1 else "variables"
    size = f"{found.num_variables} {what}, degree {found.degree}"
    words = f"{found.summary} ({size})" if found.valid else found.summary
    text = squares_text(record) if squares and found.valid else ""
    return Verdict(found.valid, words, asdict(found), text, "squares")
