"""Report of the studies of colorings: what was proved, beside what is published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tasks.coloring.certificates.distances import Interval
from tasks.coloring.certified import Row, certified_rows, wider_intervals
from tasks.coloring.drawing.run_charts import sweeps_of
from tasks.coloring.items import START
from tasks.coloring.plan import search_rank
from tasks.coloring.problem import Problem, problem_of
from tasks.coloring.published import Published, published_of
from tasks.records import Report, Status, Stored, Table
from tasks.records.report import counted

__all__ = ["coloring_report", "free_intervals", "percent", "problems_of"]

_MAX_LISTED, _LEAST_LISTED = 60, 2
_MAX_FINDINGS = 6
"""Problems with a finding each; of more there is a summary."""
_MAX_FAILURES = 5


@dataclass(frozen=True)
class _Best:
    """What is known of a problem.

    Attributes
    ----------
    coloring, search : Row or None
        The certified coloring that removes least, and the best search.
    check : Row or None
        Of the coloring's certificate.
    is_record : bool
        Whether it removes less than is published, and both checkers say so.
    published : Published or None
    """

    problem: Problem
    coloring: Row | None
    search: Row | None
    check: Row | None
    is_record: bool
    published: Published | None


def coloring_report(stored: Stored) -> Report:
    """The best certified coloring of each problem, the others, the searches, and what failed."""
    best, checks = _best(stored), _checks(stored)
    tables = [_problems_table(best), _colorings_table(stored, checks), _searches_table(stored)]
    notes = [*_sources(best), *_work(stored), *_failures(stored)]
    return Report(list(_findings(stored, best)), [table for table in tables if table.rows], notes)


def problems_of(rows: Sequence[Row]) -> list[Problem]:
    """The problems of some rows, each once, in their order."""
    return list({row["problem"]: problem_of(row) for row in rows}.values())


def percent(value: float | None) -> str:
    """A removed fraction in percent: as many digits as tell records apart."""
    if value is None:
        return ""
    return f"{value:.4f}" if value and value < 10 else f"{value:.2f}" if value else "0"


def _best(stored: Stored) -> list[_Best]:
    checks, runs = _checks(stored), stored.rows("runs")
    records = {row["item"] for row in stored.rows("records") if row["is_record"]}
    colorings: dict[str, Row] = {}
    rows = certified_rows(stored)
    rows.sort(key=lambda row: not checks.get(row["certificate"], {"valid": True})["valid"])
    for row in rows:  # those that a checker refused only where there is no other
        colorings.setdefault(row["problem"], row)
    searches: dict[str, Row] = {}
    for row in _ranked(runs):
        searches.setdefault(row["problem"], row)
    found = []
    for problem in problems_of(runs):
        coloring = colorings.get(problem.key)
        check = checks.get(coloring["certificate"]) if coloring else None
        is_record = bool(coloring) and coloring["item"] in records
        search = searches.get(problem.key)
        known = published_of(problem)
        found.append(_Best(problem, coloring, search, check, is_record, known))
    return found


def _checks(stored: Stored) -> dict[str, Row]:
    """Verdicts by certificate."""
    return {row["certificate"]: row for row in stored.rows("verification") if row["certificate"]}


def _ranked(runs: Sequence[Row]) -> list[Row]:
    """Searches with a result, the best of each problem first."""
    good = [r for r in runs if r["status"] == Status.OK and r["estimate"] is not None]
    return sorted(good, key=lambda row: (row["problem"], *search_rank(row)))


# --- findings -----------------------------------------------------------------------------------


def _findings(stored: Stored, best: Sequence[_Best]) -> Iterator[str]:
    if len(best) <= _MAX_FINDINGS:
        for each in best:
            yield _finding(each)
            if each.coloring:
                for color, low, high in wider_intervals(each.coloring):
                    yield f"  color {color} avoids all distances from {low} to {high}"
    else:
        proved = [each for each in best if each.check and each.check["valid"]]
        yield f"{len(best)} problems: {_proved(proved)}"
        yield from (_finding(each) for each in proved if each.is_record)
    yield from _free(stored)


def _proved(proved: Sequence[_Best]) -> str:
    """Of how many problems there are colorings, and of how many without removed points."""
    rows = [(each.coloring["removed_percent"], each.problem.words)
            for each in proved if each.coloring]  # fmt: skip
    if not rows:
        return "no coloring is proved yet"
    free, (least, words) = sum(not removed for removed, _ in rows), min(rows)
    what = (
        f"nothing is removed in {free}" if free else f"least removed: {percent(least)} %, {words}"
    )
    return f"both checkers prove colorings of {len(rows)}; {what}"


def _finding(best: _Best) -> str:
    row, known = best.coloring, best.published
    if row is None:
        return f"{best.problem.words}: no certified coloring yet"
    size = f"{row['tiles']:,} {'cells' if row['form'] == 'cells' else 'polygons'}"
    removed = f"{percent(row['removed_percent'])} % removed" if row["removed_percent"] else ""
    line = f"{best.problem.words}: {removed or 'nothing removed'} by {size}, {_proof(best.check)}"
    if best.is_record and known:
        return f"{line}: a record, the least published is {known.best} %"
    return f"{line}; the least published is {known.best} %" if known else line


def _proof(check: Row | None) -> str:
    if check is None:
        return "not verified yet"
    return "proved by both checkers" if check["valid"] else "NOT VERIFIED"


def _free(stored: Stored) -> Iterator[str]:
    """What a sweep proves without removed points."""
    proved = {row["certificate"] for row in stored.rows("verification") if row["valid"]}
    rows = [row for row in certified_rows(stored) if row["certificate"] in proved]
    for own in sweeps_of([row for row in rows if not row["removed_percent"]]):
        if len(own) > 1:
            *others, _ = problem_of(own[0]).distances
            spans = ", ".join(_span(each) for each in free_intervals(own))
            yield f"({', '.join(others)}, d): nothing removed for all d in {spans}"


def free_intervals(rows: Sequence[Row]) -> list[Interval]:
    """The distances that the last colors of some colorings are proved to avoid, joined."""
    found: list[Interval] = []
    spans = (Interval.parse(row["allowed"][-1]) for row in rows)
    for each in sorted(spans, key=lambda interval: (interval.low, interval.high)):
        if found and each.low <= found[-1].high:
            found[-1] = Interval(found[-1].low, max(found[-1].high, each.high))
        else:
            found.append(each)
    return found


def _span(interval: Interval) -> str:
    return f"[{interval.low}, {interval.high}]"


# --- tables -------------------------------------------------------------------------------------


def _problems_table(best: Sequence[_Best]) -> Table:
    """A line for each problem; columns in which nothing stands are left out."""
    columns = {
        "problem": [each.problem.words for each in best],
        "removed, %": [_of(each.coloring, "removed_percent") for each in best],
        "both checkers": [_verdict(each.check) for each in best],
        "published, %": [_figure(each.published, "best") for each in best],
        "formal, %": [_figure(each.published, "formal") for each in best],
        "network, %": [_figure(each.published, "networks") for each in best],
        "search, %": [_of(each.search, "removed_percent") for each in best],
        "points, %": [_of(each.search, "point_rate", 100) for each in best],
        "pairs, %": [_of(each.search, "pair_rate", 100) for each in best],
    }
    shown = {heading: texts for heading, texts in columns.items() if any(texts)}
    return Table(
        tuple(shown), list(zip(*shown.values(), strict=True)), title="Best of each problem",
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
    most, seen = max(_LEAST_LISTED, _MAX_LISTED // max(len(problems), 1)), Counter[str]()
    found = []
    for row in rows:
        seen[row["problem"]] += 1
        if seen[row["problem"]] <= most:
            found.append(row)
    return found


def _searches_table(stored: Stored) -> Table:
    shown = [
        (
            row["run"],
            "x".join(map(str, row["grid"] or ())),
            _of(row, "removed_percent"),
            _of(row, "point_rate", 100),
            _of(row, "pair_rate", 100),
            "" if row["loss"] is None else f"{row['loss']:.3g}",
        )
        for row in _listed(_ranked(stored.rows("runs")))
    ]
    headings = ("search", "grid", "removed, %", "points, %", "pairs, %", "loss")
    return Table(
        headings, shown, title="Searches, the best first",
        words=("search",), elastic="search", subject="run",
    )  # fmt: skip


# --- notes --------------------------------------------------------------------------------------


def _sources(best: Sequence[_Best]) -> Iterator[str]:
    known = {each.problem.words: each.published for each in best if each.published}
    for words, published in list(known.items())[:_MAX_FINDINGS]:
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
