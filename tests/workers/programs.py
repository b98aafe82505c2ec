"""Programs that tests run in processes of their own, with a Ray of their own."""

import os
import subprocess
from pathlib import Path

from commands import finish, start_python, wait_until

HERE = Path(__file__).parent
IMPORT_PATH = os.pathsep.join(map(str, (HERE, HERE.parent, HERE.parents[1])))
PRELUDE = """
import logging, os, signal, sys, time
from pathlib import Path
from workers import ResourceProfile, WorkItem, connect, map_batches
from commands import has_ended, wait_until
from worker_functions import *
def say(*words): print(*words, flush=True)
"""


class Program:
    """A Python program in a session of its own, so that all it starts can be found."""

    def __init__(self, code: str, folder: Path, **environment: str) -> None:
        places = {"PYTHONPATH": IMPORT_PATH, "TMPDIR": str(folder)}
        self.process = start_python(
            "-c",
            PRELUDE + code,
            cwd=folder,
            env=os.environ | places | environment,
            start_new_session=True,
        )

    def finish(self, *, code: int = 0) -> tuple[str, str]:
        """What it wrote to its two streams; fails with both unless it ends with this code."""
        return finish(self.process, code=code)

    def members(self) -> dict[int, str]:
        """Processes of the program's session: Ray's workers leave its group, not its session."""
        lines = subprocess.run(
            ["ps", "-s", str(self.process.pid), "-o", "pid=,stat=,comm="],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.splitlines()
        rows = [line.split(maxsplit=2) for line in lines]
        return {int(pid): name for pid, state, name in rows if not state.startswith("Z")}

    def wait_until_gone(self, *, but: tuple[str, ...] = ()) -> None:
        wait_until(lambda: all(name.startswith(but or "-") for name in self.members().values()))


# Ray notices a dead node after some 15 s by default. A dead one refuses the question at once, and a
# living one on a busy machine may take its time to answer.
QUICK_TO_NOTICE = {
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "60000",
    "RAY_health_check_failure_threshold": "2",
}

CLUSTER = """
import ray
from ray.cluster_utils import Cluster
small = {"num_cpus": 1, "object_store_memory": 10**8}
cluster = Cluster(initialize_head=True, head_node_args=small)
"""
