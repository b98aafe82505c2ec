"""Reports of the flow `sparse-soup`, made from the stored records alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group

from flows.documents import Document, nothing_stored, stored_places
from flows.reports import is_whole
from tasks.pruning import DISTANCES_SCHEMA, MODELS_SCHEMA, VERIFICATION_SCHEMA
from tasks.pruning.statistics import (
    Interval,
    difference,
    interval,
    per_replicate,
    soup_methods,
)
from tasks.records import Run, Status

__all__ = [
    "draw_figures",
    "failures",
    "markdown_report",
    "percent",
    "publish_report",
    "stored_figures",
    "terminal_report",
]

HEADINGS = ("sparse", "method", "epochs", "accuracy", "worst", "ECE", "OOD", "faster")
"""Percent of weights pruned; epochs of all trainings a model needed; accuracies in percent: all
test images, the worst class, corrupted images; theoretical speed-up."""
WORDS = ("method",)
FIGURE = "figures/soup.png"
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


def terminal_report(run: Run) -> Group:
    """Table with one row per phase and method, paired differences, claims, what failed."""
    if not run.check(("models",)).parts:
        return nothing_stored(run)
    return _document(run).terminal()


def publish_report(run: Run) -> None:
    """Show the report as artifacts of the running Prefect flow, and draw missing figures."""
    _document(run).publish()
    draw_figures(run, only_missing=True)


def markdown_report(run: Run) -> str:
    """The terminal's report as Markdown."""
    return _document(run).markdown()


def draw_figures(run: Run, *, only_missing: bool = False) -> list[str]:
    """Draw accuracies against sparsity and the distances of members.

    Parameters
    ----------
    run : Run
    only_missing : bool
        Leave a picture alone that is there already and whole.

    Returns
    -------
    list of str
        Place of ``figures/soup.png``.

    Raises
    ------
    StoreError
        The store cannot be written.
    """
    models = _models(run)
    if models and not (only_missing and is_whole(run, FIGURE)):
        from tasks.pruning.figures import draw_soup
        from tasks.records.pictures import save_figure

        distances = run.read("distances", schema=DISTANCES_SCHEMA, on_corrupt="skip").to_pylist()
        figure = draw_soup(models, distances, vary=_config(run)["vary"])
        save_figure(figure, run.volume.location(FIGURE))
    return stored_figures(run)


def stored_figures(run: Run) -> list[str]:
    """Places of the pictures that are there."""
    return stored_places(run, FIGURE)


def percent(found: Interval, digits: int = 2) -> str:
    """A share in percent with its interval."""
    half = "" if found.half is None else f" ± {100 * found.half:.{digits}f}"
    return f"{100 * found.mean:.{digits}f}{half}"


def failures(run: Run, models: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What the verification found, notes on soups with missing members, and what failed."""
    rows = run.read("verification", schema=VERIFICATION_SCHEMA, on_corrupt="skip").to_pylist()
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


def _models(run: Run) -> list[dict[str, Any]]:
    return run.read("models", schema=MODELS_SCHEMA, on_corrupt="skip").to_pylist()


def _config(run: Run) -> dict[str, Any]:
    return json.loads(run.identity.config)


def _document(run: Run) -> Document:
    models, config = _models(run), _config(run)
    phases = sorted({row["phase"] for row in models if row["phase"]})
    per_epoch = _steps_per_epoch(models, config)
    dense = [r for r in models if r["method"] == "dense" and r["status"] == Status.OK]
    rows = [_cells("dense", dense, per_epoch)] if dense else []
    for phase in phases:
        for name, part in soup_methods(models, phase, vary=config["vary"]).items():
            rows.append(_cells(name, part, per_epoch))
    lines = [*_lines(run, models, phases[-1] if phases else 0, config)]
    return Document(run, HEADINGS, WORDS, rows, lines, "method")


def _steps_per_epoch(models: Sequence[dict[str, Any]], config: dict[str, Any]) -> float:
    """From the dense training, which has a known number of epochs unless it is cut short."""
    steps = [row["total_steps"] for row in models if row["method"] == "dense"]
    known = config["host"] == "imp" and steps and steps[0]
    return steps[0] / config["epochs"] if known else 0.0


def _cells(name: str, part: Sequence[Mapping[str, Any]], per_epoch: float) -> list[str]:
    """A method in a phase, as people read it."""
    found = {
        column: interval(per_replicate(part, column).values())
        for column in ("accuracy", "worst_class", "calibration_error", "ood_accuracy", "speed_up")
    }
    steps = sum(row["total_steps"] for row in part) / len(part)
    ood = found["ood_accuracy"]
    return [
        f"{100 * sum(row['sparsity'] for row in part) / len(part):.2f}",
        name,
        f"{steps / per_epoch:.1f}" if per_epoch else f"{steps:.0f} steps",
        percent(found["accuracy"]),
        f"{100 * found['worst_class'].mean:.1f}",
        f"{found['calibration_error'].mean:.3f}",
        percent(ood, 1) if ood.count else "",
        f"{found['speed_up'].mean:.1f}",
    ]


def _lines(
    run: Run, models: Sequence[dict[str, Any]], phase: int, config: dict[str, Any]
) -> Iterator[str]:
    """Paired differences at the end, claims, distances, verification, failures."""
    methods = soup_methods(models, phase, vary=config["vary"]) if phase else {}
    yield (
        f"means over {config['seeds']} repetitions with 95 % intervals; m = {config['members']}, "
        f"members by {config['vary']}, merged: {config['merge']}; all statistics of normalization "
        "estimated anew"
    )
    for rival in RIVALS if "soup" in methods else ():
        texts = [
            f"{word} {text}"
            for word, column in (("accuracy", "accuracy"), ("corrupted", "ood_accuracy"))
            if (text := _difference(methods, rival, column))
        ]
        if texts:
            yield f"soup - {rival}, paired, points: {', '.join(texts)}"
    yield from _claims(methods)
    yield from _distances(run)
    yield from failures(run, models)


def _difference(methods: dict[str, list[Any]], rival: str, column: str) -> str:
    found = _paired(methods, rival, column)
    if found is None:
        return ""
    half = "" if found.interval.half is None else f" ± {100 * found.interval.half:.2f}"
    return f"{100 * found.interval.mean:+.2f}{half}"


def _paired(methods: dict[str, list[Any]], rival: str, column: str) -> Any:
    if rival not in methods or "soup" not in methods:
        return None
    return difference(per_replicate(methods["soup"], column), per_replicate(methods[rival], column))


def _claims(methods: dict[str, list[Any]]) -> Iterator[str]:
    for claim, rival, column in CLAIMS:
        found = _paired(methods, rival, column)
        if found is not None:
            yield f"published: {claim} -> {found.verdict} here ({found.interval.count} seeds)"


def _distances(run: Run) -> Iterator[str]:
    rows = run.read("distances", schema=DISTANCES_SCHEMA, on_corrupt="skip").to_pylist()
    pairs = [row for row in rows if row["second"] >= 0]
    by_phase: dict[int, list[float]] = {}
    for row in pairs:
        by_phase.setdefault(row["phase"], []).append(row["relative"])
    if by_phase:
        means = ", ".join(f"{sum(v) / len(v):.3f}" for _, v in sorted(by_phase.items()))
        yield f"mean relative distance between members, phase by phase: {means}"
