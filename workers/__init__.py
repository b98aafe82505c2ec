"""WHERE it runs: the only package that imports ray.

An *executor* is a place that can make calls: this process (`serial`), a Ray embedded in it
(`local`), or a Ray cluster named by its address. `connect` opens one, `map_batches` maps a
function over many items on it. Importing this package does not import ray.

Examples
--------
>>> from workers import WorkItem, connect, map_batches
>>> with connect("serial") as executor:
...     outcomes = list(map_batches(abs, [WorkItem("a", -3)], executor=executor))
>>> outcomes[0].key, outcomes[0].value
('a', 3)
"""

from typing import TYPE_CHECKING

from tasks.records.lazy import lazy_exports

if TYPE_CHECKING:
    from workers.cluster import connect
    from workers.dispatch import map_batches
    from workers.executors import Executor, SerialExecutor
    from workers.failures import Failure, WorkerOutOfMemory, classify
    from workers.logs import LogLine
    from workers.outcomes import Outcome, Progress, WorkItem
    from workers.profiles import PROFILES, ResourceProfile, profile

__all__ = [
    "PROFILES",
    "Executor",
    "Failure",
    "LogLine",
    "Outcome",
    "Progress",
    "ResourceProfile",
    "SerialExecutor",
    "WorkItem",
    "WorkerOutOfMemory",
    "classify",
    "connect",
    "map_batches",
    "profile",
]

__getattr__ = lazy_exports(__name__, __file__)
