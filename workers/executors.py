"""Executors: places that can make calls, and the ways in which they make them.

An `Executor` is a place; `Calls` are the calls of one map at that place, made in this process, as
plain tasks (`workers.ray_tasks`) or on warm workers (`workers.actors`). Neither knows of items,
order or retries: an executor accepts calls, reports completion and returns the reports.
`workers.fan_out` does the rest, the same for all of them.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from tasks.records.errors import InfrastructureError
from workers.calls import Call, CallReport, gpu_models, perform
from workers.failures import Failure
from workers.profiles import ResourceProfile
from workers.sharing import Shared, shared_values
from workers.signals import Interruptible

Handle: TypeAlias = Any
"""Names one submitted call among the `Calls` it belongs to."""


class Calls(Protocol):
    """Calls of one function, each of which reserves the same resources."""

    def submit(self, call: Call) -> Handle:
        """Accept a call without waiting for it."""
        ...

    def wait(self, timeout_seconds: float) -> list[Handle]:
        """Finished calls that were not collected; waits for one, empty after the timeout."""
        ...

    def collect(self, handle: Handle) -> CallReport | Failure:
        """Report of a finished call, or the failure that kept its worker from reporting.

        Raises a retryable `InfrastructureError` if no further call can be made here.
        """
        ...

    def close(self) -> None:
        """Stop all calls that were not collected; none follows."""
        ...


class Executor(Protocol):
    """A place that can make calls."""

    address: str
    """What `connect` was given."""

    remote: bool
    """Whether calls run in other processes, so that their log lines must be carried here."""

    def describe(self) -> str:
        """One phrase for people, e.g. ``Ray at local (1 node, 2 CPU)``."""
        ...

    def check(self, profile: ResourceProfile) -> None:
        """Raise a non-retryable `InfrastructureError` if no node could ever run one call."""
        ...

    def slots(self, profile: ResourceProfile) -> int:
        """Number of calls that run at the same time, at least 1."""
        ...

    def calls(
        self, function: Callable[..., Any], *, profile: ResourceProfile, warm: bool, shared: Shared
    ) -> Calls:
        """Ship the function once, to be called by workers of its own if `warm`."""
        ...


class SerialExecutor:
    """Makes calls one after the other in this process; needs no Ray and is always warm.

    A function that kills its process kills the driver.
    """

    address = "serial"
    remote = False

    def describe(self) -> str:
        """See `Executor`."""
        return "serial, in this process"

    def check(self, profile: ResourceProfile) -> None:
        """Refuse GPUs this machine lacks; cores are shared, a single call has them all."""
        found = len(gpu_models())
        if profile.gpus > found:
            raise InfrastructureError(
                f"a call needs {profile.describe()} but this machine has {found} GPU; "
                "use a profile without GPU or connect to a cluster that has one"
            )

    def slots(self, profile: ResourceProfile) -> int:
        """Always 1."""
        return 1

    def calls(
        self, function: Callable[..., Any], *, profile: ResourceProfile, warm: bool, shared: Shared
    ) -> "SerialCalls":
        """See `Executor`."""
        return SerialCalls(function, shared)


class SerialCalls:
    """Calls in this process; a call runs only when it is collected, in a thread of its own.

    See `Calls`.
    """

    def __init__(self, function: Callable[..., Any], shared: Shared) -> None:
        self._function = Interruptible(function)
        self._shared = shared
        self._calls: dict[int, Call] = {}
        self._next = 0

    def submit(self, call: Call) -> int:
        """Note the call down."""
        self._next += 1
        self._calls[self._next] = call
        return self._next

    def wait(self, timeout_seconds: float) -> list[int]:
        """Name the call that was submitted first."""
        return [min(self._calls)]

    def collect(self, handle: int) -> CallReport | Failure:
        """Make the call."""
        call = self._calls.pop(handle)
        return perform(self._function, call, *shared_values(self._shared, call))

    def close(self) -> None:
        """Forget the calls."""
        self._calls.clear()
