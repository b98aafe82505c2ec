"""Verdicts on files of T-curve certificates."""

from __future__ import annotations

from dataclasses import asdict

from tasks.records.errors import InputError
from tasks.records.verdicts import CertificateFile, Verdict
from tasks.tcurves.certificates import MAX_FILE_BYTES, parse_certificate
from tasks.tcurves.verification import verify_certificate


def judge(file: CertificateFile) -> Verdict | None:
    """Verdict on a certificate of a T-curve: a JSON object with a format, or what claims nothing.

    Raises
    ------
    InputError
        If the file is not a certificate.
    """
    if file.record is not None and "format" not in file.record:
        return None
    if len(file.data) > MAX_FILE_BYTES:
        raise InputError(f"{file.name} is no certificate: it has more than {MAX_FILE_BYTES} bytes")
    try:
        certificate = parse_certificate(file.data.decode("utf-8"))
    except (InputError, UnicodeDecodeError) as error:
        reason = error if isinstance(error, InputError) else "it is not a text file"
        raise InputError(f"{file.name} is no certificate: {reason}") from error
    found = verify_certificate(certificate)
    words = f"valid: {found.scheme}, degree {found.degree}, type {found.dividing}"
    return Verdict(found.valid, words if found.valid else found.summary, asdict(found))
