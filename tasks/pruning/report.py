"""Reports of the studies `sparse-soup` and `imp`: comparisons that are paired by repetition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from tasks.nn.statistics import Difference, Interval, difference, interval, per_replicate
from tasks.pruning.statistics import soup_methods
from tasks.records import Figure, Report, Status, Stored, Table
from tasks.records.report import counted

__all__ = ["imp_figures", "imp_report", "soup_figures", "soup_report"]

SOUP_HEADINGS = ("sparse", "method", "epochs", "accuracy", "worst", "ECE", "OOD", "faster")
"""Percent of weights pruned; epochs of all trainings a model needed; accuracies in percent: all
test images, the worst class, corrupted images; theoretical speed-up."""
COMPARED = {
    "soup": "the soup is",
    "best member": "that of its best member",
    "IMP": "that of plain IMP",
    "IMP, m-fold": "that of IMP with m-fold retraining",
}
RIVALS = ("mean member", "best member", "IMP", "IMP, m-fold", "IMP-RePrune", "ensemble")
CLAIMS = (
    ("the soup is more accurate than its members", "mean member", "accuracy"),
    ("the soup is more accurate than IMP", "IMP", "accuracy"),
    ("the soup is more accurate than IMP with m-fold retraining", "IMP, m-fold", "accuracy"),
    ("on corrupted images the soup is more accurate than its members", "mean member",
     "ood_accuracy"),
    ("on corrupted images the soup is more accurate than IMP with m-fold retraining",
     "IMP, m-fold", "ood_accuracy"),
)  # fmt: skip
"""Published claims (arXiv:2306.16788), the rival and the column that they are about."""
IMP_HEADINGS = ("sparsity", "retraining", "method", "steps", "accuracy", "worst class", "ECE")
FAVORITE = "imp-allr"
Row = Mapping[str, Any]
Methods = Mapping[str, Sequence[Row]]


# --- soups --------------------------------------------------------------------------------------


def soup_report(stored: Stored) -> Report:
    """The soup against its members and rivals at the end, then one row per phase and method."""
    models, config = stored.rows("models"), stored.settings
    phases = sorted({row["phase"] for row in models if row["phase"]})
    per_epoch = _steps_per_epoch(models, config)
    dense = [r for r in models if r["method"] == "dense" and r["status"] == Status.OK]
    rows = [_soup_cells("dense", dense, per_epoch)] if dense else []
    methods: Methods = {}
    for phase in phases:
        methods = soup_methods(models, phase, vary=config["vary"])
        rows += [_soup_cells(name, part, per_epoch) for name, part in methods.items()]
    table = Table(SOUP_HEADINGS, rows, words=("method",), num_keys=2, subject="method")
    how = (
        f"means over {counted(config['seeds'], 'repetition')} with 95 % intervals; "
        f"m = {config['members']}, members by {config['vary']}, merged: {config['merge']}; "
        "all statistics of normalization re-estimated"
    )
    findings = [*_result(methods), *_rivals(methods), *_claims(methods)] or [
        "no soup is stored for the last phase"
    ]
    return Report(findings, [table], [how, *_distances(stored), *_failures(stored, models)])


def soup_figures(stored: Stored) -> Iterator[Figure]:
    """Accuracies against sparsity and the distances of members."""
    yield Figure("figures/soup.png", partial(_soup_figure, stored), ("models", "distances"))


def _soup_figure(stored: Stored) -> Any:
    # matplotlib is slow to import.
    from tasks.pruning.figures import draw_soup

    vary = stored.settings["vary"]
    return draw_soup(stored.rows("models"), stored.rows("distances"), vary=vary)


def _steps_per_epoch(models: Sequence[Row], config: Mapping[str, Any]) -> float:
    """From the dense training, which has a known number of epochs unless it is cut short."""
    steps = [row["total_steps"] for row in models if row["method"] == "dense"]
    known = config["method"] == "imp" and steps and steps[0]
    return steps[0] / config["epochs"] if known else 0.0


def _soup_cells(name: str, part: Sequence[Row], per_epoch: float) -> list[str]:
    """A method in a phase, as people read it."""
    columns = ("accuracy", "worst_class", "calibration_error", "ood_accuracy", "speed_up")
    found = {column: _mean(part, column) for column in columns}
    steps = sum(row["total_steps"] for row in part) / len(part)
    ood = found["ood_accuracy"]
    return [
        f"{100 * sum(row['sparsity'] for row in part) / len(part):.2f}",
        name,
        f"{steps / per_epoch:.1f}" if per_epoch else f"{steps:.0f} steps",
        found["accuracy"].percent(),
        f"{100 * found['worst_class'].mean:.1f}",
        f"{found['calibration_error'].mean:.3f}",
        ood.percent(1) if ood.count else "",
        f"{found['speed_up'].mean:.1f}",
    ]


def _result(methods: Methods) -> Iterator[str]:
    """The soup of the last phase beside its best member and plain pruning, in words."""
    if "soup" not in methods:
        return
    pruned = 100 * methods["soup"][0]["sparsity"]
    texts = [
        f"{text} {_mean(methods[name], 'accuracy').percent()} %"
        for name, text in COMPARED.items()
        if name in methods
    ]
    yield f"with {pruned:.2f} % of the weights pruned, the accuracy of {', '.join(texts)}"


def _claims(methods: Methods) -> Iterator[str]:
    for claim, rival, column in CLAIMS:
        found = _paired(methods, "soup", rival, column)
        if found is not None:
            seeds = counted(found.interval.count, "seed")
            yield f"published: {claim} -> {found.verdict} here ({seeds})"


def _rivals(methods: Methods) -> Iterator[str]:
    for rival in RIVALS:
        texts = [
            f"{word} {found.points()}"
            for word, column in (("accuracy", "accuracy"), ("corrupted", "ood_accuracy"))
            if (found := _paired(methods, "soup", rival, column)) is not None
        ]
        if texts:
            yield f"soup - {rival}, paired, points: {', '.join(texts)}"


def _distances(stored: Stored) -> Iterator[str]:
    by_phase: dict[int, list[float]] = {}
    for row in stored.rows("distances"):
        if row["second"] >= 0:
            by_phase.setdefault(row["phase"], []).append(row["relative"])
    if by_phase:
        means = ", ".join(f"{sum(v) / len(v):.3f}" for _, v in sorted(by_phase.items()))
        yield f"mean relative distance between members, phase by phase: {means}"


# --- comparisons of schedules -------------------------------------------------------------------


def imp_report(stored: Stored) -> Report:
    """The adaptive rates beside everything else, then one row per sparsity, length and method."""
    models = stored.rows("models")
    good = [row for row in models if row["status"] == Status.OK]
    dense = [row for row in good if row["method"] == "dense"]
    rows = [_imp_cells("0", "", "dense", dense)] if dense else []
    findings = []
    for target, budget in sorted(
        {(r["target"], r["budget"]) for r in good if r["budget"] is not None}
    ):
        methods: dict[str, list[Row]] = {}
        for row in good:
            if (row["target"], row["budget"]) == (target, budget):
                methods.setdefault(row["method"], []).append(row)
        rows += [_imp_cells(f"{target:g}", f"{budget:g}", n, part) for n, part in methods.items()]
        findings += _favorite(methods, target, budget)
    table = Table(IMP_HEADINGS, rows, words=("method",), num_keys=3, subject="method")
    how = (
        f"means over {counted(stored.settings['seeds'], 'repetition')} with 95 % intervals; "
        "retraining in epochs after every pruning; methods of one sparsity and length take the "
        "same steps in all"
    )
    findings = findings or [f"{len(good)} of {len(models)} models are good"]
    return Report(findings, [table], [how, *_failures(stored, models)])


def imp_figures(stored: Stored) -> Iterator[Figure]:
    """Accuracy against the length of retraining, and against sparsity if there are several."""
    yield Figure("figures/imp.png", partial(_imp_figure, stored), ("models",))


def _imp_figure(stored: Stored) -> Any:
    from tasks.pruning.figures import draw_imp

    return draw_imp(stored.rows("models"))


def _imp_cells(target: str, budget: str, name: str, part: Sequence[Row]) -> list[str]:
    return [
        target,
        budget,
        name,
        f"{part[0]['total_steps']:,}",
        _mean(part, "accuracy").percent(),
        f"{100 * _mean(part, 'worst_class').mean:.1f}",
        f"{_mean(part, 'calibration_error').mean:.3f}",
    ]


def _favorite(methods: Methods, target: float, budget: float) -> Iterator[str]:
    """The adaptive linear schedule beside everything else, paired."""
    others = [name for name in methods if name != FAVORITE]
    pairs = [(name, _paired(methods, FAVORITE, name, "accuracy")) for name in others]
    texts = [f"{name} {found.points()}" for name, found in pairs if found is not None]
    if texts:
        yield f"allr minus others at {target:g} after {budget:g} epochs: {', '.join(texts)}"


# --- both ---------------------------------------------------------------------------------------


def _mean(part: Sequence[Row], column: str) -> Interval:
    return interval(per_replicate(part, column).values())


def _paired(methods: Methods, first: str, second: str, column: str) -> Difference | None:
    if first not in methods or second not in methods:
        return None
    one, other = (per_replicate(methods[name], column) for name in (first, second))
    return difference(one, other)


def _failures(stored: Stored, models: Sequence[Row]) -> Iterator[str]:
    """What the verification found, notes on soups with missing members, and what failed."""
    rows = stored.rows("verification")
    wrong = [row for row in rows if row["status"] != Status.OK]
    stray = sum(row["stray"] or 0 for row in rows if row["status"] == Status.OK)
    yield (
        f"verified from their files: {len(rows) - len(wrong)} of {len(rows)} models"
        + (f"; {stray} pruned weights are trained on invisibly" if stray else "")
    )
    for row in wrong:
        yield f"{row['item']}: {row['reason']}"
    for row in models:
        if row["status"] != Status.OK:
            yield f"{row['item']}: {row['status']}, {row['reason']}"
        elif row["note"]:
            yield f"{row['item']}, {row['method']}: {row['note']}"
