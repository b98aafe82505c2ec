"""Items, their outcomes and the counts of a map: plain data, the same for every executor."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from workers.failures import Failure
from workers.logs import LogLine


@dataclass(frozen=True)
class WorkItem:
    """One unit of work: a key that names it in the store, and the argument of the function.

    `shares` names what the function gets behind it: values that the map shares among its items.
    """

    key: str
    payload: Any
    shares: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of an item: `value`, or `error` if that is not None.

    `attempts` counts calls made, `seconds` is the time of the last one on its worker, `started_at`
    is in UTC, `device` is ``"cpu"`` or the GPU, `peak_rss_bytes` the largest resident size of the
    worker process during the call (0 if unknown). Host and device are ``"unknown"`` if the worker
    died.
    """

    key: str
    value: Any
    error: Failure | None
    attempts: int
    seconds: float
    host: str
    device: str
    started_at: datetime
    peak_rss_bytes: int
    logs: tuple[LogLine, ...]

    @property
    def ok(self) -> bool:
        """Whether there is a value."""
        return self.error is None


@dataclass(frozen=True)
class Progress:
    """Counts of items: with a value, with a failure, in flight, skipped as already done.

    `total` is None when the input does not know its length.
    """

    total: int | None
    done: int
    failed: int
    running: int
    skipped: int

    @property
    def settled(self) -> int:
        """Items that need no more work in this run."""
        return self.done + self.failed + self.skipped
