"""Calls in a process of their own, with limits on its CPU time and memory."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

SETUP_LIMIT_S = 300.0
"""CPU seconds for imports, compilation and whatever else comes before the clock starts."""
MIN_REPEATS, MIN_SECONDS = 5, 0.5
"""A call is repeated so often and so long, as a burst of other work spoils several of 1 ms."""
TICK_S = 0.05
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


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


def run_limited(
    prepare: Callable[..., Prepared], *arguments: Any, seconds: float, gib: float
) -> Outcome:
    """Prepare a call in a new process, then time it there: the best of some repeats.

    Repeats end, at the latest, once their sum is above a tenth of the limit.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    job = partial(_serve, theirs, prepare, arguments, seconds)
    process = context.Process(target=job, daemon=True)
    process.start()
    theirs.close()
    try:
        return _watch(ours, process.pid or 0, seconds, int(gib * 2**30))
    finally:
        process.kill()
        process.join()
        ours.close()


def _watch(channel: Connection, pid: int, seconds: float, max_bytes: int) -> Outcome:
    """The outcome of the process, or that of a limit."""
    begun, limit = 0.0, SETUP_LIMIT_S
    try:
        while True:
            if channel.poll(TICK_S):
                message = channel.recv()
                if isinstance(message, Outcome):
                    return message
                begun, limit = message, seconds
            spent, resident = _usage(pid)
            if resident > max_bytes:
                return Outcome(seconds, f"above {max_bytes / 2**30:.3g} GiB", is_bound=True)
            if spent - begun > limit:
                return Outcome(seconds, f"above {seconds:.3g} s", is_bound=True)
    except EOFError:
        return Outcome(seconds, "its process died", is_bound=True)


def _usage(pid: int) -> tuple[float, int]:
    """CPU seconds and resident bytes of a process and its descendants; zeros once it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0, 0
    # User and system time, also of children that have ended.
    spent = sum(map(int, fields[11:15])) / TICKS_PER_SECOND
    held = int(fields[21]) * resource.getpagesize()
    helpers = [_usage(child) for child in _children(pid)]
    return spent + sum(h[0] for h in helpers), held + sum(h[1] for h in helpers)


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(c) for task in tasks for c in (task / "children").read_text().split()]
    except OSError:
        return []


def _timed(call: Prepared) -> tuple[float, bool, str]:
    """CPU seconds of this process, and of its helpers to a hundredth; and the judgement."""
    before = _helper_seconds()
    start = time.process_time()
    judge = call()
    spent = time.process_time() - start
    spent += max(0.0, _helper_seconds() - before)
    return spent, *judge()


def _is_enough(times: list[float], limit: float) -> bool:
    """Whether a call was repeated often enough."""
    total = sum(times)
    is_settled = len(times) >= MIN_REPEATS and total > MIN_SECONDS
    return is_settled or total > limit / 10


def _helper_seconds() -> float:
    ended = sum(os.times()[2:4])
    return ended + sum(_usage(child)[0] for child in _children(os.getpid()))


def _serve(
    channel: Connection,
    prepare: Callable[..., Prepared],
    arguments: tuple[Any, ...],
    limit: float,
) -> None:
    """In the new process: prepare, say so, time."""
    try:
        call = prepare(*arguments)
        channel.send(_usage(os.getpid())[0])
        times: list[float] = []
        while not _is_enough(times, limit):
            spent, is_solved, note = _timed(call)
            times.append(spent)
        channel.send(Outcome(min(times), note, is_solved=is_solved))
    except MemoryError as error:
        channel.send(Outcome(limit, f"out of memory: {error}"[:60], is_bound=True))
    except Exception as error:  # noqa: BLE001 - any failure of a competitor is a result
        channel.send(Outcome(float("nan"), f"{type(error).__name__}: {error}"[:60]))
