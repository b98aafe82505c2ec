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
    """One training of all members that are left, after which the best continue.

    Attributes
    ----------
    settings : Settings
    keep : int
        Members that continue, at least 1.
    """

    settings: Settings
    keep: int

    def __post_init__(self) -> None:
        if self.keep < 1:
            raise InputError(f"a rung that keeps {self.keep} members: keep at least 1")


def removal_estimate(outcome: Outcome, penalty: float = 0.05) -> float:
    """The share removed, plus what conflicts are worth at a price that all members share."""
    return outcome.removed + outcome.conflict / penalty


@dataclass(frozen=True)
class Standing:
    """How far a member came.

    Attributes
    ----------
    outcome : Outcome
        Of the last rung that it was trained in.
    rungs, steps : int
        How many of them, and their steps together.
    is_kept : bool
        Whether the last rung kept it.
    """

    outcome: Outcome
    rungs: int
    steps: int
    is_kept: bool


def standings(
    members: Sequence[Member],
    rungs: Sequence[Rung],
    *,
    rank: Rank = removal_estimate,
    checkpoint: str | Path | None = None,
    device: str | torch.device = "cpu",
) -> list[Standing]:
    """How far each member came, in their order.

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

    Raises
    ------
    InputError
        If there are no rungs, or no members.
    """
    if not rungs:
        raise InputError("no rungs to train: give at least one")
    found: dict[int, Standing] = {}
    left, steps = list(range(len(members))), 0
    for number, rung in enumerate(rungs):
        place = None if checkpoint is None else f"{checkpoint}-rung{number}"
        outcomes = train_members(
            [members[j] for j in left],
            rung.settings,
            starts=[found[j].outcome for j in left] if number else None,
            checkpoint=place,
            device=device,
        )
        steps += rung.settings.num_steps
        order = _order(outcomes, rank)[: rung.keep]
        for position, (j, outcome) in enumerate(zip(left, outcomes, strict=True)):
            found[j] = Standing(outcome, number + 1, steps, position in order)
        left = [left[position] for position in order]
    return [found[j] for j in range(len(members))]


def successive_halving(
    members: Sequence[Member],
    rungs: Sequence[Rung],
    *,
    rank: Rank = removal_estimate,
    checkpoint: str | Path | None = None,
    device: str | torch.device = "cpu",
) -> list[Outcome]:
    """Outcomes that the last rung keeps, best first; else as `standings`."""
    found = standings(members, rungs, rank=rank, checkpoint=checkpoint, device=device)
    kept = [standing.outcome for standing in found if standing.is_kept]
    return best(kept, len(kept), rank)


def best(outcomes: Sequence[Outcome], keep: int, rank: Rank) -> list[Outcome]:
    """So many outcomes of least rank, in its order."""
    return [outcomes[place] for place in _order(outcomes, rank)[:keep]]


def _order(outcomes: Sequence[Outcome], rank: Rank) -> list[int]:
    """Places by rank; those that diverged come last."""

    def value(place: int) -> float:
        outcome = outcomes[place]
        found = rank(outcome) if outcome.status == FitStatus.FINISHED else math.inf
        return math.inf if math.isnan(found) else found

    return sorted(range(len(outcomes)), key=value)
