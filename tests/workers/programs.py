"""Programs that tests run in processes of their own, with a Ray of their own."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
PATIENCE_SECONDS = 240.0
"""How long a test waits for what should come at once; less than a test's own limit."""
PRELUDE = """
import logging, os, signal, sys, time
from pathlib import Path
from workers import ResourceProfile, WorkItem, connect, map_batches
from programs import has_ended, wait_until
from worker_functions import *
def say(*words): print(*words, flush=True)
"""


class Program:
    """A Python program in a session of its own, so that all it starts can be found."""

    def __init__(self, code: str, folder: Path, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + code],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(HERE), "TMPDIR": str(folder), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def finish(self) -> tuple[str, str]:
        return self.process.communicate(timeout=PATIENCE_SECONDS)

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


def has_ended(process: int) -> bool:
    """Whether a process is gone or a zombie."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return status.rpartition(")")[2].split()[0] == "Z"


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


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
