"""Verification of certificates, from their files alone, by two checkers that share no code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tasks.coloring.certificates.files import (
    certificate_bytes,
    certificate_record,
    read_certificate,
    verify_certificate,
)
from tasks.coloring.checker import Verdict, check
from tasks.coloring.items import CheckWork
from tasks.coloring.problem import Problem, named_norm, problem_of
from tasks.coloring.published import published_of
from tasks.records.errors import InputError, LatticeworkError
from tasks.records.rows import Row, Rows
from tasks.records.status import Status
from tasks.records.volume import Volume
from tasks.records.work import Place

if TYPE_CHECKING:
    from tasks.coloring.certificates.files import Coloring

__all__ = ["ImpossibleColoringError", "check_possible", "is_impossible", "refusal"]
__all__ += ["verification_rows"]

_MOST_IMPOSSIBLE = 6
"""No coloring of the plane by tiles is known with so few colors and one distance. Five do not
suffice (Townsend 2005: maps need six), nor do six under mild conditions on the tiles (Thomassen, On
the Nelson unit distance coloring problem, 1999: they need seven)."""


class ImpossibleColoringError(LatticeworkError):
    """A certificate of what cannot exist: an error of the checkers, to be examined."""


def verification_rows(work: CheckWork, place: Place, constructions: pa.Table) -> Rows:
    """Rows of ``verification`` and ``records`` of the certificate of a call."""
    volume = Volume.open(place.folder)
    rows = [row for row in constructions.to_pylist() if row["certificate"]]
    checks = [_checked(work, row, bytes(volume.read(row["certificate"]))) for row in rows]
    return {"verification": checks, "records": list(_records(work.problem, rows, checks))}


def refusal(coloring: Coloring, problem: Problem) -> str:
    """Why a checker does not accept a coloring; empty if both do."""
    data = certificate_bytes(certificate_record(coloring))
    fast, _ = _fast(data, problem)
    if fast:
        return fast
    standard = check(data)
    return "" if standard.state == "valid" else f"the other checker: {_words(standard)}"


def check_possible(row: Row, location: str, run_id: str) -> None:
    """Stop where nothing is removed with fewer colors than tiles need; the file stays.

    Parameters
    ----------
    row
        Of ``constructions``, accepted by both checkers.
    location
        Where its certificate is.
    run_id
        Of its run, whose report shows the rest.

    Raises
    ------
    ImpossibleColoringError
    """
    if is_impossible(problem_of(row), Fraction(row["removed"])):
        raise ImpossibleColoringError(
            f"{location} claims to remove nothing with {row['num_colors']} colors at distance 1, "
            "but colorings by tiles need seven: please examine and report the file; "
            f"`latticework results {run_id}` shows what else was found"
        )


def is_impossible(problem: Problem, removed: Fraction) -> bool:
    """Whether no coloring by tiles removes so little: all colors avoid one distance."""
    if removed or problem.num_colors > _MOST_IMPOSSIBLE or problem.dimension != 2:
        return False
    if problem.norm != "euclidean":
        return False
    colors = problem.forbidden.intervals
    lows = {each.low for own in colors for each in own}  # if any distance is common, one of these
    return any(all(any(i.low <= r <= i.high for i in own) for own in colors) for r in lows)


def _checked(work: CheckWork, row: Mapping[str, Any], data: bytes) -> Row:
    fast, fast_removed = _fast(data, work.problem)
    standard = check(data)
    removed = Fraction(row["removed"])
    agree = standard.state == "valid" and fast == "" and fast_removed == removed
    return {
        "item": row["item"],
        "certificate": row["certificate"],
        "valid": agree,
        "status": Status.OK if agree else Status.FAILED,
        "fast": fast or "valid",
        "standard": _words(standard),
        "removed": str(fast_removed) if fast_removed is not None else None,
        "reason": "" if agree else f"{fast or 'valid'}; the other checker: {_words(standard)}",
    }


def _fast(data: bytes, problem: Problem) -> tuple[str, Fraction | None]:
    """What is wrong by our own checker, empty if nothing is; and the removed fraction."""
    try:
        coloring = read_certificate(data)
        found = verify_certificate(coloring)
    except InputError as error:
        return f"refused: {error}", None
    if found.valid and not _answers(coloring, problem):
        return "it is of another problem", None
    removed = found.removed
    return ("" if found.valid else found.summary), Fraction(str(removed))


def _answers(coloring: Coloring, problem: Problem) -> bool:
    """Whether a coloring forbids, in the problem's space, what is asked for, or more."""
    forbidden = coloring.forbidden
    return (
        coloring.lattice.dimension == problem.dimension
        and coloring.norm == named_norm(problem.norm, problem.dimension)
        and forbidden.num_colors == problem.num_colors
        and all(
            any(own.low <= asked.low and asked.high <= own.high for own in forbidden[color])
            for color in range(problem.num_colors)
            for asked in problem.forbidden[color]
        )
    )


def _words(verdict: Verdict) -> str:
    return verdict.state if verdict.state == "valid" else f"{verdict.state}: {verdict.reason}"


def _records(problem: Problem, rows: Sequence[Row], checks: Sequence[Row]) -> list[Row]:
    published = published_of(problem)
    if published is None:
        return []
    return [
        {
            "item": row["item"],
            **problem.place(),
            "removed_percent": row["removed_percent"],
            "published_percent": float(published.best),
            "source": published.source,
            "is_record": found["valid"] and 100 * Fraction(row["removed"]) < published.best,
        }
        for row, found in zip(rows, checks, strict=True)
    ]
