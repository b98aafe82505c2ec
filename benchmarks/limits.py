"""Calls timed in a process of their own, with limits on its CPU time and memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tasks.records.isolation import Stopped, close_processes, cpu_seconds, run_limited

MIN_REPEATS, MIN_SECONDS = 5, 0.5
"""A call is repeated so often and so long, as a burst of other work spoils several of 1 ms."""


@dataclass(frozen=True)
class Outcome:
    """What became of a call.

    Attributes
    ----------
    seconds : float
        CPU seconds; the limit if it was cut off there or by its memory.
    note : str
        What the call said, or why it was cut off.
    is_bound : bool
        Whether it was cut off, so that its time is a lower bound.
    is_solved : bool
        What the call said of itself.
    """

    seconds: float
    note: str
    is_bound: bool = False
    is_solved: bool = False


Judge = Callable[[], tuple[bool, str]]
"""Says, once the clock has stopped, whether the problem was solved, and how."""
Prepared = Callable[[], Judge]
"""What is timed."""


_ready: list[Prepared] = []
"""In the process: the call that was prepared."""


def time_apart(
    prepare: Callable[..., Prepared], *arguments: Any, seconds: float, gib: float
) -> Outcome:
    """Prepare a call in a new process, then time it there: the best of some repeats.

    Repeats end, at the latest, once their sum is above a tenth of the limit.
    """
    close_processes()
    found = run_limited(
        _best,
        seconds,
        seconds=seconds,
        memory_gib=gib,
        prepare=partial(_prepare, prepare, arguments),
        clock="cpu",
    )
    if not isinstance(found, Stopped):
        return found
    is_bound = found.ending in ("time", "memory", "ended")
    return Outcome(seconds if is_bound else float("nan"), found.reason[:60], is_bound=is_bound)


def _prepare(prepare: Callable[..., Prepared], arguments: tuple[Any, ...]) -> None:
    _ready[:] = [prepare(*arguments)]


def _best(limit: float) -> Outcome:
    [call] = _ready
    times: list[float] = []
    while not _is_enough(times, limit):
        start = cpu_seconds()
        judge = call()
        times.append(cpu_seconds() - start)
        is_solved, note = judge()
    return Outcome(min(times), note, is_solved=is_solved)


def _is_enough(times: list[float], limit: float) -> bool:
    """Whether a call was repeated often enough."""
    total = sum(times)
    is_settled = len(times) >= MIN_REPEATS and total > MIN_SECONDS
    return is_settled or total > limit / 10
