"""Report of the study `adaptive-networks`: methods at equal numbers of gradients, paired."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from tasks.frankwolfe.adaptive.networks.config import METHODS, RIVALS
from tasks.nn.statistics import difference, interval, per_replicate
from tasks.nn.yardstick import Yardstick, yardstick_of
from tasks.records import Figure, Report, Status, Stored, Table
from tasks.records.report import counted

__all__ = ["networks_figures", "networks_report"]

HEADINGS = (
    "method", "rate", "accuracy", "R²", "loss", "train loss", "gap", "gauge", "steps", "gradients"
)  # fmt: skip
"""Accuracies in percent; gradients in passes over the training examples."""
CLAIMS = (
    ("adasfw", "sfw"),
    ("adamsfw", "momentum_sfw"),
    ("adasfw", "sgd"),
    ("adamsfw", "adamw"),
    ("svrf", "sfw"),
    ("spider", "sfw"),
    ("momentum_sfw", "svrf"),
    ("momentum_sfw", "spider"),
)
"""Questions of arXiv:2009.14114 and arXiv:2010.07243: is the first better at equal gradients?"""
Row = Mapping[str, Any]
Methods = Mapping[str, Sequence[Row]]


def networks_report(stored: Stored) -> Report:
    """Who wins with how many gradients, then one row per method."""
    models, settings = stored.rows("models"), stored.settings
    good = [row for row in models if row["replicate"] >= 0 and row["status"] == Status.OK]
    methods: dict[str, list[Row]] = {}
    for row in good:
        methods.setdefault(row["method"], []).append(row)
    by = yardstick_of(settings)
    ordered = {name: methods[name] for name in settings["methods"] if name in methods}
    rows = [_cells(name, part, by, _examples(stored)) for name, part in ordered.items()]
    used = [place for place in range(len(HEADINGS)) if any(row[place] for row in rows)]
    table = Table(
        [HEADINGS[place] for place in used],
        [[row[place] for place in used] for row in rows],
        words=("method",),
        subject="method",
    )
    chosen = sum(row["replicate"] < 0 for row in models)
    how = f"rates are the best of {counted(chosen, 'training')} of another repetition; "
    lines = [
        f"{counted(settings['seeds'], 'repetition')} with 95 % intervals, paired; "
        f"{how if chosen else ''}every method may take {settings['epochs']:g} gradients of each "
        "training example",
        f"region {settings['region']} of width {settings['width']:g}; weights without a region: "
        f"AdamW; gradients are clipped to length {settings['clip']:g} after they are estimated",
        *_verified(stored),
        *_exportable(good, by, stored.run.run_id),
        *_failures(models),
    ]
    findings = [*_best(ordered, by), *_claims(ordered, by)]
    tables = [table, *_paired(ordered, by), *_paired_losses(ordered)]
    return Report(findings or ["no training is done yet"], tables, lines)


def networks_figures(stored: Stored) -> Iterator[Figure]:
    """Curves against gradients, and where they end."""
    yield Figure("figures/curves.png", partial(_figure, stored, "curves"), ("curve",))
    yield Figure("figures/ends.png", partial(_figure, stored, "ends"), ("models",))


def _figure(stored: Stored, name: str) -> Any:
    # matplotlib is slow to import.
    from tasks.frankwolfe.adaptive.networks import figures

    return getattr(figures, f"draw_{name}")(stored)


def _examples(stored: Stored) -> float:
    """Number of training examples."""
    for row in stored.rows("curve"):
        return row["evaluations"] / row["passes"]
    return 1.0


def _cells(name: str, part: Sequence[Row], by: Yardstick, examples: float) -> list[str]:
    def mean(column: str, digits: int = 3) -> str:
        found = interval(per_replicate(part, column).values())
        return found.plain(digits) if found.count else ""

    gauges = [row["gauge"] for row in part if row["gauge"] is not None]
    gaps = [row["gap"] for row in part if row["gap"] is not None]
    return [
        name,
        f"{part[0]['rate']:g}",
        by.mean(part) if by.column == "accuracy" else "",
        by.mean(part) if by.column == "r2" else "",
        mean("loss"),
        mean("train_loss"),
        f"{sum(gaps) / len(gaps):.3g}" if gaps else "",
        f"{max(gauges):.4f}" if gauges else "",
        f"{part[0]['steps']:,}",
        f"{part[0]['evaluations'] / examples:.2f}",
    ]


def _best(methods: Methods, by: Yardstick) -> Iterator[str]:
    """The best with and without a region."""
    names = [by.favorite(methods, kind) for kind in (METHODS, RIVALS)]
    texts = [f"{name} {by.mean(methods[name])} {by.measured_in}" for name in names if name]
    if texts:
        yield f"best with and without a region on validation data, {by.column}: {', '.join(texts)}"


def _claims(methods: Methods, by: Yardstick) -> Iterator[str]:
    """What is seen of the questions, on test data and on the training loss."""
    regions = [name for name in methods if name not in RIVALS]
    if regions:
        inside = all(row["gauge"] <= 1 + 1e-4 for name in regions for row in methods[name])
        yield f"weights are feasible at the end -> {'holds' if inside else 'does not hold'}"
    for first, second in CLAIMS:
        if first not in methods or second not in methods:
            continue
        found = by.difference(methods[first], methods[second])
        fit = _less_loss(methods[first], methods[second])
        if found is not None and fit is not None:
            yield (
                f"{first} {by.better} {second} -> {found.verdict}, {by.text(found)}; has less "
                f"training loss -> {fit.verdict}, {fit.interval.plain(sign='+')}"
            )


def _less_loss(first: Sequence[Row], second: Sequence[Row]) -> Any:
    """By how much the training loss of the first is smaller."""
    return difference(per_replicate(second, "train_loss"), per_replicate(first, "train_loss"))


def _paired(methods: Methods, by: Yardstick) -> Iterator[Table]:
    """By how much every method with a region is better than others."""
    names = [name for name in methods if name not in RIVALS]
    others = [name for name in (*RIVALS, "sfw", "momentum_sfw") if name in methods]
    rows = []
    for name in names:
        found = [by.difference(methods[name], methods[other]) for other in others]
        cells = zip(found, others, strict=True)
        rows.append(
            [name, *("" if each is None or o == name else by.plain(each) for each, o in cells)]
        )
    if rows and others:
        first = f"{by.unit} over"
        yield Table((first, *others), rows, words=(first,), subject="method")


def _paired_losses(methods: Methods) -> Iterator[Table]:
    """By how much the training loss of every method with a region is smaller."""
    names = [name for name in methods if name not in RIVALS]
    others = [name for name in ("sfw", "momentum_sfw") if name in methods]
    rows = []
    for name in names:
        found = [_less_loss(methods[name], methods[other]) for other in others]
        cells = zip(found, others, strict=True)
        rows.append([
            name,
            *("" if d is None or o == name else d.interval.plain(4, "+") for d, o in cells),
        ])  # fmt: skip
    if rows and others:
        first = "less training loss than"
        yield Table((first, *others), rows, words=(first,), subject="method")


def _verified(stored: Stored) -> Iterator[str]:
    rows = stored.rows("verification")
    wrong = [row for row in rows if row["status"] != Status.OK]
    yield f"verified from their files: {len(rows) - len(wrong)} of {len(rows)} models"
    for row in wrong:
        yield f"{row['item']}: {row['reason']}"


def _exportable(good: Sequence[Row], by: Yardstick, run_id: str) -> Iterator[str]:
    best = max(good, key=by.quality, default=None)
    if best is not None:
        yield (
            f"best model by validation data: {best['item']}; "
            f"`latticework export {run_id} --best --to FOLDER` writes its files"
        )


def _failures(models: Sequence[Row]) -> Iterator[str]:
    for row in models:
        if row["status"] != Status.OK:
            yield f"{row['item']}: {row['status']}, {row['reason']}"
