"""Calls on warm workers: Ray actors that one map has to itself.

A plain task runs in whichever worker process is free; a warm worker keeps its process, and with it
compiled kernels, the CUDA context and caches, from its first call to the end of the map.

Invariants, for a map whose profile fits n times into the cluster now:

1. At most min(n, calls not collected) actors; they start with the first calls and end with the map.
2. An actor is given calls only when it lives, so that none waits for resources that others hold.
3. An actor has at most `QUEUED` calls, and only one while another actor is starting. It begins a
   call only when the report of the one before has reached the driver's process.
4. So when an actor dies, the first call without a report dies with it and is told as a failure; the
   next had not begun and goes to another actor. What a failure leads to is `workers.fan_out`'s
   affair.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from workers.calls import Call, CallReport, perform
from workers.failures import INFRASTRUCTURE, Failure
from workers.ray_tasks import CANCEL_SECONDS, collected, finished, sendable

logger = logging.getLogger(__name__)

QUEUED = 2
"""The call that an actor makes and the next: it does not idle while the driver is busy."""
CAPACITY_SECONDS = 5.0
"""How long the cluster's capacity is taken as known; an autoscaling one grows meanwhile."""


class WarmWorker:
    """One function in a process of its own; made an actor by `workers.ray_executor`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def live(self) -> None:
        """Answer, which tells that the process has started."""

    def perform(self, call: Call, _previous: None, *shared: Any) -> tuple[CallReport, None]:
        """Make a call (see `workers.calls.perform`); return its report, and what the next needs."""
        return perform(self._function, call, *shared), None


@dataclass(frozen=True)
class _Waiting:
    """A call that no actor has, and references to the shared values that it needs."""

    handle: int
    call: Call
    shared: list[Any]


@dataclass(frozen=True)
class _Given:
    """A call that an actor has, and the references to its report and to what the next needs.

    The latter is an argument of the next call: Ray, in the driver's process but without its Python,
    holds that call back until this one has answered.
    """

    waiting: _Waiting
    report: Any
    answered: Any


@dataclass(eq=False)
class _Worker:
    """An actor: the reference that tells that it lives, None once it does, and its calls."""

    actor: Any
    starting: Any | None
    calls: deque[_Given] = field(default_factory=deque)

    def give(self, waiting: _Waiting) -> None:
        """Submit a call, to be begun after those before it."""
        previous = self.calls[-1].answered if self.calls else None
        with sendable(f"item {waiting.call.key}"):
            references = self.actor.perform.options(num_returns=2).remote(
                waiting.call, previous, *waiting.shared
            )
        self.calls.append(_Given(waiting, *references))

    def take_back(self) -> list[_Waiting]:
        """Name the calls that were given and will not begin."""
        given, self.calls = self.calls, deque()
        return [each.waiting for each in given]

    @property
    def expected(self) -> Any | None:
        """Reference to what this actor says next; None if it is idle."""
        if self.starting is not None:
            return self.starting
        return self.calls[0].report if self.calls else None


class ActorCalls:
    """Calls on actors of their own; see `workers.executors.Calls`.

    Parameters
    ----------
    start : callable
        Starts one actor, without waiting for it.
    capacity : callable
        Number of actors that the cluster can hold now, at least 1.
    shared : callable
        References to the shared values that a call needs.
    """

    def __init__(
        self,
        start: Callable[[], Any],
        capacity: Callable[[], int],
        shared: Callable[[Call], list[Any]],
    ) -> None:
        import ray

        self._ray = ray
        self._start = start
        self._ask_capacity = capacity
        self._shared = shared
        self._capacity = 0
        self._asked_at = -CAPACITY_SECONDS
        self._next = 0
        self._waiting: deque[_Waiting] = deque()
        self._workers: list[_Worker] = []
        self._lost: dict[int, Failure] = {}

    def submit(self, call: Call) -> int:
        """Queue a call, and start an actor if there is room for one more."""
        self._next += 1
        self._waiting.append(_Waiting(self._next, call, self._shared(call)))
        self._distribute()
        return self._next

    def wait(self, timeout_seconds: float) -> list[int]:
        """See `workers.executors.Calls`; at most one call of each actor is named."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            self._distribute()
            found = list(self._hear(max(0.0, deadline - time.monotonic())))
            if found or time.monotonic() >= deadline:
                return found

    def collect(self, handle: int) -> CallReport | Failure:
        """See `workers.executors.Calls`; the actor goes on with its next call."""
        if handle in self._lost:
            return self._lost.pop(handle)
        worker = next(w for w in self._workers if w.calls and w.calls[0].waiting.handle == handle)
        report = collected(worker.calls.popleft().report)
        if isinstance(report, Failure):
            # Without an answer Ray does not begin the next call, even if the actor lives.
            self._waiting.extendleft(reversed(worker.take_back()))
            if report.kind == INFRASTRUCTURE:
                self._retire(worker)
        self._distribute()
        return report

    def close(self) -> None:
        """Kill all actors; compiled code hears no signal."""
        workers, self._workers = self._workers, []
        self._waiting.clear()
        if not workers or not self._ray.is_initialized():
            return
        for worker in workers:
            self._ray.kill(worker.actor)
        busy = [worker.expected for worker in workers if worker.expected is not None]
        if busy:
            self._ray.wait(busy, num_returns=len(busy), timeout=CANCEL_SECONDS)

    def _distribute(self) -> None:
        """Start the actors that are missing, give waiting calls to those that live."""
        self._grow()
        self._feed()

    def _grow(self) -> None:
        """Start actors, as many as there are calls and room for."""
        calls = len(self._waiting) + sum(len(worker.calls) for worker in self._workers)
        if len(self._workers) >= calls:
            return
        if time.monotonic() - self._asked_at >= CAPACITY_SECONDS:
            self._capacity, self._asked_at = self._ask_capacity(), time.monotonic()
        for _ in range(len(self._workers), min(calls, self._capacity)):
            actor = self._start()
            self._workers.append(_Worker(actor, starting=actor.live.remote()))

    def _feed(self) -> None:
        """Give waiting calls to actors that live, the least busy first."""
        living = [worker for worker in self._workers if worker.starting is None]
        most = QUEUED if len(living) == len(self._workers) else 1
        while self._waiting and living:
            worker = min(living, key=lambda worker: len(worker.calls))
            if len(worker.calls) >= most:
                return
            worker.give(self._waiting.popleft())

    def _hear(self, timeout_seconds: float) -> Iterator[int]:
        """Wait until an actor says something; name the calls that are finished or lost."""
        expected = {worker.expected: worker for worker in self._workers}
        expected.pop(None, None)
        for reference in finished(expected, timeout_seconds):
            worker = expected[reference]
            if worker.starting is None:
                yield worker.calls[0].waiting.handle
            else:
                yield from self._welcome(worker)

    def _welcome(self, worker: _Worker) -> Iterator[int]:
        """Give a started actor its first calls; name the call that is lost if it did not start."""
        answer = collected(worker.starting)
        if isinstance(answer, Failure):
            self._retire(worker)
            yield from self._blame(answer)
            return
        worker.starting = None
        self._distribute()

    def _blame(self, failure: Failure) -> Iterator[int]:
        """Make one waiting call fail for an actor that did not start: trying again has an end."""
        if not self._waiting:
            logger.warning("a worker did not start: %s", failure.message)
            return
        lost = self._waiting.popleft().handle
        self._lost[lost] = failure
        yield lost

    def _retire(self, worker: _Worker) -> None:
        """End an actor that failed, if it has not ended."""
        self._workers.remove(worker)
        self._ray.kill(worker.actor)
