"""State of one map over an executor: calls in flight, outcomes held back for order, counts.

Invariant: running + held + ready <= window, where *running* calls are submitted and not settled,
*held* outcomes wait for an earlier item (ordered maps only), *ready* ones for their consumer.
An ordered map cannot stall on it: the earliest item not handed out is never held.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from tasks.records.errors import InfrastructureError
from workers import logs
from workers.calls import Call, CallReport, lost_report
from workers.executors import Calls, Executor, Handle
from workers.failures import Failure
from workers.outcomes import Outcome, Progress, WorkItem
from workers.profiles import ResourceProfile

logger = logging.getLogger(__name__)

WAIT_SECONDS = 5.0
"""Without a finished call for this long, the cluster is asked whether it can still run one."""
PATIENCE_SECONDS = 60.0
"""A cluster that can run no call may recover (a node returns) for this long."""


@dataclass(frozen=True)
class Attempt:
    """The `number`-th call (from 1) made for the item taken as number `index` (from 0)."""

    item: WorkItem
    index: int
    number: int = 1
    submitted_at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class FanOut:
    """See `workers.dispatch.map_batches`, which validates the arguments."""

    executor: Executor
    calls: Calls
    profile: ResourceProfile
    window: int
    retries: int
    skip: frozenset[str]
    total: int | None
    progress: Callable[[Progress], None] | None
    running: dict[Handle, Attempt] = field(default_factory=dict)
    held: dict[int, Outcome] = field(default_factory=dict)
    ready: deque[Outcome] = field(default_factory=deque)
    counts: Counter[str] = field(default_factory=Counter)
    unable_since: float | None = None

    def outcomes(self, items: Iterator[WorkItem], *, ordered: bool) -> Iterator[Outcome]:
        """Generate the outcomes; cancels what is in flight however it ends."""
        try:
            self._refill(items)
            self._report()
            while self.running:
                for handle in self._wait():
                    self._settle(handle, ordered=ordered)
                    while self.ready:
                        outcome = self.ready.popleft()
                        # Before handing out, so that workers are busy while the consumer is.
                        self._refill(items)
                        self._report()
                        yield outcome
        finally:
            self.calls.close()

    def _refill(self, items: Iterator[WorkItem]) -> None:
        while len(self.running) + len(self.held) + len(self.ready) < self.window:
            item = next(items, None)
            if item is None:
                return
            if item.key in self.skip:
                self.counts["skipped"] += 1
                continue
            self._submit(Attempt(item, self.counts["taken"]))
            self.counts["taken"] += 1

    def _submit(self, attempt: Attempt) -> None:
        item = attempt.item
        call = Call(
            item.key, item.payload, self.profile.gpus, self.executor.remote, shares=item.shares
        )
        self.running[self.calls.submit(call)] = attempt

    def _wait(self) -> list[Handle]:
        finished = self.calls.wait(WAIT_SECONDS)
        if finished:
            self.unable_since = None
        else:
            self._require_able()
        return finished

    def _require_able(self) -> None:
        """Raise if no node could run a call for `PATIENCE_SECONDS`: it would wait for ever."""
        try:
            self.executor.check(self.profile)
            self.unable_since = None
        except InfrastructureError as error:
            now = time.monotonic()
            if self.unable_since is None:
                self.unable_since = now
                logger.warning("%s; waiting %g s for it", error, PATIENCE_SECONDS)
            elif now - self.unable_since >= PATIENCE_SECONDS:
                raise InfrastructureError(
                    f"{error}; {len(self.running)} items in flight are unfinished, finished ones "
                    "are kept: run the same command again",
                    retryable=True,
                ) from error

    def _settle(self, handle: Handle, *, ordered: bool) -> None:
        """Turn a finished call into an outcome, or make it again."""
        attempt = self.running.pop(handle)
        report = self._collect(handle, attempt)
        logs.emit(report.logs if self.executor.remote else (), attempt.item.key, report.host)
        failure = report.failure
        if failure and attempt.number <= min(self.retries, failure.useful_retries):
            self._try_again(attempt, failure)
            return
        self.counts["failed" if failure else "done"] += 1
        self.held[attempt.index] = _outcome(attempt, report)
        if not ordered:
            self.ready.append(self.held.pop(attempt.index))
        while self.counts["in_order"] in self.held:
            self.ready.append(self.held.pop(self.counts["in_order"]))
            self.counts["in_order"] += 1

    def _collect(self, handle: Handle, attempt: Attempt) -> CallReport:
        report = self.calls.collect(handle)
        return lost_report(report, attempt.submitted_at) if isinstance(report, Failure) else report

    def _try_again(self, attempt: Attempt, failure: Failure) -> None:
        logger.warning(
            "item %s: try %d of %d failed, trying again: %s",
            attempt.item.key,
            attempt.number,
            self.retries + 1,
            failure.message,
        )
        self._submit(replace(attempt, number=attempt.number + 1, submitted_at=datetime.now(UTC)))

    def _report(self) -> None:
        if self.progress is None:
            return
        counts = self.counts
        running = len(self.running)
        self.progress(
            Progress(self.total, counts["done"], counts["failed"], running, counts["skipped"])
        )


def _outcome(attempt: Attempt, report: CallReport) -> Outcome:
    return Outcome(
        key=attempt.item.key,
        value=report.value,
        error=report.failure,
        attempts=attempt.number,
        seconds=report.seconds,
        host=report.host,
        device=report.device,
        started_at=report.started_at,
        peak_rss_bytes=report.peak_rss_bytes,
        logs=report.logs,
    )
