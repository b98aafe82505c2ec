"""Reports of a hunt: what was found, what of it is news, and the curve of discovery."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tasks.lattice import Triangulation
from tasks.records import Run, Status
from tasks.tcurves.certificates import Certificate
from tasks.tcurves.hunt import ARCHIVE_SCHEMA, CANDIDATES_SCHEMA, KNOWN_SCHEMA, HuntConfig
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


def _by_ovals(finds: list[dict[str, Any]], known: frozenset[str]) -> Table:
    """One line per number of ovals: found, of how many known, beyond them."""
    from tasks.tcurves.schemes import Scheme

    table = Table(box=SIMPLE_HEAD)
    for heading in ("ovals", "found", "known", "found of known", "not on the list"):
        table.add_column(heading, justify="right")
    found = Counter(row["ovals"] for row in finds)
    of_known = Counter(row["ovals"] for row in finds if row["scheme"] in known)
    listed = Counter(Scheme.parse(scheme).ovals for scheme in known)
    for ovals in sorted(found | listed):
        cells = (
            ovals,
            found[ovals],
            listed[ovals],
            of_known[ovals],
            found[ovals] - of_known[ovals],
        )
        table.add_row(*map(str, cells))
    return table


def _conclusions(run: Run) -> list[str]:
    """What the hunt amounts to, in lines."""
    finds = smallest_finds(run)
    config, known = _config(run), _known(run)
    rows = run.read("candidates", schema=CANDIDATES_SCHEMA)
    statuses = Counter(rows["status"].to_pylist())
    irregular = rows["regular"].to_pylist().count(False)
    hit = sum(row["scheme"] in known for row in finds)
    lines = [
        f"degree {config.degree}: {len(finds)} schemes from {rows.num_rows} candidates "
        f"({irregular} irregular, {statuses[Status.OVER_BUDGET]} over budget, "
        f"{statuses[Status.FAILED]} failed)",
    ]
    if known:
        lines.append(f"{hit} of the {len(known)} known schemes")
    news = [row for row in finds if known and row["scheme"] not in known]
    for row in news[:MAX_LISTED]:
        verification = verify_certificate(certificate_of(row, config.degree))
        state = "certificate verified" if verification.valid else "; ".join(verification.reasons)
        lines.append(f"not on the list of known schemes: {row['scheme']} ({state})")
    if len(news) > MAX_LISTED:
        lines.append(f"and {len(news) - MAX_LISTED} more, see table archive")
    return lines


def terminal_report(run: Run) -> Group:
    """Table by number of ovals, and the conclusions."""
    table = _by_ovals(smallest_finds(run), _known(run))
    title = Text(f"{run.identity.flow} {run.run_id}")
    return Group(title, table, *map(Text, _conclusions(run)))


def markdown_report(run: Run) -> str:
    """The conclusions as Markdown."""
    lines = [f"* {line}" for line in _conclusions(run)]
    return "\n".join([f"# {run.identity.flow} `{run.run_id}`", "", *lines, "", f"`{run.path}`"])


def publish_report(run: Run) -> None:
    """Show the report as an artifact of the running Prefect flow, and draw the figures."""
    from prefect.artifacts import create_markdown_artifact

    key = f"{run.identity.flow}-{run.run_id}"
    create_markdown_artifact(markdown_report(run), key=key, description="report of the hunt")
    draw_figures(run)


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
    return [run.volume.location(DISCOVERY)] if run.volume.exists(DISCOVERY) else []
