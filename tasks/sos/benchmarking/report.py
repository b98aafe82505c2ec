"""Report of a benchmark: findings, tables of cells and methods, the tables of the paper.

Two tables have the layout of arXiv:2510.13444. Table 1: structures and methods down, points (n,
degree, m) across. Table 2: points (n, degree) down, methods across, mean seconds. The cell of the
classical polynomials has no place in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from math import isfinite
from typing import Any

from tasks.records import Figure, Report, Stored, Table
from tasks.sos.benchmarking.config import CLASSICS, METHODS
from tasks.sos.benchmarking.sizes import SINGLE_BASIS
from tasks.sos.benchmarking.summary import REFERENCE, Line, Seconds, summarize
from tasks.sos.sampling.cells import Cell

__all__ = [
    "benchmark_figures",
    "benchmark_lines",
    "benchmark_report",
    "line_tables",
    "paper_tables",
    "seconds_table",
    "structure_table",
    "trial_seconds",
]

ENOUGH = 500
"""Polynomials of a cell from which on its interval is at most 9 points wide, 0.8 at 100 %."""
MAX_LISTED = 20
NOTHING = "–"
NAN = float("nan")
KEYS = ("cell", "method")
SUBJECT = "cell and method"
STAGES = ("basis", "blocks", "solve", "prove", "refute", "write", "stopped")


def benchmark_report(stored: Stored) -> Report:
    """What the methods decided, then tables by cell and method, then what the columns mean."""
    rows, seconds = stored.rows("trials"), trial_seconds(stored)
    lines = summarize(rows, seconds, METHODS)
    findings = [*_findings(lines, seconds)]
    return Report(findings, [*line_tables(lines), *paper_tables(lines)], [*_notes(lines, rows)])


def benchmark_lines(stored: Stored) -> list[Line]:
    """One line per cell and method, from the stored trials."""
    return summarize(stored.rows("trials"), trial_seconds(stored), METHODS)


def trial_seconds(stored: Stored) -> dict[tuple[str, str, int], dict[str, float]]:
    """Seconds by stage of every trial: (method, cell, instance), of its last execution alone."""
    found: dict[tuple[str, str, int], dict[str, float]] = {}
    when: dict[tuple[str, str, int], datetime] = {}
    execution = stored.run.read("execution").select(["item", "seconds", "started_at"])
    for row in execution.sort_by("started_at").to_pylist():
        parts = row["item"].split(".")
        if len(parts) == 4 and parts[1] in METHODS:
            stage, method, cell, instance = parts
            trial = method, cell, int(instance)
            if when.get(trial) != row["started_at"]:
                when[trial], found[trial] = row["started_at"], {}
            found[trial][stage] = row["seconds"]
    return found


def benchmark_figures(stored: Stored) -> Iterator[Figure]:
    """Sizes, times and rates by cell and method."""
    yield Figure("figures/benchmark.png", partial(_drawn, stored), ("trials",))


def _drawn(stored: Stored) -> Any:
    from tasks.sos.benchmarking.figures import draw_benchmark

    return draw_benchmark(benchmark_lines(stored))


# --- findings -----------------------------------------------------------------------------------


def _findings(lines: Sequence[Line], seconds: Seconds) -> Iterator[str]:
    """Wrong answers, and for every method how many it decided and how fast it is."""
    wrong = sum(line.wrong for line in lines)
    yield f"exact verdicts that contradict what is known: {wrong:,}"
    for method in dict.fromkeys(line.method for line in lines):
        mine = [line.decided for line in lines if line.method == method]
        done, count = sum(rate.successes for rate in mine), sum(rate.count for rate in mine)
        faster = _speed_up(seconds, method)
        how = f", {faster:.2f} times as fast as {REFERENCE}" if isfinite(faster) else ""
        yield f"{method}: {done:,} of {count:,} decided exactly{how}"


def _speed_up(seconds: Seconds, method: str) -> float:
    """Total seconds of the reference over those of a method, on the same polynomials."""
    both = [
        (sum(seconds[REFERENCE, cell, instance].values()), sum(stages.values()))
        for (name, cell, instance), stages in seconds.items()
        if name == method != REFERENCE and (REFERENCE, cell, instance) in seconds
    ]
    own = sum(mine for _, mine in both)
    return sum(reference for reference, _ in both) / own if own else NAN


def _notes(lines: Sequence[Line], rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What the columns mean, what is beyond the models, stopped trials."""
    yield _counts(lines)
    yield from _sizes_of(lines)
    yield from _times(lines)
    yield from _shifts(lines)
    stopped = [row for row in rows if row["verdict"] is None]
    for row in stopped[:MAX_LISTED]:
        yield f"{row['name']} by {row['method']}: {row['status']}, {row['reason']}"
    if len(stopped) > MAX_LISTED:
        yield f"{len(stopped) - MAX_LISTED:,} more trials that were stopped are in the table trials"


def _counts(lines: Sequence[Line]) -> str:
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


def _shifts(lines: Sequence[Line]) -> Iterator[str]:
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


def _sizes_of(lines: Sequence[Line]) -> Iterator[str]:
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


def _times(lines: Sequence[Line]) -> Iterator[str]:
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


# --- tables -------------------------------------------------------------------------------------


def line_tables(lines: Sequence[Line]) -> tuple[Table, ...]:
    """What was decided; sizes and times; seconds by stage."""
    stopped = ("stopped",) if any(line.num_stopped for line in lines) else ()
    headings = ("count", "decided", "first try", *stopped)
    return (
        _line_table(
            "Exact verdicts, with 95 % intervals",
            headings,
            [(line.cell, line.method, *_decided(line)[: len(headings)]) for line in lines],
        ),
        _line_table(
            "Mean sizes of the first and the last basis, number of bases, seconds",
            ("first", "last", "bases", "s", "faster"),
            [(line.cell, line.method, *_sizes(line)) for line in lines],
        ),
        _stage_table(lines),
    )


def _line_table(
    title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], keys: Sequence[str] = KEYS
) -> Table:
    """A table with two columns of words."""
    names = (*keys, *headings)
    return Table(names, rows, title, words=keys, num_keys=2, subject=SUBJECT)


def _decided(line: Line) -> tuple[str, ...]:
    first = f"{100 * line.first_try.share:.1f} %"
    return f"{line.decided.count:,}", str(line.decided), first, str(line.num_stopped or "")


def _sizes(line: Line) -> tuple[str, ...]:
    return (
        _number(line.first_size, ".1f"),
        _number(line.last_size, ".1f"),
        _number(line.num_bases, ".2f"),
        _number(line.seconds, ".3f"),
        _number(line.speed_up, ".2f"),
    )


def _stage_table(lines: Sequence[Line]) -> Table:
    """Mean seconds by stage, in the order of the work."""
    found = {name for line in lines for name in line.stages}
    stages = [name for name in STAGES if name in found] + sorted(found - {*STAGES})
    rows = [
        (line.cell, line.method, *(_number(line.stages.get(name, NAN), ".4f") for name in stages))
        for line in lines
    ]
    names = ("limit" if name == "stopped" else name for name in stages)
    return _line_table("Mean seconds by stage", [*names], rows)


def _number(value: float, how: str) -> str:
    return f"{value:{how}}" if isfinite(value) else ""


def paper_tables(lines: Sequence[Line]) -> tuple[Table, ...]:
    """Both tables; none for the classics alone."""
    placed = [(Cell.parse(line.cell), line) for line in lines if line.cell != CLASSICS]
    return (structure_table(placed), seconds_table(placed)) if placed else ()


Placed = Sequence[tuple[Cell, Line]]


def structure_table(placed: Placed) -> Table:
    """Table 1: size of the last basis, seconds, speed-up and share decided."""
    points = list(dict.fromkeys(_triple(cell) for cell, _ in placed))
    found = {(cell.family, line.method, _triple(cell)): line for cell, line in placed}
    pairs = dict.fromkeys((cell.family, line.method) for cell, line in placed)
    structures = list(dict.fromkeys(family for family, _ in pairs))
    ordered = sorted(pairs, key=lambda pair: structures.index(pair[0]))
    rows = [(*pair, *(_four(found.get((*pair, point))) for point in points)) for pair in ordered]
    return _line_table(
        f"Table 1: basis size / seconds / times faster than {REFERENCE} / decided % (polynomials), "
        "by (n, degree, m)",
        points,
        rows,
        ("structure", "method"),
    )


def seconds_table(placed: Placed) -> Table:
    """Table 2: mean seconds over all structures and sizes; with the share decided if below 1."""
    methods = list(dict.fromkeys(line.method for _, line in placed))
    points = dict.fromkeys((cell.num_variables, 2 * cell.half_degree) for cell, _ in placed)
    return Table(
        ("variables", "degree", *methods),
        [(str(n), str(degree), *_means(placed, n, degree, methods)) for n, degree in points],
        "Table 2: mean seconds (share decided where it is below 100 %)",
        num_keys=2,
        subject="point",
    )


def _means(placed: Placed, n: int, degree: int, methods: Sequence[str]) -> Iterator[str]:
    here = [line for c, line in placed if (c.num_variables, 2 * c.half_degree) == (n, degree)]
    for method in methods:
        mine = [line for line in here if line.method == method]
        count = sum(line.decided.count for line in mine)
        decided = sum(line.decided.successes for line in mine)
        share = "" if decided == count else f" ({100 * decided / max(count, 1):.0f} %)"
        timed = [(line.seconds, line.decided.count - line.num_untimed) for line in mine]
        total = sum(seconds * trials for seconds, trials in timed if trials)
        mean = total / max(sum(trials for _, trials in timed), 1)
        yield f"{mean:.3g}{share}" if decided else NOTHING


def _triple(cell: Cell) -> str:
    return f"{cell.num_variables}, {2 * cell.half_degree}, {cell.size}"


def _four(line: Line | None) -> str:
    if line is None:
        return NOTHING
    size = f"{line.last_size:.1f}" if isfinite(line.last_size) else NOTHING
    faster = f"{line.speed_up:.2f}" if isfinite(line.speed_up) else NOTHING
    decided = f"{100 * line.decided.share:.1f} ({line.decided.count:,})"
    seconds = f"{line.seconds:.3g}" if isfinite(line.seconds) else NOTHING
    return f"{size} / {seconds} / {faster} / {decided}"
