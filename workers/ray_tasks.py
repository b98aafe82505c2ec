"""Calls as plain Ray tasks, and what all calls on Ray have in common.

One call is one Ray task with Ray's own retries off: `workers.fan_out` counts attempts, because a
retry that Ray makes by itself is invisible in the execution table.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pickle import PicklingError
from typing import Any

from tasks.records.errors import InfrastructureError, InputError
from workers.calls import Call, CallReport
from workers.executors import Handle
from workers.failures import Failure
from workers.sharing import Shared, check_known

CANCEL_SECONDS = 5.0
"""Longest wait for cancelled calls to end; the cluster ends the rest by itself."""


class TaskCalls:
    """Calls on whichever workers the cluster has free; see `workers.executors.Calls`.

    Parameters
    ----------
    start : callable
        Submits one call, and returns the reference to its report.
    """

    def __init__(self, start: Callable[[Call], Any]) -> None:
        import ray

        self._ray = ray
        self._start = start
        self._running: dict[Any, None] = {}

    def submit(self, call: Call) -> Handle:
        """Submit one Ray task."""
        with sendable(f"item {call.key}"):
            reference = self._start(call)
        self._running[reference] = None
        return reference

    def wait(self, timeout_seconds: float) -> list[Handle]:
        """See `workers.executors.Calls`."""
        return finished(self._running, timeout_seconds)

    def collect(self, handle: Handle) -> CallReport | Failure:
        """See `workers.executors.Calls`."""
        self._running.pop(handle)
        return collected(handle)

    def close(self) -> None:
        """Kill the workers of running calls, drop queued ones; compiled code hears no signal."""
        left = list(self._running)
        self._running.clear()
        if not left or not self._ray.is_initialized():
            return
        for reference in left:
            self._ray.cancel(reference, force=True)
        self._ray.wait(left, num_returns=len(left), timeout=CANCEL_SECONDS)


class SharedReferences:
    """References to shared values in Ray's object store, kept until the map ends."""

    def __init__(self, shared: Shared) -> None:
        import ray

        self._ray = ray
        self._shared = shared
        self._references: dict[str, Any] = {}

    def of(self, call: Call) -> list[Any]:
        """References to what a call needs, in the order in which its item names it."""
        check_known(self._shared, call)
        for name in call.shares:
            if name not in self._references:
                with sendable(f"shared value {name}"):
                    self._references[name] = self._ray.put(self._shared[name])
        return [self._references[name] for name in call.shares]


def finished(references: Iterable[Any], timeout_seconds: float) -> list[Any]:
    """Wait for the first, then take all that are finished."""
    import ray

    references = list(references)
    ready, _ = ray.wait(references, num_returns=1, timeout=timeout_seconds)
    if not ready or len(references) == 1:
        return ready
    return ray.wait(references, num_returns=len(references), timeout=0)[0]


def collected(reference: Any) -> Any | Failure:
    """Fetch what a finished reference stands for, or why there is nothing.

    Raises
    ------
    InfrastructureError
        If the driver's own node is gone.
    """
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.LocalRayletDiedError as error:
        raise InfrastructureError(
            "this machine's Ray node died, so no call can be made any more; finished items "
            "are kept: run the same command again",
            retryable=True,
        ) from error
    except (ray.exceptions.RayError, ConnectionError) as error:
        return Failure.of(error)


@contextmanager
def sendable(what: str) -> Iterator[None]:
    """Say clearly what cannot be pickled; Ray reports it as a TypeError of many lines."""
    try:
        yield
    except (TypeError, PicklingError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{what} cannot be sent to a worker: {reason}") from error
