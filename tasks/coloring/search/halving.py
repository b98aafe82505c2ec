"""Successive halving: many members for a short time, the best of them for longer, and finer.

Every rung trains the members that are left, from where the rung before left them, and keeps the
best by an estimate.  Ties go to the member that stands first, so the result is a function of the
members and the rungs, whatever the batches and however often it was interrupted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from tasks.coloring.search.members import Member
from tasks.coloring.search.training import Outcome, Settings, train_members
from tasks.nn import FitStatus
from tasks.records import InputError

Rank = Callable[[Outcome], float]
"""An estimate, the smaller the better."""


@dataclass(frozen=True)
class Rung:
    """One training of all members that are left, after which the best go on.

    Attributes
    ----------
    settings : Settings
    keep : int
        Members that go on, at least 1.
    """

    settings: Settings
    keep: int

    def __post_init__(self) -> None:
        if self.keep < 1:
            raise InputError(f"a rung that keeps {self.keep} members: keep at least 1")


def removal_estimate(outcome: Outcome, penalty: float = 0.05) -> float:
    """The share removed, plus what conflicts are worth at a price that all members share."""
    return outcome.removed + outcome.conflict / penalty


def successive_halving(
    members: Sequence[Member],
    rungs: Sequence[Rung],
    *,
    rank: Rank = removal_estimate,
    checkpoint: str | Path | None = None,
    device: str | torch.device = "cpu",
) -> list[Outcome]:
    """Outcomes of the last rung that it keeps, best first.

    Parameters
    ----------
    members : sequence of Member
        Of one kind, as `train_members` wants them.
    rungs : sequence of Rung
        With grids that do not become coarser.
    rank : callable
        Members that diverged come last, whatever it says.
    checkpoint : path or URI, optional
        Beginning of the names of checkpoints.
    device : str or torch.device
    """
    left, starts = list(members), None
    for number, rung in enumerate(rungs):
        place = None if checkpoint is None else f"{checkpoint}-rung{number}"
        found = train_members(left, rung.settings, starts=starts, checkpoint=place, device=device)
        starts = best(found, rung.keep, rank)
        left = [outcome.member for outcome in starts]
    if starts is None:
        raise InputError("no rungs to train: give at least one")
    return starts


def best(outcomes: Sequence[Outcome], keep: int, rank: Rank) -> list[Outcome]:
    """So many outcomes of least rank, in its order."""

    def value(outcome: Outcome) -> float:
        found = rank(outcome) if outcome.status == FitStatus.FINISHED else math.inf
        return math.inf if math.isnan(found) else found

    return sorted(outcomes, key=value)[:keep]
