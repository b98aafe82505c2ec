"""Reports of a hunt: what was found, what of it is news, and the curve of discovery."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
from rich.console import Group

from flows.documents import Document, cell, stored_places
from tasks.lattice import Triangulation
from tasks.records import InputError, Run, Status
from tasks.tcurves.certificates import Certificate
from tasks.tcurves.hunt import ARCHIVE_SCHEMA, CANDIDATES_SCHEMA, KNOWN_SCHEMA, HuntConfig
from tasks.tcurves.schemes import Scheme
from tasks.tcurves.verification import verify_certificate

__all__ = [
    "draw_figures",
    "markdown_report",
    "publish_report",
    "smallest_finds",
    "stored_figures",
    "terminal_report",
]

MAX_LISTED = 40
"""Schemes that are listed; all are verified."""
DISCOVERY = "figures/discovery.png"
"""Place of the curve of discovery in a run's folder."""


def smallest_finds(run: Run) -> list[dict[str, Any]]:
    """The archive of a hunt: per scheme the row with its smallest certificate, by ovals."""
    last: dict[str, dict[str, Any]] = {}
    for row in run.read("archive", schema=ARCHIVE_SCHEMA).to_pylist():
        last[row["scheme"]] = row
    return sorted(last.values(), key=lambda row: (row["ovals"], row["depth"], row["scheme"]))


def certificate_of(row: Mapping[str, Any], degree: int) -> Certificate:
    """The certificate of a row of the archive."""
    triangulation = Triangulation.of(degree, row["triangles"], weights=row["weights"])
    return Certificate.of(triangulation, row["witness"])


def _config(run: Run) -> HuntConfig:
    """The config that named the run; `minutes` and `stop_at` are not part of it."""
    return HuntConfig.model_validate_json(run.identity.config)


def _known(run: Run) -> frozenset[str]:
    """The schemes that are not news."""
    return frozenset(run.read("known", schema=KNOWN_SCHEMA)["scheme"].to_pylist())


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


def _findings(run: Run) -> _Findings:
    """Read the archive and verify the certificate of every scheme that is not on the list.

    A certificate takes about 8 ms in degree 8.
    """
    finds, known, degree = smallest_finds(run), _known(run), _config(run).degree
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


def _conclusions(run: Run, found: _Findings) -> Iterator[str]:
    """What the hunt amounts to, in lines."""
    rows = run.read("candidates", schema=CANDIDATES_SCHEMA)
    statuses = Counter(rows["status"].to_pylist())
    irregular = rows["regular"].to_pylist().count(False)
    yield (
        f"degree {_config(run).degree}: {len(found.finds)} schemes from {rows.num_rows} candidates "
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
    yield from _listed(found)


def _listed(found: _Findings) -> Iterator[str]:
    """First the certificates that are not valid, then the news, up to `MAX_LISTED` lines."""
    lines = [f"not valid: {scheme} ({flaw})" for scheme, flaw in found.flaws.items() if flaw]
    if found.known:
        news = (scheme for scheme, flaw in found.flaws.items() if not flaw)
        lines += [f"not on the list: {scheme} (certificate verified)" for scheme in news]
    yield from lines[:MAX_LISTED]
    if len(lines) > MAX_LISTED:
        yield f"and {len(lines) - MAX_LISTED} more, see table archive"


def _document(run: Run) -> Document:
    """The report."""
    found = _findings(run)
    columns = _by_ovals(found)
    rows = [
        [str(ovals), *(cell(column[ovals]) for column in columns.values())]
        for ovals in sorted(set().union(*columns.values()))
    ]
    lines = [*_conclusions(run, found)]
    return Document(run, ["ovals", *columns], (), rows, lines, "number of ovals")


def _with_figures(document: Document) -> Document:
    """Say where the pictures are; the terminal's report is followed by that anyway."""
    figures = (f"figure: `{place}`" for place in stored_figures(document.run))
    return replace(document, lines=[*document.lines, *figures])


def terminal_report(run: Run) -> Group:
    """Table by number of ovals, and the conclusions."""
    return _document(run).terminal()


def markdown_report(run: Run) -> str:
    """The same as Markdown, with the places of the pictures."""
    return _with_figures(_document(run)).markdown()


def publish_report(run: Run) -> None:
    """Draw the figures, and show the report as artifacts of the running Prefect flow."""
    draw_figures(run)
    _with_figures(_document(run)).publish()


def draw_figures(run: Run) -> list[str]:
    """Draw the curve of discovery; return its place."""
    from tasks.tcurves.figures import draw_discovery, save_figure

    archive: pa.Table = run.read("archive", schema=ARCHIVE_SCHEMA)
    if archive.num_rows:
        tried = run.read("candidates", schema=CANDIDATES_SCHEMA)["num_schemes"]
        figure = draw_discovery(
            archive, num_known=len(_known(run)), num_candidates=len(tried) - tried.null_count
        )
        save_figure(figure, run.volume.location(DISCOVERY))
    return stored_figures(run)


def stored_figures(run: Run) -> list[str]:
    """Places of the pictures that are there."""
    return stored_places(run, DISCOVERY)
