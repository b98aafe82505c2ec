"""Executors: places that can make calls.

An executor knows nothing of items, order or retries; it accepts calls, says which are finished
and hands over their reports. `workers.dispatch` does the rest, the same for every executor.
"""

from collections.abc import Callable, Collection
from typing import Any, Protocol, TypeAlias

from tasks.records.errors import InfrastructureError
from workers.calls import Call, CallReport, gpu_models, perform
from workers.failures import Failure
from workers.profiles import ResourceProfile

Handle: TypeAlias = Any
"""Names one submitted call of one executor."""


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

    def prepare(self, function: Callable[[Any], Any]) -> Any:
        """Ship the function once; the result stands for it in `submit`."""
        ...

    def submit(self, function: Any, call: Call, *, profile: ResourceProfile) -> Handle:
        """Accept a call without waiting for it."""
        ...

    def wait(self, handles: Collection[Handle], timeout_seconds: float) -> list[Handle]:
        """Finished calls among `handles`; waits for at least one, empty after the timeout."""
        ...

    def collect(self, handle: Handle) -> CallReport | Failure:
        """Report of a finished call, or the failure that kept its worker from reporting.

        Raises a retryable `InfrastructureError` if no further call can be made here.
        """
        ...

    def cancel(self, handles: Collection[Handle]) -> None:
        """Stop these calls and forget them."""
        ...


class SerialExecutor:
    """Makes calls one after the other in this process; needs no Ray.

    A call runs when it is waited for, so that no work is done ahead of its consumer. A function
    that kills its process kills the driver.
    """

    address = "serial"
    remote = False

    def __init__(self) -> None:
        self._calls: dict[int, tuple[Callable[[Any], Any], Call]] = {}
        self._next = 0

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

    def prepare(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return the function itself."""
        return function

    def submit(
        self, function: Callable[[Any], Any], call: Call, *, profile: ResourceProfile
    ) -> int:
        """Note the call down."""
        self._next += 1
        self._calls[self._next] = (function, call)
        return self._next

    def wait(self, handles: Collection[Handle], timeout_seconds: float) -> list[Handle]:
        """Name the call that was submitted first."""
        return [min(handles)]

    def collect(self, handle: Handle) -> CallReport:
        """Make the call."""
        function, call = self._calls.pop(handle)
        return perform(function, call)

    def cancel(self, handles: Collection[Handle]) -> None:
        """Forget the calls."""
        for handle in handles:
            self._calls.pop(handle, None)
