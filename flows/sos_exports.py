"""Certificate files of a run of `sos-certify`, made from its stored records alone."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from typing import Any

from flows.exports import CERTIFICATES, Export
from tasks.records import InputError, LatticeworkError, Run, Status
from tasks.records.errors import shortened
from tasks.records.volume import Volume

__all__ = ["file_stems", "write_sos_certificates"]

MAX_STEM = 80


def write_sos_certificates(run: Run, *, name: str = "", folder: str = "") -> Export:
    """Write the certificates of a run, each verified before.

    Parameters
    ----------
    run : Run
    name : str
        Only this polynomial.
    folder : str
        Local folder or URI; by default ``certificates`` in the run's folder.

    Raises
    ------
    InputError
        If nothing is stored, or no polynomial has that name.
    LatticeworkError
        If a stored certificate is not valid.
    StoreError
        If a file cannot be written.
    """
    rows = _stored(run)
    stems = file_stems([row["name"] for row in rows])
    chosen = _chosen(rows, name)
    place = Volume.open(folder) if folder else run.volume.below(CERTIFICATES)
    paths, missing = [], []
    for row in chosen:
        if row["certificate"] is None:
            missing.append(_why_not(row))
            continue
        file = f"{stems[row['name']]}.json"
        place.write(file, _certificate_text(row, run).encode())
        paths.append(place.location(file))
    return Export(tuple(paths), tuple(missing))


def _stored(run: Run) -> list[dict[str, Any]]:
    """Names, fates and certificates of all polynomials."""
    if not run.check(("certificates",)).parts:
        raise InputError(f"run {run.run_id} has no polynomials stored yet")
    columns = ["name", "status", "verdict", "reason", "certificate"]
    return run.read("certificates").select(columns).to_pylist()


def _chosen(rows: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """The rows of one name, or all."""
    if not name:
        return rows
    chosen = [row for row in rows if row["name"] == name]
    if not chosen:
        close = get_close_matches(name, [row["name"] for row in rows], n=1)
        hint = f"; did you mean {shortened(close[0])}?" if close else ""
        raise InputError(f"the run has no polynomial {shortened(name)}{hint}")
    return chosen


def _why_not(row: dict[str, Any]) -> str:
    """One line about a polynomial without certificate."""
    fate = row["verdict"] if row["status"] == Status.OK else row["status"]
    return f"{row['name']} gets no certificate: {fate}, {row['reason']}"


def _certificate_text(row: dict[str, Any], run: Run) -> str:
    """One certificate with its origin; it is not written unless it is valid."""
    from tasks.sos.certificates import parse_sos_certificate
    from tasks.sos.checker.verification import verify_sos_certificate

    data = json.loads(row["certificate"])
    found = verify_sos_certificate(data)
    if not found.valid:
        raise LatticeworkError(f"run {run.run_id}: {row['name']}: {found.summary}")
    notes = {
        "run": f"{run.identity.flow}/{run.run_id}",
        "code version": run.identity.code_version,
        "name": row["name"],
        "method": row["reason"],
    }
    return parse_sos_certificate(data).with_provenance(notes).to_json()


def file_stems(names: list[str]) -> dict[str, str]:
    """Names of files without characters that a shell or a file system would read; distinct.

    >>> file_stems(["motzkin_times_x2+y2", "a/b", "a b"])
    {'motzkin_times_x2+y2': 'motzkin_times_x2+y2', 'a/b': 'a_b', 'a b': 'a_b-2'}
    """
    stems: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        stem = re.sub(r"[^A-Za-z0-9._+=-]+", "_", name).strip("._-")[:MAX_STEM] or "polynomial"
        candidate, number = stem, 1
        while candidate.lower() in taken:  # some file systems do not tell A from a
            number += 1
            candidate = f"{stem}-{number}"
        taken.add(candidate.lower())
        stems[name] = candidate
    return stems
