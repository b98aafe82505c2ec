"""Certificate files of a run of `sos-certify`, made from its stored records alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from tasks.records import InputError, LatticeworkError, Run, Status, Stored
from tasks.records.errors import shortened
from tasks.records.volume import Volume
from tasks.sos.certificates import parse_sos_certificate
from tasks.sos.checker.verification import verify_sos_certificate

__all__ = ["MAX_STEM", "export", "file_stems", "write_certificates"]

CERTIFICATES = "certificates"
"""Folder of the certificates in a run's folder, unless another one is asked for."""
MAX_STEM = 80


def write_certificates(stored: Stored, *, name: str = "", to: str = "") -> Iterator[str]:
    """Write the certificates of a run, each verified before; their places.

    Parameters
    ----------
    stored : Stored
    name : str
        Only this polynomial.
    to : str
        Local folder or URI; by default ``certificates`` in the run's folder.

    Raises
    ------
    InputError
        If nothing is stored, or no polynomial has that name.
    LatticeworkError
        If a stored certificate is not valid; at the end, if a polynomial has none.
    StoreError
        If a file cannot be written.
    """
    rows = _rows(stored)
    stems = file_stems([row["name"] for row in rows])
    place = Volume.open(to) if to else stored.run.volume.below(CERTIFICATES)
    missing = []
    for row in _chosen(rows, name):
        if row["certificate"] is None:
            fate = row["verdict"] if row["status"] == Status.OK else row["status"]
            missing.append(f"{row['name']} gets no certificate: {fate}, {row['reason']}")
            continue
        file = f"{stems[row['name']]}.json"
        place.write(file, _certificate_text(row, stored.run).encode())
        yield place.location(file)
    if missing:
        more = f"; and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        raise LatticeworkError(f"{missing[0]}{more}")


def export(stored: Stored, *, item: str = "", to: str = "") -> Iterator[str]:
    """`write_certificates` to a folder that has to be given; `item` is a polynomial's name."""
    if not to:
        raise InputError("export needs a folder: give --to FOLDER")
    return write_certificates(stored, name=item, to=to)


def _rows(stored: Stored) -> list[dict[str, Any]]:
    """Names, fates and certificates of all polynomials."""
    if stored.is_empty("certificates"):
        raise InputError(f"run {stored.run.run_id} has no polynomials stored yet")
    columns = ["name", "status", "verdict", "reason", "certificate"]
    return stored.run.read("certificates").select(columns).to_pylist()


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


def _certificate_text(row: dict[str, Any], run: Run) -> str:
    """One certificate with its origin; it is not written unless it is valid."""
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
