"""Verdicts on files of certificates of colorings."""

from __future__ import annotations

from dataclasses import asdict

from tasks.coloring.certificates.files import read_certificate, verify_certificate
from tasks.records.errors import InputError
from tasks.records.verdicts import CertificateFile, Verdict

KIND = "plane-coloring"


def judge(file: CertificateFile) -> Verdict | None:
    """Verdict on a certificate of a coloring.

    Raises
    ------
    InputError
        If the file is not a certificate.
    """
    if file.record is None or file.record.get("kind") != KIND:
        return None
    try:
        found = verify_certificate(read_certificate(file.data))
    except InputError as error:
        raise InputError(f"{file.name} is no certificate: {error}") from error
    return Verdict(found.valid, found.summary, asdict(found))
