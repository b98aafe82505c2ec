"""Report of a data set, its figure, and what is told of it while it is drawn."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.records import Figure, Report, Status, Stored, Table
from tasks.records.report import cell
from tasks.sos.sampling.cards import DatasetCard, summed_cards
from tasks.sos.sampling.schema import SPLITS

__all__ = ["DatasetTally", "dataset_figures", "dataset_report", "dataset_rows"]

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
MEANS = (
    "means per row; hidden: share of rows with a monomial of the basis whose square is no term, "
    "which the rule even-sqrt misses"
)
MAX_LISTED = 200
MAX_COMPARED = 20_000_000
"""Contents that are compared at once, 8 bytes each."""
LARGE = 100_000_000


def dataset_report(stored: Stored) -> Report:
    """Counts, then one row per data set, then cost and failed shards."""
    rows = dataset_rows(stored)
    table = Table(
        [*HEADINGS.values()],
        [_cells(row) for row in rows[:MAX_LISTED]],
        words=("data set",),
        subject="data set",
    )
    return Report([*_findings(stored, rows)], [table], [*_notes(stored, rows)])


def dataset_rows(stored: Stored) -> list[dict[str, Any]]:
    """One row per data set: its card, bytes, and seconds of its calls."""
    seconds = stored.seconds()
    sizes = {part.item: part.bytes for part in stored.run.check(("polynomials",)).parts}
    found = {card.dataset: {"card": card, "bytes": 0, "seconds": 0.0} for card in _cards(stored)}
    for row in stored.rows("cards"):
        if row["status"] == Status.OK:
            found[row["dataset"]]["bytes"] += sizes.get(row["item"], 0)
            found[row["dataset"]]["seconds"] += seconds.get(row["item"], 0.0)
    return list(found.values())


def _cards(stored: Stored) -> list[DatasetCard]:
    """Cards of the data sets as far as they are stored."""
    texts = stored.table("cards")["card"].to_pylist()
    return summed_cards(text for text in texts if text is not None)


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


def _findings(stored: Stored, rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Counts, splits, equal polynomials."""
    count = sum(row["card"].num_rows for row in rows)
    splits = [sum(row["card"].splits.get(name, 0) for row in rows) for name in SPLITS]
    parts = ", ".join(f"{n:,} {name}" for name, n in zip(SPLITS, splits, strict=True))
    yield f"{count:,} polynomials: {parts}"
    if 0 < count <= MAX_COMPARED:
        contents = stored.table("polynomials")["content"].to_numpy()
        again = len(contents) - len(np.unique(contents))
        yield f"polynomials that occur before: {again:,}, all in the same split"


def _notes(stored: Stored, rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Meaning of the columns, memory, cost of a hundred million, failures."""
    if len(rows) > MAX_LISTED:
        yield f"{len(rows) - MAX_LISTED:,} more data sets are in the table cards"
    yield MEANS
    peak = max(stored.run.read("execution")["peak_rss_bytes"].to_pylist(), default=0)
    yield f"peak memory of a worker: {peak / 2**30:.2f} GiB"
    count = sum(row["card"].num_rows for row in rows)
    seconds, size = sum(row["seconds"] for row in rows), sum(row["bytes"] for row in rows)
    if count and seconds:
        yield f"{count / seconds:,.0f} polynomials per second on one core"
        yield (
            f"{LARGE:,} such polynomials: {seconds / count * LARGE / 3600:,.1f} core hours, "
            f"{size / count * LARGE / 1e9:,.0f} GB"
        )
    yield from map(str, stored.problems(("cards",), "item"))


def dataset_figures(stored: Stored) -> Iterator[Figure]:
    """The distributions of sizes, K, terms and cancellations."""
    if cards := _cards(stored):
        yield Figure("figures/cards.png", partial(_drawn, cards), ("cards",))


def _drawn(cards: list[DatasetCard]) -> Any:
    from tasks.sos.sampling.figures import draw_cards

    return draw_cards(cards)


class DatasetTally:
    """Polynomials so far, and their rate.

    Parameters
    ----------
    stored : Stored
        Shards that it holds are counted, but not in the rate.
    """

    def __init__(self, stored: Stored) -> None:
        self.rows = self._before = sum(stored.table("cards")["num_rows"].to_pylist())
        self._started = time.monotonic()

    def add(self, tables: Mapping[str, pa.Table]) -> None:
        """Take a shard into account."""
        self.rows += sum(tables["cards"]["num_rows"].to_pylist())

    def describe(self) -> str:
        """One phrase: polynomials and their rate."""
        seconds = time.monotonic() - self._started
        rate = int((self.rows - self._before) / max(seconds, 1e-3))
        return f"{self.rows:,} polynomials, {rate:,} per second"
