"""Reports of the flow `sos-train`, made from the stored records alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Group

from flows.documents import Document, nothing_stored, stored_places
from flows.reports import is_whole
from tasks.records import Run, Status
from tasks.sos.prediction.items import MODEL
from tasks.sos.prediction.schema import CURVE_SCHEMA, LEVEL, MODELS_SCHEMA, SCORES_SCHEMA

__all__ = ["draw_figures", "publish_report", "stored_figures", "terminal_report"]

HEADINGS = ("family", "tested", "covers", "95 %", "by rule", "size", "by rule", "adds")
"""Of the prediction: coverage with its interval, size over that of the known basis, repair; and
the same of the rule even-sqrt."""
WORDS = ("family",)
FIGURE = "figures/training.png"


def terminal_report(run: Run) -> Group:
    """Table with one row per family and method, the model, and what failed."""
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
    """Draw the curves of the training and the comparison by family.

    Parameters
    ----------
    run : Run
    only_missing : bool
        Leave a picture alone that is there already and whole.

    Returns
    -------
    list of str
        Place of ``figures/training.png``, if there is a training.

    Raises
    ------
    StoreError
        The store cannot be written.
    """
    curve = run.read("curve", schema=CURVE_SCHEMA, on_corrupt="skip").to_pylist()
    if curve and not (only_missing and is_whole(run, FIGURE)):
        from tasks.records.pictures import save_figure
        from tasks.sos.prediction.figures import draw_training

        scores = run.read("scores", schema=SCORES_SCHEMA, on_corrupt="skip").to_pylist()
        save_figure(draw_training(curve, scores), run.volume.location(FIGURE))
    return stored_figures(run)


def stored_figures(run: Run) -> list[str]:
    """Places of the pictures that are there."""
    return stored_places(run, FIGURE)


def _document(run: Run) -> Document:
    """The report."""
    scores = run.read("scores", schema=SCORES_SCHEMA, on_corrupt="skip").to_pylist()
    rows = [_cells(mine, rule) for mine, rule in _pairs(scores)]
    return Document(run, HEADINGS, WORDS, rows, [*_lines(run, scores)], "family")


def _pairs(scores: list[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The rows of both methods, family by family."""
    rule = {row["family"]: row for row in scores if row["method"] == "even-sqrt"}
    return [(row, rule[row["family"]]) for row in scores if row["method"] == "predicted"]


def _cells(mine: dict[str, Any], rule: dict[str, Any]) -> list[str]:
    """A family as people read it."""
    return [
        mine["family"],
        f"{mine['count']:,}",
        f"{100 * mine['coverage']:.1f}",
        f"{100 * mine['coverage_low']:.1f}-{100 * mine['coverage_high']:.1f}",
        f"{100 * rule['coverage']:.1f}",
        f"{mine['ratio']:.3f}",
        f"{rule['ratio']:.3f}",
        f"{mine['repair']:.2f}",
    ]


def _lines(run: Run, scores: list[dict[str, Any]]) -> Iterator[str]:
    """Where the prediction wins and loses, what the model is, and what failed."""
    yield from _comparison(scores)
    for row in run.read("models", schema=MODELS_SCHEMA, on_corrupt="skip").to_pylist():
        if row["status"] != Status.OK:
            yield f"{row['item']}: {row['status']}, {row['reason']}"
            continue
        yield f"{row['parameters']:,} weights after {row['steps']:,} steps"
        if row["alpha"] is not None:
            yield (
                f"temperature {row['temperature']:.3f}, threshold {row['threshold']:.4f} for "
                f"coverage of {1 - row['alpha']:.1%}, "
                f"calibration error {row['calibration_error']:.4f}"
            )
        yield f"model: {run.volume.location(MODEL)}"


def _comparison(scores: list[dict[str, Any]]) -> Iterator[str]:
    """Families where the sign test tells prediction and rule apart, with the pairs that differ."""
    more: list[str] = []
    less: list[str] = []
    for mine, rule in _pairs(scores):
        wins, losses = mine["covered_alone"], rule["covered_alone"]
        if mine["sign_test"] <= LEVEL:
            (more if wins > losses else less).append(f"{mine['family']} ({wins} : {losses})")
    if scores:
        yield f"covers more than even-sqrt with repair: {', '.join(more) or 'nowhere'}"
        yield f"covers less: {', '.join(less) or 'nowhere'}"
        yield (
            "by the exact sign test at 5 %; in brackets the polynomials that only the prediction "
            "and that only even-sqrt covers"
        )
