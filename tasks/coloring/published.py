"""Published colorings to compare with: the least removed fractions that are known."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files

from tasks.coloring.problem import Problem

__all__ = ["Published", "published_of"]


@dataclass(frozen=True)
class Published:
    """What is known of a problem; all figures in percent of the plane or of space.

    Attributes
    ----------
    best : Decimal
        The least removed fraction.
    source : str
    networks, formal : Decimal or None
        Of arXiv 2501.18527: a network's, which is not rigorous, and its formal construction's.
    """

    best: Decimal
    source: str
    networks: Decimal | None = None
    formal: Decimal | None = None


def published_of(problem: Problem) -> Published | None:
    """The published figures of a problem at distance 1; None if there are none."""
    return _all().get((problem.dimension, problem.num_colors)) if problem.is_plain else None


@cache
def _all() -> dict[tuple[int, int], Published]:
    text = (files("tasks.coloring") / "data" / "published.toml").read_text("utf-8")
    return {
        (row["dimension"], row["colors"]): Published(
            Decimal(row["best"]), row["source"], _number(row, "networks"), _number(row, "formal")
        )
        for row in tomllib.loads(text)["published"]
    }


def _number(row: dict[str, str], name: str) -> Decimal | None:
    return Decimal(row[name]) if name in row else None
