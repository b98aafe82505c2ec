"""Report of the studies of colorings: what was proved, beside what is published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.coloring.plan import best_constructions
from tasks.coloring.problem import Problem, problem_of
from tasks.coloring.published import published_of
from tasks.records import Report, Status, Stored, Table

__all__ = ["coloring_report", "percent", "problems_of"]

Row = Mapping[str, Any]
_MAX_LISTED = 60


def coloring_report(stored: Stored) -> Report:
    """The best certified coloring of each problem, the others, and what failed."""
    rows, checks = stored.rows("constructions"), _checks(stored)
    problems = problems_of(rows or stored.rows("runs"))
    best = {problem: best_constructions(rows, problem) for problem in problems}
    findings = [line for problem in problems for line in _findings(problem, best[problem], checks)]
    tables = [_problems_table(best, checks)] if len(problems) > 1 else []
    tables += [_colorings_table(rows, checks), _searches_table(stored)]
    return Report(findings, [table for table in tables if table.rows], list(_notes(stored)))


def problems_of(rows: Sequence[Row]) -> list[Problem]:
    """The problems of some rows, each once, in their order."""
    return list({row["problem"]: problem_of(row) for row in rows}.values())


def percent(value: float | None) -> str:
    """A removed fraction in percent: as many digits as tell records apart."""
    if value is None:
        return ""
    return f"{value:.4f}" if value and value < 10 else f"{value:.2f}" if value else "0"


def _checks(stored: Stored) -> dict[str, Row]:
    """Verdicts by certificate."""
    return {row["certificate"]: row for row in stored.rows("verification") if row["certificate"]}


def _findings(problem: Problem, best: Sequence[Row], checks: Mapping[str, Row]) -> Iterator[str]:
    if not best:
        yield f"{problem.words}: no certificate yet"
        return
    row, published = best[0], published_of(problem)
    removed = f"{percent(row['removed_percent'])} % removed"
    proved = _proof(checks.get(row["certificate"]))
    size = f"{row['tiles']:,} {'cells' if row['form'] == 'cells' else 'polygons'}"
    beside = f"; published: {published.best} %" if published else ""
    yield f"{problem.words}: {removed}, {proved} ({size}){beside}"
    for color, (asked, allowed) in enumerate(zip(problem.distances, row["allowed"], strict=True)):
        if asked != allowed:
            low, _, high = allowed.partition("-")
            yield f"  color {color} is proved to avoid every distance from {low} to {high}"


def _proof(check: Row | None) -> str:
    if check is None:
        return "not verified yet"
    return "proved by two checkers" if check["valid"] else "NOT VERIFIED"


def _problems_table(best: Mapping[Problem, Sequence[Row]], checks: Mapping[str, Row]) -> Table:
    rows = []
    for problem, found in best.items():
        published = published_of(problem)
        first = found[0] if found else None
        check = checks.get(first["certificate"]) if first else None
        rows.append(
            (
                problem.words,
                percent(first["removed_percent"]) if first else "",
                str(published.best) if published else "",
                _verdict(check) if first else "",
            )
        )
    headings = ("problem", "removed, %", "published, %", "both checkers")
    return Table(
        headings, rows, title="Best of each problem", words=("problem", "both checkers"),
        elastic="problem", subject="problem",
    )  # fmt: skip


def _verdict(check: Row | None) -> str:
    return "" if check is None else "valid" if check["valid"] else "not valid"


def _colorings_table(rows: Sequence[Row], checks: Mapping[str, Row]) -> Table:
    made = sorted(
        (row for row in rows if row["status"] == Status.OK),
        key=lambda row: (row["problem"], row["removed_percent"] is None, row["removed_percent"]),
    )
    shown = [
        (
            row["item"],
            row["form"],
            "x".join(map(str, row["shape"] or ())) or f"{row['tiles']:,}",
            percent(row["removed_percent"]),
            f"{row['offsets']:,}" if row["offsets"] is not None else "",
            _verdict(checks.get(row["certificate"])),
        )
        for row in made[:_MAX_LISTED]
    ]
    headings = ("coloring", "form", "size", "removed, %", "offsets", "both checkers")
    return Table(
        headings, shown, title="Colorings", words=("coloring", "form", "both checkers"),
        elastic="coloring", subject="coloring",
    )  # fmt: skip


def _searches_table(stored: Stored) -> Table:
    runs = [row for row in stored.rows("runs") if row["status"] == Status.OK]
    runs = [row for row in runs if row["estimate"] is not None]
    runs.sort(key=lambda row: (row["problem"], row["estimate"], row["run"]))
    shown = [
        (
            row["run"],
            percent(row["removed_percent"]),
            _rate(row["point_rate"]),
            _rate(row["pair_rate"]),
            "" if row["loss"] is None else f"{row['loss']:.3g}",
        )
        for row in runs[:_MAX_LISTED]
    ]
    headings = ("search", "removed, %", "points in conflict, %", "pairs in conflict, %", "loss")
    return Table(
        headings, shown, title="Searches", words=("search",), elastic="search", subject="run"
    )


def _rate(value: float | None) -> str:
    return "" if value is None else percent(100 * value)


def _notes(stored: Stored) -> Iterator[str]:
    runs = stored.rows("runs")
    made = [row for row in runs if row["status"] == Status.OK]
    if made:
        number = "1 search" if len(made) == 1 else f"{len(made):,} searches"
        yield f"{number}; rates are those of a search's own grid, before any repair"
    records = [row for row in stored.rows("records") if row["is_record"]]
    for row in records:
        yield (
            f"less than published: {row['item']}, {row['removed_percent']:.6f} % against "
            f"{row['published_percent']} % ({row['source']})"
        )
    methods = sorted({m for row in stored.rows("constructions") for m in row["methods"] or ()})
    if methods:
        yield f"made with {', '.join(methods)}"
