"""Report of a training, and its figure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from tasks.records import Figure, Report, Status, Stored, Table
from tasks.sos.prediction.items import MODEL
from tasks.sos.prediction.schema import LEVEL

__all__ = ["train_figures", "train_report"]

HEADINGS = ("family", "tested", "covers", "95 %", "by rule", "size", "by rule", "adds")
"""Of the prediction: coverage with its interval, size over that of the known basis, repair; and
the same of the rule even-sqrt."""


def train_report(stored: Stored) -> Report:
    """Where the prediction wins and loses, then one row per family, then what the model is."""
    scores = stored.rows("scores")
    rows = [_cells(mine, rule) for mine, rule in _pairs(scores)]
    tables = [Table(HEADINGS, rows, words=("family",), subject="family")] if rows else []
    return Report([*_comparison(scores)] or ["no model"], tables, [*_notes(stored)])


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


def _notes(stored: Stored) -> Iterator[str]:
    """How families are told apart, what the model is, and what failed."""
    yield (
        "by the exact sign test at 5 %; in brackets the polynomials that only the prediction "
        "and that only even-sqrt covers"
    )
    yield from map(str, stored.problems(("models",), "item"))
    for row in stored.rows("models"):
        if row["status"] != Status.OK:
            continue
        yield f"{row['parameters']:,} weights after {row['steps']:,} steps"
        if row["alpha"] is not None:
            yield (
                f"temperature {row['temperature']:.3f}, threshold {row['threshold']:.4f} for "
                f"coverage of {1 - row['alpha']:.1%}, "
                f"calibration error {row['calibration_error']:.4f}"
            )
        yield f"model: {stored.location(MODEL)}"


def train_figures(stored: Stored) -> Iterator[Figure]:
    """The curves of the training and the comparison by family."""
    if stored.table("curve").num_rows:
        yield Figure("figures/training.png", partial(_curves, stored), ("curve", "scores"))


def _curves(stored: Stored) -> Any:
    from tasks.sos.prediction.figures import draw_training

    return draw_training(stored.rows("curve"), stored.rows("scores"))
