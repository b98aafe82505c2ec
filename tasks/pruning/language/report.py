"""Report of the study `perp`: what pruning costs, what is won back, and with how little."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from tasks.nn.statistics import Difference, interval
from tasks.pruning.language.methods import parse_method
from tasks.pruning.language.results import DENSE, PRUNED, Case, Results, best_sparse
from tasks.records import Figure, Report, Status, Stored, Table
from tasks.records.report import counted

__all__ = ["perp_figures", "perp_report"]

HEADINGS = ("model", "pruned by", "method", "trained %", "perplexity", "won back %", "other text",
            "won back there %")  # fmt: skip
COSTS = ("model", "pruned by", "method", "tokens", "CPU s", "GiB", "zeros lost")
SOUP = "soup of "
"""Before the method, of means of branches."""
CLOSE = 0.1
"""Of what pruning costs: methods whose results differ by less are said to match."""
HALVES = ("masklora", "reconstruct")
"""Methods that are asked whether they win back half."""
Row = Mapping[str, Any]


def perp_report(stored: Stored) -> Report:
    """Findings and claims, one row per model and method, then the layers."""
    found = Results.of(stored)
    settings = stored.settings
    findings = [line for case in found.cases for line in _finding(found, case)]
    tables = [*_tables(found), *_layer_table(stored)]
    notes = [
        f"{counted(settings['seeds'], 'repetition')}; a value of several has its 95 % interval",
        "won back: the share of the log-perplexity lost by pruning that a method regains, counting "
        "only what exceeds the gain of the dense model retrained with as many tokens; both texts "
        "are held out, and nothing is trained on the other one",
        "CPU seconds are of the last attempt; GiB are the largest resident memory of its process, "
        "libraries and what it did before included",
        *_soups(settings),
        *_claims(found),
        *_sources(stored),
        *_verified(stored),
        *_failures(stored),
        *_exportable(stored),
    ]
    return Report(findings or ["no model is measured yet"], tables, notes)


def perp_figures(stored: Stored) -> Iterator[Figure]:
    """Perplexity against the trained share; errors per layer; seconds and memory."""
    for name, tables in (
        ("recovery", ("models", "perplexities")),
        ("layers", ("layers",)),
        ("costs", ("models",)),
    ):
        yield Figure(f"figures/{name}.png", partial(_figure, stored, name), tables)


def _figure(stored: Stored, name: str) -> Any:
    # matplotlib is slow to import.
    from tasks.pruning.language import figures

    return getattr(figures, f"draw_{name}")(stored)


# --- the table ----------------------------------------------------------------------------------


def _tables(found: Results) -> Iterator[Table]:
    """What each model is worth, and what it cost."""
    groups: list[tuple[str, Case | None, str, Sequence[Row]]] = []
    for label in found.labels:
        groups += [(label, None, name, part) for name, part in found.dense(label).items()]
        for case in (case for case in found.cases if case.model == label):
            groups += [(label, case, name, part) for name, part in found.methods(case).items()]
    yield _table(HEADINGS, [_values(found, *group) for group in groups])
    yield _table(COSTS, [_costs(found, *group) for group in groups], "what it took")


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> Table:
    """Without columns that nobody has, and without the model's if there is one only."""
    models = {row[0] for row in rows}
    used = [k for k in range(1, len(headings)) if any(row[k] for row in rows)]
    used = [0, *used] if len(models) != 1 else used
    title = ": ".join(filter(None, (*(models if len(models) == 1 else ()), title)))
    words = ("model", "pruned by", "method")
    shown = [headings[k] for k in used]
    num_keys = sum(name in words for name in shown)
    cells = [[row[k] for k in used] for row in rows]
    return Table(shown, cells, title=title, words=words, num_keys=num_keys, subject="model")


def _how(case: Case | None) -> str:
    return f"{case.criterion} {case.pattern}" if case else ""


def _values(
    found: Results, label: str, case: Case | None, method: str, part: Sequence[Row]
) -> list[str]:
    share, shares = part[0]["trained_share"], ["", ""]
    if case is not None and method != PRUNED:
        shares = [_share(found, case, method, trained_on=own) for own in (True, False)]
    return [
        label,
        _how(case),
        method,
        f"{100 * share:.3g}" if share else "",
        found.perplexity(part).plain(2),
        shares[0],
        found.perplexity(part, trained_on=False).plain(2),
        shares[1],
    ]


def _costs(
    found: Results, label: str, case: Case | None, method: str, part: Sequence[Row]
) -> list[str]:
    cost = found.cost(part)
    return [
        label,
        _how(case),
        method,
        f"{part[0]['tokens']:,}" if part[0]["tokens"] else "",
        _seconds(cost.cpu_seconds),
        f"{cost.peak_bytes / 2**30:.2f}" if cost.peak_bytes else "",
        f"{sum(row['zeros_lost'] for row in part):,}" if case is not None else "",
    ]


def _seconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}" if value else ""


def _share(found: Results, case: Case, method: str, *, trained_on: bool) -> str:
    values = found.won_back(case, method, trained_on=trained_on)
    return interval(values.values()).percent(0) if values else ""


def _layer_table(stored: Stored) -> Iterator[Table]:
    """Mean relative errors of the layers, by what was done."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in stored.rows("layers"):
        key = (row["model"], f"{row['criterion']} {row['pattern']}", row["method"])
        groups.setdefault(key, []).append(row)
    rows = []
    for key, part in groups.items():
        columns = ("before", "error", "best_error", "lower_bound")
        rows.append([*key, f"{len(part):,}", *(_mean_percent(part, name) for name in columns)])
    headings = ("model", "pruned by", "method", "layers", "mask %", "stored %", "best weights %",
                "lower bound %")  # fmt: skip
    if rows:
        yield _table(headings, rows, "errors of layers, relative to |XW'|²")


def _mean_percent(part: Sequence[Row], column: str) -> str:
    values = [row[column] for row in part if row[column] is not None]
    return f"{100 * sum(values) / len(values):.3g}" if values else ""


# --- words --------------------------------------------------------------------------------------


def _finding(found: Results, case: Case) -> Iterator[str]:
    """What pruning costs, and which method that keeps the zeros wins back most."""
    methods, dense = found.methods(case), found.dense(case.model)
    if PRUNED not in methods or DENSE not in dense:
        return
    text = (
        f"{case}: perplexity {found.perplexity(dense[DENSE]).plain(2)} dense, "
        f"{found.perplexity(methods[PRUNED]).plain(2)} pruned"
    )
    sparse = {m: rows for m, rows in methods.items() if not any(r["zeros_lost"] for r in rows)}
    better = {m: found.losses(rows) for m, rows in sparse.items() if m != PRUNED}
    means = {m: sum(values.values()) / len(values) for m, values in better.items() if values}
    for method in sorted(means, key=means.__getitem__)[:1]:
        share = methods[method][0]["trained_share"]
        trained = f" with {100 * share:.3g} % of the parameters" if share else ""
        won = _share(found, case, method, trained_on=True)
        regained = f", {won} % of the loss won back" if won else ""
        text += f", {found.perplexity(methods[method]).plain(2)} by {method}{trained}{regained}"
    yield text


def _claims(found: Results) -> Iterator[str]:
    """Claims of arXiv:2312.15230 and arXiv:2510.14444, with what is seen of them here."""
    for case in found.cases:
        methods = found.methods(case)
        if "full" in methods:
            full = found.won_back(case, "full")
            for method in (name for name in methods if _is_tiny_subset(methods[name])):
                yield from _matching(case, method, full, found.won_back(case, method))
        if "reconstruct" in methods and PRUNED in methods:
            yield from _improving(found, case)
        for method in (name for name in HALVES if name in methods):
            yield from _half(case, method, found.won_back(case, method))
    yield "published: 30 billion parameters on one GPU within minutes -> not settled, not run here"


def _half(case: Case, method: str, shares: Mapping[int, float]) -> Iterator[str]:
    """Whether a method wins back half of what pruning costs; a question of ours."""
    if shares:
        verdict = Difference(interval(share - 0.5 for share in shares.values())).verdict
        yield (
            f"here: {method} wins back half ({case}) -> {verdict}, "
            f"{interval(shares.values()).percent(1)} %"
        )


def _soups(settings: Mapping[str, Any]) -> Iterator[str]:
    if settings["members"] > 1:
        yield (
            f"a soup takes the tokens of its {settings['members']} branches; what it wins back is "
            "counted beyond the dense model retrained with those of one"
        )


def _is_tiny_subset(part: Sequence[Row]) -> bool:
    if not part[0]["trained_share"]:
        return False
    found = parse_method(part[0]["method"].removeprefix(SOUP))
    return not found.adapter and not found.alone and set(found.subsets) <= {"biases", "norms"}


def _matching(
    case: Case, method: str, full: Mapping[int, float], own: Mapping[int, float]
) -> Iterator[str]:
    common = sorted(full.keys() & own.keys())
    if not common:
        return
    gap = interval(full[r] - own[r] for r in common)
    above = Difference(interval(CLOSE - (full[r] - own[r]) for r in common)).verdict
    yield (
        f"published: {method} matches full retraining ({case}; within {100 * CLOSE:.0f} points of "
        f"what pruning costs) -> {above}, {gap.percent(1)} points behind"
    )


def _improving(found: Results, case: Case) -> Iterator[str]:
    methods = found.methods(case)
    pruned, fitted = (found.losses(methods[name]) for name in (PRUNED, "reconstruct"))
    common = sorted(pruned.keys() & fitted.keys())
    if common:
        gain = Difference(interval(pruned[r] - fitted[r] for r in common))
        yield (
            f"published: reconstruction improves {case} -> {gain.verdict}, "
            f"{gain.interval.plain(3, sign='+')} nats per token"
        )


def _sources(stored: Stored) -> Iterator[str]:
    """Notes on the dense models and texts."""
    for row in stored.rows("models"):
        if row["method"] == DENSE and row["note"] and not row["replicate"]:
            yield f"{row['model']}: {row['note']}"


def _verified(stored: Stored) -> Iterator[str]:
    rows = stored.rows("verification")
    wrong = [row for row in rows if row["status"] != Status.OK]
    stray = sum(row["stray"] or 0 for row in rows)
    yield (
        f"verified from their files: {len(rows) - len(wrong)} of {len(rows)} models; "
        f"{stray:,} pruned weights are not zero"
    )
    for row in wrong:
        yield f"{row['item']}: {row['reason']}"


def _failures(stored: Stored) -> Iterator[str]:
    for row in stored.rows("models"):
        if row["status"] != Status.OK:
            yield f"{row['item']}: {row['status']}, {row['reason']}"
        elif row["note"] and row["method"] != DENSE and not row["method"].startswith(SOUP):
            yield f"{row['item']}: {row['note']}"


def _exportable(stored: Stored) -> Iterator[str]:
    """The best sparse model, and how to take it out."""
    best = best_sparse(stored)
    if best is not None:
        yield (
            f"`latticework export {stored.run.run_id} --item {best['item']} --to FOLDER` writes "
            "the sparse model with the least loss as a folder for from_pretrained"
        )
