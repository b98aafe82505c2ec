"""Reports of the flow `imp`, made from the stored records alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group

from flows.documents import Document, nothing_stored, stored_places
from flows.reports import is_whole
from flows.sparse_soup_reports import failures, percent
from tasks.pruning import MODELS_SCHEMA
from tasks.pruning.statistics import difference, interval, per_replicate
from tasks.records import Run, Status

__all__ = [
    "draw_figures",
    "markdown_report",
    "publish_report",
    "stored_figures",
    "terminal_report",
]

HEADINGS = ("sparsity", "retraining", "method", "steps", "accuracy", "worst class", "ECE")
WORDS = ("method",)
FIGURE = "figures/imp.png"
FAVORITE = "imp-allr"


def terminal_report(run: Run) -> Group:
    """Table with one row per sparsity, budget and method, paired differences, what failed."""
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
    """Draw accuracy against the length of retraining, and against sparsity if there are several.

    Parameters
    ----------
    run : Run
    only_missing : bool
        Leave a picture alone that is there already and whole.

    Returns
    -------
    list of str
        Place of ``figures/imp.png``.

    Raises
    ------
    StoreError
        The store cannot be written.
    """
    models = _models(run)
    if models and not (only_missing and is_whole(run, FIGURE)):
        from tasks.pruning.figures import draw_imp
        from tasks.records.pictures import save_figure

        save_figure(draw_imp(models), run.volume.location(FIGURE))
    return stored_figures(run)


def stored_figures(run: Run) -> list[str]:
    """Places of the pictures that are there."""
    return stored_places(run, FIGURE)


def _models(run: Run) -> list[dict[str, Any]]:
    return run.read("models", schema=MODELS_SCHEMA, on_corrupt="skip").to_pylist()


def _document(run: Run) -> Document:
    models = _models(run)
    good = [row for row in models if row["status"] == Status.OK]
    dense = [row for row in good if row["method"] == "dense"]
    rows = [_cells("0", "", "dense", dense)] if dense else []
    lines = []
    for target, budget in _places(good):
        methods = _methods(good, target, budget)
        for name, part in methods.items():
            rows.append(_cells(f"{target:g}", f"{budget:g}", name, part))
        lines += _comparison(methods, target, budget)
    seeds = json.loads(run.identity.config)["seeds"]
    head = (
        f"means over {seeds} repetitions with 95 % intervals; retraining in epochs after every "
        "pruning; methods of one sparsity and length take the same steps in all"
    )
    return Document(run, HEADINGS, WORDS, rows, [head, *lines, *failures(run, models)], "method")


def _places(models: Sequence[dict[str, Any]]) -> list[tuple[float, float]]:
    return sorted({(r["target"], r["budget"]) for r in models if r["budget"] is not None})


def _methods(
    models: Sequence[dict[str, Any]], target: float, budget: float
) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in models:
        if (row["target"], row["budget"]) == (target, budget):
            found.setdefault(row["method"], []).append(row)
    return found


def _cells(target: str, budget: str, name: str, part: Sequence[dict[str, Any]]) -> list[str]:
    worst, ece = (
        interval(per_replicate(part, column).values())
        for column in ("worst_class", "calibration_error")
    )
    return [
        target,
        budget,
        name,
        f"{part[0]['total_steps']:,}",
        percent(interval(per_replicate(part, "accuracy").values())),
        f"{100 * worst.mean:.1f}",
        f"{ece.mean:.3f}",
    ]


def _comparison(
    methods: dict[str, list[dict[str, Any]]], target: float, budget: float
) -> Iterator[str]:
    """The adaptive linear schedule beside everything else, paired."""
    if FAVORITE not in methods:
        return
    mine = per_replicate(methods[FAVORITE], "accuracy")
    texts = []
    for name, part in methods.items():
        found = difference(mine, per_replicate(part, "accuracy")) if name != FAVORITE else None
        if found is not None:
            half = found.interval.half
            texts.append(
                f"{name} {100 * found.interval.mean:+.2f}"
                + ("" if half is None else f" ± {100 * half:.2f}")
            )
    if texts:
        yield f"allr minus others at {target:g} after {budget:g} epochs: {', '.join(texts)}"
