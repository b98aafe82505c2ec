"""Contestants that take turns, so that a busy machine slows each; the best turn counts."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count, takewhile
from typing import Any

import torch

TURNS = 4


def fastest(calls: dict[str, Callable[[], Any]], seconds: float = 0.0) -> dict[str, float]:
    """Seconds of the fastest turn of each call, taken in turns for at least so many seconds."""
    for call in calls.values():
        call()
    found = dict.fromkeys(calls, float("inf"))
    ends = time.perf_counter() + seconds
    for _ in takewhile(lambda turn: turn < TURNS or time.perf_counter() < ends, count()):
        for name, call in calls.items():
            started = clock()
            call()
            found[name] = min(found[name], clock() - started)
    return found


def clock() -> float:
    """CPU seconds, which others on the machine do not count into; with a GPU seconds."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()
