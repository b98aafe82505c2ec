"""Verification of certificates, from their files alone, by two checkers that share no code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import pyarrow as pa

from tasks.coloring.certificates.files import read_certificate, verify_certificate
from tasks.coloring.checker import Verdict, check
from tasks.coloring.items import CheckWork
from tasks.coloring.problem import Problem
from tasks.coloring.published import published_of
from tasks.records.errors import InputError, LatticeworkError
from tasks.records.rows import Row, Rows
from tasks.records.status import Status
from tasks.records.volume import Volume
from tasks.records.work import Place

__all__ = ["ImpossibleColoringError", "check_possible", "verification_rows"]

_MOST_IMPOSSIBLE = 6
"""Colorings of the plane by tiles need seven colors (Townsend 2005): with up to six, and one
distance, something is always removed."""


class ImpossibleColoringError(LatticeworkError):
    """A certificate of what cannot exist: an error of the checkers, to be examined."""


def verification_rows(work: CheckWork, place: Place, constructions: pa.Table) -> Rows:
    """Rows of ``verification`` and ``records`` of the certificates of a call.

    Raises
    ------
    ImpossibleColoringError
        If both checkers accept what cannot exist; the file stays where it is.
    """
    volume = Volume.open(place.folder)
    rows = [row for row in constructions.to_pylist() if row["certificate"]]
    checks = [_checked(work, row, bytes(volume.read(row["certificate"]))) for row in rows]
    for row, found in zip(rows, checks, strict=True):
        if found["valid"]:
            location = volume.location(row["certificate"])
            check_possible(work.problem, Fraction(row["removed"]), location)
    return {"verification": checks, "records": list(_records(work.problem, rows, checks))}


def check_possible(problem: Problem, removed: Fraction, location: str) -> None:
    """Stop where nothing is removed with fewer colors than tiles need.

    Raises
    ------
    ImpossibleColoringError
    """
    if problem.dimension == 2 and problem.is_plain and not removed:
        if problem.num_colors <= _MOST_IMPOSSIBLE:
            raise ImpossibleColoringError(
                f"{location} claims to remove nothing with {problem.num_colors} colors at distance "
                "1, which no coloring by tiles does: an error, please examine and report the file"
            )


def _checked(work: CheckWork, row: Mapping[str, Any], data: bytes) -> Row:
    fast, fast_removed = _fast(data)
    standard = check(data)
    removed = Fraction(row["removed"])
    agree = standard.state == "valid" and fast == "" and fast_removed == removed
    return {
        "item": row["construction"],
        "certificate": row["certificate"],
        "valid": agree,
        "status": Status.OK if agree else Status.FAILED,
        "fast": fast or "valid",
        "standard": _words(standard),
        "removed": str(fast_removed) if fast_removed is not None else None,
        "reason": "" if agree else f"{fast or 'valid'}; the other checker: {_words(standard)}",
    }


def _fast(data: bytes) -> tuple[str, Fraction | None]:
    """What is wrong by our own checker, empty if nothing is; and the removed fraction."""
    try:
        found = verify_certificate(read_certificate(data))
    except InputError as error:
        return f"refused: {error}", None
    return ("" if found.valid else found.summary), found.removed


def _words(verdict: Verdict) -> str:
    return verdict.state if verdict.state == "valid" else f"{verdict.state}: {verdict.reason}"


def _records(problem: Problem, rows: Sequence[Row], checks: Sequence[Row]) -> list[Row]:
    published = published_of(problem)
    if published is None:
        return []
    return [
        {
            "item": row["construction"],
            **problem.place(),
            "removed_percent": row["removed_percent"],
            "published_percent": float(published.best),
            "source": published.source,
            "is_record": found["valid"] and 100 * Fraction(row["removed"]) < published.best,
        }
        for row, found in zip(rows, checks, strict=True)
    ]
