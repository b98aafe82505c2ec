"""What is known of the problems of a stored run of colorings, and the lines that say it first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from tasks.coloring.certificates.distances import Interval
from tasks.coloring.certified import Row, certified_rows, in_ranges, wider_groups
from tasks.coloring.drawing.run_charts import sweeps_of
from tasks.coloring.plan import search_rank
from tasks.coloring.problem import Problem, problem_of
from tasks.coloring.published import Published, published_of
from tasks.records import Status, Stored

__all__ = ["Best", "best_of_problems", "checks_of", "findings_of", "free_intervals", "percent"]
__all__ += ["ranked_searches"]

MAX_FINDINGS = 6
"""Problems with a finding each; of more there is a summary."""
_MOST_LISTED = 10
"""Distances of colors that are listed one by one."""


@dataclass(frozen=True)
class Best:
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


def best_of_problems(stored: Stored) -> list[Best]:
    """What is known of each problem of a run, in their order."""
    checks, runs = checks_of(stored), stored.rows("runs")
    records = {row["item"] for row in stored.rows("records") if row["is_record"]}
    colorings: dict[str, Row] = {}
    rows = certified_rows(stored)
    rows.sort(key=lambda row: not checks.get(row["certificate"], {"valid": True})["valid"])
    for row in rows:  # those that a checker refused only where there is no other
        colorings.setdefault(row["problem"], row)
    searches: dict[str, Row] = {}
    for row in ranked_searches(runs):
        searches.setdefault(row["problem"], row)
    found = []
    for problem in _problems(runs):
        coloring = colorings.get(problem.key)
        check = checks.get(coloring["certificate"]) if coloring else None
        is_record = bool(coloring) and coloring["item"] in records
        search = searches.get(problem.key)
        known = published_of(problem)
        found.append(Best(problem, coloring, search, check, is_record, known))
    return found


def checks_of(stored: Stored) -> dict[str, Row]:
    """Verdicts by certificate."""
    return {row["certificate"]: row for row in stored.rows("verification") if row["certificate"]}


def ranked_searches(runs: Sequence[Row]) -> list[Row]:
    """Searches with a result, the best of each problem first."""
    good = [r for r in runs if r["status"] == Status.OK and r["estimate"] is not None]
    return sorted(good, key=lambda row: (row["problem"], *search_rank(row)))


def _problems(rows: Sequence[Row]) -> list[Problem]:
    """The problems of some rows, each once, in their order."""
    return list({row["problem"]: problem_of(row) for row in rows}.values())


def percent(value: float | None) -> str:
    """A removed fraction in percent: as many digits as tell records apart."""
    if value is None:
        return ""
    return f"{value:.4f}" if value and value < 10 else f"{value:.2f}" if value else "0"


# --- lines --------------------------------------------------------------------------------------


def findings_of(stored: Stored, best: Sequence[Best]) -> Iterator[str]:
    """A line for each problem, or a summary of many; what a sweep proves without removed points."""
    if len(best) <= MAX_FINDINGS:
        for each in best:
            yield _finding(each)
            if each.coloring:
                for colors, low, high in wider_groups(each.coloring):
                    avoid = "avoids" if len(colors) == 1 else "avoid"
                    yield f"  {in_ranges(colors)} {avoid} all distances from {low} to {high}"
    else:
        proved = [each for each in best if each.check and each.check["valid"]]
        yield f"{len(best)} problems: {_proved(proved)}"
        yield from (_finding(each) for each in proved if each.is_record)
    yield from _free(stored)


def _proved(proved: Sequence[Best]) -> str:
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


def _finding(best: Best) -> str:
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
            yield f"({_listed(others)}, d): nothing removed for all d in {spans}"


def _listed(distances: Sequence[str]) -> str:
    """The distances of colors; of many colors equal ones together.

    >>> _listed(["1", "1", "0.5"]), _listed(["1"] * 199)
    ('1, 1, 0.5', '199 times 1')
    """
    if len(distances) <= _MOST_LISTED:
        return ", ".join(distances)
    groups = [(len(list(group)), text) for text, group in groupby(distances)]
    return ", ".join(f"{number} times {text}" if number > 1 else text for number, text in groups)


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
