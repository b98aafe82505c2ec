"""Report of the studies of colorings: what was proved, beside what is published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tasks.coloring.certified import Row, certified_rows
from tasks.coloring.findings import (
    MAX_FINDINGS,
    Best,
    best_of_problems,
    checks_of,
    findings_of,
    percent,
    ranked_searches,
)
from tasks.coloring.items import START
from tasks.coloring.published import Published
from tasks.records import Report, Status, Stored, Table
from tasks.records.report import counted

__all__ = ["coloring_report"]

_MAX_COLORINGS, _LEAST_COLORINGS = 60, 2
"""In all, and of each problem."""
_MAX_SEARCHES = 10
_MAX_FAILURES = 5


def coloring_report(stored: Stored) -> Report:
    """The best certified coloring of each problem, the others, the searches, and what failed."""
    best, checks = best_of_problems(stored), checks_of(stored)
    tables = [_best_table(best), _colorings_table(stored, checks), _searches_table(stored, best)]
    notes = [*_sources(best), *_work(stored), *_failures(stored)]
    return Report(list(findings_of(stored, best)), [table for table in tables if table.rows], notes)


# --- tables -------------------------------------------------------------------------------------


def _best_table(best: Sequence[Best]) -> Table:
    """A line for each problem with a coloring; columns in which nothing stands are left out."""
    proved = [each for each in best if each.coloring]
    columns = {
        "problem": [each.problem.words for each in proved],
        "removed, %": [_of(each.coloring, "removed_percent") for each in proved],
        "both checkers": [_verdict(each.check) for each in proved],
        "published, %": [_figure(each.published, "best") for each in proved],
        "formal, %": [_figure(each.published, "formal") for each in proved],
        "network, %": [_figure(each.published, "networks") for each in proved],
    }
    shown = {heading: texts for heading, texts in columns.items() if any(texts)}
    return Table(
        tuple(shown), list(zip(*shown.values(), strict=True)),
        title="Best certified coloring" + " of each problem" * (len(best) > 1),
        words=("problem", "both checkers"), subject="problem",
    )  # fmt: skip


def _of(row: Row | None, column: str, factor: float = 1.0) -> str:
    return "" if row is None or row[column] is None else percent(factor * row[column])


def _figure(published: Published | None, name: str) -> str:
    value = getattr(published, name, None)
    return "" if value is None else str(value)


def _verdict(check: Row | None) -> str:
    return "" if check is None else "valid" if check["valid"] else "not valid"


def _colorings_table(stored: Stored, checks: Mapping[str, Row]) -> Table:
    shown = [
        (
            row["item"],
            row["form"],
            "x".join(map(str, row["shape"] or ())) or f"{row['tiles']:,}",
            percent(row["removed_percent"]),
            f"{row['offsets']:,}" if row["offsets"] is not None else "",
            _verdict(checks.get(row["certificate"])),
        )
        for row in _listed(certified_rows(stored))
    ]
    headings = ("coloring", "form", "size", "removed, %", "offsets", "both checkers")
    return Table(
        headings, shown, title="Certified colorings", elastic="coloring", subject="coloring",
        words=("coloring", "form", "both checkers"),
    )  # fmt: skip


def _listed(rows: Sequence[Row]) -> list[Row]:
    """Of sorted rows the first ones of each problem."""
    problems = Counter(row["problem"] for row in rows)
    most, seen = max(_LEAST_COLORINGS, _MAX_COLORINGS // max(len(problems), 1)), Counter[str]()
    found = []
    for row in rows:
        seen[row["problem"]] += 1
        if seen[row["problem"]] <= most:
            found.append(row)
    return found


def _searches_table(stored: Stored, best: Sequence[Best]) -> Table:
    """The best searches of a problem; of several problems the best one of each."""
    ranked = ranked_searches(stored.rows("runs"))
    rows, what = ranked[:_MAX_SEARCHES], "Search"
    if len(best) > 1:
        rows, what = [each.search for each in best if each.search], "Best search of each problem"
    elif len(ranked) > 1:
        what = f"The {len(rows)} best of {len(ranked):,} searches"
    elif ranked and ranked[0]["run"] == START:
        what = "The given coloring"
    return Table(
        ("search", "grid", "removed, %", "points, %", "pairs, %", "loss"), list(map(_search, rows)),
        title=f"{what}, before any repair", words=("search",), elastic="search", subject="run",
    )  # fmt: skip


def _search(row: Row) -> tuple[str, ...]:
    return (
        row["run"],
        "x".join(map(str, row["grid"] or ())),
        _of(row, "removed_percent"),
        _of(row, "point_rate", 100),
        _of(row, "pair_rate", 100),
        "" if row["loss"] is None else f"{row['loss']:.3g}",
    )


# --- notes --------------------------------------------------------------------------------------


def _sources(best: Sequence[Best]) -> Iterator[str]:
    known = {each.problem.words: each.published for each in best if each.published}
    for words, published in list(known.items())[:MAX_FINDINGS]:
        yield f"published, {words}: {published.best} %, {published.source}"
    if any(published.formal for published in known.values()):
        yield "formal, network: of arXiv 2501.18527; what a network removes is not rigorous"


def _work(stored: Stored) -> Iterator[str]:
    runs = [row for row in stored.rows("runs") if row["status"] == Status.OK]
    searches = [row for row in runs if row["run"] != START]
    if runs:
        what = _searches(len(searches)) if searches else "a given coloring"
        yield (
            f"{what}; points and pairs: shares of the points, "
            "and of the pairs at a forbidden distance, that are in conflict before any repair"
        )
    methods = {m: None for row in stored.rows("constructions") for m in row["methods"] or ()}
    if methods:
        yield f"made with {', '.join(sorted(methods))}"


def _failures(stored: Stored) -> Iterator[str]:
    """Why some searches and colorings have no result."""
    for table, noun in (("runs", "search"), ("constructions", "coloring")):
        rows = [row for row in stored.rows(table) if row["reason"]]
        for reason, number in Counter(row["reason"] for row in rows).most_common(_MAX_FAILURES):
            what = counted(number, noun) if noun != "search" else _searches(number)
            yield f"{what} without a result: {reason}"
    for row in stored.rows("verification"):
        if not row["valid"]:
            yield f"not verified: {row['item']}, {row['reason']}"


def _searches(number: int) -> str:
    return "1 search" if number == 1 else f"{number:,} searches"
