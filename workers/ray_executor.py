"""Calls as plain Ray tasks.

One call is one Ray task with Ray's own retries off: `workers.dispatch` counts attempts, because a
retry that Ray makes by itself is invisible in the execution table.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pickle import PicklingError
from typing import Any

from tasks.records.errors import InfrastructureError, InputError
from workers.calls import Call, CallReport, perform
from workers.executors import Handle
from workers.failures import Failure
from workers.profiles import GIB, ResourceProfile

CANCEL_SECONDS = 5.0
"""Longest wait for cancelled calls to end; the cluster ends the rest by itself."""


class RayExecutor:
    """Makes calls on the Ray this process is connected to; made by `workers.connect`."""

    remote = True

    def __init__(self, address: str) -> None:
        import ray

        self.address = address
        self._ray = ray
        # max_calls=0: a GPU worker stays warm instead of being replaced after every call.
        remote = ray.remote(max_retries=0, retry_exceptions=False, max_calls=0)
        self._perform: Any = remote(perform)

    def describe(self) -> str:
        """See `workers.executors.Executor`."""
        nodes = self._nodes()
        cpus = sum(node.get("CPU", 0) for node in nodes)
        gpus = sum(node.get("GPU", 0) for node in nodes)
        tail = f", {gpus:g} GPU" if gpus else ""
        plural = "" if len(nodes) == 1 else "s"
        return f"Ray at {self.address} ({len(nodes)} node{plural}, {cpus:g} CPU{tail})"

    def check(self, profile: ResourceProfile) -> None:
        """Refuse what no living node offers: Ray itself would wait for ever."""
        nodes = self._nodes()
        if any(_calls_on(node, profile) for node in nodes):
            return
        largest = max(nodes, key=lambda node: (node.get("GPU", 0), node.get("CPU", 0)), default={})
        raise InfrastructureError(
            f"a call needs {profile.describe()} but no node of {self.describe()} offers that; "
            f"the largest has {_describe(largest)}; lower the profile or use another cluster"
        )

    def slots(self, profile: ResourceProfile) -> int:
        """See `workers.executors.Executor`."""
        return max(1, sum(_calls_on(node, profile) for node in self._nodes()))

    def prepare(self, function: Callable[[Any], Any]) -> Any:
        """Put the function into the object store."""
        with _sendable("the function"):
            return self._ray.put(function)

    def submit(self, function: Any, call: Call, *, profile: ResourceProfile) -> Handle:
        """Submit one Ray task."""
        options: dict[str, float] = {"num_cpus": profile.cpus, "num_gpus": profile.gpus}
        if profile.memory_bytes:
            options["memory"] = profile.memory_bytes
        with _sendable(f"item {call.key}"):
            return self._perform.options(**options).remote(function, call)

    def wait(self, handles: Collection[Handle], timeout_seconds: float) -> list[Handle]:
        """Wait for the first, then take all that are finished."""
        handles = list(handles)
        ready, _ = self._ray.wait(handles, num_returns=1, timeout=timeout_seconds)
        if not ready or len(handles) == 1:
            return ready
        return self._ray.wait(handles, num_returns=len(handles), timeout=0)[0]

    def collect(self, handle: Handle) -> CallReport | Failure:
        """See `workers.executors.Executor`."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(handle)
        except errors.LocalRayletDiedError as error:
            raise InfrastructureError(
                "this machine's Ray node died, so no call can be made any more; finished items "
                "are kept: run the same command again",
                retryable=True,
            ) from error
        except (errors.RayError, ConnectionError) as error:
            return Failure.of(error)

    def cancel(self, handles: Collection[Handle]) -> None:
        """Kill the workers of running calls, drop queued ones; compiled code hears no signal."""
        if not handles or not self._ray.is_initialized():
            return
        for handle in handles:
            self._ray.cancel(handle, force=True)
        self._ray.wait(list(handles), num_returns=len(handles), timeout=CANCEL_SECONDS)

    def _nodes(self) -> list[dict[str, float]]:
        return [node["Resources"] for node in self._ray.nodes() if node["Alive"]]


@contextmanager
def _sendable(what: str) -> Iterator[None]:
    """Say clearly what cannot be pickled; Ray reports it as a TypeError of many lines."""
    try:
        yield
    except (TypeError, PicklingError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{what} cannot be sent to a worker: {reason}") from error


def _calls_on(node: dict[str, float], profile: ResourceProfile) -> int:
    """Number of calls of `profile` that a node runs at the same time."""
    needs = (
        ("CPU", profile.cpus),
        ("GPU", profile.gpus),
        ("memory", float(profile.memory_bytes)),
    )
    return min(int(node.get(name, 0.0) / need + 1e-9) for name, need in needs if need)


def _describe(node: dict[str, float]) -> str:
    memory = node.get("memory", 0.0) / GIB
    return f"{node.get('CPU', 0):g} CPU, {node.get('GPU', 0):g} GPU, {memory:.1f} GiB"
