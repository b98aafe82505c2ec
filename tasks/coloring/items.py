"""Units of work of the studies of colorings.

A *search* call trains a batch of members, of one problem and one penalty; a *cells* call makes
proper colorings of the best of them; a *finer* call refines the best colorings of a problem; a
*check* reads the certificates that a call wrote, with both checkers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from tasks.coloring.config import ColoringConfig, PlaneColoringConfig
from tasks.coloring.problem import Problem

__all__ = [
    "START",
    "CellsWork",
    "CheckWork",
    "FinerWork",
    "SearchWork",
    "cells_works",
    "finer_works",
    "search_works",
]

START = "start"
"""Key of a given grid."""


@dataclass(frozen=True)
class SearchWork:
    """Members that are trained together, or a given grid that is looked at.

    Attributes
    ----------
    starts : range
        Numbers of the starts; empty for a given grid.
    penalty : float
    """

    problem: Problem
    config: ColoringConfig
    starts: range
    penalty: float = 0.0

    @property
    def key(self) -> str:
        """Of the call."""
        if not self.starts:
            return START
        return f"{self.problem.key}.l{self.penalty:g}.{self.starts[0]}-{self.starts[-1]}"

    def run_key(self, start: int) -> str:
        """Of one member."""
        return f"{self.problem.key}.l{self.penalty:g}.{start}"


@dataclass(frozen=True)
class CellsWork:
    """The finalists of a search, made of cells."""

    search: SearchWork

    @property
    def problem(self) -> Problem:
        """Of the search."""
        return self.search.problem

    @property
    def key(self) -> str:
        """Of the call."""
        return f"cells.{self.search.key}"


@dataclass(frozen=True)
class FinerWork:
    """One of the best colorings of a problem, made finer.

    Attributes
    ----------
    rank : int
        0 for the best.
    parent : str
        Key of the call that made it; empty where that is not known yet.
    construction : str
        Its key.
    """

    problem: Problem
    config: ColoringConfig
    rank: int
    parent: str = ""
    construction: str = ""

    @property
    def key(self) -> str:
        """Of the call."""
        return f"finer.{self.problem.key}.{self.rank}"


@dataclass(frozen=True)
class CheckWork:
    """Certificates of a call."""

    key: str
    problem: Problem


def search_works(config: ColoringConfig) -> Iterator[SearchWork]:
    """All searches; of a given grid that one."""
    if isinstance(config, PlaneColoringConfig) and config.start:
        yield SearchWork(config.problems()[0], config, range(0))
        return
    first, end = config.first_seed, config.first_seed + config.seeds
    batches = [
        range(start, min(start + config.per_call, end))
        for start in range(first, end, config.per_call)
    ]
    for problem, penalty, starts in product(config.problems(), config.penalties, batches):
        yield SearchWork(problem, config, starts, penalty)


def cells_works(config: ColoringConfig) -> Iterator[CellsWork]:
    """All calls that make colorings of cells."""
    return map(CellsWork, search_works(config))


def finer_works(config: ColoringConfig) -> Iterator[FinerWork]:
    """All calls that refine, whose parents follow from what is stored."""
    if not (config.finer or config.windows or config.polygons):
        return
    for problem, rank in product(config.problems(), range(config.refined)):
        yield FinerWork(problem, config, rank)
