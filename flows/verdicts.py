"""Verdicts on certificate files, asked of the studies that make them.

Imports neither Prefect nor Ray nor drawing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from flows import all_studies
from flows.study import Verifier, load
from tasks.records.errors import InputError, printable, shortened
from tasks.records.verdicts import CertificateFile, Verdict

__all__ = ["NOT_VALID", "UNREADABLE", "VALID", "verdicts"]

VALID, NOT_VALID, UNREADABLE = 0, 1, 2


def verdicts(
    files: Iterable[str], *, as_json: bool = False, switches: Iterable[str] = ()
) -> Iterator[tuple[int, str]]:
    """Verify files one by one: (code, text) for each, whatever the others are.

    Parameters
    ----------
    files : iterable of str
        Paths of certificate files.
    as_json : bool
        Texts are JSON objects; those about unreadable files are not.
    switches : iterable of str
        Names of arguments of verifiers that are on; one that a file's kind lacks is ignored.
    """
    on = set(switches)
    for name in files:
        try:
            verdict = _judge(CertificateFile.read(name), on)
        except InputError as error:
            yield UNREADABLE, f"latticework: {error}"
            continue
        code = VALID if verdict.valid else NOT_VALID
        if as_json:
            more = {verdict.more_key: verdict.more} if verdict.more else {}
            yield code, json.dumps({"file": name, **verdict.details, **more})
        else:
            lines = [f"{printable(name)}: {verdict.line}", verdict.more]
            yield code, "\n".join(filter(None, lines))


def _judge(file: CertificateFile, on: set[str]) -> Verdict:
    """The verdict of the first verifier that knows the kind of the file."""
    verifiers = _verifiers()
    for verifier in verifiers:
        options = {each.name: each.name in on for each in verifier.arguments}
        verdict = load(verifier.call)(file, **options)
        if verdict is not None:
            return verdict
    kind = shortened((file.record or {}).get("kind"))
    *others, last = (repr(verifier.kind) for verifier in verifiers)
    kinds = f"{', '.join(others)} and {last}"
    raise InputError(f"{file.name} is no certificate: its kind is {kind}; known are {kinds}")


def _verifiers() -> list[Verifier]:
    """All kinds; of one that several studies make the first."""
    studies = reversed(all_studies().values())
    found = {each.kind: each for study in studies for each in study.verifiers}
    return list(reversed(found.values()))
