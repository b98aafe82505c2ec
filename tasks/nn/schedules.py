"""Step-wise schedules: a learning rate eta(t) for every step t = 0, 1, 2, ...

A schedule over T steps gives the rate of step t *before* that step is taken, so steps 0..T-1 are
what training sees.  With f = min(t / T, 1):

    constant    eta(t) = a
    linear      eta(t) = a + (b - a) f
    cosine      eta(t) = b + (a - b) (1 + cos(pi f)) / 2
    step        eta(t) = a factor^k, k milestones at or below t
    warm-up     eta(t) = inner(0) (t + 1) / w for t < w, then inner(t - w)
    shifted     eta(t) = inner(t + offset)
    compressed  eta(t) = inner(t old // new): the whole curve over `old` steps within `new`

Schedules are plain values: equal settings compare equal, and nothing is counted inside them, so a
resumed run needs only its step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from tasks.records import InputError


class Schedule(Protocol):
    """Anything with a rate per step."""

    def at(self, step: int) -> float:
        """Rate of step `step` >= 0."""
        ...


@dataclass(frozen=True)
class Constant:
    """The same rate at every step."""

    rate: float

    def at(self, step: int) -> float:
        """Rate of any step."""
        return self.rate


@dataclass(frozen=True)
class Linear:
    """From `start` at step 0 in a straight line to `end` at step `num_steps`, then constant.

    Examples
    --------
    >>> [Linear(0.1, 0.0, num_steps=4).at(t) for t in (0, 2, 9)]
    [0.1, 0.05, 0.0]
    """

    start: float
    end: float
    num_steps: int

    def __post_init__(self) -> None:
        _check_steps(self.num_steps)

    def at(self, step: int) -> float:
        """Rate of step `step`."""
        return self.start + (self.end - self.start) * _fraction(step, self.num_steps)


@dataclass(frozen=True)
class Cosine:
    """From `start` at step 0 along half a cosine to `end` at step `num_steps`, then constant."""

    start: float
    end: float
    num_steps: int

    def __post_init__(self) -> None:
        _check_steps(self.num_steps)

    def at(self, step: int) -> float:
        """Rate of step `step`."""
        share = (1 + math.cos(math.pi * _fraction(step, self.num_steps))) / 2
        return self.end + (self.start - self.end) * share


@dataclass(frozen=True)
class Step:
    """`start`, multiplied by `factor` at every milestone."""

    start: float
    milestones: tuple[int, ...]
    factor: float = 0.1

    def at(self, step: int) -> float:
        """Rate of step `step`."""
        return self.start * self.factor ** sum(m <= step for m in self.milestones)


@dataclass(frozen=True)
class WarmUp:
    """In `num_steps` equal rises from 0 to the start of `inner`, then `inner` from its beginning.

    The first rate is positive and step `num_steps` has the full rate: no step is wasted.
    """

    inner: Schedule
    num_steps: int

    def at(self, step: int) -> float:
        """Rate of step `step`."""
        if step < self.num_steps:
            return self.inner.at(0) * (step + 1) / self.num_steps
        return self.inner.at(step - self.num_steps)


@dataclass(frozen=True)
class Shifted:
    """`inner`, entered at step `offset`."""

    inner: Schedule
    offset: int

    def at(self, step: int) -> float:
        """Rate of step `step`."""
        return self.inner.at(step + self.offset)


@dataclass(frozen=True)
class Compressed:
    """The curve of `inner` over `old_steps` steps, run through in `new_steps`."""

    inner: Schedule
    old_steps: int
    new_steps: int

    def __post_init__(self) -> None:
        _check_steps(self.old_steps)
        _check_steps(self.new_steps)

    def at(self, step: int) -> float:
        """Rate of step `step`."""
        return self.inner.at(step * self.old_steps // self.new_steps)


def num_rises(share: float, num_steps: int) -> int:
    """Steps of a warm-up: round(share * num_steps), at least one if share > 0."""
    if not 0 <= share <= 1:
        raise InputError(f"{share} is no share of a warm-up: give a number in [0, 1]")
    return max(round(share * num_steps), 1) if share else 0


def warmed_up(schedule: Schedule, share: float, num_steps: int) -> Schedule:
    """`schedule` after a warm-up of that share of `num_steps`."""
    rises = num_rises(share, num_steps)
    return WarmUp(schedule, rises) if rises else schedule


def _fraction(step: int, num_steps: int) -> float:
    return min(step / num_steps, 1.0)


def _check_steps(num_steps: int) -> None:
    if num_steps < 1:
        raise InputError(f"a schedule over {num_steps} steps: give at least 1")
