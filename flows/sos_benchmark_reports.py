"""Reports of the flow `sos-benchmark`, made from the stored records alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from math import isfinite
from typing import Any

from rich.console import Group

from flows.documents import Document, nothing_stored, stored_places
from flows.reports import is_whole
from flows.sos_benchmark_tables import ENOUGH, BenchmarkDocument, paper_tables
from tasks.records import Run
from tasks.sos.benchmarking.config import METHODS
from tasks.sos.benchmarking.schema import TRIALS_SCHEMA
from tasks.sos.benchmarking.summary import REFERENCE, Line, summarize

__all__ = [
    "draw_figures",
    "markdown_report",
    "publish_report",
    "report_lines",
    "stored_figures",
    "terminal_report",
]

HEADINGS = (
    "cell",
    "method",
    "count",
    "decided",
    "first try",
    "first",
    "last",
    "s",
    "faster",
    "stopped",
)
"""Polynomials, rates of exact verdicts in percent with their 95 % intervals, mean sizes of the
first and the last basis, mean seconds, speed-up over half Newton, trials that ran into a limit."""
WORDS = ("cell", "method")
FIGURE = "figures/benchmark.png"


def terminal_report(run: Run) -> Group:
    """Table with one row per cell and method."""
    if not run.check(("trials",)).parts:
        return nothing_stored(run)
    return _document(run).terminal()


def publish_report(run: Run) -> None:
    """Show the report as artifacts of the running Prefect flow, and draw the missing figure."""
    _document(run).publish()
    draw_figures(run, only_missing=True)


def markdown_report(run: Run) -> str:
    """The terminal's report as Markdown."""
    return _document(run).markdown()


def report_lines(run: Run) -> list[Line]:
    """One line per cell and method, from the stored trials."""
    return summarize(_rows(run), trial_seconds(run), METHODS)


def trial_seconds(run: Run) -> dict[tuple[str, str, int], dict[str, float]]:
    """Seconds by stage of every trial: (method, cell, instance), of its last execution."""
    found: dict[tuple[str, str, int], dict[str, float]] = defaultdict(dict)
    execution = run.read("execution").select(["item", "seconds", "started_at"])
    for row in execution.sort_by("started_at").to_pylist():
        parts = row["item"].split(".")
        if len(parts) == 4 and parts[1] in METHODS:
            stage, method, cell, instance = parts
            found[method, cell, int(instance)][stage] = row["seconds"]
    return found


def draw_figures(run: Run, *, only_missing: bool = False) -> list[str]:
    """Draw sizes, times and rates by cell and method.

    Parameters
    ----------
    run : Run
    only_missing : bool
        Leave a picture alone that is there already and whole.

    Raises
    ------
    StoreError
        The store cannot be written.
    """
    lines = report_lines(run)
    if lines and not (only_missing and is_whole(run, FIGURE)):
        from tasks.records.pictures import save_figure
        from tasks.sos.benchmarking.figures import draw_benchmark

        save_figure(draw_benchmark(lines), run.volume.location(FIGURE))
    return stored_figures(run)


def stored_figures(run: Run) -> list[str]:
    """Places of the pictures that are there."""
    return stored_places(run, FIGURE)


def _rows(run: Run) -> list[dict[str, Any]]:
    return run.read("trials", schema=TRIALS_SCHEMA, on_corrupt="skip").to_pylist()


def _document(run: Run) -> Document:
    lines = report_lines(run)
    notes = [*_notes(lines, _rows(run))]
    sheets = paper_tables(lines)
    rows = [*map(_cells, lines)]
    return BenchmarkDocument(run, HEADINGS, WORDS, rows, notes, "cell and method", sheets=sheets)


def _cells(line: Line) -> list[str]:
    faster = f"{line.speed_up:.2f}" if isfinite(line.speed_up) else ""
    return [
        line.cell,
        line.method,
        f"{line.decided.count:,}",
        str(line.decided),
        f"{100 * line.first_try.share:.1f} %",
        _size(line.first_size),
        _size(line.last_size),
        f"{line.seconds:.3f}",
        faster,
        str(line.num_stopped or ""),
    ]


def _counts(lines: list[Line]) -> str:
    """Where there are enough polynomials for narrow intervals, and where not."""
    counts = {line.cell: line.decided.count for line in lines}
    few = [f"{cell} {count:,}" for cell, count in counts.items() if count < ENOUGH]
    if not few:
        return f"every cell has at least {ENOUGH} polynomials"
    if len(few) == len(counts) and len(set(counts.values())) == 1:
        return f"every cell has {min(counts.values()):,} polynomials, fewer than {ENOUGH}"
    return f"cells with fewer than {ENOUGH} polynomials: {', '.join(few)}"


def _shifts(lines: list[Line]) -> Iterator[str]:
    """What is out of distribution for the models of the methods, and out of their range."""
    for method in dict.fromkeys(line.method for line in lines if line.beyond):
        mine = [line for line in lines if line.method == method and line.beyond]
        cells = [f"{line.cell} ({', '.join(line.beyond)})" for line in mine]
        yield f"beyond what the model of {method} was trained on: {'; '.join(cells)}"
        if unread := sum(line.num_out_of_range for line in mine):
            yield f"{method}: {unread:,} polynomials out of the model's range, by half Newton"
    written = [line for line in lines if isfinite(line.num_orders)]
    for method in dict.fromkeys(line.method for line in written):
        orders = [line.num_orders for line in written if line.method == method]
        yield (
            f"{method}: mean number of orders of the variables in which bases were written, "
            f"by cell: {min(orders):.2f} to {max(orders):.2f}"
        )


def _size(value: float) -> str:
    return f"{value:.1f}" if isfinite(value) else ""


def _notes(lines: list[Line], rows: list[dict[str, Any]]) -> Iterator[str]:
    """Sizes of planted bases, wrong answers, what the columns compare with."""
    planted = {line.cell: line.planted_size for line in lines if isfinite(line.planted_size)}
    if planted:
        sizes = ", ".join(f"{cell} {size:.1f}" for cell, size in planted.items())
        yield f"mean sizes of the planted bases: {sizes}"
    yield f"exact verdicts that contradict what is known: {sum(line.wrong for line in lines)}"
    yield _counts(lines)
    yield from _shifts(lines)
    if any(line.method == REFERENCE for line in lines):
        yield (
            f"faster: total seconds of {REFERENCE} over those of the method, on the same "
            "polynomials; stopped trials count with their limit"
        )
    stopped = [row for row in rows if row["verdict"] is None]
    for row in stopped[:20]:
        yield f"{row['name']} by {row['method']}: {row['status']}, {row['reason']}"
    if len(stopped) > 20:
        yield f"{len(stopped) - 20:,} more trials that were stopped are in the table trials"
