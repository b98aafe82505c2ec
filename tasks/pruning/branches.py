"""Retraining of a pruned network: its members, their rates, and one training of a member.

Member j = 0, 1, 2, ... differs from the given settings in one thing:

    seed            the order of batches and augmentation
    weight_decay    times spread^e_j, e = 0, 1, -1, 2, -2, ...
    retrain_length  number of steps, times spread^e_j
    lr              every learning rate, times spread^e_j

so that member 0 always has the given settings.  With all variations but `seed` all members see the
same batches.

A training is a function of the pruned checkpoint and of the member; killed and called again, it
goes on from its own checkpoint and ends with the same weights, on the CPU bit for bit.  If the
pruned network has been made again in between, and is another one, the training starts over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.nn import (
    Compressed,
    Fit,
    FitStatus,
    Retraining,
    Schedule,
    Shifted,
    retraining_schedule,
)
from tasks.pruning.config import Vary
from tasks.pruning.dynamic import train_behind
from tasks.pruning.setups import Setup
from tasks.pruning.sparse_models import SparseModel
from tasks.records import InputError, derive_seed

__all__ = ["Branch", "Rates", "ScaledSchedule", "plan_branches", "retrain"]


@dataclass(frozen=True)
class Branch:
    """Settings of one member.

    Attributes
    ----------
    number : int
        From 0.
    seed : int
        Of batches, augmentation and dropout.
    weight_decay : float
    num_steps : int
    rate_scale : float
        Multiplies every learning rate.
    """

    number: int
    seed: int
    weight_decay: float
    num_steps: int
    rate_scale: float = 1.0


@dataclass(frozen=True)
class ScaledSchedule:
    """`inner` times a factor."""

    inner: Schedule
    factor: float

    def at(self, step: int) -> float:
        """Rate of step `step`."""
        return self.factor * self.inner.at(step)


@dataclass(frozen=True)
class Rates:
    """Learning rates of one cycle, for any length.

    Attributes
    ----------
    kind : Retraining or "continued"
        ``continued`` goes on with the original schedule at its step `start`, whose next `length`
        steps are stretched over the retraining.
    original : Schedule
    original_steps : int
    distance : float or None
        d1 of the cycle's pruning; ALLR needs it.
    start, length : int
    """

    kind: str
    original: Schedule
    original_steps: int
    distance: float | None = None
    start: int = 0
    length: int = 1

    def schedule(self, num_steps: int, scale: float = 1.0) -> Schedule:
        """Schedule over so many steps."""
        if self.kind == "continued":
            ahead = Shifted(self.original, self.start)
            curve: Schedule = Compressed(ahead, self.length, num_steps)
        else:
            kind: Retraining = self.kind  # pyrefly: ignore[bad-assignment]
            curve = retraining_schedule(
                kind, self.original, self.original_steps, num_steps, distance=self.distance
            )
        return curve if scale == 1.0 else ScaledSchedule(curve, scale)


def plan_branches(
    vary: Vary, count: int, *, seed: int, weight_decay: float, num_steps: int, spread: float
) -> tuple[Branch, ...]:
    """Members 0..count-1.

    Raises
    ------
    InputError
        For an unknown variation, no member, or a length that is cut below one step.
    """
    if vary not in _CHANGES or count < 1:
        raise InputError(
            f"{count} members by {vary!r}: give at least one, and vary {', '.join(_CHANGES)}"
        )
    base = Branch(0, derive_seed(seed, "member", 0), weight_decay, num_steps)
    return tuple(
        _CHANGES[vary](replace(base, number=j), seed, spread ** _exponent(j)) for j in range(count)
    )


def retrain(
    setup: Setup,
    pruned: SparseModel,
    branch: Branch,
    rates: Rates,
    *,
    checkpoint: str | Path | None = None,
    feedback: bool = False,
) -> Fit:
    """Train the pruned network in place, then estimate its normalization anew.

    Parameters
    ----------
    checkpoint : path, optional
        Where this training saves itself, and goes on from, unless the file began with another
        network.
    feedback : bool
        Train pruned weights invisibly (DPF).

    Returns
    -------
    Fit
        With status ``diverged`` if the loss was not finite; then the weights are the last good
        ones.
    """
    schedule = rates.schedule(branch.num_steps, branch.rate_scale)
    state = setup.state(pruned.model, schedule, branch.seed, branch.weight_decay)
    plan = setup.plan(branch.num_steps, pruned, checkpoint)
    batches, objective = setup.batches(branch.seed), setup.objective
    outcome = train_behind(objective, pruned.masks, state, batches, plan, feedback=feedback)
    if outcome.status == FitStatus.FINISHED and not feedback:
        setup.recalibrate(pruned.model)
    return outcome


def _exponent(number: int) -> int:
    """0, 1, -1, 2, -2, ..."""
    half = (number + 1) // 2
    return half if number % 2 else -half


def _shortened(branch: Branch, factor: float) -> Branch:
    steps = round(branch.num_steps * factor)
    if steps < 1:
        raise InputError(
            f"member {branch.number} would train {branch.num_steps * factor:.2g} steps; give more "
            "epochs or a smaller spread"
        )
    return replace(branch, num_steps=steps)


_CHANGES: dict[str, Callable[[Branch, int, float], Branch]] = {
    "seed": lambda b, seed, _: replace(b, seed=derive_seed(seed, "member", b.number)),
    "weight_decay": lambda b, _, factor: replace(b, weight_decay=b.weight_decay * factor),
    "retrain_length": lambda b, _, factor: _shortened(b, factor),
    "lr": lambda b, _, factor: replace(b, rate_scale=factor),
}
