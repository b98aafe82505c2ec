"""A Ray cluster as a place that can make calls."""

import pickle
from collections.abc import Callable
from typing import Any

from tasks.records.errors import InfrastructureError
from workers.actors import ActorCalls, WarmWorker
from workers.calls import perform
from workers.executors import Calls
from workers.profiles import GIB, ResourceProfile
from workers.ray_tasks import SharedReferences, TaskCalls, sendable
from workers.sharing import Shared


class RayExecutor:
    """Makes calls on the Ray this process is connected to; made by `workers.connect`."""

    remote = True

    def __init__(self, address: str) -> None:
        import ray

        self.address = address
        self._ray = ray
        # Attempts are counted here, so Ray makes none by itself.
        # max_calls=0: a worker with a GPU is not replaced after every call.
        task = ray.remote(max_retries=0, retry_exceptions=False, max_calls=0)
        actor = ray.remote(max_restarts=0, max_task_retries=0)
        self._perform: Any = task(perform)
        self._warm_worker: Any = actor(WarmWorker)

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

    def calls(
        self, function: Callable[..., Any], *, profile: ResourceProfile, warm: bool, shared: Shared
    ) -> Calls:
        """See `workers.executors.Executor`."""
        maker = (self._warm_worker if warm else self._perform).options(**_options(profile))
        values = SharedReferences(shared)
        with sendable("the function"):
            packed = _Packed(self._ray.cloudpickle.dumps(function))
        if warm:
            return ActorCalls(lambda: maker.remote(packed), lambda: self.slots(profile), values.of)
        return TaskCalls(lambda call: maker.remote(packed, call, *values.of(call)))

    def _nodes(self) -> list[dict[str, float]]:
        return [node["Resources"] for node in self._ray.nodes() if node["Alive"]]


class _Packed:
    """A function, pickled once, that arrives at a worker as itself.

    It travels with each call and not through the object store: Ray ends a driver whose node is lost
    with an object that calls need.
    """

    def __init__(self, pickled: bytes) -> None:
        self._pickled = pickled

    def __reduce__(self) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
        return pickle.loads, (self._pickled,)


def _options(profile: ResourceProfile) -> dict[str, float]:
    """Lay out a profile as Ray's options."""
    options: dict[str, float] = {"num_cpus": profile.cpus, "num_gpus": profile.gpus}
    if profile.memory_bytes:
        options["memory"] = profile.memory_bytes
    return options


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
