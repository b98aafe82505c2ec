"""Reports of the flow `sos-benchmark`, made from the stored records alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from math import isfinite
from typing import Any

from rich.console import Group

from flows.documents import Document, nothing_stored, stored_places
from flows.reports import is_whole
from flows.sos_benchmark_tables import (
    ENOUGH,
    KEYS,
    BenchmarkDocument,
    joined,
    line_tables,
    paper_tables,
)
from tasks.records import Run
from tasks.sos.benchmarking.config import METHODS
from tasks.sos.benchmarking.schema import TRIALS_SCHEMA
from tasks.sos.benchmarking.sizes import SINGLE_BASIS
from tasks.sos.benchmarking.summary import REFERENCE, Line, summarize

__all__ = [
    "draw_figures",
    "markdown_report",
    "publish_report",
    "report_lines",
    "stored_figures",
    "terminal_report",
]

FIGURE = "figures/benchmark.png"


def terminal_report(run: Run) -> Group:
    """Tables with one row per cell and method, what follows, and the tables of the paper."""
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
    """Seconds by stage of every trial: (method, cell, instance), of its last execution alone."""
    found: dict[tuple[str, str, int], dict[str, float]] = {}
    when: dict[tuple[str, str, int], datetime] = {}
    execution = run.read("execution").select(["item", "seconds", "started_at"])
    for row in execution.sort_by("started_at").to_pylist():
        parts = row["item"].split(".")
        if len(parts) == 4 and parts[1] in METHODS:
            stage, method, cell, instance = parts
            trial = method, cell, int(instance)
            if when.get(trial) != row["started_at"]:
                when[trial], found[trial] = row["started_at"], {}
            found[trial][stage] = row["seconds"]
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
    sheets = line_tables(lines)
    names, rows = joined(sheets)
    return BenchmarkDocument(
        run,
        names,
        KEYS,
        rows,
        [*_notes(lines, _rows(run))],
        "cell and method",
        sheets=sheets,
        papers=paper_tables(lines),
    )


def _counts(lines: list[Line]) -> str:
    """Where there are enough polynomials for narrow intervals, and where not."""
    counts = {line.cell: line.decided.count for line in lines}
    few = [f"{cell} {count:,}" for cell, count in counts.items() if count < ENOUGH]
    if not few:
        return f"every cell has at least {ENOUGH} polynomials"
    if len(few) == len(counts) and len(set(counts.values())) == 1:
        least = min(counts.values())
        what = "polynomial" if least == 1 else "polynomials"
        return f"every cell has {least:,} {what}, fewer than {ENOUGH}"
    return f"cells with fewer than {ENOUGH} polynomials: {', '.join(few)}"


def _shifts(lines: list[Line]) -> Iterator[str]:
    """What is out of distribution for the models of the methods, and out of their range."""
    for method in dict.fromkeys(line.method for line in lines if line.beyond):
        mine = [line for line in lines if line.method == method and line.beyond]
        cells = [f"{line.cell} ({', '.join(line.beyond)})" for line in mine]
        yield f"beyond what the model of {method} was trained on: {'; '.join(cells)}"
        if unread := sum(line.num_out_of_range for line in mine):
            what = "polynomial" if unread == 1 else "polynomials"
            yield f"{method}: {unread:,} {what} out of the model's range, by half Newton"
    written = [line for line in lines if isfinite(line.num_orders)]
    for method in dict.fromkeys(line.method for line in written):
        orders = [line.num_orders for line in written if line.method == method]
        yield (
            f"{method}: mean number of orders of the variables in which bases were written, "
            f"by cell: {min(orders):.2f} to {max(orders):.2f}"
        )


def _sizes(lines: list[Line]) -> Iterator[str]:
    """Over which polynomials sizes are means."""
    counts = {line.cell: (line.num_sized, line.decided.count) for line in lines if line.num_sized}
    if counts and all(k == count for k, count in counts.values()):
        known = ", those of stopped trials found without solving"
        is_any = any(line.num_stopped and line.num_sized for line in lines)
        yield f"sizes are means over all polynomials{known if is_any else ''}"
    elif counts:
        shares = ", ".join(f"{cell} {k:,} of {count:,}" for cell, (k, count) in counts.items())
        yield (
            "sizes are means over the polynomials of which every method has a last basis; a "
            f"stopped trial of {', '.join(SINGLE_BASIS)} has one if it is found without solving: "
            f"{shares}"
        )
    without = [f"{line.method} on {line.cell}" for line in lines if not line.num_sized]
    if without and counts:
        yield f"without any last basis, and not asked for one: {', '.join(without)}"
    planted = {line.cell: line.planted_size for line in lines if isfinite(line.planted_size)}
    if planted:
        sizes = ", ".join(f"{cell} {size:.1f}" for cell, size in planted.items())
        yield f"mean sizes of the planted bases, over the same polynomials: {sizes}"


def _times(lines: list[Line]) -> Iterator[str]:
    """What the seconds count, and what they are compared with."""
    yield "seconds: a trial that was stopped or crashed counts with its limit"
    if untimed := [line for line in lines if line.num_untimed]:
        which = ", ".join(
            f"{line.num_untimed:,} of {line.method} on {line.cell}" for line in untimed
        )
        yield f"no stored seconds, and left out of the means: {which}"
    if any(line.method == REFERENCE for line in lines):
        yield (
            f"faster: total seconds of {REFERENCE} over those of the method, on the same "
            "polynomials"
        )


def _notes(lines: list[Line], rows: list[dict[str, Any]]) -> Iterator[str]:
    """What the columns mean, wrong answers, what is beyond the models, stopped trials."""
    yield f"exact verdicts that contradict what is known: {sum(line.wrong for line in lines)}"
    yield _counts(lines)
    yield from _sizes(lines)
    yield from _times(lines)
    yield from _shifts(lines)
    stopped = [row for row in rows if row["verdict"] is None]
    for row in stopped[:20]:
        yield f"{row['name']} by {row['method']}: {row['status']}, {row['reason']}"
    if len(stopped) > 20:
        yield f"{len(stopped) - 20:,} more trials that were stopped are in the table trials"
