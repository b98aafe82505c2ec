"""Reports of the studies `sparse-soup` and `imp`: comparisons that are paired by repetition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from tasks.nn.statistics import Difference, Interval, difference, interval, per_replicate
from tasks.nn.yardstick import ACCURACY, R2, Yardstick, yardstick_of
from tasks.pruning.statistics import best_row, soup_methods
from tasks.records import Figure, Report, Status, Stored, Table
from tasks.records.report import counted

__all__ = ["imp_figures", "imp_report", "soup_figures", "soup_report"]

SOUP_HEADINGS = ("sparse", "method", "epochs")
"""Percent of weights pruned; epochs of all trainings a model needed."""
MEASURED = {
    ACCURACY.column: ("accuracy", "worst", "ECE", "OOD"),
    R2.column: ("R²", "RMS error"),
}
"""Accuracies in percent: all test images, the worst class, corrupted images. Of numbers percent of
the variance, and the error in their unit."""
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
IMP_HEADINGS = ("sparsity", "retraining", "method", "steps")
_IMP_WORDS = {"worst": "worst class"}
FAVORITE = "imp-allr"
Row = Mapping[str, Any]
Methods = Mapping[str, Sequence[Row]]


# --- soups --------------------------------------------------------------------------------------


def soup_report(stored: Stored) -> Report:
    """The soup against its members and rivals at the end, then one row per phase and method."""
    models, config, by = stored.rows("models"), stored.settings, yardstick_of(stored.settings)
    if config.get("checkpoints"):
        return _given_report(stored, models, by)
    phases = sorted({row["phase"] for row in models if row["phase"]})
    per_epoch = _steps_per_epoch(models, config)
    dense = [r for r in models if r["method"] == "dense" and r["status"] == Status.OK]
    rows = [_soup_cells("dense", dense, per_epoch, by)] if dense else []
    methods: Methods = {}
    for phase in phases:
        methods = soup_methods(models, phase, vary=config["vary"], by=by)
        rows += [_soup_cells(name, part, per_epoch, by) for name, part in methods.items()]
    headings = (*SOUP_HEADINGS, *MEASURED[by.column], "faster")
    table = Table(headings, rows, words=("method",), num_keys=2, subject="method")
    how = (
        f"means over {counted(config['seeds'], 'repetition')} with 95 % intervals; "
        f"m = {config['members']}, members by {config['vary']}, merged: {config['merge']}; "
        "all statistics of normalization re-estimated"
    )
    findings = [*_result(methods, by), *_rivals(methods, by), *_claims(methods, by)] or [
        "no soup is stored for the last phase"
    ]
    notes = [how, *_distances(stored), *best_model(stored, by), *_failures(stored, models)]
    return Report(findings, [table], notes)


def _given_report(stored: Stored, models: Sequence[Row], by: Yardstick) -> Report:
    """Soups of given files beside their members."""
    good = [row for row in models if row["status"] == Status.OK]
    members = [row for row in good if row["method"] == "member"]
    rows = [_given_cells(row, by) for row in good]
    findings = []
    if members:
        best = max(members, key=by.quality)
        mean = interval(row[by.column] for row in members).mean
        for row in good:
            if row["method"].startswith(("soup", "ensemble")):
                gains = (row[by.column] - best[by.column], row[by.column] - mean)
                findings.append(
                    f"{row['method']}: {by.label} {100 * row[by.column]:.2f} %, "
                    f"{100 * gains[0]:+.2f} points beside the best member by validation data, "
                    f"{100 * gains[1]:+.2f} beside the mean of the members"
                )
    headings = ("sparse", "model", *MEASURED[by.column])
    table = Table(headings, rows, words=("model",), num_keys=2, subject="model")
    how = "one run, no intervals; statistics of normalization estimated again for all models"
    notes = [how, *best_model(stored, by), *_failures(stored, models)]
    return Report(findings or ["no member is stored"], [table], notes)


def _given_cells(row: Row, by: Yardstick) -> list[str]:
    name = f"{row['member']}: {row['note']}" if row["method"] == "member" else row["method"]
    if row["method"] != "member" and row["note"]:
        name = f"{name} ({row['note']})"
    ood = [] if by is R2 else [row["ood_accuracy"]]
    shown = ["" if value is None else f"{100 * value:.1f}" for value in ood]
    return [f"{100 * row['sparsity']:.2f}", name, *_measured([row], by), *shown]


def soup_figures(stored: Stored) -> Iterator[Figure]:
    """Accuracies against sparsity and the distances of members."""
    if not stored.settings.get("checkpoints"):
        yield Figure("figures/soup.png", partial(_soup_figure, stored), ("models", "distances"))


def _soup_figure(stored: Stored) -> Any:
    # matplotlib is slow to import.
    from tasks.pruning.figures import draw_soup

    vary, by = stored.settings["vary"], yardstick_of(stored.settings)
    return draw_soup(stored.rows("models"), stored.rows("distances"), vary=vary, by=by)


def _steps_per_epoch(models: Sequence[Row], config: Mapping[str, Any]) -> float:
    """From the dense training, which has a known number of epochs unless it is cut short."""
    steps = [row["total_steps"] for row in models if row["method"] == "dense"]
    known = config["method"] == "imp" and steps and steps[0]
    return steps[0] / config["epochs"] if known else 0.0


def _soup_cells(name: str, part: Sequence[Row], per_epoch: float, by: Yardstick) -> list[str]:
    """A method in a phase, as people read it."""
    steps = sum(row["total_steps"] for row in part) / len(part)
    ood = [] if by is R2 else [_mean(part, "ood_accuracy")]
    return [
        f"{100 * sum(row['sparsity'] for row in part) / len(part):.2f}",
        name,
        f"{steps / per_epoch:.1f}" if per_epoch else f"{steps:.0f} steps",
        *_measured(part, by),
        *(each.percent(1) if each.count else "" for each in ood),
        f"{_mean(part, 'speed_up').mean:.1f}",
    ]


def _measured(part: Sequence[Row], by: Yardstick) -> list[str]:
    """The measure that counts, and what is beside it."""
    quality = _mean(part, by.column).percent()
    if by is R2:
        return [quality, f"{_mean(part, 'root_mean_square').mean:.4g}"]
    worst, error = _mean(part, "worst_class"), _mean(part, "calibration_error")
    return [quality, f"{100 * worst.mean:.1f}", f"{error.mean:.3f}"]


def _result(methods: Methods, by: Yardstick) -> Iterator[str]:
    """The soup of the last phase beside its best member and plain pruning, in words."""
    if "soup" not in methods:
        return
    pruned = 100 * methods["soup"][0]["sparsity"]
    texts = [
        f"{text} {_mean(methods[name], by.column).percent()} %"
        for name, text in COMPARED.items()
        if name in methods
    ]
    yield f"with {pruned:.2f} % of the weights pruned, the {by.label} of {', '.join(texts)}"


def _claims(methods: Methods, by: Yardstick) -> Iterator[str]:
    for claim, rival, column in CLAIMS if by is ACCURACY else ():
        found = _paired(methods, "soup", rival, column)
        if found is not None:
            seeds = counted(found.interval.count, "seed")
            yield f"published: {claim} -> {found.verdict} here ({seeds})"


def _rivals(methods: Methods, by: Yardstick) -> Iterator[str]:
    for rival in RIVALS:
        texts = [
            f"{word} {found.points()}"
            for word, column in ((by.label, by.column), ("corrupted", "ood_accuracy"))
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
    models, by = stored.rows("models"), yardstick_of(stored.settings)
    good = [row for row in models if row["status"] == Status.OK]
    dense = [row for row in good if row["method"] == "dense"]
    rows = [_imp_cells("0", "", "dense", dense, by)] if dense else []
    findings = []
    for target, budget in sorted(
        {(r["target"], r["budget"]) for r in good if r["budget"] is not None}
    ):
        methods: dict[str, list[Row]] = {}
        for row in good:
            if (row["target"], row["budget"]) == (target, budget):
                methods.setdefault(row["method"], []).append(row)
        place = f"{target:g}", f"{budget:g}"
        rows += [_imp_cells(*place, name, part, by) for name, part in methods.items()]
        findings += _favorite(methods, target, budget, by)
    headings = (*IMP_HEADINGS, *(_IMP_WORDS.get(each, each) for each in MEASURED[by.column][:3]))
    table = Table(headings, rows, words=("method",), num_keys=3, subject="method")
    how = (
        f"means over {counted(stored.settings['seeds'], 'repetition')} with 95 % intervals; "
        "retraining in epochs after every pruning; methods of one sparsity and length take the "
        "same steps in all"
    )
    findings = findings or [f"{len(good)} of {len(models)} models are good"]
    notes = [how, *best_model(stored, by), *_failures(stored, models)]
    return Report(findings, [table], notes)


def imp_figures(stored: Stored) -> Iterator[Figure]:
    """Accuracy against the length of retraining, and against sparsity if there are several."""
    yield Figure("figures/imp.png", partial(_imp_figure, stored), ("models",))


def _imp_figure(stored: Stored) -> Any:
    from tasks.pruning.figures import draw_imp

    return draw_imp(stored.rows("models"), by=yardstick_of(stored.settings))


def _imp_cells(
    target: str, budget: str, name: str, part: Sequence[Row], by: Yardstick
) -> list[str]:
    return [target, budget, name, f"{part[0]['total_steps']:,}", *_measured(part, by)]


def _favorite(methods: Methods, target: float, budget: float, by: Yardstick) -> Iterator[str]:
    """The adaptive linear schedule beside everything else, paired."""
    others = [name for name in methods if name != FAVORITE]
    pairs = [(name, _paired(methods, FAVORITE, name, by.column)) for name in others]
    texts = [f"{name} {found.points()}" for name, found in pairs if found is not None]
    if texts:
        yield f"allr minus others at {target:g} after {budget:g} epochs: {', '.join(texts)}"


# --- both ---------------------------------------------------------------------------------------


def best_model(stored: Stored, by: Yardstick) -> Iterator[str]:
    """Which model is best on validation data, and how to take it elsewhere."""
    row = best_row(stored.rows("models"), by)
    if row is not None:
        sparse = f"{100 * row['sparsity']:.2f} % pruned"
        yield (
            f"best model by validation data: {_called(row)} ({sparse}, {by.label} "
            f"{by.scale * row[by.column]:.2f} %); `latticework export {stored.run.run_id} --best "
            "--to FOLDER` writes its files"
        )


def _mean(part: Sequence[Row], column: str) -> Interval:
    return interval(per_replicate(part, column).values())


def _paired(methods: Methods, first: str, second: str, column: str) -> Difference | None:
    if first not in methods or second not in methods:
        return None
    one, other = (per_replicate(methods[name], column) for name in (first, second))
    return difference(one, other)


def _is_given(row: Row) -> bool:
    return row["item"].startswith("given")


def _called(row: Row) -> str:
    """An item by its key; of an item of several models also which one."""
    if not _is_given(row):
        return row["item"]
    return f"member {row['member']}" if row["method"] == "member" else row["method"]


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
        elif row["note"] and not _is_given(row):
            yield f"{row['item']}, {row['method']}: {row['note']}"
