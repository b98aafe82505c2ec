"""Report of a hunt: what was found, what of it is new, and the curve of discovery."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from tasks.lattice import Triangulation
from tasks.records import Figure, InputError, Report, Status, Stored, Table
from tasks.records.report import cell
from tasks.tcurves.certificates import Certificate
from tasks.tcurves.schemes import Scheme
from tasks.tcurves.verification import verify_certificate

__all__ = ["HuntTally", "hunt_figures", "hunt_report", "smallest_finds"]

MAX_LISTED = 40
"""Schemes that are listed; all are verified."""
DISCOVERY = "figures/discovery.png"
"""Place of the curve of discovery in a run's folder."""


def smallest_finds(stored: Stored) -> list[dict[str, Any]]:
    """The archive of a hunt: per scheme the row with its smallest certificate, by ovals."""
    last: dict[str, dict[str, Any]] = {}
    for row in stored.rows("archive"):
        last[row["scheme"]] = row
    return sorted(last.values(), key=lambda row: (row["ovals"], row["depth"], row["scheme"]))


def certificate_of(row: Mapping[str, Any], degree: int) -> Certificate:
    """The certificate of a row of the archive."""
    triangulation = Triangulation.of(degree, row["triangles"], weights=row["weights"])
    return Certificate.of(triangulation, row["witness"])


def _known(stored: Stored) -> frozenset[str]:
    """The schemes that are not news."""
    return frozenset(stored.table("known")["scheme"].to_pylist())


@dataclass(frozen=True)
class _Findings:
    """What a hunt found, compared with the list of known schemes and verified."""

    finds: list[dict[str, Any]]
    known: frozenset[str]
    """Empty: there is no list."""
    flaws: dict[str, str]
    """Scheme not on the list -> what is wrong with its certificate, empty if it is valid."""

    @property
    def valid(self) -> set[str]:
        """Schemes not on the list whose certificates are verified."""
        return {scheme for scheme, flaw in self.flaws.items() if not flaw}

    def by_ovals(self, chosen: Collection[str]) -> Counter[int]:
        """Number of ovals -> how many of the schemes found are among some."""
        return Counter(row["ovals"] for row in self.finds if row["scheme"] in chosen)


def _findings(stored: Stored) -> _Findings:
    """Read the archive and verify the certificate of every scheme that is not on the list.

    A certificate takes about 8 ms in degree 8.
    """
    finds, known, degree = smallest_finds(stored), _known(stored), stored.settings["degree"]
    news = (row for row in finds if row["scheme"] not in known)
    return _Findings(finds, known, {row["scheme"]: _flaw(row, degree) for row in news})


def _flaw(row: Mapping[str, Any], degree: int) -> str:
    """What is wrong with a row of the archive; empty if its certificate proves its scheme."""
    try:
        verification = verify_certificate(certificate_of(row, degree))
    except InputError as error:
        return str(error)
    if verification.valid and verification.scheme != row["scheme"]:
        return f"its signs show {verification.scheme}"
    return "; ".join(verification.reasons)


def _by_ovals(found: _Findings) -> dict[str, Counter[int]]:
    """Heading -> number of ovals -> how many; without a list nothing is compared with it."""
    everything = found.by_ovals({row["scheme"] for row in found.finds})
    if not found.known:
        return {"found": everything, "certificate verified": found.by_ovals(found.valid)}
    return {
        "found": everything,
        "known": Counter(Scheme.parse(scheme).ovals for scheme in found.known),
        "found of known": found.by_ovals(found.known),
        "not on the list": found.by_ovals(found.valid),
    }


def _conclusions(stored: Stored, found: _Findings) -> Iterator[str]:
    """What the hunt amounts to, in lines."""
    rows, degree = stored.table("candidates"), stored.settings["degree"]
    statuses = Counter(rows["status"].to_pylist())
    irregular = rows["regular"].to_pylist().count(False)
    yield (
        f"degree {degree}: {len(found.finds)} schemes from {rows.num_rows} candidates "
        f"({irregular} irregular, {statuses[Status.OVER_BUDGET]} over budget, "
        f"{statuses[Status.FAILED]} failed)"
    )
    verified = f"{len(found.valid)} of {len(found.flaws)}"
    if found.known:
        hit = len(found.finds) - len(found.flaws)
        yield f"{hit} of the {len(found.known)} known schemes"
        if found.flaws:
            yield f"{verified} not on the list, certificates verified"
    else:
        yield f"no list of known schemes to compare with; {verified} certificates verified"


def _listed(found: _Findings) -> Iterator[str]:
    """First the certificates that are not valid, then the news, up to `MAX_LISTED` lines."""
    lines = [f"not valid: {scheme} ({flaw})" for scheme, flaw in found.flaws.items() if flaw]
    if found.known:
        news = (scheme for scheme, flaw in found.flaws.items() if not flaw)
        lines += [f"not on the list: {scheme} (certificate verified)" for scheme in news]
    yield from lines[:MAX_LISTED]
    if len(lines) > MAX_LISTED:
        yield f"and {len(lines) - MAX_LISTED} more, see table archive"


def hunt_report(stored: Stored) -> Report:
    """Counts, then the schemes by number of ovals, then those that are new."""
    found = _findings(stored)
    columns = _by_ovals(found)
    rows = [
        [str(ovals), *(cell(column[ovals]) for column in columns.values())]
        for ovals in sorted(set().union(*columns.values()))
    ]
    table = Table(["ovals", *columns], rows, subject="number of ovals")
    return Report([*_conclusions(stored, found)], [table], [*_listed(found)])


def hunt_figures(stored: Stored) -> Iterator[Figure]:
    """The curve of discovery."""
    archive = stored.table("archive")
    if archive.num_rows:
        yield Figure(DISCOVERY, partial(_discovery, stored, archive), ("archive", "candidates"))


def _discovery(stored: Stored, archive: pa.Table) -> Any:
    from tasks.tcurves.figures import draw_discovery

    tried = stored.table("candidates")["num_schemes"]
    num_candidates = len(tried) - tried.null_count
    return draw_discovery(archive, num_known=len(_known(stored)), num_candidates=num_candidates)


class HuntTally:
    """Schemes found and candidates counted so far."""

    def __init__(self, stored: Stored) -> None:
        self._found: set[int] = set()
        self._num_candidates = 0
        self.add({"candidates": stored.table("candidates")})

    def add(self, tables: Mapping[str, pa.Table]) -> None:
        """Take the candidates of one item into account."""
        for codes in tables["candidates"]["codes"].to_pylist():
            if codes is not None:
                self._found.update(codes)
                self._num_candidates += 1

    def describe(self) -> str:
        """Schemes and candidates so far."""
        return f"{len(self._found)} schemes from {self._num_candidates} candidates"
