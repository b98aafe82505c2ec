"""Report of the study `adaptive-frank-wolfe`: who wins where, and what becomes of the claims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from tasks.frankwolfe.adaptive.methods import METHODS
from tasks.frankwolfe.adaptive.results import MEASURES, Group, Results
from tasks.nn.statistics import Difference, difference
from tasks.records import Figure, Report, Status, Stored, Table
from tasks.records.report import counted

__all__ = ["adaptive_figures", "adaptive_report"]

GROUPS = (
    Group("cheap projection, well scaled", False, False),
    Group("cheap projection, badly scaled", False, True),
    Group("dear projection, well scaled", True, False),
    Group("dear projection, badly scaled", True, True),
)
PROJECTED = ("adagrad", "amsgrad")
"""Methods that are not projection-free."""
PAIRS = (("adasfw", "sfw"), ("adasvrf", "svrf"), ("adacsfw", "csfw"))
"""Methods with a metric, and the same without."""


def adaptive_report(stored: Stored) -> Report:
    """The winners, the claims, then a table of methods and one of problems."""
    results = Results.of(stored)
    if not results.problems:
        return Report(["nothing is minimized yet"], (), [*_failures(stored)])
    findings = [*_winners(results), *_claims(results)]
    tables = [*_method_table(results), _problem_table(results), *_pair_table(results)]
    return Report(findings, tables, [*_notes(stored, results), *_failures(stored)])


def adaptive_figures(stored: Stored) -> Iterator[Figure]:
    """Errors against each kind of work, and who wins where."""
    if not Results.of(stored).problems:
        return
    for name in (*MEASURES, "winners"):
        draw = partial(_figure, stored, name)
        yield Figure(f"figures/{name}.png", draw, ("optima", "curve"))


def _figure(stored: Stored, name: str) -> Any:
    # matplotlib is slow to import.
    from tasks.frankwolfe.adaptive import figures

    results = Results.of(stored)
    if name == "winners":
        return figures.draw_winners(results, GROUPS)
    return figures.draw_errors(results, name)


# --- findings -----------------------------------------------------------------------------------


def _winners(results: Results) -> Iterator[str]:
    """For every kind of problems and of work: which methods have the least error, how often."""
    for group in GROUPS:
        problems = results.of_group(group)
        if not problems:
            continue
        texts = [f"{m} {_counts(results, problems, m)}" for m in MEASURES]
        where = f"{group.title} ({counted(len(problems), 'problem')})"
        yield f"least error, {where}: {'; '.join(texts)}"


def _counts(results: Results, problems: Sequence[str], measure: str) -> str:
    wins: dict[str, int] = {}
    for problem in problems:
        name = results.winner(problem, measure)
        wins[name] = wins.get(name, 0) + 1
    ordered = sorted(wins.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{METHODS[name].label} {count}" for name, count in ordered)


def _claims(results: Results) -> Iterator[str]:
    """Claims of arXiv:2009.14114, and what is expected of them."""
    for one, other in PAIRS:
        yield from _claim(
            results, f"published: {_label(one)} is ahead of {_label(other)}", one, other
        )
    yield from _claim_of_best(results)
    for group, measure in (
        (Group("dear", True), "seconds"),
        (Group("dear", True), "gradients"),
        (Group("cheap", False), "gradients"),
    ):
        one, other = ("adasfw", "adagrad") if group.is_dear else ("adagrad", "adasfw")
        what = f"expected: where projection is {group.title}, {_label(one)} is ahead of"
        yield from _claim(results, f"{what} {_label(other)}", one, other, measure, group)
    yield from _claim_of_scaling(results)


def _claim(
    results: Results,
    what: str,
    one: str,
    other: str,
    measure: str = "gradients",
    group: Group | None = None,
) -> Iterator[str]:
    problems = [
        name
        for name in (results.of_group(group) if group else results.problems)
        if results.lead(name, one, other, measure)
    ]
    found = results.mean_lead(problems, one, other, measure)
    if not problems or found is None:
        return
    leads = [results.lead(name, one, other, measure) for name in problems]
    held = sum(lead.verdict == "holds" for lead in leads if lead)
    lost = sum(lead.verdict == "does not hold" for lead in leads if lead)
    yield (
        f"{what} at equal {measure} -> {found.verdict}, {_decades(found)} in the mean; on "
        f"{counted(len(problems), 'problem')}: {held} ahead, {lost} behind, "
        f"{len(problems) - held - lost} not settled"
    )


def _claim_of_best(results: Results) -> Iterator[str]:
    """Whether AdaSVRF beats every other stochastic Frank-Wolfe method."""
    rivals = [
        name
        for name in results.methods
        if METHODS[name].is_stochastic and name not in (*PROJECTED, "adasvrf")
    ]
    if "adasvrf" not in results.methods or not rivals:
        return
    leads = [
        results.lead(problem, "adasvrf", results.winner(problem, "gradients", rivals), "gradients")
        for problem in results.problems
    ]
    verdicts = Counter(lead.verdict for lead in leads if lead is not None)
    ahead, behind, half = verdicts["holds"], verdicts["does not hold"], len(leads) / 2
    verdict = "holds" if ahead > half else "does not hold" if behind >= half else "not settled"
    yield (
        "published: AdaSVRF is the best stochastic Frank-Wolfe method on most problems -> "
        f"{verdict}; beside the best of the others on {counted(len(leads), 'problem')}: {ahead} "
        f"ahead, {behind} behind, {len(leads) - ahead - behind} not settled"
    )


def _claim_of_scaling(results: Results) -> Iterator[str]:
    """Whether the metric helps more where columns differ in size."""
    groups = [results.of_group(Group("", None, is_bad)) for is_bad in (True, False)]
    if not all(groups) or not {"adasfw", "sfw"} <= set(results.methods):
        return
    bad, well = (results.leads(problems, "adasfw", "sfw", "gradients") for problems in groups)
    found = difference(bad, well)
    if found is not None:
        yield (
            "expected: AdaSFW gains more over SFW where scaling is bad -> "
            f"{found.verdict}, {_decades(found)}"
        )


def _decades(found: Difference) -> str:
    return f"{found.interval.plain(2, '+')} powers of ten"


def _label(name: str) -> str:
    return METHODS[name].label


# --- tables -------------------------------------------------------------------------------------


def _method_table(results: Results) -> Iterator[Table]:
    """Wins, and mean logarithms of errors by kind of problem, at equal gradients."""
    groups = [(group, results.of_group(group)) for group in GROUPS]
    used = [(group, problems) for group, problems in groups if problems]
    winners = {m: [results.winner(problem, m) for problem in results.problems] for m in MEASURES}
    rows = []
    for name in results.methods:
        cells = [str(winners[m].count(name)) for m in MEASURES]
        for _, problems in used:
            values = [results.mean(problem, name) for problem in problems]
            known = [value for value in values if value == value]
            # Methods that do not run on all of them are not comparable.
            cells.append(f"{sum(known) / len(known):.2f}" if len(known) == len(values) else "")
        rows.append([_label(name), *cells])
    headings = ("method", *(f"wins, {m}" for m in MEASURES), *(_short(g) for g, _ in used))
    title = "wins at equal work; mean log10 of the relative error at equal gradients"
    yield Table(headings, rows, title, words=("method",), num_keys=1, subject="method")


def _short(group: Group) -> str:
    return group.title.replace(" projection", "").replace(" scaled", "")


def _problem_table(results: Results) -> Table:
    """Each problem with its gap and its winners."""
    rows = []
    for problem in results.problems:
        row = results.optima[problem]
        cells = [
            f"{row['num_terms']:,}",
            f"{row['num_weights']:,}",
            f"{row['relative_gap'] or 0:.0e}",
        ]
        for measure in MEASURES:
            name = results.winner(problem, measure)
            cells.append(f"{_label(name)} {results.mean(problem, name, measure):.1f}")
        rows.append([problem, *cells, _runner_up(results, problem)])
    headings = ("problem", "terms", "weights", "gap", *(f"best, {m}" for m in MEASURES), "lead")
    return Table(
        headings,
        rows,
        "winners with log10 of their relative errors; lead over the next at equal gradients",
        words=("problem", *headings[4:7]),
        num_keys=1,
        subject="problem",
    )


def _runner_up(results: Results, problem: str) -> str:
    """By how much the winner at equal gradients leads, with its interval."""
    first = results.winner(problem, "gradients")
    others = [name for name in results.methods if name != first]
    second = results.winner(problem, "gradients", others) if others else ""
    found = results.lead(problem, first, second, "gradients") if second else None
    return "" if found is None else found.interval.plain(2, "+")


def _pair_table(results: Results) -> Iterator[Table]:
    """By how many powers of ten the metric lowers the error, paired by repetition."""
    pairs = [pair for pair in (*PAIRS, ("adasfw", "adagrad")) if set(pair) <= set(results.methods)]
    rows = []
    for problem in results.problems:
        found = [results.lead(problem, *pair, "gradients") for pair in pairs]
        rows.append(
            [problem, *("" if each is None else each.interval.plain(2, "+") for each in found)]
        )
    if pairs:
        headings = ("powers of ten", *(f"{_label(a)} over {_label(b)}" for a, b in pairs))
        title = "leads at equal gradients, 95 % intervals over repetitions"
        yield Table(headings, rows, title, words=headings[:1], num_keys=1, subject="problem")


def _notes(stored: Stored, results: Results) -> Iterator[str]:
    settings = stored.settings
    yield (
        f"{counted(settings['seeds'], 'repetition')} with batches of {settings['batch']} and 95 % "
        "intervals over them; methods with full gradients have none"
    )
    yield (
        "methods with a metric have the best of "
        f"{counted(len(settings['rate_factors']), 'rate')} by the error itself, on batches of "
        "their own, whose work is not counted; the steps of all others are as published"
    )
    gaps = [row["relative_gap"] or 0.0 for row in results.optima.values()]
    checked = stored.rows("verification")
    good = sum(row["status"] == Status.OK for row in checked)
    yield (
        f"optima: {len(gaps)}, largest relative gap {max(gaps, default=0.0):.0e}; checked by other "
        f"code: {good} of {len(checked)}"
    )


def _failures(stored: Stored) -> Iterator[str]:
    for table in ("optima", "choices", "runs", "verification"):
        for row in stored.rows(table):
            if row["status"] != Status.OK:
                yield f"{row['item']}: {row['status']}, {row['reason']}"
