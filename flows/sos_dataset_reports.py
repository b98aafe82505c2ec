"""Reports of the flow `sos-dataset`, made from the stored records alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from rich.console import Group

from flows.documents import Document, cell, nothing_stored, stored_places
from flows.reports import is_whole
from tasks.records import Run, Status
from tasks.sos.sampling.cards import DatasetCard, summed_cards
from tasks.sos.sampling.schema import CARDS_SCHEMA, SPLITS

__all__ = [
    "draw_figures",
    "markdown_report",
    "publish_report",
    "report_rows",
    "stored_figures",
    "terminal_report",
]

HEADINGS = {
    "dataset": "data set",
    "num_rows": "rows",
    "size": "m",
    "num_free": "K",
    "num_terms": "terms",
    "cancelled": "cancelled",
    "hidden": "hidden",
    "bytes": "bytes",
}
"""Means per row; ``hidden`` is the share of rows with a monomial of the basis whose square is no
term, which the rule even-sqrt misses."""
WORDS = ("data set",)
MAX_LISTED = 200
MAX_COMPARED = 20_000_000
"""Contents that are compared at once, 8 bytes each."""
LARGE = 100_000_000
FIGURE = "figures/cards.png"


def report_rows(run: Run) -> list[dict[str, Any]]:
    """One row per data set: its card, bytes, and seconds of its calls."""
    table = run.read("cards", schema=CARDS_SCHEMA, on_corrupt="skip")
    stored = [row for row in table.to_pylist() if row["status"] == Status.OK]
    seconds = _seconds(run)
    sizes = {part.item: part.bytes for part in run.check(("polynomials",)).parts}
    found = {card.dataset: {"card": card, "bytes": 0, "seconds": 0.0} for card in _cards(run)}
    for row in stored:
        found[row["dataset"]]["bytes"] += sizes.get(row["item"], 0)
        found[row["dataset"]]["seconds"] += seconds.get(row["item"], 0.0)
    return list(found.values())


def _cards(run: Run) -> list[DatasetCard]:
    """Cards of the data sets as far as they are stored."""
    texts = run.read("cards", schema=CARDS_SCHEMA, on_corrupt="skip")["card"].to_pylist()
    return summed_cards(text for text in texts if text is not None)


def _seconds(run: Run) -> dict[str, float]:
    """Shard -> seconds of its last call."""
    rows = run.read("execution").sort_by("started_at")
    return dict(zip(rows["item"].to_pylist(), rows["seconds"].to_pylist(), strict=True))


def terminal_report(run: Run) -> Group:
    """Table with one row per data set, counts, cost, and one line per failed shard."""
    if not run.check(("cards",)).parts:
        return nothing_stored(run)
    return _document(run).terminal()


def publish_report(run: Run) -> None:
    """Show the report as artifacts of the running Prefect flow, and draw missing figures."""
    _document(run).publish()
    draw_figures(run, only_missing=True)


def markdown_report(run: Run) -> str:
    """The terminal's report as Markdown."""
    return _document(run).markdown()


def _document(run: Run) -> Document:
    """The report."""
    rows = report_rows(run)
    cells = [_cells(row) for row in rows[:MAX_LISTED]]
    lines = [*_lines(run, rows)]
    return Document(run, [*HEADINGS.values()], WORDS, cells, lines, "data set", "data set")


def _cells(row: dict[str, Any]) -> list[str]:
    """A row as people read it: means, and shares in percent."""
    card, count = row["card"], row["card"].num_rows
    values = {
        "dataset": card.dataset,
        "num_rows": count,
        "size": f"{card.mean('sizes'):.1f}",
        "num_free": f"{card.mean('num_free'):,.1f}",
        "num_terms": f"{card.mean('num_terms'):,.1f}",
        "cancelled": f"{card.cancellation_rate:.2%}",
        "hidden": f"{card.hidden_share:.1%}",
        "bytes": round(row["bytes"] / count) if count else None,
    }
    return [cell(values[name]) for name in HEADINGS]


def _lines(run: Run, rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Counts, splits, equal polynomials, memory, cost of a hundred million, failures."""
    if len(rows) > MAX_LISTED:
        yield f"{len(rows) - MAX_LISTED:,} more data sets are in the table cards"
    count = sum(row["card"].num_rows for row in rows)
    splits = [sum(row["card"].splits.get(name, 0) for row in rows) for name in SPLITS]
    parts = ", ".join(f"{n:,} {name}" for name, n in zip(SPLITS, splits, strict=True))
    yield f"{count:,} polynomials: {parts}"
    yield from _equal(run, count)
    peak = max(run.read("execution")["peak_rss_bytes"].to_pylist(), default=0)
    yield f"peak memory of a worker: {peak / 2**30:.2f} GiB"
    seconds, size = sum(row["seconds"] for row in rows), sum(row["bytes"] for row in rows)
    if count and seconds:
        yield f"{count / seconds:,.0f} polynomials per second on one core"
        yield (
            f"{LARGE:,} such polynomials: {seconds / count * LARGE / 3600:,.1f} core hours, "
            f"{size / count * LARGE / 1e9:,.0f} GB"
        )
    for row in run.read("cards", schema=CARDS_SCHEMA, on_corrupt="skip").to_pylist():
        if row["status"] != Status.OK:
            yield f"{row['item']}: {row['status']}, {row['reason']}"


def _equal(run: Run, count: int) -> Iterator[str]:
    """How many polynomials occur before; equal ones are in one split by construction."""
    if not 0 < count <= MAX_COMPARED:
        return
    table = run.read("polynomials", on_corrupt="skip").select(["content"])
    contents = table["content"].to_numpy()
    distinct = len(np.unique(contents))
    yield f"polynomials that occur before: {len(contents) - distinct:,}, all in the same split"


def draw_figures(run: Run, *, only_missing: bool = False) -> list[str]:
    """Draw the distributions of sizes, K, terms and cancellations.

    Parameters
    ----------
    run : Run
    only_missing : bool
        Leave a picture alone that is there already and whole.

    Returns
    -------
    list of str
        Place of ``figures/cards.png``.

    Raises
    ------
    StoreError
        The store cannot be written.
    """
    if not (only_missing and is_whole(run, FIGURE)) and (cards := _cards(run)):
        from tasks.records.pictures import save_figure
        from tasks.sos.sampling.figures import draw_cards

        save_figure(draw_cards(cards), run.volume.location(FIGURE))
    return stored_figures(run)


def stored_figures(run: Run) -> list[str]:
    """Place of the picture, if it is there."""
    return stored_places(run, FIGURE)
